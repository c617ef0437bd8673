//! A ladder: one side's price levels, each a queue of nodes, oldest first.
//!
//! Levels are found by key; a higher key is better. Sixteen neighbouring keys share a page, which has a bit for each that is in
//! use, so that a level is found by its bits, and the next best one by the page's bits; [`Directory`] finds the pages. A node
//! knows its level: cancels search for nothing.
//!
//! Invariants: a level in use has a node, a page in use has a level; a level's total is the sum of its nodes' leaves; `best` is
//! the level of the highest key. Costs: O(1) but for a page's first and last level, which cost a search of the directory.
//! Memory: 400 bytes a page, so 25 bytes a price where prices lie close, 416 where each has a page of its own.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "totals: 2^32 nodes of at most 2^60, 64 of 2^100; level numbers of 32 bits"
)]

use std::hint::select_unpredictable;

use super::directory::{Directory, Entry};
use super::nodes::{Node, Nodes, Place, UNLIMITED};
use crate::engine::table::{NONE, Table};

/// The share of an unlimited quote in its level's total. More than all orders together: 2^32 of at most 2^60.
pub const UNLIMITED_SHARE: i128 = 1 << 100;

/// Keys of a page, as a power of two.
const PAGE_BITS: u32 = 4;
const PAGE: u32 = 1 << PAGE_BITS;

/// One price.
#[derive(Clone, Copy, Debug)]
struct Level {
    total: Total,
    oldest: u32,
    youngest: u32,
}

/// An `i128` that aligns like an `i64`.
#[derive(Clone, Copy, Debug)]
#[repr(Rust, packed(8))]
struct Total(i128);

const EMPTY: Level = Level { total: Total(0), oldest: NONE, youngest: NONE };

/// Which of sixteen neighbouring keys have a level. The levels of page `p` are those from `16 × p`.
#[derive(Clone, Copy, Debug)]
struct Page {
    /// The keys' common upper bits.
    number: i64,
    /// A bit for each level in use.
    used: u16,
    /// The next free page, of a free one.
    next_free: u32,
}

/// A level as its neighbours see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The level's key.
    pub key: i64,
    /// The slot of its oldest node.
    pub oldest: u32,
    /// The sum of its nodes' leaves; [`UNLIMITED_SHARE`] or more: any amount.
    pub total: i128,
}

/// One side of a book, or stops of one kind. What queueing a node at a level in use needs comes first, in one cache line.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Ladder {
    /// The key of the best level; the least of all numbers if there is none.
    best_key: i64,
    /// The level of the highest key.
    best: u32,
    free_page: u32,
    levels: Table<Level>,
    directory: Directory,
    pages: Table<Page>,
}

impl Default for Ladder {
    fn default() -> Self {
        Self {
            best_key: i64::MIN,
            best: NONE,
            free_page: NONE,
            levels: Table::new(),
            directory: Directory::default(),
            pages: Table::new(),
        }
    }
}

impl Ladder {
    /// The highest key in use and the oldest node of its level.
    #[inline(always)]
    pub fn front(&self) -> Option<(i64, u32)> {
        if self.best == NONE { None } else { Some((self.best_key, self.levels[self.best].oldest)) }
    }

    /// The highest key in use.
    #[inline(always)]
    pub fn best(&self) -> Option<i64> {
        if self.best == NONE { None } else { Some(self.best_key) }
    }

    /// The highest key in use; the least of all numbers if there is none.
    #[inline(always)]
    pub(super) const fn best_key(&self) -> i64 {
        self.best_key
    }

