//! Where inputs are kept before anything that depends on them may be seen.
//!
//! In: batches of numbered, stamped commands, each with what it will show to the world. Out: the latter, released in order
//! once the former are kept.
//!
//! Invariant: nothing is released before its batch is kept as the mode says, and batches are released in the order in
//! which they were appended. [`Memory`] keeps nothing, so it releases at once.

use crate::domain::{Command, Nanos};

/// One input, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number: 1, 2, 3, …
    pub number: u64,
    /// When it was stamped; never before the record before it.
    pub stamp: Nanos,
    /// What was applied.
    pub command: Command,
}

/// A log of inputs, and the gate that their effects wait behind.
pub trait Journal<E>: Send {
    /// Keeps a batch, and releases its effects once it is kept: before returning, or later from another thread.
    fn append(&mut self, records: Vec<Record>, effects: E);
}

/// Keeps nothing: what happened is forgotten when the process ends.
#[derive(Debug)]
pub struct Memory<F> {
    release: F,
}

impl<F> Memory<F> {
    /// A journal that hands effects to `release` at once.
    pub fn new(release: F) -> Self {
        Self { release }
    }
}

impl<E, F: FnMut(E) + Send> Journal<E> for Memory<F> {
    fn append(&mut self, _: Vec<Record>, effects: E) {
        (self.release)(effects);
    }
}
