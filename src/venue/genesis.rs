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
                None => Command::WithdrawQuotes { exchange: static_exchange()?, instrument: Some(id) },
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
    let gone = engine.quotes().filter(|quote| !stands(quote));
    gone.map(|quote| Command::WithdrawQuotes { exchange: quote.exchange, instrument: Some(quote.instrument) }).collect()
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
