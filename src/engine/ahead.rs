//! Looking ahead: what the next commands will need is fetched from memory side by side, not one after the other.
//!
//! A cancel that comes by itself waits for memory again and again: for its order, then the order's level and neighbours. Of many
//! that are known beforehand, the processor waits for all together. Nothing changes: who looks ahead comes to the same as who
//! does not. Worth it only where the orders do not fit the fastest memory, so that few orders are not looked at.

use std::hint::black_box;

use super::Engine;
use crate::domain::OrderId;

/// How many orders are looked at together: more than a processor can wait for at once.
pub const AHEAD_MAX: usize = 64;

impl Engine {
    /// Fetches what canceling or replacing these orders will need. Of more than [`AHEAD_MAX`], the first so many.
    #[inline]
    pub fn look_ahead(&self, orders: impl Iterator<Item = OrderId>) {
        if !self.orders.nodes.are_at_hand() {
            self.fetch(orders);
        }
    }

    fn fetch(&self, orders: impl Iterator<Item = OrderId>) {
        let (mut slots, mut count) = ([super::NONE; AHEAD_MAX], 0usize);
        for (slot, id) in slots.iter_mut().zip(orders) {
            *slot = self.orders.live_slot(id.0).unwrap_or(super::NONE);
            count = count.saturating_add(1);
        }
        // Otherwise none of this would be done.
        black_box(slots.iter().take(count).fold(0, |seen, slot| seen ^ self.glance(*slot)));
    }

    /// Looks at all that taking an order out of its book will touch.
    #[inline(always)]
    fn glance(&self, slot: u32) -> u32 {
        let Some((node, beside)) = self.orders.nodes.find(slot) else { return 0 };
        let market = self.markets.find(beside.instrument);
        market.map_or(0, |market| market.book.glance(&self.orders.nodes, node))
    }
}
