//! Values as the configuration writes them: durations, decimals, names and words, read from text.
//!
//! Each kind says in a sentence what it must be, so that an error tells what to write instead. The functions at the
//! top are for `#[serde(deserialize_with = …)]`; a domain type gets no `Deserialize` here, because other edges read it
//! in other ways.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};
use serde::{Serialize, Serializer};

use crate::domain::{
    AccountName, AssetName, Decimal, ExchangeName, FeeAsset, FeeRate, KeyHash, Scope, Symbol, Unmarketable,
};

/// A value that is written as text.
pub(super) trait Text: Sized {
    /// What it must be, as a sentence goes on after "must be".
    const MUST_BE: &str;
    /// Whether a TOML integer may stand for it too.
    const INTEGERS: Integers = Integers::Refused;

    /// Reads it; the error is a sentence.
    fn read(text: &str) -> Result<Self, String>;
}

/// Whether a TOML integer may stand for a [`Text`].
#[derive(PartialEq)]
pub(super) enum Integers {
    Accepted,
    Refused,
}

/// Reads one value.
pub(super) fn one<'de, T: Text, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Read::deserialize(deserializer).map(|read| read.0)
}

/// Reads a value that may be left out.
pub(super) fn optional<'de, T: Text, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    one(deserializer).map(Some)
}

/// Reads a list of values.
pub(super) fn list<'de, T: Text, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Vec::<Read<T>>::deserialize(deserializer)?.into_iter().map(|read| read.0).collect())
}

/// Reads a table of values by name.
pub(super) fn map<'de, K: Text + Ord, V: Text, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error> {
    let read = BTreeMap::<Read<K>, Read<V>>::deserialize(deserializer)?;
    Ok(read.into_iter().map(|(key, value)| (key.0, value.0)).collect())
}

/// Reads a table of values by name that may be left out.
pub(super) fn optional_map<'de, K: Text + Ord, V: Text, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<BTreeMap<K, V>>, D::Error> {
    map(deserializer).map(Some)
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Read<T>(T);

impl<'de, T: Text> Deserialize<'de> for Read<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor(PhantomData)).map(Self)
    }
}

struct TextVisitor<T>(PhantomData<T>);

impl<T: Text> Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::MUST_BE)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        T::read(text).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        match T::INTEGERS {
            Integers::Accepted => self.visit_str(&number.to_string()),
            Integers::Refused => Err(E::invalid_type(Unexpected::Signed(number), &self)),
        }
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        match T::INTEGERS {
            Integers::Accepted => {
                Err(E::custom("must be written in quotes, such as \"0.01\": without them its digits are not exact"))
            }
            Integers::Refused => Err(E::invalid_type(Unexpected::Float(number), &self)),
        }
    }
}

impl Text for Decimal {
    const MUST_BE: &str = "a decimal number in quotes, such as \"0.01\"";
    const INTEGERS: Integers = Integers::Accepted;

    fn read(text: &str) -> Result<Self, String> {
        Self::parse(text).map_err(|error| error.to_string())
    }
}

impl Text for FeeRate {
    const MUST_BE: &str = Decimal::MUST_BE;
    const INTEGERS: Integers = Integers::Accepted;

    fn read(text: &str) -> Result<Self, String> {
        Self::from_bps(Decimal::read(text)?)
            .ok_or_else(|| "must be 0 to 10000 basis points, with at most 4 digits after the point".to_owned())
    }
}

/// Writes a fee in basis points, as it is read.
pub(super) fn write_bps<S: Serializer>(rate: &FeeRate, serializer: S) -> Result<S::Ok, S::Error> {
    let bps = Decimal::new(i64::from(rate.units()), 4).map_err(serde::ser::Error::custom)?;
    bps.serialize(serializer)
}

/// Units of a duration and their nanoseconds, largest first.
const UNITS: [(&str, u64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];
/// The longest duration: so that any moment plus a duration is a moment.
const DURATION_MAX: Duration = Duration::from_secs(366 * 86_400);

impl Text for Duration {
    const MUST_BE: &str = "a duration with its unit, such as \"250ms\" or \"5s\"";

    fn read(text: &str) -> Result<Self, String> {
        let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(unit_at);
        let unit = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, nanos)| *nanos);
        let (Some(unit), false) = (unit, number.is_empty()) else {
            return Err(format!("must be {}; the units are ns, us, ms, s, m, h, d", Self::MUST_BE));
        };
        let nanos = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
        nanos
            .map(Self::from_nanos)
            .filter(|duration| *duration <= DURATION_MAX)
            .ok_or_else(|| "must be at most 366 days".to_owned())
    }
}

