//! A simulated exchange: one walk a symbol, a quote of each at a steady pace.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{self, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::super::{Clock, Update};
use super::walk::{SplitMix64, Walk};
use crate::domain::{Decimal, ExchangeName, Symbol};

/// What a simulated exchange is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulatedSpec {
    /// Its name.
    pub exchange: ExchangeName,
    /// The venue's symbols, and what the exchange calls them.
    pub symbols: Vec<(Symbol, Arc<str>)>,
    /// The price that the walks stay near.
    pub mid: Decimal,
    /// The step of prices, above zero.
    pub tick_size: Decimal,
    /// The average size at bid and ask, above zero.
    pub size: Decimal,
    /// Ask less bid, in basis points of `mid`, 0 to 1,000; at least one tick.
    pub spread_bps: Decimal,
    /// The largest step of a walk, in basis points of `mid`, 0 to 100: further, a walk could reach zero.
    pub volatility_bps: Decimal,
    /// The time between two quotes of a symbol, at least 1 ms.
    pub interval: Duration,
    /// After how long without a quote its prices no longer count.
    pub stale_after: Duration,
    /// Equal seeds walk equal paths, for the same exchange and symbol.
    pub seed: u64,
}

/// Why a [`SimulatedSpec`] cannot be walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SimulatedError {
    /// The middle is less than a tick.
    #[error("must be at least tick_size, and less than 10^12 of them")]
    Mid,
    /// The tick size is not positive, or too long.
    #[error("must be above zero, of at most 9 digits")]
    TickSize,
    /// The size is not positive, or too long to be divided.
    #[error("must be above zero, of at most 9 digits, and at most 9 after the point")]
    Size,
    /// The spread is out of range.
    #[error("must be 0 to 1000 basis points, with at most 4 digits after the point")]
    Spread,
    /// The volatility is out of range.
    #[error("must be 0 to 100 basis points, with at most 4 digits after the point")]
    Volatility,
    /// The interval is too short.
    #[error("must be at least 1ms")]
    Interval,
}

impl SimulatedError {
    /// The field that it is about.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Mid => "mid",
            Self::TickSize => "tick_size",
            Self::Size => "size",
            Self::Spread => "spread_bps",
            Self::Volatility => "volatility_bps",
            Self::Interval => "interval",
        }
    }
}

/// Mantissas below this leave room in an `i64` for a price or a size.
const MANTISSA_MAX: i64 = 1_000_000_000;
/// Prices below this many ticks leave room for subticks, and for twice the price.
const TICKS_MAX: i128 = 1_000_000_000_000;
/// Basis points come in units of 10^-4: the whole is 10^8 of them.
const BPS_WHOLE: i128 = 100_000_000;

impl SimulatedSpec {
    /// The walk of one of its symbols.
    ///
    /// # Errors
    ///
    /// [`SimulatedError`] names what the spec has wrong.
    pub fn walk(&self, symbol: Symbol) -> Result<Walk, SimulatedError> {
        use SimulatedError as E;
        let fits = |value: Decimal| (1..MANTISSA_MAX).contains(&value.mantissa());
        if !fits(self.tick_size) {
            return Err(E::TickSize);
        }
        if !fits(self.size) || self.size.scale() > 9 {
            return Err(E::Size);
        }
        if self.interval < Duration::from_millis(1) {
            return Err(E::Interval);
        }
        let scale = self.mid.scale().max(self.tick_size.scale());
        let in_ticks = self.mid.to_units(scale).zip(self.tick_size.to_units(scale));
        let mid = in_ticks.and_then(|(mid, tick)| mid.checked_div(tick)).unwrap_or_default();
        if !(1..TICKS_MAX).contains(&mid) {
            return Err(E::Mid);
        }
        let share = |bps: Decimal, most: i128| {
            let units = bps.to_units(4).filter(|units| (0..=most * 10_000).contains(units));
            units.map(|units| (mid << 16) * units / BPS_WHOLE)
        };
        let spread = share(self.spread_bps, 1_000).ok_or(E::Spread)? >> 16;
        let step = share(self.volatility_bps, 100).ok_or(E::Volatility)?;
        let walk = Walk {
            random: SplitMix64(self.seed ^ fingerprint(self.exchange.as_str(), symbol.as_str())),
            mid: i64::try_from(mid).map_err(|_| E::Mid)?,
            spread: i64::try_from(spread.max(1)).map_err(|_| E::Spread)?,
            step: u64::try_from(step).map_err(|_| E::Volatility)?,
            distance: 0,
            tick_size: self.tick_size,
            size: self.size,
        };
        // No walk goes as far as twice its middle, so that if this is a decimal, all its prices are.
        walk.price(walk.mid.saturating_mul(2)).map(|_| walk).ok_or(E::Mid)
    }
}

