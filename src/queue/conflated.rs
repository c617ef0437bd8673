//! Quotes on their way to the executor: of each exchange and instrument, the newest waits. Where no other exchange's quote for the
//! instrument waits, so do the lowest and the highest that it overtook, by the middle of bid and ask: a stop that a price reached for a
//! moment fires, however busy the executor was. Where others wait, too, those would meet quotes that never stood beside them.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use super::{LaneCounts, waits::Waits};
use crate::domain::{Command, Decimal, ExchangeName, InstrumentId};

/// Whose quote, and for what.
pub type QuoteKey = (ExchangeName, InstrumentId);

/// The waiting quotes. Bounded by exchanges × instruments, and two more an instrument.
#[derive(Debug, Default)]
pub(super) struct Conflated {
    waiting: Mutex<BTreeMap<InstrumentId, BTreeMap<ExchangeName, Kept>>>,
    sent: AtomicU64,
    received: AtomicU64,
    replaced: AtomicU64,
    waits: Waits,
}

impl Conflated {
    /// Lets `command` wait, and those of the same key that came before only as far as they are the lowest or the highest.
    pub(super) fn put(&self, (exchange, instrument): QuoteKey, command: Command) {
        self.sent.fetch_add(1, Relaxed);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let of_instrument = waiting.entry(instrument).or_default();
        let mut replaced = of_instrument.entry(exchange).or_default().put(command);
        if of_instrument.len() > 1 {
            replaced += of_instrument.values_mut().map(Kept::keep_newest).sum::<u64>();
        }
        self.replaced.fetch_add(replaced, Relaxed);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Takes everything that waits.
    pub(super) fn take(&self, into: &mut Vec<Command>) {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        if waiting.is_empty() {
            return;
        }
        let (before, now) = (into.len(), Instant::now());
        for waiting in waiting.into_values().flat_map(BTreeMap::into_values).flat_map(|kept| kept.quotes) {
            self.waits.note(now.saturating_duration_since(waiting.since));
            into.push(waiting.command);
        }
        self.received.fetch_add((into.len() - before) as u64, Relaxed);
    }

    /// `dropped` are the quotes that newer ones took the place of; so here `sent = received + depth + dropped`.
    pub(super) fn counts(&self) -> LaneCounts {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        LaneCounts {
            lane: "quotes",
            capacity: 0,
            depth: waiting.values().flat_map(BTreeMap::values).map(|kept| kept.quotes.len() as u64).sum(),
            sent: self.sent.load(Relaxed),
            received: self.received.load(Relaxed),
            dropped: self.replaced.load(Relaxed),
            waits: self.waits.buckets(),
        }
    }
}

/// What waits of one exchange and instrument, in the order in which it came.
#[derive(Debug, Default)]
struct Kept {
    quotes: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    command: Command,
    since: Instant,
}

impl Kept {
    /// Keeps a newer one; how many need not be kept any more.
    fn put(&mut self, newest: Command) -> u64 {
        self.quotes.push(Waiting { command: newest, since: Instant::now() });
        // Of equals the newest.
        let middles = || {
            self.quotes.iter().enumerate().rev().filter_map(|(place, quote)| Some((middle_doubled(&quote.command)?, place)))
        };
        let lowest = middles().min_by_key(|(middle, _)| *middle);
        let extremes = [lowest, middles().max()].map(|extreme| extreme.map(|(_, place)| place));
        let (before, last) = (self.quotes.len(), self.quotes.len() - 1);
        let mut place = 0..;
        self.quotes.retain(|_| place.next().is_some_and(|place| place == last || extremes.contains(&Some(place))));
        (before - self.quotes.len()) as u64
    }

