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

/// Entries of a chunk other than the best one.
#[derive(Debug)]
struct Chunk {
    /// No entry of the chunks below is at or above this, no entry of this one is below.
    floor: i64,
    entries: Vec<Entry>,
}

/// Pages by number. The best chunk comes first, so that it may share a cache line with what is before it.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Directory {
    /// The best chunk; empty only if there is no other.
    best: Vec<Entry>,
    best_floor: i64,
    /// The others, the next best last; none is empty.
    lower: Vec<Chunk>,
}

impl Default for Directory {
    fn default() -> Self {
        Self { best: Vec::new(), best_floor: i64::MIN, lower: Vec::new() }
    }
}

impl Directory {
    /// The best page.
    #[inline(always)]
    pub(super) fn last(&self) -> Option<Entry> {
        self.best.last().copied()
    }

    /// The page of this number.
    #[inline(always)]
    pub(super) fn find(&self, number: i64) -> Option<u32> {
        let last = self.best.last()?;
        if let Ok(distance) = usize::try_from(last.number.wrapping_sub(number))
            && let Some(position) = self.best.len().checked_sub(distance.saturating_add(1))
            && let Some(entry) = self.best.get(position)
            && entry.number == number
        {
            return Some(entry.page);
        }
        self.search(number)
    }

    #[inline(never)]
    fn search(&self, number: i64) -> Option<u32> {
        let entries = self.chunk_of(number);
        let position = entries.binary_search_by_key(&number, |entry| entry.number).ok()?;
        entries.get(position).map(|entry| entry.page)
    }

    /// The best page below this number.
    pub(super) fn before(&self, number: i64) -> Option<Entry> {
        let below = |entries: &[Entry]| {
            let position = entries.partition_point(|entry| entry.number < number);
            entries.get(position.checked_sub(1)?).copied()
        };
        if number > self.best_floor {
            return below(&self.best).or_else(|| self.lower.last()?.entries.last().copied());
        }
        let at = self.lower.partition_point(|chunk| chunk.floor < number).checked_sub(1)?;
        below(&self.lower.get(at)?.entries).or_else(|| self.lower.get(at.checked_sub(1)?)?.entries.last().copied())
    }

    /// Adds a page whose number is not there yet.
    pub(super) fn insert(&mut self, entry: Entry) {
        let at = self.lower_chunk(entry.number);
        let entries = at.and_then(|at| self.lower.get_mut(at)).map_or(&mut self.best, |chunk| &mut chunk.entries);
        let position = entries.partition_point(|other| other.number < entry.number);
        entries.insert(position, entry);
        if entries.len() > CHUNK_MAX {
            let mut upper = Vec::with_capacity(CHUNK_MAX + 1);
            upper.extend(entries.drain(CHUNK_MAX / 2..));
            let floor = upper.first().map_or(entry.number, |first: &Entry| first.number);
            match at {
                Some(at) => self.lower.insert(at + 1, Chunk { floor, entries: upper }),
                None => {
                    let entries = std::mem::replace(&mut self.best, upper);
                    let floor = std::mem::replace(&mut self.best_floor, floor);
                    self.lower.push(Chunk { floor, entries });
                }
            }
        }
    }

    /// Takes the page of this number out.
    pub(super) fn remove(&mut self, number: i64) {
        let at = self.lower_chunk(number);
        let entries = at.and_then(|at| self.lower.get_mut(at)).map_or(&mut self.best, |chunk| &mut chunk.entries);
        if let Ok(position) = entries.binary_search_by_key(&number, |entry| entry.number) {
            entries.remove(position);
        }
        if entries.len() < CHUNK_MIN {
            self.join(at);
        }
    }

    /// Joins a small chunk to the next lower one, the lowest to the next higher, if both together leave room to grow.
    fn join(&mut self, at: Option<usize>) {
        let lower = at.unwrap_or(self.lower.len()).saturating_sub(1);
        let Some(chunk) = self.lower.get(lower) else { return };
        let higher = self.lower.get(lower + 1).map_or(&self.best, |chunk| &chunk.entries);
        let (one, other) = (chunk.entries.len(), higher.len());
        if one == 0 || other == 0 || one + other <= CHUNK_MAX / 2 {
            let Chunk { floor, mut entries } = self.lower.remove(lower);
            match self.lower.get_mut(lower) {
                Some(higher) => {
                    entries.append(&mut higher.entries);
                    *higher = Chunk { floor, entries };
                }
                None => {
                    entries.append(&mut self.best);
                    (self.best, self.best_floor) = (entries, floor);
                }
            }
        }
    }

    /// Which of the lower chunks holds this number, or would; `None`: the best one.
    #[inline]
    fn lower_chunk(&self, number: i64) -> Option<usize> {
        if number >= self.best_floor {
            return None;
        }
        // The lowest floor is the least of all numbers.
        Some(self.lower.partition_point(|chunk| chunk.floor <= number).saturating_sub(1))
    }

    fn chunk_of(&self, number: i64) -> &[Entry] {
        let chunk = self.lower_chunk(number).and_then(|at| self.lower.get(at));
        chunk.map_or(&self.best, |chunk| &chunk.entries)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Inserts and removes at a pattern that fills, splits, empties and joins chunks, beside a plain map.
    #[test]
    fn finds_what_a_plain_map_finds() {
        let mut directory = Directory::default();
        let mut map = BTreeMap::new();
        let mut state = 7u64;
        for step in 0..60_000u32 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // Grows for a while, shrinks for a while.
            let grows = (step / 10_000) % 2 == 0;
            let number = i64::try_from((state >> 33) % 8_000).unwrap() - 4_000;
            if directory.find(number).is_some() {
                if !grows || state >> 62 == 0 {
                    directory.remove(number);
                    map.remove(&number);
                }
            } else if grows || state >> 62 == 0 {
                directory.insert(Entry { number, page: step });
                map.insert(number, step);
            }
            let probe = number + 3;
            assert_eq!(directory.find(number), map.get(&number).copied());
            assert_eq!(directory.find(probe), map.get(&probe).copied());
            let before = map.range(..probe).next_back();
            assert_eq!(directory.before(probe).map(|entry| (entry.number, entry.page)), before.map(|(n, p)| (*n, *p)));
            assert_eq!(directory.last().map(|entry| entry.number), map.last_key_value().map(|(number, _)| *number));
            assert!(directory.lower.iter().all(|chunk| !chunk.entries.is_empty() && chunk.entries.len() <= CHUNK_MAX));
            assert!(directory.best.len() <= CHUNK_MAX);
        }
        // Of each sixteen in a row one stays: what has become small is joined.
        map.retain(|number, _| {
            if number % 16 != 0 {
                directory.remove(*number);
            }
            assert!(directory.best.len() <= CHUNK_MAX);
            number % 16 == 0
        });
        assert!(map.len() > 100 && directory.lower.len() <= map.len() / 32 + 2);
        for number in map.keys() {
            directory.remove(*number);
        }
        assert!(directory.last().is_none() && directory.lower.is_empty());
    }
}
