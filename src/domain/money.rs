//! Amounts of an asset: balances, holds, fees.

use std::fmt;

use serde::{Serialize, Serializer};

use super::decimal::{Decimal, Digits};

/// An amount of one asset in units of 10^-18, as an `i128`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(i128);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// Digits after the point.
    pub const SCALE: u8 = 18;
    /// The most that one order may be worth: 10^12 of an asset. With [`Money::BALANCE_MAX`] and the limit on open orders
    /// this keeps every sum of amounts inside an `i128`.
    pub const NOTIONAL_MAX: Self = Self(1_000_000_000_000 * 1_000_000_000_000_000_000);
    /// A balance above this (10^19 of an asset) refuses further credits.
    pub const BALANCE_MAX: Self = Self(10_000_000_000_000_000_000 * 1_000_000_000_000_000_000);

    /// An amount of `units` × 10^-18.
    pub const fn from_units(units: i128) -> Self {
        Self(units)
    }

    /// The amount in units of 10^-18.
    pub const fn units(self) -> i128 {
        self.0
    }

    /// Appends the amount as [`fmt::Display`] prints it.
    pub fn write(self, into: &mut Vec<u8>) {
        Digits::of(self.0, Self::SCALE).write(into);
    }

    /// The sum, or `None` beyond an `i128`.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The difference, or `None` beyond an `i128`.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }
}

impl From<Decimal> for Money {
    fn from(amount: Decimal) -> Self {
        // A Decimal is below 10^18 and has at most 18 digits after the point: below 10^36 units.
        Self(amount.to_units(Self::SCALE).unwrap_or_default())
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Digits::of(self.0, Self::SCALE).as_str())
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(Digits::of(self.0, Self::SCALE).as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_without_trailing_zeros() {
        for (units, printed) in [(0, "0"), (1, "0.000000000000000001"), (-1_500_000_000_000_000_000, "-1.5")] {
            assert_eq!(Money::from_units(units).to_string(), printed);
        }
        assert_eq!(Money::from(Decimal::parse("1000000000").unwrap()).to_string(), "1000000000");
    }
}
