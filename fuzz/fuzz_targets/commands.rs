//! Fuzzes the engine with streams of commands, sensible and not.
//!
//! ```text
//! cargo install cargo-fuzz --locked
//! cargo +nightly fuzz run commands -- -max_total_time=600 -max_len=4096
//! ```
//!
//! Bytes are read as commands: amounts on a small grid where everything collides, and any decimal that there is, negative ones
//! included; instruments with any rules; accounts, orders and instruments that do not exist. The engine answers everything: a
//! panic, an overflow or a broken invariant is a finding. Beside the engine's own assertions stands the watcher of
//! `tests/engine`, which reads events and books and believes nothing else.

#![no_main]

#[path = "../../tests/engine/invariants.rs"]
mod invariants;

use arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use openoutcry::domain::*;
use openoutcry::engine::{Engine, Limits};

fuzz_target!(|bytes: &[u8]| {
    let mut source = Unstructured::new(bytes);
    let closed_kept = source.int_in_range(0..=8).unwrap_or(0);
    let mut engine = Engine::new(Limits { closed_kept });
    let mut watch = invariants::Watch::default();
    let mut events = Events::default();
    let (mut now, mut orders) = (0i64, 0u64);
    for seq in 1.. {
        let Ok(command) = next(&mut source, seq, orders) else { break };
        now = match source.ratio(1, 40) {
            Ok(true) => source.arbitrary().unwrap_or(now),
            _ => now.saturating_add(source.int_in_range(0..=3).unwrap_or(0)),
        };
        events.clear();
        let outcome = engine.apply(seq, Nanos(now), &command, &mut events);
        orders += u64::from(matches!(outcome, Outcome::Placed(_)));
        if let Err(problem) = watch.see(&engine, &command, outcome, &events) {
            panic!("after {command:?}: {problem}");
        }
        engine.next_deadline();
        if seq % 16 == 0 {
            engine.state_hash();
        }
    }
});

/// The next command; the first ones build a venue, so that there is something to hit.
fn next(source: &mut Unstructured, seq: u64, orders: u64) -> Result<Command> {
    match seq {
        _ if source.is_empty() => Err(arbitrary::Error::NotEnoughData),
        1 | 2 => Ok(Command::DefineInstrument(Box::new(instrument(source, seq)?))),
        3..=5 => Ok(Command::OpenAccount(Box::new(account(source, seq)?))),
        _ => command(source, seq, orders),
    }
}

fn command(source: &mut Unstructured, seq: u64, orders: u64) -> Result<Command> {
    let account_id = AccountId(source.int_in_range(0..=3)?);
    let instrument_id = InstrumentId(source.int_in_range(0..=2)?);
    // Mostly one of the latest orders.
    let ago: u64 = source.int_in_range(0..=9)?;
    let order_id = OrderId(orders.saturating_sub(ago));
    Ok(match source.int_in_range(0..=31)? {
        0..=13 => Command::Place(place(source, account_id)?),
        14..=16 => Command::Cancel { account: account_id, order_id },
        17..=20 => Command::Replace(Replace { request_id: None,
            account: account_id,
            order_id,
            quantity: maybe(source, quantity)?,
            price: maybe(source, price)?,
            trigger_price: maybe(source, price)?,
        }),
        21..=24 => Command::Quote(Quote {
            exchange: exchange(source)?,
            instrument: instrument_id,
            bid: maybe(source, price)?,
            bid_size: maybe(source, quantity)?,
            ask: maybe(source, price)?,
            ask_size: maybe(source, quantity)?,
        }),
        25 => Command::WithdrawQuotes {
            exchange: exchange(source)?,
            instrument: source.arbitrary::<bool>()?.then_some(instrument_id),
        },
        26 => Command::CancelAll(CancelAll {
            account: account_id,
            instrument: source.arbitrary::<bool>()?.then_some(instrument_id),
            side: maybe(source, |source| one_of(source, Side::ALL))?,
        }),
        27 => {
            let timeout_ns = if source.arbitrary()? { source.int_in_range(0..=9)? } else { source.arbitrary()? };
            Command::CancelAfter { account: account_id, timeout_ns }
        }
        28 => Command::Deposit(Deposit { account: account_id, request_id: None, asset: asset(source)?, amount: money(source)? }),
        29 => Command::DefineInstrument(Box::new(instrument(source, seq)?)),
        30 => Command::OpenAccount(Box::new(account(source, seq)?)),
        _ => match source.int_in_range(0..=2)? {
            0 => Command::Halt(instrument_id),
            1 => Command::Resume(instrument_id),
            _ => Command::Tick,
        },
    })
}

fn place(source: &mut Unstructured, account: AccountId) -> Result<Place> {
    let order_type = one_of(source, OrderType::ALL)?;
    let sensible = !source.ratio(1, 16)?;
    let is_stop = matches!(order_type, OrderType::StopLoss | OrderType::StopLimit);
    let has_price = matches!(order_type, OrderType::Limit | OrderType::StopLimit);
    Ok(Place {
        account,
        client_order_id: source.arbitrary::<bool>()?.then(|| ClientOrderId::parse("id").unwrap()),
        symbol: Symbol::parse("BTC/USD").unwrap(),
        instrument: Some(InstrumentId(source.int_in_range(0..=2)?)).filter(|id| sensible || id.0 < 2),
        side: one_of(source, Side::ALL)?,
        order_type,
        time_in_force: one_of(source, TimeInForce::ALL)?,
        expire_at: if source.arbitrary()? { Some(Nanos(source.int_in_range(0..=99)?)) } else { None },
        quantity: quantity(source)?,
        price: if has_price == sensible { Some(price(source)?) } else { None },
        trigger_price: if is_stop == sensible { Some(price(source)?) } else { None },
        trigger_by: maybe(source, |source| one_of(source, TriggerBy::ALL))?,
        post_only: source.ratio(1, 8)?,
        stp: one_of(source, SelfTradePrevention::ALL)?,
    })
}