/// FNV-1a of both names: exchanges and symbols with one seed walk paths of their own.
fn fingerprint(exchange: &str, symbol: &str) -> u64 {
    let bytes = exchange.bytes().chain([0]).chain(symbol.bytes());
    bytes.fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

/// Quotes all symbols of `spec` once per interval into `updates`, until `stop` or until nobody takes them.
///
/// # Errors
///
/// [`SimulatedError`] names what the spec has wrong; nothing is sent then.
pub async fn run_simulated(
    spec: SimulatedSpec,
    clock: Clock,
    updates: mpsc::Sender<Update>,
    stop: CancellationToken,
) -> Result<(), SimulatedError> {
    let mut walks = Vec::with_capacity(spec.symbols.len());
    for (symbol, exchange_symbol) in &spec.symbols {
        walks.push((*symbol, exchange_symbol.clone(), spec.walk(*symbol)?));
    }
    let mut pace = time::interval(spec.interval);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let quote = async {
        loop {
            pace.tick().await;
            for (symbol, exchange_symbol, walk) in &mut walks {
                let Some(prices) = walk.next() else { return };
                let update = Update {
                    exchange: spec.exchange,
                    symbol: *symbol,
                    exchange_symbol: exchange_symbol.clone(),
                    bid: Some(prices.bid),
                    bid_size: Some(prices.bid_size),
                    ask: Some(prices.ask),
                    ask_size: Some(prices.ask_size),
                    received_at: clock(),
                    stale_after: Some(spec.stale_after),
                };
                if updates.send(update).await.is_err() {
                    return;
                }
            }
        }
    };
    stop.run_until_cancelled(quote).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Nanos;
    use tokio::time::Instant;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    fn symbol() -> Symbol {
        Symbol::parse("BTC/USD").unwrap()
    }

    fn spec() -> SimulatedSpec {
        SimulatedSpec {
            exchange: ExchangeName::parse("kraken").unwrap(),
            symbols: vec![(symbol(), "XBT/USD".into())],
            mid: decimal("42000"),
            tick_size: decimal("0.1"),
            size: decimal("0.8"),
            spread_bps: decimal("4"),
            volatility_bps: decimal("1"),
            interval: Duration::from_millis(400),
            stale_after: Duration::from_secs(5),
            seed: 7,
        }
    }

    #[test]
    fn the_path_is_fixed_by_the_seed() {
        let path = |spec: &SimulatedSpec| -> Vec<_> { spec.walk(symbol()).unwrap().take(1_000).collect() };
        assert_eq!(path(&spec()), path(&spec()));
        let first: Vec<String> = path(&spec())
            .iter()
            .take(3)
            .map(|prices| format!("{} {} {} {}", prices.bid, prices.bid_size, prices.ask, prices.ask_size))
            .collect();
        assert_eq!(first, ["41990.6 0.592 42007.4 1.024", "41990.6 0.672 42007.4 1.552", "41991.5 1.36 42008.3 0.928"]);
        let other_seed = SimulatedSpec { seed: 2, ..spec() };
        let other_exchange = SimulatedSpec { exchange: ExchangeName::parse("binance").unwrap(), ..spec() };
        assert!(path(&spec()) != path(&other_seed) && path(&spec()) != path(&other_exchange));
    }

    #[test]
    fn prices_move_stay_near_the_middle_and_never_cross() {
        let (mut low, mut high) = (decimal("42000"), decimal("42000"));
        for prices in spec().walk(symbol()).unwrap().take(100_000) {
            assert_eq!(prices.ask.checked_sub(prices.bid), Some(decimal("16.8")));
            assert!(prices.bid_size.is_positive() && prices.ask_size.is_positive());
            assert!(prices.bid_size < decimal("1.6") && prices.ask_size < decimal("1.6"));
            (low, high) = (low.min(prices.bid), high.max(prices.ask));
        }
        assert!(low > decimal("41900") && high < decimal("42100"), "{low} to {high}");
        assert!(low < decimal("41970") && high > decimal("42030"), "{low} to {high}");
    }

    #[test]
    fn the_wildest_walk_stays_above_zero_and_a_still_one_stands() {
        let wild = SimulatedSpec { volatility_bps: decimal("100"), spread_bps: decimal("1000"), ..spec() };
        assert!(wild.walk(symbol()).unwrap().take(100_000).all(|prices| prices.bid > decimal("0.1")));
        let still = SimulatedSpec { volatility_bps: Decimal::ZERO, spread_bps: Decimal::ZERO, ..spec() };
        let prices = still.walk(symbol()).unwrap().nth(100).unwrap();
        assert_eq!((prices.bid, prices.ask), (decimal("41999.9"), decimal("42000")));
    }

    #[test]
    fn specs_that_cannot_be_walked_are_refused() {
        use SimulatedError as E;
        let refused = |spec: SimulatedSpec| spec.walk(symbol()).map(|_| ()).unwrap_err();
        let (zero, long) = (Decimal::ZERO, decimal("0.0000000001"));
        for mid in ["0", "-1", "0.01", "999999999999999"] {
            assert_eq!(refused(SimulatedSpec { mid: decimal(mid), ..spec() }), E::Mid, "{mid}");
        }
        assert_eq!(refused(SimulatedSpec { tick_size: zero, ..spec() }), E::TickSize);
        assert_eq!(refused(SimulatedSpec { size: zero, ..spec() }), E::Size);
        assert_eq!(refused(SimulatedSpec { size: long, ..spec() }), E::Size);
        assert_eq!(refused(SimulatedSpec { spread_bps: decimal("1001"), ..spec() }), E::Spread);
        assert_eq!(refused(SimulatedSpec { volatility_bps: decimal("-1"), ..spec() }), E::Volatility);
        assert_eq!(refused(SimulatedSpec { interval: Duration::from_nanos(1), ..spec() }), E::Interval);
    }

    #[tokio::test(start_paused = true)]
    async fn quotes_come_at_the_pace_with_both_symbols_until_stopped() {
        let started = Instant::now();
        let clock: Clock = Arc::new(move || Nanos(i64::try_from(started.elapsed().as_nanos()).unwrap()));
        let (sender, mut updates) = mpsc::channel(1);
        let stop = CancellationToken::new();
        let task = tokio::spawn(run_simulated(spec(), clock, sender, stop.clone()));
        let path: Vec<_> = spec().walk(symbol()).unwrap().take(3).collect();
        for (step, prices) in path.into_iter().enumerate() {
            let update = updates.recv().await.unwrap();
            assert_eq!(update.received_at, Nanos(i64::try_from(step).unwrap() * 400_000_000));
            assert_eq!((update.symbol, &*update.exchange_symbol), (symbol(), "XBT/USD"));
            assert_eq!((update.bid, update.ask_size), (Some(prices.bid), Some(prices.ask_size)));
        }
        stop.cancel();
        assert_eq!(task.await.unwrap(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_feed_ends_when_nobody_takes_its_updates() {
        let (sender, updates) = mpsc::channel(1);
        drop(updates);
        assert_eq!(run_simulated(spec(), Arc::new(|| Nanos(0)), sender, CancellationToken::new()).await, Ok(()));
    }
}
