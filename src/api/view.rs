//! The JSON of answers: what orders, books, trades and instruments look like from outside.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, header},
    response::Response,
};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::State;
use crate::domain::{
    AccountName, AssetName, Decimal, ExchangeName, FeeAsset, Instrument, Level, MomentText, Nanos, Order, Priority, Side,
    Symbol, TradeId, TradeReport, Unmarketable,
};
use crate::queue::ShownOrder;
use crate::stream::encode;

/// Marks an answer as that to an earlier request.
pub(super) const REPLAYED: [(HeaderName, HeaderValue); 1] =
    [(HeaderName::from_static("idempotent-replayed"), HeaderValue::from_static("true"))];

/// An order, as answers show it.
pub(super) fn shown(order: &Arc<Order>, account: &AccountName) -> ShownOrder {
    let mut json = Vec::new();
    encode::order(order, account, &mut MomentText::default(), &mut json);
    ShownOrder { order: order.clone(), json: json.into() }
}

impl Serialize for ShownOrder {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let json: &RawValue = serde_json::from_slice(&self.json).map_err(serde::ser::Error::custom)?;
        json.serialize(serializer)
    }
}

/// Finished JSON as an answer.
pub(super) fn answer(json: impl Into<Body>) -> Response {
    let mut response = Response::new(json.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// `{order…, "priority": …}`: the answer to a replace.
pub(super) fn replaced(order: &ShownOrder, priority: Priority) -> Vec<u8> {
    let fields = order.json.strip_suffix(b"}").unwrap_or_default();
    [fields, br#","priority":""#, priority.as_str().as_bytes(), br#""}"#].concat()
}

/// `GET /book/{symbol}`.
#[derive(Debug, Serialize)]
pub(super) struct BookView {
    pub(super) symbol: Symbol,
    pub(super) seq: u64,
    pub(super) bids: Vec<Level>,
    pub(super) asks: Vec<Level>,
}

/// One of `GET /trades/{symbol}`.
#[derive(Debug, Serialize)]
pub(super) struct TradeView {
    trade_id: TradeId,
    price: Decimal,
    quantity: Decimal,
    taker_side: Side,
    ts: Nanos,
}

impl From<TradeReport> for TradeView {
    fn from(trade: TradeReport) -> Self {
        let TradeReport { trade_id, symbol: _, price, quantity, taker_side, ts } = trade;
        Self { trade_id, price, quantity, taker_side, ts }
    }
}

/// One of `GET /instruments`.
#[derive(Debug, Serialize)]
pub(super) struct InstrumentView {
    symbol: Symbol,
    base: AssetName,
    quote: AssetName,
    tick_size: Decimal,
    lot_size: Decimal,
    min_quantity: Decimal,
    max_quantity: Decimal,
    min_notional: Decimal,
    price_band: Decimal,
    max_open_orders: u32,
    unmarketable: Unmarketable,
    sources: Vec<ExchangeName>,
    reference_price: Option<Decimal>,
    maker_fee_bps: Decimal,
    taker_fee_bps: Decimal,
    fee_asset: FeeAsset,
    /// Whether it takes no new orders.
    halted: bool,
}

impl InstrumentView {
    pub(super) fn of(state: &State, instrument: &Instrument) -> Self {
        let spec = &instrument.spec;
        Self {
            symbol: spec.symbol,
            base: instrument.base,
            quote: instrument.quote,
            tick_size: spec.tick_size,
            lot_size: spec.lot_size,
            min_quantity: spec.min_quantity,
            max_quantity: spec.max_quantity,
            min_notional: spec.min_notional,
            price_band: spec.price_band,
            max_open_orders: spec.max_open_orders,
            unmarketable: spec.unmarketable,
            sources: spec.sources.names().to_vec(),
            reference_price: spec.reference_price,
            maker_fee_bps: spec.maker_fee.bps(),
            taker_fee_bps: spec.taker_fee.bps(),
            fee_asset: spec.fee_asset,
            halted: state.read.is_halted(instrument.id),
        }
    }
}
