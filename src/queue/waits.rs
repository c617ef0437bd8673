//! How long requests and quotes wait, counted by size.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Upper bounds of the buckets that waiting times are counted in, in nanoseconds.
const BOUNDS_NS: [u64; 10] =
    [10_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000, 10_000_000, 100_000_000, 1_000_000_000, 10_000_000_000];

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Waits {
    total_ns: AtomicU64,
    max_ns: AtomicU64,
    /// One count a bound, and one for what waited longer than all of them.
    counts: [AtomicU64; BOUNDS_NS.len() + 1],
}

impl Waits {
    /// Counts one that has waited so long.
    pub(super) fn note(&self, waited: Duration) {
        let wait_ns = u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_NS.iter().position(|bound| wait_ns <= *bound).unwrap_or(BOUNDS_NS.len());
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Relaxed);
        }
        self.total_ns.fetch_add(wait_ns, Relaxed);
        self.max_ns.fetch_max(wait_ns, Relaxed);
    }

    /// How long all waited together, in nanoseconds.
    pub(super) fn total_ns(&self) -> u64 {
        self.total_ns.load(Relaxed)
    }

    pub(super) fn buckets(&self) -> WaitBuckets {
        let mut at_most = 0;
        let buckets = BOUNDS_NS.iter().zip(&self.counts).map(|(bound, count)| {
            at_most += count.load(Relaxed);
            (*bound, at_most)
        });
        WaitBuckets { buckets: buckets.collect(), total_ns: self.total_ns(), max_ns: self.max_ns.load(Relaxed) }
    }
}

/// How long requests waited from being queued to being executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitBuckets {
    /// Upper bound in nanoseconds and how many waited at most that long, cumulative.
    pub buckets: Vec<(u64, u64)>,
    /// The sum of all waits, in nanoseconds.
    pub total_ns: u64,
    /// The longest wait, in nanoseconds.
    pub max_ns: u64,
}

impl WaitBuckets {
    /// The upper bound of the bucket that the `percent`th percentile falls in, in nanoseconds; 0 where nothing waited, and
    /// the longest wait where it is beyond the last bound.
    pub fn percentile_ns(&self, percent: u64, count: u64) -> u64 {
        if count == 0 {
            return 0;
        }
        let rank = count.saturating_mul(percent).div_ceil(100);
        let bucket = self.buckets.iter().find(|(_, at_most)| *at_most >= rank);
        bucket.map_or(self.max_ns, |(bound, _)| (*bound).min(self.max_ns))
    }
}
