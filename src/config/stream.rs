//! `[stream]`: the log of executions that connections read.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::problem::Problems;
use super::retain::Retain;
use super::value;

/// The log of executions that connections read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamConfig {
    /// Executions of an account kept in memory, 1 to 16,777,216; older ones are read from disk, where there is a journal.
    /// Default 131072.
    pub ring: usize,
    /// How much of the log of executions on disk is kept that neither a start nor history needs, but for its newest 128 MiB; an older
    /// `from_seq` is a gap. Default `all`.
    #[serde(deserialize_with = "value::one")]
    pub retain: Retain,
    /// Executions that a live connection may fall behind before it is closed, 1 to 16,777,216. Default 100000.
    pub lag_limit: usize,
    /// How long a connection may take no bytes before it is closed, above zero. Default `10s`.
    #[serde(deserialize_with = "value::one", serialize_with = "value::write_duration")]
    pub stall_timeout: Duration,
    /// Bytes that the system may hold for a WebSocket, or for server-sent events, that are not read, 16,384 to 16,777,216; 0:
    /// as many as it likes. It may take twice as much memory for them. Default 131072.
    pub send_buffer: usize,
}

/// The least and the most that the system is told to hold for a connection.
const SEND_BUFFER: (usize, usize) = (1 << 14, 1 << 24);
/// The most executions in memory: some gigabytes of frames.
const RING_MAX: usize = 1 << 24;

impl StreamConfig {
    pub(super) fn check(&self, at: &str, problems: &mut Problems) {
        problems.range(format!("{at}.ring"), self.ring, 1, RING_MAX);
        problems.range(format!("{at}.lag_limit"), self.lag_limit, 1, RING_MAX);
        problems.above_zero(format!("{at}.stall_timeout"), self.stall_timeout);
        if self.send_buffer > 0 {
            problems.range(format!("{at}.send_buffer"), self.send_buffer, SEND_BUFFER.0, SEND_BUFFER.1);
        }
    }
}
