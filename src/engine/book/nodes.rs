//! Nodes: the part of every order that a book needs, linked into the queue of its price level. Beside each, in the same cache
//! line, lies what else its owner keeps of it: the engine some terms, a book alone nothing.
//!
//! In: terms of an order or of an exchange's quote. Out: a slot, good until freed. Freed slots are used again, the last one
//! first, so that a quiet book stays in cache. A node is in at most one queue at a time. Every operation is O(1).

use crate::domain::Side;
use crate::engine::table::{NONE, Slab};

/// Leaves of a quote without a size: any amount.
pub const UNLIMITED: i64 = i64::MAX;

/// Slots, in use or free, that fit the fastest memory.
const AT_HAND: u32 = 16_384;

/// What a node stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A client's order.
    Client,
    /// An exchange's quote; it has no account.
    Exchange,
}

/// Where a node is linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nowhere: not yet, or no longer.
    Nowhere,
    /// In the book.
    Book,
    /// Among the stops that wait for their trigger.
    Stops,
}

/// What a book needs of an order; its price is its level's. Two to a cache line.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
pub struct Node {
    /// Lots still to trade, or [`UNLIMITED`].
    pub leaves: i64,
    /// The order's id, or the exchange's.
    pub id: u64,
    /// The neighbours in the queue of its level, older and younger.
    pub(super) previous: u32,
    pub(super) next: u32,
    /// Which level of its ladder it is queued in.
    pub(super) level: u32,
    /// Bid or ask.
    pub side: Side,
    /// An order or a quote.
    pub owner: Owner,
    /// Where it is linked.
    pub place: Place,
}

impl Node {
    /// A client's order, linked nowhere yet.
    #[inline(always)]
    pub const fn order(id: u64, side: Side, leaves: i64) -> Self {
        let (owner, place) = (Owner::Client, Place::Nowhere);
        Self { leaves, id, previous: NONE, next: NONE, level: NONE, side, owner, place }
    }

    /// An exchange's quote, linked nowhere yet.
    pub const fn quote(exchange: u32, side: Side, leaves: i64) -> Self {
        Self { owner: Owner::Exchange, ..Self::order(exchange as u64, side, leaves) }
    }
}

/// A node and what lies beside it: in one cache line if that is at most 32 bytes.
#[derive(Clone, Copy, Debug)]
struct Pair<T> {
    node: Node,
    beside: T,
}

/// All nodes of a venue, of all its books.
#[derive(Debug)]
pub struct Nodes<T = ()> {
    slab: Slab<Pair<T>>,
    /// The first free slot; the others follow through `next`.
    free: u32,
}

impl<T> Default for Nodes<T> {
    fn default() -> Self {
        Self { slab: Slab::new(), free: NONE }
    }
}

impl<T: Copy + Default> Nodes<T> {
    /// No nodes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps a node and returns its slot; `None` if there are 2^32 already.
    #[inline(always)]
    pub fn insert(&mut self, node: Node, beside: T) -> Option<u32> {
        let mut slot = self.free;
        if slot == NONE {
            slot = self.grow()?;
        }
        let pair = &mut self.slab[slot];
        self.free = pair.node.next;
        pair.node = node;
        pair.beside = beside;
        Some(slot)
    }

    /// Makes a free slot, linked to no other.
    #[cold]
    fn grow(&mut self) -> Option<u32> {
        self.slab.push(Pair { node: Node::order(0, Side::Buy, 0), beside: T::default() })
    }

    /// Gives the slot of an unlinked node back. Returns what lay beside it.
    #[inline(always)]
    pub fn free(&mut self, slot: u32) -> T {
        let pair = &mut self.slab[slot];
        pair.node.next = self.free;
        self.free = slot;
        pair.beside
    }
}

impl<T> Nodes<T> {
    /// Whether there are so few slots, in use or free, that looking ahead at them gains nothing.
    #[inline(always)]
    pub const fn are_at_hand(&self) -> bool {
        self.slab.len() <= AT_HAND
    }

    /// A node, in use or free, and what lies beside it, if there is one.
    #[inline(always)]
    pub(in crate::engine) fn find(&self, slot: u32) -> Option<(&Node, &T)> {
        self.slab.find(slot).map(|Pair { node, beside }| (node, beside))
    }

    /// A node and what lies beside it.
    #[inline(always)]
    pub fn pair(&self, slot: u32) -> (&Node, &T) {
        let Pair { node, beside } = &self.slab[slot];
        (node, beside)
    }

    /// A node and what lies beside it.
    #[inline(always)]
    pub fn pair_mut(&mut self, slot: u32) -> (&mut Node, &mut T) {
        let Pair { node, beside } = &mut self.slab[slot];
        (node, beside)
    }

    /// What lies beside a node.
    #[inline(always)]
    pub fn beside(&self, slot: u32) -> &T {
        &self.slab[slot].beside
    }

    /// What lies beside a node.
    #[inline(always)]
    pub fn beside_mut(&mut self, slot: u32) -> &mut T {
        &mut self.slab[slot].beside
    }
}

impl<T> std::ops::Index<u32> for Nodes<T> {
    type Output = Node;

    #[inline(always)]
    fn index(&self, slot: u32) -> &Node {
        &self.slab[slot].node
    }
}

impl<T> std::ops::IndexMut<u32> for Nodes<T> {
    #[inline(always)]
    fn index_mut(&mut self, slot: u32) -> &mut Node {
        &mut self.slab[slot].node
    }
}
