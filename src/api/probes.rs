//! How the venue is: probes, metrics, the queue's counters.

use std::{borrow::Cow, collections::BTreeMap, sync::atomic::Ordering::Relaxed, time::Instant};

use axum::{
    Json,
    body::Body,
    extract::{MatchedPath, State as Shared},
    http::{Request, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::{Problem, State, openapi};
use crate::queue::LaneCounts;

/// `GET /livez`: the process answers.
pub(super) async fn livez() -> Json<serde_json::Value> {
    Json(serde_json::json!({ "status": "live" }))
}

/// `GET /readyz`: the venue takes orders.
pub(super) async fn readyz(Shared(state): Shared<State>) -> Result<Json<serde_json::Value>, Problem> {
    if state.draining.load(Relaxed) {
        return Err(state.ending());
    }
    Ok(Json(serde_json::json!({ "status": "ready" })))
}

/// A lane's counters; `sent = received + depth`.
#[derive(Debug, Serialize)]
pub(crate) struct LaneView {
    /// How many requests it may hold; `null` for quotes, of which only the newest of each kind waits.
    capacity: Option<usize>,
    depth: u64,
    sent: u64,
    received: u64,
    dropped: u64,
    /// How long requests waited from being queued to being executed, in nanoseconds: the upper bound of the percentile's
    /// bucket, and the longest wait.
    wait_ns_p50: u64,
    wait_ns_p99: u64,
    wait_ns_max: u64,
}

impl From<&LaneCounts> for LaneView {
    fn from(counts: &LaneCounts) -> Self {
        Self {
            capacity: Some(counts.capacity).filter(|capacity| *capacity > 0),
            depth: counts.depth,
            sent: counts.sent,
            received: counts.received,
            dropped: counts.dropped,
            wait_ns_p50: counts.waits.percentile_ns(50, counts.received),
            wait_ns_p99: counts.waits.percentile_ns(99, counts.received),
            wait_ns_max: counts.waits.max_ns,
        }
    }
}

/// The lanes by name, as `GET /queue` and the `queue` channel show them.
pub(crate) fn lanes(counts: &[LaneCounts]) -> BTreeMap<&'static str, LaneView> {
    counts.iter().map(|counts| (counts.lane, LaneView::from(counts))).collect()
}

/// `GET /queue`
pub(super) async fn queue(Shared(state): Shared<State>) -> Json<BTreeMap<&'static str, LaneView>> {
    Json(lanes(&state.intake.counts()))
}

/// `GET /metrics`, in Prometheus' text format.
pub(super) async fn metrics(Shared(state): Shared<State>) -> Response {
    let text = state.metrics.render();
    ([(header::CONTENT_TYPE, openapi::METRICS_TYPE)], text).into_response()
}

/// Counts and times every request that the router answers.
pub(super) async fn count(Shared(state): Shared<State>, request: Request<Body>, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or(Cow::Borrowed("unmatched"), |path| Cow::Owned(path.as_str().to_owned()));
    counted(&state, route, request, |request| next.run(request)).await
}

/// Counts and times a request of a route.
pub(super) async fn counted<B, F: Future<Output = Response>>(
    state: &State,
    route: Cow<'static, str>,
    request: Request<B>,
    answer: impl FnOnce(Request<B>) -> F,
) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let url_bytes = request.uri().path_and_query().map_or(0, |url| url.as_str().len());
    let response = if url_bytes > state.limits.url_bytes {
        state.metrics.limit("url_bytes");
        Problem::url_too_long(state.limits.url_bytes).into_response()
    } else {
        answer(request).await
    };
    state.metrics.request(&method, route, response.status(), started.elapsed());
    response
}
