//! What waits in the queue, and what is answered to who sent it.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::Claim;
use crate::domain::{
    AccountId, CancelAll, ClientOrderId, Code, Decimal, Deposit, InstrumentId, Order, OrderId, OrderType, Place, Priority,
    Quote, Report,
};

/// A connection whose requests keep their order among themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId(pub u64);

/// An order, by one of its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The venue's id.
    OrderId(OrderId),
    /// The client's id.
    ClientOrderId(ClientOrderId),
}

/// What a replace asks for; `None` leaves a term as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewTerms {
    /// The client's id for the request.
    pub request_id: Option<ClientOrderId>,
    /// The new total.
    pub quantity: Option<Decimal>,
    /// The new limit.
    pub price: Option<Decimal>,
    /// The new trigger.
    pub trigger_price: Option<Decimal>,
}

/// What is asked of the executor. What is large is boxed, so that all that waits is small.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Place an order.
    Place(Box<Place>),
    /// Cancel one.
    Cancel {
        /// Who asks.
        account: AccountId,
        /// Which order.
        target: Target,
    },
    /// Change the terms of one.
    Replace {
        /// Who asks.
        account: AccountId,
        /// Which order.
        target: Target,
        /// How.
        terms: Box<NewTerms>,
    },
    /// Cancel many.
    CancelAll(CancelAll),
    /// Arm or disarm the account's dead man's switch.
    CancelAfter {
        /// Whose.
        account: AccountId,
        /// In nanoseconds; 0 disarms.
        timeout_ns: i64,
    },
    /// Move a book by hand: never conflated.
    Quote(Box<Quote>),
    /// Add to an account's free balance, or take from it.
    Deposit(Box<Deposit>),
    /// Refuse new orders of an instrument.
    Halt(InstrumentId),
    /// Take them again.
    Resume(InstrumentId),
}

impl Action {
    /// Whether it takes away rather than adds, or runs the venue, and so has the lane that a flood of orders cannot fill.
    pub(super) fn is_for_cancels(&self) -> bool {
        !matches!(self, Self::Place(_) | Self::Quote(_))
    }

    pub(super) fn is_market_order(&self) -> bool {
        matches!(self, Self::Place(place) if place.order_type == OrderType::Market)
    }
}

/// One of the threads that serve connections, by its number from 0 on. What a batch answers there is handed over together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkerId(pub usize);

/// Who is answered.
#[derive(Debug)]
pub struct Reply {
    sender: oneshot::Sender<Answer>,
    worker: WorkerId,
}

impl Reply {
    /// A reply on that worker, and where its answer arrives: an error there means that none will.
    pub fn new(worker: WorkerId) -> (Self, oneshot::Receiver<Answer>) {
        let (sender, answer) = oneshot::channel();
        (Self { sender, worker }, answer)
    }

    /// Where the answer is waited for.
    pub fn worker(&self) -> WorkerId {
        self.worker
    }

    /// Gives the answer. Who asked may have left; what was done stays done.
    pub fn give(self, answer: Answer) {
        drop(self.sender.send(answer));
    }
}

/// One waiting request.
#[derive(Debug)]
pub struct Request {
    /// What is asked.
    pub action: Action,
    /// The client id that it holds, if it came with one.
    pub claim: Option<Claim>,
    /// The connection it came on, if its order among that connection's requests matters.
    pub connection: Option<ConnectionId>,
    /// Where the answer goes; `None`: nobody waits for it.
    pub reply: Option<Reply>,
    /// Its number of arrival, over all lanes.
    pub(super) ticket: u64,
    /// When it was queued.
    pub(super) queued_at: Instant,
}

/// An order, and how it is shown to who asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownOrder {
    /// The order.
    pub order: Arc<Order>,
    /// Its JSON.
    pub json: Bytes,
}

/// What became of a request, sent once everything it depends on is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The order was numbered; as it is after executing as far as it went at once.
    Placed(ShownOrder),
    /// The order is canceled; as it ended.
    Canceled(ShownOrder),
    /// This many were canceled.
    CanceledAll(u32),
    /// The order has new terms.
    Replaced(ShownOrder, Priority),
    /// The order could not be canceled or replaced; the report says why.
    TooLate(Box<Report>),
    /// The account has no such order, or it ended too long ago for the engine to know.
    NotFound,
    /// It took effect.
    Done,
    /// It would move a balance, and the account has none.
    Unchecked,
    /// It was refused whole.
    Refused(Code),
}

impl Answer {
    /// The order that it shows, if it shows one.
    pub fn shown(&mut self) -> Option<&mut ShownOrder> {
        match self {
            Self::Placed(shown) | Self::Canceled(shown) | Self::Replaced(shown, _) => Some(shown),
            _ => None,
        }
    }
}
