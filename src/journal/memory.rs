//! A journal that keeps nothing: `journal.mode = "none"`.

use super::{Journal, Record};

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
    fn append(&mut self, _: Vec<Record>, _: u64, effects: E) {
        (self.release)(effects);
    }
}
