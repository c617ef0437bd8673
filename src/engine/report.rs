//! Reporting: every change of an order leaves the engine here, as an execution.
//!
//! Here, and only here, executions are numbered and statuses change.

use super::Engine;
use super::book::{Node, UNLIMITED_SHARE};
use super::orders::{NEVER, Terms};
use crate::domain::{
    AccountId, Code, Events, ExecId, Execution, ExecutionType, Fill, InstrumentId, LevelChange, Nanos, OrderId, Parked,
    Price, Quantity, Seq, Side,
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
    /// Numbers an execution of an order, moves its status on, and appends it.
    #[inline]
    pub(super) fn emit(&mut self, slot: u32, execution_type: ExecutionType, detail: Detail, events: &mut Events) {
        let client_order_id = self.orders.client_order_id(slot);
        let Node { id, account, instrument, side, price, leaves, .. } = self.orders.nodes[slot];
        let terms = self.orders.terms_mut(slot);
        let parked = if terms.is_stop() { Parked::UntilTriggered } else { Parked::No };
        let status = terms.status.after(execution_type, parked).expect("the status table knows every change");
        assert!(terms.cum.saturating_add(leaves) <= terms.quantity, "an order is for no more than its quantity");
        terms.status = status;
        terms.updated_at = self.now;
        if status.is_terminal() && !execution_type.is_refused_request() {
            terms.code = detail.code;
        }
        let Terms { quantity, cum, notional, trigger, expire_at, created_at, order_type, time_in_force, .. } = *terms;
        self.last.execution = self.last.execution.saturating_add(1);
        let seq = &mut self.ledger.account_mut(account).seq;
        *seq = seq.saturating_add(1);
        events.executions.push(Execution {
            exec_id: ExecId(self.last.execution),
            seq: Seq(*seq),
            account: AccountId(account),
            instrument: Some(InstrumentId(instrument)).filter(|instrument| instrument.0 != super::NONE),
            order_id: OrderId(id),
            client_order_id,
            execution_type,
            status,
            side,
            order_type,
            time_in_force,
            expire_at: Some(Nanos(expire_at)).filter(|_| expire_at != NEVER),
            quantity: lots(quantity),
            price: Price::new(price),
            trigger_price: Price::new(trigger),
            cum_qty: lots(cum),
            leaves_qty: lots(leaves),
            cum_notional: notional,
            fill: detail.fill,
            code: detail.code,
            reference: Price::new(detail.reference),
            created_at: Nanos(created_at),
            ts: Nanos(self.now),
        });
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
