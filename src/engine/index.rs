//! The index: where an order is kept, by its id.
//!
//! Ids are dense, so this is an array in pages of [`PAGE`] ids. A page all of whose orders are forgotten is used again;
//! the array itself begins at the oldest page in use. Lookup: two loads. Memory: 4 bytes an order, and a page for each that
//! an old order holds on to.

use std::collections::VecDeque;

const PAGE_BITS: u32 = 9;
/// Ids of a page.
const PAGE: usize = 1 << PAGE_BITS;

/// Where an order is: a slot, or a place in the ring of ended orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u32);

impl Place {
    /// Nowhere yet, or no longer.
    pub(super) const NOWHERE: Self = Self(u32::MAX);
    /// The bit of what has ended.
    const CLOSED: u32 = 1 << 31;

    /// A slot; there are fewer than 2^31.
    #[inline(always)]
    pub(super) const fn live(slot: u32) -> Self {
        Self(slot & !Self::CLOSED)
    }

    /// A place in the ring of ended orders; there are fewer than 2^31 - 1.
    #[inline(always)]
    pub(super) const fn closed(place: u32) -> Self {
        Self(place | Self::CLOSED)
    }

    /// The slot, or the place in the ring.
    #[inline(always)]
    pub(super) const fn number(self) -> u32 {
        self.0 & !Self::CLOSED
    }

    #[inline(always)]
    pub(super) const fn is_closed(self) -> bool {
        self.0 & Self::CLOSED != 0
    }
}

/// [`PAGE`] ids in a row.
#[derive(Debug)]
struct Page {
    places: [Place; PAGE],
    /// How many of them are known.
    known: u32,
}

/// Places by order id.
#[derive(Debug, Default)]
pub(super) struct Index {
    pages: VecDeque<Option<Box<Page>>>,
    /// The number of the first page in `pages`.
    first: u64,
    #[expect(clippy::vec_box, reason = "a page goes back and forth without being copied")]
    spare: Vec<Box<Page>>,
}

impl Index {
    /// Keeps the place of a new id. Ids come in order, each once.
    #[inline(always)]
    pub(super) fn insert(&mut self, id: u64, place: Place) {
        let at = self.page_of(id);
        if at == self.pages.len() {
            self.pages.push_back(None);
        }
        let Some(page) = self.pages.get_mut(at) else { return };
        let fresh = || Box::new(Page { places: [Place::NOWHERE; PAGE], known: 0 });
        let page = page.get_or_insert_with(|| self.spare.pop().unwrap_or_else(fresh));
        page.known = page.known.wrapping_add(1);
        if let Some(known) = page.places.get_mut(Self::offset(id)) {
            *known = place;
        }
    }

    /// Moves an id that it knows.
    #[inline(always)]
    pub(super) fn set(&mut self, id: u64, place: Place) {
        let page = self.page_of(id);
        if let Some(Some(page)) = self.pages.get_mut(page)
            && let Some(known) = page.places.get_mut(Self::offset(id))
        {
            *known = place;
        }
    }

    /// The place of an id.
    #[inline(always)]
    pub(super) fn find(&self, id: u64) -> Option<Place> {
        let page = self.pages.get(self.page_of(id))?.as_deref()?;
        page.places.get(Self::offset(id)).copied().filter(|place| *place != Place::NOWHERE)
    }

    /// Forgets an id that it knows.
    #[inline]
    pub(super) fn remove(&mut self, id: u64) {
        let at = self.page_of(id);
        let Some(place) = self.pages.get_mut(at) else { return };
        let Some(page) = place.as_deref_mut() else { return };
        if let Some(known) = page.places.get_mut(Self::offset(id)) {
            *known = Place::NOWHERE;
        }
        page.known = page.known.wrapping_sub(1);
        if page.known == 0 {
            self.spare.extend(place.take());
            // The last page stays: the next id may belong to it.
            while self.pages.len() > 1 && matches!(self.pages.front(), Some(None)) {
                self.pages.pop_front();
                self.first = self.first.saturating_add(1);
            }
        }
    }

    /// All known ids, in order.
    pub(super) fn ids(&self) -> impl Iterator<Item = u64> + '_ {
        (self.first..).zip(&self.pages).filter_map(|(number, page)| Some((number, page.as_deref()?))).flat_map(
            |(number, page)| {
                let known = (number << PAGE_BITS..).zip(&page.places).filter(|(_, place)| **place != Place::NOWHERE);
                known.map(|(id, _)| id)
            },
        )
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
            index.insert(id, Place::live(u32::try_from(id).unwrap()));
            if id > 600 {
                index.remove(id - 600);
            }
        }
        assert_eq!(index.find(9_399), None);
        assert_eq!(index.find(9_400).map(Place::number), Some(9_400));
        assert_eq!(index.find(u64::MAX), None);
        assert_eq!(index.ids().collect::<Vec<_>>(), (9_400..10_000).collect::<Vec<_>>());
        assert!(index.pages.len() + index.spare.len() <= 4);
    }
}
