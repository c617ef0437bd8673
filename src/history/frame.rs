//! An execution as its frame tells it, and what it does to its order.
//!
//! The order is that of the read model to the last field: its terms come with `accepted`, `rejected` and `replaced`, it was
//! created with its first execution and last changed with its last, except those that tell of a refused request.

use std::borrow::Cow;

use serde::Deserialize;

use crate::domain::{
    AccountId, AveragePrice, ClientOrderId, Code, Decimal, ExecutionType, Nanos, Order, OrderId, OrderType, Side, Status,
    Symbol, TimeInForce,
};

/// The fields of an execution's frame that history needs.
#[derive(Debug, Deserialize)]
pub(super) struct ExecutionFrame<'a> {
    pub(super) seq: u64,
    pub(super) exec_id: u64,
    #[serde(rename = "type")]
    kind: &'a str,
    pub(super) order_id: u64,
    client_order_id: Option<&'a str>,
    pub(super) account: &'a str,
    symbol: &'a str,
    side: &'a str,
    order_type: &'a str,
    status: &'a str,
    quantity: &'a str,
    cum_qty: &'a str,
    leaves_qty: &'a str,
    avg_price: Option<&'a str>,
    pub(super) last_qty: Option<&'a str>,
    pub(super) last_price: Option<&'a str>,
    pub(super) liquidity: Option<&'a str>,
    pub(super) trade_id: Option<u64>,
    pub(super) fee: Option<&'a str>,
    pub(super) fee_asset: Option<&'a str>,
    pub(super) code: Option<&'a str>,
    #[serde(borrow)]
    reason: Option<Cow<'a, str>>,
    ts: &'a str,
    // Only with executions that set the order's terms.
    time_in_force: Option<&'a str>,
    price: Option<&'a str>,
    trigger_price: Option<&'a str>,
    expire_at: Option<&'a str>,
}

/// Which field of a frame cannot be.
pub(super) type Fault = &'static str;

impl<'a> ExecutionFrame<'a> {
    /// Reads a frame's payload.
    pub(super) fn parse(payload: &'a [u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(payload)
    }

    /// What happened.
    pub(super) fn execution_type(&self) -> Result<ExecutionType, Fault> {
        ExecutionType::parse(self.kind).ok_or("type")
    }

    /// When.
    pub(super) fn ts(&self) -> Result<Nanos, Fault> {
        Nanos::parse(self.ts).ok_or("ts")
    }

    /// The order that begins with this execution.
    pub(super) fn begin(&self, account: AccountId) -> Result<Order, Fault> {
        let ts = self.ts()?;
        let mut order = Order {
            order_id: OrderId(self.order_id),
            client_order_id: self.client_order_id.map(ClientOrderId::parse).transpose().map_err(|_| "client_order_id")?,
            account,
            symbol: Symbol::parse(self.symbol).map_err(|_| "symbol")?,
            side: Side::parse(self.side).ok_or("side")?,
            order_type: OrderType::parse(self.order_type).ok_or("order_type")?,
            time_in_force: TimeInForce::Gtc,
            expire_at: None,
            quantity: Decimal::ZERO,
            price: None,
            trigger_price: None,
            status: Status::Received,
            cum_qty: Decimal::ZERO,
            leaves_qty: Decimal::ZERO,
            avg_price: None,
            code: None,
            reason: None,
            created_at: ts,
            updated_at: ts,
        };
        self.change(&mut order)?;
        Ok(order)
    }

    /// Makes of an order what it is after this execution, which must not tell of a refused request.
    pub(super) fn change(&self, order: &mut Order) -> Result<(), Fault> {
        let decimal = |text: &str, fault| Decimal::parse(text).map_err(|_| fault);
        if self.execution_type()?.sets_terms() {
            order.time_in_force = self.time_in_force.and_then(TimeInForce::parse).ok_or("time_in_force")?;
            order.price = self.price.map(|text| decimal(text, "price")).transpose()?;
            order.trigger_price = self.trigger_price.map(|text| decimal(text, "trigger_price")).transpose()?;
            order.expire_at = self.expire_at.map(|text| Nanos::parse(text).ok_or("expire_at")).transpose()?;
        }
        order.status = Status::parse(self.status).ok_or("status")?;
        order.quantity = decimal(self.quantity, "quantity")?;
        order.cum_qty = decimal(self.cum_qty, "cum_qty")?;
        order.leaves_qty = decimal(self.leaves_qty, "leaves_qty")?;
        order.avg_price = self.avg_price.map(|text| AveragePrice::parse(text).ok_or("avg_price")).transpose()?;
        // Only what ended the order stays with it.
        let ended = order.status.is_terminal();
        order.code = self.code.filter(|_| ended).map(|text| Code::parse(text).ok_or("code")).transpose()?;
        order.reason = self.reason.as_ref().filter(|_| ended).map(|text| text.clone().into_owned());
        order.updated_at = self.ts()?;
        Ok(())
    }
}
