//! Orders: all that the engine knows, live and lately ended.
//!
//! An order that rests or waits has a slot: one cache line with its [`Node`] and, beside it, the rest of what every order has. What few
//! have (a client's own id, a trigger, an end, part of it traded) is kept aside, where it is there. An ended order
//! is copied to the end of a ring, so that a late cancel can be told from one that names nothing, until `closed_kept` others
//! have ended after it; its slot is used again at once, so that live orders stay close together. Memory: 64 + 4 bytes an order,
//! 144 more for what is kept aside; see [`terms`](super::terms) and [`closed`](super::closed). Every operation is O(1).

mod restore;

use super::book::{Node, Nodes, Owner};
use super::closed::{Ring, is_narrow};
use super::index::{Index, Place as Known};
use super::table::{NONE, Table};
use super::terms::{Aside, Beside, Extra, Head, NEVER, Order, Terms};
use crate::domain::{ClientOrderId, Side, TriggerBy};

/// Every order that the engine knows.
#[derive(Debug)]
pub(super) struct Orders {
    pub(super) nodes: Nodes<Beside>,
    index: Index,
    extras: Table<Extra>,
    extras_free: Vec<u32>,
    closed: Ring,
}

/// Where an order is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It is live, in this slot.
    Live(u32),
    /// It has ended, and has this place in the ring.
    Closed(u32),
}

impl Orders {
    pub(super) fn new(closed_kept: u32) -> Self {
        Self {
            nodes: Nodes::new(),
            index: Index::default(),
            extras: Table::new(),
            extras_free: Vec::new(),
            closed: Ring::new(closed_kept),
        }
    }

    /// The head of a live order.
    #[inline(always)]
    pub(super) fn head(&self, slot: u32) -> Head {
        let (Node { id, side, leaves, .. }, Beside { account, instrument, price, .. }) = self.nodes.pair(slot);
        Head { id: *id, account: *account, instrument: *instrument, side: *side, price: *price, leaves: *leaves }
    }

    /// Changes the price of a live order that stands nowhere, and what is left of it.
    pub(super) fn set_offer(&mut self, slot: u32, price: i64, leaves: i64) {
        let (node, beside) = self.nodes.pair_mut(slot);
        (beside.price, node.leaves) = (price, leaves);
    }

    /// The terms of a live order.
    #[inline(always)]
    pub(super) fn terms(&self, slot: u32) -> Terms {
        let (node, beside) = self.nodes.pair(slot);
        let terms = Terms {
            notional: 0,
            quantity: node.leaves,
            cum: 0,
            trigger: 0,
            expire_at: NEVER,
            created_at: beside.created_at,
            updated_at: beside.created_at,
            aside: beside.aside,
            order_type: beside.order_type,
            time_in_force: beside.time_in_force,
            stp: beside.stp,
            trigger_by: TriggerBy::Last,
            status: beside.status,
            code: None,
            post_only: false,
        };
        if beside.aside.is_nothing() { terms } else { self.with_extra(terms) }
    }

    #[inline(always)]
    fn with_extra(&self, terms: Terms) -> Terms {
        let extra = &self.extras[terms.aside.place()];
        Terms {
            notional: extra.notional,
            quantity: extra.quantity,
            cum: extra.cum,
            updated_at: extra.updated_at,
            trigger: extra.trigger,
            expire_at: extra.expire_at,
            trigger_by: extra.trigger_by,
            post_only: extra.post_only,
            ..terms
        }
    }

    /// Keeps the changed terms of a live order, whose leaves are already changed.
    #[inline(always)]
    pub(super) fn store(&mut self, slot: u32, terms: &Terms) {
        let (node, beside) = self.nodes.pair_mut(slot);
        beside.status = terms.status;
        if !beside.aside.is_nothing() {
            let kept = &mut self.extras[beside.aside.place()];
            *kept = Extra::new(terms, kept.client_order_id);
            debug_assert!(kept.is_told() == beside.aside.is_told(), "what is told of an order stays so");
        } else if !terms.is_plain(node.leaves) {
            beside.aside = Self::keep(&mut self.extras, &mut self.extras_free, Extra::new(terms, None));
        }
    }

