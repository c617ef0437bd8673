//! `[[instruments]]`: what is traded, and under which rules.

use serde::{Deserialize, Serialize};

use super::problem::Problems;
use super::value::{self, TimeOfDay};
use crate::domain::{
    Decimal, ExchangeName, FeeAsset, FeeRate, Instrument, InstrumentError, InstrumentId, InstrumentSpec, Sources, Symbol,
    Unmarketable,
};

/// One instrument and its rules. What has no default must be set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstrumentConfig {
    /// Its name, `BASE/QUOTE`, unique.
    #[serde(deserialize_with = "value::one")]
    pub symbol: Symbol,
    /// The step of prices, in the quote asset.
    #[serde(deserialize_with = "value::one")]
    pub tick_size: Decimal,
    /// The step of quantities, in the base asset.
    #[serde(deserialize_with = "value::one")]
    pub lot_size: Decimal,
    /// The least quantity of an order, in the base asset; 0 is none. Default `0`.
    #[serde(default, deserialize_with = "value::one")]
    pub min_quantity: Decimal,
    /// The largest quantity of an order, in the base asset; 0 is none. Default `0`.
    #[serde(default, deserialize_with = "value::one")]
    pub max_quantity: Decimal,
    /// The least worth of an order, in the quote asset; 0 is none. Default `0`.
    #[serde(default, deserialize_with = "value::one")]
    pub min_notional: Decimal,
    /// How far from the reference a limit price may be, in percent; 0 is any distance. Default `0`.
    #[serde(default, deserialize_with = "value::one")]
    pub price_band: Decimal,
    /// The most open orders that an account may have, on all instruments together, for one to rest here. Default 1000000.
    #[serde(default = "max_open_orders")]
    pub max_open_orders: u32,
    /// What becomes of an order that the market has not reached. Default `rest`.
    #[serde(default = "unmarketable", deserialize_with = "value::one")]
    pub unmarketable: Unmarketable,
    /// Whose quotes stand in its book: `static`, `manual`, and exchanges of `[[feeds]]`. Default `static` and `manual`.
    #[serde(default = "sources", deserialize_with = "value::list")]
    pub sources: Vec<ExchangeName>,
    /// The price of the `static` quote, on the grid. Default none.
    #[serde(default, deserialize_with = "value::optional", skip_serializing_if = "Option::is_none")]
    pub reference_price: Option<Decimal>,
    /// What the resting side of a trade pays, in basis points, 0 to 10,000 with four digits after the point. Default `0`.
    #[serde(default, deserialize_with = "value::one", serialize_with = "value::write_bps")]
    pub maker_fee_bps: FeeRate,
    /// What the incoming side of a trade pays, as `maker_fee_bps`. Default `0`.
    #[serde(default, deserialize_with = "value::one", serialize_with = "value::write_bps")]
    pub taker_fee_bps: FeeRate,
    /// The asset that fees are charged in. Default `quote`.
    #[serde(default = "fee_asset", deserialize_with = "value::one")]
    pub fee_asset: FeeAsset,
    /// When `day` orders end, UTC. Default `00:00`.
    #[serde(default, deserialize_with = "value::one")]
    pub day_end: TimeOfDay,
}

fn max_open_orders() -> u32 {
    1_000_000
}

fn unmarketable() -> Unmarketable {
    Unmarketable::Rest
}

fn sources() -> Vec<ExchangeName> {
    [Sources::STATIC, Sources::MANUAL].into_iter().filter_map(|name| ExchangeName::parse(name).ok()).collect()
}

fn fee_asset() -> FeeAsset {
    FeeAsset::Quote
}

impl InstrumentConfig {
    /// What the engine is told.
    pub fn spec(&self) -> InstrumentSpec {
        InstrumentSpec {
            symbol: self.symbol,
            tick_size: self.tick_size,
            lot_size: self.lot_size,
            min_quantity: self.min_quantity,
            max_quantity: self.max_quantity,
            min_notional: self.min_notional,
            price_band: self.price_band,
            max_open_orders: self.max_open_orders,
            unmarketable: self.unmarketable,
            sources: Sources::new(self.sources.clone()),
            reference_price: self.reference_price,
            maker_fee: self.maker_fee_bps,
            taker_fee: self.taker_fee_bps,
            fee_asset: self.fee_asset,
            day_end: self.day_end.nanos(),
        }
    }

    pub(super) fn check(&self, at: &str, problems: &mut Problems) {
        if let Err(error) = Instrument::new(InstrumentId(0), self.spec()) {
            let key = match error {
                InstrumentError::Symbol => "symbol",
                InstrumentError::Step | InstrumentError::TooFine => "tick_size",
                InstrumentError::OffGrid(key) => key,
            };
            problems.push(format!("{at}.{key}"), error.to_string());
        }
        for (key, value) in [("min_notional", self.min_notional), ("price_band", self.price_band)] {
            if value < Decimal::ZERO {
                problems.push(format!("{at}.{key}"), "must be zero or more");
            }
        }
        if self.max_quantity != Decimal::ZERO && self.max_quantity < self.min_quantity {
            problems.push(format!("{at}.max_quantity"), "must be at least min_quantity, or 0 for no maximum");
        }
        if self.max_open_orders == 0 {
            problems.push(format!("{at}.max_open_orders"), "must be at least 1");
        }
        let is_static = self.sources.iter().any(|source| source.as_str() == Sources::STATIC);
        if self.reference_price.is_some() && !is_static {
            problems.push(format!("{at}.reference_price"), "is the price of the source \"static\": add that to sources");
        }
        for (index, source) in self.sources.iter().enumerate() {
            if self.sources.iter().take(index).any(|other| other == source) {
                problems.push(format!("{at}.sources[{index}]"), format!("names {source} twice"));
            }
        }
    }
}
