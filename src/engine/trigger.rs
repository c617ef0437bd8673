//! Triggers: stops that wait, fire, and set off others.
//!
//! A stop whose trigger is reached leaves those that wait at once, and trades after what reached it has finished. Of those that one
//! price reaches, buys go first, then sells; the nearest trigger first, then the oldest. A stop fires once, and none is
//! placed within a cascade: it ends.

use super::Engine;
use super::book::{Owner, queue};
use super::hold::buys_at_any_price;
use super::market::is_reached;
use super::place::Taker;
use super::terms::{Head, Terms};
use crate::domain::{Events, ExecutionType, Side, TriggerBy};

impl Engine {
    /// Fires a stop that is already through, lets any other wait.
    #[inline(never)]
    pub(super) fn park_or_fire(&mut self, slot: u32, events: &mut Events) {
        let Head { instrument: market, side, .. } = self.orders.head(slot);
        let Terms { trigger_by: by, trigger, .. } = self.orders.terms(slot);
        if is_reached(side, self.markets[market].watched(by), trigger) {
            return self.fire(slot, events);
        }
        self.markets[market].stops.park(&mut self.orders.nodes, slot, by, trigger);
    }

    /// Moves the stops that a price has reached to those that are about to trade.
    #[inline(always)]
    pub(super) fn trigger_reached(&mut self, market: u32, by: TriggerBy) {
        if self.markets[market].stops.any(by) {
            self.trigger_some(market, by);
        }
    }

    #[inline(never)]
    fn trigger_some(&mut self, market: u32, by: TriggerBy) {
        let watched = self.markets[market].watched(by);
        for side in [Side::Buy, Side::Sell] {
            while let Some(slot) = self.markets[market].stops.reached(by, side, watched) {
                self.markets[market].stops.remove(&mut self.orders.nodes, slot, by);
                self.triggered.push_back(slot);
            }
        }
    }

    /// Turns a stop into what it stands for, and trades it.
    #[inline(never)]
    fn fire(&mut self, slot: u32, events: &mut Events) {
        let held = self.hold_now(slot);
        self.emit(slot, ExecutionType::Triggered, None, events);
        let mut taker = self.take_out(slot);
        if buys_at_any_price(&taker.head, &taker.terms) {
            taker.in_hand = held;
        }
        let Head { instrument: market, side, price, .. } = taker.head;
        if taker.terms.post_only && self.markets[market].check_post_only(side, price).is_err() {
            return self.end_unwilling(&mut taker, events);
        }
        self.execute(&mut taker, events);
    }

    /// An order that stands nowhere any more, and comes in again.
    pub(super) fn take_out(&self, slot: u32) -> Taker {
        Taker { head: self.orders.head(slot), terms: self.orders.terms(slot), slot, in_hand: 0 }
    }

    /// Ends what a command began in a market: fires the stops it triggered, and theirs, and asserts that the book is sound.
    #[inline(always)]
    pub(super) fn finish(&mut self, market: u32, events: &mut Events) {
        if !self.triggered.is_empty() {
            self.fire_all(events);
        }
        assert!(self.is_uncrossed(market), "no client order crosses a level");
    }

    #[inline(never)]
    fn fire_all(&mut self, events: &mut Events) {
        while let Some(slot) = self.triggered.pop_front() {
            self.fire(slot, events);
        }
    }

    /// Whether no client's order crosses a level; exchanges' levels may cross each other.
    #[inline(always)]
    pub(super) fn is_uncrossed(&self, market: u32) -> bool {
        !self.markets[market].book.is_crossed() || self.only_exchanges_cross(market)
    }

    #[cold]
    fn only_exchanges_cross(&self, market: u32) -> bool {
        let book = &self.markets[market].book;
        let (Some(bid), Some(ask)) = (book.best(Side::Buy), book.best(Side::Sell)) else { return true };
        let best_of_clients = |side| {
            let mut levels = book.levels(side);
            let client = |slot: u32| self.orders.nodes[slot].owner == Owner::Client;
            levels.find(|level| queue(&self.orders.nodes, level.oldest).any(client)).map(|level| level.price)
        };
        best_of_clients(Side::Buy).is_none_or(|price| price < ask)
            && best_of_clients(Side::Sell).is_none_or(|price| price > bid)
    }
}
