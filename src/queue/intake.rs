//! The end of the queue that takes requests in. Cheap to clone; every handler and socket holds one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{Action, Answer, Claim, ConnectionId, LaneCounts, OnFull, QuoteKey, Request, conflated::Conflated, lane::Lane};
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
        Self { shared: Arc::new(shared) }
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
        let (reply, answer) = oneshot::channel();
        let ticket = self.shared.tickets.fetch_add(1, Relaxed);
        lane.send(Request { action, claim, connection, reply: Some(reply), ticket, queued_at: Instant::now() })?;
        Ok(answer)
    }

    /// Whether sending may wait for a place.
    pub fn may_wait(&self) -> bool {
        matches!(self.shared.on_full, OnFull::Wait(_))
    }

    /// Lets a quote, or the withdrawal of one, wait for the executor in the place of any older one of the same key.
    pub fn put_quote(&self, key: QuoteKey, command: Command) {
        self.shared.quotes.put(key, command);
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

    pub(super) fn quotes(&self) -> &Conflated {
        &self.shared.quotes
    }

    fn lane(&self, action: &Action) -> &Lane {
        if action.is_for_cancels() { &self.shared.cancels } else { &self.shared.orders }
    }
}
