//! `[rate_limit]`: how much one client may ask.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::problem::Problems;
use super::value::{self, readable_words};
use crate::domain::words;

words!(
    /// What becomes of a request above the limit.
    OverLimit {
        /// It is refused with 429 at once.
        Reject = "reject",
        /// It waits up to `max_wait`, and is refused then.
        Queue = "queue",
    }
);
readable_words!(OverLimit);

/// How much one client may ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimitConfig {
    /// Requests a second, up to 1,000,000, orders and reads apart; 0 is no limit. Default 0.
    pub per_second: u32,
    /// Requests at once, up to 1,000,000; 0 is as many as `per_second`. Default 0.
    pub burst: u32,
    /// What becomes of a request above the limit. Default `reject`.
    #[serde(deserialize_with = "value::one")]
    pub over_limit: OverLimit,
    /// How long a request may wait with `over_limit = "queue"`, up to `60s`. Default `1s`.
    #[serde(deserialize_with = "value::one", serialize_with = "value::write_duration")]
    pub max_wait: Duration,
}

/// Nobody asks more often than this.
const REQUESTS_MAX: u32 = 1_000_000;
/// Nobody waits longer than this.
const WAIT_MAX: Duration = Duration::from_secs(60);

impl RateLimitConfig {
    pub(super) fn check(&self, at: &str, problems: &mut Problems) {
        for (key, value) in [("per_second", self.per_second), ("burst", self.burst)] {
            if value > REQUESTS_MAX {
                problems.push(format!("{at}.{key}"), format!("must be at most {REQUESTS_MAX}"));
            }
        }
        if self.burst != 0 && self.per_second == 0 {
            problems.push(format!("{at}.burst"), "goes with per_second, which is 0: no limit");
        }
        if self.max_wait > WAIT_MAX {
            problems.push(format!("{at}.max_wait"), "must be at most 60s");
        }
    }
}
