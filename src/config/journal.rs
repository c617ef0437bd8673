//! `[journal]`: what survives the process.

use serde::{Deserialize, Serialize};

use super::problem::Problems;
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
    /// What an acknowledged order survives. Default `none`, all that this version has.
    #[serde(deserialize_with = "value::one")]
    pub mode: JournalMode,
}

impl JournalConfig {
    pub(super) fn check(&self, at: &str, problems: &mut Problems) {
        if self.mode != JournalMode::None {
            let message = "this version keeps its journal in memory only: set journal.mode = \"none\"";
            problems.push(format!("{at}.mode"), message);
        }
    }
}
