//! What is counted, and how it is shown: Prometheus' text, names and units by its conventions (base units, `_total`).

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use axum::http::{Method, StatusCode};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, text::encode},
    metrics::{
        MetricType,
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::{ConstGauge, Gauge},
        histogram::Histogram,
    },
    registry::{Registry, Unit},
};

use super::{
    process::Process,
    watched::{AllWatched, NS_PER_SECOND, Watched, encode_histogram},
};
use crate::queue::{Intake, LaneCounts};
use crate::tally::Tallied;

/// Upper bounds of the buckets that request times are counted in, in seconds.
const REQUEST_SECONDS: [f64; 11] = [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: Cow<'static, str>,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: Cow<'static, str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabels {
    limit: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CloseLabels {
    code: String,
}

/// Upper bounds of the buckets that lags are counted in, in executions.
const LAGS: [f64; 7] = [0.0, 10.0, 100.0, 1_000.0, 10_000.0, 100_000.0, 1_000_000.0];

/// One venue's metrics. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Family<RouteLabels, Histogram, fn() -> Histogram>,
    limits: Family<LimitLabels, Counter>,
    closed: Family<CloseLabels, Counter>,
    lags: Histogram,
    /// Open event streams.
    pub event_streams: Gauge,
    /// Open WebSocket connections.
    pub sockets: Gauge,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// The metrics of a venue whose queue is `intake`, with numbers that others count.
    pub fn new(intake: Intake, watched: Vec<Watched>) -> Self {
        let mut all = Registry::default();
        all.register_collector(Box::new(Process::starts()));
        let registry = all.sub_registry_with_prefix("openoutcry");
        let requests = Family::<RequestLabels, Counter>::default();
        let histogram: fn() -> Histogram = || Histogram::new(REQUEST_SECONDS);
        let request_seconds = Family::<RouteLabels, Histogram, fn() -> Histogram>::new_with_constructor(histogram);
        let limits = Family::<LimitLabels, Counter>::default();
        let (sockets, event_streams) = (Gauge::default(), Gauge::default());
        let closed = Family::<CloseLabels, Counter>::default();
        let lags = Histogram::new(LAGS);
        registry.register("http_requests", "Requests answered", requests.clone());
        let help = "Time from a request's head to its answer's";
        registry.register_with_unit("http_request_duration", help, Unit::Seconds, request_seconds.clone());
        let help = "Requests, messages and connections that went beyond a limit, by the name of its key";
        registry.register("limits_exceeded", help, limits.clone());
        registry.register("stream_connections", "Open WebSocket connections", sockets.clone());
        registry.register("stream_event_streams", "Open streams of server-sent events", event_streams.clone());
        let help = "WebSocket connections that ended, by close code; 4008: too slow; none: the client went";
        registry.register("stream_closed", help, closed.clone());
        let help = "Executions that a connection was behind, looked at with each heartbeat";
        registry.register("stream_lag_executions", help, lags.clone());
        registry.register_collector(Box::new(Queue(intake)));
        registry.register_collector(Box::new(AllWatched(watched)));
        Self { registry: Arc::new(all), requests, request_seconds, limits, closed, lags, event_streams, sockets }
    }

    /// Counts an answered request. Routes are patterns and methods are those that routes have, so labels are few.
    pub fn request(&self, method: &Method, route: Cow<'static, str>, status: StatusCode, took: Duration) {
        const METHODS: [&str; 7] = ["POST", "DELETE", "PATCH", "GET", "HEAD", "OPTIONS", "PUT"];
        let method = METHODS.into_iter().find(|known| *known == method.as_str()).unwrap_or("other");
        let labels = RequestLabels { method, route, status: status.as_u16() };
        self.requests.get_or_create(&labels).inc();
        self.request_seconds.get_or_create(&RouteLabels { route: labels.route }).observe(took.as_secs_f64());
    }

    /// Counts what went beyond a limit, by the name of the limit's key.
    pub fn limit(&self, limit: &'static str) {
        self.limits.get_or_create(&LimitLabels { limit }).inc();
    }

    /// Counts a WebSocket connection that ended, by its close code.
    pub fn socket_closed(&self, code: Option<u16>) {
        let code = code.map_or_else(|| "none".to_owned(), |code| code.to_string());
        self.closed.get_or_create(&CloseLabels { code }).inc();
    }

    /// Counts how many executions a connection is behind.
    pub fn lag(&self, executions: u64) {
        self.lags.observe(executions as f64);
    }

    /// All metrics as text.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a string fails only if an encoder above is wrong, and then there is nothing better to show.
        if encode(&mut text, &self.registry).is_err() {
            tracing::error!("the metrics could not be encoded");
        }
        plain(&text)
    }
}

