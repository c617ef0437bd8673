//! Matching: an incoming order walks the other side, best price first, then oldest.
//!
//! In: a live order that stands nowhere. Out: its trades, and why it stopped. Clients' orders and exchanges' quotes stand in the
//! same queues. Self-trade prevention: each order that it takes something from gets a `trade_prevented`, and a `canceled`
//! with code `self_trade` if that ends it; the taker is told first.
//!
//! Costs: O(1) a trade or prevented trade. [`Engine::foresee`] costs O(levels) without self-trade prevention, O(orders) with it.

use super::Engine;
use super::book::{Level, Place, UNLIMITED, queue, reaches};
use super::check::notional;
use super::hold::buys_at_any_price;
use super::place::Taker;
use super::report::Because;
use super::table::NONE;
use super::terms::Head;
use crate::domain::{Code, Events, ExecutionType, SelfTradePrevention as Stp, Side};

/// Why an incoming order trades no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// It is done.
    Filled,
    /// Nothing is left at its price.
    Nothing,
    /// Self-trade prevention ends it.
    SelfTrade,
    /// Its account cannot pay for more.
    Unpayable,
    /// All its trades would be worth more than the venue can count.
    Uncountable,
    /// It is post-only, and would have traded.
    WouldTake,
}

/// What an order would trade if it came in now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Foreseen {
    /// In lots.
    pub(super) quantity: i64,
    /// In tick·lots.
    pub(super) notional: i128,
}

/// The level that a sweep is in: told once, when the sweep leaves it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Touched {
    price: i64,
    total: i128,
}

impl Touched {
    pub(super) const fn new(price: i64, total: i128) -> Self {
        Self { price, total }
    }
}

impl Engine {
    /// Trades an order with what is there.
    pub(super) fn sweep(&mut self, taker: &mut Taker, events: &mut Events) -> Stop {
        let Head { instrument: market, side, price: limit, account, .. } = taker.head;
        let stp = taker.terms.stp;
        let notional_max = self.markets[market].rules.notional_max;
        // A limit order's hold pays for all that it may cost.
        let may_run_short = buys_at_any_price(&taker.head, &taker.terms) && self.ledger.account(account).checked;
        let mut touched = Touched::default();
        let stop = loop {
            let left = taker.head.leaves;
            if left == 0 {
                break if taker.terms.status.is_terminal() { Stop::Filled } else { Stop::SelfTrade };
            }
            let Some((price, maker)) = self.markets[market].book.front(side.opposite()) else { break Stop::Nothing };
            if limit > 0 && !reaches(side, price, limit) {
                break Stop::Nothing;
            }
            let Head { leaves, account: other, .. } = self.orders.head(maker);
            if other == account && stp != Stp::None {
                self.leave_level(market, side.opposite(), &mut touched, 0, events);
                match self.prevent(taker, maker, events) {
                    None => continue,
                    Some(stop) => break stop,
                }
            }
            let mut quantity = left.min(leaves);
            let mut worth = notional(price, quantity);
            // At most 10^36 each.
            if taker.terms.notional.wrapping_add(worth) > notional_max {
                break Stop::Uncountable;
            }
            if may_run_short && self.markets[market].rules.cost(worth, quantity) > taker.in_hand {
                quantity = self.payable(taker, price, quantity);
                worth = notional(price, quantity);
                if quantity == 0 {
                    break Stop::Unpayable;
                }
            }
            self.leave_level(market, side.opposite(), &mut touched, price, events);
            let total = self.trade(taker, maker, price, quantity, worth, events);
            touched = Touched { price, total };
        };
        self.leave_level(market, side.opposite(), &mut touched, 0, events);
        stop
    }

    /// Tells what is left of the level that was traded at, once a sweep goes on to another price.
    #[inline]
    pub(super) fn leave_level(&self, market: u32, side: Side, touched: &mut Touched, price: i64, events: &mut Events) {
        if touched.price != price && touched.price != 0 {
            self.tell_level(market, side, touched.price, touched.total, events);
            *touched = Touched::default();
        }
    }

    /// How much of `quantity` a buyer without a limit can pay for.
    fn payable(&self, taker: &Taker, price: i64, quantity: i64) -> i64 {
        let rules = &self.markets[taker.head.instrument].rules;
        let budget = self.ledger.row(taker.head.account, rules.quote).free.saturating_add(taker.in_hand);
        let can_pay = |lots: i64| rules.cost(notional(price, lots), lots) <= budget;
        if can_pay(quantity) {
            return quantity;
        }
        let (mut can, mut cannot) = (0, quantity);
        while cannot.saturating_sub(can) > 1 {
            let middle = can.midpoint(cannot);
            if can_pay(middle) { can = middle } else { cannot = middle }
        }
        can
    }

