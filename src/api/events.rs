//! `GET /executions/stream`: the account's executions as server-sent events, the same JSON as the WebSocket's, `id` the `seq`.
//!
//! A browser's `EventSource` that lost its connection asks again with `Last-Event-ID`, and misses nothing.

use std::{collections::VecDeque, time::Duration};

use axum::{
    Extension,
    body::Body,
    extract::State as Shared,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::watch;

use super::{Problem, State, access::Reads, extract::QueryOf, serve::Endless};
use crate::stream::{Executions, Read, frames};
use crate::telemetry::Metrics;

/// How many bytes of frames become events at a time.
const READ_BYTES: usize = 64 * 1024;
/// How often a silent stream says that it is alive.
const COMMENT_EVERY: Duration = Duration::from_secs(10);

/// The query of `GET /executions/stream`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsQuery {
    from_seq: Option<u64>,
}

/// A reader's place in its account's executions.
struct Reader {
    state: State,
    log: Executions,
    news: watch::Receiver<u64>,
    seq: u64,
    _open: Open,
}

/// Counts a stream for as long as it is open.
struct Open(Metrics);

impl Open {
    fn new(metrics: &Metrics) -> Self {
        metrics.event_streams.inc();
        Self(metrics.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.event_streams.dec();
    }
}

/// `GET /executions/stream`
pub(super) async fn executions(
    Shared(state): Shared<State>,
    Reads(account): Reads,
    QueryOf(query): QueryOf<EventsQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let log = state.hub.executions(account).ok_or_else(Problem::internal)?.clone();
    let news = log.watch();
    let (oldest_seq, last_seq) = (log.oldest_seq(), log.last_seq());
    let seq = match last_event_id(&headers)? {
        Some(last) => last.saturating_add(1),
        None => query.from_seq.map_or(last_seq + 1, |seq| seq.max(1)),
    };
    if seq < oldest_seq || seq > last_seq + 1 {
        return Err(Problem::gap(oldest_seq, last_seq));
    }
    // What cannot be read is answered so: a stream that ends at once would only be asked for again.
    match log.read(seq, 1, &mut VecDeque::new()).await {
        Ok(Read::Frames { .. }) => {}
        Ok(Read::Gone { oldest_seq }) => return Err(Problem::gap(oldest_seq, last_seq)),
        Err(error) => {
            tracing::error!(%error, "executions cannot be read");
            return Err(Problem::internal());
        }
    }
    let events = stream::unfold(Reader { _open: Open::new(&state.metrics), state, log, news, seq }, Reader::next);
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    Ok((Extension(Endless), headers, Body::from_stream(events)).into_response())
}

/// The `seq` of the last event that the client has seen.
fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let seq = value.to_str().ok().and_then(|text| text.parse().ok());
    seq.map(Some).ok_or_else(|| Problem::bad_request("invalid_query", "Last-Event-ID must be the seq of an execution"))
}

impl Reader {
    /// The next events; ends when the venue shuts down, or when what comes next is not kept any more.
    async fn next(mut self) -> Option<(Result<Bytes, std::convert::Infallible>, Self)> {
        loop {
            let mut runs = VecDeque::new();
            let next_seq = match self.log.read(self.seq, READ_BYTES, &mut runs).await {
                Ok(Read::Frames { next_seq }) => next_seq,
                Ok(Read::Gone { .. }) => return None,
                Err(error) => {
                    tracing::error!(%error, "executions cannot be read");
                    return None;
                }
            };
            if next_seq > self.seq {
                let mut text = Vec::new();
                for (frame, seq) in runs.iter().flat_map(frames).zip(self.seq..) {
                    text.extend_from_slice(format!("id: {seq}\ndata: ").as_bytes());
                    text.extend_from_slice(frame);
                    text.extend_from_slice(b"\n\n");
                }
                self.seq = next_seq;
                return Some((Ok(text.into()), self));
            }
            tokio::select! {
                biased;
                changed = self.news.changed() => changed.ok()?,
                () = self.state.closing.cancelled() => return None,
                () = tokio::time::sleep(COMMENT_EVERY) => return Some((Ok(Bytes::from_static(b": alive\n\n")), self)),
            }
        }
    }
}
