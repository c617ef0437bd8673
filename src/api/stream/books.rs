//! Snapshots of books. One of a deep book takes a while to make: whoever asks soon after is given the same, and the changes since.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::domain::{Instrument, InstrumentId};
use crate::read::ReadModel;
use crate::stream::{
    Log,
    encode::{self, BookReport},
    text_frame,
};

/// The most levels of a side in a snapshot.
const DEPTH: usize = 100_000;
/// What is made sooner is made anew each time.
const QUICK: Duration = Duration::from_millis(1);
/// How many times as long as it took to make a snapshot is given to those who ask: those of a book take about a twentieth of a
/// processor, while its log has the changes since.
const GIVEN_FOR: u32 = 20;

/// The last snapshot of each deep book.
#[derive(Debug, Default)]
pub struct Books {
    last: Mutex<BTreeMap<InstrumentId, Snapshot>>,
}

/// A book as it was.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    /// The frame.
    pub(super) frame: Bytes,
    /// The number of the change that comes next.
    pub(super) next_seq: u64,
    made: Instant,
    took: Duration,
}

impl Books {
    /// A snapshot of a book, which `log` goes on from.
    pub(super) fn snapshot(&self, read: &ReadModel, instrument: &Instrument, log: &Log) -> Snapshot {
        let last = self.last().get(&instrument.id).cloned();
        if let Some(last) = last.filter(|last| last.made.elapsed() < last.took * GIVEN_FOR)
            && log.oldest_seq() <= last.next_seq
        {
            return last;
        }
        let snapshot = Snapshot::make(read, instrument);
        let mut last = self.last();
        match snapshot.took > QUICK {
            true => last.insert(instrument.id, snapshot.clone()),
            false => last.remove(&instrument.id),
        };
        snapshot
    }

    fn last(&self) -> MutexGuard<'_, BTreeMap<InstrumentId, Snapshot>> {
        // Nothing panics while it is held.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Snapshot {
    fn make(read: &ReadModel, instrument: &Instrument) -> Self {
        let started = Instant::now();
        let book = read.book(instrument, DEPTH);
        let mut json = Vec::new();
        let symbol = instrument.spec.symbol;
        let report = BookReport { symbol, seq: book.seq, prev: None, bids: &book.bids, asks: &book.asks };
        encode::book(&report, &mut json);
        let made = Instant::now();
        Self { frame: text_frame(&json), next_seq: book.seq + 1, made, took: made - started }
    }
}
