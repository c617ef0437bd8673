//! The calls that show an account: its balances, its executions.

use std::collections::VecDeque;

use axum::{
    Json,
    extract::State as Shared,
    http::header,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use super::{
    Problem, State,
    access::Reads,
    extract::{self, QueryOf},
};
use crate::domain::{AccountId, AccountName, AssetName, Money};
use crate::stream::{Read, frames};

/// How many bytes of executions are read at a time.
const READ_BYTES: usize = 64 * 1024;
/// The most executions on a page, and how many where nobody says.
const PAGE: (usize, usize) = (1_000, 100);

/// An account, as `GET /account` and admin calls show it.
#[derive(Debug, Serialize)]
pub(super) struct AccountView {
    account: Option<AccountName>,
    open_orders: usize,
    balances: Vec<BalanceView>,
}

impl AccountView {
    pub(super) fn of(state: &State, account: AccountId) -> Self {
        let (open_orders, balances) = state.read.account(account);
        let balances = balances.into_iter();
        let balances = balances.map(|balance| BalanceView { asset: balance.asset, free: balance.free, held: balance.held });
        Self { account: state.read.account_name(account).copied(), open_orders, balances: balances.collect() }
    }
}

#[derive(Debug, Serialize)]
struct BalanceView {
    asset: AssetName,
    free: Money,
    held: Money,
}

/// `GET /account`
pub(super) async fn account(Shared(state): Shared<State>, Reads(account): Reads) -> Json<AccountView> {
    Json(AccountView::of(&state, account))
}

/// The query of `GET /executions`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExecutionsQuery {
    from_seq: Option<u64>,
    #[serde(default, deserialize_with = "extract::count")]
    limit: Option<usize>,
}

/// `GET /executions`: the same bytes that the stream sends, from the oldest that is kept where nobody says.
pub(super) async fn executions(
    Shared(state): Shared<State>,
    Reads(account): Reads,
    QueryOf(query): QueryOf<ExecutionsQuery>,
) -> Result<Response, Problem> {
    let log = state.hub.executions(account).ok_or_else(Problem::internal)?;
    let limit = query.limit.unwrap_or(PAGE.1).clamp(1, PAGE.0);
    let (oldest_seq, last_seq) = (log.oldest_seq(), log.last_seq());
    let mut next_seq = query.from_seq.map_or(oldest_seq, |seq| seq.max(1));
    if next_seq > last_seq + 1 {
        return Err(Problem::gap(oldest_seq, last_seq));
    }
    let mut body = br#"{"executions":["#.to_vec();
    let mut count = 0;
    while count < limit {
        let mut runs = VecDeque::new();
        let seq = match log.read(next_seq, READ_BYTES, &mut runs).await {
            Ok(Read::Frames { next_seq }) => next_seq,
            Ok(Read::Gone { oldest_seq }) => return Err(Problem::gap(oldest_seq, last_seq)),
            Err(error) => {
                tracing::error!(%error, "executions cannot be read");
                return Err(Problem::internal());
            }
        };
        if seq == next_seq {
            break;
        }
        for frame in runs.iter().flat_map(frames).take(limit - count) {
            if count > 0 {
                body.push(b',');
            }
            body.extend_from_slice(frame);
            count += 1;
            next_seq += 1;
        }
    }
    body.extend_from_slice(format!(r#"],"next_seq":{next_seq}}}"#).as_bytes());
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}
