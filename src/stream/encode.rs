//! The JSON of the stream: one object a frame, built from domain values, field by field as the contract names them.

use serde::Serialize;

use super::json::{Object, Text, Word, key};
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
    let mut frame = Object::begin(into, moments, key!("channel"), Word("executions"));
    frame.field(key!("seq"), report.seq.0).field(key!("exec_id"), report.exec_id.0);
    frame.field(key!("type"), Word(report.execution_type.as_str())).field(key!("order_id"), order.order_id.0);
    frame.field(key!("client_order_id"), order.client_order_id.as_ref());
    frame.field(key!("account"), account).field(key!("symbol"), &order.symbol);
    frame.field(key!("side"), Word(order.side.as_str())).field(key!("order_type"), Word(order.order_type.as_str()));
    frame.field(key!("status"), Word(order.status.as_str())).field(key!("quantity"), order.quantity);
    if report.execution_type.sets_terms() {
        frame.field(key!("time_in_force"), Word(order.time_in_force.as_str())).field(key!("price"), order.price);
        frame.field(key!("trigger_price"), order.trigger_price).field(key!("expire_at"), order.expire_at);
    }
    frame
        .field(key!("cum_qty"), order.cum_qty)
        .field(key!("leaves_qty"), order.leaves_qty)
        .field(key!("avg_price"), order.avg_price);
    let fill = report.fill.as_ref();
    frame
        .field(key!("last_qty"), fill.map(|fill| fill.last_qty))
        .field(key!("last_price"), fill.map(|fill| fill.last_price));
    frame.field(key!("liquidity"), fill.map(|fill| Word(fill.liquidity.as_str())));
    frame.field(key!("trade_id"), fill.map(|fill| fill.trade_id.0)).field(key!("fee"), fill.map(|fill| fill.fee));
    frame.field(key!("fee_asset"), fill.map(|fill| &fill.fee_asset));
    frame
        .field(key!("code"), report.code.map(|code| Word(code.as_str())))
        .field(key!("reason"), report.reason.as_deref().map(Text));
    frame.field(key!("ts"), order.updated_at).end();
}

/// Writes an order, as answers show it.
pub fn order(order: &Order, account: &AccountName, moments: &mut MomentText, into: &mut Vec<u8>) {
    let mut object = Object::begin(into, moments, key!("order_id"), order.order_id.0);
    object.field(key!("client_order_id"), order.client_order_id.as_ref());
    object.field(key!("account"), account).field(key!("symbol"), &order.symbol);
    object.field(key!("side"), Word(order.side.as_str())).field(key!("type"), Word(order.order_type.as_str()));
    object.field(key!("time_in_force"), Word(order.time_in_force.as_str()));
    if let Some(expire_at) = order.expire_at {
        object.field(key!("expire_at"), expire_at);
    }
    object
        .field(key!("quantity"), order.quantity)
        .field(key!("price"), order.price)
        .field(key!("trigger_price"), order.trigger_price);
    object.field(key!("status"), Word(order.status.as_str())).field(key!("cum_qty"), order.cum_qty);
    object.field(key!("leaves_qty"), order.leaves_qty).field(key!("avg_price"), order.avg_price);
    object
        .field(key!("code"), order.code.map(|code| Word(code.as_str())))
        .field(key!("reason"), order.reason.as_deref().map(Text));
    object.field(key!("created_at"), order.created_at).field(key!("updated_at"), order.updated_at).end();
}

/// Writes a public trade.
pub fn trade(trade: &TradeReport, moments: &mut MomentText, into: &mut Vec<u8>) {
    let TradeReport { trade_id, symbol, price, quantity, taker_side, ts } = *trade;
    let mut frame = Object::begin(into, moments, key!("channel"), Word("trades"));
    frame.field(key!("trade_id"), trade_id.0).field(key!("symbol"), &symbol);
    frame
        .field(key!("price"), price)
        .field(key!("quantity"), quantity)
        .field(key!("taker_side"), Word(taker_side.as_str()));
    frame.field(key!("ts"), ts).end();
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
