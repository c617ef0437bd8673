//! Open Outcry: an order-execution venue in one binary.

pub mod config;
pub mod domain;
pub mod journal;
pub mod queue;
pub mod read;
pub mod stream;
