//! The book of one instrument: two ladders of resting orders and quotes. It matches nothing by itself but for [`Book::take`].
//!
//! In: slots of [`Nodes`], which all books of a venue share. Out: the front of each side, and what stands at a price after a
//! change. A node rests on its own side, behind what stands at its price. Prices are ticks above zero.
//!
//! Costs: see [`ladder`]. Deliberately not here: accounts, order types, self-trades, money.

mod directory;
mod ladder;
mod nodes;

pub use ladder::{Ladder, Step, UNLIMITED_SHARE};
pub use nodes::{Node, Nodes, Owner, Place, UNLIMITED};

use std::hint::select_unpredictable;

use crate::domain::Side;

/// Both sides of an instrument's book.
#[derive(Debug, Default)]
pub struct Book {
    bids: Ladder,
    asks: Ladder,
}

/// A trade between what came in and a resting node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// The resting node's id.
    pub maker: u64,
    /// The resting node's slot; good only until it is used again.
    pub slot: u32,
    /// In ticks.
    pub price: i64,
    /// In lots.
    pub quantity: i64,
}

/// What stands at one price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// In ticks.
    pub price: i64,
    /// The slot of the oldest node.
    pub oldest: u32,
    /// The sum of all leaves; [`UNLIMITED_SHARE`] or more: any amount.
    pub total: i128,
}

impl Level {
    const fn new(side: Side, step: Step) -> Self {
        Self { price: flip(side, step.key), oldest: step.oldest, total: step.total }
    }
}

/// A price as a ladder's key and back: lower asks are better. Without a branch: nobody can guess which side comes next.
#[inline(always)]
const fn flip(side: Side, value: i64) -> i64 {
    let every_bit = match side {
        Side::Buy => 0,
        Side::Sell => -1,
    };
    value ^ every_bit
}

/// Whether a price is at or better than a limit, for the one on `side` who takes it.
#[inline(always)]
pub const fn reaches(side: Side, price: i64, limit: i64) -> bool {
    flip(side.opposite(), price) >= flip(side.opposite(), limit)
}

impl Book {
    /// An empty book.
    pub fn new() -> Self {
        Self::default()
    }

    #[inline(always)]
    fn ladder(&self, side: Side) -> &Ladder {
        select_unpredictable(side == Side::Buy, &self.bids, &self.asks)
    }

    #[inline(always)]
    fn ladder_mut(&mut self, side: Side) -> &mut Ladder {
        select_unpredictable(side == Side::Buy, &mut self.bids, &mut self.asks)
    }

    /// The best price of a side.
    #[inline(always)]
    pub fn best(&self, side: Side) -> Option<i64> {
        self.ladder(side).best().map(|key| flip(side, key))
    }

    /// Whether an order of a side reaches anything at its limit.
    #[inline(always)]
    pub fn is_reached(&self, side: Side, limit: i64) -> bool {
        self.ladder(side.opposite()).best_key() >= flip(side.opposite(), limit)
    }

    /// Whether the best bid is at or above the best ask.
    #[inline(always)]
    pub const fn is_crossed(&self) -> bool {
        self.bids.best_key() >= flip(Side::Sell, self.asks.best_key())
    }

    /// The best price of a side and the slot of its oldest node.
    #[inline(always)]
    pub fn front(&self, side: Side) -> Option<(i64, u32)> {
        self.ladder(side).front().map(|(key, slot)| (flip(side, key), slot))
    }

    /// The level of a side next behind `price`.
    pub fn behind(&self, side: Side, price: i64) -> Option<Level> {
        self.ladder(side).below(flip(side, price)).map(|step| Level::new(side, step))
    }