    /// Keeps what a trade changed of an order that goes on.
    #[inline(always)]
    pub(super) fn note_trade(&mut self, slot: u32, terms: &Terms) {
        let beside = self.nodes.beside_mut(slot);
        beside.status = terms.status;
        if beside.aside.is_nothing() {
            beside.aside = Self::keep_blank(&mut self.extras, &mut self.extras_free);
        }
        let extra = &mut self.extras[beside.aside.place()];
        (extra.quantity, extra.cum, extra.notional) = (terms.quantity, terms.cum, terms.notional);
        extra.updated_at = terms.updated_at;
    }

    /// The client's own id of an order.
    #[inline(always)]
    pub(super) fn client_order_id(&self, aside: Aside) -> Option<ClientOrderId> {
        self.extras.find(aside.place()).and_then(|extra| extra.client_order_id)
    }

    /// A live order.
    pub(super) fn live(&self, slot: u32) -> Order {
        let terms = self.terms(slot);
        Order { head: self.head(slot), terms, client_order_id: self.client_order_id(terms.aside) }
    }

    /// An order that has ended.
    pub(super) fn closed(&self, place: u32) -> Order {
        let (head, terms) = self.closed.order(place);
        let Some(extra) = self.extras.find(terms.aside.place()) else {
            return Order { head, terms, client_order_id: None };
        };
        let Extra { notional, trigger, expire_at, trigger_by, post_only, client_order_id, .. } = *extra;
        Order { head, terms: Terms { notional, trigger, expire_at, trigger_by, post_only, ..terms }, client_order_id }
    }

    /// Gives a new order a slot.
    #[inline(always)]
    pub(super) fn insert(&mut self, head: &Head, terms: &Terms) -> u32 {
        let Head { id, account, instrument, side, price, leaves } = *head;
        let mut aside = terms.aside;
        if !aside.is_nothing() {
            let kept = &mut self.extras[aside.place()];
            *kept = Extra::new(terms, kept.client_order_id);
            debug_assert!(kept.is_told() == aside.is_told(), "what is told of an order stays so");
        } else if !terms.is_plain(leaves) {
            aside = Self::keep(&mut self.extras, &mut self.extras_free, Extra::new(terms, None));
        }
        let beside = Beside {
            price,
            account,
            instrument,
            created_at: terms.created_at,
            aside,
            order_type: terms.order_type,
            time_in_force: terms.time_in_force,
            stp: terms.stp,
            status: terms.status,
        };
        let slot = self.slot_for(Node::order(id, side, leaves), beside);
        self.index.insert(id, slot);
        slot
    }

    /// Keeps an exchange's quote and returns its slot.
    pub(super) fn insert_quote(&mut self, exchange: u32, instrument: u32, side: Side, price: i64, leaves: i64) -> u32 {
        self.slot_for(Node::quote(exchange, side, leaves), Beside::quote(instrument, price))
    }

    #[inline(always)]
    fn slot_for(&mut self, node: Node, beside: Beside) -> u32 {
        self.nodes.insert(node, beside).expect("open orders and quotes are bounded far below 2^32")
    }

    /// Keeps what a new order has aside, and returns where.
    #[inline(always)]
    pub(super) fn keep_extra(&mut self, terms: &Terms, client: Option<&ClientOrderId>) -> Aside {
        if client.is_none() && !terms.has_more() {
            return Aside::NOTHING;
        }
        Self::keep(&mut self.extras, &mut self.extras_free, Extra::new(terms, client.copied()))
    }

    /// Makes a place where all is as of an order that has nothing aside.
    #[inline(never)]
    fn keep_blank(extras: &mut Table<Extra>, free: &mut Vec<u32>) -> Aside {
        Self::keep(extras, free, Extra::BLANK)
    }

