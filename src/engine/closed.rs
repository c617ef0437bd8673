//! Ended orders that are still known: a ring, once there are as many as are kept, and the oldest makes room for the next.
//!
//! One cache line each, and beside the ring where what few orders have is kept. Not kept: when an order ended, and what an
//! ended order can no longer do. Every operation is O(1).

use super::table::{NONE, Table};
use super::terms::{Aside, Head, NEVER, Terms};
use crate::domain::{Code, OrderType, SelfTradePrevention, Side, Status, TimeInForce, TriggerBy};

/// An order that has ended. Its fields lie in another order than in [`Terms`], so that they are copied one by one: two that were
/// just written, read as one, would wait for all writes before them.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Closed {
    /// In tick·lots; what is too large for it is kept aside.
    notional: i64,
    cum: i64,
    quantity: i64,
    price: i64,
    created_at: i64,
    pub(super) id: u64,
    pub(super) instrument: u32,
    pub(super) account: u32,
    status: Status,
    order_type: OrderType,
    code: Option<Code>,
    stp: SelfTradePrevention,
    time_in_force: TimeInForce,
    side: Side,
}

impl Closed {
    const BLANK: Self = Self {
        notional: 0,
        cum: 0,
        quantity: 0,
        price: 0,
        created_at: 0,
        id: 0,
        instrument: NONE,
        account: NONE,
        status: Status::Received,
        order_type: OrderType::Limit,
        code: None,
        stp: SelfTradePrevention::None,
        time_in_force: TimeInForce::Gtc,
        side: Side::Buy,
    };

    #[inline(always)]
    const fn new(head: &Head, terms: &Terms) -> Self {
        Self {
            // Of what does not fit this means nothing.
            notional: terms.notional as i64,
            cum: terms.cum,
            quantity: terms.quantity,
            price: head.price,
            created_at: terms.created_at,
            id: head.id,
            instrument: head.instrument,
            account: head.account,
            status: terms.status,
            order_type: terms.order_type,
            code: terms.code,
            stp: terms.stp,
            time_in_force: terms.time_in_force,
            side: head.side,
        }
    }
}

/// Whether what an order traded for fits its line in the ring.
#[inline(always)]
pub(super) const fn is_narrow(notional: i128) -> bool {
    notional as i64 as i128 == notional
}

/// The ended orders that are kept.
#[derive(Debug)]
pub(super) struct Ring {
    ended: Table<Closed>,
    /// Where more of each is kept, apart, so that giving that back need not fetch the order.
    asides: Table<Aside>,
    /// Where the next one goes; once the ring is full, the place of the oldest.
    next: u32,
    kept: u32,
}

impl Ring {
    pub(super) const fn new(kept: u32) -> Self {
        Self { ended: Table::new(), asides: Table::new(), next: 0, kept }
    }

    /// How many are kept.
    #[inline(always)]
    pub(super) const fn kept(&self) -> u32 {
        self.kept
    }

    /// The order in a place.
    pub(super) fn find(&self, place: u32) -> Option<&Closed> {
        self.ended.find(place)
    }

    /// The order in a place, but for what is kept aside, and where that is.
    pub(super) fn order(&self, place: u32) -> (Head, Terms) {
        let Closed { notional, cum, quantity, price, created_at, id, instrument, account, .. } = self.ended[place];
        let Closed { status, order_type, code, stp, time_in_force, side, .. } = self.ended[place];
        let terms = Terms {
            notional: i128::from(notional),
            quantity,
            cum,
            trigger: 0,
            expire_at: NEVER,
            created_at,
            updated_at: created_at,
            aside: self.asides[place],
            order_type,
            time_in_force,
            stp,
            trigger_by: TriggerBy::Last,
            status,
            code,
            post_only: false,
        };
        (Head { id, account, instrument, side, price, leaves: 0 }, terms)
    }

    /// The place where the next one goes.
    #[inline(always)]
    pub(super) const fn next_place(&self) -> u32 {
        self.next
    }

    /// Keeps an order there, and where more of it is kept. Returns where more is kept of what is forgotten.
    #[inline(always)]
    pub(super) fn push(&mut self, head: &Head, terms: &Terms, aside: Aside) -> Aside {
        let (place, next) = (self.next, self.after(self.next));
        if !self.ended.contains(place) {
            self.grow();
        }
        let (Some(closed), Some(kept)) = (self.ended.find_mut(place), self.asides.find_mut(place)) else { return aside };
        *closed = Closed::new(head, terms);
        self.next = next;
        std::mem::replace(kept, aside)
    }

    /// Makes the next place, unless none are kept. Takes no order, so that one that ends may stay in registers.
    #[cold]
    fn grow(&mut self) {
        if self.kept > 0 {
            self.ended.push(Closed::BLANK);
            self.asides.push(Aside::NOTHING);
        }
    }

    #[inline(always)]
    const fn after(&self, place: u32) -> u32 {
        let next = place.wrapping_add(1);
        if next == self.kept { 0 } else { next }
    }

    /// All ids, the first to be forgotten first.
    pub(super) fn ids(&self) -> impl Iterator<Item = u64> + '_ {
        let (younger, older) = self.ended.as_slice().split_at(self.next as usize);
        older.iter().chain(younger).map(|closed| closed.id)
    }
}
