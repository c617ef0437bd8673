//! `[journal]`: what survives the process.

use serde::{Deserialize, Serialize};

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
    /// What an acknowledged order survives. Default `none`.
    #[serde(deserialize_with = "value::one")]
    pub mode: JournalMode,
}
