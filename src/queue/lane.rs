//! A lane: a bounded channel whose places are given back when a request is executed, and its counters.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use tokio::sync::{Semaphore, TryAcquireError, mpsc};

use super::{OnFull, Refusal, Request, WaitBuckets, waits::Waits};

/// The sending side of a lane.
#[derive(Debug)]
pub(super) struct Lane {
    name: &'static str,
    capacity: usize,
    /// One permit a place; taken on sending, given back on execution.
    places: Semaphore,
    /// Held by intake; the executor holds the other end.
    channel: mpsc::Sender<Request>,
    sent: AtomicU64,
    received: AtomicU64,
    dropped: AtomicU64,
    waits: Waits,
}

/// A lane's counters at one moment. `sent = received + depth`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneCounts {
    /// Which lane.
    pub lane: &'static str,
    /// How many requests it may hold.
    pub capacity: usize,
    /// How many it holds: queued or taken, not yet executed.
    pub depth: u64,
    /// How many were ever queued.
    pub sent: u64,
    /// How many of those were executed.
    pub received: u64,
    /// How many were refused because it was full.
    pub dropped: u64,
    /// How long the executed ones waited.
    pub waits: WaitBuckets,
}

/// Makes a lane of `capacity` places.
pub(super) fn lane(name: &'static str, capacity: usize) -> (Lane, mpsc::Receiver<Request>) {
    let (channel, out) = mpsc::channel(capacity);
    let lane = Lane {
        name,
        capacity,
        places: Semaphore::new(capacity),
        channel,
        sent: AtomicU64::new(0),
        received: AtomicU64::new(0),
        dropped: AtomicU64::new(0),
        waits: Waits::default(),
    };
    (lane, out)
}

impl Lane {
    /// Takes a place, waiting for one if `on_full` says so.
    pub(super) async fn reserve(&self, on_full: OnFull) -> Result<(), Refusal> {
        let refusal = match self.places.try_acquire() {
            Ok(place) => {
                place.forget();
                return Ok(());
            }
            Err(TryAcquireError::Closed) => Refusal::ShuttingDown,
            Err(TryAcquireError::NoPermits) => match on_full {
                OnFull::Reject => Refusal::Full,
                OnFull::Wait(timeout) => match tokio::time::timeout(timeout, self.places.acquire()).await {
                    Ok(Ok(place)) => {
                        place.forget();
                        return Ok(());
                    }
                    Ok(Err(_)) => Refusal::ShuttingDown,
                    Err(_) => Refusal::Full,
                },
            },
        };
        if refusal == Refusal::Full {
            self.gave_up();
        }
        Err(refusal)
    }

    /// Counts a request that got no place.
    pub(super) fn gave_up(&self) {
        self.dropped.fetch_add(1, Relaxed);
    }

    /// Queues a request on a place that [`Lane::reserve`] took.
    pub(super) fn send(&self, request: Request) -> Result<(), Refusal> {
        // Counted first, so that a request is never seen received before it is seen sent.
        self.sent.fetch_add(1, Relaxed);
        self.channel.try_send(request).map_err(|_| {
            self.sent.fetch_sub(1, Relaxed);
            Refusal::ShuttingDown
        })
    }

    /// Gives back the place of a request that is about to be executed and has waited so long.
    pub(super) fn executed(&self, waited: Duration) {
        self.waits.note(waited);
        self.received.fetch_add(1, Relaxed);
        self.places.add_permits(1);
    }

    /// Refuses whoever waits for a place, and everyone after.
    pub(super) fn close(&self) {
        self.places.close();
    }

    /// How long the queue needs to make room at the pace it has kept: half of what its requests waited on average, and at
    /// least a second, the least that `Retry-After` can say.
    pub(super) fn retry_after(&self) -> Duration {
        let received = self.received.load(Relaxed).max(1);
        Duration::from_nanos(self.waits.total_ns() / received / 2).max(Duration::from_secs(1))
    }

    pub(super) fn counts(&self) -> LaneCounts {
        let received = self.received.load(Relaxed);
        let sent = self.sent.load(Relaxed).max(received);
        LaneCounts {
            lane: self.name,
            capacity: self.capacity,
            depth: sent - received,
            sent,
            received,
            dropped: self.dropped.load(Relaxed),
            waits: self.waits.buckets(),
        }
    }
}
