//! What one client may take up, each a key of the configuration's `[limits]`.

use std::time::Duration;

/// What one client may take up. The names are those of the keys, and of the labels of `openoutcry_limits_exceeded_total`.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Open connections.
    pub connections: usize,
    /// Open connections of one address; 0: 512, and any number from this machine.
    pub connections_per_address: usize,
    /// Open WebSockets of one account.
    pub sockets_per_account: usize,
    /// Bytes of a request's head.
    pub head_bytes: usize,
    /// Header fields of a request.
    pub headers: usize,
    /// How long a head may take to arrive, and a connection may idle between requests.
    pub head_timeout: Duration,
    /// Bytes of a path and query.
    pub url_bytes: usize,
    /// Bytes of a body.
    pub body_bytes: usize,
    /// Bytes of a batch's body.
    pub batch_body_bytes: usize,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// How deep arrays and objects of a request may nest.
    pub json_depth: usize,
    /// How long a client may take no bytes of its answer.
    pub write_timeout: Duration,
    /// Bytes of a WebSocket message.
    pub message_bytes: usize,
    /// Requests of one WebSocket that wait for their answers; further ones are not read.
    pub in_flight: usize,
    /// Logs that one WebSocket may follow.
    pub subscriptions: usize,
    /// How long a WebSocket may be silent, pongs included.
    pub idle_timeout: Duration,
}
