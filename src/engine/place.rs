//! Placing: a new order, from its number to where it comes to rest.
//!
//! Every order that is not refused is `accepted` first; what follows is told by executions of its own.

use super::Engine;
use super::book::Node;
use super::check::Draft;
use super::matching::Stop;
use super::orders::{NEVER, Terms};
use super::report::Because;
use super::table::NONE;
use crate::domain::{Code, Events, ExecutionType, OrderId, Outcome, Place, TimeInForce, TriggerBy};

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
        let node = Node::order(order_id.0, place.account.0, instrument, place.side, 0, 0);
        let extra = self.orders.keep_extra(0, NEVER, place.client_order_id.as_ref());
        let mut terms = Terms::received(place, 0, TriggerBy::Last, extra, self.now);
        self.emit_rejected(&node, &mut terms, because, events);
        self.orders.insert_closed(node, terms);
    }

    #[inline(always)]
    fn accept(&mut self, order_id: OrderId, place: &Place, draft: &Draft, events: &mut Events) {
        let Draft { market, quantity, price, trigger, trigger_by, expire_at, hold } = *draft;
        let extra = self.orders.keep_extra(trigger, expire_at, place.client_order_id.as_ref());
        let node = Node::order(order_id.0, place.account.0, market, place.side, price, quantity);
        let terms = Terms::received(place, quantity, trigger_by, extra, self.now);
        let slot = self.orders.insert(node, terms);
        self.hold_first(slot, hold);
        self.emit(slot, ExecutionType::Accepted, None, events);
        if trigger > 0 {
            self.park_or_fire(slot, events);
        } else {
            self.execute(slot, events);
        }
        self.finish(market, events);
    }

    /// Trades a live order as far as it goes, and ends it or lets it rest.
    pub(super) fn execute(&mut self, slot: u32, events: &mut Events) {
        let terms = self.orders.terms(slot);
        let (fok, ioc) = (terms.time_in_force == TimeInForce::Fok, terms.time_in_force == TimeInForce::Ioc);
        if fok && !self.fills_whole(slot) {
            return self.end(slot, ExecutionType::Expired, Some(Code::InsufficientLiquidity), events);
        }
        let never_rests = ioc || fok || terms.is_market();
        match self.sweep(slot, events) {
            Stop::Filled => self.close(slot),
            Stop::SelfTrade => self.end(slot, ExecutionType::Canceled, Some(Code::SelfTrade), events),
            Stop::Unpayable => self.end(slot, ExecutionType::Expired, Some(Code::InsufficientBalance), events),
            Stop::Uncountable => self.end(slot, ExecutionType::Expired, Some(Code::MaxNotional), events),
            Stop::Nothing => {
                let market = self.orders.nodes[slot].instrument;
                if never_rests || self.markets[market].rules.rejects_unmarketable {
                    self.end(slot, ExecutionType::Expired, Some(Code::InsufficientLiquidity), events);
                } else {
                    self.rest(slot, events);
                }
            }
        }
    }

    /// Lets an order stand in the book, behind what is there.
    #[inline(always)]
    fn rest(&mut self, slot: u32, events: &mut Events) {
        let Node { instrument: market, side, price, .. } = self.orders.nodes[slot];
        let total = self.markets[market].book.rest(&mut self.orders.nodes, slot);
        self.tell_level(market, side, price, total, events);
        self.open(slot);
    }

    /// Counts an order among its account's open ones, if it is not yet.
    #[inline(always)]
    pub(super) fn open(&mut self, slot: u32) {
        let node = &mut self.orders.nodes[slot];
        if std::mem::replace(&mut node.open, true) {
            return;
        }
        let account = self.ledger.account_mut(node.account);
        node.account_previous = std::mem::replace(&mut account.youngest, slot);
        node.account_next = NONE;
        account.open_orders = account.open_orders.wrapping_add(1);
        self.open_orders = self.open_orders.wrapping_add(1);
        match node.account_previous {
            NONE => account.oldest = slot,
            previous => self.orders.nodes[previous].account_next = slot,
        }
        if self.orders.terms(slot).extra != NONE {
            self.start_clock(slot);
        }
    }

    /// Takes an order that has ended out of everything that is for live ones, and keeps it among the ended.
    pub(super) fn close(&mut self, slot: u32) {
        self.release_in_hand(slot);
        let node = &mut self.orders.nodes[slot];
        if std::mem::replace(&mut node.open, false) {
            let Node { account, account_previous: previous, account_next: next, .. } = *node;
            let account = self.ledger.account_mut(account);
            account.open_orders = account.open_orders.wrapping_sub(1);
            self.open_orders = self.open_orders.wrapping_sub(1);
            match previous {
                NONE => account.oldest = next,
                previous => self.orders.nodes[previous].account_next = next,
            }
            match next {
                NONE => account.youngest = previous,
                next => self.orders.nodes[next].account_previous = previous,
            }
            if self.orders.terms(slot).extra != NONE {
                self.stop_clock(slot);
            }
        }
        self.orders.close(slot);
    }
}
