//! Dense tables: values found by a small number. The only place of the engine that indexes.
//!
//! A number is handed out by `push` and stays good for the life of the table, so that a lookup cannot miss: one that does
//! is a fault of the engine, and stops the process. [`Table`] is one piece of memory, for what there is little of.
//! [`Slab`] grows by whole chunks that never move: no copy, no pause and no spare half when there are millions.

#![expect(clippy::indexing_slicing, reason = "numbers come from `push`, and nothing is ever removed")]

use std::ops::{Index, IndexMut};

/// The number that stands for no entry.
pub const NONE: u32 = u32::MAX;

/// Values in one piece of memory.
#[derive(Debug)]
pub(super) struct Table<T>(Vec<T>);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Table<T> {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Appends a value and returns its number; `None` if the numbers are used up.
    pub(super) fn push(&mut self, value: T) -> Option<u32> {
        let number = u32::try_from(self.0.len()).ok().filter(|number| *number < NONE)?;
        self.0.push(value);
        Some(number)
    }

    pub(super) fn find(&self, number: u32) -> Option<&T> {
        self.0.get(number as usize)
    }

    pub(super) fn find_mut(&mut self, number: u32) -> Option<&mut T> {
        self.0.get_mut(number as usize)
    }

    pub(super) fn contains(&self, number: u32) -> bool {
        (number as usize) < self.0.len()
    }

    pub(super) fn as_slice(&self) -> &[T] {
        &self.0
    }

    /// How many there are.
    pub(super) fn len(&self) -> u32 {
        // `push` keeps it below `NONE`.
        u32::try_from(self.0.len()).unwrap_or(NONE)
    }
}

impl<T> Index<u32> for Table<T> {
    type Output = T;

    #[inline(always)]
    fn index(&self, number: u32) -> &T {
        &self.0[number as usize]
    }
}

impl<T> IndexMut<u32> for Table<T> {
    #[inline(always)]
    fn index_mut(&mut self, number: u32) -> &mut T {
        &mut self.0[number as usize]
    }
}

const CHUNK_BITS: u32 = 12;
const CHUNK: usize = 1 << CHUNK_BITS;

/// Values that begin with a cache line.
#[derive(Debug)]
#[repr(align(64))]
struct Chunk<T>([T; CHUNK]);

/// Values in chunks that never move.
#[derive(Debug)]
pub(super) struct Slab<T> {
    chunks: Vec<Box<Chunk<T>>>,
    len: u32,
}

impl<T> Slab<T> {
    pub(super) const fn new() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }
}

impl<T> Slab<T> {
    /// How many there are.
    #[inline(always)]
    pub(super) const fn len(&self) -> u32 {
        self.len
    }

    #[inline(always)]
    pub(super) fn find(&self, number: u32) -> Option<&T> {
        self.chunks.get((number >> CHUNK_BITS) as usize)?.0.get(number as usize % CHUNK)
    }
}

impl<T: Copy> Slab<T> {
    /// Appends a value and returns its number; `None` if the numbers are used up.
    pub(super) fn push(&mut self, value: T) -> Option<u32> {
        let number = self.len;
        self.len = number.checked_add(1)?;
        if (number as usize).is_multiple_of(CHUNK) {
            self.grow(value);
        }
        self[number] = value;
        Some(number)
    }

    /// Adds a chunk. By itself, since its values pass over the stack.
    #[inline(never)]
    fn grow(&mut self, value: T) {
        self.chunks.push(Box::new(Chunk([value; CHUNK])));
    }
}

impl<T> Index<u32> for Slab<T> {
    type Output = T;

    #[inline(always)]
    fn index(&self, number: u32) -> &T {
        &self.chunks[(number >> CHUNK_BITS) as usize].0[number as usize % CHUNK]
    }
}

impl<T> IndexMut<u32> for Slab<T> {
    #[inline(always)]
    fn index_mut(&mut self, number: u32) -> &mut T {
        &mut self.chunks[(number >> CHUNK_BITS) as usize].0[number as usize % CHUNK]
    }
}
