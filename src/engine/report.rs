//! Reporting: every change of an order leaves the engine here, as an execution.
//!
//! Here, and only here, executions are numbered and statuses change.

use super::book::UNLIMITED_SHARE;
use super::ledger::Account;
use super::orders::Orders;
use super::table::NONE;
use super::terms::{Aside, Head, NEVER, Order, Progress, Terms};
use super::{Counters, Engine};
use crate::domain::{
    AccountId, Code, Events, ExecId, Execution, ExecutionType, Fill, InstrumentId, LevelChange, Nanos, OrderId, OrderType,
    Parked, Price, Quantity, Seq, Side, Status, TimeInForce,
};

/// Why, and the price that this speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Because {
    pub(super) code: Code,
    /// In ticks; 0: none.
    pub(super) reference: i64,
}

impl From<Code> for Because {
    fn from(code: Code) -> Self {
        Self { code, reference: 0 }
    }
}

/// A count of lots as a quantity; the engine's own counts are in range.
#[inline(always)]
pub(super) const fn lots(lots: i64) -> Quantity {
    Quantity::known(lots)
}

/// The status after an event, as the table says.
#[inline(always)]
pub(super) fn after(status: Status, event: ExecutionType, parked: Parked) -> Status {
    status.after(event, parked).expect("the status table knows every change")
}

/// What an execution tells of its order, besides the head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    status: Status,
    order_type: OrderType,
    time_in_force: TimeInForce,
    progress: Progress,
    created_at: i64,
}

impl Told {
    #[inline(always)]
    pub(super) const fn of(terms: &Terms) -> Self {
        let Terms { status, order_type, time_in_force, quantity, cum, notional, created_at, .. } = *terms;
        Self { status, order_type, time_in_force, progress: Progress { quantity, cum, notional }, created_at }
    }
}

/// What stands at a price, as everyone is told.
#[inline]
pub(super) fn shown(total: i128) -> Option<Quantity> {
    if total >= UNLIMITED_SHARE {
        None
    } else {
        Some(i64::try_from(total).ok().and_then(Quantity::new).unwrap_or(Quantity::MAX))
    }
}

impl Engine {
    /// Moves the status of an order in a slot on, and tells it.
    #[inline(never)]
    pub(super) fn emit(&mut self, slot: u32, event: ExecutionType, because: Option<Because>, events: &mut Events) {
        let (head, mut terms) = (self.orders.head(slot), self.orders.terms(slot));
        self.tell(&head, &mut terms, event, because, events);
        self.orders.store(slot, &terms);
    }

    /// Moves the status of an order on, and tells it.
    #[inline(always)]
    pub(super) fn tell(
        &mut self,
        head: &Head,
        terms: &mut Terms,
        event: ExecutionType,
        because: Option<Because>,
        events: &mut Events,
    ) {
        terms.move_on(event, because.map(|because| because.code), head.leaves, self.now);
        let account = self.ledger.account_mut(head.account);
        let told = Told::of(terms);
        self.last.tell(account, head, head.leaves, told, event, None, because, self.now, &mut events.executions);
        self.orders.tell_more(terms, events);
    }

    /// Tells of an order that has ended, and stays as it is.
    pub(super) fn emit_closed(&mut self, place: u32, event: ExecutionType, because: Because, events: &mut Events) {
        let Order { head, mut terms, .. } = self.orders.closed(place);
        terms.status = after(terms.status, event, Parked::No);
        let account = self.ledger.account_mut(head.account);
        let (told, because) = (Told::of(&terms), Some(because));
        self.last.tell(account, &head, head.leaves, told, event, None, because, self.now, &mut events.executions);
        self.orders.tell_more(&terms, events);
    }

    /// Tells what now stands at a price.
    #[inline]
    pub(super) fn tell_level(&self, market: u32, side: Side, price: i64, total: i128, events: &mut Events) {
        if let Some(price) = Price::new(price) {
            let quantity = shown(total);
            events.levels.push(LevelChange { instrument: InstrumentId(market), side, price, quantity });
        }
    }
}

impl Orders {
    /// Adds to the last execution what few orders have.
    #[inline(always)]
    pub(super) fn tell_more(&self, terms: &Terms, events: &mut Events) {
        if terms.aside.is_told() {
            self.tell_extra(terms.aside, terms.trigger, terms.expire_at, events);
        }
    }

    /// Takes values, not the terms, so that these may stay in registers.
    #[inline(never)]
    fn tell_extra(&self, aside: Aside, trigger: i64, expire_at: i64, events: &mut Events) {
        if let Some(execution) = events.executions.last_mut() {
            execution.client_order_id = self.client_order_id(aside);
            execution.trigger_price = Price::new(trigger);
            execution.expire_at = Some(Nanos(expire_at)).filter(|end| end.0 != NEVER);
        }
    }
}

impl Terms {
    /// Moves on after a trade of `lots`, which leaves so many.
    #[inline(always)]
    pub(super) fn trade(&mut self, event: ExecutionType, lots: i64, worth: i128, leaves: i64, now: i64) {
        let progress = Progress { quantity: self.quantity, cum: self.cum, notional: self.notional };
        let Progress { cum, notional, .. } = progress.plus(lots, worth, leaves);
        (self.cum, self.notional, self.updated_at) = (cum, notional, now);
        self.status = after(self.status, event, Parked::No);
    }

    /// Moves the status on, as the table says.
    #[inline(always)]
    pub(super) fn move_on(&mut self, event: ExecutionType, code: Option<Code>, leaves: i64, now: i64) {
        let parked = if self.is_stop() { Parked::UntilTriggered } else { Parked::No };
        self.status = after(self.status, event, parked);
        // Both at most 10^18.
        assert!(self.cum.wrapping_add(leaves) <= self.quantity, "an order is for no more than its quantity");
        self.updated_at = now;
        self.code = if self.status.is_terminal() { code } else { None };
    }
}

impl Counters {
    /// Numbers a trade.
    #[inline(always)]
    pub(super) const fn next_trade(&mut self) -> u64 {
        self.trade = self.trade.wrapping_add(1);
        self.trade
    }

    /// Numbers an execution of an account's order and adds it, without what is kept aside of the order.
    #[expect(clippy::too_many_arguments, reason = "the parts of an execution, which is built where it will lie")]
    #[inline(always)]
    pub(super) fn tell(
        &mut self,
        account: &mut Account,
        head: &Head,
        leaves: i64,
        told: Told,
        event: ExecutionType,
        fill: Option<Fill>,
        because: Option<Because>,
        now: i64,
        into: &mut Vec<Execution>,
    ) {
        self.execution = self.execution.wrapping_add(1);
        account.seq = account.seq.wrapping_add(1);
        let Progress { quantity: total, cum, notional } = told.progress;
        into.push(Execution {
            exec_id: ExecId(self.execution),
            seq: Seq(account.seq),
            account: AccountId(head.account),
            instrument: if head.instrument == NONE { None } else { Some(InstrumentId(head.instrument)) },
            order_id: OrderId(head.id),
            client_order_id: None,
            execution_type: event,
            status: told.status,
            side: head.side,
            order_type: told.order_type,
            time_in_force: told.time_in_force,
            expire_at: None,
            quantity: lots(total),
            price: Price::known(head.price),
            trigger_price: None,
            cum_qty: lots(cum),
            leaves_qty: lots(leaves),
            cum_notional: notional,
            fill,
            code: because.map(|because| because.code),
            reference: because.and_then(|because| Price::known(because.reference)),
            created_at: Nanos(told.created_at),
            ts: Nanos(now),
        });
    }
}
