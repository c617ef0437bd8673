//! Exact decimals as clients write them: up to 18 significant digits, up to 18 of them after the point.
//!
//! A value is `mantissa × 10^-scale`, kept without trailing zeros, so that equal values are equal in every field
//! (`0.50` is `0.5`). Reading and printing go through text, never through a float.

use std::fmt;

use serde::{Serialize, Serializer};

/// An exact decimal number: `mantissa × 10^-scale`, normalised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Decimal {
    mantissa: i64,
    scale: u8,
}

/// Why a text is not a [`Decimal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// The text is no decimal number at all (`NaN`, `1,5`, empty).
    #[error("must be a decimal number")]
    Malformed,
    /// The number is one, but has more than 18 significant digits or more than 18 after the point.
    #[error("must have at most 18 digits, and at most 18 after the point")]
    OutOfRange,
}

/// Characters a number may be written in; longer texts are refused unread.
const TEXT_MAX: usize = 64;
/// `POWERS[n]` is 10^n.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which checks every index")]
const POWERS: [i64; 19] = {
    let mut powers = [1i64; 19];
    let mut n = 1;
    while n < 19 {
        powers[n] = powers[n - 1] * 10;
        n += 1;
    }
    powers
};

/// 10^`exponent`, or `None` above 10^18.
pub(super) fn power_of_ten(exponent: u8) -> Option<i64> {
    POWERS.get(usize::from(exponent)).copied()
}

impl Decimal {
    /// Zero.
    pub const ZERO: Self = Self { mantissa: 0, scale: 0 };
    /// Digits after the point that any value may have.
    pub const SCALE_MAX: u8 = 18;

    /// Makes `mantissa × 10^-scale`, normalised.
    ///
    /// # Errors
    ///
    /// [`DecimalError::OutOfRange`] if, without trailing zeros, more than 18 digits stand after the point.
    pub fn new(mantissa: i64, scale: u8) -> Result<Self, DecimalError> {
        let (mut mantissa, mut scale) = (mantissa, scale);
        if mantissa == 0 {
            return Ok(Self::ZERO);
        }
        while scale >= 4 && mantissa % 10_000 == 0 {
            mantissa /= 10_000;
            scale = scale.saturating_sub(4);
        }
        while scale > 0 && mantissa % 10 == 0 {
            mantissa /= 10;
            scale = scale.saturating_sub(1);
        }
        if scale > Self::SCALE_MAX {
            return Err(DecimalError::OutOfRange);
        }
        Ok(Self { mantissa, scale })
    }

    /// Reads a number as JSON writes it (`42000`, `-0.5`, `1e-8`); a leading `+`, spaces, `NaN` and `.5` are malformed.
    ///
    /// # Errors
    ///
    /// [`DecimalError::Malformed`] for what is no number, [`DecimalError::OutOfRange`] for one that does not fit.
    pub fn parse(text: &str) -> Result<Self, DecimalError> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (number, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, parse_exponent(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) {
            return Err(DecimalError::Malformed);
        }
        if text.len() > TEXT_MAX {
            return Err(DecimalError::OutOfRange);
        }
        let digits = || whole.bytes().chain(fraction.bytes());
        let trailing = digits().rev().take_while(|digit| *digit == b'0').count();
        let significant = whole.len().saturating_add(fraction.len()).saturating_sub(trailing);
        let mut mantissa = 0i64;
        for digit in digits().take(significant) {
            mantissa = mantissa
                .checked_mul(10)
                .and_then(|value| value.checked_add(i64::from(digit.wrapping_sub(b'0'))))
                .filter(|value| *value < 1_000_000_000_000_000_000)
                .ok_or(DecimalError::OutOfRange)?;
        }
        if negative {
            mantissa = mantissa.saturating_neg();
        }
        // Both lengths are below TEXT_MAX and the exponent below 10^4, so these sums cannot overflow.
        let fraction_digits = i64::try_from(fraction.len()).unwrap_or(i64::MAX);
        let shift = i64::try_from(trailing).unwrap_or(i64::MAX).saturating_add(exponent);
        Self::shifted(mantissa, fraction_digits.saturating_sub(shift))
    }

    /// `mantissa × 10^-scale` for any sign of `scale`.
    fn shifted(mantissa: i64, scale: i64) -> Result<Self, DecimalError> {
        if mantissa == 0 {
            return Ok(Self::ZERO);
        }
        let size = u8::try_from(scale.unsigned_abs()).map_err(|_| DecimalError::OutOfRange)?;
        if scale >= 0 {
            return Self::new(mantissa, size);
        }
        let whole = power_of_ten(size)
            .and_then(|power| mantissa.checked_mul(power))
            .filter(|whole| whole.unsigned_abs() < 1_000_000_000_000_000_000)
            .ok_or(DecimalError::OutOfRange)?;
        Ok(Self { mantissa: whole, scale: 0 })
    }

