//! Placing: a new order, from its number to where it comes to rest.
//!
//! Every order that is not refused is `accepted` first; what follows is told by executions of its own.

use super::Engine;
use super::check::Draft;
use super::matching::Stop;
use super::report::Because;
use super::table::NONE;
use super::terms::{Head, NEVER, Terms};
use crate::domain::{Code, Events, ExecutionType, OrderId, Outcome, Place, TimeInForce};

/// An order that comes in: new, fired or with new terms. It stands nowhere, and has a slot only if it had one before; most that
/// trade at once never need one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taker {
    pub(super) head: Head,
    pub(super) terms: Terms,
    /// Its slot, or [`NONE`].
    pub(super) slot: u32,
    /// What is held for it, if it buys at any price.
    pub(super) in_hand: i128,
}

impl Engine {
    /// Numbers a new order, and trades or refuses it.
    #[inline]
    pub(super) fn place(&mut self, place: &Place, events: &mut Events) -> Outcome {
        if !self.ledger.contains(place.account.0) {
            return Outcome::NotFound;
        }
        self.last.order = self.last.order.wrapping_add(1);
        let order_id = OrderId(self.last.order);
        match self.check(place) {
            Ok(draft) => self.accept(order_id, place, &draft, events),
            Err(because) => self.reject(order_id, place, because, events),
        }
        Outcome::Placed(order_id)
    }

    #[cold]
    fn reject(&mut self, order_id: OrderId, place: &Place, because: Because, events: &mut Events) {
        let instrument = place.instrument.and_then(|instrument| self.market_of(instrument)).unwrap_or(NONE);
        let (id, account, side) = (order_id.0, place.account.0, place.side);
        let head = Head { id, account, instrument, side, price: 0, leaves: 0 };
        let mut terms = Terms { post_only: false, ..Terms::received(place, 0, self.now) };
        terms.aside = self.orders.keep_extra(&terms, place.client_order_id.as_ref());
        self.tell(&head, &mut terms, ExecutionType::Rejected, Some(because), events);
        self.retire(NONE, &head, &terms);
    }

    #[inline(always)]
    fn accept(&mut self, order_id: OrderId, place: &Place, draft: &Draft, events: &mut Events) {
        let Draft { market, quantity, price, trigger, trigger_by, expire_at, hold } = *draft;
        let (id, account, side) = (order_id.0, place.account.0, place.side);
        let head = Head { id, account, instrument: market, side, price, leaves: quantity };
        let mut terms = Terms { trigger, trigger_by, expire_at, ..Terms::received(place, quantity, self.now) };
        terms.aside = self.orders.keep_extra(&terms, place.client_order_id.as_ref());
        let in_hand = self.hold_first(&head, &terms, hold);
        self.tell(&head, &mut terms, ExecutionType::Accepted, None, events);
        if trigger > 0 {
            let slot = self.open(&head, &terms);
            self.park_or_fire(slot, events);
        } else if terms.may_rest() && self.markets[market].rests(head.side, price) {
            let slot = self.open(&head, &terms);
            self.rest(slot, &head, events);
        } else {
            self.come_in(Taker { head, terms, slot: NONE, in_hand }, events);
        }
        self.finish(market, events);
    }

    #[inline(never)]
    fn come_in(&mut self, mut taker: Taker, events: &mut Events) {
        self.execute(&mut taker, events);
    }

    /// Trades an order as far as it goes, and ends it or lets it rest.
    pub(super) fn execute(&mut self, taker: &mut Taker, events: &mut Events) {
        if taker.terms.time_in_force == TimeInForce::Fok && !self.fills_whole(taker) {
            return self.end_taker(taker, Stop::Nothing, events);
        }
        let stop = self.sweep(taker, events);
        let nothing_rests = self.markets[taker.head.instrument].rules.rejects_unmarketable;
        if stop == Stop::Nothing && taker.terms.may_rest() && !nothing_rests {
            let slot = self.settle_down(taker);
            self.rest(slot, &taker.head, events);
        } else {
            self.end_taker(taker, stop, events);
        }
    }

    /// Ends an order that does not rest.
    fn end_taker(&mut self, taker: &mut Taker, stop: Stop, events: &mut Events) {
        let (event, code) = match stop {
            Stop::Filled => (None, Code::InsufficientLiquidity),
            Stop::SelfTrade => (Some(ExecutionType::Canceled), Code::SelfTrade),
            Stop::Nothing => (Some(ExecutionType::Expired), Code::InsufficientLiquidity),
            Stop::Unpayable => (Some(ExecutionType::Expired), Code::InsufficientBalance),
            Stop::Uncountable => (Some(ExecutionType::Expired), Code::MaxNotional),
            Stop::WouldTake => (Some(ExecutionType::Expired), Code::WouldTake),
        };
        // What is filled and paid for holds nothing.
        if event.is_some() || taker.in_hand != 0 {
            self.release_taker(taker);
        }
        if let Some(event) = event {
            taker.head.leaves = 0;
            self.tell(&taker.head, &mut taker.terms, event, Some(Because::from(code)), events);
        }
        self.retire(taker.slot, &taker.head, &taker.terms);
    }

    /// Ends an order that a post-only instruction keeps from trading.
    pub(super) fn end_unwilling(&mut self, taker: &mut Taker, events: &mut Events) {
        self.end_taker(taker, Stop::WouldTake, events);
    }

    /// Lets an order stand in the book, behind what is there.
    #[inline(always)]
    fn rest(&mut self, slot: u32, head: &Head, events: &mut Events) {
        let Head { instrument: market, side, price, .. } = *head;
        let total = self.markets[market].book.rest(&mut self.orders.nodes, slot, price);
        self.tell_level(market, side, price, total, events);
    }

    /// Gives an order a slot, or puts it back into its own.
    fn settle_down(&mut self, taker: &Taker) -> u32 {
        let Taker { head, terms, slot, .. } = taker;
        if *slot == NONE {
            return self.open(head, terms);
        }
        self.orders.set_offer(*slot, head.price, head.leaves);
        self.orders.store(*slot, terms);
        *slot
    }

    /// Gives a new order a slot, and counts it among the open ones of its account.
    #[inline(always)]
    fn open(&mut self, head: &Head, terms: &Terms) -> u32 {
        let slot = self.orders.insert(head, terms);
        let orders = &self.orders;
        self.ledger.account_mut(head.account).open.add(head.id, |id| orders.is_live(id));
        self.open_orders = self.open_orders.wrapping_add(1);
        if terms.expire_at != NEVER {
            self.start_clock(head.id, terms.expire_at);
        }
        slot
    }

    /// Takes an order that has ended out of everything that is for live ones, and keeps it among the ended.
    #[inline(always)]
    pub(super) fn retire(&mut self, slot: u32, head: &Head, terms: &Terms) {
        if slot != NONE {
            self.ledger.account_mut(head.account).open.remove();
            self.open_orders = self.open_orders.wrapping_sub(1);
            if terms.expire_at != NEVER {
                self.stop_clock(head.id, terms.expire_at);
            }
        }
        self.orders.close(slot, head, terms);
    }
}
