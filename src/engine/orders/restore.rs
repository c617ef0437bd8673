//! Orders as they were saved, put back. Where they are found is said at the end, for all at once.

use super::Orders;
use crate::domain::ClientOrderId;
use crate::engine::index::{Index, Place};
use crate::engine::table::NONE;
use crate::engine::terms::{Aside, Extra, Head, Terms};

impl Orders {
    /// How many ended orders are kept.
    pub(in crate::engine) const fn closed_kept(&self) -> u32 {
        self.closed.kept()
    }

    /// Gives a live order a slot again.
    pub(in crate::engine) fn put_back(
        &mut self,
        head: &Head,
        mut terms: Terms,
        client: Option<ClientOrderId>,
        with_more: bool,
    ) -> u32 {
        terms.aside = self.keep_again(&terms, client, with_more);
        self.insert(head, &terms)
    }

    /// Puts an ended order behind those that ended before it.
    pub(in crate::engine) fn put_back_closed(
        &mut self,
        head: &Head,
        mut terms: Terms,
        client: Option<ClientOrderId>,
        with_more: bool,
    ) {
        terms.aside = self.keep_again(&terms, client, with_more);
        self.close(NONE, head, &terms);
    }

    fn keep_again(&mut self, terms: &Terms, client: Option<ClientOrderId>, with_more: bool) -> Aside {
        if !with_more {
            return Aside::NOTHING;
        }
        Self::keep(&mut self.extras, &mut self.extras_free, Extra::new(terms, client))
    }

    /// Says where all orders are found: live ones with their slots, ended ones with their places in the ring, each by id. `None`
    /// if an id is there twice, or is none.
    pub(in crate::engine) fn reindex(&mut self, last_id: u64, live: &[(u64, u32)], closed: &[(u64, u32)]) -> Option<()> {
        let live = live.iter().map(|(id, slot)| (*id, Place::live(*slot)));
        let mut known: Vec<(u64, Place)> = live.chain(closed.iter().map(|(id, at)| (*id, Place::closed(*at)))).collect();
        known.sort_unstable_by_key(|(id, _)| *id);
        self.index = Index::restored(last_id, &known)?;
        Some(())
    }
}
