//! The newest quote of every exchange and symbol, shared by who writes it and who shows it.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::{Row, Update};
use crate::domain::{ExchangeName, Nanos, Symbol};

/// The newest quote of every exchange and symbol: a handle, clones show the same board.
///
/// It is bounded to [`Board::QUOTES_MAX`] pairs of exchange and symbol. The lock is held for one update, or while rows are
/// made; orders never touch it.
#[derive(Clone, Debug, Default)]
pub struct Board {
    quotes: Arc<RwLock<Quotes>>,
}

/// The board has as many pairs of exchange and symbol as it may, and takes no new ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the board is full: it keeps at most {} pairs of exchange and symbol", Board::QUOTES_MAX)]
pub struct BoardFull;

#[derive(Debug, Default)]
struct Quotes {
    by_symbol: BTreeMap<Symbol, BTreeMap<ExchangeName, Held>>,
    count: usize,
}

#[derive(Debug)]
struct Held {
    update: Update,
    /// Whether [`Board::take_stale`] has told of it.
    told_stale: bool,
}

impl Board {
    /// The most pairs of exchange and symbol: some tens of megabytes of them.
    pub const QUOTES_MAX: usize = 65_536;

    /// Puts `update` in the place of what its exchange said about its symbol before.
    ///
    /// # Errors
    ///
    /// [`BoardFull`] for a new pair when there are [`Board::QUOTES_MAX`].
    pub fn record(&self, update: &Update) -> Result<(), BoardFull> {
        let mut quotes = self.write();
        let held = Held { update: update.clone(), told_stale: false };
        let is_new = !quotes.by_symbol.get(&update.symbol).is_some_and(|of| of.contains_key(&update.exchange));
        if is_new {
            if quotes.count >= Self::QUOTES_MAX {
                return Err(BoardFull);
            }
            quotes.count += 1;
        }
        quotes.by_symbol.entry(update.symbol).or_default().insert(update.exchange, held);
        Ok(())
    }

    /// A row a symbol, in the order of their names, with ages as of `now`.
    pub fn rows(&self, now: Nanos) -> Vec<Row> {
        let quotes = self.read();
        let row =
            |(symbol, of): (&Symbol, &BTreeMap<_, Held>)| Row::new(*symbol, of.values().map(|held| &held.update), now);
        quotes.by_symbol.iter().map(row).collect()
    }

    /// The pairs that have gone stale by `now` and were not told before.
    pub(super) fn take_stale(&self, now: Nanos) -> Vec<(ExchangeName, Symbol)> {
        let mut quotes = self.write();
        let held = quotes.by_symbol.values_mut().flat_map(BTreeMap::values_mut);
        held.filter(|held| !held.told_stale && held.update.is_stale(now))
            .map(|held| {
                held.told_stale = true;
                (held.update.exchange, held.update.symbol)
            })
            .collect()
    }

    // A panic while the lock was held leaves whole quotes behind: each is put in place by one insert.
    fn read(&self) -> RwLockReadGuard<'_, Quotes> {
        self.quotes.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Quotes> {
        self.quotes.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn update(exchange: &str, symbol: &str, received_at: i64, stale_after: Option<Duration>) -> Update {
        Update {
            exchange: ExchangeName::parse(exchange).unwrap(),
            symbol: Symbol::parse(symbol).unwrap(),
            exchange_symbol: symbol.into(),
            bid: None,
            bid_size: None,
            ask: None,
            ask_size: None,
            received_at: Nanos(received_at),
            stale_after,
        }
    }

    #[test]
    fn the_newest_quote_of_each_exchange_is_kept_in_the_order_of_names() {
        let board = Board::default();
        for (exchange, symbol) in [("b", "B/C"), ("b", "A/C"), ("a", "B/C"), ("b", "B/C")] {
            board.record(&update(exchange, symbol, 0, None)).unwrap();
        }
        let shown: Vec<String> = board
            .rows(Nanos(0))
            .iter()
            .flat_map(|row| row.exchanges.iter().map(|of| format!("{} {}", row.symbol, of.exchange)))
            .collect();
        assert_eq!(shown, ["A/C b", "B/C a", "B/C b"]);
    }

    #[test]
    fn staleness_is_told_once_until_the_exchange_speaks_again() {
        let board = Board::default();
        let limit = Some(Duration::from_nanos(10));
        board.record(&update("live", "A/C", 0, limit)).unwrap();
        board.record(&update("static", "A/C", 0, None)).unwrap();
        let told = |now| board.take_stale(Nanos(now)).len();
        assert_eq!((told(9), told(10), told(11), told(i64::MAX)), (0, 1, 0, 0));
        board.record(&update("live", "A/C", 20, limit)).unwrap();
        assert_eq!((told(29), told(30)), (0, 1));
        board.record(&update("live", "A/C", 30, None)).unwrap();
        assert_eq!(told(i64::MAX), 0);
    }

    #[test]
    fn a_full_board_takes_no_new_pair_and_still_replaces() {
        let board = Board::default();
        for index in 0..Board::QUOTES_MAX {
            board.record(&update(&format!("x{index}"), "A/C", 0, None)).unwrap();
        }
        assert_eq!(board.record(&update("new", "A/C", 0, None)), Err(BoardFull));
        assert_eq!(board.record(&update("x0", "A/C", 1, None)), Ok(()));
    }
}
