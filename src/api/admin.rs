//! The calls that run the venue: balances, halts, another account's orders. With keys, they need the scope `admin`; without,
//! whoever can connect may make them.

use axum::{
    Json,
    extract::State as Shared,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use super::{
    Problem, State,
    access::Administers,
    account::AccountView,
    entry::{self, Done},
    extract::{self, JsonBody, PathOf, QueryOf},
    orders::{CancelAllQuery, respond},
    request::DepositRequest,
    view,
};
use crate::domain::{AccountId, Deposit, InstrumentId, Money, Symbol};
use crate::queue::Action;

/// The most accounts on one page, and how many where nobody says.
const PAGE: (usize, usize) = (1_000, 100);

/// The query of `GET /admin/accounts`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccountsQuery {
    #[serde(default, deserialize_with = "extract::count")]
    limit: Option<usize>,
    after: Option<String>,
}

/// `GET /admin/accounts`, in the order in which they were opened.
pub(super) async fn accounts(
    Shared(state): Shared<State>,
    Administers(_): Administers,
    QueryOf(query): QueryOf<AccountsQuery>,
) -> Result<Json<Vec<AccountView>>, Problem> {
    let first = match query.after.as_deref() {
        Some(name) => account_id(&state, name)?.0 + 1,
        None => 0,
    };
    let limit = query.limit.unwrap_or(PAGE.1).clamp(1, PAGE.0);
    let known = (first..).take(limit).map(AccountId).take_while(|account| state.read.account_name(*account).is_some());
    Ok(Json(known.map(|account| AccountView::of(&state, account)).collect()))
}

/// `GET /admin/accounts/{name}`
pub(super) async fn account(
    Shared(state): Shared<State>,
    Administers(_): Administers,
    PathOf(name): PathOf,
) -> Result<Json<AccountView>, Problem> {
    Ok(Json(AccountView::of(&state, account_id(&state, &name)?)))
}

/// `POST /admin/accounts/{name}/deposits`: the account as it is then. With an `Idempotency-Key`, sent again it is done once.
pub(super) async fn deposit(
    state: Shared<State>,
    Administers(_): Administers,
    name: PathOf,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, Problem> {
    transfer(state, name, &headers, body, |amount| amount).await
}

/// `POST /admin/accounts/{name}/withdrawals`: as a deposit, the other way.
pub(super) async fn withdraw(
    state: Shared<State>,
    Administers(_): Administers,
    name: PathOf,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<Response, Problem> {
    transfer(state, name, &headers, body, |amount| Money::from_units(-amount.units())).await
}

async fn transfer(
    Shared(state): Shared<State>,
    PathOf(name): PathOf,
    headers: &HeaderMap,
    body: JsonBody,
    signed: impl FnOnce(Money) -> Money,
) -> Result<Response, Problem> {
    let account = account_id(&state, &name)?;
    let (asset, amount) = body.parse::<DepositRequest<'_>>()?.check()?;
    let request_id = extract::idempotency_key(headers)?;
    let pending =
        entry::deposit(&state, Deposit { account, request_id, asset, amount: signed(Money::from(amount)) }).await?;
    let done = entry::finish(&state, account, pending).await?;
    let account = Json(AccountView::of(&state, account));
    Ok(match done {
        Done::AppliedBefore => (view::REPLAYED, account).into_response(),
        _ => account.into_response(),
    })
}

/// `DELETE /admin/accounts/{name}/orders?symbol=&side=`
pub(super) async fn cancel_all(
    Shared(state): Shared<State>,
    Administers(_): Administers,
    PathOf(name): PathOf,
    QueryOf(query): QueryOf<CancelAllQuery>,
) -> Result<Response, Problem> {
    let account = account_id(&state, &name)?;
    let pending = entry::cancel_all(&state, query.check(&state, account)?, None).await?;
    entry::finish(&state, account, pending).await.map(respond)
}

/// An instrument, and whether it takes new orders.
#[derive(Debug, Serialize)]
pub(super) struct HaltView {
    symbol: Symbol,
    halted: bool,
}

/// `POST /admin/instruments/{symbol}/halt`: new orders and replaces are refused (`halted`), resting ones stay and can be
/// canceled.
pub(super) async fn halt(
    state: Shared<State>,
    Administers(caller): Administers,
    symbol: PathOf,
) -> Result<Json<HaltView>, Problem> {
    set_halted(state, caller, symbol, Action::Halt, true).await
}

/// `POST /admin/instruments/{symbol}/resume`
pub(super) async fn resume(
    state: Shared<State>,
    Administers(caller): Administers,
    symbol: PathOf,
) -> Result<Json<HaltView>, Problem> {
    set_halted(state, caller, symbol, Action::Resume, false).await
}

async fn set_halted(
    Shared(state): Shared<State>,
    caller: AccountId,
    PathOf(symbol): PathOf,
    action: fn(InstrumentId) -> Action,
    halted: bool,
) -> Result<Json<HaltView>, Problem> {
    let instrument = extract::instrument(&state, &symbol)?;
    let pending = entry::administer(&state, action(instrument.id)).await?;
    match entry::finish(&state, caller, pending).await? {
        Done::Applied => Ok(Json(HaltView { symbol: instrument.spec.symbol, halted })),
        _ => Err(Problem::internal()),
    }
}

fn account_id(state: &State, name: &str) -> Result<AccountId, Problem> {
    let found = state.read.account_id(name);
    found.ok_or_else(|| Problem::not_found("unknown_account", format!("There is no account {name:.32}")))
}
