//! The index: where an order is kept, by its id.
//!
//! Ids are dense, so this is an array in pages of [`PAGE`] ids. An id is never taken out: whoever looks up an ended order compares
//! its id with what is found. A page whose orders have all ended is given up when as many have ended since as are kept, and
//! used again; the array itself begins at the oldest page in use. Lookup: two loads. Memory: 4 bytes an order, and a page
//! for each that an old order holds on to.

use std::collections::VecDeque;

const PAGE_BITS: u32 = 9;
/// Ids of a page.
const PAGE: usize = 1 << PAGE_BITS;

/// Where an order is: a slot, or a place in the ring of ended orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u32);

impl Place {
    /// Nowhere yet.
    const NOWHERE: Self = Self(u32::MAX);
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
type Page = [Place; PAGE];

/// A page, and what there is to know of it.
#[derive(Debug, Default)]
struct Leaf {
    /// `None` once it is given up.
    page: Option<Box<Page>>,
    /// How many of its ids have not ended, those yet to come included.
    pending: u16,
}

impl Leaf {
    #[inline(always)]
    fn set(&mut self, id: u64, place: Place) {
        if let Some(known) = self.page.as_deref_mut().and_then(|page| page.get_mut(Index::offset(id))) {
            *known = place;
        }
    }
}

/// Places by order id.
#[derive(Debug, Default)]
pub(super) struct Index {
    leaves: VecDeque<Leaf>,
    /// The number of the first page in `leaves`.
    first: u64,
    /// The pages whose orders have all ended, each with how many had ended by then.
    done: VecDeque<(u64, u64)>,
    /// How many orders have ended.
    ended: u64,
    #[expect(clippy::vec_box, reason = "a page goes back and forth without being copied")]
    spare: Vec<Box<Page>>,
}

impl Index {
    /// Keeps the slot of a new order. Ids come in order, each once.
    #[inline(always)]
    pub(super) fn insert(&mut self, id: u64, slot: u32) {
        if let Some(leaf) = self.leaf(id) {
            leaf.set(id, Place::live(slot));
        }
    }

    /// The page of an id that is the next one, or known.
    #[inline(always)]
    fn leaf(&mut self, id: u64) -> Option<&mut Leaf> {
        let at = self.page_of(id);
        if at == self.leaves.len() {
            self.add_page();
        }
        self.leaves.get_mut(at)
    }

    #[cold]
    fn add_page(&mut self) {
        let mut page = self.spare.pop().unwrap_or_else(|| Box::new([Place::NOWHERE; PAGE]));
        page.fill(Place::NOWHERE);
        // There is no id 0.
        let pending = if self.first == 0 && self.leaves.is_empty() { 511 } else { 512 };
        self.leaves.push_back(Leaf { page: Some(page), pending });
    }

    /// Keeps the place of an order that has ended, known or the next one; gives pages up that no longer count, given how many
    /// ended orders are kept.
    #[inline(always)]
    pub(super) fn close(&mut self, id: u64, place: u32, kept: u64) {
        self.ended = self.ended.wrapping_add(1);
        if let Some(leaf) = self.leaf(id) {
            leaf.set(id, Place::closed(place));
            leaf.pending = leaf.pending.wrapping_sub(1);
            if leaf.pending == 0 {
                self.done.push_back((id >> PAGE_BITS, self.ended));
            }
        }
        if let Some((_, then)) = self.done.front()
            && self.ended.wrapping_sub(*then) >= kept
        {
            self.give_up();
        }
    }

    /// Gives up the page that has been done for longest.
    #[cold]
    fn give_up(&mut self) {
        if let Some((number, _)) = self.done.pop_front() {
            let at = usize::try_from(number.wrapping_sub(self.first)).unwrap_or(usize::MAX);
            if let Some(leaf) = self.leaves.get_mut(at) {
                self.spare.extend(leaf.page.take());
            }
            while let Some(Leaf { page: None, .. }) = self.leaves.front() {
                self.leaves.pop_front();
                self.first = self.first.wrapping_add(1);
            }
        }
    }

    /// The place of an id, which may have been given to another since, if it has ended.
    #[inline(always)]
    pub(super) fn find(&self, id: u64) -> Option<Place> {
        let page = self.leaves.get(self.page_of(id))?.page.as_deref()?;
        page.get(Self::offset(id)).copied().filter(|place| *place != Place::NOWHERE)
    }

    /// All ids in use, in order, and some that no longer are.
    pub(super) fn ids(&self) -> impl Iterator<Item = u64> + '_ {
        let pages = (self.first..).zip(&self.leaves).filter_map(|(number, leaf)| Some((number, leaf.page.as_deref()?)));
        pages.flat_map(|(number, page)| {
            let known = (number << PAGE_BITS..).zip(page).filter(|(_, place)| **place != Place::NOWHERE);
            known.map(|(id, _)| id)
        })
    }

    /// Where in `leaves` an id belongs; far beyond them for what was given up.
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

mod restore;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_ended_orders_are_used_again_once_they_no_longer_count() {
        let mut index = Index::default();
        for id in 1..20_000u64 {
            index.insert(id, u32::try_from(id).unwrap());
            // The order 700 stays open.
            if id > 600 && id - 600 != 700 {
                index.close(id - 600, 7, 1_000);
            }
        }
        assert_eq!(index.find(19_400).map(Place::number), Some(19_400));
        assert_eq!(index.find(700), Some(Place::live(700)));
        assert_eq!(index.find(19_399), Some(Place::closed(7)));
        assert_eq!(index.find(2_000), None);
        assert_eq!(index.find(u64::MAX), None);
        let ids: Vec<u64> = index.ids().collect();
        assert!(ids.is_sorted() && ids.len() < 3_000);
        assert!(index.leaves.iter().filter(|leaf| leaf.page.is_some()).count() + index.spare.len() < 8);
    }

    #[test]
    fn an_order_may_end_before_it_was_ever_live() {
        let mut index = Index::default();
        for id in 1..5_000u64 {
            index.close(id, 0, 0);
        }
        assert_eq!(index.find(4_999), Some(Place::closed(0)));
        assert_eq!(index.find(1), None);
        index.insert(5_000, 3);
        assert_eq!(index.find(5_000), Some(Place::live(3)));
    }
}
