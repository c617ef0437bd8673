//! The configuration as commands: what the engine depends on is an input like any other, and kept like any other.
//!
//! At a venue's first start this is all of it; later, what has changed since. A grid cannot change under orders that stand
//! on it, and balances count only when an account is first seen.

use anyhow::Context;

use crate::config::{Config, ConfigError};
use crate::domain::{Command, ExchangeName, Instrument, InstrumentId, InstrumentSpec, Quote, Sources};
use crate::engine::Engine;

/// The commands that bring `engine` to what is configured.
///
/// # Errors
///
/// If an instrument's grid has changed, or it cannot be traded.
pub(super) fn difference(config: &Config, engine: &Engine) -> anyhow::Result<Vec<Command>> {
    let mut commands = withdrawals(config, engine);
    let mut quotes = Vec::new();
    let mut next_id = (0..).nth(engine.instruments().len()).unwrap_or(u32::MAX);
    for (index, instrument) in config.instruments.iter().enumerate() {
        let spec = instrument.spec();
        let known = engine.instruments().iter().find(|known| known.spec.symbol == spec.symbol);
        let id = known.map_or(InstrumentId(next_id), |known| known.id);
        next_id += u32::from(known.is_none());
        Instrument::new(id, spec.clone()).with_context(|| format!("instrument {}", spec.symbol))?;
        if let Some(known) = known {
            check_grid(config, index, &spec, &known.spec)?;
        }
        let old_price = known.and_then(|known| static_price(&known.spec));
        let new_price = static_price(&spec);
        if new_price != old_price {
            quotes.push(match new_price {
                Some(_) => Command::Quote(static_quote(&spec, id)?),
                None => Command::WithdrawQuotes { exchange: static_exchange()?, instrument: Some(id), more: false },
            });
        }
        if known.is_none_or(|known| known.spec != spec) {
            commands.push(Command::DefineInstrument(Box::new(spec)));
        }
    }
    for known in engine.instruments() {
        if !config.instruments.iter().any(|instrument| instrument.symbol == known.spec.symbol) {
            tracing::warn!(symbol = %known.spec.symbol, "an instrument is no longer configured: it is traded on as it was, unless it is halted");
        }
    }
    for account in &config.accounts {
        if !engine.accounts().any(|known| known.name == account.name) {
            commands.push(Command::OpenAccount(Box::new(account.spec())));
        }
    }
    commands.append(&mut quotes);
    Ok(commands)
}

/// The quotes of live feeds stand for what the exchanges said before the stop: they are withdrawn until they speak again. So is, for
/// good, what is no source any more.
fn withdrawals(config: &Config, engine: &Engine) -> Vec<Command> {
    let specs: Vec<InstrumentSpec> = config.instruments.iter().map(|instrument| instrument.spec()).collect();
    let stands = |quote: &Quote| {
        let known = engine.instrument(quote.instrument).map(|known| &known.spec);
        let spec = known.and_then(|known| specs.iter().find(|spec| spec.symbol == known.symbol)).or(known);
        spec.is_some_and(|spec| {
            let by_hand = spec.sources.contains(Sources::MANUAL);
            match quote.exchange.as_str() {
                Sources::STATIC => by_hand || spec.sources.contains(Sources::STATIC),
                Sources::MANUAL => by_hand,
                feed => by_hand && !spec.sources.contains(feed),
            }
        })
    };
    let mut gone: Vec<Quote> = engine.quotes().filter(|quote| !stands(quote)).collect();
    gone.sort_by_key(|quote| quote.instrument);
    let of_instruments = gone.chunk_by(|one, other| one.instrument == other.instrument);
    // All of an instrument at once: without one of them, the others make a price that never was, and stops must not fire at it.
    let withdrawals = of_instruments.flat_map(|gone| (0..gone.len()).rev().zip(gone)).map(|(left, quote)| {
        let Quote { exchange, instrument, .. } = quote;
        Command::WithdrawQuotes { exchange: *exchange, instrument: Some(*instrument), more: left > 0 }
    });
    withdrawals.collect()
}

/// Refuses another grid than the instrument was traded on.
fn check_grid(config: &Config, index: usize, spec: &InstrumentSpec, known: &InstrumentSpec) -> Result<(), ConfigError> {
    for (key, new, old) in [("tick_size", spec.tick_size, known.tick_size), ("lot_size", spec.lot_size, known.lot_size)] {
        if new != old {
            let message = format!("{} was traded with {old}, which cannot change", spec.symbol);
            return Err(config.refusal(&format!("instruments[{index}].{key}"), &message));
        }
    }
    Ok(())
}

fn static_exchange() -> anyhow::Result<ExchangeName> {
    Ok(ExchangeName::parse(Sources::STATIC)?)
}

fn static_price(spec: &InstrumentSpec) -> Option<crate::domain::Decimal> {
    spec.reference_price.filter(|_| spec.sources.contains(Sources::STATIC))
}

/// A reference price as what it is: a quote without size of the exchange named `static`.
fn static_quote(spec: &InstrumentSpec, instrument: InstrumentId) -> anyhow::Result<Quote> {
    let price = static_price(spec);
    Ok(Quote { exchange: static_exchange()?, instrument, bid: price, bid_size: None, ask: price, ask_size: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Decimal, Events, Nanos};
    use crate::engine::Limits;

    /// Two instruments that two exchanges quote, in a configuration, and an engine that has heard of it.
    fn quoted() -> (Config, Engine) {
        let instrument = |symbol: &str| {
            format!(
                "[[instruments]]\nsymbol = \"{symbol}\"\ntick_size = \"1\"\nlot_size = \"1\"\nsources = [\"binance\", \"kraken\"]\n"
            )
        };
        let feed = |exchange: &str| {
            format!(
                "[[feeds]]\nexchange = \"{exchange}\"\nkind = \"simulated\"\nsymbols = {{ \"A/B\" = \"AB\", \"C/D\" = \"CD\" }}\nmid = \"10\"\n"
            )
        };
        let text = [instrument("A/B"), instrument("C/D"), feed("binance"), feed("kraken")].concat();
        let config = Config::from_text("test", &text).unwrap();
        let mut engine = Engine::new(Limits::default());
        let mut quotes = Vec::new();
        for exchange in ["kraken", "binance"] {
            for instrument in [InstrumentId(1), InstrumentId(0)] {
                let (exchange, price) = (ExchangeName::parse(exchange).unwrap(), Decimal::new(10, 0).ok());
                quotes.push(Command::Quote(Quote {
                    exchange,
                    instrument,
                    bid: price,
                    bid_size: None,
                    ask: price,
                    ask_size: None,
                }));
            }
        }
        let commands = difference(&config, &engine).unwrap().into_iter().chain(quotes);
        for (number, command) in (1..).zip(commands) {
            engine.apply(number, Nanos(1), &command, &mut Events::default());
        }
        (config, engine)
    }

    #[test]
    fn what_feeds_said_before_a_stop_goes_at_once_an_instrument_after_the_other() {
        let (config, engine) = quoted();
        let withdrawn: Vec<(u32, bool)> = difference(&config, &engine)
            .unwrap()
            .iter()
            .map(|command| match command {
                Command::WithdrawQuotes { instrument: Some(instrument), more, .. } => (instrument.0, *more),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(withdrawn, [(0, true), (0, false), (1, true), (1, false)]);
    }
}
