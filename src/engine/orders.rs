//! Orders: all that the engine knows, live and lately ended.
//!
//! An order that rests or waits has a slot: one cache line with its [`Node`] and, beside it, the rest of what every order has. What few
//! have (a client's own id, a trigger, an end, part of it traded) is kept aside, where it is there. An ended order
//! is copied to the end of a ring, so that a late cancel can be told from one that names nothing, until `closed_kept` others
//! have ended after it; its slot is used again at once, so that live orders stay close together. Memory: 64 + 4 bytes an order,
//! 144 more for what is kept aside. Every operation is O(1).

mod restore;

use super::book::{Node, Nodes, Owner};
use super::index::Index;
use super::table::{NONE, Table};
use crate::domain::{
    ClientOrderId, Code, OrderType, Place as Request, SelfTradePrevention, Side, Status, TimeInForce, TriggerBy,
};

/// What stands for no end.
pub(super) const NEVER: i64 = i64::MAX;

/// What an order is, besides its [`Node`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// What has traded so far was worth, in tick·lots.
    pub(super) notional: i128,
    /// The total asked for, in lots.
    pub(super) quantity: i64,
    /// Traded so far, in lots.
    pub(super) cum: i64,
    /// The trigger in ticks; 0: none.
    pub(super) trigger: i64,
    /// When it ends, or [`NEVER`].
    pub(super) expire_at: i64,
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
}

impl Terms {
    /// The terms of a request for `quantity` lots, without what is set only for some.
    #[inline(always)]
    pub(super) const fn received(request: &Request, quantity: i64, now: i64) -> Self {
        Self {
            notional: 0,
            quantity,
            cum: 0,
            trigger: 0,
            expire_at: NEVER,
            created_at: now,
            updated_at: now,
            extra: NONE,
            order_type: request.order_type,
            time_in_force: request.time_in_force,
            stp: request.stp,
            trigger_by: TriggerBy::Last,
            status: Status::Received,
            code: None,
            post_only: request.post_only,
        }
    }

    /// Whether it is a stop, fired or not.
    #[inline(always)]
    pub(super) const fn is_stop(&self) -> bool {
        matches!(self.order_type, OrderType::StopLoss | OrderType::StopLimit)
    }

    /// Whether it buys or sells at any price, now or once it has fired.
    #[inline(always)]
    pub(super) const fn has_no_limit(&self) -> bool {
        matches!(self.order_type, OrderType::Market | OrderType::StopLoss)
    }

    /// Whether what it cannot trade may rest.
    #[inline(always)]
    pub(super) const fn may_rest(&self) -> bool {
        matches!(self.order_type, OrderType::Limit | OrderType::StopLimit)
            && !matches!(self.time_in_force, TimeInForce::Ioc | TimeInForce::Fok)
    }

    /// Whether all of it follows from its line.
    #[inline(always)]
    const fn is_plain(&self, leaves: i64) -> bool {
        self.quantity == leaves && self.updated_at == self.created_at && !self.has_more()
    }

    /// Whether it has what is told or needed even after its end.
    #[inline(always)]
    const fn has_more(&self) -> bool {
        self.trigger != 0 || self.expire_at != NEVER || self.post_only
    }
}

/// What lies beside an order's node, in its cache line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beside {
    created_at: i64,
    extra: u32,
    order_type: OrderType,
    time_in_force: TimeInForce,
    stp: SelfTradePrevention,
    status: Status,
}

impl Default for Beside {
    fn default() -> Self {
        Self {
            created_at: 0,
            extra: NONE,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Gtc,
            stp: SelfTradePrevention::None,
            status: Status::Received,
        }
    }
}

/// What few orders have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extra {
    notional: i128,
    quantity: i64,
    cum: i64,
    updated_at: i64,
    trigger: i64,
    expire_at: i64,
    client_order_id: Option<ClientOrderId>,
    trigger_by: TriggerBy,
    post_only: bool,
}

impl Extra {
    #[inline(always)]
    const fn new(terms: &Terms, client_order_id: Option<ClientOrderId>) -> Self {
        Self {
            notional: terms.notional,
            quantity: terms.quantity,
            cum: terms.cum,
            updated_at: terms.updated_at,
            trigger: terms.trigger,
            expire_at: terms.expire_at,
            client_order_id,
            trigger_by: terms.trigger_by,
            post_only: terms.post_only,
        }
    }
}

