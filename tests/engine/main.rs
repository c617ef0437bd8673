//! Proves the matching engine right: scenarios that a trader can check, random streams against a second, naive engine,
//! and the promise that the same commands come to the same bytes.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop where something is not as it should be")]

mod book;
mod determinism;
mod history;
mod invariants;
mod naive;
mod random;
mod restore;
mod same;
mod scenarios;
