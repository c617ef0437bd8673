//! Counts by size: how many values were at most so large, their sum, and the largest.
//!
//! One writer or many, without a lock; a reader may see a value in one counter before it is in another. Meant for what happens
//! once a batch, not once an order.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Values by size.
#[derive(Debug)]
pub struct Tally {
    bounds: &'static [u64],
    /// One count a bound, and one for what is larger than all.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
    max: AtomicU64,
}

/// What a [`Tally`] holds at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tallied {
    /// Upper bounds and how many values are above the bound before and at most this one; the last bound is the largest number.
    pub buckets: Vec<(u64, u64)>,
    /// How many there are.
    pub count: u64,
    /// All of them together.
    pub sum: u64,
    /// The largest.
    pub max: u64,
}

impl Tally {
    /// A tally of nothing yet; bounds rise.
    pub fn new(bounds: &'static [u64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0), max: AtomicU64::new(0) }
    }

    /// Counts a value.
    pub fn observe(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Relaxed);
        }
        self.sum.fetch_add(value, Relaxed);
        self.max.fetch_max(value, Relaxed);
    }

    /// Counts a time, in nanoseconds.
    pub fn observe_time(&self, took: Duration) {
        self.observe(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    /// What it holds.
    pub fn read(&self) -> Tallied {
        let bounds = self.bounds.iter().copied().chain([u64::MAX]);
        let buckets: Vec<(u64, u64)> = bounds.zip(self.counts.iter().map(|count| count.load(Relaxed))).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        Tallied { buckets, count, sum: self.sum.load(Relaxed), max: self.max.load(Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_in_the_first_bucket_that_has_room_for_it() {
        let tally = Tally::new(&[10, 100]);
        for value in [0, 10, 11, 100, 101, 5_000] {
            tally.observe(value);
        }
        let buckets = vec![(10, 2), (100, 2), (u64::MAX, 2)];
        assert_eq!(tally.read(), Tallied { buckets, count: 6, sum: 5_222, max: 5_000 });
    }
}
