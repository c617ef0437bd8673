//! Trades: two sides meet, at the resting one's price, and their accounts exchange what they trade.
//!
//! In: an order that comes in, or an exchange's quote, and a resting node. Out: the trade, an execution for each client's side, the
//! taker's first. What one side gives the other gets: each books one [`Deal`], and asserts that it moved what the deal says.
//!
//! Rounding: each fee is rounded half up. Where many small fills round up to more than the order held, and the account has nothing free,
//! the venue charges what there is; the difference is below 10^-18 a fill.

#![expect(clippy::arithmetic_side_effects, reason = "amounts keep to the bounds of `rules` and `ledger`")]

use super::book::{Node, Owner, Place};
use super::check::notional;
use super::ledger::{Account, Ledger};
use super::market::Market;
use super::orders::Orders;
use super::place::Taker;
use super::report::{Told, after, lots};
use super::rules::Rules;
use super::table::NONE;
use super::terms::{Progress, Terms};
use super::{Counters, Engine};
use crate::domain::{
    Events, ExchangeId, ExecutionType, Fill, InstrumentId, Liquidity, Money, Nanos, OrderId, Parked, Price, Side, Source,
    Status, Trade, TradeId, TriggerBy,
};

/// A trade, as both sides book it.
#[derive(Clone, Copy, Debug)]
struct Deal<'a> {
    rules: &'a Rules,
    trade_id: TradeId,
    price: Price,
    /// In lots.
    quantity: i64,
    /// In tick·lots.
    worth: i128,
    /// In units of quote, and of base.
    value: i128,
    base: i128,
}

impl<'a> Deal<'a> {
    #[inline(always)]
    fn new(number: u64, rules: &'a Rules, price: i64, quantity: i64, worth: i128) -> Self {
        let price = Price::known(price).unwrap_or(Price::MAX);
        let (value, base) = (rules.value(worth), rules.base_units(quantity));
        Self { rules, trade_id: TradeId(number), price, quantity, worth, value, base }
    }

    /// As everyone sees it.
    #[inline(always)]
    const fn told(&self, market: u32, taker_side: Side, maker: Source, taker: Source, now: i64) -> Trade {
        let Self { trade_id, price, quantity, .. } = *self;
        let (instrument, ts) = (InstrumentId(market), Nanos(now));
        Trade { trade_id, instrument, price, quantity: lots(quantity), taker_side, maker, taker, ts }
    }

    /// One side's part in it.
    #[inline(always)]
    const fn fill(&self, liquidity: Liquidity, fee: i128) -> Fill {
        let Self { trade_id, price, quantity, .. } = *self;
        Fill { trade_id, last_qty: lots(quantity), last_price: price, liquidity, fee: Money::from_units(fee) }
    }
}

/// Whoever books the sides of a trade and tells them: what that takes besides the market and the orders.
struct Clerk<'a> {
    ledger: &'a mut Ledger,
    last: &'a mut Counters,
    events: &'a mut Events,
    now: i64,
}

impl Engine {
    /// Trades an incoming order with the node at the front of the other side, for `worth` tick·lots. Returns what still stands
    /// at the price.
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
        let Market { last, book, rules, stops, .. } = &mut self.markets[market];
        *last = price;
        let deal = Deal::new(self.last.next_trade(), rules, price, quantity, worth);
        let node = &self.orders.nodes[maker];
        let owner = node.owner;
        events.trades.push(deal.told(market, side, source(node), Source::Order(OrderId(id)), self.now));
        let mut clerk = Clerk { ledger: &mut self.ledger, last: &mut self.last, events, now: self.now };
        let checked = clerk.settle_taker(taker, &deal, &self.orders);
        let (other_checked, done) = match owner {
            Owner::Client => clerk.settle_maker(maker, &deal, &mut self.orders),
            Owner::Exchange => (false, None),
        };
        if checked != other_checked {
            clerk.settle_world(rules, deal.base, deal.value, if checked { side.opposite() } else { side });
        }
        let total = book.fill_front(side.opposite(), &mut self.orders.nodes, quantity);
        let triggers = stops.any(TriggerBy::Last);
        if let Some(progress) = done {
            self.retire_filled(maker, progress);
        }
        if owner == Owner::Exchange && self.orders.nodes[maker].place == Place::Nowhere {
            self.exhaust_quote(market, maker);
        }
        if triggers {
            self.trigger_reached(market, TriggerBy::Last);
        }
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
        let node = &self.orders.nodes[maker];
        let Node { instrument: market, side, .. } = *node;
        let Market { last, book, rules, .. } = &mut self.markets[market];
        *last = price;
        let deal = Deal::new(self.last.next_trade(), rules, price, quantity, notional(price, quantity));
        let taker = Source::Exchange(ExchangeId(exchange));
        events.trades.push(deal.told(market, side.opposite(), source(node), taker, self.now));
        let mut clerk = Clerk { ledger: &mut self.ledger, last: &mut self.last, events, now: self.now };
        let (checked, done) = clerk.settle_maker(maker, &deal, &mut self.orders);
        if checked {
            clerk.settle_world(rules, deal.base, deal.value, side.opposite());
        }
        let total = book.fill(&mut self.orders.nodes, maker, quantity);
        if let Some(progress) = done {
            self.retire_filled(maker, progress);
        }
        self.trigger_reached(market, TriggerBy::Last);
        total
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
}

