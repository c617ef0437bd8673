//! Many orders in one request, each for itself: some may be taken and others refused.

use axum::{Extension, extract::State as Shared, http::HeaderMap, response::Response};
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::{
    Problem, State,
    access::Trades,
    entry::{self, Done, Item, Pending},
    extract::{self, Batch, JsonBody, JsonObject},
    rate::{Client, Kind},
    request::PlaceRequest,
    view,
};
use crate::domain::AccountId;
use crate::queue::ConnectionId;

/// The most orders in one batch.
const BATCH_MAX: usize = 1_000;

/// `POST /orders/batch`
pub(super) async fn place(
    Shared(state): Shared<State>,
    Trades(account): Trades,
    client: Option<Extension<Client>>,
    headers: HeaderMap,
    body: JsonBody<Batch>,
) -> Result<Response, Problem> {
    if extract::idempotency_key(&headers)?.is_some() {
        let detail = "Idempotency-Key names one request: give each order of a batch a client_order_id";
        return Err(Problem::bad_request("idempotency_key", detail));
    }
    let orders = read(&state, &body)?;
    // One of its orders is paid for as the request.
    let more = state.rates.as_ref().map_or(0, |rates| rates.rest_of(orders.len()));
    let left = match client {
        Some(Extension(client)) if more > 0 => {
            state.charge(Kind::Orders, client, more).await.map_err(|(problem, _)| problem)?
        }
        _ => None,
    };
    let submitted = submit(&state, account, orders, None).await;
    let until = Instant::now() + state.request_timeout;
    let items = finish(&state, account, submitted, until).await;
    let mut response = view::answer(json(&items));
    if let Some(left) = left {
        response.extensions_mut().insert(left);
    }
    Ok(response)
}

/// The orders of a batch, 1 to [`BATCH_MAX`], and of what is none what is wrong with it.
type Orders<'a> = Vec<Result<PlaceRequest<'a>, Problem>>;

/// Reads a body: in one pass, where every order is one. Those nest two deep, which every `limits.json_depth` allows.
fn read<'a>(state: &State, body: &'a JsonBody<Batch>) -> Result<Orders<'a>, Problem> {
    let orders: Result<Vec<JsonObject<PlaceRequest<'_>>>, Problem> = body.parse_array();
    match orders {
        Ok(orders) if !orders.iter().any(|JsonObject(order)| order.nests()) => {
            check(orders.len())?;
            Ok(orders.into_iter().map(|JsonObject(order)| Ok(order)).collect())
        }
        _ => {
            body.check_depth(state)?;
            each(&body.parse_array::<&RawValue>()?)
        }
    }
}

/// Reads each order for itself.
pub(super) fn each<'a>(orders: &[&'a RawValue]) -> Result<Orders<'a>, Problem> {
    check(orders.len())?;
    Ok(orders.iter().map(|order| extract::parse(order.get().as_bytes())).collect())
}

fn check(count: usize) -> Result<(), Problem> {
    if (1..=BATCH_MAX).contains(&count) {
        return Ok(());
    }
    Err(Problem::bad_request("batch_size", format!("A batch has 1 to {BATCH_MAX} orders")))
}

/// What became of a batch, as a JSON array.
pub(super) fn json(items: &[Item]) -> Vec<u8> {
    let mut array = b"[".to_vec();
    for item in items {
        if array.len() > 1 {
            array.push(b',');
        }
        match item {
            Item::Order(order) => array.extend_from_slice(&order.json),
            Item::Problem(problem) => array.extend(serde_json::to_vec(problem).unwrap_or_default()),
        }
    }
    array.push(b']');
    array
}

/// Submits the orders of a batch, in order. Where orders wait for a place in the queue, all together wait no longer than one.
pub(super) async fn submit(
    state: &State,
    account: AccountId,
    orders: Orders<'_>,
    connection: Option<ConnectionId>,
) -> Vec<Result<Pending, Problem>> {
    let until = state.intake.longest_wait().map(|wait| Instant::now() + wait);
    let mut pending = Vec::with_capacity(orders.len());
    for order in orders {
        pending.push(match (order.and_then(|order| order.check(account, state.instrument_id())), until) {
            (Ok(place), None) => entry::place(state, place, connection).await,
            (Ok(place), Some(until)) => entry::by(state, until, entry::place(state, place, connection)).await,
            (Err(problem), _) => Err(problem),
        });
    }
    pending
}

/// Waits for what the orders of a batch come to, in order, and for all of them no longer than for one.
pub(super) async fn finish(
    state: &State,
    account: AccountId,
    submitted: Vec<Result<Pending, Problem>>,
    until: Instant,
) -> Vec<Item> {
    let mut items = Vec::with_capacity(submitted.len());
    for pending in submitted {
        let done = match pending {
            Ok(pending) => entry::finish_by(state, account, pending, || until).await,
            Err(problem) => Err(problem),
        };
        items.push(match done {
            Ok(Done::Placed(order) | Done::Replayed(order)) => Item::Order(order),
            Ok(_) => Item::Problem(Problem::internal()),
            Err(problem) => Item::Problem(problem),
        });
    }
    items
}
