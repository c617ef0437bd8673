//! Orders: all that the engine knows, live and lately ended.
//!
//! A live order has a slot: its hot part is the [`Node`] there, its cold part the [`Terms`] in the cache line beside it. What few
//! orders have is kept aside, where it is there. An ended order is copied to the end of a ring, so that a late cancel can be
//! told from one that names nothing, until `closed_kept` others have ended after it; its slot is used again at once, so that
//! the slots of live orders stay close together. Memory: 128 + 4 bytes an order, 96 more with a client's id, a trigger or an
//! end. Every operation is O(1).

use super::book::{Node, Nodes, Owner};
use super::index::{Index, Place};
use super::table::{NONE, Table};
use crate::domain::{
    ClientOrderId, Code, OrderType, Place as Request, SelfTradePrevention, Side, Status, TimeInForce, TriggerBy,
};

/// What stands for no end in [`Extra::expire_at`].
pub(super) const NEVER: i64 = i64::MAX;

/// The cold part of an order.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// What has traded so far was worth, in tick·lots.
    pub(super) notional: i128,
    /// The total asked for, in lots.
    pub(super) quantity: i64,
    /// Traded so far, in lots.
    pub(super) cum: i64,
    /// When it was numbered.
    pub(super) created_at: i64,
    /// When it last changed.
    pub(super) updated_at: i64,
    /// Where its [`Extra`] is kept, or [`NONE`].
    pub(super) extra: u32,
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

impl Default for Terms {
    fn default() -> Self {
        Self::BLANK
    }
}

/// What few orders have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extra {
    /// The trigger in ticks; 0: none.
    pub(super) trigger: i64,
    /// When it ends, or [`NEVER`].
    pub(super) expire_at: i64,
    /// The client's own id.
    pub(super) client_order_id: Option<ClientOrderId>,
}

impl Extra {
    /// What stands for none.
    const NOTHING: Self = Self { trigger: 0, expire_at: NEVER, client_order_id: None };
}

impl Terms {
    /// What stands beside a quote.
    const BLANK: Self = Self {
        notional: 0,
        quantity: 0,
        cum: 0,
        created_at: 0,
        updated_at: 0,
        extra: NONE,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        stp: SelfTradePrevention::None,
        trigger_by: TriggerBy::Last,
        status: Status::Received,
        code: None,
        post_only: false,
        triggered: false,
    };

    /// The terms of a request for `quantity` lots.
    #[inline(always)]
    pub(super) const fn received(request: &Request, quantity: i64, trigger_by: TriggerBy, extra: u32, now: i64) -> Self {
        Self {
            quantity,
            extra,
            created_at: now,
            updated_at: now,
            order_type: request.order_type,
            time_in_force: request.time_in_force,
            stp: request.stp,
            trigger_by,
            post_only: request.post_only,
            ..Self::BLANK
        }
    }

    /// Whether it is a stop, fired or not.
    pub(super) const fn is_stop(&self) -> bool {
        matches!(self.order_type, OrderType::StopLoss | OrderType::StopLimit)
    }

    /// Whether what it cannot trade may rest.
    #[inline(always)]
    pub(super) const fn may_rest(&self) -> bool {
        matches!(self.order_type, OrderType::Limit | OrderType::StopLimit)
            && !matches!(self.time_in_force, TimeInForce::Ioc | TimeInForce::Fok)
    }
}

/// An order, live or ended, for whoever looks at it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order<'a> {
    pub(super) node: Node,
    pub(super) terms: Terms,
    pub(super) extra: &'a Extra,
}

/// An order that has ended. Its fields lie in another order than in [`Terms`], so that they are copied one by one: two that were
/// just written, read as one, would wait for all writes before them.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct Closed {
    notional: i128,
    cum: i64,
    updated_at: i64,
    quantity: i64,
    price: i64,
    created_at: i64,
    id: u64,
    instrument: u32,
    account: u32,
    extra: u32,
    status: Status,
    order_type: OrderType,
    code: Option<Code>,
    stp: SelfTradePrevention,
    time_in_force: TimeInForce,
    post_only: bool,
    trigger_by: TriggerBy,
    triggered: bool,
    side: Side,
}