/// An order, live or ended, for whoever looks at it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    pub(super) node: Node,
    pub(super) terms: Terms,
    pub(super) client_order_id: Option<ClientOrderId>,
}

/// An `i128` that aligns like an `i64`.
#[derive(Clone, Copy, Debug)]
#[repr(Rust, packed(8))]
struct Wide(i128);

/// An order that has ended. Its fields lie in another order than in [`Terms`], so that they are copied one by one: two that were
/// just written, read as one, would wait for all writes before them.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct Closed {
    notional: Wide,
    cum: i64,
    updated_at: i64,
    quantity: i64,
    price: i64,
    created_at: i64,
    id: u64,
    instrument: u32,
    account: u32,
    status: Status,
    order_type: OrderType,
    code: Option<Code>,
    stp: SelfTradePrevention,
    time_in_force: TimeInForce,
    side: Side,
}

impl Closed {
    #[inline(always)]
    const fn new(node: &Node, terms: &Terms) -> Self {
        Self {
            notional: Wide(terms.notional),
            cum: terms.cum,
            updated_at: terms.updated_at,
            quantity: terms.quantity,
            price: node.price,
            created_at: terms.created_at,
            id: node.id,
            instrument: node.instrument,
            account: node.account,
            status: terms.status,
            order_type: terms.order_type,
            code: terms.code,
            stp: terms.stp,
            time_in_force: terms.time_in_force,
            side: node.side,
        }
    }
}

