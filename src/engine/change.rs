//! Changes of live orders: cancel, cancel all, replace; and how an order ends.
//!
//! Replace: `quantity` is the new total. A quantity down, and nothing else, keeps the order's place; a quantity up or another
//! price or trigger sends it to the back, and what the new price reaches is taken first. A total of no more than what has traded
//! cancels the rest. What self-trade prevention took stays taken. A refused replace changes nothing; its codes, in order:
//! `not_replaceable`, `halted`, `tick_size`, `lot_size`, `min_quantity`, `max_quantity`, `max_notional`, `min_notional`, `price_band`,
//! `would_take`, `balance_limit`, `insufficient_balance`.

use super::Engine;
use super::book::Place;
use super::check::{notional, ticks};
use super::hold::Offer;
use super::orders::Found;
use super::report::Because;
use super::terms::{Head, Terms};
use crate::domain::{CancelAll, Code, Decimal, Events, ExecutionType, OrderId, Outcome, Priority, Replace};

/// An order's new terms.
#[derive(Clone, Copy, Debug)]
struct Change {
    quantity: i64,
    price: i64,
    trigger: i64,
    leaves: i64,
    priority: Priority,
}

impl Engine {
    /// Cancels one order.
    pub(super) fn cancel(&mut self, account: u32, id: u64, events: &mut Events) -> Outcome {
        match self.orders.find(account, id) {
            None => Outcome::NotFound,
            Some(Found::Closed(place)) => {
                self.emit_closed(place, ExecutionType::CancelRejected, Because::from(Code::NotCancelable), events);
                Outcome::TooLate(OrderId(id))
            }
            Some(Found::Live(slot)) => {
                self.end(slot, ExecutionType::Canceled, None, events);
                Outcome::Canceled(OrderId(id))
            }
        }
    }

    /// Cancels the orders of an account that a filter lets through, oldest first.
    #[inline(never)]
    pub(super) fn cancel_all(&mut self, filter: &CancelAll, events: &mut Events) -> Outcome {
        let CancelAll { account, instrument, side } = *filter;
        if !self.ledger.contains(account.0) {
            return Outcome::NotFound;
        }
        let chosen = |head: &Head| {
            instrument.is_none_or(|instrument| instrument.0 == head.instrument) && side.is_none_or(|side| side == head.side)
        };
        Outcome::CanceledAll(self.cancel_where(account.0, chosen, None, events))
    }

    /// Cancels an account's orders, oldest first, and counts them.
    pub(super) fn cancel_where(
        &mut self,
        account: u32,
        chosen: impl Fn(&Head) -> bool,
        code: Option<Code>,
        events: &mut Events,
    ) -> u32 {
        let ids = self.ledger.account(account).open.sorted(|id| self.orders.is_live(id));
        // A million of them are not to be moved while they become more.
        events.executions.reserve(ids.len());
        let mut canceled = 0u32;
        for id in ids {
            if let Some(Found::Live(slot)) = self.orders.find_any(id)
                && chosen(&self.orders.head(slot))
            {
                self.end(slot, ExecutionType::Canceled, code, events);
                canceled = canceled.saturating_add(1);
            }
        }
        canceled
    }

    /// Ends an order that rests or waits.
    #[inline]
    pub(super) fn end(&mut self, slot: u32, event: ExecutionType, code: Option<Code>, events: &mut Events) {
        let (mut head, mut terms) = (self.orders.head(slot), self.orders.terms(slot));
        self.release_hold(&head, &terms);
        self.unlink(slot, &head, events);
        head.leaves = 0;
        self.tell(&head, &mut terms, event, code.map(Because::from), events);
        self.retire(slot, &head, &terms);
    }

    /// Takes a live order out of the book, or from among the stops.
    #[inline(always)]
    fn unlink(&mut self, slot: u32, head: &Head, events: &mut Events) {
        let Head { instrument: market, side, price, .. } = *head;
        match self.orders.nodes[slot].place {
            Place::Nowhere => {}
            Place::Book => {
                let total = self.markets[market].book.remove(&mut self.orders.nodes, slot);
                self.tell_level(market, side, price, total, events);
            }
            Place::Stops => {
                let by = self.orders.terms(slot).trigger_by;
                self.markets[market].stops.remove(&mut self.orders.nodes, slot, by);
            }
        }
    }