/// Who rests.
#[inline(always)]
fn source(node: &Node) -> Source {
    match node.owner {
        Owner::Client => Source::Order(OrderId(node.id)),
        Owner::Exchange => Source::Exchange(ExchangeId(u32::try_from(node.id).unwrap_or(NONE))),
    }
}

impl Clerk<'_> {
    /// Books the incoming order's side of a trade, and tells it. Returns whether its account is checked.
    #[inline(always)]
    fn settle_taker(&mut self, taker: &mut Taker, deal: &Deal, orders: &Orders) -> bool {
        let Taker { node, terms, in_hand, .. } = taker;
        let account = self.ledger.account_mut(node.account);
        let checked = account.checked;
        let fee = account.settle(node.side, node.price, node.leaves, deal, Liquidity::Taker, in_hand);
        let event = event_of(node.leaves);
        terms.trade(event, deal.quantity, deal.worth, node.leaves, self.now);
        let (told, fill) = (Told::of(terms), Some(deal.fill(Liquidity::Taker, fee)));
        self.last.tell(account, node, node.leaves, told, event, fill, None, self.now, &mut self.events.executions);
        if fee != 0 && checked {
            self.take_fee(deal.rules, node.side, fee);
        }
        orders.tell_more(terms, self.events);
        checked
    }

    /// Books the resting order's side of a trade, and tells it; its node is still as it was. Returns whether its account is
    /// checked, and, if that filled it, how far it came.
    #[inline(always)]
    fn settle_maker(&mut self, slot: u32, deal: &Deal, orders: &mut Orders) -> (bool, Option<Progress>) {
        let (node, beside) = orders.nodes.pair(slot);
        let leaves = node.leaves - deal.quantity;
        let account = self.ledger.account_mut(node.account);
        let checked = account.checked;
        // What a maker buys has a limit: it has nothing in hand.
        let fee = account.settle(node.side, node.price, leaves, deal, Liquidity::Maker, &mut 0);
        let event = event_of(leaves);
        let status = after(beside.status, event, Parked::No);
        let progress = orders.progress(node, beside).plus(deal.quantity, deal.worth, leaves);
        let (told, fill) = (Told::resting(beside, status, progress), Some(deal.fill(Liquidity::Maker, fee)));
        self.last.tell(account, node, leaves, told, event, fill, None, self.now, &mut self.events.executions);
        if fee != 0 && checked {
            self.take_fee(deal.rules, node.side, fee);
        }
        if beside.extra != NONE {
            orders.tell_kept(beside.extra, self.events);
        }
        if leaves == 0 {
            return (checked, Some(progress));
        }
        orders.note_trade(slot, status, progress, self.now);
        (checked, None)
    }

    /// Gives a fee to the venue.
    #[inline(never)]
    fn take_fee(&mut self, rules: &Rules, side: Side, fee: i128) {
        self.ledger.take_fee(if rules.fee_in_base(side) { rules.base } else { rules.quote }, fee);
    }

    /// Books the side of an exchange, or of an account that is not checked, against a client's that is.
    #[inline(never)]
    fn settle_world(&mut self, rules: &Rules, base: i128, value: i128, side: Side) {
        let (base, quote) = match side {
            Side::Buy => (base, -value),
            Side::Sell => (-base, value),
        };
        self.ledger.world(rules.base, base);
        self.ledger.world(rules.quote, quote);
    }
}

/// What a trade is to an order with `leaves` left.
#[inline(always)]
const fn event_of(leaves: i64) -> ExecutionType {
    if leaves == 0 { ExecutionType::Filled } else { ExecutionType::PartialFill }
}

impl Account {
    /// Moves the money of one side, for an order that is now for `leaves`; none of an account that is not checked. Returns the fee.
    #[inline(always)]
    fn settle(&mut self, side: Side, price: i64, leaves: i64, deal: &Deal, role: Liquidity, in_hand: &mut i128) -> i128 {
        let rules = deal.rules;
        let fee = if rules.has_fees() { rules.fee(side, role, deal.worth, deal.quantity) } else { 0 };
        match (self.checked, side) {
            (false, _) => fee,
            (true, Side::Buy) => self.settle_buy(price, leaves, deal, fee, in_hand),
            (true, Side::Sell) => self.settle_sell(deal, fee),
        }
    }

    #[inline(always)]
    fn settle_buy(&mut self, price: i64, leaves: i64, deal: &Deal, fee: i128, in_hand: &mut i128) -> i128 {
        let Deal { rules, value, base, .. } = *deal;
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
    fn settle_sell(&mut self, deal: &Deal, fee: i128) -> i128 {
        let Deal { rules, value, base, .. } = *deal;
        self.spend(rules.base, base, base);
        self.receive(rules.quote, value - fee);
        fee
    }
}
