//! The JSON of the stream: one object a frame, built from domain values, field by field as the contract names them.

use serde::Serialize;

use crate::domain::{
    AccountName, AssetName, AveragePrice, ClientOrderId, Code, Decimal, ExecId, ExecutionType, Level, Liquidity, Money,
    Nanos, OrderId, OrderType, Report, Side, Status, Symbol, TradeId, TradeReport,
};

/// A book, or what changed in one since `prev`: in a change, a quantity of 0 takes the level away.
#[derive(Clone, Copy, Debug)]
pub struct BookReport<'a> {
    /// The instrument.
    pub symbol: Symbol,
    /// The number of this change.
    pub seq: u64,
    /// Of a change, the number of the one before; `None`: a snapshot.
    pub prev: Option<u64>,
    /// Bids, best first.
    pub bids: &'a [Level],
    /// Asks, best first.
    pub asks: &'a [Level],
}

/// Writes an execution.
pub fn execution(report: &Report, account: &AccountName, into: &mut Vec<u8>) {
    let order = &report.order;
    let fill = report.fill.as_ref();
    let frame = ExecutionFrame {
        channel: "executions",
        seq: report.seq.0,
        exec_id: report.exec_id,
        execution_type: report.execution_type,
        order_id: order.order_id,
        client_order_id: order.client_order_id.as_ref(),
        account,
        symbol: &order.symbol,
        side: order.side,
        order_type: order.order_type,
        status: order.status,
        quantity: order.quantity,
        cum_qty: order.cum_qty,
        leaves_qty: order.leaves_qty,
        avg_price: order.avg_price,
        last_qty: fill.map(|fill| fill.last_qty),
        last_price: fill.map(|fill| fill.last_price),
        liquidity: fill.map(|fill| fill.liquidity),
        trade_id: fill.map(|fill| fill.trade_id),
        fee: fill.map(|fill| fill.fee),
        fee_asset: fill.map(|fill| fill.fee_asset),
        code: report.code,
        reason: report.reason.as_deref(),
        ts: order.updated_at,
    };
    json(&frame, into);
}

/// Writes a public trade.
pub fn trade(trade: &TradeReport, into: &mut Vec<u8>) {
    let TradeReport { trade_id, symbol, price, quantity, taker_side, ts } = *trade;
    json(&TradeFrame { channel: "trades", trade_id, symbol, price, quantity, taker_side, ts }, into);
}

/// Writes a book: a snapshot, or a change if it names a `prev`.
pub fn book(book: &BookReport<'_>, into: &mut Vec<u8>) {
    let kind = if book.prev.is_some() { "delta" } else { "snapshot" };
    let BookReport { symbol, seq, prev, bids, asks } = *book;
    json(&BookFrame { channel: "book", kind, symbol, seq, prev, bids, asks }, into);
}

/// Writes a frame of a channel whose fields are those of `body`, after the channel's name.
pub fn channel(channel: &'static str, body: &impl Serialize, into: &mut Vec<u8>) {
    json(&ChannelFrame { channel, body }, into);
}

fn json(value: &impl Serialize, into: &mut Vec<u8>) {
    serde_json::to_writer(into, value)
        .expect("these types have no map keys but strings, and memory does not fail to write");
}

#[derive(Serialize)]
struct ExecutionFrame<'a> {
    channel: &'static str,
    seq: u64,
    exec_id: ExecId,
    #[serde(rename = "type")]
    execution_type: ExecutionType,
    order_id: OrderId,
    client_order_id: Option<&'a ClientOrderId>,
    account: &'a AccountName,
    symbol: &'a Symbol,
    side: Side,
    order_type: OrderType,
    status: Status,
    quantity: Decimal,
    cum_qty: Decimal,
    leaves_qty: Decimal,
    avg_price: Option<AveragePrice>,
    last_qty: Option<Decimal>,
    last_price: Option<Decimal>,
    liquidity: Option<Liquidity>,
    trade_id: Option<TradeId>,
    fee: Option<Money>,
    fee_asset: Option<AssetName>,
    code: Option<Code>,
    reason: Option<&'a str>,
    ts: Nanos,
}

#[derive(Serialize)]
struct TradeFrame {
    channel: &'static str,
    trade_id: TradeId,
    symbol: Symbol,
    price: Decimal,
    quantity: Decimal,
    taker_side: Side,
    ts: Nanos,
}

#[derive(Serialize)]
struct BookFrame<'a> {
    channel: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    symbol: Symbol,
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    prev: Option<u64>,
    bids: &'a [Level],
    asks: &'a [Level],
}

#[derive(Serialize)]
struct ChannelFrame<'a, T> {
    channel: &'static str,
    #[serde(flatten)]
    body: &'a T,
}
