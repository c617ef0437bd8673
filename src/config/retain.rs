//! How much is kept of a log, as the configuration writes it: `all`, or a size with its unit.

use serde::{Serialize, Serializer};

use super::value::Text;

/// How much is kept of a log that nothing needs any more.
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

impl Retain {
    /// The most that is kept, in bytes; `None`: all.
    pub fn bytes(self) -> Option<u64> {
        match self {
            Self::All => None,
            Self::Bytes(bytes) => Some(bytes),
        }
    }
}
