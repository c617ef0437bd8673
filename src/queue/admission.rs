//! Which client ids are taken: asked before an order may enter the queue, so that a retry never executes twice.
//!
//! An entry is `in flight` from the moment its order is about to be queued, and `known` once what became of the order is
//! kept. A reservation that never reaches the queue frees its id again. Entries are never forgotten while the process
//! lives: about 150 bytes each.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::{BuildHasher, Hash},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use foldhash::quality::FixedState;
use tokio::sync::oneshot;

use crate::domain::{AccountId, ClientOrderId, OrderId, Place};

/// What a request asks for, in 64 bits: equal for equal requests, whatever their JSON looked like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// The fingerprint of an order.
    pub fn of(place: &Place) -> Self {
        let mut hasher = FixedState::with_seed(0).build_hasher();
        place.hash(&mut hasher);
        Self(std::hash::Hasher::finish(&hasher))
    }
}

/// What is known of a client id.
#[derive(Debug)]
pub enum Known {
    /// Its order was numbered.
    Order(OrderId),
    /// Its order is on its way; the receiver wakes when that changes.
    InFlight(InFlight),
}

/// Wakes when an order that was in flight is known, or was never accepted.
pub type InFlight = oneshot::Receiver<()>;

/// The answer to a wish to use a client id.
#[derive(Debug)]
pub enum Verdict {
    /// The id is new and now held by this reservation.
    New(Reservation),
    /// The same request came before.
    Repeat(Known),
    /// The id belongs to another request.
    Conflict,
}

type Key = (AccountId, ClientOrderId);

#[derive(Debug)]
struct Held {
    fingerprint: Fingerprint,
    state: State,
}

#[derive(Debug)]
enum State {
    InFlight {
        /// Set when the executor has numbered the order, before that is kept.
        order_id: Option<OrderId>,
        waiters: Vec<oneshot::Sender<()>>,
    },
    Known(OrderId),
}

/// The table of client ids, shared by everyone who takes orders in.
#[derive(Clone, Debug, Default)]
pub struct Admission {
    table: Arc<Mutex<HashMap<Key, Held, FixedKeys>>>,
}

/// Hashes client ids with a seed of the process's own, so that no client can choose ids that collide.
type FixedKeys = foldhash::quality::RandomState;

impl Admission {
    /// Asks for an id on behalf of a request.
    pub fn reserve(&self, account: AccountId, id: ClientOrderId, fingerprint: Fingerprint) -> Verdict {
        match self.lock().entry((account, id)) {
            Entry::Vacant(vacant) => {
                vacant.insert(Held { fingerprint, state: State::InFlight { order_id: None, waiters: Vec::new() } });
                Verdict::New(Reservation { admission: self.clone(), key: Some((account, id)) })
            }
            Entry::Occupied(held) if held.get().fingerprint != fingerprint => Verdict::Conflict,
            Entry::Occupied(mut held) => Verdict::Repeat(held.get_mut().known()),
        }
    }

    /// What is known of an id, if anything.
    pub fn find(&self, account: AccountId, id: ClientOrderId) -> Option<Known> {
        self.lock().get_mut(&(account, id)).map(Held::known)
    }

    /// The order of an id, as far as the executor has come: for requests that follow it through the queue.
    pub fn order_id(&self, account: AccountId, id: ClientOrderId) -> Option<OrderId> {
        match self.lock().get(&(account, id))?.state {
            State::InFlight { order_id, .. } => order_id,
            State::Known(order_id) => Some(order_id),
        }
    }

    /// Notes that the executor numbered an order. It is not kept yet, so nobody who waits is told. An order that nobody
    /// reserved its id for comes out of the journal.
    pub fn numbered(&self, account: AccountId, id: ClientOrderId, fingerprint: Fingerprint, order: OrderId) {
        let new = || Held { fingerprint, state: State::InFlight { order_id: None, waiters: Vec::new() } };
        if let State::InFlight { order_id, .. } = &mut self.lock().entry((account, id)).or_insert_with(new).state {
            *order_id = Some(order);
        }
    }

    /// Notes that what became of these orders is kept, and tells those who wait.
    pub fn kept(&self, orders: &[(AccountId, ClientOrderId, OrderId)]) {
        if orders.is_empty() {
            return;
        }
        let mut table = self.lock();
        for (account, id, order_id) in orders {
            if let Some(held) = table.get_mut(&(*account, *id)) {
                // Dropping the waiters' senders wakes them.
                held.state = State::Known(*order_id);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Held, FixedKeys>> {
        // Every change is a single assignment, so a panic elsewhere cannot have left the table half changed.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn known(&mut self) -> Known {
        match &mut self.state {
            State::Known(order_id) => Known::Order(*order_id),
            State::InFlight { waiters, .. } => {
                waiters.retain(|waiter| !waiter.is_closed());
                let (sender, receiver) = oneshot::channel();
                waiters.push(sender);
                Known::InFlight(receiver)
            }
        }
    }
}

/// An id held for an order that is about to be queued; freed on drop unless [`Reservation::queued`].
#[derive(Debug)]
pub struct Reservation {
    admission: Admission,
    key: Option<Key>,
}

impl Reservation {
    /// The order is in the queue: from here the executor answers for the id.
    pub fn queued(mut self) {
        self.key = None;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.admission.lock().remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: AccountId = AccountId(0);

    fn id(text: &str) -> ClientOrderId {
        ClientOrderId::parse(text).unwrap()
    }

    #[test]
    fn an_id_is_in_flight_then_known_and_never_new_again() {
        let admission = Admission::default();
        let Verdict::New(reservation) = admission.reserve(ACCOUNT, id("a"), Fingerprint(1)) else { panic!() };
        let Verdict::Repeat(Known::InFlight(mut waiter)) = admission.reserve(ACCOUNT, id("a"), Fingerprint(1)) else {
            panic!()
        };
        assert!(matches!(admission.reserve(ACCOUNT, id("a"), Fingerprint(2)), Verdict::Conflict));
        assert!(matches!(admission.reserve(AccountId(1), id("a"), Fingerprint(2)), Verdict::New(_)));
        reservation.queued();
        admission.numbered(ACCOUNT, id("a"), Fingerprint(1), OrderId(7));
        assert_eq!(admission.order_id(ACCOUNT, id("a")), Some(OrderId(7)));
        assert_eq!(waiter.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        admission.kept(&[(ACCOUNT, id("a"), OrderId(7))]);
        assert_eq!(waiter.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        assert!(matches!(admission.find(ACCOUNT, id("a")), Some(Known::Order(OrderId(7)))));
    }

    #[test]
    fn an_id_whose_order_was_not_queued_is_free_again() {
        let admission = Admission::default();
        drop(admission.reserve(ACCOUNT, id("a"), Fingerprint(1)));
        assert!(admission.find(ACCOUNT, id("a")).is_none());
        assert!(matches!(admission.reserve(ACCOUNT, id("a"), Fingerprint(2)), Verdict::New(_)));
    }
}
