//! The audit: every invariant, checked over the whole state. For tests, and for whoever wants to be sure; O(everything).

use super::Engine;
use super::book::{Owner, Place, UNLIMITED, UNLIMITED_SHARE, queue};
use super::orders::Found;
use super::terms::Head;
use crate::domain::{Side, Status, TriggerBy};

impl Engine {
    /// Checks that the state is sound.
    ///
    /// # Panics
    ///
    /// If it is not: a level's total is not the sum of its queue, a queue is not in order, an account's open orders or holds
    /// are not those of its orders, an asset is not all where it should be, or a client's order crosses a level.
    pub fn audit(&self) {
        assert!(self.triggered.is_empty(), "nothing is left half done between commands");
        let mut in_books = 0u32;
        for market in 0..self.markets.len() {
            assert!(self.is_uncrossed(market), "no client order crosses a level");
            for side in [Side::Buy, Side::Sell] {
                in_books = in_books.saturating_add(self.audit_side(market, side));
                for by in [TriggerBy::Last, TriggerBy::Mark] {
                    in_books = in_books.saturating_add(self.audit_stops(market, side, by));
                }
            }
        }
        assert!(in_books == self.open_orders, "every open order is in one book, or waits");
        self.audit_accounts();
    }

    /// Checks one side of a book, and counts its orders.
    fn audit_side(&self, market: u32, side: Side) -> u32 {
        let book = &self.markets[market].book;
        let mut orders = 0u32;
        let mut before = None;
        for level in book.levels(side) {
            let ordered = before.is_none_or(|before| match side {
                Side::Buy => level.price < before,
                Side::Sell => level.price > before,
            });
            assert!(ordered, "levels are sorted, the best first");
            before = Some(level.price);
            let mut total = 0i128;
            let mut youngest_id = 0;
            for slot in queue(&self.orders.nodes, level.oldest) {
                let (node, beside) = self.orders.nodes.pair(slot);
                assert!(node.place == Place::Book && beside.price == level.price && node.side == side);
                assert!(beside.instrument == market && node.leaves > 0);
                let share = if node.leaves == UNLIMITED { UNLIMITED_SHARE } else { i128::from(node.leaves) };
                total = total.saturating_add(share);
                if node.owner == Owner::Client {
                    orders = orders.saturating_add(1);
                    youngest_id = node.id;
                }
            }
            assert!(total == level.total && total > 0, "a level's total is the sum of its queue");
            assert!(youngest_id <= self.last.order);
        }
        assert!(book.best(side) == book.levels(side).next().map(|level| level.price));
        orders
    }

    /// Checks the stops of one kind, and counts them.
    fn audit_stops(&self, market: u32, side: Side, by: TriggerBy) -> u32 {
        let mut orders = 0u32;
        for oldest in self.markets[market].stops.levels(by, side) {
            for slot in queue(&self.orders.nodes, oldest) {
                let (node, beside) = self.orders.nodes.pair(slot);
                assert!(node.place == Place::Stops && node.side == side && beside.instrument == market);
                let terms = self.orders.terms(slot);
                assert!(terms.trigger_by == by && terms.status == Status::Untriggered);
                orders = orders.saturating_add(1);
            }
        }
        assert!(self.markets[market].stops.reached(by, side, self.markets[market].watched(by)).is_none());
        orders
    }

    /// Checks accounts against their orders, and assets against all accounts.
    fn audit_accounts(&self) {
        let assets = self.ledger.assets().len();
        let mut found = vec![0i128; assets];
        for (number, account) in (0u32..).zip(self.ledger.accounts()) {
            let mut held = vec![0i128; assets];
            let mut open = 0u32;
            for id in account.open.sorted(|id| self.orders.is_live(id)) {
                let Some(Found::Live(slot)) = self.orders.find_any(id) else { continue };
                let Head { id: kept, account, leaves, .. } = self.orders.head(slot);
                assert!(kept == id && account == number && leaves > 0);
                assert!(self.orders.nodes[slot].place != Place::Nowhere);
                open = open.saturating_add(1);
                if let Some(held) = held.get_mut(self.held_asset(slot) as usize) {
                    *held = held.saturating_add(self.hold_now(slot));
                }
            }
            assert!(open == account.open.count(), "open orders are counted");
            for ((row, held), found) in self.ledger.rows(number).iter().zip(&held).zip(&mut found) {
                assert!(row.free >= 0 && row.held == *held, "an account holds what its open orders may cost");
                *found = found.saturating_add(row.free).saturating_add(row.held);
            }
        }
        for (asset, found) in (0u32..).zip(found) {
            self.ledger.assert_all_found(asset, found);
        }
    }
}
