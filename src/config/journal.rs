//! `[journal]`: what survives the process.

use serde::{Deserialize, Serialize, Serializer};

use super::value::{self, Text, readable_words};
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

/// How much of the journal is kept that a start does not need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retain {
    /// All of it.
    All,
    /// No more than it takes to have so many bytes in all.
    Bytes(u64),
}

/// Units of a size, largest first.
const UNITS: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

impl Text for Retain {
    const MUST_BE: &str = "\"all\" or a size with its unit, such as \"10GiB\"";

    fn read(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self::All);
        }
        let sizes = UNITS
            .iter()
            .filter_map(|(unit, bytes)| text.strip_suffix(unit)?.trim().parse::<u64>().ok()?.checked_mul(*bytes));
        let size = sizes.min().filter(|_| !text.starts_with('+'));
        size.map(Self::Bytes).ok_or_else(|| format!("must be {}; the units are KiB, MiB, GiB, TiB", Self::MUST_BE))
    }
}

impl Serialize for Retain {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self::Bytes(bytes) = self else { return serializer.serialize_str("all") };
        let unit = UNITS.iter().find(|(_, unit)| bytes.is_multiple_of(*unit));
        match unit {
            Some((name, unit)) => serializer.collect_str(&format_args!("{}{name}", bytes / unit)),
            None => serializer.collect_str(&format_args!("{}KiB", bytes >> 10)),
        }
    }
}

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
