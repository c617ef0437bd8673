//! A real server on a port of its own, a real HTTP client, a real WebSocket client: the public contract from outside.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that does not find what it expects has failed")]

mod bad_input;
mod canceled_at_once;
mod disk_full;
mod executions;
mod frames;
mod history;
mod hostile;
mod idempotency;
mod keys;
mod limits;
mod load;
mod logging;
mod metrics;
mod openapi;
mod orders;
mod process;
mod rates;
mod recovery;
mod retained;
mod shapes;
mod slow_events;
mod slow_subscribers;
mod snapshots;
mod socket;
mod socket_limits;
mod socket_orders;
mod sockets;
mod stream;
mod terms;
mod venue;
mod wire;
