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
        let trade_id = self.number_trade(market, side, price, quantity, source, Source::Order(OrderId(id)), events);
        let part = Part { trade_id, market, role: Liquidity::Taker, price, quantity, worth };
        let moved = self.settle(&taker.node, &mut taker.terms, &mut taker.in_hand, &part, events);
        let total = match owner {
            Owner::Client => {
                let part = Part { role: Liquidity::Maker, ..part };
                let (moved_too, total) = self.settle_maker(maker, &part, events);
                if moved.checked == moved_too.checked {
                    moved.assert_balanced(moved_too);
                } else if moved.checked {
                    self.settle_world(side.opposite(), &part, moved);
                } else {
                    self.settle_world(side, &part, moved_too);
                }
                total
            }
            Owner::Exchange => {
                let total = self.markets[market].book.fill(&mut self.orders.nodes, maker, quantity);
                self.settle_world(side.opposite(), &part, moved);
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
        let (source, taker) = (Source::Order(OrderId(id)), Source::Exchange(ExchangeId(exchange)));
        let trade_id = self.number_trade(market, side.opposite(), price, quantity, source, taker, events);
        let (role, worth) = (Liquidity::Maker, notional(price, quantity));
        let part = Part { trade_id, market, role, price, quantity, worth };
        let (moved, total) = self.settle_maker(maker, &part, events);
        self.settle_world(side.opposite(), &part, moved);
        self.trigger_reached(market, TriggerBy::Last);
        total
    }

    /// Books the resting order's side of a trade. Returns what moved, and what still stands at the price.
    #[inline(always)]
    fn settle_maker(&mut self, slot: u32, part: &Part, events: &mut Events) -> (Moved, i128) {
        let (mut node, mut terms) = (self.orders.nodes[slot], self.orders.terms(slot));
        node.leaves -= part.quantity;
        // What a maker buys has a limit: it has nothing in hand.
        let moved = self.settle(&node, &mut terms, &mut 0, part, events);
        let total = self.markets[part.market].book.fill(&mut self.orders.nodes, slot, part.quantity);
        if node.leaves == 0 {
            self.retire(slot, &node, &terms);
        } else {
            self.orders.store(slot, &terms);
        }
        (moved, total)
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
    fn settle(&mut self, node: &Node, terms: &mut Terms, in_hand: &mut i128, part: &Part, events: &mut Events) -> Moved {
        let rules = &self.markets[part.market].rules;
        let account = self.ledger.account_mut(node.account);
        terms.cum += part.quantity;
        terms.notional += part.worth;
        let (side, role) = (node.side, part.role);
        let fee = rules.fee(side, role, part.worth, part.quantity);
        let (moved, fee) = match (account.checked, side) {
            (false, _) => (Moved::NOTHING, fee),
            (true, Side::Buy) => account.settle_buy(node, rules, part, fee, in_hand),
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
        if fee != 0 && moved.checked {
            self.ledger.take_fee(if rules.fee_in_base(side) { rules.base } else { rules.quote }, fee);
        }
        if terms.extra != NONE {
            self.tell_more(terms, events);
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