    /// All levels, the highest key first.
    #[inline]
    pub fn steps(&self) -> impl Iterator<Item = Step> + '_ {
        let mut entry = self.directory.last();
        let mut left = entry.map_or(0, |entry| self.pages[entry.page].used);
        std::iter::from_fn(move || {
            if left == 0 {
                entry = self.directory.before(entry?.number);
                left = self.pages[entry?.page].used;
            }
            let (Entry { number, page }, offset) = (entry?, left.checked_ilog2()?);
            left &= !(1 << offset);
            Some(self.step((number << PAGE_BITS) | i64::from(offset), (page << PAGE_BITS) | offset))
        })
    }

    /// The level of the highest key below `key`.
    pub fn below(&self, key: i64) -> Option<Step> {
        let number = key >> PAGE_BITS;
        if let Some(page) = self.directory.find(number) {
            let lower = self.pages[page].used & ((1 << Self::offset(key)) - 1);
            if let Some(offset) = lower.checked_ilog2() {
                return Some(self.step((number << PAGE_BITS) | i64::from(offset), (page << PAGE_BITS) | offset));
            }
        }
        let Entry { number, page } = self.directory.before(number)?;
        let offset = self.pages[page].used.checked_ilog2()?;
        Some(self.step((number << PAGE_BITS) | i64::from(offset), (page << PAGE_BITS) | offset))
    }

    fn step(&self, key: i64, level: u32) -> Step {
        let Level { total, oldest, .. } = self.levels[level];
        Step { key, oldest, total: total.0 }
    }

    /// The oldest node of a key's level.
    pub fn oldest(&self, key: i64) -> Option<u32> {
        let page = self.directory.find(key >> PAGE_BITS)?;
        Some(self.levels[(page << PAGE_BITS) | Self::offset(key)].oldest).filter(|oldest| *oldest != NONE)
    }

    /// What stands at `key`: the total of its nodes, 0 if there is no level.
    pub fn total(&self, key: i64) -> i128 {
        let page = self.directory.find(key >> PAGE_BITS);
        page.map_or(0, |page| self.levels[(page << PAGE_BITS) | Self::offset(key)].total.0)
    }

    /// The youngest node of a level, if there is such a level.
    #[inline(always)]
    pub(super) fn glance(&self, level: u32) -> u32 {
        self.levels.find(level).map_or(NONE, |level| level.youngest)
    }

    /// Queues an unlinked node at the back of a key's level. Returns what stands there now.
    #[inline]
    pub fn push_back<T>(&mut self, nodes: &mut Nodes<T>, slot: u32, key: i64) -> i128 {
        let page = match self.directory.find(key >> PAGE_BITS) {
            Some(page) => page,
            None => self.new_page(key >> PAGE_BITS),
        };
        let level = (page << PAGE_BITS) | Self::offset(key);
        let at = &mut self.levels[level];
        let youngest = std::mem::replace(&mut at.youngest, slot);
        let is_first = youngest == NONE;
        // Without a branch: nobody can guess how much stands where. A node that has no neighbour stands in for it.
        at.oldest = select_unpredictable(is_first, slot, at.oldest);
        nodes[select_unpredictable(is_first, slot, youngest)].next = slot;
        let node = &mut nodes[slot];
        (node.level, node.previous, node.next) = (level, youngest, NONE);
        at.total.0 += share(node.leaves);
        let total = at.total.0;
        if is_first {
            self.occupy(level, key);
        }
        total
    }

    /// Takes a level that has got its first node into use.
    #[inline]
    fn occupy(&mut self, level: u32, key: i64) {
        self.pages[level >> PAGE_BITS].used |= 1 << (level % PAGE);
        if key > self.best_key {
            (self.best, self.best_key) = (level, key);
        }
    }

    /// Queues an unlinked node before `younger`, or at the back if that is [`NONE`]. Returns what stands there now.
    pub fn push_before<T>(&mut self, nodes: &mut Nodes<T>, slot: u32, key: i64, younger: u32) -> i128 {
        if younger == NONE {
            return self.push_back(nodes, slot, key);
        }
        let level = nodes[younger].level;
        let older = std::mem::replace(&mut nodes[younger].previous, slot);
        let node = &mut nodes[slot];
        (node.level, node.previous, node.next) = (level, older, younger);
        let share = share(node.leaves);
        if older == NONE {
            self.levels[level].oldest = slot;
        } else {
            nodes[older].next = slot;
        }
        self.add(level, share)
    }

    /// Takes `quantity` from the oldest node of the best level, and the node out when nothing is left. Returns what stands there
    /// now.
    #[inline(always)]
    pub fn fill_front<T>(&mut self, nodes: &mut Nodes<T>, quantity: i64) -> i128 {
        let at = &mut self.levels[self.best];
        let node = &mut nodes[at.oldest];
        if node.leaves == UNLIMITED {
            return at.total.0;
        }
        node.leaves = node.leaves.wrapping_sub(quantity);
        at.total.0 -= quantity as i128;
        let total = at.total.0;
        if node.leaves == 0 {
            node.place = Place::Nowhere;
            let next = node.next;
            at.oldest = next;
            if next == NONE {
                at.youngest = NONE;
                self.vacate(self.best);
            } else {
                nodes[next].previous = NONE;
            }
        }
        total
    }

    /// Takes a node out of its level. Returns what stands there now.
    #[inline]
    pub fn remove<T>(&mut self, nodes: &mut Nodes<T>, slot: u32) -> i128 {
        let Node { leaves, level, previous, next, .. } = nodes[slot];
        let at = &mut self.levels[level];
        // Without a branch, as above.
        let (is_oldest, is_youngest) = (previous == NONE, next == NONE);
        at.oldest = select_unpredictable(is_oldest, next, at.oldest);
        at.youngest = select_unpredictable(is_youngest, previous, at.youngest);
        nodes[select_unpredictable(is_oldest, slot, previous)].next = next;
        nodes[select_unpredictable(is_youngest, slot, next)].previous = previous;
        at.total.0 -= share(leaves);
        let total = at.total.0;
        if at.oldest == NONE {
            self.vacate(level);
        }
        total
    }

    /// Lowers or raises a node's leaves, in its place. Returns what stands there now.
    #[inline]
    pub fn resize<T>(&mut self, nodes: &mut Nodes<T>, slot: u32, leaves: i64) -> i128 {
        let node = &mut nodes[slot];
        let change = share(leaves) - share(std::mem::replace(&mut node.leaves, leaves));
        let level = node.level;
        self.add(level, change)
    }

    #[inline(always)]
    fn add(&mut self, level: u32, change: i128) -> i128 {
        let total = &mut self.levels[level].total;
        total.0 += change;
        total.0
    }

    #[cold]
    fn new_page(&mut self, number: i64) -> u32 {
        let fresh = Page { number, used: 0, next_free: NONE };
        let page = if self.free_page == NONE {
            for _ in 0..PAGE {
                self.levels.push(EMPTY);
            }
            // A page in use has a node, and the engine keeps to fewer than 2^28 of those.
            self.pages.push(fresh).unwrap_or_default()
        } else {
            let page = self.free_page;
            self.free_page = self.pages[page].next_free;
            self.pages[page] = fresh;
            page
        };
        self.directory.insert(Entry { number, page });
        page
    }

    /// Takes a level without nodes out of use.
    #[inline]
    fn vacate(&mut self, level: u32) {
        let number = level >> PAGE_BITS;
        let page = &mut self.pages[number];
        page.used &= !(1 << (level % PAGE));
        if page.used == 0 {
            self.free_page(number);
        }
        if level == self.best {
            self.find_best(number);
        }
    }

    #[cold]
    fn free_page(&mut self, page: u32) {
        self.directory.remove(self.pages[page].number);
        self.pages[page].next_free = self.free_page;
        self.free_page = page;
    }

    /// Finds the best level again, in the page where it was or in the best one.
    #[inline]
    fn find_best(&mut self, page: u32) {
        let page = if self.pages[page].used == 0 { self.directory.last().map(|entry| entry.page) } else { Some(page) };
        let found = page.and_then(|page| Some((page, self.pages[page].used.checked_ilog2()?)));
        (self.best, self.best_key) = found.map_or((NONE, i64::MIN), |(page, offset)| {
            ((page << PAGE_BITS) | offset, (self.pages[page].number << PAGE_BITS) | i64::from(offset))
        });
    }

    /// A key's place in its page.
    #[inline(always)]
    const fn offset(key: i64) -> u32 {
        // Sixteen values.
        (key as u32) % PAGE
    }
}

/// What a node adds to its level's total.
#[inline(always)]
fn share(leaves: i64) -> i128 {
    if leaves == UNLIMITED { UNLIMITED_SHARE } else { leaves as i128 }
}
