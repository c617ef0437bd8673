//! The path of a simulated price: a seeded random walk that is drawn back to its middle, in integers.
//!
//! The state is the distance from the middle in 2^-16 ticks. Each step takes 1/64 of the distance away and adds a number drawn
//! evenly from ±`step`: a discrete Ornstein–Uhlenbeck process, which never gets further than 64 steps away and is about
//! three steps away on average. The same seed gives the same path on every machine.

use crate::domain::Decimal;

/// The walk's unit is 2^-16 of a tick, so that a step may be less than one.
const SUBTICKS: i64 = 1 << 16;
/// The share of the distance that each step takes away.
const REVERSION: i64 = 64;
/// Sizes are drawn evenly from 1/100 to 199/100 of the average.
const SIZE_PARTS: u64 = 199;

/// Bid and ask of one step, with their sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prices {
    /// What is bid.
    pub bid: Decimal,
    /// For how much.
    pub bid_size: Decimal,
    /// What is asked.
    pub ask: Decimal,
    /// For how much.
    pub ask_size: Decimal,
}

/// An endless path of prices; it ends only if one is no decimal, which a checked spec rules out.
#[derive(Clone, Debug)]
pub struct Walk {
    pub(super) random: SplitMix64,
    /// The middle, in ticks.
    pub(super) mid: i64,
    /// Ask less bid, in ticks, at least 1.
    pub(super) spread: i64,
    /// The largest step, in subticks.
    pub(super) step: u64,
    /// Where the walk is from the middle, in subticks.
    pub(super) distance: i64,
    pub(super) tick_size: Decimal,
    pub(super) size: Decimal,
}

impl Walk {
    /// A ticks' price as a decimal.
    pub(super) fn price(&self, ticks: i64) -> Option<Decimal> {
        Decimal::new(ticks.checked_mul(self.tick_size.mantissa())?, self.tick_size.scale()).ok()
    }

    fn size(&mut self) -> Option<Decimal> {
        let parts = i64::try_from(self.random.below(SIZE_PARTS)).ok()?.checked_add(1)?;
        Decimal::new(self.size.mantissa().checked_mul(parts)?, self.size.scale().checked_add(2)?).ok()
    }
}

impl Iterator for Walk {
    type Item = Prices;

    fn next(&mut self) -> Option<Prices> {
        let step = i64::try_from(self.step).ok()?;
        let drawn = i64::try_from(self.random.below(self.step.checked_mul(2)?.checked_add(1)?)).ok()?.checked_sub(step)?;
        self.distance = self.distance.checked_sub(self.distance / REVERSION)?.checked_add(drawn)?;
        let half_spread = self.spread.checked_mul(SUBTICKS / 2)?;
        let from_mid = self.distance.checked_sub(half_spread)?.div_euclid(SUBTICKS);
        let bid = self.mid.checked_add(from_mid)?.max(1);
        let ask = bid.checked_add(self.spread)?;
        Some(Prices { bid: self.price(bid)?, bid_size: self.size()?, ask: self.price(ask)?, ask_size: self.size()? })
    }
}

/// The generator SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): fixed for ever, so that paths are too.
#[derive(Clone, Debug)]
pub(super) struct SplitMix64(pub(super) u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `limit` − 1, even to within `limit` / 2^64.
    fn below(&mut self, limit: u64) -> u64 {
        let product = u128::from(self.next()) * u128::from(limit);
        u64::try_from(product >> 64).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_the_published_one() {
        // The first numbers of seed 1234567, as the reference implementation in C prints them.
        let mut random = SplitMix64(1_234_567);
        let numbers = [random.next(), random.next(), random.next()];
        assert_eq!(numbers, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }
}
