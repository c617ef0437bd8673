//! Trades: two sides meet, at the resting one's price, and their accounts exchange what they trade.
//!
//! In: an order that comes in, or an exchange's quote, and a resting node. Out: the trade, an execution for each client's side, the
//! taker's first. What one side gives the other gets, asserted for every trade.
//!
//! Rounding: each fee is rounded half up. Where many small fills round up to more than the order held, and the account has nothing free,
//! the venue charges what there is; the difference is below 10^-18 a fill.

#![expect(clippy::arithmetic_side_effects, reason = "amounts keep to the bounds of `rules` and `ledger`")]

use super::Engine;
use super::book::{Node, Owner, Place};
use super::check::notional;
use super::ledger::Account;
use super::orders::Terms;
use super::place::Taker;
use super::report::lots;
use super::rules::Rules;
use super::table::NONE;
use crate::domain::{
    Events, ExchangeId, ExecutionType, Fill, InstrumentId, Liquidity, Money, Nanos, OrderId, Price, Side, Source, Trade,
    TradeId, TriggerBy,
};

/// A trade, as both sides book it.
#[derive(Clone, Copy, Debug)]
struct Deal {
    trade_id: TradeId,
    market: u32,
    price: Price,
    /// In lots.
    quantity: i64,
    /// In tick·lots.
    worth: i128,
    /// In units of quote, and of base.
    value: i128,
    base: i128,
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
    #[inline(always)]
    pub(super) fn trade(
        &mut self,
        taker: &mut Taker,
        maker: u32,
        price: i64,
        quantity: i64,
        worth: i128,
        events: &mut Events,
    ) -> i128 {
        taker.node.leaves -= quantity;
        let Node { id, side, instrument: market, .. } = taker.node;
        let Node { owner, id: maker_id, .. } = self.orders.nodes[maker];
        let source = match owner {
            Owner::Client => Source::Order(OrderId(maker_id)),
            Owner::Exchange => Source::Exchange(ExchangeId(u32::try_from(maker_id).unwrap_or(NONE))),
        };
        let deal = self.deal(market, price, quantity, worth);
        self.tell_trade(&deal, side, source, Source::Order(OrderId(id)), events);
        let Taker { node, terms, in_hand, .. } = taker;
        let moved = self.settle(node, terms, in_hand, &deal, Liquidity::Taker, events);
        let total = match owner {
            Owner::Client => {
                let (moved_too, total) = self.settle_maker(maker, &deal, events);
                if moved.checked == moved_too.checked {
                    moved.assert_balanced(moved_too);
                } else {
                    let world = if moved.checked { side.opposite() } else { side };
                    self.settle_world(market, Moved::new(world, deal.base, deal.value), moved.or(moved_too));
                }
                total
            }
            Owner::Exchange => {
                let total = self.markets[market].book.fill(&mut self.orders.nodes, maker, quantity);
                self.settle_world(market, Moved::new(side.opposite(), deal.base, deal.value), moved);
                if self.orders.nodes[maker].place == Place::Nowhere {
                    self.exhaust_quote(market, maker);
                }
                total
            }
        };
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
        let deal = self.deal(market, price, quantity, notional(price, quantity));
        let (source, taker) = (Source::Order(OrderId(id)), Source::Exchange(ExchangeId(exchange)));
        self.tell_trade(&deal, side.opposite(), source, taker, events);
        let (moved, total) = self.settle_maker(maker, &deal, events);
        self.settle_world(market, Moved::new(side.opposite(), deal.base, deal.value), moved);
        self.trigger_reached(market, TriggerBy::Last);
        total
    }

    /// Numbers a trade.
    #[inline(always)]
    fn deal(&mut self, market: u32, price: i64, quantity: i64, worth: i128) -> Deal {
        self.last.trade = self.last.trade.wrapping_add(1);
        let trade_id = TradeId(self.last.trade);
        let at = &mut self.markets[market];
        at.last = price;
        let (value, base) = (at.rules.value(worth), at.rules.base_units(quantity));
        Deal { trade_id, market, price: Price::new(price).unwrap_or(Price::MAX), quantity, worth, value, base }
    }

