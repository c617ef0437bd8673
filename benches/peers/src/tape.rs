//! The tape: what an engine did, condensed so that two engines can be compared.

use std::fmt;

/// Counts and a hash over (maker, taker, price, quantity) of every trade, in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tape {
    /// How many trades.
    pub trades: u64,
    /// Lots traded.
    pub quantity: u64,
    /// Over all trades, in order.
    pub hash: u64,
    /// Cancels that found their order.
    pub cancels: u64,
}

impl Tape {
    /// Notes one trade.
    #[inline]
    pub fn trade(&mut self, maker: u64, taker: u64, price: u64, quantity: u64) {
        self.trades += 1;
        self.quantity += quantity;
        let mixed = maker
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .wrapping_add(taker.wrapping_mul(0xC2B2_AE3D_27D4_EB4F))
            .wrapping_add(price.wrapping_mul(0x1656_67B1_9E37_79F9))
            .wrapping_add(quantity);
        self.hash = (self.hash ^ mixed).wrapping_mul(0x0000_0100_0000_01b3);
    }

    /// Notes whether a cancel found its order.
    #[inline]
    pub fn cancel(&mut self, found: bool) {
        self.cancels += u64::from(found);
    }
}

impl fmt::Display for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trades, quantity, hash, cancels } = self;
        write!(f, "trades {trades} quantity {quantity} hash {hash:016x} cancels {cancels}")
    }
}
