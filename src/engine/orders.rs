//! Orders: all that the engine knows, live and lately ended.
//!
//! An order has a slot: its hot part is the [`Node`] there, its cold part the [`Terms`]. A client's own id is kept aside, where
//! there is one. An ended order stays in its slot, so that a late cancel can be told from one that names nothing, until
//! `closed_kept` others have ended after it; then its slot is used again. Memory: 64 + 96 + 4 bytes an order, 65 more for a
//! client's id. Every operation is O(1).

use super::book::{Node, Nodes, Owner};
use super::index::Index;
use super::table::{NONE, Slab, Table};
use crate::domain::{ClientOrderId, Code, OrderType, Place, SelfTradePrevention, Side, Status, TimeInForce, TriggerBy};

/// What stands for no end in [`Terms::expire_at`].
pub(super) const NEVER: i64 = i64::MAX;

/// The cold part of an order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// The total asked for, in lots.
    pub(super) quantity: i64,
    /// Traded so far, in lots.
    pub(super) cum: i64,
    /// What has traded so far was worth, in tick·lots.
    pub(super) notional: i128,
    /// What the account holds for it: quote for a buy, base for a sell, in units of money.
    pub(super) held: i128,
    /// The trigger in ticks; 0: none.
    pub(super) trigger: i64,
    /// When it ends, or [`NEVER`].
    pub(super) expire_at: i64,
    /// When it was numbered.
    pub(super) created_at: i64,
    /// When it last changed.
    pub(super) updated_at: i64,
    /// Where the client's id is kept, or [`NONE`].
    pub(super) client: u32,
    pub(super) order_type: OrderType,
    pub(super) time_in_force: TimeInForce,
    pub(super) stp: SelfTradePrevention,
    pub(super) trigger_by: TriggerBy,
    pub(super) status: Status,
    /// Why it ended, where that was not its owner's wish.
    pub(super) code: Option<Code>,
    pub(super) post_only: bool,
    /// Whether its trigger was reached.
    pub(super) triggered: bool,
}

impl Terms {
    /// What stands in the slot of a quote.
    const BLANK: Self = Self {
        quantity: 0,
        cum: 0,
        notional: 0,
        held: 0,
        trigger: 0,
        expire_at: NEVER,
        created_at: 0,
        updated_at: 0,
        client: NONE,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        stp: SelfTradePrevention::None,
        trigger_by: TriggerBy::Last,
        status: Status::Received,
        code: None,
        post_only: false,
        triggered: false,
    };

    /// The terms of a request as far as they need no grid.
    pub(super) fn received(place: &Place, now: i64) -> Self {
        Self {
            created_at: now,
            updated_at: now,
            order_type: place.order_type,
            time_in_force: place.time_in_force,
            stp: place.stp,
            post_only: place.post_only,
            ..Self::BLANK
        }
    }

    /// Whether it is a stop, fired or not.
    pub(super) const fn is_stop(&self) -> bool {
        matches!(self.order_type, OrderType::StopLoss | OrderType::StopLimit)
    }

    /// Whether it trades at any price once it trades.
    pub(super) const fn is_market(&self) -> bool {
        matches!(self.order_type, OrderType::Market | OrderType::StopLoss)
    }
}

/// Every order that the engine knows.
#[derive(Debug)]
pub(super) struct Orders {
    pub(super) nodes: Nodes,
    terms: Slab<Terms>,
    index: Index,
    clients: Table<ClientOrderId>,
    clients_free: Vec<u32>,
    /// Ended orders, linked through `account_next`: the first to be forgotten, and the last.
    closed_oldest: u32,
    closed_youngest: u32,
    closed: usize,
    closed_kept: usize,
}

impl Orders {
    pub(super) fn new(closed_kept: usize) -> Self {
        Self {
            nodes: Nodes::new(),
            terms: Slab::new(),
            index: Index::default(),
            clients: Table::new(),
            clients_free: Vec::new(),
            closed_oldest: NONE,
            closed_youngest: NONE,
            closed: 0,
            closed_kept,
        }
    }

