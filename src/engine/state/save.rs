//! From an engine to bytes.

use super::bytes::{put_count, put_decimal, put_i64, put_i128, put_name, put_u32, put_u64};
use super::{VERSION, tag};
use crate::domain::{InstrumentSpec, Side, TriggerBy};
use crate::engine::Engine;
use crate::engine::book::{Node, Owner, queue};
use crate::engine::market::{Market, Quoted, Standing};
use crate::engine::orders::Found;
use crate::engine::table::NONE;
use crate::engine::terms::Order;

impl Engine {
    /// Appends all of the state to `into`: what [`Engine::restore`] makes the same engine of. Between two commands only.
    pub fn save(&self, into: &mut Vec<u8>) {
        put_u32(VERSION, into);
        put_u32(self.orders.closed_kept(), into);
        put_u64(self.seq, into);
        put_i64(self.now, into);
        for last in [self.last.order, self.last.execution, self.last.trade] {
            put_u64(last, into);
        }
        self.save_ledger(into);
        put_count(self.exchanges.len(), into);
        for exchange in &self.exchanges {
            put_name(exchange.as_str(), into);
        }
        put_count(self.instruments.len(), into);
        for (number, instrument) in (0..).zip(&self.instruments) {
            save_spec(&instrument.spec, into);
            self.save_market(&self.markets[number], into);
        }
        for id in self.orders.closed_ids() {
            if let Some(Found::Closed(place)) = self.orders.find_any(id) {
                let order = self.orders.closed(place);
                let tag = if order.terms.aside.is_nothing() { tag::ENDED } else { tag::MORE };
                into.push(tag);
                put_u32(order.head.instrument, into);
                into.push(order.head.side as u8);
                into.push(order.terms.code.map_or(u8::MAX, |code| code as u8));
                save_order(&order, tag, into);
            }
        }
        into.push(tag::END);
    }

    fn save_ledger(&self, into: &mut Vec<u8>) {
        put_count(self.ledger.assets().len(), into);
        for (number, asset) in (0..).zip(self.ledger.assets()) {
            put_name(asset.as_str(), into);
            self.ledger.sums(number).into_iter().for_each(|sum| put_i128(sum, into));
        }
        put_count(self.ledger.accounts().len(), into);
        for (number, account) in (0..).zip(self.ledger.accounts()) {
            put_name(account.name.as_str(), into);
            into.push(u8::from(account.checked));
            put_u64(account.seq, into);
            put_i64(account.cancel_at, into);
            let rows = self.ledger.rows(number);
            put_count(rows.len(), into);
            for row in rows {
                put_i128(row.free, into);
                put_i128(row.held, into);
            }
        }
    }

    fn save_market(&self, market: &Market, into: &mut Vec<u8>) {
        into.push(u8::from(market.halted));
        put_i64(market.last, into);
        put_count(market.quotes.len(), into);
        for Quoted { exchange, bid, ask } in &market.quotes {
            put_u32(*exchange, into);
            for Standing { price, size, since, .. } in [bid, ask] {
                put_i64(*price, into);
                put_i64(*size, into);
                put_u64(*since, into);
            }
        }
        for side in [Side::Buy, Side::Sell] {
            self.save_queues(market.book.levels(side).map(|level| level.oldest), into);
        }
        for by in [TriggerBy::Last, TriggerBy::Mark] {
            for side in [Side::Buy, Side::Sell] {
                self.save_queues(market.stops.levels(by, side), into);
            }
        }
    }

    /// Saves the queues of some levels, given the oldest of each.
    fn save_queues(&self, levels: impl Iterator<Item = u32>, into: &mut Vec<u8>) {
        for slot in levels.flat_map(|oldest| queue(&self.orders.nodes, oldest)) {
            let Node { owner, id, leaves, .. } = self.orders.nodes[slot];
            match owner {
                Owner::Client => {
                    let order = self.orders.live(slot);
                    let tag = if order.terms.aside.is_nothing() { tag::PLAIN } else { tag::MORE };
                    into.push(tag);
                    save_order(&order, tag, into);
                }
                Owner::Exchange => {
                    into.push(tag::QUOTE);
                    put_u32(u32::try_from(id).unwrap_or(NONE), into);
                    put_i64(leaves, into);
                }
            }
        }
        into.push(tag::END);
    }
}

/// Saves what an order has, but its side, its instrument and its code.
fn save_order(order: &Order, tag: u8, into: &mut Vec<u8>) {
    let Order { head, terms, client_order_id } = order;
    put_u64(head.id, into);
    put_u32(head.account, into);
    for value in [head.price, head.leaves, terms.created_at] {
        put_i64(value, into);
    }
    let words = [terms.order_type as u8, terms.time_in_force as u8, terms.stp as u8, terms.status as u8];
    into.extend_from_slice(&words);
    if tag == tag::PLAIN {
        return;
    }
    for value in [terms.quantity, terms.cum, terms.updated_at] {
        put_i64(value, into);
    }
    put_i128(terms.notional, into);
    if tag == tag::ENDED {
        return;
    }
    put_i64(terms.trigger, into);
    put_i64(terms.expire_at, into);
    into.extend_from_slice(&[terms.trigger_by as u8, u8::from(terms.post_only)]);
    put_name(client_order_id.as_ref().map_or("", |client| client.as_str()), into);
}

fn save_spec(spec: &InstrumentSpec, into: &mut Vec<u8>) {
    put_name(spec.symbol.as_str(), into);
    let values = [spec.tick_size, spec.lot_size, spec.min_quantity, spec.max_quantity, spec.min_notional, spec.price_band];
    values.into_iter().for_each(|value| put_decimal(value, into));
    put_u32(spec.max_open_orders, into);
    into.push(spec.unmarketable as u8);
    put_count(spec.sources.names().len(), into);
    for source in spec.sources.names() {
        put_name(source.as_str(), into);
    }
    into.push(u8::from(spec.reference_price.is_some()));
    put_decimal(spec.reference_price.unwrap_or_default(), into);
    put_u32(spec.maker_fee.units(), into);
    put_u32(spec.taker_fee.units(), into);
    into.push(spec.fee_asset as u8);
    put_i64(spec.day_end, into);
}
