//! An instrument: its symbol, its grid of prices and quantities, its rules.

use super::decimal::power_of_ten;
use super::order::{AveragePrice, words};
use super::{AssetName, Code, Decimal, ExchangeName, InstrumentId, Money, Place, Price, Quantity, Symbol};

words!(
    /// What becomes of an order that the market has not reached.
    Unmarketable {
        /// It rests in the book, or waits for its trigger.
        Rest = "rest",
        /// It is refused: the market either fills it now or the client asks again.
        Reject = "reject",
    }
);

words!(
    /// The asset that fees are charged in.
    FeeAsset {
        /// The quote asset, on both sides of a trade.
        Quote = "quote",
        /// What the trade brings: base for a buyer, quote for a seller.
        Received = "received",
    }
);

/// A fee as a share of what is traded, in units of 10^-8 (a basis point is 10,000), 0 to 10^8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeeRate(u32);

impl FeeRate {
    /// Reads basis points with at most four digits after the point, 0 to 10,000.
    pub fn from_bps(bps: Decimal) -> Option<Self> {
        let units = u32::try_from(bps.to_units(4)?).ok()?;
        (units <= 100_000_000).then_some(Self(units))
    }

    /// The share in basis points.
    pub fn bps(self) -> Decimal {
        Decimal::new(i64::from(self.0), 4).unwrap_or_default()
    }

    /// The share in units of 10^-8.
    pub const fn units(self) -> u32 {
        self.0
    }
}

/// Whose quotes stand in an instrument's book.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sources(Vec<ExchangeName>);

impl Sources {
    /// The source whose quote is the instrument's `reference_price`.
    pub const STATIC: &str = "static";
    /// The source that stands for every exchange named in `POST /quotes`.
    pub const MANUAL: &str = "manual";

    /// The exchanges of `names`, with `static` and `manual` in their special meaning.
    pub fn new(names: Vec<ExchangeName>) -> Self {
        Self(names)
    }

    /// Whether `name` is among them.
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|source| source.as_str() == name)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names, as configured.
    pub fn names(&self) -> &[ExchangeName] {
        &self.0
    }
}

/// An instrument as configured: what the engine is told at the venue's start.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InstrumentSpec {
    /// Its name, `BASE/QUOTE`.
    pub symbol: Symbol,
    /// The step of prices, in the quote asset.
    pub tick_size: Decimal,
    /// The step of quantities, in the base asset.
    pub lot_size: Decimal,
    /// The least quantity of an order; zero for none.
    pub min_quantity: Decimal,
    /// The largest quantity of an order; zero for none.
    pub max_quantity: Decimal,
    /// The least worth of an order, in the quote asset; zero for none.
    pub min_notional: Decimal,
    /// How far from the reference a limit price may be, in percent; zero for any distance.
    pub price_band: Decimal,
    /// The most open orders that one account may have.
    pub max_open_orders: u32,
    /// What becomes of an order that the market has not reached.
    pub unmarketable: Unmarketable,
    /// Whose quotes stand in its book.
    pub sources: Sources,
    /// The price of the `static` quote.
    pub reference_price: Option<Decimal>,
    /// What the resting side of a trade pays.
    pub maker_fee: FeeRate,
    /// What the incoming side of a trade pays.
    pub taker_fee: FeeRate,
    /// The asset that fees are charged in.
    pub fee_asset: FeeAsset,
    /// When `day` orders end, in nanoseconds after midnight UTC.
    pub day_end: i64,
}

/// Why an [`InstrumentSpec`] cannot be traded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstrumentError {
    /// The symbol has no slash, or a part that is no asset name.
    #[error("symbol must be written BASE/QUOTE, without a dash")]
    Symbol,
    /// A tick or lot size that is not positive, or has more than nine digits.
    #[error("tick_size and lot_size must be positive, of at most nine digits")]
    Step,
    /// Amounts of money are kept to 18 digits after the point.
    #[error("tick_size and lot_size together must have at most 18 digits after the point")]
    TooFine,
    /// A limit of the instrument lies outside its own grid.
    #[error("{0} must be zero or a value on the instrument's grid")]
    OffGrid(&'static str),
}

/// An instrument in use: its rules, and the conversions between decimals and its grid.
#[derive(Clone, Debug)]
pub struct Instrument {
    /// Its number.
    pub id: InstrumentId,
    /// What was configured.
    pub spec: InstrumentSpec,
    /// The asset that is traded.
    pub base: AssetName,
    /// The asset that it is paid in.
    pub quote: AssetName,
    tick_lot: i128,
    lot: i128,
}

