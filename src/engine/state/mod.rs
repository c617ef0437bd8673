//! The state as bytes: what a snapshot holds of an engine, and an engine from it.
//!
//! In: an engine between two commands. Out: bytes ([`Engine::save`](super::Engine::save)), and from them an engine with the same state hash and the
//! same future ([`Engine::restore`](super::Engine::restore)). What follows from the rest is not written: rules, mark prices, totals, holds, clocks.
//!
//! ```text
//! version u32 · closed_kept u32 · seq u64 · now i64 · last order, execution, trade u64
//! assets       count u32 · name, fees, world, deposited i128
//! accounts     count u32 · name, checked u8, seq u64, cancel_at i64, rows u32 × (free, held i128)
//! exchanges    count u32 · name
//! instruments  count u32 · what was defined, halted u8, last i64, quotes, six queues: bids, asks, and stops by what they watch
//! closed       orders, the first to be forgotten first
//! ```
//!
//! How many ended orders are known decides what happens, so it is part of the state: a restored engine keeps to it.
//!
//! Numbers are little-endian, a name is its length and its characters, a word its place in the list of its kind. A queue is a list
//! of orders and quotes, oldest first, level by level, and ends with a zero. Any change here, or of the order of a kind of words,
//! is a new version.
//!
//! The bytes may come from anywhere: restoring gives an engine or a [`StateError`], and takes no more memory than they justify. That
//! they are what was saved, a checksum around them and the state hash have to tell.
//!
//! Costs: one pass each way. About 42 bytes an order, 130 with a client's id; as much again while it is restored.

mod bytes;
mod restore;
mod save;

/// The version of all this.
const VERSION: u32 = 1;

/// What stands before an entry of a queue, and before an ended order.
mod tag {
    /// No entry: the queue ends.
    pub(super) const END: u8 = 0;
    /// A quote.
    pub(super) const QUOTE: u8 = 1;
    /// An order that is as it was placed, with nothing kept aside.
    pub(super) const PLAIN: u8 = 2;
    /// An ended order with nothing kept aside.
    pub(super) const ENDED: u8 = 3;
    /// An order with more.
    pub(super) const MORE: u8 = 4;
}

/// Why bytes are no engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// They end before the state does.
    #[error("the state ends too soon")]
    Truncated,
    /// More follows.
    #[error("there is more after the state")]
    TooLong,
    /// Another version of this program wrote them.
    #[error("the state has format {0}, and this version reads format {VERSION} only")]
    Version(u32),
    /// Something in them cannot be.
    #[error("the state has {0} that cannot be")]
    Invalid(&'static str),
}
