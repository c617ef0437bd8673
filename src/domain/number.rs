//! Counters, times, prices and quantities: integers that cannot be mistaken for one another.

use std::num::NonZeroI64;

use serde::{Serialize, Serializer};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.0.serialize(serializer)
            }
        }
    };
}

number!(
    /// The venue's id of an order (FIX 37): 1, 2, 3, … in the order of arrival, refused orders included.
    OrderId(u64)
);
number!(
    /// The venue-wide number of an execution (FIX 17): 1, 2, 3, …
    ExecId(u64)
);
number!(
    /// The number of an execution within its account: 1, 2, 3, … without a gap, for ever.
    Seq(u64)
);
number!(
    /// The number of a trade: 1, 2, 3, … over all instruments.
    TradeId(u64)
);
number!(
    /// An account, by the order in which accounts were opened: 0, 1, 2, …
    AccountId(u32)
);
number!(
    /// An instrument, by the order in which instruments were defined: 0, 1, 2, …
    InstrumentId(u32)
);
number!(
    /// An exchange that quotes come from, by the order in which it first spoke: 0, 1, 2, …
    ExchangeId(u32)
);

/// A price in ticks of its instrument, 1 to 10^18.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Price(NonZeroI64);

impl Price {
    /// The largest price.
    pub const MAX: Self = match NonZeroI64::new(1_000_000_000_000_000_000) {
        Some(ticks) => Self(ticks),
        None => Self(NonZeroI64::MAX),
    };

    /// A price of `ticks`, or `None` outside 1 to 10^18.
    #[inline(always)]
    pub const fn new(ticks: i64) -> Option<Self> {
        match NonZeroI64::new(ticks) {
            Some(ticks) if ticks.get() >= 1 && ticks.get() <= Self::MAX.ticks() => Some(Self(ticks)),
            _ => None,
        }
    }

    /// A price of `ticks` that are known to be in range, or `None` for none, which is 0.
    #[inline(always)]
    pub(crate) const fn known(ticks: i64) -> Option<Self> {
        debug_assert!(ticks >= 0 && ticks <= Self::MAX.ticks());
        match NonZeroI64::new(ticks) {
            Some(ticks) => Some(Self(ticks)),
            None => None,
        }
    }

    /// The price in ticks.
    pub const fn ticks(self) -> i64 {
        self.0.get()
    }
}

impl std::fmt::Debug for Price {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Price").field(&self.ticks()).finish()
    }
}

/// A quantity in lots of its instrument, 0 to 10^18.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(i64);

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest quantity.
    pub const MAX: Self = Self(1_000_000_000_000_000_000);

    /// A quantity of `lots`, or `None` outside 0 to 10^18.
    #[inline(always)]
    pub const fn new(lots: i64) -> Option<Self> {
        if lots >= 0 && lots <= Self::MAX.0 { Some(Self(lots)) } else { None }
    }

    /// A quantity of `lots` that are known to be in range.
    #[inline(always)]
    pub(crate) const fn known(lots: i64) -> Self {
        debug_assert!(lots >= 0 && lots <= Self::MAX.0);
        Self(lots)
    }

    /// The quantity in lots.
    pub const fn lots(self) -> i64 {
        self.0
    }

    /// Whether it is nothing.
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}