    #[inline(always)]
    fn tell_trade(&self, deal: &Deal, taker_side: Side, maker: Source, taker: Source, events: &mut Events) {
        events.trades.push(Trade {
            trade_id: deal.trade_id,
            instrument: InstrumentId(deal.market),
            price: deal.price,
            quantity: lots(deal.quantity),
            taker_side,
            maker,
            taker,
            ts: Nanos(self.now),
        });
    }

    /// Books the resting order's side of a trade. Returns what moved, and what still stands at the price.
    #[inline(always)]
    fn settle_maker(&mut self, slot: u32, deal: &Deal, events: &mut Events) -> (Moved, i128) {
        let (mut node, mut terms) = (self.orders.nodes[slot], self.orders.terms(slot));
        node.leaves -= deal.quantity;
        // What a maker buys has a limit: it has nothing in hand.
        let moved = self.settle(&node, &mut terms, &mut 0, deal, Liquidity::Maker, events);
        let total = self.markets[deal.market].book.fill(&mut self.orders.nodes, slot, deal.quantity);
        if node.leaves == 0 {
            self.retire(slot, &node, &terms);
        } else {
            self.orders.store(slot, &terms);
        }
        (moved, total)
    }

    /// Books one side of a trade on its order and its account, and tells it.
    #[inline(always)]
    fn settle(
        &mut self,
        node: &Node,
        terms: &mut Terms,
        in_hand: &mut i128,
        deal: &Deal,
        role: Liquidity,
        events: &mut Events,
    ) -> Moved {
        let rules = &self.markets[deal.market].rules;
        let account = self.ledger.account_mut(node.account);
        terms.cum = terms.cum.wrapping_add(deal.quantity);
        terms.notional = terms.notional.wrapping_add(deal.worth);
        let fee = if rules.has_fees() { rules.fee(node.side, role, deal.worth, deal.quantity) } else { 0 };
        let (moved, fee) = match (account.checked, node.side) {
            (false, _) => (Moved::NOTHING, fee),
            (true, Side::Buy) => account.settle_buy(node, rules, deal, fee, in_hand),
            (true, Side::Sell) => account.settle_sell(rules, deal, fee),
        };
        let event = if node.leaves == 0 { ExecutionType::Filled } else { ExecutionType::PartialFill };
        terms.move_on(event, None, node.leaves, self.now);
        let fill = Fill {
            trade_id: deal.trade_id,
            last_qty: lots(deal.quantity),
            last_price: deal.price,
            liquidity: role,
            fee: Money::from_units(fee),
        };
        let execution = self.last.execution(account, node, terms, event, Some(fill), None, self.now);
        events.executions.push(execution);
        if fee != 0 && moved.checked {
            self.ledger.take_fee(if rules.fee_in_base(node.side) { rules.base } else { rules.quote }, fee);
        }
        self.tell_more(terms, events);
        moved
    }

    /// Books the side of an exchange, or of an account that is not checked, against a client's that is.
    #[inline(never)]
    fn settle_world(&mut self, market: u32, moved: Moved, other: Moved) {
        if other.checked {
            let rules = &self.markets[market].rules;
            moved.assert_balanced(other);
            self.ledger.world(rules.base, moved.base);
            self.ledger.world(rules.quote, moved.quote);
        }
    }
}

impl Account {
    /// Moves the money of a buy. Returns what moved, and the fee.
    #[inline(always)]
    fn settle_buy(&mut self, node: &Node, rules: &Rules, deal: &Deal, fee: i128, in_hand: &mut i128) -> (Moved, i128) {
        let Deal { value, base, .. } = *deal;
        let in_base = rules.fee_in_base(Side::Buy);
        let due = if in_base { value } else { value + fee };
        let released = if node.price > 0 {
            rules.freed(node.price, deal.quantity, node.leaves)
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
    fn settle_sell(&mut self, rules: &Rules, deal: &Deal, fee: i128) -> (Moved, i128) {
        let Deal { value, base, .. } = *deal;
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

    /// The one of two that is checked.
    const fn or(self, other: Self) -> Self {
        if self.checked { self } else { other }
    }

    #[inline(always)]
    fn assert_balanced(self, other: Self) {
        let balanced = self.base + other.base == 0 && self.quote + other.quote == 0;
        assert!(balanced, "what one side gives the other gets");
    }
}
