//! Every error answer: `application/problem+json` (RFC 9457) with a stable `code`, and whether the order was accepted.

use std::time::Duration;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::{codes, view};
use crate::domain::{ClientOrderId, Scope};
use crate::queue::{Refusal, ShownOrder};

/// What is certain about the request after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestOutcome {
    /// Nothing of it was or will be executed.
    NotAccepted,
    /// It was executed as far as it could be.
    Accepted,
    /// It may be executed yet: ask for it.
    Unknown,
}

/// One thing that is wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// The JSON field or query parameter.
    pub field: &'static str,
    /// What is wrong with it.
    pub message: String,
}

/// An error answer. One pointer: most answers are none.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Problem(Box<Body>);

#[derive(Clone, Debug, Serialize)]
struct Body {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    #[serde(serialize_with = "as_number")]
    status: StatusCode,
    detail: String,
    code: &'static str,
    outcome: RequestOutcome,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<ShownOrder>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_order_id: Option<ClientOrderId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest_seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    #[serde(skip)]
    retry_after: Option<Duration>,
    #[serde(skip)]
    replayed: bool,
    /// What `WWW-Authenticate` says.
    #[serde(skip)]
    challenge: Option<String>,
}

fn as_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl Problem {
    /// A problem with a status, a code of [`codes`] and a sentence; its outcome is `not_accepted`.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        debug_assert!(codes::is_known(code), "{code} is none of the codes");
        Self(Box::new(Body {
            kind: format!("urn:openoutcry:problem:{code}"),
            title: status.canonical_reason().unwrap_or("Error"),
            status,
            detail: detail.into(),
            code,
            outcome: RequestOutcome::NotAccepted,
            errors: Vec::new(),
            order: None,
            client_order_id: None,
            oldest_seq: None,
            last_seq: None,
            retry_after_ms: None,
            retry_after: None,
            replayed: false,
            challenge: None,
        }))
    }

    /// 400: the request is not what it should be.
    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 401: this needs a key, and there is none.
    pub(super) fn key_needed() -> Self {
        let detail = "This needs a key: Authorization: Bearer KEY";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail).with_challenge("Bearer".to_owned())
    }

    /// 401: the credentials are none of this venue's.
    pub(super) fn unknown_key() -> Self {
        let detail = "This is no key of this venue; it is sent as Authorization: Bearer KEY";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
            .with_challenge("Bearer error=\"invalid_token\"".to_owned())
    }

    /// 403: the key is for other things.
    pub(super) fn missing_scope(scope: Scope) -> Self {
        let scope = scope.as_str();
        Self::new(StatusCode::FORBIDDEN, "missing_scope", format!("This key does not have the scope {scope}"))
            .with_challenge(format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\""))
    }

    /// 403: a browser asks for a page of another site.
    pub(super) fn foreign_origin() -> Self {
        let detail = "Pages of this Origin may not use this venue: auth.origins says which may";
        Self::new(StatusCode::FORBIDDEN, "foreign_origin", detail)
    }

    /// 404.
    pub fn not_found(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// 404: no route, or nothing that a path could name.
    pub(super) fn not_found_at(path: &str) -> Self {
        Self::not_found("not_found", format!("There is nothing at {path:.64}"))
    }

    /// 404: the account has no such order.
    pub fn unknown_order() -> Self {
        Self::not_found("unknown_order", "This account has no such order")
    }

    /// 422: values that no instrument takes.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let said: Vec<String> = errors.iter().map(|error| format!("{} {}", error.field, error.message)).collect();
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", said.join("; ")).with_errors(errors)
    }

    /// 422: the venue refused it.
    pub fn refused(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// 422: the id of a request that is no order belongs to another.
    pub fn idempotency_conflict() -> Self {
        Self::refused("idempotency_conflict", "This Idempotency-Key belongs to another request")
    }

    /// 409: the request of this id is on its way.
    pub fn in_flight() -> Self {
        let detail = "A request with this id is in flight: ask again";
        Self::new(StatusCode::CONFLICT, "in_flight", detail)
            .with_outcome(RequestOutcome::Unknown)
            .with_retry_after(Duration::from_secs(1))
    }

    /// 504: queued, and no answer in time; a new order can be asked for by its client id, if it has one.
    pub fn timeout(client_order_id: Option<ClientOrderId>) -> Self {
        let detail = "The request is queued and was not answered in time: it may be executed yet";
        let mut problem = Self::new(StatusCode::GATEWAY_TIMEOUT, "timeout", detail);
        problem.0.client_order_id = client_order_id;
        problem.with_outcome(RequestOutcome::Unknown)
    }

    /// 410: what is asked for is not kept any more, or comes after what would be next.
    pub fn gap(oldest_seq: u64, last_seq: u64) -> Self {
        let detail = format!("Executions are kept from seq {oldest_seq} on, and the last is {last_seq}");
        let mut problem = Self::new(StatusCode::GONE, "gap", detail);
        (problem.0.oldest_seq, problem.0.last_seq) = (Some(oldest_seq), Some(last_seq));
        problem
    }

    /// 500: the cause is in the log, not in the answer.
    pub fn internal() -> Self {
        let detail = "The venue could not answer; its log says why";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail).with_outcome(RequestOutcome::Unknown)
    }

    /// 429: the client's quota is used up for so long.
    pub(super) fn rate_limited(wait: Duration) -> Self {
        let detail = format!("Too many requests: ask again in {} ms", wait.as_millis().max(1));
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail);
        problem.with_retry_after(wait)
    }

    /// 503: the venue can keep nothing any more, and is about to end.
    pub fn journal_failed() -> Self {
        let detail = "The venue's journal has failed: nothing more is accepted";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "journal_failed", detail).with_retry_after(Duration::from_secs(10))
    }

    /// 503: there is no place for another connection.
    pub(super) fn too_many_connections() -> Self {
        let detail = "There are too many connections: nothing was read";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_connections", detail).with_retry_after(Duration::from_secs(1))
    }

    /// 414: the path and query are too long.
    pub(super) fn url_too_long(bytes_max: usize) -> Self {
        Self::new(StatusCode::URI_TOO_LONG, "url_too_long", format!("A path and query have at most {bytes_max} bytes"))
    }

    /// 400: one socket follows too much.
    pub(super) fn too_many_subscriptions(most: usize) -> Self {
        Self::bad_request(
            "too_many_subscriptions",
            format!("A connection follows at most {most} logs, one a symbol and channel"),
        )
    }

    /// The queue did not take the request.
    pub fn not_queued(refusal: Refusal, retry_after: Duration) -> Self {
        let (code, detail) = match refusal {
            Refusal::Full => ("queue_full", "The queue is full: nothing was accepted"),
            Refusal::ShuttingDown => ("shutting_down", "The venue is shutting down: nothing was accepted"),
        };
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).with_retry_after(retry_after)
    }

    /// 503: the venue takes nothing any more.
    pub(super) fn shutting_down() -> Self {
        Self::not_queued(Refusal::ShuttingDown, Duration::from_secs(1))
    }

    /// Says what is certain about the request.
    pub fn with_outcome(mut self, outcome: RequestOutcome) -> Self {
        self.0.outcome = outcome;
        self
    }

    /// Names the fields that are wrong.
    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Self {
        self.0.errors = errors;
        self
    }

    /// Shows the order that the problem is about.
    pub(super) fn with_order(mut self, order: ShownOrder) -> Self {
        self.0.order = Some(order);
        self
    }

    /// Says when to ask again.
    pub fn with_retry_after(mut self, retry_after: Duration) -> Self {
        self.0.retry_after = Some(retry_after);
        self.0.retry_after_ms = u64::try_from(retry_after.as_millis().max(1)).ok();
        self
    }

    /// Marks the answer as that of an earlier request with the same client id.
    pub fn replayed(mut self) -> Self {
        self.0.replayed = true;
        self
    }

    /// Says which credentials would do (RFC 6750, section 3).
    fn with_challenge(mut self, challenge: String) -> Self {
        self.0.challenge = Some(challenge);
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.0.status, Json(&self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(after) = self.0.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs_f64().ceil() as u64));
        }
        if let Some(challenge) = self.0.challenge.as_deref().and_then(|text| HeaderValue::from_str(text).ok()) {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if self.0.replayed {
            headers.extend(view::REPLAYED);
        }
        response
    }
}
