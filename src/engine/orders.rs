//! Orders: all that the engine knows, live and lately ended.
//!
//! A live order has a slot: its hot part is the [`Node`] there, its cold part the [`Terms`] in the cache line beside it. What few
//! orders have is kept aside, where it is there. An ended order is copied to the end of a ring, so that a late cancel can be
//! told from one that names nothing, until `closed_kept` others have ended after it; its slot is used again at once, so that
//! the slots of live orders stay close together. Memory: 128 + 4 bytes an order, 96 more with a client's id, a trigger or an
//! end. Every operation is O(1).

use std::collections::VecDeque;

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
    extra: u32,
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

/// What few orders have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    pub(super) const NOTHING: Self = Self { trigger: 0, expire_at: NEVER, client_order_id: None };
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
    #[inline]
    pub(super) const fn received(request: &Request, quantity: i64, trigger_by: TriggerBy, now: i64) -> Self {
        Self {
            quantity,
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

    /// Whether it trades at any price once it trades.
    pub(super) const fn is_market(&self) -> bool {
        matches!(self.order_type, OrderType::Market | OrderType::StopLoss)
    }
}

/// Both parts of an order, live or ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order<'a> {
    pub(super) id: u64,
    pub(super) account: u32,
    pub(super) instrument: u32,
    pub(super) side: Side,
    pub(super) price: i64,
    pub(super) leaves: i64,
    pub(super) terms: &'a Terms,
    pub(super) extra: &'a Extra,
}

/// An order that has ended.
#[derive(Clone, Copy, Debug)]
struct Closed {
    id: u64,
    price: i64,
    account: u32,
    instrument: u32,
    side: Side,
    terms: Terms,
}

/// Every order that the engine knows.
#[derive(Debug)]
pub(super) struct Orders {
    pub(super) nodes: Nodes<Terms>,
    index: Index,
    extras: Table<Extra>,
    extras_free: Vec<u32>,
    /// Ended orders, the first to be forgotten first.
    closed: VecDeque<Closed>,
    /// How many were forgotten before the first of them, modulo 2^31: the number of the first one's place.
    forgotten: u32,
    closed_kept: usize,
}

/// Where an order is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It is live, in this slot.
    Live(u32),
    /// It has ended, and has this place among those.
    Closed(usize),
}

impl Orders {
    pub(super) fn new(closed_kept: usize) -> Self {
        Self {
            nodes: Nodes::new(),
            index: Index::default(),
            extras: Table::new(),
            extras_free: Vec::new(),
            closed: VecDeque::new(),
            forgotten: 0,
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
    fn extra_of(&self, terms: &Terms) -> &Extra {
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
    #[inline(always)]
    pub(super) fn live(&self, slot: u32) -> Order<'_> {
        let Node { id, account, instrument, side, price, leaves, .. } = self.nodes[slot];
        let terms = self.nodes.beside(slot);
        Order { id, account, instrument, side, price, leaves, terms, extra: self.extra_of(terms) }
    }

    /// An order that has ended.
    pub(super) fn closed(&self, place: usize) -> Option<Order<'_>> {
        let Closed { id, price, account, instrument, side, terms } = self.closed.get(place)?;
        Some(Order {
            id: *id,
            account: *account,
            instrument: *instrument,
            side: *side,
            price: *price,
            leaves: 0,
            terms,
            extra: self.extra_of(terms),
        })
    }

    /// Keeps a new order and returns its slot.
    #[inline]
    pub(super) fn insert(&mut self, node: Node, mut terms: Terms, extra: Extra) -> u32 {
        if extra != Extra::NOTHING {
            terms.extra = self.keep_extra(extra);
        }
        let id = node.id;
        let slot = self.slot_for(node, terms);
        self.index.insert(id, Place::live(slot));
        slot
    }

    /// Keeps an order that ends as it comes.
    pub(super) fn insert_closed(&mut self, node: Node, mut terms: Terms, extra: Extra) {
        if extra != Extra::NOTHING {
            terms.extra = self.keep_extra(extra);
        }
        self.index.insert(node.id, Place::NOWHERE);
        self.push_closed(&node, terms);
    }

    /// Keeps an exchange's quote and returns its slot.
    pub(super) fn insert_quote(&mut self, exchange: u32, instrument: u32, side: Side, price: i64, leaves: i64) -> u32 {
        self.slot_for(Node::quote(exchange, instrument, side, price, leaves), Terms::BLANK)
    }

    #[inline]
    fn slot_for(&mut self, node: Node, terms: Terms) -> u32 {
        self.nodes.insert(node, terms).expect("open orders and quotes are bounded far below 2^32")
    }

    fn keep_extra(&mut self, extra: Extra) -> u32 {
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
            Found::Closed(place) => self.closed.get(place)?.account,
        };
        (owner == account).then_some(found)
    }

    /// Where an order is.
    #[inline]
    pub(super) fn find_any(&self, id: u64) -> Option<Found> {
        let place = self.index.find(id)?;
        Some(match place.closed() {
            None => Found::Live(place.slot()),
            Some(number) => Found::Closed(Place::distance(self.forgotten, number) as usize),
        })
    }

    /// All known orders, by id.
    pub(super) fn all(&self) -> impl Iterator<Item = Order<'_>> + '_ {
        self.index.ids().filter_map(|id| match self.find_any(id)? {
            Found::Live(slot) => Some(self.live(slot)),
            Found::Closed(place) => self.closed(place),
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
        self.closed.iter().map(|closed| closed.id)
    }

    /// Moves an ended order behind the others, and forgets the oldest if there are too many.
    #[inline]
    pub(super) fn close(&mut self, slot: u32) {
        let (node, terms) = (self.nodes[slot], *self.nodes.beside(slot));
        self.nodes.free(slot);
        self.push_closed(&node, terms);
    }

    #[inline]
    fn push_closed(&mut self, node: &Node, terms: Terms) {
        let Node { id, price, account, instrument, side, .. } = *node;
        if self.closed.len() >= self.closed_kept {
            match self.closed.pop_front() {
                Some(oldest) => {
                    self.forgotten = self.forgotten.wrapping_add(1);
                    self.forget(oldest.id, &oldest.terms);
                }
                // None are kept.
                None => return self.forget(id, &terms),
            }
        }
        // At most 10^9.
        let place = u32::try_from(self.closed.len()).unwrap_or(NONE);
        self.index.set(id, Place::closed_at(self.forgotten.wrapping_add(place)));
        self.closed.push_back(Closed { id, price, account, instrument, side, terms });
    }

    #[inline]
    fn forget(&mut self, id: u64, terms: &Terms) {
        self.index.remove(id);
        if terms.extra != NONE {
            self.extras_free.push(terms.extra);
        }
    }

    /// Gives back the slot of a quote that no longer stands.
    pub(super) fn free_quote(&mut self, slot: u32) {
        if self.nodes[slot].owner == Owner::Exchange {
            self.nodes.free(slot);
        }
    }
}
