//! How the executor's batches go: counted once a batch, so that an order costs nothing.

use std::time::Duration;

use crate::tally::Tally;

/// Upper bounds of the sizes of batches, in commands.
const COMMANDS: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
/// Upper bounds of times, in nanoseconds.
const TIMES_NS: &[u64] = &[
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    100_000_000,
    1_000_000_000,
];

/// How batches go.
#[derive(Debug)]
pub struct Pulse {
    /// Commands a batch.
    pub commands: Tally,
    /// How long a batch's commands took to apply, in nanoseconds. Divided by the commands: the time of one.
    pub apply_ns: Tally,
    /// How long what they show took to make, on another thread, in nanoseconds.
    pub finish_ns: Tally,
    /// How long a batch took the executor in all, in nanoseconds; what waits longer than that waits for something else.
    pub batch_ns: Tally,
}

impl Default for Pulse {
    fn default() -> Self {
        let times = || Tally::new(TIMES_NS);
        Self { commands: Tally::new(COMMANDS), apply_ns: times(), finish_ns: times(), batch_ns: times() }
    }
}

impl Pulse {
    /// Counts a batch; one that executed nothing is none.
    pub(super) fn beat(&self, commands: u64, apply: Duration, all: Duration) {
        if commands == 0 {
            return;
        }
        self.commands.observe(commands);
        self.apply_ns.observe_time(apply);
        self.batch_ns.observe_time(all);
    }
}
