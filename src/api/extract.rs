//! What handlers are given: bodies, queries and path parameters, each with a problem for an answer where they are not
//! what they should be.

use std::time::Duration;

use axum::{
    extract::{FromRequest, FromRequestParts, Path, Query, Request, rejection::QueryRejection},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;

use super::{Problem, State, problem::FieldError};
use crate::domain::{ClientOrderId, Instrument, OrderId, Symbol};

/// The largest body that is read.
pub(super) const BODY_MAX: usize = 64 * 1024;
/// The largest body of a batch.
pub(super) const BATCH_BODY_MAX: usize = 1024 * 1024;
/// So much of a body that is too large is read and dropped, so that the client gets to read the answer.
const BODY_DRAINED_MAX: usize = 4 * 1024 * 1024;

/// A JSON body of at most `MAX` bytes, not yet parsed: requests borrow from it.
#[derive(Debug)]
pub(super) struct JsonBody<const MAX: usize = BODY_MAX>(Bytes);

impl<const MAX: usize> JsonBody<MAX> {
    /// Parses the body, an object.
    ///
    /// # Errors
    ///
    /// 400 for what is not JSON, or not of the request's types.
    pub(super) fn parse<'a, T: serde::Deserialize<'a>>(&'a self) -> Result<T, Problem> {
        parse(&self.0)
    }

    /// Parses the body, an array.
    ///
    /// # Errors
    ///
    /// As [`JsonBody::parse`].
    pub(super) fn parse_array<'a, T: serde::Deserialize<'a>>(&'a self) -> Result<Vec<T>, Problem> {
        parse_any(&self.0)
    }
}

/// Parses a JSON object into a request.
pub(super) fn parse<'a, T: serde::Deserialize<'a>>(json: &'a [u8]) -> Result<T, Problem> {
    // An array of the fields' values, which serde takes for a struct too, names none of them.
    if json.trim_ascii_start().starts_with(b"[") {
        return Err(Problem::bad_request("invalid_request", "invalid type: array, expected an object"));
    }
    parse_any(json)
}

fn parse_any<'a, T: serde::Deserialize<'a>>(json: &'a [u8]) -> Result<T, Problem> {
    serde_json::from_slice(json).map_err(|error| {
        let code = if error.is_data() { "invalid_request" } else { "invalid_json" };
        Problem::bad_request(code, error.to_string())
    })
}

impl<const MAX: usize> FromRequest<State> for JsonBody<MAX> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &State) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let detail = "The body must be JSON, and Content-Type must say so: application/json";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail));
        }
        let body = tokio::time::timeout(state.request_timeout, read_body(request, MAX));
        body.await.unwrap_or_else(|_| Err(body_timeout(state.request_timeout))).map(Self)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(text) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn body_timeout(timeout: Duration) -> Problem {
    let detail = format!("The body did not arrive within {timeout:?}");
    Problem::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", detail)
}

async fn read_body(request: Request, max: usize) -> Result<Bytes, Problem> {
    let mut body = request.into_body();
    let mut read = BytesMut::new();
    let mut length = 0usize;
    while let Some(frame) = body.frame().await {
        let broken = |_| Problem::bad_request("broken_body", "The body broke off");
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        length = length.saturating_add(data.len());
        if length <= max {
            read.extend_from_slice(&data);
        } else if length > BODY_DRAINED_MAX {
            break;
        }
    }
    if length > max {
        let detail = format!("The body is larger than {max} bytes");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail));
    }
    Ok(read.freeze())
}

/// Query parameters.
#[derive(Debug)]
pub(super) struct QueryOf<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<State> for QueryOf<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Problem> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        let rejected = |rejection: QueryRejection| Problem::bad_request("invalid_query", rejection.body_text());
        query.map(|Query(query)| Self(query)).map_err(rejected)
    }
}

/// The parameter in a path.
#[derive(Debug)]
pub(super) struct PathOf(pub(super) String);

impl FromRequestParts<State> for PathOf {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        // What is percent-encoded in it is no text, so that it names nothing.
        path.map(|Path(text)| Self(text)).map_err(|_| Problem::not_found_at(parts.uri.path()))
    }
}

/// The order id in a path.
pub(super) fn order_id(text: &str) -> Result<OrderId, Problem> {
    text.parse().map(OrderId).map_err(|_| Problem::unknown_order())
}

/// The instrument of a symbol in a path, `BTC-USDT`.
pub(super) fn instrument<'a>(state: &'a State, text: &str) -> Result<&'a Instrument, Problem> {
    let symbol = Symbol::parse_path(text).ok();
    let found = symbol.and_then(|symbol| state.read.instrument(&symbol));
    found.ok_or_else(|| Problem::not_found("unknown_symbol", format!("Unknown symbol: {text:.32}")))
}

/// The `Idempotency-Key` header: what a `client_order_id` may be, in quotes or without.
///
/// # Errors
///
/// 400 if it is none, or there is more than one.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<ClientOrderId>, Problem> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else { return Ok(None) };
    let bad = |detail: String| Problem::bad_request("idempotency_key", detail);
    if values.next().is_some() {
        return Err(bad("There is more than one Idempotency-Key".to_owned()));
    }
    let text = value.to_str().unwrap_or_default().trim();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    ClientOrderId::parse(text).map(Some).map_err(|error| bad(format!("Idempotency-Key {error}")))
}

/// The id of a new order, from its body or the `Idempotency-Key` header.
///
/// # Errors
///
/// As [`idempotency_key`]; 422 if both name one, and not the same.
pub(super) fn client_order_id(
    headers: &HeaderMap,
    in_body: Option<ClientOrderId>,
) -> Result<Option<ClientOrderId>, Problem> {
    let in_header = idempotency_key(headers)?;
    if in_header.is_some() && in_body.is_some() && in_header != in_body {
        let message = "must be equal to Idempotency-Key where both are given".to_owned();
        return Err(Problem::invalid(vec![FieldError { field: "client_order_id", message }]));
    }
    Ok(in_body.or(in_header))
}
