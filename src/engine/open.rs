//! Open orders of one account, to find them all.
//!
//! Kept are ids, sixty-four neighbouring ones to a word, and among them some of orders that have ended: those are dropped a few
//! words at a time, as others come in, so that an order that ends costs nothing here, and none ever much. At most two words an
//! open order, and some.

use std::collections::VecDeque;

/// Ids that share a word.
const GROUP: u64 = 64;

/// Some of sixty-four ids in a row.
#[derive(Clone, Copy, Debug, Default)]
struct Group {
    number: u64,
    /// A bit for each of its ids, the lowest for the first.
    members: u64,
}

impl Group {
    fn ids(self) -> impl Iterator<Item = u64> {
        let Self { number, members } = self;
        let first = number.wrapping_mul(GROUP);
        (0..GROUP).filter(move |at| members >> at & 1 == 1).map(move |at| first | at)
    }
}

/// The ids of an account's open orders, and of some that have ended.
#[derive(Debug, Default)]
pub(super) struct OpenOrders {
    /// The ids that came last.
    newest: Group,
    older: VecDeque<Group>,
    count: u32,
}

impl OpenOrders {
    /// How many are open.
    #[inline(always)]
    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    /// Adds an order.
    #[inline(always)]
    pub(super) fn add(&mut self, id: u64, is_open: impl Fn(u64) -> bool) {
        self.count = self.count.wrapping_add(1);
        let number = id / GROUP;
        if number != self.newest.number {
            self.begin(number, is_open);
        }
        self.newest.members |= 1 << (id % GROUP);
    }

    #[inline(never)]
    fn begin(&mut self, number: u64, is_open: impl Fn(u64) -> bool) {
        let older = std::mem::replace(&mut self.newest, Group { number, members: 0 });
        if older.members != 0 {
            self.older.push_back(older);
        }
        let bound = (self.count as usize).saturating_mul(2).saturating_add(16);
        if self.older.len() > bound {
            for _ in 0..4 {
                if let Some(group) = self.older.pop_front().filter(|group| group.ids().any(&is_open)) {
                    self.older.push_back(group);
                }
            }
        }
    }

    /// Notes that one of them has ended.
    #[inline(always)]
    pub(super) fn remove(&mut self) {
        self.count = self.count.wrapping_sub(1);
    }

    /// All that are open, oldest first.
    pub(super) fn sorted(&self, is_open: impl Fn(u64) -> bool) -> Vec<u64> {
        let groups = self.older.iter().chain([&self.newest]);
        let mut ids: Vec<u64> = groups.flat_map(|group| group.ids()).filter(|id| is_open(*id)).collect();
        ids.sort_unstable();
        ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_is_found_and_what_has_ended_is_dropped() {
        let mut open = OpenOrders::default();
        // Every third order is this account's; every hundredth of these stays open, the others end when fifty have come.
        let is_open = |newest: u64| move |id: u64| id.is_multiple_of(100) || newest - id < 150;
        for id in (3..90_000).step_by(3) {
            open.add(id, is_open(id));
            if id > 150 && !(id - 150).is_multiple_of(100) {
                open.remove();
            }
            assert!(open.older.len() <= 3 * open.count() as usize + 32);
        }
        let expected: Vec<u64> = (3..90_000).step_by(3).filter(|id| is_open(89_997)(*id)).collect();
        assert_eq!(open.sorted(is_open(89_997)), expected);
        assert_eq!(open.count() as usize, expected.len());
    }
}