    /// Keeps an order from trading with one of its own account. `None`: it may go on.
    #[inline(never)]
    fn prevent(&mut self, taker: &mut Taker, maker: u32, events: &mut Events) -> Option<Stop> {
        const EVENT: ExecutionType = ExecutionType::TradePrevented;
        let because = Some(Because::from(Code::SelfTrade));
        let end = |engine: &mut Self, events: &mut Events| {
            engine.end(maker, ExecutionType::Canceled, Some(Code::SelfTrade), events);
        };
        match taker.terms.stp {
            Stp::None => None,
            Stp::CancelNewest => {
                self.tell(&taker.head, &mut taker.terms, EVENT, because, events);
                Some(Stop::SelfTrade)
            }
            Stp::CancelOldest => {
                self.emit(maker, EVENT, because, events);
                end(self, events);
                None
            }
            Stp::CancelBoth => {
                self.tell(&taker.head, &mut taker.terms, EVENT, because, events);
                self.emit(maker, EVENT, because, events);
                end(self, events);
                Some(Stop::SelfTrade)
            }
            Stp::Decrement => {
                let (left, resting) = (taker.head.leaves, self.orders.nodes[maker].leaves);
                let both = left.min(resting);
                self.shrink_taker(taker, left.saturating_sub(both));
                self.tell(&taker.head, &mut taker.terms, EVENT, because, events);
                self.shrink(maker, resting.saturating_sub(both), events);
                self.emit(maker, EVENT, because, events);
                if resting == both {
                    end(self, events);
                }
                None
            }
        }
    }

    /// Lowers what is left of an order that rests or waits, and what is held for it.
    pub(super) fn shrink(&mut self, slot: u32, leaves: i64, events: &mut Events) {
        let Head { instrument: market, side, price, .. } = self.orders.head(slot);
        let needed = self.hold_now(slot);
        let terms = self.orders.terms(slot);
        match self.orders.nodes[slot].place {
            Place::Nowhere => {}
            Place::Stops => {
                self.markets[market].stops.resize(&mut self.orders.nodes, slot, terms.trigger_by, leaves);
            }
            Place::Book => {
                let total = self.markets[market].book.resize(&mut self.orders.nodes, slot, leaves);
                // A node without leaves is about to go, and its level is told then.
                if leaves > 0 {
                    self.tell_level(market, side, price, total, events);
                }
            }
        }
        self.orders.store(slot, &terms);
        self.release_since(slot, needed);
    }

    /// Whether a fill-or-kill order would be filled.
    #[inline(never)]
    pub(super) fn fills_whole(&self, taker: &Taker) -> bool {
        let Head { instrument, side, price, leaves, account, .. } = taker.head;
        let terms = &taker.terms;
        let foreseen = self.foresee(instrument, side, price, leaves, account, terms.stp, terms.notional);
        if foreseen.quantity < leaves {
            return false;
        }
        if !self.ledger.account(account).checked || !buys_at_any_price(&taker.head, terms) {
            return true;
        }
        let rules = &self.markets[instrument].rules;
        let budget = self.ledger.row(account, rules.quote).free.saturating_add(taker.in_hand);
        rules.cost(foreseen.notional, foreseen.quantity) <= budget
    }

    /// What an order would trade if it came in now. `limit` 0 is any price; `traded` is what its trades so far were worth.
    #[expect(clippy::too_many_arguments, reason = "an order that does not exist yet, field by field")]
    pub(super) fn foresee(
        &self,
        market: u32,
        side: Side,
        limit: i64,
        quantity: i64,
        account: u32,
        stp: Stp,
        traded: i128,
    ) -> Foreseen {
        let market = &self.markets[market];
        let mut found = Foreseen::default();
        let mut left = quantity;
        let room = |found: &Foreseen, worth: i128| {
            traded.wrapping_add(found.notional).wrapping_add(worth) <= market.rules.notional_max
        };
        for Level { price, oldest, total } in market.book.levels(side.opposite()) {
            if left == 0 || (limit > 0 && !reaches(side, price, limit)) {
                break;
            }
            if stp == Stp::None {
                let quantity = i64::try_from(total).unwrap_or(UNLIMITED).min(left);
                if !room(&found, notional(price, quantity)) {
                    break;
                }
                found.add(price, quantity);
                left = left.saturating_sub(quantity);
                continue;
            }
            for slot in queue(&self.orders.nodes, oldest) {
                let Head { leaves, account: other, .. } = self.orders.head(slot);
                let quantity = left.min(leaves);
                let own = other == account && account != NONE;
                match stp {
                    Stp::CancelOldest if own => continue,
                    Stp::CancelNewest | Stp::CancelBoth if own => return found,
                    Stp::Decrement if own => {}
                    _ if !room(&found, notional(price, quantity)) => return found,
                    _ => found.add(price, quantity),
                }
                left = left.saturating_sub(quantity);
                if left == 0 {
                    break;
                }
            }
        }
        found
    }
}

impl Foreseen {
    fn add(&mut self, price: i64, quantity: i64) {
        self.quantity = self.quantity.saturating_add(quantity);
        self.notional = self.notional.wrapping_add(notional(price, quantity));
    }
}