    /// Keeps the newest alone; how many need not be kept any more.
    fn keep_newest(&mut self) -> u64 {
        let older = self.quotes.len().saturating_sub(1);
        self.quotes.drain(..older);
        older as u64
    }
}

/// Bid and ask together, in units of the finest scale; `None` where one is missing.
fn middle_doubled(command: &Command) -> Option<i128> {
    let Command::Quote(quote) = command else { return None };
    Some(quote.bid?.to_units(Decimal::SCALE_MAX)? + quote.ask?.to_units(Decimal::SCALE_MAX)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Quote;

    const KEY: fn() -> QuoteKey = || (ExchangeName::parse("binance").unwrap(), InstrumentId(0));

    fn quote(bid: Option<i64>, ask: i64) -> Command {
        let price = |mantissa| Decimal::new(mantissa, 1).unwrap();
        let (exchange, instrument) = KEY();
        let (bid, ask) = (bid.map(price), Some(price(ask)));
        Command::Quote(Quote { exchange, instrument, bid, bid_size: None, ask, ask_size: None })
    }

    #[test]
    fn where_two_exchanges_wait_no_quote_meets_one_that_never_stood_beside_it() {
        let quotes = Conflated::default();
        let put = |exchange: &str, instrument: u32, middle: i64| {
            let (exchange, instrument) = (ExchangeName::parse(exchange).unwrap(), InstrumentId(instrument));
            let Command::Quote(of_key) = quote(Some(middle - 1), middle + 1) else { panic!("a quote") };
            let command = Command::Quote(Quote { exchange, instrument, ..of_key });
            quotes.put((exchange, instrument), command.clone());
            command
        };
        let _overtaken = put("kraken", 0, 80);
        let newest = put("kraken", 0, 100);
        assert_eq!(quotes.counts().depth, 2);
        let (beside, elsewhere) = (put("binance", 0, 80), put("binance", 1, 80));
        assert_eq!((quotes.counts().depth, quotes.counts().dropped), (3, 1));
        let mut taken = Vec::new();
        quotes.take(&mut taken);
        assert_eq!(taken, [beside, newest, elsewhere]);
    }

    #[test]
    fn the_newest_waits_with_the_lowest_and_the_highest_that_it_overtook_in_the_order_in_which_they_came() {
        let withdrawal = Command::WithdrawQuotes { exchange: KEY().0, instrument: Some(KEY().1), more: false };
        let whole = |middle: i64| quote(Some(middle - 1), middle + 1);
        for (sent, kept) in [
            (vec![whole(100)], vec![0]),
            (vec![whole(100), whole(105)], vec![0, 1]),
            (vec![whole(100), whole(100), whole(100)], vec![2]),
            (vec![whole(105), whole(95), whole(105), whole(95), whole(100)], vec![2, 3, 4]),
            (vec![whole(100), whole(105), whole(95), whole(101)], vec![1, 2, 3]),
            (vec![whole(100), whole(105), whole(95), whole(101), whole(94), whole(99)], vec![1, 4, 5]),
            (vec![whole(100), whole(90), whole(80), whole(70)], vec![0, 3]),
            (vec![whole(100), quote(None, 500), whole(90), quote(None, 1)], vec![0, 2, 3]),
            (vec![whole(100), withdrawal.clone()], vec![0, 1]),
            (vec![withdrawal, whole(100)], vec![1]),
        ] {
            let quotes = Conflated::default();
            sent.iter().for_each(|quote| quotes.put(KEY(), quote.clone()));
            let counts = quotes.counts();
            assert_eq!(
                (counts.sent, counts.depth, counts.dropped),
                (sent.len() as u64, kept.len() as u64, (sent.len() - kept.len()) as u64)
            );
            let mut taken = Vec::new();
            quotes.take(&mut taken);
            assert_eq!(taken, kept.iter().map(|place: &usize| sent[*place].clone()).collect::<Vec<_>>());
            let LaneCounts { received, waits, .. } = quotes.counts();
            assert_eq!((received, quotes.is_empty()), (kept.len() as u64, true));
            assert!(waits.buckets.last().unwrap().1 == received && waits.max_ns > 0 && waits.total_ns >= waits.max_ns);
        }
    }
}
