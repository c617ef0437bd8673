//! `[journal]`: what survives the process.

use serde::{Deserialize, Serialize};

use super::retain::Retain;
use super::value::{self, readable_words};
use crate::domain::words;

words!(
    /// What an acknowledged order survives.
    JournalMode {
        /// The loss of power.
        Fsync = "fsync",
        /// The end of the process, not that of the machine.
        Os = "os",
        /// Nothing: the journal is in memory.
        None = "none",
    }
);
readable_words!(JournalMode);

/// What survives the process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalConfig {
    /// What an acknowledged order survives. Default `fsync`.
    #[serde(deserialize_with = "value::one")]
    pub mode: JournalMode,
    /// Records from one snapshot to the next, so the most that a start replays, about; 0: a snapshot is made at a clean stop only.
    /// Default 1000000.
    pub snapshot_every: u64,
    /// How much of the journal is kept that no start needs. Default `all`.
    #[serde(deserialize_with = "value::one")]
    pub retain: Retain,
}
