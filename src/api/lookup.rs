//! Orders, wherever they are: those that are open or closed lately in the read model, the others in history.

use std::{sync::Arc, time::Duration};

use axum::http::StatusCode;

use super::{Problem, State};
use crate::domain::{AccountId, Order, OrderId, Seq};
use crate::history::{ClosedQuery, History, Missing};
use crate::read::{Found, Listed, OrdersQuery, StatusFilter};

/// When to ask again what history has not reached.
const BEHIND_RETRY_AFTER: Duration = Duration::from_secs(1);

/// An order of an account.
///
/// # Errors
///
/// 404 if there is none, 503 if that cannot be said yet, 410 if it cannot be said any more.
pub(super) async fn order(state: &State, account: AccountId, order_id: OrderId) -> Result<Arc<Order>, Problem> {
    let through = match state.read.order(account, order_id) {
        Found::Order(order) => return Ok(order),
        Found::Unknown => return Err(Problem::unknown_order()),
        Found::Forgotten { through } => through,
    };
    let found = match &state.history {
        Some(history) => history.order(account, order_id, through).await,
        None => Err(Missing::Gone),
    };
    found.map_err(missing)?.map(Arc::new).ok_or_else(Problem::unknown_order)
}

/// The orders of an account that a query asks for, newest first.
///
/// # Errors
///
/// As [`order`], where some that belong on the page are missing.
pub(super) async fn orders(state: &State, account: AccountId, query: &OrdersQuery) -> Result<Vec<Arc<Order>>, Problem> {
    let Listed { orders, forgotten } = state.read.orders(account, query);
    let Some(through) = forgotten else { return Ok(orders) };
    let orders = match &state.history {
        Some(history) => continued(history, account, query, orders, through).await,
        None => Err(Missing::Gone),
    };
    orders.map_err(missing)
}

/// A page of the read model with those that only history has, in their places. The read model is asked first: what it
/// forgets after that, history had before.
async fn continued(
    history: &History,
    account: AccountId,
    query: &OrdersQuery,
    mut orders: Vec<Arc<Order>>,
    through: Seq,
) -> Result<Vec<Arc<Order>>, Missing> {
    debug_assert_ne!(query.status, StatusFilter::Open, "open orders are not forgotten");
    let older = ClosedQuery { symbol: query.symbol, after: query.after, limit: query.limit };
    let older = history.closed(account, older, through).await?;
    orders.extend(older.into_iter().map(Arc::new));
    // Stable: of an order that both have, the read model's comes first.
    orders.sort_by_key(|order| std::cmp::Reverse(order.order_id));
    orders.dedup_by_key(|order| order.order_id);
    orders.truncate(query.limit);
    Ok(orders)
}

fn missing(missing: Missing) -> Problem {
    match missing {
        Missing::Behind => {
            let detail = "History has not come that far yet: ask again";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "history_behind", detail).with_retry_after(BEHIND_RETRY_AFTER)
        }
        Missing::Gone => Problem::new(
            StatusCode::GONE,
            "gap",
            "Orders that ended so long ago are not kept any more: a list with a smaller limit may have what is",
        ),
    }
}
