//! The index: where an order is kept, by its id.
//!
//! Ids are dense, so this is an array in pages of [`PAGE`] ids. A page all of whose orders are forgotten is used again;
//! the array itself begins at the oldest page in use. Lookup: two loads. Memory: 4 bytes an order, and a page for each that
//! an old order holds on to.

use std::collections::VecDeque;

use super::table::NONE;

const PAGE_BITS: u32 = 9;
/// Ids of a page.
const PAGE: usize = 1 << PAGE_BITS;

/// [`PAGE`] ids in a row.
#[derive(Debug)]
struct Page {
    slots: [u32; PAGE],
    /// How many of them are known.
    known: u32,
}

/// Slots by order id.
#[derive(Debug, Default)]
pub(super) struct Index {
    pages: VecDeque<Option<Box<Page>>>,
    /// The number of the first page in `pages`.
    first: u64,
    #[expect(clippy::vec_box, reason = "a page goes back and forth without being copied")]
    spare: Vec<Box<Page>>,
}

impl Index {
    /// Keeps the slot of an id. Ids come in order, each once.
    #[inline]
    pub(super) fn insert(&mut self, id: u64, slot: u32) {
        let at = self.page_of(id);
        if at == self.pages.len() {
            self.pages.push_back(None);
        }
        let Some(place) = self.pages.get_mut(at) else { return };
        let fresh = || Box::new(Page { slots: [NONE; PAGE], known: 0 });
        let page = place.get_or_insert_with(|| self.spare.pop().unwrap_or_else(fresh));
        page.known = page.known.saturating_add(1);
        if let Some(place) = page.slots.get_mut(Self::offset(id)) {
            *place = slot;
        }
    }

    /// The slot of an id.
    #[inline]
    pub(super) fn find(&self, id: u64) -> Option<u32> {
        let page = self.pages.get(self.page_of(id))?.as_deref()?;
        page.slots.get(Self::offset(id)).copied().filter(|slot| *slot != NONE)
    }

    /// Forgets an id that it knows.
    #[inline]
    pub(super) fn remove(&mut self, id: u64) {
        let at = self.page_of(id);
        let Some(place) = self.pages.get_mut(at) else { return };
        let Some(page) = place.as_deref_mut() else { return };
        if let Some(slot) = page.slots.get_mut(Self::offset(id)) {
            *slot = NONE;
        }
        page.known = page.known.saturating_sub(1);
        if page.known == 0 {
            self.spare.extend(place.take());
            // The last page stays: the next id may belong to it.
            while self.pages.len() > 1 && matches!(self.pages.front(), Some(None)) {
                self.pages.pop_front();
                self.first = self.first.saturating_add(1);
            }
        }
    }

    /// All known slots, by id.
    pub(super) fn slots(&self) -> impl Iterator<Item = u32> + '_ {
        let pages = self.pages.iter().filter_map(|page| page.as_deref());
        pages.flat_map(|page| page.slots.iter().copied()).filter(|slot| *slot != NONE)
    }

    /// Where in `pages` an id belongs; far beyond them for what was forgotten long ago.
    #[inline(always)]
    fn page_of(&self, id: u64) -> usize {
        usize::try_from((id >> PAGE_BITS).wrapping_sub(self.first)).unwrap_or(usize::MAX)
    }

    #[inline(always)]
    fn offset(id: u64) -> usize {
        // Less than `PAGE`.
        (id as usize) % PAGE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_without_known_orders_are_used_again() {
        let mut index = Index::default();
        for id in 1..10_000 {
            index.insert(id, u32::try_from(id).unwrap());
            if id > 600 {
                index.remove(id - 600);
            }
        }
        assert_eq!(index.find(9_399), None);
        assert_eq!(index.find(9_400), Some(9_400));
        assert_eq!(index.find(u64::MAX), None);
        assert_eq!(index.slots().count(), 600);
        assert!(index.pages.len() + index.spare.len() <= 4);
    }
}