impl Instrument {
    /// Checks a spec and derives its conversions.
    ///
    /// # Errors
    ///
    /// [`InstrumentError`] names what the spec has wrong.
    pub fn new(id: InstrumentId, spec: InstrumentSpec) -> Result<Self, InstrumentError> {
        let assets = spec.symbol.assets().filter(|_| !spec.symbol.as_str().contains('-'));
        let (base, quote) = assets.ok_or(InstrumentError::Symbol)?;
        let (tick, lot) = (spec.tick_size, spec.lot_size);
        if ![tick, lot].iter().all(|step| (1..1_000_000_000).contains(&step.mantissa())) {
            return Err(InstrumentError::Step);
        }
        let unit = |scale: u8| Money::SCALE.checked_sub(scale).and_then(power_of_ten).map(i128::from);
        let tick_lot = unit(tick.scale().saturating_add(lot.scale()))
            .and_then(|unit| i128::from(tick.mantissa()).checked_mul(i128::from(lot.mantissa()))?.checked_mul(unit))
            .ok_or(InstrumentError::TooFine)?;
        let lot = unit(lot.scale())
            .and_then(|unit| i128::from(lot.mantissa()).checked_mul(unit))
            .ok_or(InstrumentError::TooFine)?;
        let instrument = Self { id, spec, base, quote, tick_lot, lot };
        let on_grid = |value: Decimal| value == Decimal::ZERO || instrument.quantity(value).is_some();
        if !on_grid(instrument.spec.min_quantity) {
            return Err(InstrumentError::OffGrid("min_quantity"));
        }
        if !on_grid(instrument.spec.max_quantity) {
            return Err(InstrumentError::OffGrid("max_quantity"));
        }
        if instrument.spec.reference_price.is_some_and(|price| instrument.price(price).is_none()) {
            return Err(InstrumentError::OffGrid("reference_price"));
        }
        Ok(instrument)
    }

    /// The price in ticks, or `None` if it is not positive, off the grid or too large.
    pub fn price(&self, price: Decimal) -> Option<Price> {
        Price::new(steps(price, self.spec.tick_size)?)
    }

    /// The price in ticks at or below `price` (a bid), or `None` outside the range of prices.
    pub fn price_rounded_down(&self, price: Decimal) -> Option<Price> {
        Price::new(i64::try_from(split(price, self.spec.tick_size)?.0).ok()?)
    }

    /// The price in ticks at or above `price` (an ask), or `None` outside the range of prices.
    pub fn price_rounded_up(&self, price: Decimal) -> Option<Price> {
        let (whole, rest) = split(price, self.spec.tick_size)?;
        Price::new(i64::try_from(whole.checked_add(i128::from(rest != 0))?).ok()?)
    }

    /// The quantity in lots, or `None` if it is negative, off the grid or too large.
    pub fn quantity(&self, quantity: Decimal) -> Option<Quantity> {
        Quantity::new(steps(quantity, self.spec.lot_size)?)
    }

    /// The quantity in whole lots at or below `quantity`, clamped to the largest; `None` if it is negative.
    pub fn quantity_rounded_down(&self, quantity: Decimal) -> Option<Quantity> {
        let lots = split(quantity, self.spec.lot_size).map_or(i128::MAX, |(whole, _)| whole);
        Quantity::new(i64::try_from(lots).unwrap_or(i64::MAX).min(Quantity::MAX.lots()))
    }

    /// The price as clients write it.
    pub fn price_decimal(&self, price: Price) -> Decimal {
        from_steps(price.ticks(), self.spec.tick_size)
    }

    /// The quantity as clients write it.
    pub fn quantity_decimal(&self, quantity: Quantity) -> Decimal {
        from_steps(quantity.lots(), self.spec.lot_size)
    }

    /// What `notional` tick·lots are worth in the quote asset, or `None` beyond an `i128`.
    pub fn quote_money(&self, notional: i128) -> Option<Money> {
        notional.checked_mul(self.tick_lot).map(Money::from_units)
    }

    /// How much of the base asset `quantity` is.
    pub fn base_money(&self, quantity: Quantity) -> Money {
        // At most 10^18 lots of less than 10^27 units: a lot has at most nine digits and 18 after the point.
        Money::from_units(i128::from(quantity.lots()).saturating_mul(self.lot))
    }

