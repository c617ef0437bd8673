//! Trades: two sides meet, at the resting one's price. And holds, which trades release.
//!
//! What is held for an order is a function of its terms: base for what a sell has left; for a buy with a limit, or a stop not yet
//! fired, the quote that its leaves may cost, with the larger fee; for a buy at any price, what is left of what it was to
//! cost. So a better price, a cancel or an expiry sets free exactly what is no longer needed.
//!
//! Rounding: each fee is rounded half up. Where many small fills round up to more than the order held, and the account has nothing free,
//! the venue charges what there is; the difference is below 10^-18 a fill.

#![expect(clippy::arithmetic_side_effects, reason = "amounts keep to the bounds of `rules` and `ledger`")]

use super::Engine;
use super::book::{Node, Owner, Place};
use super::check::notional;
use super::report::{Detail, lots};
use super::rules::Rules;
use super::table::NONE;
use crate::domain::{
    Code, Events, ExchangeId, ExecutionType, Fill, InstrumentId, Liquidity, Money, Nanos, OrderId, OrderType, Price, Side,
    Source, Trade, TradeId, TriggerBy,
};

/// One side's part in a trade.
#[derive(Clone, Copy, Debug)]
struct Part {
    role: Liquidity,
    price: i64,
    quantity: i64,
    /// In tick·lots.
    notional: i128,
}

impl Engine {
    /// Trades an incoming order with a resting node. Returns what still stands at the price.
    #[inline]
    pub(super) fn trade(&mut self, taker: u32, maker: u32, price: i64, quantity: i64, events: &mut Events) -> i128 {
        let incoming = &mut self.orders.nodes[taker];
        incoming.leaves -= quantity;
        let (id, side) = (incoming.id, incoming.side);
        let Node { instrument: market, owner, id: maker_id, .. } = self.orders.nodes[maker];
        let total = self.markets[market].book.fill(&mut self.orders.nodes, maker, quantity);
        let source = match owner {
            Owner::Client => Source::Order(OrderId(maker_id)),
            Owner::Exchange => Source::Exchange(ExchangeId(u32::try_from(maker_id).unwrap_or(NONE))),
        };
        let trade_id = self.number_trade(market, side, price, quantity, source, Source::Order(OrderId(id)), events);
        let part = Part { role: Liquidity::Taker, price, quantity, notional: notional(price, quantity) };
        let resting = Part { role: Liquidity::Maker, ..part };
        let checked = self.settle(taker, part, trade_id, events);
        match owner {
            Owner::Client => {
                let checked_too = self.settle(maker, resting, trade_id, events);
                if checked != checked_too {
                    self.settle_world(market, if checked { side.opposite() } else { side }, part, true);
                }
                if self.orders.nodes[maker].leaves == 0 {
                    self.close(maker);
                }
                self.assert_conserved(market, checked || checked_too);
            }
            Owner::Exchange => {
                self.settle_world(market, side.opposite(), part, checked);
                self.assert_conserved(market, checked);
                if self.orders.nodes[maker].place == Place::Nowhere {
                    self.exhaust_quote(market, maker);
                }
            }
        }
        self.trigger_reached(market, TriggerBy::Last);
        total
    }

