//! The audit finds what is wrong: each test breaks a sound state in one place.

use super::Play;
use crate::domain::Side;
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

#[test]
#[should_panic(expected = "no client order crosses a level")]
fn an_order_that_a_level_crosses_is_found() {
    let mut engine = engine();
    let slot = engine.orders.insert_quote(0, 0, Side::Sell, 90, 5);
    engine.markets[0].book.rest(&mut engine.orders.nodes, slot, 90);
    engine.audit();
}

#[test]
fn exchanges_may_cross_each_other() {
    let mut play = Play::new(Limits::default());
    for line in ["quote kraken 100x5 101x5", "quote binance 98x5 99x5", "at 1 tick"] {
        play.line(line);
    }
    assert!(play.engine.markets[0].book.is_crossed());
}