    /// All levels of a side, best first.
    #[inline]
    pub fn levels(&self, side: Side) -> impl Iterator<Item = Level> + '_ {
        self.ladder(side).steps().map(move |step| Level::new(side, step))
    }

    /// The slot of the oldest node at a price.
    pub fn oldest(&self, side: Side, price: i64) -> Option<u32> {
        self.ladder(side).oldest(flip(side, price))
    }

    /// What stands at a price: the sum of all leaves, [`UNLIMITED_SHARE`] or more if there is no limit.
    pub fn total(&self, side: Side, price: i64) -> i128 {
        self.ladder(side).total(flip(side, price))
    }

    /// Looks at what taking a node out would touch, its level and its neighbours, so that it is at hand by then. What it comes
    /// to means nothing: it is for [`std::hint::black_box`].
    #[inline(always)]
    pub fn glance<T>(&self, nodes: &Nodes<T>, node: &Node) -> u32 {
        let near = |slot: u32| nodes.find(slot).map_or(0, |(node, _)| node.level);
        self.ladder(node.side).glance(node.level) ^ near(node.previous) ^ near(node.next)
    }

    /// Queues a node behind what stands at a price. Returns what stands there now.
    #[inline]
    pub fn rest<T>(&mut self, nodes: &mut Nodes<T>, slot: u32, price: i64) -> i128 {
        let node = &mut nodes[slot];
        node.place = Place::Book;
        let side = node.side;
        self.ladder_mut(side).push_back(nodes, slot, flip(side, price))
    }

    /// Queues a node before `younger` at a price, behind all if that is [`crate::engine::NONE`]. Returns what stands there now.
    pub fn rest_before<T>(&mut self, nodes: &mut Nodes<T>, slot: u32, price: i64, younger: u32) -> i128 {
        let node = &mut nodes[slot];
        node.place = Place::Book;
        let side = node.side;
        self.ladder_mut(side).push_before(nodes, slot, flip(side, price), younger)
    }

    /// Takes a node out. Returns what still stands at its price.
    #[inline]
    pub fn remove<T>(&mut self, nodes: &mut Nodes<T>, slot: u32) -> i128 {
        let node = &mut nodes[slot];
        node.place = Place::Nowhere;
        let side = node.side;
        self.ladder_mut(side).remove(nodes, slot)
    }

    /// Changes how much of a node is left, in its place. Returns what stands at its price now.
    #[inline]
    pub fn resize<T>(&mut self, nodes: &mut Nodes<T>, slot: u32, leaves: i64) -> i128 {
        self.ladder_mut(nodes[slot].side).resize(nodes, slot, leaves)
    }

    /// Trades `quantity` with the oldest node at the best price of a side, which has that much, and takes it out when nothing is
    /// left. Returns what still stands at its price.
    #[inline(always)]
    pub fn fill_front<T>(&mut self, side: Side, nodes: &mut Nodes<T>, quantity: i64) -> i128 {
        self.ladder_mut(side).fill_front(nodes, quantity)
    }

    /// Trades `quantity` with a resting node and takes it out when nothing is left. Returns what still stands at its price.
    #[inline]
    pub fn fill<T>(&mut self, nodes: &mut Nodes<T>, slot: u32, quantity: i64) -> i128 {
        let node = &nodes[slot];
        let (side, leaves) = (node.side, node.leaves);
        if leaves == UNLIMITED {
            return UNLIMITED_SHARE;
        }
        if leaves > quantity {
            return self.ladder_mut(side).resize(nodes, slot, leaves.wrapping_sub(quantity));
        }
        let total = self.remove(nodes, slot);
        nodes[slot].leaves = 0;
        total
    }

    /// Takes up to `quantity` from the side opposite to `side`, at `limit` or better, oldest first; frees the slots of what
    /// is taken whole. Returns what is left of `quantity`. The book alone, without an engine around it.
    #[inline]
    pub fn take<T: Copy + Default>(
        &mut self,
        nodes: &mut Nodes<T>,
        side: Side,
        limit: Option<i64>,
        quantity: i64,
        mut traded: impl FnMut(Match),
    ) -> i64 {
        let mut left = quantity;
        while left > 0 {
            let Some((price, slot)) = self.front(side.opposite()) else { break };
            if limit.is_some_and(|limit| !reaches(side, price, limit)) {
                break;
            }
            let Node { leaves, id, .. } = nodes[slot];
            let quantity = left.min(leaves);
            traded(Match { maker: id, slot, price, quantity });
            self.fill_front(side.opposite(), nodes, quantity);
            if leaves == quantity {
                nodes.free(slot);
            }
            left = left.saturating_sub(quantity);
        }
        left
    }
}

/// The slots of a queue from `slot` on, oldest first.
pub fn queue<T>(nodes: &Nodes<T>, slot: u32) -> impl Iterator<Item = u32> + '_ {
    let some = |slot: u32| (slot != super::NONE).then_some(slot);
    std::iter::successors(some(slot), move |slot| some(nodes[*slot].next))
}