    /// The digits as an integer; the value is `mantissa × 10^-scale`.
    pub fn mantissa(self) -> i64 {
        self.mantissa
    }

    /// How many digits stand after the point, 0 to 18.
    pub fn scale(self) -> u8 {
        self.scale
    }

    /// Whether the value is above zero.
    pub fn is_positive(self) -> bool {
        self.mantissa > 0
    }

    /// The difference, or `None` if it does not fit.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let units = self.to_units(scale)?.checked_sub(other.to_units(scale)?)?;
        Self::new(i64::try_from(units).ok()?, scale).ok()
    }

    /// The value as a whole number of 10^-`scale` units, or `None` if it is finer than that or too large.
    pub fn to_units(self, scale: u8) -> Option<i128> {
        let power = power_of_ten(scale.checked_sub(self.scale)?)?;
        i128::from(self.mantissa).checked_mul(i128::from(power))
    }
}

fn parse_exponent(text: &str) -> Result<i64, DecimalError> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(DecimalError::Malformed);
    }
    if digits.len() > 4 {
        return Err(DecimalError::OutOfRange);
    }
    text.parse().map_err(|_| DecimalError::Malformed)
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let scale = self.scale.max(other.scale);
        // 10^18 mantissas by at most 10^18 stay far inside i128.
        self.to_units(scale).cmp(&other.to_units(scale))
    }
}

impl Decimal {
    /// Appends the number as [`fmt::Display`] prints it.
    pub fn write(self, into: &mut Vec<u8>) {
        // Not by way of an i128, which takes twice as long.
        let mut digits = Digits::EMPTY;
        digits.put_small(self.mantissa.unsigned_abs(), self.scale);
        if self.mantissa < 0 {
            digits.put(b'-');
        }
        digits.write(into);
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Digits::of(i128::from(self.mantissa), self.scale).as_str())
    }
}

impl Serialize for Decimal {
    /// A JSON string: a decimal never leaves as a JSON number, which readers would take for a float.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(Digits::of(i128::from(self.mantissa), self.scale).as_str())
    }
}

/// Appends a whole number in decimal digits.
pub(crate) fn write_whole(number: u64, into: &mut Vec<u8>) {
    into.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// The text of `units × 10^-scale` without trailing zeros.
pub(super) struct Digits {
    /// A sign, 39 digits of an i128, a point, and the zeros that a small fraction needs before its digits, up to
    /// [`Digits::END`]; behind that, room to copy more than there is.
    text: [u8; Digits::END + Digits::STEP],
    start: usize,
}

/// `PAIRS[n]` are the two digits of n.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which checks every index")]
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut n = 0;
    while n < 100 {
        pairs[n] = [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8];
        n += 1;
    }
    pairs
};

impl Digits {
    const END: usize = 64;
    /// So much is copied at once.
    const STEP: usize = 24;
    const EMPTY: Self = Self { text: [0; Self::END + Self::STEP], start: Self::END };

    pub(super) fn of(units: i128, scale: u8) -> Self {
        let mut digits = Self::EMPTY;
        // Most numbers fit 64 bits, and those divide several times faster.
        match u64::try_from(units.unsigned_abs()) {
            Ok(small) => digits.put_small(small, scale),
            Err(_) => digits.put_large(units.unsigned_abs(), scale),
        }
        if units < 0 {
            digits.put(b'-');
        }
        digits
    }

    fn put_small(&mut self, units: u64, scale: u8) {
        if units == 0 {
            return self.put(b'0');
        }
        let (mut rest, mut scale) = (units, scale);
        while scale >= 4 && rest % 10_000 == 0 {
            rest /= 10_000;
            scale = scale.saturating_sub(4);
        }
        while scale > 0 && rest % 10 == 0 {
            rest /= 10;
            scale = scale.saturating_sub(1);
        }
        if scale > 0 {
            while scale >= 2 {
                self.put_pair(rest % 100);
                rest /= 100;
                scale = scale.saturating_sub(2);
            }
            if scale > 0 {
                self.put_digit(rest % 10);
                rest /= 10;
            }
            self.put(b'.');
        }
        self.put_whole(rest);
    }

    fn put_whole(&mut self, mut rest: u64) {
        while rest >= 100 {
            self.put_pair(rest % 100);
            rest /= 100;
        }
        if rest >= 10 { self.put_pair(rest) } else { self.put_digit(rest) }
    }

