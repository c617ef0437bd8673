//! `[[feeds]]`: where prices come from.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::problem::Problems;
use super::value::{self, Text, readable_words};
use crate::domain::{Decimal, ExchangeName, Sources, Symbol, words};
use crate::market::SimulatedSpec;

words!(
    /// What a feed is.
    FeedKind {
        /// A random walk in this process.
        Simulated = "simulated",
        /// A file of what a feed once said.
        Recorded = "recorded",
        /// Binance's public market data.
        Binance = "binance",
        /// Coinbase's public market data.
        Coinbase = "coinbase",
        /// Kraken's public market data.
        Kraken = "kraken",
    }
);
readable_words!(FeedKind);

/// One feed: some symbols of one exchange. What has no default must be set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedConfig {
    /// Whose prices they are. An exchange may have several feeds, each with symbols of its own.
    #[serde(deserialize_with = "value::one")]
    pub exchange: ExchangeName,
    /// What the feed is. This version has `simulated` only.
    #[serde(deserialize_with = "value::one")]
    pub kind: FeedKind,
    /// The venue's symbols, and what the exchange calls them.
    #[serde(deserialize_with = "value::map")]
    pub symbols: BTreeMap<Symbol, String>,
    /// After how long without a word its prices are no longer used, above zero. Default `5s`.
    #[serde(default = "stale_after", deserialize_with = "value::one", serialize_with = "value::write_duration")]
    pub stale_after: Duration,
    /// Live kinds: where to connect to instead of the exchange's own address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Recorded: the file to play.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Recorded: how many times faster than it was recorded.
    #[serde(default, deserialize_with = "value::optional", skip_serializing_if = "Option::is_none")]
    pub speed: Option<Decimal>,
    /// Simulated: the price that the walk stays near, at least one `tick_size`. Must be set for this kind.
    #[serde(default, deserialize_with = "value::optional", skip_serializing_if = "Option::is_none")]
    pub mid: Option<Decimal>,
    /// Simulated: the step of prices. Default `0.01`.
    #[serde(default = "tick_size", deserialize_with = "value::one")]
    pub tick_size: Decimal,
    /// Simulated: the average size at bid and ask, in the base asset. Default `1`.
    #[serde(default = "size", deserialize_with = "value::one")]
    pub size: Decimal,
    /// Simulated: ask less bid, in basis points of `mid`, 0 to 1,000; at least one tick. Default `2`.
    #[serde(default = "spread_bps", deserialize_with = "value::one")]
    pub spread_bps: Decimal,
    /// Simulated: the largest step of the walk, in basis points of `mid`, 0 to 100. Default `1`.
    #[serde(default = "volatility_bps", deserialize_with = "value::one")]
    pub volatility_bps: Decimal,
    /// Simulated: the time between two quotes of a symbol, at least 1 ms. Default `250ms`.
    #[serde(default = "interval", deserialize_with = "value::one", serialize_with = "value::write_duration")]
    pub interval: Duration,
    /// Simulated: equal seeds walk equal paths, for the same exchange and symbol. Default 1.
    #[serde(default = "seed")]
    pub seed: u64,
}

fn stale_after() -> Duration {
    Duration::from_secs(5)
}

fn tick_size() -> Decimal {
    Decimal::read("0.01").unwrap_or_default()
}

fn size() -> Decimal {
    Decimal::read("1").unwrap_or_default()
}

fn spread_bps() -> Decimal {
    Decimal::read("2").unwrap_or_default()
}

fn volatility_bps() -> Decimal {
    Decimal::read("1").unwrap_or_default()
}

fn interval() -> Duration {
    Duration::from_millis(250)
}

fn seed() -> u64 {
    1
}

/// The most symbols of one feed.
const SYMBOLS_MAX: usize = 1_000;

impl FeedConfig {
    pub(super) fn check(&self, at: &str, problems: &mut Problems) {
        if [Sources::STATIC, Sources::MANUAL].contains(&self.exchange.as_str()) {
            let message = format!("{} has a meaning of its own among sources: choose another name", self.exchange);
            problems.push(format!("{at}.exchange"), message);
        }
        problems.count(format!("{at}.symbols"), self.symbols.len(), 1, SYMBOLS_MAX);
        problems.above_zero(format!("{at}.stale_after"), self.stale_after);
        if self.kind == FeedKind::Simulated {
            self.check_simulated(at, problems);
        } else {
            problems.push(format!("{at}.kind"), "this version has simulated feeds only: set kind = \"simulated\"");
        }
    }

    /// What a simulated exchange is told; `None` for other kinds, and without a `mid`.
    pub fn simulated(&self) -> Option<SimulatedSpec> {
        let mid = self.mid.filter(|_| self.kind == FeedKind::Simulated)?;
        Some(SimulatedSpec {
            exchange: self.exchange,
            symbols: self.symbols.iter().map(|(symbol, own)| (*symbol, own.as_str().into())).collect(),
            mid,
            tick_size: self.tick_size,
            size: self.size,
            spread_bps: self.spread_bps,
            volatility_bps: self.volatility_bps,
            interval: self.interval,
            stale_after: self.stale_after,
            seed: self.seed,
        })
    }

    fn check_simulated(&self, at: &str, problems: &mut Problems) {
        let foreign = [("url", self.url.is_some()), ("file", self.file.is_some()), ("speed", self.speed.is_some())];
        for (key, _) in foreign.into_iter().filter(|(_, set)| *set) {
            problems.push(format!("{at}.{key}"), "is not for simulated feeds: leave it out");
        }
        let Some(spec) = self.simulated() else {
            problems.push(format!("{at}.mid"), "must be set for a simulated feed");
            return;
        };
        if let Some(error) = spec.symbols.iter().find_map(|(symbol, _)| spec.walk(*symbol).err()) {
            problems.push(format!("{at}.{}", error.field()), error.to_string());
        }
        if self.stale_after <= self.interval {
            problems.push(format!("{at}.stale_after"), "must be longer than interval, or the feed is always stale");
        }
    }
}
