//! The engine and the naive engine on the same stream: the same answers, the same events, the same books and balances,
//! after every step.

use openoutcry::domain::*;
use openoutcry::engine::{Engine, Limits};
use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{FileFailurePersistence, TestRunner};

use crate::invariants::Watch;
use crate::naive::Naive;
use crate::random::{Stream, streams};

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::with_cases(cases(600))
    })]

    #[test]
    fn engine_and_naive_engine_agree_after_every_step(stream in streams(120)) {
        agree(&stream)?;
    }
}

/// How many cases to try, unless the environment says otherwise (`PROPTEST_CASES=100000 cargo test --release --test engine`).
pub(crate) fn cases(few: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|count| count.parse().ok()).unwrap_or(few)
}

fn agree(stream: &Stream) -> Result<(), TestCaseError> {
    let mut engine = Engine::new(Limits { closed_kept: stream.closed_kept });
    let mut naive = Naive::new(stream.closed_kept);
    let mut watch = Watch::default();
    let mut events = Events::default();
    for (at, (now, command)) in stream.commands().into_iter().enumerate() {
        events.clear();
        let outcome = engine.apply(at as u64 + 1, now, &command, &mut events);
        let expected = naive.apply(now, &command);
        let step = || format!("step {at}: {command:?}");
        prop_assert_eq!(outcome, expected, "outcome of {}", step());
        let (mine, theirs) = (meaningful(&events.executions), meaningful(&naive.out.executions));
        for (mine, theirs) in mine.iter().zip(&theirs) {
            prop_assert_eq!(mine, theirs, "an execution of {}", step());
        }
        prop_assert_eq!(mine.len(), theirs.len(), "how many executions: {:#?} or {:#?}, {}", mine, theirs, step());
        prop_assert_eq!(&events.trades, &naive.out.trades, "trades of {}", step());
        let same = same_state(&engine, &naive);
        prop_assert!(same.is_ok(), "after {}: {}", step(), same.unwrap_err());
        let sound = watch.see(&engine, &command, outcome, &events);
        prop_assert!(sound.is_ok(), "after {}: {}", step(), sound.unwrap_err());
    }
    Ok(())
}

/// Of a refused order, only some fields mean anything.
fn meaningful(executions: &[Execution]) -> Vec<Execution> {
    let refused = |execution: &Execution| Execution {
        expire_at: None,
        quantity: Quantity::ZERO,
        price: None,
        trigger_price: None,
        ..*execution
    };
    let is_refused = |execution: &Execution| execution.status == Status::Rejected;
    executions.iter().map(|execution| if is_refused(execution) { refused(execution) } else { *execution }).collect()
}

fn same_state(engine: &Engine, naive: &Naive) -> Result<(), String> {
    for (number, instrument) in naive.instruments.iter().enumerate() {
        let id = InstrumentId(number as u32);
        for side in [Side::Buy, Side::Sell] {
            let mine: Vec<_> =
                engine.levels(id, side).map(|(price, quantity)| (price.ticks(), quantity.map(Quantity::lots))).collect();
            let theirs = naive.levels(number, side);
            if mine != theirs {
                return Err(format!("{side:?} of {}: {mine:?} or {theirs:?}", instrument.rules.spec.symbol));
            }
        }
    }
    for (number, account) in naive.accounts.iter().enumerate() {
        let id = AccountId(number as u32);
        let open = naive.orders.iter().filter(|order| order.place.account == id && !order.status.is_terminal()).count();
        let seen = engine.account(id).map(|view| view.open_orders as usize);
        if seen != Some(open) {
            return Err(format!("open orders of {}: {seen:?} or {open}", account.spec.name));
        }
        if account.spec.balances.is_none() {
            continue;
        }
        for (asset, owns) in &account.owns {
            let held = naive.held(id, asset, None);
            let seen = engine.balances(id).find(|balance| balance.asset.as_str() == asset);
            let seen = seen.map_or((0, 0), |balance| (balance.free.units(), balance.held.units()));
            if seen != (owns - held, held) {
                return Err(format!("{asset} of {}: {seen:?} or {:?}", account.spec.name, (owns - held, held)));
            }
        }
    }
    Ok(())
}

/// What random streams have to bring about, or their agreement would mean little: every execution type with every code that it
/// may have, and every outcome; but for what needs amounts beyond counting.
const REACHED: &str = "
    accepted partial_fill filled triggered replaced canceled
    trade_prevented/self_trade canceled/self_trade canceled/cancel_after
    expired/insufficient_liquidity expired/insufficient_balance expired/time_in_force expired/would_take
    rejected/unknown_symbol rejected/halted rejected/tick_size rejected/lot_size rejected/min_quantity rejected/max_quantity
    rejected/min_notional rejected/price_band rejected/expire_at_past rejected/max_open_orders rejected/insufficient_balance
    rejected/would_take rejected/price_not_reached rejected/stop_not_triggered
    cancel_rejected/not_cancelable
    replace_rejected/not_replaceable replace_rejected/halted replace_rejected/tick_size replace_rejected/lot_size
    replace_rejected/min_quantity replace_rejected/max_quantity replace_rejected/min_notional replace_rejected/price_band
    replace_rejected/would_take replace_rejected/insufficient_balance
    Done Placed Canceled CanceledAll Replaced TooLate NotFound Refused(InsufficientBalance)
";

#[test]
fn random_streams_reach_every_event_and_every_code() {
    let mut runner = TestRunner::deterministic();
    let mut missing: BTreeSet<String> = REACHED.split_whitespace().map(str::to_owned).collect();
    for _ in 0..2_000 {
        if missing.is_empty() {
            return;
        }
        let mut engine = Engine::new(Limits { closed_kept: 1_000_000 });
        let mut events = Events::default();
        for (at, (now, command)) in streams(120).new_tree(&mut runner).unwrap().current().commands().iter().enumerate() {
            let outcome = format!("{:?}", engine.apply(at as u64 + 1, *now, command, &mut events));
            missing.remove(&outcome);
            missing.remove(outcome.split('(').next().unwrap());
        }
        for execution in &events.executions {
            let code = execution.code.map_or(String::new(), |code| format!("/{}", code.as_str()));
            missing.remove(&format!("{}{code}", execution.execution_type.as_str()));
        }
    }
    assert!(missing.is_empty(), "never reached: {missing:?}");
}
