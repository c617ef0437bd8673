//! One instrument's book and trades.

use std::collections::{BTreeMap, VecDeque};

use super::best_first;
use crate::domain::{Instrument, Level, LevelChange, Price, Quantity, Side, TradeReport};

/// How many trades of an instrument are kept.
pub const TRADES_KEPT: usize = 1_024;

/// A book's best levels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book {
    /// The number of its last change.
    pub seq: u64,
    /// Bids, best first.
    pub bids: Vec<Level>,
    /// Asks, best first.
    pub asks: Vec<Level>,
}

/// One instrument's book and trades.
#[derive(Debug, Default)]
pub(super) struct Market {
    /// Whether it takes no new orders.
    pub(super) halted: bool,
    seq: u64,
    bids: BTreeMap<Price, Option<Quantity>>,
    asks: BTreeMap<Price, Option<Quantity>>,
    trades: VecDeque<TradeReport>,
}

impl Market {
    pub(super) fn traded(&mut self, trade: TradeReport) {
        if self.trades.len() == TRADES_KEPT {
            self.trades.pop_front();
        }
        self.trades.push_back(trade);
    }

    pub(super) fn changed(&mut self, seq: u64, levels: &[LevelChange]) {
        self.seq = seq;
        for level in levels {
            let side = match level.side {
                Side::Buy => &mut self.bids,
                Side::Sell => &mut self.asks,
            };
            match level.quantity {
                Some(quantity) if quantity.is_zero() => side.remove(&level.price),
                quantity => side.insert(level.price, quantity),
            };
        }
    }

    pub(super) fn book(&self, instrument: &Instrument, depth: usize) -> Book {
        let levels = |levels: &BTreeMap<Price, Option<Quantity>>, side| {
            let level = |(price, quantity): (&Price, &Option<Quantity>)| {
                (instrument.price_decimal(*price), quantity.map(|quantity| instrument.quantity_decimal(quantity)))
            };
            best_first(levels.iter(), side).take(depth).map(level).collect()
        };
        Book { seq: self.seq, bids: levels(&self.bids, Side::Buy), asks: levels(&self.asks, Side::Sell) }
    }

    pub(super) fn trades(&self, limit: usize) -> Vec<TradeReport> {
        self.trades.iter().rev().take(limit).copied().collect()
    }
}