impl Closed {
    #[inline(always)]
    const fn new(node: &Node, terms: &Terms) -> Self {
        Self {
            notional: terms.notional,
            cum: terms.cum,
            updated_at: terms.updated_at,
            quantity: terms.quantity,
            price: node.price,
            created_at: terms.created_at,
            id: node.id,
            instrument: node.instrument,
            account: node.account,
            extra: terms.extra,
            status: terms.status,
            order_type: terms.order_type,
            code: terms.code,
            stp: terms.stp,
            time_in_force: terms.time_in_force,
            post_only: terms.post_only,
            trigger_by: terms.trigger_by,
            triggered: terms.triggered,
            side: node.side,
        }
    }

    /// The order as it was while it lived.
    const fn parts(&self) -> (Node, Terms) {
        let terms = Terms {
            notional: self.notional,
            quantity: self.quantity,
            cum: self.cum,
            created_at: self.created_at,
            updated_at: self.updated_at,
            extra: self.extra,
            order_type: self.order_type,
            time_in_force: self.time_in_force,
            stp: self.stp,
            trigger_by: self.trigger_by,
            status: self.status,
            code: self.code,
            post_only: self.post_only,
            triggered: self.triggered,
        };
        (Node::order(self.id, self.account, self.instrument, self.side, self.price, 0), terms)
    }
}

/// What an ended order keeps until it is forgotten: its id, and its [`Extra`].
#[derive(Clone, Copy, Debug)]
struct Owned {
    id: u64,
    extra: u32,
}

