//! What the process says about itself: its log, its metrics.

pub mod logging;
mod metrics;
mod process;
pub mod stderr;
mod watched;

pub use metrics::Metrics;
pub use watched::{Labelled, NS_PER_SECOND, Source, Watched};
