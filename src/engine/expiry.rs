//! Time: orders that end by the clock, and accounts' dead man's switches.
//!
//! What is due happens before a command, in the order of its time; at one time, orders first, then switches, by id.

use super::Engine;
use super::orders::Found;
use super::terms::NEVER;
use crate::domain::{Code, Events, ExecutionType, Nanos, Outcome};

impl Engine {
    /// When something is due next: then a [`crate::domain::Command::Tick`] is wanted.
    pub fn next_deadline(&self) -> Option<Nanos> {
        Some(Nanos(self.next_due)).filter(|due| due.0 != NEVER)
    }

    /// Works out when something is due next.
    pub(super) fn refresh_due(&mut self) {
        let order = self.order_ends.first().map(|(at, _)| *at);
        let account = self.account_ends.first().map(|(at, _)| *at);
        self.next_due = order.into_iter().chain(account).min().unwrap_or(NEVER);
    }

    /// Notes when an open order ends.
    #[cold]
    pub(super) fn start_clock(&mut self, id: u64, expire_at: i64) {
        self.order_ends.insert((expire_at, id));
        self.refresh_due();
    }

    /// Forgets when an order would have ended.
    #[cold]
    pub(super) fn stop_clock(&mut self, id: u64, expire_at: i64) {
        self.order_ends.remove(&(expire_at, id));
        self.refresh_due();
    }

    /// Does what is due by now, of which there is something.
    #[cold]
    pub(super) fn expire_due(&mut self, events: &mut Events) {
        while self.next_due <= self.now && self.next_due != NEVER {
            let due = |end: &(i64, u64)| end.0 == self.next_due;
            if let Some((end, id)) = self.order_ends.first().copied().filter(due) {
                match self.orders.find_any(id) {
                    Some(Found::Live(slot)) => self.end(slot, ExecutionType::Expired, Some(Code::TimeInForce), events),
                    _ => drop(self.order_ends.remove(&(end, id))),
                }
            } else if let Some((_, account)) = self.account_ends.pop_first() {
                self.ledger.account_mut(account).cancel_at = NEVER;
                self.cancel_where(account, |_| true, Some(Code::CancelAfter), events);
            }
            self.refresh_due();
        }
    }

    /// Arms, renews or disarms an account's switch.
    #[inline(never)]
    pub(super) fn cancel_after(&mut self, account: u32, timeout_ns: i64) -> Outcome {
        if !self.ledger.contains(account) {
            return Outcome::NotFound;
        }
        let at = if timeout_ns > 0 { self.now.saturating_add(timeout_ns) } else { NEVER };
        let before = std::mem::replace(&mut self.ledger.account_mut(account).cancel_at, at);
        self.account_ends.remove(&(before, account));
        if at != NEVER {
            self.account_ends.insert((at, account));
        }
        self.refresh_due();
        Outcome::Done
    }
}
