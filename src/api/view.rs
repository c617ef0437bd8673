//! The JSON of answers: what orders, books, trades and instruments look like from outside.

use std::sync::Arc;

use axum::{
    http::{HeaderValue, header},
    response::Response,
};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::State;
use crate::domain::{
    AccountName, AssetName, Decimal, ExchangeName, FeeAsset, Instrument, Level, MomentText, Nanos, Order, Priority, Side,
    Symbol, TradeId, TradeReport, Unmarketable,
};
use crate::stream::{
    encode,
    json::{Object, Word, key},
};

/// About how long an order's JSON is.
const ORDER_BYTES: usize = 512;

/// An order, as answers show it.
#[derive(Clone, Debug)]
pub(super) struct OrderView {
    pub(super) order: Arc<Order>,
    account: AccountName,
}

impl OrderView {
    pub(super) fn new(order: Arc<Order>, account: AccountName) -> Self {
        Self { order, account }
    }

    /// Adds the order to an object.
    pub(super) fn add(&self, object: &mut Object<'_>) {
        let Self { order, account } = self;
        object.object(key!("order"), encode::order_id(order), |object| encode::order(order, account, object));
    }

    /// The order as JSON, with the fields that `more` adds.
    pub(super) fn json(&self, more: impl FnOnce(&mut Object<'_>)) -> String {
        let (mut bytes, mut moments) = (Vec::with_capacity(ORDER_BYTES), MomentText::default());
        let (key, order_id) = encode::order_id(&self.order);
        let mut object = Object::begin(&mut bytes, &mut moments, key, order_id);
        encode::order(&self.order, &self.account, &mut object);
        more(&mut object);
        object.end();
        String::from_utf8(bytes).expect("what is written is text")
    }
}

impl Serialize for OrderView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.json(|_| {})).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

/// Finished JSON as an answer.
pub(super) fn answer(json: String) -> Response {
    let mut response = Response::new(json.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// `{order…, "priority": …}`: the answer to a replace.
pub(super) fn replaced(order: &OrderView, priority: Priority) -> String {
    order.json(|object| {
        object.field(key!("priority"), Word(priority.as_str()));
    })
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
