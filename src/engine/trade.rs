//! Trades: two sides meet, at the resting one's price, and their accounts exchange what they trade.
//!
//! In: an order that comes in, or an exchange's quote, and a resting node. Out: the trade, an execution for each client's side, the
//! taker's first. What one side gives the other gets: each books one [`Deal`], and asserts that it moved what the deal says.
//!
//! Rounding: each fee is rounded half up. Where many small fills round up to more than the order held, and the account has nothing free,
//! the venue charges what there is; the difference is below 10^-18 a fill.

#![expect(clippy::arithmetic_side_effects, reason = "amounts keep to the bounds of `rules` and `ledger`")]

use super::Engine;
use super::book::{Node, Owner, Place};
use super::check::notional;
use super::ledger::Account;
use super::place::Taker;
use super::report::{Told, after, lots};
use super::rules::Rules;
use super::table::NONE;
use super::terms::{Progress, Terms};
use crate::domain::{
    Events, ExchangeId, ExecutionType, Fill, InstrumentId, Liquidity, Money, Nanos, OrderId, Parked, Price, Side, Source,
    Status, Trade, TradeId, TriggerBy,
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

impl Deal {
    /// One side's part in it.
    #[inline(always)]
    const fn fill(&self, liquidity: Liquidity, fee: i128) -> Fill {
        let Self { trade_id, price, quantity, .. } = *self;
        Fill { trade_id, last_qty: lots(quantity), last_price: price, liquidity, fee: Money::from_units(fee) }
    }
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
        let checked = self.settle_taker(taker, &deal, events);
        let total = match owner {
            Owner::Client => {
                let (maker_checked, total) = self.settle_maker(maker, &deal, events);
                if checked != maker_checked {
                    self.settle_world(&deal, if checked { side.opposite() } else { side });
                }
                total
            }
            Owner::Exchange => {
                let total = self.markets[market].book.fill(&mut self.orders.nodes, maker, quantity);
                if checked {
                    self.settle_world(&deal, side.opposite());
                }
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
        let (checked, total) = self.settle_maker(maker, &deal, events);
        if checked {
            self.settle_world(&deal, side.opposite());
        }
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
        Deal { trade_id, market, price: Price::known(price).unwrap_or(Price::MAX), quantity, worth, value, base }
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

    /// Books the incoming order's side of a trade, and tells it. Returns whether its account is checked.
    #[inline(always)]
    fn settle_taker(&mut self, taker: &mut Taker, deal: &Deal, events: &mut Events) -> bool {
        let Taker { node, terms, in_hand, .. } = taker;
        let rules = &self.markets[deal.market].rules;
        let account = self.ledger.account_mut(node.account);
        let checked = account.checked;
        let fee = account.settle(node.side, node.price, node.leaves, rules, deal, Liquidity::Taker, in_hand);
        terms.cum = terms.cum.wrapping_add(deal.quantity);
        terms.notional = terms.notional.wrapping_add(deal.worth);
        let event = if node.leaves == 0 { ExecutionType::Filled } else { ExecutionType::PartialFill };
        terms.move_on(event, None, node.leaves, self.now);
        let fill = Some(deal.fill(Liquidity::Taker, fee));
        self.last.tell(account, node, node.leaves, Told::of(terms), event, fill, None, self.now, &mut events.executions);
        if fee != 0 && checked {
            self.take_fee(deal.market, node.side, fee);
        }
        self.tell_more(terms, events);
        checked
    }

    /// Books the resting order's side of a trade, and tells it. Returns whether its account is checked, and what still stands
    /// at the price.
    #[inline(always)]
    fn settle_maker(&mut self, slot: u32, deal: &Deal, events: &mut Events) -> (bool, i128) {
        let (node, beside) = self.orders.nodes.pair(slot);
        let before = self.orders.progress(node, beside);
        let leaves = node.leaves - deal.quantity;
        let rules = &self.markets[deal.market].rules;
        let account = self.ledger.account_mut(node.account);
        let checked = account.checked;
        // What a maker buys has a limit: it has nothing in hand.
        let fee = account.settle(node.side, node.price, leaves, rules, deal, Liquidity::Maker, &mut 0);
        let event = if leaves == 0 { ExecutionType::Filled } else { ExecutionType::PartialFill };
        let status = after(beside.status, event, Parked::No);
        let progress = before.plus(deal.quantity, deal.worth, leaves);
        let fill = Some(deal.fill(Liquidity::Maker, fee));
        let told = Told::resting(beside, status, progress);
        self.last.tell(account, node, leaves, told, event, fill, None, self.now, &mut events.executions);
        let (extra, side) = (beside.extra, node.side);
        if fee != 0 && checked {
            self.take_fee(deal.market, side, fee);
        }
        if extra != NONE {
            self.tell_kept(extra, events);
        }
        let total = self.markets[deal.market].book.fill(&mut self.orders.nodes, slot, deal.quantity);
        if leaves == 0 {
            self.retire_filled(slot, progress);
        } else {
            self.orders.note_trade(slot, status, progress, self.now);
        }
        (checked, total)
    }

    /// Takes a resting order that is filled out of everything that is for live ones.
    #[inline(always)]
    fn retire_filled(&mut self, slot: u32, progress: Progress) {
        let Progress { quantity, cum, notional } = progress;
        let terms = self.orders.terms(slot);
        let terms = Terms { quantity, cum, notional, status: Status::Filled, ..terms };
        let node = self.orders.nodes[slot];
        self.retire(slot, &node, &terms);
    }

    /// Gives a fee to the venue.
    #[inline(never)]
    fn take_fee(&mut self, market: u32, side: Side, fee: i128) {
        let rules = &self.markets[market].rules;
        self.ledger.take_fee(if rules.fee_in_base(side) { rules.base } else { rules.quote }, fee);
    }

    /// Books the side of an exchange, or of an account that is not checked, against a client's that is.
    #[inline(never)]
    fn settle_world(&mut self, deal: &Deal, side: Side) {
        let Deal { market, base, value, .. } = *deal;
        let (base, quote) = match side {
            Side::Buy => (base, -value),
            Side::Sell => (-base, value),
        };
        let rules = &self.markets[market].rules;
        self.ledger.world(rules.base, base);
        self.ledger.world(rules.quote, quote);
    }
}

impl Account {
    /// Moves the money of one side, for an order that is now for `leaves`; none of an account that is not checked. Returns the fee.
    #[expect(clippy::too_many_arguments, reason = "an order that has not changed yet, field by field")]
    #[inline(always)]
    fn settle(
        &mut self,
        side: Side,
        price: i64,
        leaves: i64,
        rules: &Rules,
        deal: &Deal,
        role: Liquidity,
        in_hand: &mut i128,
    ) -> i128 {
        let fee = if rules.has_fees() { rules.fee(side, role, deal.worth, deal.quantity) } else { 0 };
        match (self.checked, side) {
            (false, _) => fee,
            (true, Side::Buy) => self.settle_buy(price, leaves, rules, deal, fee, in_hand),
            (true, Side::Sell) => self.settle_sell(rules, deal, fee),
        }
    }

    #[inline(always)]
    fn settle_buy(&mut self, price: i64, leaves: i64, rules: &Rules, deal: &Deal, fee: i128, in_hand: &mut i128) -> i128 {
        let Deal { value, base, .. } = *deal;
        let in_base = rules.fee_in_base(Side::Buy);
        let due = if in_base { value } else { value + fee };
        let released = if price > 0 {
            rules.freed(price, deal.quantity, leaves)
        } else {
            let released = due.min(*in_hand);
            *in_hand -= released;
            released
        };
        let paid = if due > released { due.min(self.row(rules.quote).free + released) } else { due };
        // Short by rounding only.
        assert!(paid >= value, "a buy pays for what it gets");
        let (in_base_fee, in_quote_fee) = if in_base { (fee, 0) } else { (0, paid - value) };
        let received = base - in_base_fee;
        self.spend(rules.quote, released, paid);
        self.receive(rules.base, received);
        assert!(received + in_base_fee == base && paid - in_quote_fee == value, "what one side gives the other gets");
        in_base_fee + in_quote_fee
    }

    #[inline(always)]
    fn settle_sell(&mut self, rules: &Rules, deal: &Deal, fee: i128) -> i128 {
        let Deal { value, base, .. } = *deal;
        self.spend(rules.base, base, base);
        self.receive(rules.quote, value - fee);
        fee
    }
}
