//! The market outside: what exchanges quote, and the best of it.
//!
//! ```text
//! feed ─┐                           ┌─► outputs: the `quotes` and `best` channels, the venue's book
//! feed ─┼─► one bounded channel ─► aggregator
//! feed ─┘                           └─► board ─► GET /quotes
//!                     quotes from the API, once applied ─┘
//! ```
//!
//! A feed is a task that turns what one exchange says into [`Update`]s. One aggregator takes them in the order in which
//! they arrive, keeps the newest of each exchange and symbol on the [`Board`], and tells its [`Outputs`]. A feed that
//! falls silent goes stale: it no longer counts for the best prices, and its levels are withdrawn from the venue.
//!
//! Prices are exact decimals from end to end. Time comes in through a [`Clock`]. Nothing here knows the engine.

mod aggregator;
mod board;
pub mod feed;
mod row;
mod update;

use std::sync::Arc;

use crate::domain::Nanos;

pub use aggregator::{Aggregator, Outputs};
pub use board::{Board, BoardFull};
pub use feed::{SimulatedError, SimulatedSpec};
pub use row::{Best, ExchangeRow, Row};
pub use update::Update;

/// Tells the time. It should not go back: an age that comes out negative counts as none.
pub type Clock = Arc<dyn Fn() -> Nanos + Send + Sync>;
