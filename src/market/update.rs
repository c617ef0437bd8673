//! What an exchange said about one symbol, at one moment.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::{Decimal, ExchangeName, InstrumentId, Nanos, Quote, Symbol};

/// The best bid and ask of one exchange for one symbol, which take the place of its last ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// Who quotes.
    pub exchange: ExchangeName,
    /// What is quoted, as the venue calls it.
    pub symbol: Symbol,
    /// What is quoted, as the exchange calls it.
    pub exchange_symbol: Arc<str>,
    /// What it buys at; `None`: it does not.
    pub bid: Option<Decimal>,
    /// How much it buys; `None`: any amount.
    pub bid_size: Option<Decimal>,
    /// What it sells at; `None`: it does not.
    pub ask: Option<Decimal>,
    /// How much it sells; `None`: any amount.
    pub ask_size: Option<Decimal>,
    /// When it reached this process.
    pub received_at: Nanos,
    /// After how long without another it no longer counts; `None`: it counts until it is replaced.
    pub stale_after: Option<Duration>,
}

impl Update {
    /// What a quote from the API, or a static price, says once it is applied: it never goes stale.
    pub fn from_quote(quote: &Quote, symbol: Symbol, received_at: Nanos) -> Self {
        Self {
            exchange: quote.exchange,
            symbol,
            exchange_symbol: symbol.as_str().into(),
            bid: quote.bid,
            bid_size: quote.bid_size,
            ask: quote.ask,
            ask_size: quote.ask_size,
            received_at,
            stale_after: None,
        }
    }

    /// The same as the engine is told it, for the instrument of its symbol.
    pub fn quote(&self, instrument: InstrumentId) -> Quote {
        Quote {
            exchange: self.exchange,
            instrument,
            bid: self.bid,
            bid_size: self.bid_size,
            ask: self.ask,
            ask_size: self.ask_size,
        }
    }

    /// Nanoseconds since it was received, 0 or more.
    pub(super) fn age(&self, now: Nanos) -> u64 {
        u64::try_from(now.0.saturating_sub(self.received_at.0)).unwrap_or(0)
    }

    /// Whether it is too old to count.
    pub(super) fn is_stale(&self, now: Nanos) -> bool {
        self.stale_after.is_some_and(|limit| u128::from(self.age(now)) >= limit.as_nanos())
    }
}
