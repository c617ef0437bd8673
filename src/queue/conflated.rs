//! Quotes on their way to the executor: of each exchange and instrument, only the newest waits.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use super::{LaneCounts, WaitBuckets};
use crate::domain::{Command, ExchangeName, InstrumentId};

/// Whose quote, and for what.
pub type QuoteKey = (ExchangeName, InstrumentId);

/// The waiting quotes. Bounded by exchanges × instruments.
#[derive(Debug, Default)]
pub(super) struct Conflated {
    waiting: Mutex<BTreeMap<QuoteKey, Command>>,
    sent: AtomicU64,
    received: AtomicU64,
    replaced: AtomicU64,
}

impl Conflated {
    /// Lets `command` wait in the place of any older one of the same key.
    pub(super) fn put(&self, key: QuoteKey, command: Command) {
        self.sent.fetch_add(1, Relaxed);
        let older = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(key, command);
        if older.is_some() {
            self.replaced.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Takes everything that waits.
    pub(super) fn take(&self, into: &mut Vec<Command>) {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        self.received.fetch_add(waiting.len() as u64, Relaxed);
        into.extend(waiting.into_values());
    }

    /// `dropped` are the quotes that a newer one took the place of; so here `sent = received + depth + dropped`.
    pub(super) fn counts(&self) -> LaneCounts {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        LaneCounts {
            lane: "quotes",
            capacity: 0,
            depth: waiting.len() as u64,
            sent: self.sent.load(Relaxed),
            received: self.received.load(Relaxed),
            dropped: self.replaced.load(Relaxed),
            waits: WaitBuckets::default(),
        }
    }
}
