//! The audit finds what is wrong: each test breaks a sound state in one place.

use super::Play;
use crate::engine::{Engine, Limits};

/// An engine with an open order of account 0, whose assets are BTC (0) and USD (1).
fn engine() -> Engine {
    let mut play = Play::new(Limits::default());
    for line in ["account a BTC=10 USD=1000", "limit a buy 5 @ 100"] {
        play.line(line);
    }
    play.engine.audit();
    play.engine
}

#[test]
#[should_panic(expected = "no asset appears or disappears")]
fn money_out_of_nowhere_is_found() {
    let mut engine = engine();
    let row = engine.ledger.row(0, 0);
    engine.ledger.set_row(0, 0, row.free + 1, row.held);
    engine.audit();
}

#[test]
#[should_panic(expected = "no asset appears or disappears")]
fn a_fee_that_nobody_paid_is_found() {
    let mut engine = engine();
    engine.ledger.take_fee(1, 1);
    engine.audit();
}

#[test]
#[should_panic(expected = "an account holds what its open orders may cost")]
fn a_hold_without_an_order_is_found() {
    let mut engine = engine();
    engine.ledger.account_mut(0).hold(1, 1);
    engine.audit();
}

#[test]
#[should_panic(expected = "a level's total is the sum of its queue")]
fn a_level_that_shows_too_little_is_found() {
    let mut engine = engine();
    engine.orders.nodes[0].leaves += 1;
    engine.audit();
}

#[test]
#[should_panic(expected = "every open order is in one book, or waits")]
fn an_order_that_stands_nowhere_is_found() {
    let mut engine = engine();
    engine.open_orders += 1;
    engine.audit();
}
