//! `[limits]`: what one client may take up.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::problem::Problems;
use super::value;

/// What one client may take up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    /// Open connections, 1 to 1,000,000. Default 16384.
    pub connections: usize,
    /// Open connections of one address; 0 is 512, and any number from this machine. Default 0.
    pub connections_per_address: usize,
    /// Open WebSockets of one account, 1 to 1,000,000. Default 4096.
    pub sockets_per_account: usize,
    /// Bytes of a request's head, 8,192 to 1,048,576. Default 16384.
    pub head_bytes: usize,
    /// Header fields of a request, 8 to 1,024. Default 64.
    pub headers: usize,
    /// How long a head may take to arrive, and a connection may idle between requests, above zero. Default `15s`.
    #[serde(deserialize_with = "value::one", serialize_with = "value::write_duration")]
    pub head_timeout: Duration,
    /// Bytes of a path and query, 256 to 65,534. Default 8192.
    pub url_bytes: usize,
    /// Bytes of a body, 1,024 to 1,073,741,824. Default 65536.
    pub body_bytes: usize,
    /// Bytes of a batch's body, as `body_bytes`. Default 1048576.
    pub batch_body_bytes: usize,
    /// How long a body may take to arrive, above zero. Default `5s`.
    #[serde(deserialize_with = "value::one", serialize_with = "value::write_duration")]
    pub body_timeout: Duration,
    /// How deep arrays and objects of a request may nest, 3 to 100. Default 16.
    pub json_depth: usize,
    /// How long a client may take no bytes of its answer, above zero. Default `10s`.
    #[serde(deserialize_with = "value::one", serialize_with = "value::write_duration")]
    pub write_timeout: Duration,
    /// Bytes of a WebSocket message, 1,024 to 16,777,216. Default 65536.
    pub message_bytes: usize,
    /// Requests of one WebSocket that wait for their answers, each order of a batch one, 1 to 65,536. Default 1024.
    pub in_flight: usize,
    /// Logs that one WebSocket may follow, one a symbol and channel, 1 to 1,000,000. Default 4096.
    pub subscriptions: usize,
    /// How long a WebSocket may be silent, pongs included, above zero. Default `60s`.
    #[serde(deserialize_with = "value::one", serialize_with = "value::write_duration")]
    pub idle_timeout: Duration,
}

/// More connections than a process can have.
const CONNECTIONS_MAX: usize = 1_000_000;
/// The least head: hyper takes no less.
const HEAD_BYTES_MIN: usize = 8 * 1024;
/// The largest head.
const HEAD_BYTES_MAX: usize = 1 << 20;
/// The largest body.
const BODY_BYTES_MAX: usize = 1 << 30;
/// The largest message.
const MESSAGE_BYTES_MAX: usize = 1 << 24;

impl LimitsConfig {
    pub(super) fn check(&self, at: &str, problems: &mut Problems) {
        for (key, value, least, most) in [
            ("connections", self.connections, 1, CONNECTIONS_MAX),
            ("connections_per_address", self.connections_per_address, 0, CONNECTIONS_MAX),
            ("sockets_per_account", self.sockets_per_account, 1, CONNECTIONS_MAX),
            ("head_bytes", self.head_bytes, HEAD_BYTES_MIN, HEAD_BYTES_MAX),
            ("headers", self.headers, 8, 1_024),
            ("url_bytes", self.url_bytes, 256, 65_534),
            ("body_bytes", self.body_bytes, 1_024, BODY_BYTES_MAX),
            ("batch_body_bytes", self.batch_body_bytes, 1_024, BODY_BYTES_MAX),
            ("json_depth", self.json_depth, 3, 100),
            ("message_bytes", self.message_bytes, 1_024, MESSAGE_BYTES_MAX),
            ("in_flight", self.in_flight, 1, 65_536),
            ("subscriptions", self.subscriptions, 1, CONNECTIONS_MAX),
        ] {
            problems.range(format!("{at}.{key}"), value, least, most);
        }
        for (key, value) in [
            ("head_timeout", self.head_timeout),
            ("body_timeout", self.body_timeout),
            ("write_timeout", self.write_timeout),
            ("idle_timeout", self.idle_timeout),
        ] {
            problems.above_zero(format!("{at}.{key}"), value);
        }
    }
}
