//! The engines that are compared, each behind the same two calls.
//!
//! A driver does what a user of that engine would have to do and no more: it turns a command into the engine's own terms,
//! and notes the trades that the engine reports on the tape. Where an engine holds one book, the driver holds one a symbol.

mod lobster;
mod openoutcry_book;
mod openoutcry_engine;
mod orderbook_rs;
mod rust_ob;

use crate::command::{Command, Commands};
use crate::tape::Tape;

/// One engine at work.
pub trait Engine {
    /// An empty engine, ready for these commands.
    fn new(commands: &Commands) -> Self;

    /// Reads the next commands ahead, as a venue's executor takes them from its queue: at most [`BATCH`].
    fn read(&mut self, _batch: &[Command]) {}

    /// Does what the next command asks, the one at that place of the batch, and notes what came of it.
    fn apply(&mut self, at: usize, command: &Command, tape: &mut Tape);

    /// Does what all the commands ask.
    #[inline]
    fn apply_all(&mut self, commands: &[Command], tape: &mut Tape) {
        for batch in commands.chunks(BATCH) {
            self.read(batch);
            for (at, command) in batch.iter().enumerate() {
                self.apply(at, command, tape);
            }
        }
    }
}

/// How many commands are read at a time.
pub const BATCH: usize = 32;

/// What to do with an engine, whichever it is: the loop around it is compiled for each.
pub trait Visit {
    /// What comes of it.
    type Output;

    /// Does it with `E`.
    fn with<E: Engine>(&self) -> Self::Output;
}

/// The engines by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// Open Outcry's book, driven directly.
    Book,
    /// Open Outcry's whole engine.
    Whole,
    /// The crate `rust_ob`.
    RustOb,
    /// The crate `orderbook-rs`.
    OrderbookRs,
    /// The crate `lobster`.
    Lobster,
}

impl Name {
    /// All of them, in the order of the tables.
    pub const ALL: &[Self] = &[Self::Book, Self::Whole, Self::RustOb, Self::OrderbookRs, Self::Lobster];

    /// As the tables and the command line write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Book => "openoutcry-book",
            Self::Whole => "openoutcry-engine",
            Self::RustOb => "rust_ob",
            Self::OrderbookRs => "orderbook-rs",
            Self::Lobster => "lobster",
        }
    }

    /// The engine of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|name| name.as_str() == text)
    }

    /// Lets `visit` meet the engine.
    pub fn visit<V: Visit>(self, visit: &V) -> V::Output {
        match self {
            Self::Book => visit.with::<openoutcry_book::Driver>(),
            Self::Whole => visit.with::<openoutcry_engine::Driver>(),
            Self::RustOb => visit.with::<rust_ob::Driver>(),
            Self::OrderbookRs => visit.with::<orderbook_rs::Driver>(),
            Self::Lobster => visit.with::<lobster::Driver>(),
        }
    }
}
