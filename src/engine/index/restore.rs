//! An index made at once, of all orders that are known.

use super::{Index, Leaf, PAGE, PAGE_BITS, Place};

/// The most pages from the oldest known order to the newest: 69 billion orders.
const PAGES_MAX: u64 = 1 << 27;

impl Index {
    /// An index of `known` orders, by id, when `last_id` was the last one given out; `None` if an id is there twice, beyond the
    /// last, or too far from it.
    pub(in crate::engine) fn restored(last_id: u64, known: &[(u64, Place)]) -> Option<Self> {
        let next_id = last_id.checked_add(1)?;
        let first = known.first().map_or(next_id, |(id, _)| *id) >> PAGE_BITS;
        let mut index = Self { first, ..Self::default() };
        let mut before = 0;
        let end = next_id.checked_add(511)? >> PAGE_BITS;
        if end.checked_sub(first)? > PAGES_MAX {
            return None;
        }
        for page in known.chunk_by(|(one, _), (other, _)| one >> PAGE_BITS == other >> PAGE_BITS) {
            let number = page.first()?.0 >> PAGE_BITS;
            index.skip_to(number);
            let mut places = Box::new([Place::NOWHERE; PAGE]);
            let mut live = 0u16;
            for (id, place) in page {
                if *id <= before || *id > last_id {
                    return None;
                }
                before = *id;
                live = live.wrapping_add(u16::from(!place.is_closed()));
                if let Some(known) = places.get_mut(Self::offset(*id)) {
                    *known = *place;
                }
            }
            index.push(number, places, live, next_id);
        }
        // The page of the next order, if others of it have been.
        let number = next_id >> PAGE_BITS;
        if Self::offset(next_id) != 0 && index.page_of(next_id) >= index.leaves.len() {
            index.skip_to(number);
            index.push(number, Box::new([Place::NOWHERE; PAGE]), 0, next_id);
        }
        index.skip_to(end);
        Some(index)
    }

    /// Leaves pages out up to this one: their orders have ended, and are forgotten.
    fn skip_to(&mut self, number: u64) {
        while self.first.wrapping_add(self.leaves.len() as u64) < number {
            self.leaves.push_back(Leaf::default());
        }
    }

    fn push(&mut self, number: u64, places: Box<[Place; PAGE]>, live: u16, next_id: u64) {
        let end = number.wrapping_add(1) << PAGE_BITS;
        // Less than a page.
        let to_come = u16::try_from(end.saturating_sub(next_id)).unwrap_or(u16::MAX).min(512);
        let pending = live.wrapping_add(to_come);
        self.leaves.push_back(Leaf { page: Some(places), pending });
        if pending == 0 {
            self.done.push_back((number, self.ended));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restored_index_finds_the_same_and_gives_its_pages_up_in_the_end() {
        let known = [(700, Place::live(3)), (20_000, Place::closed(0)), (20_001, Place::live(4))];
        let mut index = Index::restored(20_002, &known).unwrap();
        for (id, place) in known {
            assert_eq!(index.find(id), Some(place));
        }
        for id in [0, 1, 699, 701, 5_000, 20_002, 20_003, u64::MAX] {
            assert_eq!(index.find(id), None, "{id}");
        }
        assert_eq!(index.ids().collect::<Vec<_>>(), [700, 20_000, 20_001]);
        index.close(700, 1, 2);
        index.close(20_001, 0, 2);
        for id in 20_003..30_000 {
            index.insert(id, 9);
            assert_eq!(index.find(id), Some(Place::live(9)));
            index.close(id, 1, 2);
        }
        assert_eq!(index.find(29_999), Some(Place::closed(1)));
        assert!(index.leaves.len() < 3, "{} pages", index.leaves.len());
    }

    #[test]
    fn ids_that_cannot_be_are_refused() {
        let at = |id| (id, Place::live(0));
        assert!(Index::restored(5, &[at(6)]).is_none());
        assert!(Index::restored(5, &[at(0)]).is_none());
        assert!(Index::restored(5, &[at(4), at(4)]).is_none());
        assert!(Index::restored(u64::MAX, &[]).is_none());
        assert!(Index::restored(u64::MAX - 1_000, &[at(1)]).is_none());
        assert_eq!(Index::restored(u64::MAX - 1_000, &[]).unwrap().ids().count(), 0);
    }
}
