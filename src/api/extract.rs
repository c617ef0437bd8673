//! What handlers are given: bodies, queries and path parameters, each with a problem for an answer where they are not
//! what they should be.

use std::{fmt, future::poll_fn, marker::PhantomData, num::IntErrorKind, pin::pin, task::Poll, time::Duration};

use axum::{
    extract::{FromRequest, FromRequestParts, Path, Query, Request, rejection::QueryRejection},
    http::{HeaderMap, HeaderName, StatusCode, header, request::Parts},
};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _, IgnoredAny, MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::{Limits, Problem, State, problem::FieldError};
use crate::domain::{ClientOrderId, Instrument, OrderId, Symbol};

/// So much of a body that is too large is read and dropped, so that the client gets to read the answer.
const BODY_DRAINED_MAX: usize = 4 * 1024 * 1024;
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// How large a body may be.
pub(super) trait Size {
    /// Whether it is who reads the body that checks how deep it nests: what it reads in one pass does not.
    const CHECKED_BY_READER: bool = false;

    /// The name of the limit, and the limit, in bytes.
    fn max(limits: &Limits) -> (&'static str, usize);
}

/// One request.
#[derive(Debug)]
pub(super) struct Single;

impl Size for Single {
    fn max(limits: &Limits) -> (&'static str, usize) {
        ("body_bytes", limits.body_bytes)
    }
}

/// Many.
#[derive(Debug)]
pub(super) struct Batch;

impl Size for Batch {
    const CHECKED_BY_READER: bool = true;

    fn max(limits: &Limits) -> (&'static str, usize) {
        ("batch_body_bytes", limits.batch_body_bytes)
    }
}

/// A JSON body, not yet parsed: requests borrow from it.
#[derive(Debug)]
pub(super) struct JsonBody<S: Size = Single>(Bytes, PhantomData<S>);

impl<S: Size> JsonBody<S> {
    /// Parses the body, an object.
    ///
    /// # Errors
    ///
    /// 400 for what is not JSON, or not of the request's types.
    pub(super) fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Problem> {
        parse(&self.0)
    }

    /// Parses the body, an array.
    ///
    /// # Errors
    ///
    /// As [`JsonBody::parse`].
    pub(super) fn parse_array<'a, T: Deserialize<'a>>(&'a self) -> Result<Vec<T>, Problem> {
        parse_any(&self.0)
    }

    /// As [`check_depth`].
    pub(super) fn check_depth(&self, state: &State) -> Result<(), Problem> {
        check_depth(state, &self.0)
    }
}

/// A JSON object, and no array of its fields' values, which serde takes for a struct too.
#[derive(Debug)]
pub(super) struct JsonObject<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for JsonObject<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(fields))
            }
        }

        deserializer.deserialize_map(Fields(PhantomData)).map(Self)
    }
}

/// Parses a JSON object into a request.
pub(super) fn parse<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, Problem> {
    if json.trim_ascii_start().starts_with(b"{") {
        return parse_any(json);
    }
    // An array of the fields' values, which serde takes for a struct too, names none of them.
    let IgnoredAny = parse_any(json)?;
    Err(Problem::bad_request("invalid_request", "What is sent must be a JSON object"))
}

fn parse_any<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, Problem> {
    // Once for the whole text, rather than for every string in it.
    let text = std::str::from_utf8(json).map_err(|error| Problem::bad_request("invalid_json", error.to_string()))?;
    serde_json::from_str(text).map_err(|error| {
        let code = if error.is_data() { "invalid_request" } else { "invalid_json" };
        Problem::bad_request(code, error.to_string())
    })
}

impl<S: Size> FromRequest<State> for JsonBody<S> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &State) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        Self::read(&parts.headers, body, state).await
    }
}

impl<S: Size> JsonBody<S> {
    /// Reads the body of a request with these headers.
    ///
    /// # Errors
    ///
    /// 415 for what says that it is no JSON, 413 for too much, 408 for too late, 400 for what broke off, or nests too deep where that is
    /// not [`Size::CHECKED_BY_READER`].
    pub(super) async fn read<B>(headers: &HeaderMap, body: B, state: &State) -> Result<Self, Problem>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        if !is_json(headers) {
            let detail = "The body must be JSON, and Content-Type must say so: application/json";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail));
        }
        let (limit, max) = S::max(&state.limits);
        let too_large = || {
            state.metrics.limit(limit);
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", format!("The body is larger than {max} bytes"))
        };
        // What says that it is too long need not come.
        if body.size_hint().lower() > max as u64 {
            return Err(too_large());
        }
        let timeout = state.limits.body_timeout;
        let body = match in_time(timeout, read_body(body, max)).await {
            Some(body) => body?,
            None => {
                state.metrics.limit("body_timeout");
                return Err(body_timeout(timeout));
            }
        };
        let body = body.ok_or_else(too_large)?;
        if !S::CHECKED_BY_READER {
            check_depth(state, &body)?;
        }
        Ok(Self(body, PhantomData))
    }
}