    /// What the instrument's rules refuse in an order whatever the market and the account: the code that the venue would
    /// refuse it with, unless a reason that depends on those comes first.
    pub fn refusal(&self, place: &Place) -> Option<Code> {
        let spec = &self.spec;
        let prices = [place.price, place.trigger_price];
        if prices.into_iter().flatten().any(|price| self.price(price).is_none()) {
            return Some(Code::TickSize);
        }
        let Some(quantity) = self.quantity(place.quantity) else {
            let too_large = self.quantity_rounded_down(place.quantity) == Some(Quantity::MAX);
            return Some(if too_large { Code::MaxQuantity } else { Code::LotSize });
        };
        if place.quantity < spec.min_quantity {
            return Some(Code::MinQuantity);
        }
        let over_max = spec.max_quantity.is_positive() && place.quantity > spec.max_quantity;
        if over_max || self.base_money(quantity) > Money::NOTIONAL_MAX {
            return Some(Code::MaxQuantity);
        }
        let price = place.price.or(place.trigger_price).and_then(|price| self.price(price))?;
        let notional = i128::from(price.ticks()).checked_mul(i128::from(quantity.lots()));
        match notional.and_then(|notional| self.quote_money(notional)) {
            None => Some(Code::MaxNotional),
            Some(worth) if worth > Money::NOTIONAL_MAX => Some(Code::MaxNotional),
            Some(worth) if worth < Money::from(spec.min_notional) => Some(Code::MinNotional),
            Some(_) => None,
        }
    }

    /// The average price of `quantity` lots that traded for `notional` tick·lots in all.
    pub fn average_price(&self, notional: i128, quantity: Quantity) -> Option<AveragePrice> {
        let unit = self.spec.tick_size.mantissa().checked_mul(10_000)?;
        // Most averages are a price that was traded at, or small enough for a division in one step.
        let lots = quantity.lots().unsigned_abs();
        let whole = u64::try_from(notional).ok().filter(|notional| notional.checked_rem(lots) == Some(0));
        let units = match whole.and_then(|notional| notional.checked_div(lots)) {
            Some(price) => i128::from(price).checked_mul(i128::from(unit))?,
            None => rounded_half_even(notional, i128::from(lots), i128::from(unit))?,
        };
        Some(AveragePrice { units, scale: self.spec.tick_size.scale().saturating_add(4) })
    }

    /// The asset that `side` pays its fee in.
    pub fn fee_asset(&self, side: super::Side) -> AssetName {
        match (self.spec.fee_asset, side) {
            (FeeAsset::Received, super::Side::Buy) => self.base,
            _ => self.quote,
        }
    }
}

/// `notional × unit / lots`, rounded half to even.
fn rounded_half_even(notional: i128, lots: i128, unit: i128) -> Option<i128> {
    let (whole, rest) = (notional.checked_div(lots)?, notional.checked_rem(lots)?);
    let fine = rest.checked_mul(unit)?;
    let (floor, over) = (fine.checked_div(lots)?, fine.checked_rem(lots)?.checked_mul(2)?);
    let base = whole.checked_mul(unit)?.checked_add(floor)?;
    let up = over > lots || (over == lots && base % 2 != 0);
    base.checked_add(i128::from(up))
}

/// `value` as whole `step`s and what is left over, both in the finer of the two scales; `None` beyond an `i128`.
fn split(value: Decimal, step: Decimal) -> Option<(i128, i128)> {
    let scale = value.scale().max(step.scale());
    let (value, step) = (value.to_units(scale)?, step.to_units(scale)?);
    Some((value.checked_div_euclid(step)?, value.checked_rem_euclid(step)?))
}

impl Decimal {
    /// The value as a number of `step`s, or `None` if that is no integer of 64 bits.
    #[inline]
    pub fn in_steps_of(self, step: Self) -> Option<i64> {
        steps(self, step)
    }
}

/// `value` as a number of `step`s, or `None` if that is no integer of 64 bits.
#[inline]
fn steps(value: Decimal, step: Decimal) -> Option<i64> {
    // The usual step is a power of ten, and then a multiplication will do.
    if step.mantissa() == 1 {
        let shift = step.scale().checked_sub(value.scale())?;
        return value.mantissa().checked_mul(power_of_ten(shift)?);
    }
    match split(value, step)? {
        (whole, 0) => i64::try_from(whole).ok(),
        _ => None,
    }
}