    #[inline(always)]
    pub(super) fn terms(&self, slot: u32) -> &Terms {
        &self.terms[slot]
    }

    #[inline(always)]
    pub(super) fn terms_mut(&mut self, slot: u32) -> &mut Terms {
        &mut self.terms[slot]
    }

    /// The client's id of an order.
    #[inline]
    pub(super) fn client_order_id(&self, slot: u32) -> Option<ClientOrderId> {
        let client = self.terms[slot].client;
        if client == NONE { None } else { self.clients.find(client).copied() }
    }

    /// Keeps a new order and returns its slot.
    #[inline]
    pub(super) fn insert(&mut self, node: Node, terms: Terms, client: Option<&ClientOrderId>) -> u32 {
        let slot = self.slot_for(node);
        let client = client.map_or(NONE, |client| self.keep_client(client));
        self.terms[slot] = Terms { client, ..terms };
        self.index.insert(node.id, slot);
        slot
    }

    /// Keeps an exchange's quote and returns its slot.
    pub(super) fn insert_quote(&mut self, exchange: u32, instrument: u32, side: Side, price: i64, leaves: i64) -> u32 {
        self.slot_for(Node::quote(exchange, instrument, side, price, leaves))
    }

    #[inline]
    fn slot_for(&mut self, node: Node) -> u32 {
        let slot = self.nodes.insert(node).expect("orders, ended ones kept and quotes are bounded far below 2^32");
        while self.terms.len() <= slot {
            self.terms.push(Terms::BLANK);
        }
        slot
    }

    fn keep_client(&mut self, client: &ClientOrderId) -> u32 {
        match self.clients_free.pop() {
            Some(place) => {
                self.clients[place] = *client;
                place
            }
            None => self.clients.push(*client).unwrap_or(NONE),
        }
    }

    /// The slot of an order of this account; another's is not found.
    #[inline]
    pub(super) fn find(&self, account: u32, id: u64) -> Option<u32> {
        self.index.find(id).filter(|slot| self.nodes[*slot].account == account)
    }

    /// The slot of an order.
    pub(super) fn slot(&self, id: u64) -> Option<u32> {
        self.index.find(id)
    }

    /// The slots of all known orders, by id.
    pub(super) fn slots(&self) -> impl Iterator<Item = u32> + '_ {
        self.index.slots()
    }

    /// The ended orders that are still known, the first to be forgotten first.
    pub(super) fn closed_slots(&self) -> impl Iterator<Item = u32> + '_ {
        let some = |slot: u32| (slot != NONE).then_some(slot);
        std::iter::successors(some(self.closed_oldest), move |slot| some(self.nodes[*slot].account_next))
    }

    /// Puts an ended order behind the others, and forgets the oldest if there are too many.
    #[inline]
    pub(super) fn close(&mut self, slot: u32) {
        self.nodes[slot].account_next = NONE;
        match self.closed_youngest {
            NONE => self.closed_oldest = slot,
            youngest => self.nodes[youngest].account_next = slot,
        }
        self.closed_youngest = slot;
        if self.closed < self.closed_kept {
            self.closed = self.closed.saturating_add(1);
        } else {
            self.forget_oldest();
        }
    }

    #[inline]
    fn forget_oldest(&mut self) {
        let slot = self.closed_oldest;
        let Node { id, account_next, .. } = self.nodes[slot];
        self.closed_oldest = account_next;
        if account_next == NONE {
            self.closed_youngest = NONE;
        }
        self.index.remove(id);
        let client = std::mem::replace(&mut self.terms[slot].client, NONE);
        if client != NONE {
            self.clients_free.push(client);
        }
        self.nodes.free(slot);
    }

    /// Gives back the slot of a quote that no longer stands.
    pub(super) fn free_quote(&mut self, slot: u32) {
        if self.nodes[slot].owner == Owner::Exchange {
            self.nodes.free(slot);
        }
    }
}
