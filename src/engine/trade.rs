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
use super::ledger::Account;
use super::report::{lots, tell_extra};
use super::rules::Rules;
use super::table::NONE;
use crate::domain::{
    Code, Events, ExchangeId, ExecutionType, Fill, InstrumentId, Liquidity, Money, Nanos, OrderId, OrderType, Price, Side,
    Source, Trade, TradeId, TriggerBy,
};

/// One side's part in a trade.
#[derive(Clone, Copy, Debug)]
struct Part {
    trade_id: TradeId,
    market: u32,
    role: Liquidity,
    price: i64,
    quantity: i64,
    /// In tick·lots.
    worth: i128,
}

/// What a trade brought to one side, its fee included; nothing to an account that is not checked.
#[derive(Clone, Copy, Debug)]
struct Moved {
    checked: bool,
    base: i128,
    quote: i128,
}

impl Engine {
    /// Trades an incoming order with a resting node, for `worth` tick·lots. Returns what still stands at the price.
    #[inline]
    pub(super) fn trade(
        &mut self,
        taker: u32,
        maker: u32,
        price: i64,
        quantity: i64,
        worth: i128,
        events: &mut Events,
    ) -> i128 {
        let incoming = &mut self.orders.nodes[taker];
        incoming.leaves -= quantity;
        let (id, side, market) = (incoming.id, incoming.side, incoming.instrument);
        let resting = &self.orders.nodes[maker];
        let (owner, maker_id) = (resting.owner, resting.id);
        let total = self.markets[market].book.fill(&mut self.orders.nodes, maker, quantity);
        let source = match owner {
            Owner::Client => Source::Order(OrderId(maker_id)),
            Owner::Exchange => Source::Exchange(ExchangeId(u32::try_from(maker_id).unwrap_or(NONE))),
        };
        let role = Liquidity::Taker;
        let trade_id = self.number_trade(market, side, price, quantity, source, Source::Order(OrderId(id)), events);
        let part = Part { trade_id, market, role, price, quantity, worth };
        let moved = self.settle(taker, &part, events);
        match owner {
            Owner::Client => {
                let part = Part { role: Liquidity::Maker, ..part };
                let moved_too = self.settle(maker, &part, events);
                if moved.checked == moved_too.checked {
                    moved.assert_balanced(moved_too);
                } else if moved.checked {
                    self.settle_world(side.opposite(), &part, moved);
                } else {
                    self.settle_world(side, &part, moved_too);
                }
                if self.orders.nodes[maker].leaves == 0 {
                    self.close(maker);
                }
            }
            Owner::Exchange => {
                self.settle_world(side.opposite(), &part, moved);
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
        let (source, taker) = (Source::Order(OrderId(id)), Source::Exchange(ExchangeId(exchange)));
        let trade_id = self.number_trade(market, side.opposite(), price, quantity, source, taker, events);
        let (role, worth) = (Liquidity::Maker, notional(price, quantity));
        let part = Part { trade_id, market, role, price, quantity, worth };
        let moved = self.settle(maker, &part, events);
        self.settle_world(side.opposite(), &part, moved);
        if self.orders.nodes[maker].leaves == 0 {
            self.close(maker);
        }
        self.trigger_reached(market, TriggerBy::Last);
        total
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of a trade")]
    #[inline(always)]
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

    /// Books one side of a trade on its order and its account, and tells it.
    #[inline(always)]
    fn settle(&mut self, slot: u32, part: &Part, events: &mut Events) -> Moved {
        let (node, terms) = self.orders.nodes.pair_mut(slot);
        let rules = &self.markets[part.market].rules;
        let account = self.ledger.account_mut(node.account);
        terms.cum += part.quantity;
        terms.notional += part.worth;
        let (side, role) = (node.side, part.role);
        let fee = rules.fee(side, role, part.worth, part.quantity);
        let (moved, fee) = match (account.checked, side) {
            (false, _) => (Moved::NOTHING, fee),
            (true, Side::Buy) => account.settle_buy(node, rules, part, fee, &mut self.in_hand),
            (true, Side::Sell) => account.settle_sell(rules, part, fee),
        };
        let event = if node.leaves == 0 { ExecutionType::Filled } else { ExecutionType::PartialFill };
        terms.move_on(event, None, node.leaves, self.now);
        let fill = Fill {
            trade_id: part.trade_id,
            last_qty: lots(part.quantity),
            last_price: Price::new(part.price).unwrap_or(Price::MAX),
            liquidity: role,
            fee: Money::from_units(fee),
        };
        let execution = self.last.execution(account, node, terms, event, Some(fill), None, self.now);
        events.executions.push(execution);
        if terms.extra != NONE {
            tell_extra(events, self.orders.extra(slot));
        }
        if fee != 0 && moved.checked {
            self.ledger.take_fee(if rules.fee_in_base(side) { rules.base } else { rules.quote }, fee);
        }
        moved
    }

    /// Books the side of an exchange, or of an account that is not checked, against a client's that is.
    fn settle_world(&mut self, side: Side, part: &Part, other: Moved) {
        if other.checked {
            let rules = &self.markets[part.market].rules;
            let moved = Moved::new(side, rules.base_units(part.quantity), rules.value(part.worth));
            moved.assert_balanced(other);
            self.ledger.world(rules.base, moved.base);
            self.ledger.world(rules.quote, moved.quote);
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
    #[inline(always)]
    fn move_hold(&mut self, slot: u32, amount: i128) {
        if amount != 0 {
            let asset = self.held_asset(slot);
            self.ledger.account_mut(self.orders.nodes[slot].account).hold(asset, amount);
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
    #[inline(always)]
    pub(super) fn hold_first(&mut self, slot: u32, amount: i128) {
        let (node, terms) = self.orders.nodes.pair(slot);
        if !self.ledger.account(node.account).checked {
            return;
        }
        let rules = &self.markets[node.instrument].rules;
        self.ledger.prepare(node.account, rules.base, rules.quote);
        if terms.order_type == OrderType::Market && node.side == Side::Buy {
            self.in_hand = amount;
        }
        let asset = if node.side == Side::Buy { rules.quote } else { rules.base };
        self.ledger.account_mut(node.account).hold(asset, amount);
    }

    /// Takes in hand what a buy stop holds, which is about to trade at any price.
    pub(super) fn take_in_hand(&mut self, slot: u32) {
        let Node { side, price, .. } = self.orders.nodes[slot];
        if side == Side::Buy && price == 0 {
            self.in_hand = self.hold_now(slot).unwrap_or(0);
        }
    }

    /// Sets free what is in hand, once the order that it is for has ended.
    #[inline(always)]
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

impl Account {
    /// Moves the money of a buy. Returns what moved, and the fee.
    #[inline(always)]
    fn settle_buy(&mut self, node: &Node, rules: &Rules, part: &Part, fee: i128, in_hand: &mut i128) -> (Moved, i128) {
        let (value, base) = (rules.value(part.worth), rules.base_units(part.quantity));
        let in_base = rules.fee_in_base(Side::Buy);
        let due = if in_base { value } else { value + fee };
        let released = if node.price > 0 {
            rules.freed(node.price, part.quantity, node.leaves)
        } else {
            let released = due.min(*in_hand);
            *in_hand -= released;
            released
        };
        let paid = if due > released { due.min(self.row(rules.quote).free + released) } else { due };
        // Short by rounding only.
        assert!(paid >= value, "a buy pays for what it gets");
        self.spend(rules.quote, released, paid);
        let (received, fee) = if in_base { (base - fee, fee) } else { (base, paid - value) };
        self.receive(rules.base, received);
        let (base, quote) = if in_base { (received + fee, -paid) } else { (received, fee - paid) };
        (Moved { checked: true, base, quote }, fee)
    }

    /// Moves the money of a sell. Returns what moved, and the fee.
    #[inline(always)]
    fn settle_sell(&mut self, rules: &Rules, part: &Part, fee: i128) -> (Moved, i128) {
        let (value, base) = (rules.value(part.worth), rules.base_units(part.quantity));
        self.spend(rules.base, base, base);
        self.receive(rules.quote, value - fee);
        (Moved::new(Side::Sell, base, value), fee)
    }
}

impl Moved {
    const NOTHING: Self = Self { checked: false, base: 0, quote: 0 };

    #[inline(always)]
    const fn new(side: Side, base: i128, value: i128) -> Self {
        match side {
            Side::Buy => Self { checked: true, base, quote: -value },
            Side::Sell => Self { checked: true, base: -base, quote: value },
        }
    }

    #[inline(always)]
    fn assert_balanced(self, other: Self) {
        let balanced = self.base + other.base == 0 && self.quote + other.quote == 0;
        assert!(balanced, "what one side gives the other gets");
    }
}
