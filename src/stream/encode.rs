//! The JSON of the stream: one object a frame, built from domain values, field by field as the contract names them.

use serde::Serialize;

use super::json::{Object, Text, Word};
use crate::domain::{AccountName, Level, MomentText, Order, Report, Symbol, TradeReport};

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

/// Writes an execution. What sets an order's terms (`accepted`, `replaced`) or refuses them (`rejected`) says them: whoever
/// follows the stream from its start knows every order in full.
pub fn execution(report: &Report, account: &AccountName, moments: &mut MomentText, into: &mut Vec<u8>) {
    let order = &report.order;
    let mut frame = Object::begin(into, moments);
    frame.field("channel", Word("executions")).field("seq", report.seq.0).field("exec_id", report.exec_id.0);
    frame.field("type", Word(report.execution_type.as_str())).field("order_id", order.order_id.0);
    frame.field("client_order_id", order.client_order_id.as_ref().map(|id| Word(id.as_str())));
    frame.field("account", Word(account.as_str())).field("symbol", Word(order.symbol.as_str()));
    frame.field("side", Word(order.side.as_str())).field("order_type", Word(order.order_type.as_str()));
    frame.field("status", Word(order.status.as_str())).field("quantity", order.quantity);
    if report.execution_type.sets_terms() {
        frame.field("time_in_force", Word(order.time_in_force.as_str())).field("price", order.price);
        frame.field("trigger_price", order.trigger_price).field("expire_at", order.expire_at);
    }
    frame.field("cum_qty", order.cum_qty).field("leaves_qty", order.leaves_qty).field("avg_price", order.avg_price);
    let fill = report.fill.as_ref();
    frame.field("last_qty", fill.map(|fill| fill.last_qty)).field("last_price", fill.map(|fill| fill.last_price));
    frame.field("liquidity", fill.map(|fill| Word(fill.liquidity.as_str())));
    frame.field("trade_id", fill.map(|fill| fill.trade_id.0)).field("fee", fill.map(|fill| fill.fee));
    frame.field("fee_asset", fill.map(|fill| Word(fill.fee_asset.as_str())));
    frame.field("code", report.code.map(|code| Word(code.as_str()))).field("reason", report.reason.as_deref().map(Text));
    frame.field("ts", order.updated_at).end();
}

/// Writes the fields of an order, as answers show it.
pub fn order(order: &Order, account: &AccountName, object: &mut Object<'_>) {
    object.field("order_id", order.order_id.0);
    object.field("client_order_id", order.client_order_id.as_ref().map(|id| Word(id.as_str())));
    object.field("account", Word(account.as_str())).field("symbol", Word(order.symbol.as_str()));
    object.field("side", Word(order.side.as_str())).field("type", Word(order.order_type.as_str()));
    object.field("time_in_force", Word(order.time_in_force.as_str()));
    if let Some(expire_at) = order.expire_at {
        object.field("expire_at", expire_at);
    }
    object.field("quantity", order.quantity).field("price", order.price).field("trigger_price", order.trigger_price);
    object.field("status", Word(order.status.as_str())).field("cum_qty", order.cum_qty);
    object.field("leaves_qty", order.leaves_qty).field("avg_price", order.avg_price);
    object.field("code", order.code.map(|code| Word(code.as_str()))).field("reason", order.reason.as_deref().map(Text));
    object.field("created_at", order.created_at).field("updated_at", order.updated_at);
}

/// Writes a public trade.
pub fn trade(trade: &TradeReport, moments: &mut MomentText, into: &mut Vec<u8>) {
    let TradeReport { trade_id, symbol, price, quantity, taker_side, ts } = *trade;
    let mut frame = Object::begin(into, moments);
    frame.field("channel", Word("trades")).field("trade_id", trade_id.0).field("symbol", Word(symbol.as_str()));
    frame.field("price", price).field("quantity", quantity).field("taker_side", Word(taker_side.as_str()));
    frame.field("ts", ts).end();
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