    /// Changes the terms of a live order.
    #[inline(never)]
    pub(super) fn replace(&mut self, replace: &Replace, events: &mut Events) -> Outcome {
        let order_id = replace.order_id;
        let slot = match self.orders.find(replace.account.0, order_id.0) {
            None => return Outcome::NotFound,
            Some(Found::Closed(place)) => {
                self.emit_closed(place, ExecutionType::ReplaceRejected, Code::NotReplaceable.into(), events);
                return Outcome::TooLate(order_id);
            }
            Some(Found::Live(slot)) => slot,
        };
        let change = match self.check_change(slot, replace) {
            Ok(change) => change,
            Err(because) => {
                self.emit(slot, ExecutionType::ReplaceRejected, Some(because), events);
                return Outcome::TooLate(order_id);
            }
        };
        let market = self.orders.head(slot).instrument;
        if change.leaves <= 0 {
            self.end(slot, ExecutionType::Canceled, None, events);
        } else if change.priority == Priority::Kept {
            let terms = Terms { quantity: change.quantity, ..self.orders.terms(slot) };
            if change.leaves != self.orders.head(slot).leaves {
                self.shrink(slot, change.leaves, events);
            }
            self.orders.store(slot, &terms);
            self.emit(slot, ExecutionType::Replaced, None, events);
        } else {
            self.requeue(slot, change, events);
        }
        self.finish(market, events);
        Outcome::Replaced(order_id, change.priority)
    }

    /// Gives an order new terms and lets it come in anew.
    fn requeue(&mut self, slot: u32, change: Change, events: &mut Events) {
        let head = self.orders.head(slot);
        let waits = self.orders.nodes[slot].place == Place::Stops;
        self.unlink(slot, &head, events);
        let terms = Terms { quantity: change.quantity, trigger: change.trigger, ..self.orders.terms(slot) };
        self.orders.set_offer(slot, change.price, change.leaves);
        self.orders.store(slot, &terms);
        self.emit(slot, ExecutionType::Replaced, None, events);
        if waits {
            self.park_or_fire(slot, events);
        } else {
            let mut taker = self.take_out(slot);
            self.execute(&mut taker, events);
        }
    }

    /// Checks a change, and holds what the order will need on its new terms.
    fn check_change(&mut self, slot: u32, replace: &Replace) -> Result<Change, Because> {
        let head = self.orders.head(slot);
        let terms = self.orders.terms(slot);
        let cannot = Because::from(Code::NotReplaceable);
        let waits = self.orders.nodes[slot].place == Place::Stops;
        let misses = (replace.price.is_some() && head.price == 0) || (replace.trigger_price.is_some() && !waits);
        if misses {
            return Err(cannot);
        }
        let market = &self.markets[head.instrument];
        if market.halted {
            return Err(Because::from(Code::Halted));
        }
        let new = |price: Option<Decimal>, old: i64| if price.is_some() { ticks(&market.rules, price) } else { Ok(old) };
        let price = new(replace.price, head.price)?;
        let trigger = new(replace.trigger_price, terms.trigger)?;
        let lots = |quantity| self.whole_lots(head.instrument, quantity);
        let quantity = replace.quantity.map_or(Ok(terms.quantity), lots)?;
        // What self-trade prevention took is neither traded nor left.
        let taken = terms.quantity.saturating_sub(terms.cum).saturating_sub(head.leaves);
        let leaves = quantity.saturating_sub(terms.cum).saturating_sub(taken);
        let moved = price != head.price || trigger != terms.trigger;
        let priority = if moved || quantity > terms.quantity { Priority::Lost } else { Priority::Kept };
        if leaves <= 0 {
            return Ok(Change { quantity, price, trigger, leaves, priority: Priority::Kept });
        }
        if moved || quantity != terms.quantity {
            market.check_size(quantity, if price > 0 { price } else { trigger })?;
        }
        if terms.notional.saturating_add(notional(price, leaves)) > market.rules.notional_max {
            return Err(Because::from(Code::MaxNotional));
        }
        if price != head.price {
            market.check_band(price)?;
            if terms.post_only && !waits {
                market.check_post_only(head.side, price)?;
            }
        }
        if quantity > terms.quantity && self.is_full(slot) {
            return Err(Because::from(Code::BalanceLimit));
        }
        if priority == Priority::Lost {
            self.try_hold(slot, Offer { price, trigger, leaves }).map_err(Because::from)?;
        }
        Ok(Change { quantity, price, trigger, leaves, priority })
    }
}