    /// Trades an exchange's quote that came in with a client's resting order. Returns what still stands at the price.
    pub(super) fn trade_with_quote(
        &mut self,
        exchange: u32,
        maker: u32,
        price: i64,
        quantity: i64,
        events: &mut Events,
    ) -> i128 {
        let Node { instrument: market, id, side, .. } = self.orders.nodes[maker];
        let total = self.markets[market].book.fill(&mut self.orders.nodes, maker, quantity);
        let sources = (Source::Order(OrderId(id)), Source::Exchange(ExchangeId(exchange)));
        let trade_id = self.number_trade(market, side.opposite(), price, quantity, sources.0, sources.1, events);
        let part = Part { role: Liquidity::Maker, price, quantity, notional: notional(price, quantity) };
        let checked = self.settle(maker, part, trade_id, events);
        self.settle_world(market, side.opposite(), part, checked);
        if self.orders.nodes[maker].leaves == 0 {
            self.close(maker);
        }
        self.assert_conserved(market, checked);
        self.trigger_reached(market, TriggerBy::Last);
        total
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of a trade")]
    #[inline]
    fn number_trade(
        &mut self,
        market: u32,
        taker_side: Side,
        price: i64,
        quantity: i64,
        maker: Source,
        taker: Source,
        events: &mut Events,
    ) -> TradeId {
        self.last.trade += 1;
        let trade_id = TradeId(self.last.trade);
        self.markets[market].last = price;
        events.trades.push(Trade {
            trade_id,
            instrument: InstrumentId(market),
            price: Price::new(price).unwrap_or(Price::MAX),
            quantity: lots(quantity),
            taker_side,
            maker,
            taker,
            ts: Nanos(self.now),
        });
        trade_id
    }

    /// Books one side of a trade on its order and its account, and tells it. Returns whether the account is checked.
    #[inline]
    fn settle(&mut self, slot: u32, part: Part, trade_id: TradeId, events: &mut Events) -> bool {
        let Node { account, leaves, side, instrument, .. } = self.orders.nodes[slot];
        let terms = self.orders.terms_mut(slot);
        terms.cum += part.quantity;
        terms.notional += part.notional;
        let checked = self.ledger.account(account).checked;
        let fee = if checked {
            self.settle_checked(slot, part)
        } else {
            self.markets[instrument].rules.fee(side, part.role, part.notional, part.quantity)
        };
        let event = if leaves == 0 { ExecutionType::Filled } else { ExecutionType::PartialFill };
        let fill = Fill {
            trade_id,
            last_qty: lots(part.quantity),
            last_price: Price::new(part.price).unwrap_or(Price::MAX),
            liquidity: part.role,
            fee: Money::from_units(fee),
        };
        self.emit(slot, event, Detail { fill: Some(fill), ..Detail::NONE }, events);
        checked
    }

    /// Moves the money of one side. Returns its fee.
    #[inline]
    fn settle_checked(&mut self, slot: u32, part: Part) -> i128 {
        let Node { account, side, instrument, price, leaves, .. } = self.orders.nodes[slot];
        let rules = &self.markets[instrument].rules;
        let (base_asset, quote_asset) = (rules.base, rules.quote);
        let fee = rules.fee(side, part.role, part.notional, part.quantity);
        let (value, base) = (rules.value(part.notional), rules.base_units(part.quantity));
        if side == Side::Sell {
            self.ledger.spend(account, base_asset, base, base);
            self.ledger.receive(account, quote_asset, value - fee);
            self.ledger.take_fee(quote_asset, fee);
            return fee;
        }
        let in_base = rules.fee_in_base(side);
        let due = if in_base { value } else { value + fee };
        let released = if price > 0 {
            let needed = |leaves: i64| rules.hold(side, notional(price, leaves), leaves);
            needed(leaves + part.quantity) - needed(leaves)
        } else {
            let released = due.min(self.in_hand);
            self.in_hand -= released;
            released
        };
        let paid = if due > released { due.min(self.ledger.row(account, quote_asset).free + released) } else { due };
        // Short by rounding only.
        assert!(paid >= value, "a buy pays for what it gets");
        self.ledger.spend(account, quote_asset, released, paid);
        if in_base {
            self.ledger.receive(account, base_asset, base - fee);
            self.ledger.take_fee(base_asset, fee);
            return fee;
        }
        self.ledger.receive(account, base_asset, base);
        self.ledger.take_fee(quote_asset, paid - value);
        paid - value
    }

    /// Books an exchange's side, where the client's is checked.
    #[inline]
    fn settle_world(&mut self, market: u32, side: Side, part: Part, checked: bool) {
        if checked {
            let rules = &self.markets[market].rules;
            let (value, base) = (rules.value(part.notional), rules.base_units(part.quantity));
            let sign = if side == Side::Buy { 1 } else { -1 };
            self.ledger.world(rules.base, sign * base);
            self.ledger.world(rules.quote, -sign * value);
        }
    }

    fn assert_conserved(&self, market: u32, checked: bool) {
        if checked {
            let rules = &self.markets[market].rules;
            self.ledger.assert_conserved(rules.base);
            self.ledger.assert_conserved(rules.quote);
        }
    }

    /// What is held for an order; `None` for a buy that is trading at any price, for which it is `in_hand`.
    #[inline]
    pub(super) fn hold_now(&self, slot: u32) -> Option<i128> {
        let Node { instrument, price, leaves, .. } = self.orders.nodes[slot];
        self.hold_at(slot, &self.markets[instrument].rules, price, self.orders.extra(slot).trigger, leaves)
    }

    /// What would be held for an order on other terms.
    #[inline]
    fn hold_at(&self, slot: u32, rules: &Rules, price: i64, trigger: i64, leaves: i64) -> Option<i128> {
        let Node { account, side, .. } = self.orders.nodes[slot];
        let terms = self.orders.terms(slot);
        if !self.ledger.account(account).checked {
            return Some(0);
        }
        let worth = match side {
            Side::Sell => 0,
            Side::Buy if price > 0 => notional(price, leaves),
            Side::Buy if terms.is_stop() && !terms.triggered => notional(trigger, leaves),
            Side::Buy => return None,
        };
        Some(rules.hold(side, worth, leaves))
    }

    /// Moves an amount from free to held, for an order's asset; a negative one, back.
    #[inline]
    fn move_hold(&mut self, slot: u32, amount: i128) {
        if amount != 0 {
            let Node { account, .. } = self.orders.nodes[slot];
            self.ledger.hold(account, self.held_asset(slot), amount);
        }
    }

    /// The asset that an order holds.
    pub(super) fn held_asset(&self, slot: u32) -> u32 {
        let Node { instrument, side, .. } = self.orders.nodes[slot];
        let rules = &self.markets[instrument].rules;
        match side {
            Side::Buy => rules.quote,
            Side::Sell => rules.base,
        }
    }

    /// Holds what a new order needs. The caller knows that the account has it.
    #[inline]
    pub(super) fn hold_first(&mut self, slot: u32, amount: i128) {
        self.move_hold(slot, amount);
        if self.orders.terms(slot).order_type == OrderType::Market && self.orders.nodes[slot].side == Side::Buy {
            self.in_hand = amount;
        }
    }

    /// Takes in hand what a buy stop holds, which is about to trade at any price.
    pub(super) fn take_in_hand(&mut self, slot: u32) {
        let Node { side, price, .. } = self.orders.nodes[slot];
        if side == Side::Buy && price == 0 {
            self.in_hand = self.hold_now(slot).unwrap_or(0);
        }
    }

    /// Sets free what is in hand, once the order that it is for has ended.
    #[inline]
    pub(super) fn release_in_hand(&mut self, slot: u32) {
        if self.in_hand != 0 && self.hold_now(slot).is_none() {
            let amount = std::mem::take(&mut self.in_hand);
            self.move_hold(slot, -amount);
        }
    }

    /// Sets free all that is held for an order that is about to end.
    #[inline]
    pub(super) fn release_hold(&mut self, slot: u32) {
        if let Some(amount) = self.hold_now(slot) {
            self.move_hold(slot, -amount);
        }
    }

    /// Sets free what an order no longer needs, now that it is for less.
    pub(super) fn release_since(&mut self, slot: u32, before: Option<i128>) {
        if let (Some(before), Some(now)) = (before, self.hold_now(slot)) {
            self.move_hold(slot, now - before);
        }
    }

    /// Holds what an order would need on other terms, if the account has it; else says why not and changes nothing.
    pub(super) fn try_hold(&mut self, slot: u32, price: i64, trigger: i64, leaves: i64) -> Result<(), Code> {
        let rules = &self.markets[self.orders.nodes[slot].instrument].rules;
        self.change_hold(slot, self.hold_now(slot), self.hold_at(slot, rules, price, trigger, leaves))
    }

    /// Holds what an order will need under new rules, if the account has it; else says why not and changes nothing.
    pub(super) fn hold_under(&mut self, slot: u32, rules: &Rules) -> Result<(), Code> {
        let Node { price, leaves, .. } = self.orders.nodes[slot];
        let needed = self.hold_at(slot, rules, price, self.orders.extra(slot).trigger, leaves);
        self.change_hold(slot, self.hold_now(slot), needed)
    }

    fn change_hold(&mut self, slot: u32, held: Option<i128>, needed: Option<i128>) -> Result<(), Code> {
        let (Some(held), Some(needed)) = (held, needed) else { return Ok(()) };
        let more = needed - held;
        if more > self.ledger.row(self.orders.nodes[slot].account, self.held_asset(slot)).free {
            return Err(Code::InsufficientBalance);
        }
        self.move_hold(slot, more);
        Ok(())
    }

    /// Whether the account has so much of what an order brings that it may order no more.
    pub(super) fn is_full(&self, slot: u32) -> bool {
        let Node { account, side, instrument, .. } = self.orders.nodes[slot];
        let rules = &self.markets[instrument].rules;
        let receives = if side == Side::Buy { rules.base } else { rules.quote };
        self.ledger.account(account).checked && self.ledger.is_full(account, receives)
    }
}
