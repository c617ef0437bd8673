//! `GET /stream`: the WebSocket that executions and market data leave by, and orders may come in by.
//!
//! The handshake is here; what follows is a [`session::Session`], a task of its own that owns the TCP stream: tungstenite
//! reads what the client sends, and finished frames from the logs are written straight to the socket, everything between
//! the connection's cursors and the logs' ends in one call.

mod answers;
mod books;
mod duplex;
mod message;
mod outbox;
mod pulse;
mod seats;
mod session;
mod status;
mod subscriptions;

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::atomic::Ordering::Relaxed,
    time::Duration,
};

use axum::{
    body::Body,
    extract::{Request, State as Shared},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{
    Problem, State,
    access::{Identity, check_origin},
    connections::Accepted,
    extract::QueryOf,
    rate::Peer,
};
use crate::domain::{AccountId, CancelAll, Scope};
use crate::queue::{Action, ConnectionId, Refusal};
pub use books::Books;
pub use seats::Seats;

use message::Speaker;
use session::Session;
use subscriptions::Wish;

/// The version of the protocol, the only one there is.
const VERSION: &str = "13";

/// How long a cancel that found its lane full waits before it tries again.
const CANCEL_AGAIN: Duration = Duration::from_millis(20);

/// When a socket is slow.
#[derive(Clone, Copy, Debug)]
pub struct StreamLimits {
    /// How many executions a live connection may be behind.
    pub lag_limit: u64,
    /// How long it may take no bytes while there are some for it.
    pub stall_timeout: Duration,
    /// How many bytes the system may hold for it; 0: as many as it likes.
    pub send_buffer: usize,
}

/// The query of `GET /stream`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StreamQuery {
    channels: Option<String>,
    symbols: Option<String>,
    from_seq: Option<u64>,
    cancel_on_disconnect: Option<bool>,
}

/// `GET /stream`
pub(super) async fn upgrade(
    Shared(state): Shared<State>,
    QueryOf(query): QueryOf<StreamQuery>,
    mut request: Request,
) -> Result<Response, Problem> {
    let accept = match accept_key(request.headers()) {
        Ok(accept) => accept,
        Err(problem) => {
            // What a client should have asked for (RFC 9110, section 15.5.22; RFC 6455, section 4.4).
            let wanted = [(header::UPGRADE, "websocket"), (header::SEC_WEBSOCKET_VERSION, VERSION)];
            return Ok((wanted, problem).into_response());
        }
    };
    if state.closing.is_cancelled() {
        // Who comes back at once must not keep the last socket from having closed.
        return Err(state.ending());
    }
    check_origin(&state, request.headers())?;
    let identity = state.access.identify(request.headers())?;
    let split = |list: &Option<String>| -> Option<Vec<String>> {
        list.as_ref().map(|list| list.split(',').filter(|item| !item.is_empty()).map(str::to_owned).collect())
    };
    let channels = split(&query.channels).unwrap_or_else(|| vec!["executions".to_owned()]);
    let wish = Wish::parse(&state, &channels, split(&query.symbols).as_deref(), query.from_seq)?;
    if wish.is_private() {
        may(identity, Scope::Read)?;
    }
    let cancels = query.cancel_on_disconnect == Some(true);
    if cancels && identity.is_some() {
        may(identity, Scope::Trade)?;
    }
    if wish.logs(&state) > state.limits.subscriptions {
        state.metrics.limit("subscriptions");
        return Err(Problem::too_many_subscriptions(state.limits.subscriptions));
    }
    let address = request.extensions().get().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Peer(address)| *address);
    let upgraded = hyper::upgrade::on(&mut request);
    let connection = ConnectionId(state.connections.fetch_add(1, Relaxed));
    let speaker = Speaker { identity, address, connection };
    let task = state.clone();
    state.sockets.spawn(async move {
        let upgraded = match upgraded.await {
            Ok(upgraded) => upgraded,
            Err(error) => return tracing::debug!(%error, "a handshake broke off"),
        };
        // Whatever is served came in by one door, so the stream below the upgrade is known.
        match upgraded.downcast::<TokioIo<Accepted>>() {
            Ok(parts) => {
                let (socket, _place) = parts.io.into_inner().into_parts();
                let mut session = Session::new(task, speaker, socket, parts.read_buf).await;
                session.cancels = cancels;
                session.run(wish).await;
            }
            Err(_) => tracing::error!("an upgraded connection is no TCP stream"),
        }
    });
    let response = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_ACCEPT, accept)
        .body(Body::empty());
    response.map_err(|_| Problem::internal())
}

/// Cancels all orders of an account whose connection is gone: behind everything that the connection asked for.
async fn cancel_all(state: State, account: AccountId, connection: ConnectionId) {
    let action = Action::CancelAll(CancelAll { account, instrument: None, side: None });
    loop {
        match state.intake.send(action.clone(), Some(connection)).await {
            Ok(_) => return tracing::info!(connection = connection.0, "canceling the orders of a connection that is gone"),
            Err(Refusal::ShuttingDown) => return,
            Err(Refusal::Full) => {}
        }
        tokio::select! {
            () = state.closing.cancelled() => return,
            () = tokio::time::sleep(CANCEL_AGAIN) => {}
        }
    }
}

/// The account of a connection that may do that for it.
///
/// # Errors
///
/// 401 for a connection that has not said who it is, 403 for a scope that its key has not.
fn may(identity: Option<Identity>, scope: Scope) -> Result<AccountId, Problem> {
    identity.ok_or_else(Problem::key_needed)?.may(scope)
}

/// Checks that the request is a WebSocket handshake (RFC 6455, section 4.2.1), and derives the answer to its key.
fn accept_key(headers: &HeaderMap) -> Result<String, Problem> {
    let has = |name, token: &str| {
        let values = headers.get_all(name).iter().filter_map(|value: &HeaderValue| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(token))
    };
    if !has(header::CONNECTION, "upgrade") || !has(header::UPGRADE, "websocket") {
        let detail = "This is a WebSocket: connect with a WebSocket client";
        return Err(Problem::new(StatusCode::UPGRADE_REQUIRED, "upgrade_required", detail));
    }
    if !has(header::SEC_WEBSOCKET_VERSION, VERSION) {
        let detail = format!("Sec-WebSocket-Version must be {VERSION}");
        return Err(Problem::new(StatusCode::UPGRADE_REQUIRED, "upgrade_required", detail));
    }
    // 16 random bytes in base64.
    match headers.get(header::SEC_WEBSOCKET_KEY) {
        Some(key) if key.len() == 24 => Ok(derive_accept_key(key.as_bytes())),
        _ => Err(Problem::bad_request("invalid_handshake", "Sec-WebSocket-Key must be 16 bytes in base64")),
    }
}
