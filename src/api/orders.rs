//! The calls that place, change, cancel and show orders.

use axum::{
    Json,
    extract::{FromRequestParts, State as Shared},
    http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use hyper::body::Body;
use serde::{Deserialize, Serialize};

use super::{
    Problem, State,
    access::{Reads, Trades},
    batch,
    entry::{self, Done, Pending},
    extract::{self, JsonBody, PathOf, QueryOf, Single},
    lookup,
    problem::{FieldError, RequestOutcome},
    request::{CancelAfterRequest, PlaceRequest, ReplaceRequest},
    view,
};
use crate::domain::{AccountId, CancelAll, ClientOrderId, Code, OrderId, Place, Side};
use crate::queue::{Known, ShownOrder, Target, Use};
use crate::read::{OrdersQuery, StatusFilter};

/// The most orders on one page.
const PAGE_MAX: usize = 1_000;
/// The orders on a page whose size nobody named.
const PAGE_DEFAULT: usize = 100;
/// The longest that a dead man's switch may be set to: a day, in milliseconds.
const CANCEL_AFTER_MAX_MS: u64 = 24 * 60 * 60 * 1_000;

/// `POST /orders`
pub(super) async fn place<B>(Shared(state): Shared<State>, request: Request<B>) -> Result<Response, Problem>
where
    B: Body<Data = Bytes> + Unpin,
{
    let (place, prefers_async) = read_place(&state, request).await?;
    let account = place.account;
    if !prefers_async {
        let pending = entry::place(&state, place, None).await?;
        return entry::finish(&state, account, pending).await.map(respond);
    }
    let Some(id) = place.client_order_id else {
        let message = "is needed with Prefer: respond-async, to ask for the order with".to_owned();
        let problem = Problem::bad_request("client_order_id_needed", format!("client_order_id {message}"));
        return Err(problem.with_errors(vec![FieldError { field: "client_order_id", message }]));
    };
    match entry::place(&state, place, None).await? {
        pending @ Pending::Known(..) => entry::finish(&state, account, pending).await.map(respond),
        Pending::Queued(..) | Pending::InFlight(..) => Ok(queued(id)),
    }
}

/// The order that a request is for, and whether to answer before it is placed. Nothing of what was sent outlives this: its
/// memory is the connection's to read on into.
async fn read_place<B>(state: &State, request: Request<B>) -> Result<(Box<Place>, bool), Problem>
where
    B: Body<Data = Bytes> + Unpin,
{
    let (mut parts, body) = request.into_parts();
    let Trades(account) = Trades::from_request_parts(&mut parts, state).await?;
    let body = JsonBody::<Single>::read(&parts.headers, body, state).await?;
    let mut place = body.parse::<PlaceRequest<'_>>()?.check(account, state.instrument_id())?;
    place.client_order_id = extract::client_order_id(&parts.headers, place.client_order_id)?;
    Ok((place, prefers_async(&parts.headers)))
}

fn prefers_async(headers: &HeaderMap) -> bool {
    const PREFER: HeaderName = HeaderName::from_static("prefer");
    let preferences = headers.get_all(&PREFER).iter().filter_map(|value| value.to_str().ok());
    // What comes with a preference behind a semicolon means nothing here (RFC 7240, section 2).
    let mut wishes = preferences.flat_map(|value| value.split(',')).filter_map(|wish| wish.split(';').next());
    wishes.any(|wish| wish.trim().eq_ignore_ascii_case("respond-async"))
}

/// The answer to an order that is queued, and promises nothing more.
fn queued(id: ClientOrderId) -> Response {
    #[derive(Serialize)]
    struct Queued {
        client_order_id: ClientOrderId,
        outcome: RequestOutcome,
    }
    let body = Queued { client_order_id: id, outcome: RequestOutcome::Unknown };
    let headers = [
        (header::LOCATION, format!("/orders/by-client-id/{id}")),
        (HeaderName::from_static("preference-applied"), "respond-async".to_owned()),
    ];
    (StatusCode::ACCEPTED, headers, Json(body)).into_response()
}

/// The answer to a request that was done.
pub(super) fn respond(done: Done) -> Response {
    match done {
        Done::Placed(order) => {
            let location = [(header::LOCATION, format!("/orders/{}", order.order.order_id))];
            (StatusCode::CREATED, location, view::answer(order.json)).into_response()
        }
        Done::Replayed(order) => (StatusCode::OK, view::REPLAYED, view::answer(order.json)).into_response(),
        Done::Canceled(order) => view::answer(order.json),
        Done::CanceledAll(count) => Json(serde_json::json!({ "canceled": count })).into_response(),
        Done::Replaced(order, priority) => view::answer(view::replaced(&order, priority)),
        Done::ReplacedBefore(order, priority) => {
            (StatusCode::OK, view::REPLAYED, view::answer(view::replaced(&order, priority))).into_response()
        }
        Done::Batch(items) => view::answer(batch::json(&items)),
        Done::Applied | Done::AppliedBefore | Done::Known(..) => Json(serde_json::json!({})).into_response(),
    }
}

/// `POST /orders/validate`: the answer that `POST /orders` would give to what can be checked without the venue.
pub(super) async fn validate(
    Shared(state): Shared<State>,
    Trades(account): Trades,
    body: JsonBody,
) -> Result<Response, Problem> {
    let place = body.parse::<PlaceRequest<'_>>()?.check(account, state.instrument_id())?;
    let instrument = place.instrument.and_then(|id| state.read.instruments().get(id.0 as usize));
    let refusal = instrument.map_or(Some(Code::UnknownSymbol), |instrument| instrument.refusal(&place));
    if let Some(code) = refusal {
        return Err(Problem::refused(code.as_str(), place.refusal_reason(code)));
    }
    Ok(Json(serde_json::json!({ "valid": true })).into_response())
}

/// `GET /orders/{order_id}`
pub(super) async fn get(
    Shared(state): Shared<State>,
    Reads(account): Reads,
    PathOf(order_id): PathOf,
) -> Result<Json<ShownOrder>, Problem> {
    let order = lookup::order(&state, account, extract::order_id(&order_id)?).await?;
    Ok(Json(state.view(&order)))
}

/// `GET /orders/by-client-id/{client_order_id}`
pub(super) async fn get_by_client_id(
    Shared(state): Shared<State>,
    Reads(account): Reads,
    PathOf(id): PathOf,
) -> Result<Json<ShownOrder>, Problem> {
    let id = ClientOrderId::parse(&id).map_err(|_| Problem::unknown_order())?;
    match state.admission.find(account, Use::Order, id) {
        Some(Known::Done(became)) => Ok(Json(state.view(&lookup::order(&state, account, became.order_id).await?))),
        Some(Known::InFlight(_)) => Err(Problem::in_flight()),
        None => Err(Problem::unknown_order()),
    }
}

/// The query of `GET /orders`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    status: Option<String>,
    symbol: Option<String>,
    #[serde(default, deserialize_with = "extract::count")]
    limit: Option<usize>,
    after: Option<u64>,
}