/// Every order that the engine knows.
#[derive(Debug)]
pub(super) struct Orders {
    pub(super) nodes: Nodes<Terms>,
    index: Index,
    extras: Table<Extra>,
    extras_free: Vec<u32>,
    /// Ended orders: a ring, once there are `closed_kept`.
    closed: Table<Closed>,
    /// What of each must be given back, apart, so that forgetting one need not fetch all of it.
    closed_owns: Table<Owned>,
    /// The place in the ring of the oldest, where the next one goes.
    closed_oldest: u32,
    closed_kept: u32,
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
            closed: Table::new(),
            closed_owns: Table::new(),
            closed_oldest: 0,
            closed_kept,
        }
    }

    #[inline(always)]
    pub(super) fn terms(&self, slot: u32) -> &Terms {
        self.nodes.beside(slot)
    }

    #[inline(always)]
    pub(super) fn terms_mut(&mut self, slot: u32) -> &mut Terms {
        self.nodes.beside_mut(slot)
    }

    #[inline(always)]
    pub(super) fn extra(&self, slot: u32) -> &Extra {
        self.extra_of(self.nodes.beside(slot))
    }

    #[inline(always)]
    pub(super) fn extra_of(&self, terms: &Terms) -> &Extra {
        if terms.extra == NONE { &Extra::NOTHING } else { &self.extras[terms.extra] }
    }

    /// Changes the trigger of a stop.
    pub(super) fn set_trigger(&mut self, slot: u32, trigger: i64) {
        let extra = self.nodes.beside(slot).extra;
        if let Some(extra) = self.extras.find_mut(extra) {
            extra.trigger = trigger;
        }
    }

    /// A live order.
    pub(super) fn live(&self, slot: u32) -> Order<'_> {
        let (node, terms) = self.nodes.pair(slot);
        Order { node: *node, terms: *terms, extra: self.extra_of(terms) }
    }

    /// An order that has ended.
    pub(super) fn closed(&self, place: u32) -> Order<'_> {
        let (node, terms) = self.closed[place].parts();
        Order { node, terms, extra: self.extra_of(&terms) }
    }

    /// Keeps a new order and returns its slot.
    #[inline(always)]
    pub(super) fn insert(&mut self, node: Node, terms: Terms) -> u32 {
        let id = node.id;
        let slot = self.slot_for(node, terms);
        self.index.insert(id, Place::live(slot));
        slot
    }

    /// Keeps an exchange's quote and returns its slot.
    pub(super) fn insert_quote(&mut self, exchange: u32, instrument: u32, side: Side, price: i64, leaves: i64) -> u32 {
        self.slot_for(Node::quote(exchange, instrument, side, price, leaves), Terms::BLANK)
    }

    #[inline(always)]
    fn slot_for(&mut self, node: Node, terms: Terms) -> u32 {
        self.nodes.insert(node, terms).expect("open orders and quotes are bounded far below 2^32")
    }

    /// Keeps what few orders have, and returns where; [`NONE`] if there is nothing.
    #[inline(always)]
    pub(super) fn keep_extra(&mut self, trigger: i64, expire_at: i64, client: Option<&ClientOrderId>) -> u32 {
        if trigger == 0 && expire_at == NEVER && client.is_none() {
            return NONE;
        }
        self.keep(Extra { trigger, expire_at, client_order_id: client.copied() })
    }

    fn keep(&mut self, extra: Extra) -> u32 {
        match self.extras_free.pop() {
            Some(place) => {
                self.extras[place] = extra;
                place
            }
            None => self.extras.push(extra).unwrap_or(NONE),
        }
    }

    /// Where an order of this account is; another's is not found.
    #[inline]
    pub(super) fn find(&self, account: u32, id: u64) -> Option<Found> {
        let found = self.find_any(id)?;
        let owner = match found {
            Found::Live(slot) => self.nodes[slot].account,
            Found::Closed(place) => self.closed[place].account,
        };
        (owner == account).then_some(found)
    }

    /// Where an order is.
    #[inline]
    pub(super) fn find_any(&self, id: u64) -> Option<Found> {
        let place = self.index.find(id)?;
        Some(if place.is_closed() { Found::Closed(place.number()) } else { Found::Live(place.number()) })
    }

    /// All known orders, by id.
    pub(super) fn all(&self) -> impl Iterator<Item = Order<'_>> + '_ {
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
        let (younger, older) = self.closed_owns.as_slice().split_at(self.closed_oldest as usize);
        older.iter().chain(younger).map(|owned| owned.id)
    }

    /// Keeps an ended order behind the others, and forgets the oldest if there are too many. `slot` is the one that it had, or
    /// [`NONE`] if it never had one.
    #[inline(always)]
    pub(super) fn close(&mut self, slot: u32, node: &Node, terms: &Terms) {
        let owned = Owned { id: node.id, extra: terms.extra };
        let full = self.closed.len() >= self.closed_kept;
        let place = if full { self.closed_oldest } else { self.closed.len() };
        if slot == NONE {
            self.index.insert(owned.id, Place::closed(place));
        } else {
            self.index.set(owned.id, Place::closed(place));
        }
        if !full {
            self.closed.push(Closed::new(node, terms));
            self.closed_owns.push(owned);
        } else if self.closed_kept == 0 {
            self.forget(owned);
        } else {
            self.closed[place] = Closed::new(node, terms);
            let forgotten = std::mem::replace(&mut self.closed_owns[place], owned);
            let next = place.wrapping_add(1);
            self.closed_oldest = if next == self.closed_kept { 0 } else { next };
            self.forget(forgotten);
        }
    }

    #[inline(always)]
    fn forget(&mut self, Owned { id, extra }: Owned) {
        self.index.remove(id);
        if extra != NONE {
            self.extras_free.push(extra);
        }
    }

    /// Gives back the slot of a quote that no longer stands.
    pub(super) fn free_quote(&mut self, slot: u32) {
        if self.nodes[slot].owner == Owner::Exchange {
            self.nodes.free(slot);
        }
    }
}
