//! Moments, as the venue stamps them and as people write them.

use std::fmt;

use jiff::{Timestamp, tz::Offset};
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

    /// Every execution prints one, so this fills in a form rather than ask a formatter.
    fn text(self) -> [u8; 30] {
        let mut text = *b"0000-00-00T00:00:00.000000000Z";
        // An i64 of nanoseconds is within the years that a timestamp can have.
        let moment = Timestamp::from_nanosecond(i128::from(self.0)).unwrap_or_default();
        let moment = Offset::UTC.to_datetime(moment);
        for (place, number) in [
            (0..4, i32::from(moment.year())),
            (5..7, i32::from(moment.month())),
            (8..10, i32::from(moment.day())),
            (11..13, i32::from(moment.hour())),
            (14..16, i32::from(moment.minute())),
            (17..19, i32::from(moment.second())),
            (20..29, moment.subsec_nanosecond()),
        ] {
            let mut rest = number.unsigned_abs();
            for digit in text.get_mut(place).unwrap_or_default().iter_mut().rev() {
                *digit = u8::try_from(rest % 10).unwrap_or_default().wrapping_add(b'0');
                rest /= 10;
            }
        }
        text
    }
}

impl fmt::Display for Nanos {
    /// RFC 3339 in UTC, always with nine digits after the point: `2026-01-01T00:00:00.000000001Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.text()).map_err(|_| fmt::Error)?)
    }
}

impl Serialize for Nanos {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(str::from_utf8(&self.text()).unwrap_or_default())
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