    fn put_large(&mut self, mut rest: u128, scale: u8) {
        let mut significant = false;
        for _ in 0..scale {
            let digit = take_digit(&mut rest);
            significant |= digit != 0;
            if significant {
                self.put_digit(digit);
            }
        }
        if significant {
            self.put(b'.');
        }
        loop {
            self.put_digit(take_digit(&mut rest));
            if rest == 0 {
                return;
            }
        }
    }

    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.text.get(self.start..Self::END).unwrap_or_default()
    }

    /// Appends the text. Most are short, and a copy of a fixed length, cut to theirs, is the fastest there is.
    pub(super) fn write(&self, into: &mut Vec<u8>) {
        let length = Self::END.saturating_sub(self.start);
        match self.text.get(self.start..).and_then(|text| text.first_chunk::<{ Self::STEP }>()) {
            Some(text) if length <= Self::STEP => {
                let end = into.len().saturating_add(length);
                into.extend_from_slice(text);
                into.truncate(end);
            }
            _ => into.extend_from_slice(self.as_bytes()),
        }
    }

    /// Puts two digits, of a number below 100, before what is there.
    fn put_pair(&mut self, number: u64) {
        self.start = self.start.saturating_sub(2);
        let slot = self.text.get_mut(self.start..).and_then(|text| text.first_chunk_mut());
        if let Some((slot, pair)) = slot.zip(PAIRS.get(number as usize)) {
            *slot = *pair;
        }
    }

    /// Puts a digit, 0 to 9, before what is there.
    fn put_digit(&mut self, digit: u64) {
        self.put((digit as u8).wrapping_add(b'0'));
    }

    fn put(&mut self, byte: u8) {
        self.start = self.start.saturating_sub(1);
        if let Some(slot) = self.text.get_mut(self.start) {
            *slot = byte;
        }
    }
}

/// Takes the last decimal digit off a number.
fn take_digit(rest: &mut u128) -> u64 {
    let digit = *rest % 10;
    *rest /= 10;
    digit as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_exactly_what_json_can_write() {
        for (text, printed) in [
            ("42000", "42000"),
            ("0.5", "0.5"),
            ("0.50", "0.5"),
            ("-1.250", "-1.25"),
            ("1e-8", "0.00000001"),
            ("1.5E+3", "1500"),
            ("0e999", "0"),
            ("-0", "0"),
            ("0.000000000000000001", "0.000000000000000001"),
            ("999999999999999999", "999999999999999999"),
            ("100000000000000000.0", "100000000000000000"),
            ("0.3", "0.3"),
        ] {
            let value = Decimal::parse(text).unwrap();
            assert_eq!(value.to_string(), printed, "{text}");
            let mut written = b"=".to_vec();
            value.write(&mut written);
            assert_eq!(String::from_utf8(written).unwrap(), format!("={printed}"), "{text}");
        }
    }

    #[test]
    fn prints_every_length_of_number_at_every_scale() {
        let tens = (0..38).map(|exponent| 10i128.pow(exponent));
        let numbers = tens.flat_map(|ten| [ten - 1, ten, ten + 1, ten / 3 * 7, ten / 9 * 10]);
        for (units, scale) in numbers.flat_map(|units| (0..=22).map(move |scale| (units, scale))) {
            // Digits, with a point before the last `scale` of them, without what does not count.
            let digits = format!("{units:0width$}", width = usize::from(scale) + 1);
            let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
            let expected = format!("{whole}.{fraction}");
            let expected = expected.trim_end_matches('0').trim_end_matches('.');
            let mut written = b"=".to_vec();
            Digits::of(units, scale).write(&mut written);
            assert_eq!(String::from_utf8(written).unwrap(), format!("={expected}"), "{units} at {scale}");
            let negative = if units == 0 { "0".to_owned() } else { format!("-{expected}") };
            assert_eq!(Digits::of(-units, scale).as_str(), negative);
        }
    }

    #[test]
    fn refuses_what_is_no_number_and_what_does_not_fit() {
        for text in
            ["", "-", ".", ".5", "5.", "+1", "1e", "1e+", "NaN", "Infinity", "1,5", "1 ", "0x10", "1e1.5", "--1", "１"]
        {
            assert_eq!(Decimal::parse(text), Err(DecimalError::Malformed), "{text}");
        }
        for text in ["1e400", "1e18", "1000000000000000000", "0.0000000000000000001", "1e-19", "1e99999999999", "1e-400"] {
            assert_eq!(Decimal::parse(text), Err(DecimalError::OutOfRange), "{text}");
        }
    }

    #[test]
    fn differences_are_exact_or_none() {
        let parse = |text| Decimal::parse(text).unwrap();
        assert_eq!(parse("1").checked_sub(parse("0.9")), Some(parse("0.1")));
        assert_eq!(parse("0.5").checked_sub(parse("42000.5")), Some(parse("-42000")));
        assert_eq!(parse("999999999999999999").checked_sub(parse("0.000000000000000001")), None);
    }

    #[test]
    fn equal_values_are_equal_and_order_is_by_value() {
        let parse = |text| Decimal::parse(text).unwrap();
        assert_eq!(parse("1.10"), parse("1.1"));
        assert!(parse("-2") < parse("0.1") && parse("0.1") < parse("0.11") && parse("9.99") < parse("10"));
    }
}
