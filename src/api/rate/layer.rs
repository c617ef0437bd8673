//! The limits as a layer around every route but the probes.

use std::net::{IpAddr, Ipv4Addr};

use axum::{
    body::Body,
    extract::State as Shared,
    http::{HeaderName, Method, Request},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::super::State;
use super::{Client, Kind, Left};

/// What watches the venue is never held up.
const UNLIMITED: [&str; 3] = ["/livez", "/readyz", "/metrics"];

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub(in crate::api) struct Peer(pub(in crate::api) IpAddr);

/// Counts a request that the router answers, and says in its answer what is left.
pub(in crate::api) async fn limit(Shared(state): Shared<State>, request: Request<Body>, next: Next) -> Response {
    limited(&state, request, |request| next.run(request)).await
}

/// Counts a request, and says in its answer what is left.
pub(in crate::api) async fn limited<B, F: Future<Output = Response>>(
    state: &State,
    mut request: Request<B>,
    answer: impl FnOnce(Request<B>) -> F,
) -> Response {
    let Some(rates) = &state.rates else { return answer(request).await };
    if UNLIMITED.contains(&request.uri().path()) {
        return answer(request).await;
    }
    // What is wrong with the credentials is for the handler to say; until then they are nobody's.
    let identity = state.access.identify(request.headers()).ok().flatten();
    let address = request.extensions().get().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Peer(address)| *address);
    let client = Client::new(identity, address);
    let kind = match *request.method() {
        Method::GET | Method::HEAD | Method::OPTIONS => Kind::Reads,
        _ => Kind::Orders,
    };
    request.extensions_mut().insert(client);
    if let Some(identity) = identity {
        request.extensions_mut().insert(identity);
    }
    let (left, mut response) = match state.charge(kind, client, 1).await {
        Ok(left) => (left, answer(request).await),
        Err((problem, left)) => (left, problem.into_response()),
    };
    // A handler that charged more knows better what is left.
    let left: Option<Left> = response.extensions_mut().remove().or(left);
    let headers = [
        (HeaderName::from_static("ratelimit-policy"), rates.policy(kind)),
        (HeaderName::from_static("ratelimit"), left.and_then(Left::header)),
    ];
    for (name, value) in headers {
        if let Some(value) = value {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
