//! What is counted, and how it is shown: OpenMetrics text, names and units by Prometheus' conventions.

use std::{fmt, sync::Arc, time::Duration};

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

use crate::queue::{Intake, LaneCounts};

/// Upper bounds of the buckets that request times are counted in, in seconds.
const REQUEST_SECONDS: [f64; 10] = [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: String,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabels {
    limit: &'static str,
}

/// One venue's metrics. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Family<RouteLabels, Histogram, fn() -> Histogram>,
    limits: Family<LimitLabels, Counter>,
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
        let mut registry = Registry::with_prefix("openoutcry");
        let requests = Family::<RequestLabels, Counter>::default();
        let histogram: fn() -> Histogram = || Histogram::new(REQUEST_SECONDS);
        let request_seconds = Family::<RouteLabels, Histogram, fn() -> Histogram>::new_with_constructor(histogram);
        let limits = Family::<LimitLabels, Counter>::default();
        let sockets = Gauge::default();
        registry.register("http_requests", "Requests answered", requests.clone());
        let help = "Time from a request's head to its answer's";
        registry.register_with_unit("http_request_duration", help, Unit::Seconds, request_seconds.clone());
        let help = "Requests, messages and connections that went beyond a limit, by the name of its key";
        registry.register("limits_exceeded", help, limits.clone());
        registry.register("stream_connections", "Open WebSocket connections", sockets.clone());
        registry.register_collector(Box::new(Queue(intake)));
        registry.register_collector(Box::new(AllWatched(watched)));
        Self { registry: Arc::new(registry), requests, request_seconds, limits, sockets }
    }

    /// Counts an answered request. Routes are patterns and methods are those that routes have, so labels are few.
    pub fn request(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        let method = match method.as_str() {
            known @ ("GET" | "POST" | "PATCH" | "DELETE" | "HEAD" | "OPTIONS" | "PUT") => known,
            _ => "other",
        };
        let labels = RequestLabels { method: method.to_owned(), route: route.to_owned(), status: status.as_u16() };
        self.requests.get_or_create(&labels).inc();
        self.request_seconds.get_or_create(&RouteLabels { route: route.to_owned() }).observe(took.as_secs_f64());
    }

    /// Counts what went beyond a limit, by the name of the limit's key.
    pub fn limit(&self, limit: &'static str) {
        self.limits.get_or_create(&LimitLabels { limit }).inc();
    }

    /// All metrics as text.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a string fails only if an encoder above is wrong, and then there is nothing better to show.
        if encode(&mut text, &self.registry).is_err() {
            tracing::error!("the metrics could not be encoded");
        }
        text
    }
}

/// A number that someone else counts, read when asked for.
pub struct Watched {
    /// Its name, in Prometheus' way.
    pub name: &'static str,
    /// What it counts.
    pub help: &'static str,
    /// Whether it only grows.
    pub kind: MetricType,
    /// Reads it.
    pub read: Box<dyn Fn() -> u64 + Send + Sync>,
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("name", &self.name).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct AllWatched(Vec<Watched>);

impl Collector for AllWatched {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for watched in &self.0 {
            let value = (watched.read)();
            let family = encoder.encode_descriptor(watched.name, watched.help, None, watched.kind)?;
            match watched.kind {
                MetricType::Counter => ConstCounter::new(value).encode(family)?,
                _ => ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(family)?,
            }
        }
        Ok(())
    }
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
        Ok(())
    }
}
