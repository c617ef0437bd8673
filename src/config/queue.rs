//! `[queue]`: the lanes between the requests and the executor.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::problem::Problems;
use super::value::{self, readable_words};
use crate::domain::words;

words!(
    /// In which order waiting commands are executed.
    Discipline {
        /// As they arrived, over both lanes.
        Fifo = "fifo",
        /// A market order may overtake new orders of other types.
        MarketFirst = "market_first",
    }
);
words!(
    /// What becomes of a command that finds its lane full.
    OnFull {
        /// It is refused at once.
        Reject = "reject",
        /// It waits for a place up to `enqueue_timeout`, and is refused then.
        Wait = "wait",
    }
);
readable_words!(Discipline, OnFull);

/// The lanes between the requests and the executor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueConfig {
    /// New orders that may wait, 1 to 16,777,216. Default 4096.
    pub orders_capacity: usize,
    /// Cancels and replaces that may wait, 1 to 16,777,216. Default 4096.
    pub cancels_capacity: usize,
    /// In which order they are executed. Default `fifo`.
    #[serde(deserialize_with = "value::one")]
    pub discipline: Discipline,
    /// What becomes of one that finds its lane full. Default `reject`.
    #[serde(deserialize_with = "value::one")]
    pub on_full: OnFull,
    /// How long one may wait for a place with `on_full = "wait"`. Default `0ms`.
    #[serde(deserialize_with = "value::one", serialize_with = "value::write_duration")]
    pub enqueue_timeout: Duration,
}

/// The most that a lane may hold: some gigabytes of commands.
const CAPACITY_MAX: usize = 1 << 24;

impl QueueConfig {
    pub(super) fn check(&self, at: &str, problems: &mut Problems) {
        problems.range(format!("{at}.orders_capacity"), self.orders_capacity, 1, CAPACITY_MAX);
        problems.range(format!("{at}.cancels_capacity"), self.cancels_capacity, 1, CAPACITY_MAX);
    }
}
