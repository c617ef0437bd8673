//! One symbol over all exchanges: the row of `GET /quotes` and of the `best` channel.
//!
//! The best bid is the highest, the best ask the lowest, of the quotes that are not stale and have a size. Where prices are
//! equal the larger size is the better one (no size is any amount, hence the largest), then the exchange first in the alphabet.

use serde::Serialize;

use super::Update;
use crate::domain::{Decimal, ExchangeName, Nanos, Symbol};

/// One symbol over all exchanges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// What is quoted.
    pub symbol: Symbol,
    /// The best bid and ask of all exchanges.
    pub best: Best,
    /// Best ask less best bid, negative when crossed; `None` without both.
    pub spread: Option<Decimal>,
    /// Whether the best bid is above the best ask; equal prices are locked, not crossed.
    pub crossed: bool,
    /// What buying at the best ask and selling at the best bid gains, in basis points of the ask, before fees: 0 or more,
    /// rounded down to four digits after the point, so that it is never overstated.
    pub arbitrage_bps: Decimal,
    /// What each exchange says, by name.
    pub exchanges: Vec<ExchangeRow>,
}

/// The best bid and ask over all exchanges.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Best {
    /// The highest bid.
    pub bid: Option<Decimal>,
    /// How much is bid there; `None` beside a bid: any amount.
    pub bid_size: Option<Decimal>,
    /// Who bids it.
    pub bid_exchange: Option<ExchangeName>,
    /// The lowest ask.
    pub ask: Option<Decimal>,
    /// How much is offered there; `None` beside an ask: any amount.
    pub ask_size: Option<Decimal>,
    /// Who offers it.
    pub ask_exchange: Option<ExchangeName>,
}

/// What one exchange says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExchangeRow {
    /// Who.
    pub exchange: ExchangeName,
    /// What it buys at.
    pub bid: Option<Decimal>,
    /// How much; `None`: any amount.
    pub bid_size: Option<Decimal>,
    /// What it sells at.
    pub ask: Option<Decimal>,
    /// How much; `None`: any amount.
    pub ask_size: Option<Decimal>,
    /// Milliseconds since it said so.
    pub age_ms: u64,
    /// Whether that is too long ago to count.
    pub stale: bool,
}

impl Row {
    /// The row of `symbol` from the newest update of each exchange, in the order of their names.
    pub(super) fn new<'a>(symbol: Symbol, updates: impl Iterator<Item = &'a Update> + Clone, now: Nanos) -> Self {
        let fresh = updates.clone().filter(|update| !update.is_stale(now));
        let best = Best::of(fresh);
        let sides = best.bid.zip(best.ask);
        Self {
            symbol,
            spread: sides.and_then(|(bid, ask)| ask.checked_sub(bid)),
            crossed: sides.is_some_and(|(bid, ask)| bid > ask),
            // Only prices further apart than a decimal can say have none.
            arbitrage_bps: sides.and_then(|(bid, ask)| arbitrage_bps(bid, ask)).unwrap_or_default(),
            best,
            exchanges: updates.map(|update| ExchangeRow::new(update, now)).collect(),
        }
    }
}

impl Best {
    fn of<'a>(updates: impl Iterator<Item = &'a Update> + Clone) -> Self {
        let bids = updates.clone().filter_map(|update| Some((update.bid?, Size::of(update.bid_size)?, update)));
        let asks = updates.filter_map(|update| Some((update.ask?, Size::of(update.ask_size)?, update)));
        let by_size_then_name = |one: (Size, &Update), other: (Size, &Update)| {
            one.0.cmp(&other.0).then_with(|| other.1.exchange.cmp(&one.1.exchange))
        };
        let bid = bids
            .max_by(|one, other| one.0.cmp(&other.0).then_with(|| by_size_then_name((one.1, one.2), (other.1, other.2))));
        let ask = asks
            .max_by(|one, other| other.0.cmp(&one.0).then_with(|| by_size_then_name((one.1, one.2), (other.1, other.2))));
        Self {
            bid: bid.map(|(price, _, _)| price),
            bid_size: bid.and_then(|(_, _, update)| update.bid_size),
            bid_exchange: bid.map(|(_, _, update)| update.exchange),
            ask: ask.map(|(price, _, _)| price),
            ask_size: ask.and_then(|(_, _, update)| update.ask_size),
            ask_exchange: ask.map(|(_, _, update)| update.exchange),
        }
    }
}

/// A size above zero, by how much it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Size {
    Of(Decimal),
    Any,
}

impl Size {
    fn of(size: Option<Decimal>) -> Option<Self> {
        match size {
            None => Some(Self::Any),
            Some(size) => size.is_positive().then_some(Self::Of(size)),
        }
    }
}

impl ExchangeRow {
    fn new(update: &Update, now: Nanos) -> Self {
        Self {
            exchange: update.exchange,
            bid: update.bid,
            bid_size: update.bid_size,
            ask: update.ask,
            ask_size: update.ask_size,
            age_ms: update.age(now) / 1_000_000,
            stale: update.is_stale(now),
        }
    }
}

