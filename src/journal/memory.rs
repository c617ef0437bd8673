//! A journal that keeps nothing: `journal.mode = "none"`.

use std::task::{Context, Poll};

use super::{Gate, Journal, Record};

/// Keeps nothing: what happened is forgotten when the process ends.
#[derive(Debug)]
pub struct Memory<G> {
    gate: G,
}

impl<G> Memory<G> {
    /// A journal that lets effects through `gate` at once.
    pub fn new(gate: G) -> Self {
        Self { gate }
    }
}

impl<E, G: Gate<E>> Journal<E> for Memory<G> {
    fn poll_room(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn append(&mut self, _: Vec<Record>, _: u64, effects: E) {
        let ready = self.gate.prepare(effects);
        self.gate.release(ready);
    }
}
