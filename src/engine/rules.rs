//! Rules: an instrument's filters, fees and conversions as plain integers, worked out once.
//!
//! Money is in units of 10^-18 of an asset. Bounds, on which all sums rest: a price is at most 10^18 ticks, a quantity at most 10^18
//! lots and worth at most 10^30 units of base; what an order trades for is at most [`Rules::notional_max`] tick·lots, which is
//! [`Money::NOTIONAL_MAX`] or 10^30 units of quote; a fee is at most what it is charged on.

#![expect(clippy::arithmetic_side_effects, reason = "amounts keep to the bounds above")]

use std::hint::select_unpredictable;

use crate::domain::{Decimal, FeeAsset, FeeRate, Instrument, Liquidity, Money, Price, Quantity, Side, Unmarketable};

/// Units of a [`FeeRate`] in a whole.
const WHOLE: i128 = 100_000_000;

/// One fee.
#[derive(Clone, Copy, Debug)]
struct Fee {
    /// The share, in units of 10^-8.
    rate: i128,
    /// The fee of one tick·lot and of one lot, where these are whole units: then nothing needs rounding.
    of_tick_lot: Option<i128>,
    of_lot: Option<i128>,
}

impl Fee {
    fn new(rate: FeeRate, tick_lot: i128, lot: i128) -> Self {
        let rate = i128::from(rate.units());
        // A tick·lot is below 10^36 units, and a share at most 10^8.
        let exact = |units: i128| units.checked_mul(rate).filter(|fee| fee % WHOLE == 0).map(|fee| fee / WHOLE);
        Self { rate, of_tick_lot: exact(tick_lot), of_lot: exact(lot) }
    }

    /// The fee on an amount of at most 10^30 units, rounded half up.
    fn of(&self, units: i128) -> i128 {
        (units * self.rate + WHOLE / 2) / WHOLE
    }
}

/// What the engine needs to know of an instrument while it matches. What every order needs comes first, in three cache lines.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Rules {
    /// The most that an order may trade for, and the least, in tick·lots.
    pub(super) notional_max: i128,
    pub(super) notional_min: i128,
    /// Units of quote in a tick·lot, units of base in a lot.
    tick_lot: i128,
    lot: i128,
    /// What a buy holds for a tick·lot, where that is whole units: then nothing needs rounding; else 0.
    hold_of_tick_lot: i128,
    /// Lots.
    pub(super) quantity_min: i64,
    pub(super) quantity_max: i64,
    /// The steps of prices and quantities.
    tick_size: Decimal,
    lot_size: Decimal,
    /// The numbers of its assets.
    pub(super) base: u32,
    pub(super) quote: u32,
    pub(super) open_orders_max: u32,
    /// Whether nothing rests and nothing waits.
    pub(super) rejects_unmarketable: bool,
    /// Whether a buyer pays in what it receives.
    received: bool,
    has_fees: bool,
    has_band: bool,
    maker: Fee,
    taker: Fee,
    larger: Fee,
    /// How far a price may be from the reference, as a fraction of it.
    band: (i128, i128),
    /// When `day` orders end, in nanoseconds after midnight UTC.
    day_end: i64,
}

/// Nanoseconds of a day.
const DAY: i64 = 86_400_000_000_000;

impl Rules {
    pub(super) fn new(instrument: &Instrument, base: u32, quote: u32) -> Self {
        let spec = &instrument.spec;
        let tick_lot = instrument.quote_money(1).map_or(i128::MAX, Money::units);
        let lot = instrument.base_money(Quantity::new(1).unwrap_or_default()).units();
        let lots = |quantity: Decimal| instrument.quantity(quantity).map_or(0, Quantity::lots);
        // What is worth less than 10^30 units of base.
        let countable = i64::try_from(Money::NOTIONAL_MAX.units() / lot).unwrap_or(i64::MAX).min(Quantity::MAX.lots());
        let quantity_max = match lots(spec.max_quantity) {
            0 => countable,
            configured => configured.min(countable),
        };
        let larger = Fee::new(spec.maker_fee.max(spec.taker_fee), tick_lot, lot);
        let received = spec.fee_asset == FeeAsset::Received;
        let min_notional = Money::from(spec.min_notional).units();
        let linear = if received { Some(tick_lot) } else { larger.of_tick_lot.and_then(|fee| tick_lot.checked_add(fee)) };
        let band = band(spec.price_band);
        Self {
            notional_max: Money::NOTIONAL_MAX.units() / tick_lot,
            notional_min: min_notional / tick_lot + i128::from(min_notional % tick_lot > 0),
            tick_lot,
            lot,
            hold_of_tick_lot: linear.unwrap_or(0),
            quantity_min: lots(spec.min_quantity).max(1),
            quantity_max,
            tick_size: spec.tick_size,
            lot_size: spec.lot_size,
            base,
            quote,
            open_orders_max: spec.max_open_orders,
            rejects_unmarketable: spec.unmarketable == Unmarketable::Reject,
            received,
            has_fees: larger.rate != 0,
            has_band: band.is_some(),
            maker: Fee::new(spec.maker_fee, tick_lot, lot),
            taker: Fee::new(spec.taker_fee, tick_lot, lot),
            larger,
            band: band.unwrap_or((0, 1)),
            day_end: spec.day_end.rem_euclid(DAY),
        }
    }