/// Writes a duration in the largest unit that keeps it whole.
pub(super) fn write_duration<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    let nanos = duration.as_nanos();
    if nanos == 0 {
        return serializer.serialize_str("0ms");
    }
    let whole = UNITS.iter().find(|(_, unit)| nanos.is_multiple_of(u128::from(*unit)));
    let (name, unit) = whole.unwrap_or(&("ns", 1));
    serializer.collect_str(&format_args!("{}{name}", nanos / u128::from(*unit)))
}

/// A time of day in UTC, to the minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeOfDay {
    minutes: u16,
}

impl TimeOfDay {
    /// Nanoseconds after midnight.
    pub fn nanos(self) -> i64 {
        i64::from(self.minutes) * 60_000_000_000
    }
}

impl Text for TimeOfDay {
    const MUST_BE: &str = "a time of day in quotes, \"00:00\" to \"23:59\"";

    fn read(text: &str) -> Result<Self, String> {
        let two_digits = |part: &str, below: u16| {
            let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| part.parse::<u16>().ok())?.filter(|number| *number < below)
        };
        text.split_once(':')
            .and_then(|(hours, minutes)| Some(two_digits(hours, 24)? * 60 + two_digits(minutes, 60)?))
            .map(|minutes| Self { minutes })
            .ok_or_else(|| format!("must be {}", Self::MUST_BE))
    }
}

impl Serialize for TimeOfDay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:02}:{:02}", self.minutes / 60, self.minutes % 60))
    }
}

/// An exchange's own symbol, which may have any alphabet.
impl Text for String {
    const MUST_BE: &str = "a text of 1 to 64 characters";

    fn read(text: &str) -> Result<Self, String> {
        if (1..=64).contains(&text.chars().count()) && !text.chars().any(char::is_control) {
            return Ok(text.to_owned());
        }
        Err(format!("must be {}", Self::MUST_BE))
    }
}

macro_rules! names {
    ($($name:ty),+) => {
        $(impl Text for $name {
            const MUST_BE: &str = "a name in quotes";

            fn read(text: &str) -> Result<Self, String> {
                Self::parse(text).map_err(|error| error.to_string())
            }
        })+
    };
}
names!(Symbol, AssetName, AccountName, ExchangeName);

/// Makes enums of `domain::words!` readable; a word that is none of them is answered with all of them.
macro_rules! readable_words {
    ($($word:ty),+) => {
        $(impl $crate::config::value::Text for $word {
            const MUST_BE: &str = "one of its words, in quotes";

            fn read(text: &str) -> Result<Self, String> {
                Self::parse(text).ok_or_else(|| {
                    let words: Vec<String> = Self::ALL.iter().map(|word| format!("\"{}\"", word.as_str())).collect();
                    format!("must be one of {}", words.join(", "))
                })
            }
        })+
    };
}
pub(super) use readable_words;
readable_words!(Unmarketable, FeeAsset, Scope);

impl Text for KeyHash {
    const MUST_BE: &str = "the hash of a key: \"sha256:\" and 64 hexadecimal digits, as `openoutcry key new` prints it";

    fn read(text: &str) -> Result<Self, String> {
        Self::parse(text).ok_or_else(|| format!("must be {}", Self::MUST_BE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_unit_and_written_as_short_as_they_stay_exact() {
        #[derive(Serialize)]
        struct Written(#[serde(serialize_with = "write_duration")] Duration);
        for (text, written) in [
            ("0ms", "0ms"),
            ("0s", "0ms"),
            ("50ms", "50ms"),
            ("90s", "90s"),
            ("120s", "2m"),
            ("1500us", "1500us"),
            ("24h", "1d"),
        ] {
            let duration = Duration::read(text).unwrap();
            assert_eq!(serde_json::to_string(&Written(duration)).unwrap(), format!("\"{written}\""), "{text}");
        }
        for text in ["", "5", "s", "-1s", "1.5s", "5 s", "5S", "1m30s", "99999999999999999999s", "367d", "５s"] {
            assert!(Duration::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_of_day_have_two_digits_on_both_sides() {
        assert_eq!(TimeOfDay::read("23:59").unwrap().nanos(), 86_340_000_000_000);
        for text in ["", "24:00", "1:00", "12:60", "12:5", "+1:00", "12:00:00"] {
            assert!(TimeOfDay::read(text).is_err(), "{text}");
        }
    }
}
