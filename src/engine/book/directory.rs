//! The directory of a ladder: which page of levels holds which prices, sorted, the best at the end.
//!
//! In: page numbers (higher is better) with the page's place in memory. A page number occurs once. Entries lie in chunks of at
//! most [`CHUNK_MAX`]; a book near one price has one chunk and works like a sorted array. Where the pages near the touch have no
//! holes between them, and they rarely have, a page is found by its distance from the best one, without a search. Otherwise
//! two binary searches; an insertion moves at most a chunk, O(√n) all told for a million pages.

#![expect(clippy::arithmetic_side_effects, reason = "positions in arrays of at most 2^32 entries")]

/// Entries of a chunk before it is split in two.
const CHUNK_MAX: usize = 512;
/// Entries of a chunk below which it joins a neighbour, if both together leave room to grow.
const CHUNK_MIN: usize = 64;

/// A page's number and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) number: i64,
    pub(super) page: u32,
}

/// Entries from `floor` up to the next chunk's.
#[derive(Debug)]
struct Chunk {
    floor: i64,
    entries: Vec<Entry>,
}

/// Pages by number.
#[derive(Debug, Default)]
pub(super) struct Directory {
    /// None is empty, unless it is the only one: a book that empties and fills again does not allocate.
    chunks: Vec<Chunk>,
}

impl Directory {
    /// The best page.
    #[inline]
    pub(super) fn last(&self) -> Option<Entry> {
        self.chunks.last()?.entries.last().copied()
    }

    /// The page of this number.
    #[inline]
    pub(super) fn find(&self, number: i64) -> Option<u32> {
        let entries = &self.chunks.last()?.entries;
        let last = entries.last()?;
        if let Ok(distance) = usize::try_from(last.number.wrapping_sub(number))
            && let Some(position) = entries.len().checked_sub(distance.saturating_add(1))
            && let Some(entry) = entries.get(position)
            && entry.number == number
        {
            return Some(entry.page);
        }
        self.search(number)
    }

    fn search(&self, number: i64) -> Option<u32> {
        let entries = &self.chunks.get(self.chunk_of(number))?.entries;
        let position = entries.binary_search_by_key(&number, |entry| entry.number).ok()?;
        entries.get(position).map(|entry| entry.page)
    }

    /// The best page below this number.
    pub(super) fn before(&self, number: i64) -> Option<Entry> {
        let at = self.chunk_of(number);
        let entries = &self.chunks.get(at)?.entries;
        let position = entries.partition_point(|entry| entry.number < number);
        match position.checked_sub(1) {
            Some(position) => entries.get(position).copied(),
            None => self.chunks.get(at.checked_sub(1)?)?.entries.last().copied(),
        }
    }

    /// Adds a page whose number is not there yet.
    pub(super) fn insert(&mut self, entry: Entry) {
        let at = self.chunk_of(entry.number);
        let Some(Chunk { entries, .. }) = self.chunks.get_mut(at) else {
            self.chunks.push(Chunk { floor: i64::MIN, entries: vec![entry] });
            return;
        };
        let position = entries.partition_point(|other| other.number < entry.number);
        entries.insert(position, entry);
        if entries.len() > CHUNK_MAX {
            let mut upper = Vec::with_capacity(CHUNK_MAX + 1);
            upper.extend(entries.drain(CHUNK_MAX / 2..));
            let floor = upper.first().map_or(entry.number, |first: &Entry| first.number);
            self.chunks.insert(at + 1, Chunk { floor, entries: upper });
        }
    }

    /// Takes the page of this number out.
    pub(super) fn remove(&mut self, number: i64) {
        let at = self.chunk_of(number);
        let Some(Chunk { entries, .. }) = self.chunks.get_mut(at) else { return };
        if let Ok(position) = entries.binary_search_by_key(&number, |entry| entry.number) {
            entries.remove(position);
        }
        if entries.len() < CHUNK_MIN && self.chunks.len() > 1 {
            self.join(at);
        }
    }

    /// Joins a small chunk to its left neighbour, the first one to its right, if both together leave room to grow.
    fn join(&mut self, at: usize) {
        let left = at.saturating_sub(1);
        let length = |at: usize| self.chunks.get(at).map_or(0, |chunk| chunk.entries.len());
        let (one, other) = (length(left), length(left + 1));
        if one == 0 || other == 0 || one + other <= CHUNK_MAX / 2 {
            let right = self.chunks.remove(left + 1);
            if let Some(chunk) = self.chunks.get_mut(left) {
                chunk.entries.extend(right.entries);
            }
        }
    }

    /// The chunk that holds this number, or would.
    #[inline]
    fn chunk_of(&self, number: i64) -> usize {
        self.chunks.partition_point(|chunk| chunk.floor <= number).saturating_sub(1)
    }
}