/// `GET /orders`
pub(super) async fn list(
    Shared(state): Shared<State>,
    Reads(account): Reads,
    uri: Uri,
    QueryOf(query): QueryOf<ListQuery>,
) -> Result<Response, Problem> {
    let status = match query.status.as_deref() {
        None | Some("open") => StatusFilter::Open,
        Some("closed") => StatusFilter::Closed,
        Some("all") => StatusFilter::All,
        Some(_) => return Err(Problem::bad_request("invalid_query", "status must be one of open, closed, all")),
    };
    let symbol = query.symbol.as_deref().map(|text| extract::instrument(&state, text)).transpose()?;
    let limit = query.limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
    let symbol = symbol.map(|instrument| instrument.spec.symbol);
    // One more than the page tells whether there is a next one.
    let wanted = OrdersQuery { status, symbol, after: query.after.map(OrderId), limit: limit + 1 };
    let mut orders = lookup::orders(&state, account, &wanted).await?;
    let more = orders.len() > limit;
    orders.truncate(limit);
    let next = orders.last().filter(|_| more).map(|last| next_link(&uri, last.order_id.0));
    let views: Vec<ShownOrder> = orders.into_iter().map(|order| state.view(&order)).collect();
    let mut response = Json(views).into_response();
    if let Some(link) = next.and_then(|link| HeaderValue::from_str(&link).ok()) {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// The link to the page after this one: the same query with `after` at the page's last order.
fn next_link(uri: &Uri, after: u64) -> String {
    let query = uri.query().unwrap_or_default();
    let kept = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("after="));
    let mut pairs: Vec<String> = kept.map(str::to_owned).collect();
    pairs.push(format!("after={after}"));
    format!("<{}?{}>; rel=\"next\"", uri.path(), pairs.join("&"))
}

/// `DELETE /orders/{order_id}`
pub(super) async fn cancel(
    Shared(state): Shared<State>,
    Trades(account): Trades,
    PathOf(order_id): PathOf,
) -> Result<Response, Problem> {
    let order_id = extract::order_id(&order_id)?;
    cancel_target(&state, account, Target::OrderId(order_id)).await
}

/// `DELETE /orders/by-client-id/{client_order_id}`
pub(super) async fn cancel_by_client_id(
    Shared(state): Shared<State>,
    Trades(account): Trades,
    PathOf(id): PathOf,
) -> Result<Response, Problem> {
    let id = ClientOrderId::parse(&id).map_err(|_| Problem::unknown_order())?;
    cancel_target(&state, account, Target::ClientOrderId(id)).await
}

async fn cancel_target(state: &State, account: AccountId, target: Target) -> Result<Response, Problem> {
    let pending = entry::cancel(state, account, target, None).await?;
    entry::finish(state, account, pending).await.map(respond)
}

/// `PATCH /orders/{order_id}`
pub(super) async fn replace(
    Shared(state): Shared<State>,
    Trades(account): Trades,
    PathOf(order_id): PathOf,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, Problem> {
    let order_id = extract::order_id(&order_id)?;
    replace_target(&state, account, Target::OrderId(order_id), &headers, &body).await
}

/// `PATCH /orders/by-client-id/{client_order_id}`
pub(super) async fn replace_by_client_id(
    Shared(state): Shared<State>,
    Trades(account): Trades,
    PathOf(id): PathOf,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, Problem> {
    let id = ClientOrderId::parse(&id).map_err(|_| Problem::unknown_order())?;
    replace_target(&state, account, Target::ClientOrderId(id), &headers, &body).await
}

async fn replace_target(
    state: &State,
    account: AccountId,
    target: Target,
    headers: &HeaderMap,
    body: &JsonBody,
) -> Result<Response, Problem> {
    let terms = body.parse::<ReplaceRequest<'_>>()?.check()?;
    let request_id = extract::idempotency_key(headers)?;
    let pending = entry::replace(state, account, target, terms, request_id, None).await?;
    entry::finish(state, account, pending).await.map(respond)
}

/// The query of `DELETE /orders`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelAllQuery {
    symbol: Option<String>,
    side: Option<String>,
}

impl CancelAllQuery {
    /// Which of the account's orders it means.
    ///
    /// # Errors
    ///
    /// An unknown symbol, or a side that is none.
    pub(super) fn check(&self, state: &State, account: AccountId) -> Result<CancelAll, Problem> {
        all_that_match(state, account, self.symbol.as_deref(), self.side.as_deref(), "invalid_query")
    }
}

/// The account's orders of this symbol, or of all, and this side, or both.
///
/// # Errors
///
/// An unknown symbol; `code` for a side that is none.
pub(super) fn all_that_match(
    state: &State,
    account: AccountId,
    symbol: Option<&str>,
    side: Option<&str>,
    code: &'static str,
) -> Result<CancelAll, Problem> {
    let instrument = symbol.map(|text| extract::instrument(state, text)).transpose()?;
    let side =
        side.map(|text| Side::parse(text).ok_or_else(|| Problem::bad_request(code, "side must be one of buy, sell")));
    Ok(CancelAll { account, instrument: instrument.map(|instrument| instrument.id), side: side.transpose()? })
}

/// `DELETE /orders`
pub(super) async fn cancel_all(
    Shared(state): Shared<State>,
    Trades(account): Trades,
    QueryOf(query): QueryOf<CancelAllQuery>,
) -> Result<Response, Problem> {
    let pending = entry::cancel_all(&state, query.check(&state, account)?, None).await?;
    entry::finish(&state, account, pending).await.map(respond)
}

/// `POST /orders/cancel-after`
pub(super) async fn cancel_after(
    Shared(state): Shared<State>,
    Trades(account): Trades,
    body: JsonBody,
) -> Result<Response, Problem> {
    let timeout_ms = body.parse::<CancelAfterRequest>()?.timeout_ms;
    let pending = entry::cancel_after(&state, account, cancel_after_ns(timeout_ms)?, None).await?;
    entry::finish(&state, account, pending).await?;
    Ok(Json(serde_json::json!({ "timeout_ms": timeout_ms })).into_response())
}

/// The switch's time in nanoseconds.
pub(super) fn cancel_after_ns(timeout_ms: u64) -> Result<i64, Problem> {
    let timeout_ms = i64::try_from(timeout_ms).ok().filter(|ms| ms.unsigned_abs() <= CANCEL_AFTER_MAX_MS);
    timeout_ms.map(|ms| ms * 1_000_000).ok_or_else(|| {
        let message = format!("must be 0 to {CANCEL_AFTER_MAX_MS}");
        Problem::invalid(vec![FieldError { field: "timeout_ms", message }])
    })
}
