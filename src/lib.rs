//! Open Outcry: an order-execution venue in one binary.

pub mod domain;
pub mod engine;
