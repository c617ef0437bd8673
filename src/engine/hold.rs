//! Holds: what an account sets aside so that its open orders can be paid for.
//!
//! What is held for an order is a function of its terms: base for what a sell has left; for a buy with a limit, or a stop not yet
//! fired, the quote that its leaves may cost, with the larger fee; for a buy at any price, what is left of what it was to
//! cost, which it has in hand while it trades. So a better price, a cancel or an expiry sets free exactly what is no longer needed.
//! Nothing is held for an account that is not checked.

#![expect(clippy::arithmetic_side_effects, reason = "amounts keep to the bounds of `rules` and `ledger`")]

use std::hint::select_unpredictable;

use super::Engine;
use super::check::notional;
use super::place::Taker;
use super::rules::Rules;
use super::terms::{Head, Terms};
use crate::domain::{Code, Side, Status};

/// A price and a quantity that an order may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer {
    /// In ticks; 0: none.
    pub(super) price: i64,
    pub(super) trigger: i64,
    /// In lots.
    pub(super) leaves: i64,
}

impl Offer {
    #[inline(always)]
    const fn of(head: &Head, terms: &Terms) -> Self {
        Self { price: head.price, trigger: terms.trigger, leaves: head.leaves }
    }
}

/// Whether an order is a buy that trades at any price: a market order, or a stop that has fired.
#[inline(always)]
pub(super) const fn buys_at_any_price(head: &Head, terms: &Terms) -> bool {
    terms.has_no_limit() && matches!(head.side, Side::Buy) && !matches!(terms.status, Status::Untriggered)
}

impl Rules {
    /// What is held for an order; 0 for a buy that is trading at any price.
    #[inline(always)]
    fn hold_for(&self, head: &Head, terms: &Terms, offer: Offer) -> i128 {
        let Offer { price, trigger, leaves } = offer;
        if buys_at_any_price(head, terms) {
            return 0;
        }
        self.hold(head.side, notional(if price > 0 { price } else { trigger }, leaves), leaves)
    }

    /// The asset that an order holds.
    #[inline(always)]
    pub(super) fn held_asset(&self, side: Side) -> u32 {
        select_unpredictable(side == Side::Buy, self.quote, self.base)
    }
}

impl Engine {
    /// What is held for an order in a slot.
    #[inline(always)]
    pub(super) fn hold_now(&self, slot: u32) -> i128 {
        let (head, terms) = (&self.orders.head(slot), self.orders.terms(slot));
        self.hold_in(&self.markets[head.instrument].rules, head, &terms, Offer::of(head, &terms))
    }

    #[inline(always)]
    fn hold_in(&self, rules: &Rules, head: &Head, terms: &Terms, offer: Offer) -> i128 {
        if self.ledger.account(head.account).checked { rules.hold_for(head, terms, offer) } else { 0 }
    }

    /// Moves an amount from free to held, for an order's asset; a negative one, back.
    #[inline(always)]
    fn move_hold(&mut self, head: &Head, amount: i128) {
        if amount != 0 {
            let asset = self.markets[head.instrument].rules.held_asset(head.side);
            self.ledger.account_mut(head.account).hold(asset, amount);
        }
    }

    /// The asset that an order holds.
    pub(super) fn held_asset(&self, slot: u32) -> u32 {
        let Head { instrument, side, .. } = self.orders.head(slot);
        self.markets[instrument].rules.held_asset(side)
    }

    /// Holds what a new order needs, and returns what of it the order has in hand. The caller knows that the account has it.
    #[inline(always)]
    pub(super) fn hold_first(&mut self, head: &Head, terms: &Terms, amount: i128) -> i128 {
        let account = self.ledger.account_mut(head.account);
        if !account.checked {
            return 0;
        }
        let rules = &self.markets[head.instrument].rules;
        account.prepare(rules.base.max(rules.quote));
        account.hold(rules.held_asset(head.side), amount);
        if buys_at_any_price(head, terms) { amount } else { 0 }
    }

    /// Sets free all that is held for an order that rests or waits, and is about to end.
    #[inline(always)]
    pub(super) fn release_hold(&mut self, head: &Head, terms: &Terms) {
        let account = self.ledger.account_mut(head.account);
        if account.checked {
            let rules = &self.markets[head.instrument].rules;
            account.hold(rules.held_asset(head.side), -rules.hold_for(head, terms, Offer::of(head, terms)));
        }
    }

    /// Sets free all that is held for an order that comes in, and is about to end.
    pub(super) fn release_taker(&mut self, taker: &mut Taker) {
        let Taker { head, terms, in_hand, .. } = taker;
        let Head { price, leaves, .. } = *head;
        let account = self.ledger.account_mut(head.account);
        if account.checked {
            let rules = &self.markets[head.instrument].rules;
            // A stop that comes in has fired: its trigger no longer counts.
            let held = rules.hold_for(head, terms, Offer { price, trigger: 0, leaves });
            account.hold(rules.held_asset(head.side), -(held + std::mem::take(in_hand)));
        }
    }

    /// Sets free what an order that comes in no longer needs, now that it is for `leaves`.
    pub(super) fn shrink_taker(&mut self, taker: &mut Taker, leaves: i64) {
        let Taker { head, terms, .. } = taker;
        let rules = &self.markets[head.instrument].rules;
        let hold = |leaves: i64| self.hold_in(rules, head, terms, Offer { price: head.price, trigger: 0, leaves });
        let freed = hold(head.leaves) - hold(leaves);
        head.leaves = leaves;
        self.move_hold(head, -freed);
    }

    /// Sets free what an order in a slot no longer needs, since it needed `before`.
    pub(super) fn release_since(&mut self, slot: u32, before: i128) {
        let head = self.orders.head(slot);
        self.move_hold(&head, self.hold_now(slot) - before);
    }

    /// Holds what an order would need on other terms, if the account has it; else says why not and changes nothing.
    pub(super) fn try_hold(&mut self, slot: u32, offer: Offer) -> Result<(), Code> {
        let (head, terms) = (&self.orders.head(slot), self.orders.terms(slot));
        let needed = self.hold_in(&self.markets[head.instrument].rules, head, &terms, offer);
        self.change_hold(slot, needed)
    }

    /// Holds what an order will need under new rules, if the account has it; else says why not and changes nothing.
    pub(super) fn hold_under(&mut self, slot: u32, rules: &Rules) -> Result<(), Code> {
        let (head, terms) = (&self.orders.head(slot), self.orders.terms(slot));
        let needed = self.hold_in(rules, head, &terms, Offer::of(head, &terms));
        self.change_hold(slot, needed)
    }

    fn change_hold(&mut self, slot: u32, needed: i128) -> Result<(), Code> {
        let more = needed - self.hold_now(slot);
        let head = self.orders.head(slot);
        if more > self.ledger.row(head.account, self.held_asset(slot)).free {
            return Err(Code::InsufficientBalance);
        }
        self.move_hold(&head, more);
        Ok(())
    }

    /// Whether the account has so much of what an order brings that it may order no more.
    pub(super) fn is_full(&self, slot: u32) -> bool {
        let Head { account, side, instrument, .. } = self.orders.head(slot);
        let receives = self.markets[instrument].rules.held_asset(side.opposite());
        let account = self.ledger.account(account);
        account.checked && account.is_full(receives)
    }
}