/// Prometheus' text out of OpenMetrics': counters are described by the names that their samples have, units are part of names
/// only, and whole numbers have no point.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut help = None;
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        let (hash, keyword, name, rest) = (words.next(), words.next(), words.next(), words.next());
        match (hash, keyword, name, rest) {
            (Some("#"), Some("HELP"), Some(name), Some(rest)) => help = Some((name, rest)),
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                let suffix = if kind == "counter" { "_total" } else { "" };
                if let Some((_, help)) = help.take().filter(|(helped, _)| *helped == name) {
                    plain.push_str(&format!("# HELP {name}{suffix} {help}\n"));
                }
                plain.push_str(&format!("# TYPE {name}{suffix} {kind}\n"));
            }
            (Some("#"), Some("UNIT" | "EOF"), ..) => {}
            _ => {
                plain.push_str(line.strip_suffix(".0").unwrap_or(line));
                plain.push('\n');
            }
        }
    }
    plain
}

/// The queue's lanes, read when asked for.
#[derive(Debug)]
struct Queue(Intake);

impl Collector for Queue {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let lanes = self.0.counts();
        type Read = fn(&LaneCounts) -> u64;
        let gauges: [(&str, &str, Read); 2] = [
            ("queue_capacity", "Requests that a lane may hold; 0 for a lane that keeps only the newest", |lane| {
                lane.capacity as u64
            }),
            ("queue_depth", "Requests queued and not yet executed", |lane| lane.depth),
        ];
        for (name, help, read) in gauges {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for lane in &lanes {
                let gauge = ConstGauge::new(i64::try_from(read(lane)).unwrap_or(i64::MAX));
                gauge.encode(family.encode_family(&[("lane", lane.lane)])?)?;
            }
        }
        let counters: [(&str, &str, Read); 3] = [
            ("queue_sent", "Requests queued", |lane| lane.sent),
            ("queue_received", "Requests executed", |lane| lane.received),
            ("queue_dropped", "Requests refused because a lane was full, and quotes that a newer one replaced", |lane| {
                lane.dropped
            }),
        ];
        for (name, help, read) in counters {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for lane in &lanes {
                ConstCounter::new(read(lane)).encode(family.encode_family(&[("lane", lane.lane)])?)?;
            }
        }
        let help = "Time from being queued to being executed";
        let mut family = encoder.encode_descriptor("queue_wait_seconds", help, None, MetricType::Histogram)?;
        for lane in &lanes {
            let waits = waits(lane);
            encode_histogram(&mut family.encode_family(&[("lane", lane.lane)])?, NS_PER_SECOND, &waits)?;
        }
        Ok(())
    }
}

/// A lane's waits by size.
fn waits(lane: &LaneCounts) -> Tallied {
    let mut before = 0;
    let mut buckets: Vec<(u64, u64)> = Vec::with_capacity(lane.waits.buckets.len() + 1);
    for (bound, at_most) in &lane.waits.buckets {
        buckets.push((*bound, at_most.saturating_sub(before)));
        before = *at_most;
    }
    // Counted apart from the others, so that it may be a moment behind them.
    let count = lane.received.max(before);
    buckets.push((u64::MAX, count - before));
    Tallied { buckets, count, sum: lane.waits.total_ns, max: lane.waits.max_ns }
}
