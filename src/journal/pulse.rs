//! How the journal's frames go: counted once a frame.

use crate::tally::Tally;

/// Upper bounds of times, in nanoseconds.
const TIMES_NS: &[u64] = &[
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
    50_000_000,
    100_000_000,
    250_000_000,
    1_000_000_000,
];
/// Upper bounds of the lengths of frames.
const BYTES: &[u64] = &[256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304];

/// How frames go.
#[derive(Debug)]
pub struct Pulse {
    /// How long a frame took to be written and, where that is asked for, synced, in nanoseconds.
    pub commit_ns: Tally,
    /// How long frames are, in bytes.
    pub frame_bytes: Tally,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { commit_ns: Tally::new(TIMES_NS), frame_bytes: Tally::new(BYTES) }
    }
}
