//! What the process says about itself: its log, its metrics.

pub mod logging;
mod metrics;

pub use metrics::{Metrics, Watched};
pub use prometheus_client::metrics::MetricType;
