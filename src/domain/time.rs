//! Moments, as the venue stamps them and as people write them.

use std::fmt;

use jiff::{Timestamp, fmt::temporal::DateTimePrinter};
use serde::{Serialize, Serializer};

/// A moment: nanoseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nanos(pub i64);

impl Nanos {
    /// Reads an RFC 3339 moment, such as `2026-01-01T00:00:00.5Z`; `None` if it is none, or outside the years 1677 to 2262.
    pub fn parse(text: &str) -> Option<Self> {
        let moment: Timestamp = text.parse().ok()?;
        i64::try_from(moment.as_nanosecond()).ok().map(Self)
    }
}

impl fmt::Display for Nanos {
    /// RFC 3339 in UTC, always with nine digits after the point: `2026-01-01T00:00:00.000000001Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(9));
        let moment = Timestamp::from_nanosecond(i128::from(self.0)).map_err(|_| fmt::Error)?;
        PRINTER.print_timestamp(&moment, jiff::fmt::StdFmtWrite(f)).map_err(|_| fmt::Error)
    }
}

impl Serialize for Nanos {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_with_nanoseconds_and_read_back() {
        for (nanos, text) in [
            (1_767_225_600_000_000_001, "2026-01-01T00:00:00.000000001Z"),
            (0, "1970-01-01T00:00:00.000000000Z"),
            (i64::MAX, "2262-04-11T23:47:16.854775807Z"),
        ] {
            assert_eq!(Nanos(nanos).to_string(), text);
            assert_eq!(Nanos::parse(text), Some(Nanos(nanos)));
        }
        assert_eq!(Nanos::parse("2026-01-01T01:00:00+01:00"), Some(Nanos(1_767_225_600_000_000_000)));
        for text in ["", "2026-01-01", "now", "9999-01-01T00:00:00Z"] {
            assert_eq!(Nanos::parse(text), None, "{text}");
        }
    }
}
