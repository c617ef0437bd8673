//! The JSON of answers: what orders, books, trades and instruments look like from outside.

use serde::Serialize;

use crate::domain::{
    AccountName, AssetName, AveragePrice, ClientOrderId, Code, Decimal, ExchangeName, FeeAsset, Instrument, Level, Nanos,
    Order, OrderId, OrderType, Side, Status, Symbol, TimeInForce, TradeId, TradeReport, Unmarketable,
};

/// An order, as answers show it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct OrderView {
    pub(super) order_id: OrderId,
    client_order_id: Option<ClientOrderId>,
    account: AccountName,
    symbol: Symbol,
    side: Side,
    #[serde(rename = "type")]
    order_type: OrderType,
    time_in_force: TimeInForce,
    #[serde(skip_serializing_if = "Option::is_none")]
    expire_at: Option<Nanos>,
    quantity: Decimal,
    price: Option<Decimal>,
    trigger_price: Option<Decimal>,
    pub(super) status: Status,
    cum_qty: Decimal,
    leaves_qty: Decimal,
    avg_price: Option<AveragePrice>,
    pub(super) code: Option<Code>,
    pub(super) reason: Option<String>,
    created_at: Nanos,
    updated_at: Nanos,
}

impl OrderView {
    pub(super) fn new(order: &Order, account: AccountName) -> Self {
        Self {
            order_id: order.order_id,
            client_order_id: order.client_order_id,
            account,
            symbol: order.symbol,
            side: order.side,
            order_type: order.order_type,
            time_in_force: order.time_in_force,
            expire_at: order.expire_at,
            quantity: order.quantity,
            price: order.price,
            trigger_price: order.trigger_price,
            status: order.status,
            cum_qty: order.cum_qty,
            leaves_qty: order.leaves_qty,
            avg_price: order.avg_price,
            code: order.code,
            reason: order.reason.clone(),
            created_at: order.created_at,
            updated_at: order.updated_at,
        }
    }
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
}

impl From<&Instrument> for InstrumentView {
    fn from(instrument: &Instrument) -> Self {
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
        }
    }
}