/// Every order that the engine knows.
#[derive(Debug)]
pub(super) struct Orders {
    pub(super) nodes: Nodes<Beside>,
    index: Index,
    extras: Table<Extra>,
    extras_free: Vec<u32>,
    /// Ended orders: a ring, once there are `closed_kept`.
    closed: Table<Closed>,
    /// The [`Extra`] of each, apart, so that giving one back need not fetch the order.
    closed_extras: Table<u32>,
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
            closed_extras: Table::new(),
            closed_oldest: 0,
            closed_kept,
        }
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
            extra: beside.extra,
            order_type: beside.order_type,
            time_in_force: beside.time_in_force,
            stp: beside.stp,
            trigger_by: TriggerBy::Last,
            status: beside.status,
            code: None,
            post_only: false,
        };
        if beside.extra == NONE { terms } else { self.with_extra(terms) }
    }

    #[inline(always)]
    fn with_extra(&self, terms: Terms) -> Terms {
        let extra = &self.extras[terms.extra];
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
        if beside.extra != NONE {
            let client_order_id = self.extras[beside.extra].client_order_id;
            self.extras[beside.extra] = Extra::new(terms, client_order_id);
        } else if !terms.is_plain(node.leaves) {
            beside.extra = Self::keep(&mut self.extras, &mut self.extras_free, Extra::new(terms, None));
        }
    }

    /// The client's own id of an order.
    #[inline(always)]
    pub(super) fn client_order_id(&self, extra: u32) -> Option<ClientOrderId> {
        self.extras.find(extra).and_then(|extra| extra.client_order_id)
    }

    /// A live order.
    pub(super) fn live(&self, slot: u32) -> Order {
        let terms = self.terms(slot);
        Order { node: self.nodes[slot], terms, client_order_id: self.client_order_id(terms.extra) }
    }

    /// An order that has ended.
    pub(super) fn closed(&self, place: u32) -> Order {
        let Closed { notional, cum, updated_at, quantity, price, created_at, id, instrument, account, .. } =
            self.closed[place];
        let Closed { status, order_type, code, stp, time_in_force, side, .. } = self.closed[place];
        let terms = Terms {
            trigger: 0,
            expire_at: NEVER,
            extra: self.closed_extras[place],
            trigger_by: TriggerBy::Last,
            post_only: false,
            notional: notional.0,
            quantity,
            cum,
            created_at,
            updated_at,
            order_type,
            time_in_force,
            stp,
            status,
            code,
        };
        let more = if terms.extra == NONE { terms } else { self.with_extra(terms) };
        let terms = Terms {
            trigger: more.trigger,
            expire_at: more.expire_at,
            trigger_by: more.trigger_by,
            post_only: more.post_only,
            ..terms
        };
        let node = Node::order(id, account, instrument, side, price, 0);
        Order { node, terms, client_order_id: self.client_order_id(terms.extra) }
    }

    /// Gives a new order a slot.
    #[inline(always)]
    pub(super) fn insert(&mut self, node: Node, terms: &Terms) -> u32 {
        let mut extra = terms.extra;
        if extra != NONE {
            self.extras[extra] = Extra::new(terms, self.extras[extra].client_order_id);
        } else if !terms.is_plain(node.leaves) {
            extra = Self::keep(&mut self.extras, &mut self.extras_free, Extra::new(terms, None));
        }
        let beside = Beside {
            created_at: terms.created_at,
            extra,
            order_type: terms.order_type,
            time_in_force: terms.time_in_force,
            stp: terms.stp,
            status: terms.status,
        };
        let id = node.id;
        let slot = self.slot_for(node, beside);
        self.index.insert(id, slot);
        slot
    }

    /// Keeps an exchange's quote and returns its slot.
    pub(super) fn insert_quote(&mut self, exchange: u32, instrument: u32, side: Side, price: i64, leaves: i64) -> u32 {
        self.slot_for(Node::quote(exchange, instrument, side, price, leaves), Beside::default())
    }

    #[inline(always)]
    fn slot_for(&mut self, node: Node, beside: Beside) -> u32 {
        self.nodes.insert(node, beside).expect("open orders and quotes are bounded far below 2^32")
    }

    /// Keeps what a new order has aside, and returns where; [`NONE`] if there is nothing.
    #[inline(always)]
    pub(super) fn keep_extra(&mut self, terms: &Terms, client: Option<&ClientOrderId>) -> u32 {
        if client.is_none() && !terms.has_more() {
            return NONE;
        }
        Self::keep(&mut self.extras, &mut self.extras_free, Extra::new(terms, client.copied()))
    }

    #[inline(never)]
    fn keep(extras: &mut Table<Extra>, free: &mut Vec<u32>, extra: Extra) -> u32 {
        match free.pop() {
            Some(place) => {
                extras[place] = extra;
                place
            }
            None => extras.push(extra).unwrap_or(NONE),
        }
    }

    /// Where an order of this account is; another's is not found.
    #[inline(always)]
    pub(super) fn find(&self, account: u32, id: u64) -> Option<Found> {
        let found = self.find_any(id)?;
        let owner = match found {
            Found::Live(slot) => self.nodes[slot].account,
            Found::Closed(place) => self.closed[place].account,
        };
        (owner == account).then_some(found)
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
        let (younger, older) = self.closed.as_slice().split_at(self.closed_oldest as usize);
        older.iter().chain(younger).map(|closed| closed.id)
    }

    /// Keeps an ended order behind the others, and forgets the oldest if there are too many. `slot` is the one that it had, or
    /// [`NONE`] if it never had one.
    #[inline(always)]
    pub(super) fn close(&mut self, slot: u32, node: &Node, terms: &Terms) {
        let mut extra = terms.extra;
        if slot != NONE {
            extra = self.nodes.beside(slot).extra;
            self.nodes.free(slot);
        }
        if extra != NONE && !terms.has_more() && self.extras[extra].client_order_id.is_none() {
            self.extras_free.push(extra);
            extra = NONE;
        }
        let full = self.closed.len() >= self.closed_kept;
        let place = if full { self.closed_oldest } else { self.closed.len() };
        self.index.close(node.id, place, u64::from(self.closed_kept));
        let mut forgotten = extra;
        if !full {
            self.closed.push(Closed::new(node, terms));
            self.closed_extras.push(extra);
            return;
        }
        if self.closed_kept > 0 {
            self.closed[place] = Closed::new(node, terms);
            forgotten = std::mem::replace(&mut self.closed_extras[place], extra);
            let next = place.wrapping_add(1);
            self.closed_oldest = if next == self.closed_kept { 0 } else { next };
        }
        if forgotten != NONE {
            self.extras_free.push(forgotten);
        }
    }

    /// Gives back the slot of a quote that no longer stands.
    pub(super) fn free_quote(&mut self, slot: u32) {
        if self.nodes[slot].owner == Owner::Exchange {
            self.nodes.free(slot);
        }
    }
}
