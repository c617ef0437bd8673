//! The end of the queue that takes requests in. Cheap to clone; every handler and socket holds one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::sync::{Notify, oneshot};

use super::{
    Action, Answer, Claim, ConnectionId, LaneCounts, OnFull, QuoteKey, Reply, Request, WorkerId, conflated::Conflated,
    lane::Lane,
};
use crate::domain::Command;

/// Why a request was not queued: nothing of it was or will be executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its lane is full.
    #[error("the queue is full")]
    Full,
    /// The venue is draining.
    #[error("the venue is shutting down")]
    ShuttingDown,
}

/// The end that takes requests in.
#[derive(Clone, Debug)]
pub struct Intake {
    shared: Arc<Shared>,
    worker: WorkerId,
    /// Rung when something was sent here; who waits for it looks then.
    bell: Arc<Notify>,
}

#[derive(Debug)]
struct Shared {
    orders: Lane,
    cancels: Lane,
    quotes: Conflated,
    on_full: OnFull,
    /// Numbers arrivals over all lanes.
    tickets: AtomicU64,
}

impl Intake {
    pub(super) fn new(orders: Lane, cancels: Lane, on_full: OnFull) -> Self {
        let shared = Shared { orders, cancels, quotes: Conflated::default(), on_full, tickets: AtomicU64::new(0) };
        Self { shared: Arc::new(shared), worker: WorkerId::default(), bell: Arc::default() }
    }

    /// The same end for another worker, the one that waits for the answers. Nobody wakes the executor for what is sent there but
    /// [`Intake::ring_for`].
    pub fn of_worker(&self, worker: WorkerId) -> Self {
        Self { shared: self.shared.clone(), worker, bell: Arc::default() }
    }

    /// Tells the executor of what is sent by `other`, a worker's end, on whose runtime this runs for ever: once for all that the
    /// worker's tasks sent in one turn, since to wake another thread is a system call.
    pub async fn ring_for(&self, other: &Self) {
        loop {
            other.rung().await;
            self.bell.notify_one();
        }
    }

    /// Queues `action`; the receiver gets its answer.
    ///
    /// Dropping the future before it is done queues nothing, except at the very last step, which does not wait.
    ///
    /// # Errors
    ///
    /// [`Refusal`] says why it was not queued.
    pub async fn send(
        &self,
        action: Action,
        connection: Option<ConnectionId>,
    ) -> Result<oneshot::Receiver<Answer>, Refusal> {
        self.send_claiming(action, None, connection).await
    }

    /// The same, for a request that holds a client id.
    ///
    /// # Errors
    ///
    /// As [`Intake::send`].
    pub async fn send_claiming(
        &self,
        action: Action,
        claim: Option<Claim>,
        connection: Option<ConnectionId>,
    ) -> Result<oneshot::Receiver<Answer>, Refusal> {
        let lane = self.lane(&action);
        lane.reserve(self.shared.on_full).await?;
        let (reply, answer) = Reply::new(self.worker);
        let reply = Some(reply);
        let ticket = self.shared.tickets.fetch_add(1, Relaxed);
        lane.send(Request { action, claim, connection, reply, ticket, queued_at: Instant::now() })?;
        self.bell.notify_one();
        Ok(answer)
    }

    /// Whether sending may wait for a place.
    pub fn may_wait(&self) -> bool {
        self.longest_wait().is_some()
    }

    /// How long sending may wait for a place, if it may.
    pub fn longest_wait(&self) -> Option<Duration> {
        match self.shared.on_full {
            OnFull::Wait(timeout) => Some(timeout),
            OnFull::Reject => None,
        }
    }

    /// Counts an order that was given up while it waited for a place.
    pub fn gave_up(&self) {
        self.shared.orders.gave_up();
    }

    /// Lets a quote, or the withdrawal of one, wait for the executor. Of those of the same key that wait already, the lowest and the
    /// highest stay, where no other exchange's for the instrument waits.
    pub fn put_quote(&self, key: QuoteKey, command: Command) {
        self.shared.quotes.put(key, command);
        self.bell.notify_one();
    }

    /// Refuses everything from now on; what is queued stays queued.
    pub fn close(&self) {
        self.shared.orders.close();
        self.shared.cancels.close();
    }

    /// When a client that found the orders lane full should ask again.
    pub fn retry_after(&self) -> Duration {
        self.shared.orders.retry_after()
    }

    /// The counters of every lane: `orders`, `cancels`, `quotes`.
    pub fn counts(&self) -> [LaneCounts; 3] {
        [self.shared.orders.counts(), self.shared.cancels.counts(), self.shared.quotes.counts()]
    }

    pub(super) fn executed(&self, request: &Request, now: Instant) {
        self.lane(&request.action).executed(now.saturating_duration_since(request.queued_at));
    }

    /// Waits until something was sent here since the last such wait ended.
    pub(super) async fn rung(&self) {
        self.bell.notified().await;
    }

    pub(super) fn quotes(&self) -> &Conflated {
        &self.shared.quotes
    }

    fn lane(&self, action: &Action) -> &Lane {
        if action.is_for_cancels() { &self.shared.cancels } else { &self.shared.orders }
    }
}
