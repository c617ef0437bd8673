//! Numbers that others count, read when asked for.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use crate::tally::Tallied;

/// Nanoseconds in a second: times are counted in the former and shown in the latter.
pub const NS_PER_SECOND: f64 = 1e9;

/// Labels and a value.
pub type Labelled = (Vec<(&'static str, String)>, f64);

/// How a number is read.
#[expect(missing_debug_implementations, reason = "functions have nothing to show")]
pub enum Source {
    /// It only grows; shown with `_total`.
    Counter(Box<dyn Fn() -> f64 + Send + Sync>),
    /// It goes up and down.
    Gauge(Box<dyn Fn() -> f64 + Send + Sync>),
    /// One for each set of labels.
    Gauges(Box<dyn Fn() -> Vec<Labelled> + Send + Sync>),
    /// Values by size, each divided by a scale.
    Histogram(f64, Box<dyn Fn() -> Tallied + Send + Sync>),
}

/// A number that someone else counts.
#[expect(missing_debug_implementations, reason = "functions have nothing to show")]
pub struct Watched {
    /// Its name, in Prometheus' way.
    pub name: &'static str,
    /// What it counts.
    pub help: &'static str,
    /// How it is read.
    pub source: Source,
}

/// All of them.
pub(super) struct AllWatched(pub(super) Vec<Watched>);

impl fmt::Debug for AllWatched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|watched| watched.name)).finish()
    }
}

impl Collector for AllWatched {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for Watched { name, help, source } in &self.0 {
            let kind = match source {
                Source::Counter(_) => MetricType::Counter,
                Source::Gauge(_) | Source::Gauges(_) => MetricType::Gauge,
                Source::Histogram(..) => MetricType::Histogram,
            };
            let mut family = encoder.encode_descriptor(name, help, None, kind)?;
            match source {
                Source::Counter(read) => ConstCounter::new(read()).encode(family)?,
                Source::Gauge(read) => ConstGauge::new(read()).encode(family)?,
                Source::Gauges(read) => {
                    for (labels, value) in read() {
                        ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
                    }
                }
                Source::Histogram(scale, read) => encode_histogram(&mut family, *scale, &read())?,
            }
        }
        Ok(())
    }
}

/// Writes values by size, each divided by `scale`.
pub(super) fn encode_histogram(encoder: &mut MetricEncoder<'_>, scale: f64, tallied: &Tallied) -> Result<(), fmt::Error> {
    let buckets = tallied.buckets.iter().map(|(bound, count)| {
        let bound = if *bound == u64::MAX { f64::INFINITY } else { *bound as f64 / scale };
        (bound, *count)
    });
    let buckets: Vec<(f64, u64)> = buckets.collect();
    encoder.encode_histogram::<NoLabelSet>(tallied.sum as f64 / scale, tallied.count, &buckets, None)
}