fn from_steps(count: i64, step: Decimal) -> Decimal {
    count
        .checked_mul(step.mantissa())
        .and_then(|mantissa| Decimal::new(mantissa, step.scale()).ok())
        // Only a value that never came in as a Decimal could be too long to go out as one.
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    fn spec(tick: &str, lot: &str) -> InstrumentSpec {
        InstrumentSpec {
            symbol: Symbol::parse("BTC/USDT").unwrap(),
            tick_size: decimal(tick),
            lot_size: decimal(lot),
            min_quantity: Decimal::ZERO,
            max_quantity: Decimal::ZERO,
            min_notional: Decimal::ZERO,
            price_band: Decimal::ZERO,
            max_open_orders: 1_000_000,
            unmarketable: Unmarketable::Rest,
            sources: Sources::default(),
            reference_price: None,
            maker_fee: FeeRate::default(),
            taker_fee: FeeRate::default(),
            fee_asset: FeeAsset::Quote,
            day_end: 0,
        }
    }

    fn instrument(tick: &str, lot: &str) -> Instrument {
        Instrument::new(InstrumentId(0), spec(tick, lot)).unwrap()
    }

    #[test]
    fn values_on_the_grid_convert_both_ways_and_others_do_not() {
        for (tick, value, ticks) in [
            ("0.01", "42000", Some(4_200_000)),
            ("0.01", "42000.005", None),
            ("0.05", "1.15", Some(23)),
            ("0.05", "1.16", None),
            ("5", "10", Some(2)),
            ("0.01", "0", None),
            ("0.01", "-1", None),
            ("0.00000001", "99999999999", None),
        ] {
            let instrument = instrument(tick, "0.00001");
            let price = instrument.price(decimal(value));
            assert_eq!(price.map(Price::ticks), ticks, "{value} on {tick}");
            if let Some(price) = price {
                assert_eq!(instrument.price_decimal(price), decimal(value));
            }
        }
    }

    #[test]
    fn quotes_off_the_grid_round_away_from_the_touch() {
        let instrument = instrument("0.05", "0.1");
        assert_eq!(instrument.price_rounded_down(decimal("1.17")).unwrap().ticks(), 23);
        assert_eq!(instrument.price_rounded_up(decimal("1.17")).unwrap().ticks(), 24);
        assert_eq!(instrument.price_rounded_up(decimal("1.15")).unwrap().ticks(), 23);
        assert_eq!(instrument.quantity_rounded_down(decimal("0.19")).unwrap().lots(), 1);
    }

    #[test]
    fn money_is_ticks_times_lots() {
        let instrument = instrument("0.01", "0.00001");
        let (price, quantity) = (instrument.price(decimal("42000")).unwrap(), instrument.quantity(decimal("0.5")).unwrap());
        let notional = i128::from(price.ticks()) * i128::from(quantity.lots());
        assert_eq!(instrument.quote_money(notional).unwrap().to_string(), "21000");
        assert_eq!(instrument.base_money(quantity).to_string(), "0.5");
    }

    #[test]
    fn average_prices_round_half_to_even_four_digits_past_the_tick() {
        let instrument = instrument("1", "1");
        let average =
            |notional, lots| instrument.average_price(notional, Quantity::new(lots).unwrap()).unwrap().to_string();
        assert_eq!(average(10, 3), "3.3333");
        assert_eq!(average(20, 3), "6.6667");
        assert_eq!(average(80_001, 2), "40000.5");
        assert_eq!(average(1, 20_000), "0");
        assert_eq!(average(3, 20_000), "0.0002");
        assert!(instrument.average_price(0, Quantity::ZERO).is_none());
    }

    #[test]
    fn specs_that_cannot_be_traded_are_refused() {
        let error = |spec| Instrument::new(InstrumentId(0), spec).unwrap_err();
        assert_eq!(error(spec("0", "1")), InstrumentError::Step);
        assert_eq!(error(spec("0.01", "-1")), InstrumentError::Step);
        assert_eq!(error(spec("0.0000000001", "0.000000001")), InstrumentError::TooFine);
        let named = |symbol| InstrumentSpec { symbol: Symbol::parse(symbol).unwrap(), ..spec("1", "1") };
        assert_eq!(error(named("BTC")), InstrumentError::Symbol);
        assert_eq!(error(named("A-B/C")), InstrumentError::Symbol);
        let off = InstrumentSpec { reference_price: Some(decimal("1.5")), ..spec("1", "1") };
        assert_eq!(error(off), InstrumentError::OffGrid("reference_price"));
    }
}