/// Digits after the point of an arbitrage in basis points.
const ARBITRAGE_SCALE: u8 = 4;

/// (`bid` − `ask`) / `ask` × 10^4, at least 0, rounded down; `None` where that is no `Decimal`.
fn arbitrage_bps(bid: Decimal, ask: Decimal) -> Option<Decimal> {
    let gain = bid.checked_sub(ask).filter(|gain| gain.is_positive())?;
    let scale = gain.scale().max(ask.scale());
    // Basis points, and the digits after their point, are 10^8; what the product would not hold is refused.
    let scaled = gain.to_units(scale)?.checked_mul(10_000 * 10_000)?;
    let units = scaled.checked_div(ask.to_units(scale)?)?;
    Decimal::new(i64::try_from(units).ok()?, ARBITRAGE_SCALE).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    /// An update from `exchange bid bid_size ask ask_size`; `-` is none.
    fn update(text: &str) -> Update {
        let mut words = text.split(' ');
        let exchange = ExchangeName::parse(words.next().unwrap()).unwrap();
        let [bid, bid_size, ask, ask_size] = [(); 4].map(|()| words.next().filter(|word| *word != "-").map(decimal));
        let symbol = Symbol::parse("BTC/USD").unwrap();
        let exchange_symbol = "BTC-USD".into();
        let stale_after = Some(std::time::Duration::from_secs(5));
        Update { exchange, symbol, exchange_symbol, bid, bid_size, ask, ask_size, received_at: Nanos(0), stale_after }
    }

    fn row(updates: &[&str], now: i64) -> Row {
        let updates: Vec<Update> = updates.iter().map(|text| update(text)).collect();
        Row::new(Symbol::parse("BTC/USD").unwrap(), updates.iter(), Nanos(now))
    }

    /// The best of `updates` as `bid bid_size bid_exchange ask ask_size ask_exchange`.
    fn best(updates: &[&str]) -> String {
        let best = row(updates, 0).best;
        let number = |value: Option<Decimal>| value.map_or("-".to_owned(), |value| value.to_string());
        let name = |value: Option<ExchangeName>| value.map_or("-".to_owned(), |value| value.to_string());
        [
            number(best.bid),
            number(best.bid_size),
            name(best.bid_exchange),
            number(best.ask),
            number(best.ask_size),
            name(best.ask_exchange),
        ]
        .join(" ")
    }

    #[test]
    fn best_is_price_then_size_then_name() {
        for (updates, expected) in [
            (&["a 99 1 101 1", "b 100 1 102 1"][..], "100 1 b 101 1 a"),
            (&["a 100 1 101 2", "b 100 2 101 1"], "100 2 b 101 2 a"),
            (&["a 100 9 101 9", "b 100 - 101 -"], "100 - b 101 - b"),
            (&["b 100 1 101 1", "a 100 1 101 1"], "100 1 a 101 1 a"),
            (&["a 100 0 101 0", "b 99 1 - -"], "99 1 b - - -"),
            (&[], "- - - - - -"),
        ] {
            assert_eq!(best(updates), expected, "{updates:?}");
        }
    }

    #[test]
    fn spread_crossing_and_arbitrage_are_exact() {
        for (updates, spread, crossed, arbitrage) in [
            (&["a 41999.5 1 42000.5 1"][..], Some("1"), false, "0"),
            (&["a 42000 1 - -", "b - - 42000 1"], Some("0"), false, "0"),
            (&["a 42010 1 42011 1", "b 41999 1 42000 1"], Some("-10"), true, "2.3809"),
            (&["a 3 1 4 1", "b 1 1 2 1"], Some("-1"), true, "5000"),
            (&["a 100 1 - -"], None, false, "0"),
        ] {
            let row = row(updates, 0);
            assert_eq!(row.spread, spread.map(decimal), "{updates:?}");
            assert_eq!((row.crossed, row.arbitrage_bps), (crossed, decimal(arbitrage)), "{updates:?}");
        }
    }

    #[test]
    fn stale_exchanges_are_shown_and_do_not_count() {
        let row = row(&["a 100 1 101 1"], 5_000_000_000);
        assert_eq!((row.best, row.spread), (Best::default(), None));
        let exchange = row.exchanges.first().unwrap();
        assert_eq!((exchange.age_ms, exchange.stale, exchange.bid), (5_000, true, Some(decimal("100"))));
    }

    #[test]
    fn a_row_is_written_as_the_contract_says() {
        let row = row(&["a 100.50 - 101 2"], 1_999_999);
        assert_eq!(
            serde_json::to_string(&row).unwrap(),
            r#"{"symbol":"BTC/USD","best":{"bid":"100.5","bid_size":null,"bid_exchange":"a","ask":"101","ask_size":"2","ask_exchange":"a"},"spread":"0.5","crossed":false,"arbitrage_bps":"0","exchanges":[{"exchange":"a","bid":"100.5","bid_size":null,"ask":"101","ask_size":"2","age_ms":1,"stale":false}]}"#
        );
    }
}
