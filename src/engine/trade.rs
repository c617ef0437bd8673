//! Trades: two sides meet, at the resting one's price, and their accounts exchange what they trade.
//!
//! In: an order that comes in, or an exchange's quote, and a resting node. Out: the trade, an execution for each client's side, the
//! taker's first. What one side gives the other gets: both book the same [`Deal`].
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
use super::report::{Told, lots};
use super::rules::Rules;
use super::table::NONE;
use super::terms::{Head, Terms};
use super::{Counters, Engine};
use crate::domain::{
    Events, ExchangeId, ExecutionType, Fill, InstrumentId, Liquidity, Money, Nanos, OrderId, Price, Side, Source, Trade,
    TradeId, TriggerBy,
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

/// Whoever books a trade and tells it: what that takes besides the market and the orders.
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
        taker.head.leaves -= quantity;
        let Head { id, side, instrument: market, .. } = taker.head;
        let Market { last, book, rules, stops, .. } = &mut self.markets[market];
        *last = price;
        let deal = Deal::new(self.last.next_trade(), rules, price, quantity, worth);
        let node = &self.orders.nodes[maker];
        let (owner, leaves) = (node.owner, node.leaves - quantity);
        events.trades.push(deal.told(market, side, source(node), Source::Order(OrderId(id)), self.now));
        let mut clerk = Clerk { ledger: &mut self.ledger, last: &mut self.last, events, now: self.now };
        let Taker { head: incoming, terms: of_taker, in_hand, .. } = taker;
        let checked = clerk.settle(incoming, of_taker, incoming.leaves, in_hand, &deal, Liquidity::Taker, &self.orders);
        let (head, mut terms) = (self.orders.head(maker), self.orders.terms(maker));
        let other_checked = match owner {
            // What a maker buys has a limit: it has nothing in hand.
            Owner::Client => clerk.settle(&head, &mut terms, leaves, &mut 0, &deal, Liquidity::Maker, &self.orders),
            Owner::Exchange => false,
        };
        if checked != other_checked {
            clerk.settle_world(rules, deal.base, deal.value, if checked { side.opposite() } else { side });
        }
        let total = book.fill_front(side.opposite(), &mut self.orders.nodes, quantity);
        let triggers = stops.any(TriggerBy::Last);
        if owner == Owner::Exchange {
            if self.orders.nodes[maker].place == Place::Nowhere {
                self.exhaust_quote(market, maker);
            }
        } else if leaves == 0 {
            self.retire(maker, &head, &terms);
        } else {
            self.orders.note_trade(maker, &terms);
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
        let (head, mut terms) = (self.orders.head(maker), self.orders.terms(maker));
        let Head { instrument: market, side, .. } = head;
        let leaves = head.leaves - quantity;
        let Market { last, book, rules, .. } = &mut self.markets[market];
        *last = price;
        let deal = Deal::new(self.last.next_trade(), rules, price, quantity, notional(price, quantity));
        let (taker, side) = (Source::Exchange(ExchangeId(exchange)), side.opposite());
        events.trades.push(deal.told(market, side, source(&self.orders.nodes[maker]), taker, self.now));
        let mut clerk = Clerk { ledger: &mut self.ledger, last: &mut self.last, events, now: self.now };
        if clerk.settle(&head, &mut terms, leaves, &mut 0, &deal, Liquidity::Maker, &self.orders) {
            clerk.settle_world(rules, deal.base, deal.value, side);
        }
        let total = book.fill(&mut self.orders.nodes, maker, quantity);
        if leaves == 0 {
            self.retire(maker, &head, &terms);
        } else {
            self.orders.note_trade(maker, &terms);
        }
        self.trigger_reached(market, TriggerBy::Last);
        total
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
    /// Books one order's side of a trade, which leaves so many lots of it, and tells it. Returns whether its account is checked.
    #[expect(clippy::too_many_arguments, reason = "an order in its parts, which lie in different places")]
    #[inline(always)]
    fn settle(
        &mut self,
        head: &Head,
        terms: &mut Terms,
        leaves: i64,
        in_hand: &mut i128,
        deal: &Deal,
        role: Liquidity,
        orders: &Orders,
    ) -> bool {
        let account = self.ledger.account_mut(head.account);
        let checked = account.checked;
        let fee = account.settle(head.side, head.price, leaves, deal, role, in_hand);
        let event = if leaves == 0 { ExecutionType::Filled } else { ExecutionType::PartialFill };
        terms.trade(event, deal.quantity, deal.worth, leaves, self.now);
        let (told, fill) = (Told::of(terms), Some(deal.fill(role, fee)));
        self.last.tell(account, head, leaves, told, event, fill, None, self.now, &mut self.events.executions);
        if fee != 0 && checked {
            self.take_fee(deal.rules, head.side, fee);
        }
        orders.tell_more(terms, self.events);
        checked
    }

    /// Gives a fee to the venue.
    #[inline(never)]
    fn take_fee(&mut self, rules: &Rules, side: Side, fee: i128) {
        self.ledger.take_fee(if rules.fee_in_base(side) { rules.base } else { rules.quote }, fee);
    }

    /// Books the side of an exchange, or of an account that is not checked, against a client's that is. Takes values, not the
    /// deal, so that this may stay in registers.
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
        let (of_base, of_quote) = if rules.fee_in_base(Side::Buy) { (fee, 0) } else { (0, fee) };
        let due = value + of_quote;
        let released = if price > 0 {
            rules.freed(price, deal.quantity, leaves)
        } else {
            let released = due.min(*in_hand);
            *in_hand -= released;
            released
        };
        let paid = if due <= released { due } else { self.payable(rules.quote, due, released) };
        assert!(paid >= value, "a buy pays for what it gets");
        self.spend(rules.quote, released, paid);
        self.receive(rules.base, base - of_base);
        of_base + (paid - value)
    }

    /// What can be paid of what is due, which is more than was held for it: all, but for rounding.
    #[inline(never)]
    fn payable(&self, quote: u32, due: i128, released: i128) -> i128 {
        due.min(self.row(quote).free + released)
    }

    #[inline(always)]
    fn settle_sell(&mut self, deal: &Deal, fee: i128) -> i128 {
        let Deal { rules, value, base, .. } = *deal;
        self.spend(rules.base, base, base);
        self.receive(rules.quote, value - fee);
        fee
    }
}
