//! Open Outcry: an order-execution venue in one binary.

pub mod api;
pub mod config;
pub mod domain;
pub mod health;
pub mod journal;
pub mod market;
pub mod queue;
pub mod read;
pub mod stream;
pub mod telemetry;
