//! Terms: what an order is besides its head, and how that is kept.
//!
//! Every order has [`Beside`], in the cache line of its head; few have an [`Extra`]. [`Terms`] are both together, as whoever
//! looks at an order or changes it wants them.

use super::table::NONE;
use crate::domain::{
    ClientOrderId, Code, OrderType, Place as Request, SelfTradePrevention, Side, Status, TimeInForce, TriggerBy,
};

/// What stands for no end.
pub(super) const NEVER: i64 = i64::MAX;

/// Which order, whose, and what it still asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) id: u64,
    /// Whose; [`NONE`] for a quote.
    pub(super) account: u32,
    /// Of which instrument; [`NONE`] if it was refused for its unknown symbol.
    pub(super) instrument: u32,
    pub(super) side: Side,
    /// The limit in ticks; 0: none.
    pub(super) price: i64,
    /// Lots still to trade.
    pub(super) leaves: i64,
}

/// What an order is, besides its [`Head`].
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
    /// Where its [`Extra`] is kept.
    pub(super) aside: Aside,
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
            aside: Aside::NOTHING,
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
    pub(super) const fn is_plain(&self, leaves: i64) -> bool {
        self.quantity == leaves && self.updated_at == self.created_at && !self.has_more()
    }

    /// Whether it has what is told or needed even after its end.
    #[inline(always)]
    pub(super) const fn has_more(&self) -> bool {
        self.trigger != 0 || self.expire_at != NEVER || self.post_only
    }
}

/// How far an order has traded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    /// The total asked for, and traded so far, in lots.
    pub(super) quantity: i64,
    pub(super) cum: i64,
    /// What that was worth, in tick·lots.
    pub(super) notional: i128,
}

impl Progress {
    /// After a trade of `lots`, with `leaves` left.
    #[inline(always)]
    pub(super) fn plus(self, lots: i64, worth: i128, leaves: i64) -> Self {
        // At most 10^18 each, and 10^36 each.
        let (cum, notional) = (self.cum.wrapping_add(lots), self.notional.wrapping_add(worth));
        assert!(cum.wrapping_add(leaves) <= self.quantity, "an order is for no more than its quantity");
        Self { cum, notional, ..self }
    }
}

/// What lies beside an order's node, in its cache line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beside {
    pub(super) price: i64,
    pub(super) created_at: i64,
    pub(super) account: u32,
    pub(super) instrument: u32,
    pub(super) aside: Aside,
    pub(super) order_type: OrderType,
    pub(super) time_in_force: TimeInForce,
    pub(super) stp: SelfTradePrevention,
    pub(super) status: Status,
}

const _: () = assert!(size_of::<Beside>() == 32, "an order fits a cache line, with its node");

impl Beside {
    /// Beside a quote, whose price and size its market knows.
    pub(super) const fn quote(instrument: u32, price: i64) -> Self {
        Self {
            price,
            created_at: 0,
            account: NONE,
            instrument,
            aside: Aside::NOTHING,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Gtc,
            stp: SelfTradePrevention::None,
            status: Status::Received,
        }
    }
}

impl Default for Beside {
    fn default() -> Self {
        Self::quote(NONE, 0)
    }
}

/// Where an order's [`Extra`] is kept, if it has one. Whether that is told never changes in an order's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Aside(u32);

impl Aside {
    /// Nowhere: its line says all.
    pub(super) const NOTHING: Self = Self(NONE);
    /// The bit of what only says how far an order has traded: nothing of it is told besides.
    const UNTOLD: u32 = 1 << 31;

    /// A place; there are fewer than 2^31 - 1.
    #[inline(always)]
    pub(super) const fn new(place: u32, is_told: bool) -> Self {
        Self(if is_told { place & !Self::UNTOLD } else { place | Self::UNTOLD })
    }

    #[inline(always)]
    pub(super) const fn is_nothing(self) -> bool {
        self.0 == NONE
    }

    /// Whether there is what is told with every execution of the order, and even after its end.
    #[inline(always)]
    pub(super) const fn is_told(self) -> bool {
        self.0 & Self::UNTOLD == 0
    }

    /// The place; of nothing, one that is never used.
    #[inline(always)]
    pub(super) const fn place(self) -> u32 {
        self.0 & !Self::UNTOLD
    }
}

/// What few orders have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extra {
    pub(super) notional: i128,
    pub(super) quantity: i64,
    pub(super) cum: i64,
    pub(super) updated_at: i64,
    pub(super) trigger: i64,
    pub(super) expire_at: i64,
    pub(super) client_order_id: Option<ClientOrderId>,
    pub(super) trigger_by: TriggerBy,
    pub(super) post_only: bool,
}

impl Extra {
    pub(super) const BLANK: Self = Self {
        notional: 0,
        quantity: 0,
        cum: 0,
        updated_at: 0,
        trigger: 0,
        expire_at: NEVER,
        client_order_id: None,
        trigger_by: TriggerBy::Last,
        post_only: false,
    };

    /// Whether it has what is told even after the order's end.
    pub(super) const fn is_told(&self) -> bool {
        self.client_order_id.is_some() || self.trigger != 0 || self.expire_at != NEVER || self.post_only
    }

    #[inline(always)]
    pub(super) const fn new(terms: &Terms, client_order_id: Option<ClientOrderId>) -> Self {
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
    pub(super) head: Head,
    pub(super) terms: Terms,
    pub(super) client_order_id: Option<ClientOrderId>,
}