/// Refuses JSON that nests too deep.
///
/// # Errors
///
/// 400 for arrays and objects nested deeper than `limits.json_depth`.
pub(super) fn check_depth(state: &State, json: &[u8]) -> Result<(), Problem> {
    let max = state.limits.json_depth;
    if !is_deeper(json, max) {
        return Ok(());
    }
    state.metrics.limit("json_depth");
    Err(Problem::bad_request("invalid_json", format!("The JSON nests deeper than {max} levels")))
}

/// Whether arrays and objects nest deeper than `max`; of what is no JSON it says anything.
fn is_deeper(json: &[u8], max: usize) -> bool {
    // Nearly all of it does not even begin so many. The two brackets differ in one bit; a byte counts those of 255.
    let begun = |bytes: &[u8]| bytes.iter().fold(0u8, |count, byte| count.wrapping_add(u8::from(byte | 0x20 == b'{')));
    if json.chunks(255).map(|bytes| usize::from(begun(bytes))).sum::<usize>() <= max {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                if depth > max {
                    return true;
                }
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(text) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    if text == "application/json" {
        return true;
    }
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn body_timeout(timeout: Duration) -> Problem {
    let detail = format!("The body did not arrive within {timeout:?}");
    Problem::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", detail)
}

/// What a read comes to; `None` if it does not in time.
///
/// A body that has arrived is handed over between the first poll, which asks for it, and the second: only one that has not
/// costs a timer.
async fn in_time<T>(timeout: Duration, read: impl Future<Output = T>) -> Option<T> {
    let mut read = pin!(read);
    let mut asked = false;
    let arrived = poll_fn(|context| match read.as_mut().poll(context) {
        Poll::Ready(read) => Poll::Ready(Some(read)),
        Poll::Pending if asked => Poll::Ready(None),
        Poll::Pending => {
            asked = true;
            context.waker().wake_by_ref();
            Poll::Pending
        }
    });
    match arrived.await {
        Some(read) => Some(read),
        None => tokio::time::timeout(timeout, read).await.ok(),
    }
}

/// Reads a body; `None` if it is too large.
async fn read_body<B: Body<Data = Bytes> + Unpin>(mut body: B, max: usize) -> Result<Option<Bytes>, Problem> {
    let mut read = BytesMut::new();
    let mut length = 0usize;
    while let Some(frame) = body.frame().await {
        let broken = |_| Problem::bad_request("broken_body", "The body broke off");
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        length = length.saturating_add(data.len());
        if length <= max && read.is_empty() && body.is_end_stream() {
            // All of it at once, as nearly every body comes.
            return Ok(Some(data));
        }
        if length <= max {
            read.extend_from_slice(&data);
        } else if length > max.saturating_add(BODY_DRAINED_MAX) {
            break;
        }
    }
    Ok((length <= max).then(|| read.freeze()))
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

/// How many are asked for: however many that is, it is as good as the most that there may be.
///
/// # Errors
///
/// If it is no number.
pub(super) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.parse::<usize>() {
        Err(error) if *error.kind() == IntErrorKind::PosOverflow => Ok(Some(usize::MAX)),
        count => count.map(Some).map_err(D::Error::custom),
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
    let mut values = headers.get_all(&IDEMPOTENCY_KEY).iter();
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

#[cfg(test)]
mod tests {
    use super::is_deeper;

    #[test]
    fn depth_is_that_of_arrays_and_objects_and_not_of_what_strings_hold() {
        for (json, depth) in [
            ("", 0),
            ("1", 0),
            ("{}", 1),
            (r#"{"a":[{"b":1},{"c":[]}]}"#, 4),
            (r#"{"a":"[[[["}"#, 1),
            (r#"{"a":"\"[[","b":[]}"#, 2),
            (r#"{"a":"\\","b":[[]]}"#, 3),
            ("]]]][", 1),
        ] {
            assert!(!is_deeper(json.as_bytes(), depth), "{json}");
            assert!(depth == 0 || is_deeper(json.as_bytes(), depth - 1), "{json}");
        }
    }
}
