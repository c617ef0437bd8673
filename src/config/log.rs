//! `[log]`: what the process says about itself.

use serde::{Deserialize, Serialize};

use super::problem::Problems;
use super::value::{self, readable_words};
use crate::domain::words;

words!(
    /// How a line of the log is written.
    LogFormat {
        /// For people.
        Pretty = "pretty",
        /// One JSON object a line.
        Json = "json",
    }
);
readable_words!(LogFormat);

/// What the log holds and how it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// How a line is written. Default `pretty`.
    #[serde(deserialize_with = "value::one")]
    pub format: LogFormat,
    /// Which lines there are: a level, or levels by module as in `RUST_LOG`, which takes its place. Default `info`.
    pub filter: String,
}

impl LogConfig {
    pub(super) fn check(&self, at: &str, problems: &mut Problems) {
        if let Err(error) = tracing_subscriber::EnvFilter::builder().parse(&self.filter) {
            problems.push(format!("{at}.filter"), format!("must be a level such as \"info\", or a filter: {error}"));
        }
    }
}