    #[inline(never)]
    fn keep(extras: &mut Table<Extra>, free: &mut Vec<u32>, extra: Extra) -> Aside {
        let place = match free.pop() {
            Some(place) => {
                extras[place] = extra;
                place
            }
            None => extras.push(extra).unwrap_or(NONE),
        };
        Aside::new(place, extra.is_told())
    }

    /// Where an order of this account is; another's is not found, nor one that was refused for its unknown symbol: there is
    /// no instrument to tell of it in the terms of.
    #[inline(always)]
    pub(super) fn find(&self, account: u32, id: u64) -> Option<Found> {
        let found = self.find_any(id)?;
        let (owner, instrument) = match found {
            Found::Live(slot) => (self.nodes.beside(slot).account, self.nodes.beside(slot).instrument),
            Found::Closed(place) => self.closed.find(place).map(|closed| (closed.account, closed.instrument))?,
        };
        (owner == account && instrument != NONE).then_some(found)
    }

    /// Where an order is.
    #[inline(always)]
    pub(super) fn find_any(&self, id: u64) -> Option<Found> {
        let place = self.index.find(id)?;
        if !place.is_closed() {
            return Some(Found::Live(place.number()));
        }
        // The place may have been given to another since.
        let closed = self.closed.find(place.number()).filter(|closed| closed.id == id);
        closed.map(|_| Found::Closed(place.number()))
    }

    /// The slot of an order, if it is live.
    #[inline(always)]
    pub(super) fn live_slot(&self, id: u64) -> Option<u32> {
        self.index.find(id).filter(|place| !place.is_closed()).map(Known::number)
    }

    /// Whether an order is live.
    #[inline(always)]
    pub(super) fn is_live(&self, id: u64) -> bool {
        self.index.find(id).is_some_and(|place| !place.is_closed())
    }

    /// All known orders, by id.
    pub(super) fn all(&self) -> impl Iterator<Item = Order> + '_ {
        self.index.ids().filter_map(|id| match self.find_any(id)? {
            Found::Live(slot) => Some(self.live(slot)),
            Found::Closed(place) => Some(self.closed(place)),
        })
    }

    /// The slots of all live orders, by id.
    pub(super) fn live_slots(&self) -> impl Iterator<Item = u32> + '_ {
        self.index.ids().filter_map(|id| match self.find_any(id)? {
            Found::Live(slot) => Some(slot),
            Found::Closed(_) => None,
        })
    }

    /// The ids of the ended orders that are still known, the first to be forgotten first.
    pub(super) fn closed_ids(&self) -> impl Iterator<Item = u64> + '_ {
        self.closed.ids()
    }

    /// Keeps an ended order behind the others, and forgets the oldest if there are too many. `slot` is the one that it had, or
    /// [`NONE`] if it never had one.
    #[inline(always)]
    pub(super) fn close(&mut self, slot: u32, head: &Head, terms: &Terms) {
        let mut aside = terms.aside;
        if slot != NONE {
            aside = self.nodes.free(slot).aside;
        }
        if aside.is_told() || !is_narrow(terms.notional) {
            aside = self.keep_ended(aside, terms.notional);
        } else if !aside.is_nothing() {
            self.extras_free.push(aside.place());
            aside = Aside::NOTHING;
        }
        self.index.close(head.id, self.closed.next_place(), u64::from(self.closed.kept()));
        let forgotten = self.closed.push(head, terms, aside);
        if !forgotten.is_nothing() {
            self.extras_free.push(forgotten.place());
        }
    }

    /// Keeps what an ended order traded for beside the rest that it has aside, and returns where.
    #[inline(never)]
    fn keep_ended(&mut self, aside: Aside, notional: i128) -> Aside {
        let aside = if aside.is_nothing() { Self::keep_blank(&mut self.extras, &mut self.extras_free) } else { aside };
        self.extras[aside.place()].notional = notional;
        aside
    }

    /// Gives back the slot of a quote that no longer stands.
    pub(super) fn free_quote(&mut self, slot: u32) {
        if self.nodes[slot].owner == Owner::Exchange {
            self.nodes.free(slot);
        }
    }
}