fn instrument(source: &mut Unstructured, seq: u64) -> Result<InstrumentSpec> {
    let plain = source.arbitrary()?;
    let symbol = if seq == 1 { "BTC/USD" } else { ["BTC/USD", "ETH/USD", "BTC/ETH"][source.choose_index(3)?] };
    let one = Decimal::new(1, 0).unwrap();
    let names = ["static", "manual", "a"].map(|name| ExchangeName::parse(name).unwrap());
    let sources = if source.arbitrary()? { Sources::new(names.to_vec()) } else { Sources::default() };
    let rules = InstrumentSpec {
        symbol: Symbol::parse(symbol).unwrap(),
        tick_size: one,
        lot_size: one,
        min_quantity: Decimal::ZERO,
        max_quantity: Decimal::ZERO,
        min_notional: Decimal::ZERO,
        price_band: Decimal::ZERO,
        max_open_orders: 1_000_000,
        unmarketable: Unmarketable::Rest,
        sources,
        reference_price: None,
        maker_fee: fee(source)?,
        taker_fee: fee(source)?,
        fee_asset: one_of(source, FeeAsset::ALL)?,
        day_end: 0,
    };
    if plain {
        return Ok(rules);
    }
    Ok(InstrumentSpec {
        tick_size: decimal(source)?,
        lot_size: decimal(source)?,
        min_quantity: maybe(source, quantity)?.unwrap_or_default(),
        max_quantity: maybe(source, quantity)?.unwrap_or_default(),
        min_notional: maybe(source, decimal)?.unwrap_or_default(),
        price_band: maybe(source, decimal)?.unwrap_or_default(),
        max_open_orders: if source.arbitrary()? { source.arbitrary()? } else { source.int_in_range(0..=4)? },
        unmarketable: one_of(source, Unmarketable::ALL)?,
        reference_price: maybe(source, price)?,
        day_end: source.arbitrary()?,
        ..rules
    })
}

fn account(source: &mut Unstructured, seq: u64) -> Result<AccountSpec> {
    let name = AccountName::parse(&format!("account-{}", seq % 5)).unwrap();
    let mut balances = Vec::new();
    for name in ["BTC", "USD", "ETH"] {
        balances.push((AssetName::parse(name).unwrap(), money(source)?));
    }
    Ok(AccountSpec { name, balances: source.ratio(3, 4)?.then_some(balances) })
}

fn fee(source: &mut Unstructured) -> Result<FeeRate> {
    let units = [0, 1, 10_000, 33_333_333, 100_000_000][source.choose_index(5)?];
    Ok(FeeRate::from_bps(Decimal::new(units, 4).unwrap()).unwrap())
}

fn money(source: &mut Unstructured) -> Result<Money> {
    Ok(match source.int_in_range(0..=7)? {
        0 => Money::from_units(source.arbitrary()?),
        1 => Money::BALANCE_MAX,
        2 => Money::from_units(source.int_in_range(0..=10_000)?),
        _ => Money::from(Decimal::new(source.int_in_range(0..=20_000)?, 0).unwrap()),
    })
}

/// Near a hundred, mostly.
fn price(source: &mut Unstructured) -> Result<Decimal> {
    if source.ratio(1, 12)? { decimal(source) } else { small(source, 95, 105) }
}

fn quantity(source: &mut Unstructured) -> Result<Decimal> {
    if source.ratio(1, 12)? { decimal(source) } else { small(source, 0, 12) }
}

fn small(source: &mut Unstructured, least: i64, most: i64) -> Result<Decimal> {
    Ok(Decimal::new(source.int_in_range(least..=most)?, 0).unwrap())
}

/// Any decimal: the engine is not told which it may get.
fn decimal(source: &mut Unstructured) -> Result<Decimal> {
    let mantissa = match source.int_in_range(0..=3)? {
        0 => source.arbitrary()?,
        1 => [0, 1, -1, i64::MAX, i64::MIN, 999_999_999, 1_000_000_000_000_000_000][source.choose_index(7)?],
        _ => source.int_in_range(1..=999)?,
    };
    Ok(Decimal::new(mantissa, source.int_in_range(0..=18)?).unwrap_or_default())
}

fn asset(source: &mut Unstructured) -> Result<AssetName> {
    Ok(AssetName::parse(["BTC", "USD", "ETH", "DOGE"][source.choose_index(4)?]).unwrap())
}

fn exchange(source: &mut Unstructured) -> Result<ExchangeName> {
    Ok(ExchangeName::parse(["static", "a", "b"][source.choose_index(3)?]).unwrap())
}

fn one_of<T: Copy>(source: &mut Unstructured, all: &[T]) -> Result<T> {
    source.choose(all).copied()
}

fn maybe<T>(source: &mut Unstructured, make: impl FnOnce(&mut Unstructured) -> Result<T>) -> Result<Option<T>> {
    if source.arbitrary()? { make(source).map(Some) } else { Ok(None) }
}