    /// A price in ticks, or `None` if it is none on the grid.
    #[inline(always)]
    pub(super) fn ticks(&self, price: Decimal) -> Option<i64> {
        price.in_steps_of(self.tick_size).and_then(Price::new).map(Price::ticks)
    }

    /// A quantity in lots, or `None` if it is none on the grid.
    #[inline(always)]
    pub(super) fn lots(&self, quantity: Decimal) -> Option<i64> {
        quantity.in_steps_of(self.lot_size).and_then(Quantity::new).map(Quantity::lots)
    }

    /// Units of quote in `notional` tick·lots.
    #[inline(always)]
    pub(super) fn value(&self, notional: i128) -> i128 {
        times(notional, self.tick_lot)
    }

    /// Units of base in `lots`.
    #[inline(always)]
    pub(super) fn base_units(&self, lots: i64) -> i128 {
        times(i128::from(lots), self.lot)
    }

    /// Whether anyone pays any.
    #[inline(always)]
    pub(super) const fn has_fees(&self) -> bool {
        self.has_fees
    }

    /// What one side of a trade pays, and in which asset: rounded half up, of quote or of what a buyer receives.
    #[inline(never)]
    pub(super) fn fee(&self, side: Side, role: Liquidity, notional: i128, lots: i64) -> i128 {
        let fee = match role {
            Liquidity::Maker => &self.maker,
            Liquidity::Taker => &self.taker,
        };
        if self.fee_in_base(side) {
            fee.of_lot.map_or_else(|| fee.of(self.base_units(lots)), |each| times(i128::from(lots), each))
        } else {
            self.quote_fee(fee, notional)
        }
    }

    fn quote_fee(&self, fee: &Fee, notional: i128) -> i128 {
        fee.of_tick_lot.map_or_else(|| fee.of(self.value(notional)), |each| times(notional, each))
    }

    /// Whether this side pays its fee in the base asset.
    #[inline(always)]
    pub(super) fn fee_in_base(&self, side: Side) -> bool {
        self.received && side == Side::Buy
    }

    /// What an order of `lots` that may trade for `notional` holds: base for a sell, quote with the larger fee for a buy.
    #[inline(always)]
    pub(super) fn hold(&self, side: Side, notional: i128, lots: i64) -> i128 {
        // One product for both sides, since nobody can guess which side comes next.
        let of_sell = (i128::from(lots), self.lot);
        let (count, each) = select_unpredictable(side == Side::Sell, of_sell, (notional, self.hold_of_tick_lot));
        if each == 0 { self.value(notional) + self.quote_fee(&self.larger, notional) } else { times(count, each) }
    }

    /// What a buy at `price` sets free when `lots` of it trade and `left` are left.
    #[inline(always)]
    pub(super) fn freed(&self, price: i64, lots: i64, left: i64) -> i128 {
        let hold = |lots: i64| self.hold(Side::Buy, times(i128::from(price), i128::from(lots)), lots);
        if self.hold_of_tick_lot != 0 { hold(lots) } else { hold(left + lots) - hold(left) }
    }

    /// What a buy pays as a taker for `notional`.
    #[inline]
    pub(super) fn cost(&self, notional: i128, lots: i64) -> i128 {
        let pays_fees = self.has_fees && !self.received;
        self.value(notional) + if pays_fees { self.fee(Side::Buy, Liquidity::Taker, notional, lots) } else { 0 }
    }

    /// Whether limit prices must be within a band.
    #[inline(always)]
    pub(super) const fn has_band(&self) -> bool {
        self.has_band
    }

    /// Whether a price is within the band around a reference.
    pub(super) fn in_band(&self, price: i64, reference: i64) -> bool {
        let (numerator, denominator) = self.band;
        let distance = i128::from(price.abs_diff(reference));
        // 10^18 × 10^20 at most; a product beyond an i128 on the right is beyond any distance.
        let allowed = i128::from(reference).checked_mul(numerator).unwrap_or(i128::MAX);
        distance * denominator <= allowed
    }

    /// The end of the day that `now` is in.
    #[inline(never)]
    pub(super) fn day_end_after(&self, now: i64) -> i64 {
        let since = now.saturating_sub(self.day_end).rem_euclid(DAY);
        now.saturating_add(DAY - since)
    }
}

/// A product within the bounds above. Not checked: that costs five times the product itself, for every trade.
#[inline(always)]
const fn times(one: i128, other: i128) -> i128 {
    one.wrapping_mul(other)
}

/// A band in percent as a fraction; `None` if it is zero.
fn band(percent: Decimal) -> Option<(i128, i128)> {
    let denominator = (0..percent.scale()).fold(100, |power: i128, _| power * 10);
    percent.is_positive().then_some((i128::from(percent.mantissa()), denominator))
}
