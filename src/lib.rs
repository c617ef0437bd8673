//! Open Outcry: an order-execution venue in one binary.

pub mod domain;

pub mod market;

pub mod telemetry;

pub mod config;
