//! An order as a row: decimals as the text they are, times as nanoseconds, so that a row read is the order written.

use rusqlite::{
    CachedStatement, Row, ToSql,
    types::{FromSql, Type},
};

use crate::domain::{
    AccountId, AveragePrice, ClientOrderId, Code, Decimal, Nanos, Order, OrderId, OrderType, Side, Status, Symbol,
    TimeInForce,
};

/// The columns of an order, in the order in which [`read`] takes and [`write()`] gives them.
macro_rules! order_columns {
    () => {
        "order_id, account, client_order_id, symbol, side, type, time_in_force, expire_at, quantity, price, trigger_price, \
         status, cum_qty, leaves_qty, avg_price, code, reason, created_at, updated_at"
    };
}
pub(super) use order_columns;

/// The order of a row of [`order_columns`].
pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Order> {
    Ok(Order {
        order_id: OrderId(row.get(0)?),
        account: AccountId(row.get(1)?),
        client_order_id: optional(row, 2, |text| ClientOrderId::parse(text).ok())?,
        symbol: value(row, 3, |text| Symbol::parse(text).ok())?,
        side: value(row, 4, Side::parse)?,
        order_type: value(row, 5, OrderType::parse)?,
        time_in_force: value(row, 6, TimeInForce::parse)?,
        expire_at: get::<Option<i64>>(row, 7)?.map(Nanos),
        quantity: value(row, 8, decimal)?,
        price: optional(row, 9, decimal)?,
        trigger_price: optional(row, 10, decimal)?,
        status: value(row, 11, Status::parse)?,
        cum_qty: value(row, 12, decimal)?,
        leaves_qty: value(row, 13, decimal)?,
        avg_price: optional(row, 14, AveragePrice::parse)?,
        code: optional(row, 15, Code::parse)?,
        reason: get(row, 16)?,
        created_at: Nanos(get(row, 17)?),
        updated_at: Nanos(get(row, 18)?),
    })
}

/// Writes an order by a statement whose parameters are the [`order_columns`].
pub(super) fn write(order: &Order, statement: &mut CachedStatement<'_>) -> rusqlite::Result<()> {
    let text = |decimal: Decimal| decimal.to_string();
    let values: [&dyn ToSql; 19] = [
        &order.order_id.0,
        &order.account.0,
        &order.client_order_id.as_ref().map(ClientOrderId::as_str),
        &order.symbol.as_str(),
        &order.side.as_str(),
        &order.order_type.as_str(),
        &order.time_in_force.as_str(),
        &order.expire_at.map(|moment| moment.0),
        &text(order.quantity),
        &order.price.map(text),
        &order.trigger_price.map(text),
        &order.status.as_str(),
        &text(order.cum_qty),
        &text(order.leaves_qty),
        &order.avg_price.map(|price| price.to_string()),
        &order.code.map(Code::as_str),
        &order.reason,
        &order.created_at.0,
        &order.updated_at.0,
    ];
    statement.execute(values).map(|_rows| ())
}

fn decimal(text: &str) -> Option<Decimal> {
    Decimal::parse(text).ok()
}

fn get<T: FromSql>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    row.get(column)
}

fn value<T>(row: &Row<'_>, column: usize, parse: impl Fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    optional(row, column, parse)?.ok_or_else(|| unreadable(column))
}

fn optional<T>(row: &Row<'_>, column: usize, parse: impl Fn(&str) -> Option<T>) -> rusqlite::Result<Option<T>> {
    let Some(text) = row.get_ref(column)?.as_str_or_null()? else { return Ok(None) };
    parse(text).map(Some).ok_or_else(|| unreadable(column))
}

fn unreadable(column: usize) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, "not a value that history writes".into())
}
