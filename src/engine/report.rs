//! Reporting: every change of an order leaves the engine here, as an execution.
//!
//! Here, and only here, executions are numbered and statuses change.

use super::book::{Node, UNLIMITED_SHARE};
use super::ledger::Account;
use super::orders::{Extra, NEVER, Order, Terms};
use super::table::NONE;
use super::{Counters, Engine};
use crate::domain::{
    AccountId, Code, Events, ExecId, Execution, ExecutionType, Fill, InstrumentId, LevelChange, Nanos, OrderId, Parked,
    Price, Quantity, Seq, Side, Status,
};

/// What an execution tells beyond its order.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Detail {
    pub(super) fill: Option<Fill>,
    pub(super) code: Option<Code>,
    /// The price that the code speaks of, in ticks; 0: none.
    pub(super) reference: i64,
}

impl Detail {
    /// Nothing more to tell.
    pub(super) const NONE: Self = Self { fill: None, code: None, reference: 0 };

    pub(super) const fn code(code: Code) -> Self {
        Self { code: Some(code), ..Self::NONE }
    }
}

/// A count of lots as a quantity; the engine's own counts are in range.
#[inline(always)]
pub(super) fn lots(lots: i64) -> Quantity {
    Quantity::new(lots).unwrap_or(Quantity::MAX)
}

/// What stands at a price, as everyone is told.
#[inline]
pub(super) fn shown(total: i128) -> Option<Quantity> {
    if total >= UNLIMITED_SHARE { None } else { Some(i64::try_from(total).map_or(Quantity::MAX, lots)) }
}

impl Engine {
    /// Moves a live order's status on, and tells it.
    #[inline]
    pub(super) fn emit(&mut self, slot: u32, execution_type: ExecutionType, detail: Detail, events: &mut Events) {
        let leaves = self.orders.nodes[slot].leaves;
        let terms = self.orders.terms_mut(slot);
        let status = status_after(terms, execution_type);
        assert!(terms.cum.saturating_add(leaves) <= terms.quantity, "an order is for no more than its quantity");
        terms.status = status;
        terms.updated_at = self.now;
        terms.code = detail.code.filter(|_| status.is_terminal());
        let ids = self.last.execution(self.ledger.account_mut(self.orders.nodes[slot].account));
        events.executions.push(execution(ids, &self.orders.live(slot), execution_type, status, detail, self.now));
    }

    /// Tells of an order that has ended, and stays as it is.
    pub(super) fn emit_closed(&mut self, place: usize, execution_type: ExecutionType, detail: Detail, events: &mut Events) {
        if let Some(order) = self.orders.closed(place) {
            let status = status_after(order.terms, execution_type);
            let ids = self.last.execution(self.ledger.account_mut(order.account));
            events.executions.push(execution(ids, &order, execution_type, status, detail, self.now));
        }
    }

    /// Tells of an order that never was: it is refused.
    pub(super) fn emit_rejected(
        &mut self,
        node: &Node,
        terms: &mut Terms,
        extra: &Extra,
        detail: Detail,
        events: &mut Events,
    ) {
        let status = status_after(terms, ExecutionType::Rejected);
        (terms.status, terms.code) = (status, detail.code);
        let Node { id, account, instrument, side, price, leaves, .. } = *node;
        let order = Order { id, account, instrument, side, price, leaves, terms, extra };
        let ids = self.last.execution(self.ledger.account_mut(account));
        events.executions.push(execution(ids, &order, ExecutionType::Rejected, status, detail, self.now));
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

impl Counters {
    /// Numbers an execution of an account.
    #[inline(always)]
    fn execution(&mut self, account: &mut Account) -> (ExecId, Seq) {
        self.execution = self.execution.saturating_add(1);
        account.seq = account.seq.saturating_add(1);
        (ExecId(self.execution), Seq(account.seq))
    }
}

#[inline(always)]
fn status_after(terms: &Terms, execution_type: ExecutionType) -> Status {
    let parked = if terms.is_stop() { Parked::UntilTriggered } else { Parked::No };
    terms.status.after(execution_type, parked).expect("the status table knows every change")
}

#[inline(always)]
fn execution(
    (exec_id, seq): (ExecId, Seq),
    order: &Order<'_>,
    execution_type: ExecutionType,
    status: Status,
    detail: Detail,
    now: i64,
) -> Execution {
    let Order { id, account, instrument, side, price, leaves, terms, extra } = *order;
    Execution {
        exec_id,
        seq,
        account: AccountId(account),
        instrument: Some(InstrumentId(instrument)).filter(|instrument| instrument.0 != NONE),
        order_id: OrderId(id),
        client_order_id: extra.client_order_id,
        execution_type,
        status,
        side,
        order_type: terms.order_type,
        time_in_force: terms.time_in_force,
        expire_at: Some(Nanos(extra.expire_at)).filter(|end| end.0 != NEVER),
        quantity: lots(terms.quantity),
        price: Price::new(price),
        trigger_price: Price::new(extra.trigger),
        cum_qty: lots(terms.cum),
        leaves_qty: lots(leaves),
        cum_notional: terms.notional,
        fill: detail.fill,
        code: detail.code,
        reference: Price::new(detail.reference),
        created_at: Nanos(terms.created_at),
        ts: Nanos(now),
    }
}
