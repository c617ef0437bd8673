//! Moments, as the venue stamps them and as people write them.

use std::{fmt, ops::Range};

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

    fn text(self) -> [u8; 30] {
        let mut text = MomentText::default();
        text.of(self);
        text.text
    }
}

/// The text of one moment after another. The calendar is asked once a second: moments come one shortly after the other, or are the
/// same.
#[derive(Clone, Debug)]
pub struct MomentText {
    /// The moment that `text` is of.
    moment: Nanos,
    text: [u8; 30],
}

impl Default for MomentText {
    fn default() -> Self {
        Self { moment: Nanos(0), text: *b"1970-01-01T00:00:00.000000000Z" }
    }
}

impl MomentText {
    /// A moment as [`Nanos`] prints it.
    pub fn of(&mut self, moment: Nanos) -> &[u8] {
        // What is executed together has one moment.
        if moment == self.moment {
            return &self.text;
        }
        let before = std::mem::replace(&mut self.moment, moment);
        let second = moment.0.div_euclid(1_000_000_000);
        if second != before.0.div_euclid(1_000_000_000) {
            self.begin_second(second);
        }
        // Less than 10^9.
        self.fill_in(20..29, moment.0.rem_euclid(1_000_000_000) as u32);
        &self.text
    }

    fn begin_second(&mut self, second: i64) {
        // An i64 of nanoseconds is within the years that a timestamp can have.
        let moment = Offset::UTC.to_datetime(Timestamp::from_second(second).unwrap_or_default());
        self.fill_in(0..4, u32::from(moment.year().unsigned_abs()));
        for (place, number) in
            [(5..7, moment.month()), (8..10, moment.day()), (11..13, moment.hour()), (14..16, moment.minute())]
        {
            self.fill_in(place, u32::from(number.unsigned_abs()));
        }
        self.fill_in(17..19, u32::from(moment.second().unsigned_abs()));
    }

    fn fill_in(&mut self, place: Range<usize>, number: u32) {
        let mut rest = number;
        for digit in self.text.get_mut(place).unwrap_or_default().iter_mut().rev() {
            *digit = ((rest % 10) as u8).wrapping_add(b'0');
            rest /= 10;
        }
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
        let mut text = MomentText::default();
        for nanos in [0, 1, 999_999_999, 1_000_000_000, -1, 1_767_225_600_000_000_001, 1_767_225_599_999_999_999, i64::MIN]
        {
            assert_eq!(text.of(Nanos(nanos)), Nanos(nanos).to_string().as_bytes());
            assert_eq!(Nanos::parse(&Nanos(nanos).to_string()), Some(Nanos(nanos)));
        }
        assert_eq!(Nanos::parse("2026-01-01T01:00:00+01:00"), Some(Nanos(1_767_225_600_000_000_000)));
        for text in ["", "2026-01-01", "now", "9999-01-01T00:00:00Z"] {
            assert_eq!(Nanos::parse(text), None, "{text}");
        }
    }
}
