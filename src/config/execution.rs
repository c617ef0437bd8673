//! `[execution]`: the executor.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::value;

/// The executor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecutionConfig {
    /// Simulated time that the executor spends on an order. Default `0ms`.
    #[serde(deserialize_with = "value::one", serialize_with = "value::write_duration")]
    pub delay: Duration,
}
