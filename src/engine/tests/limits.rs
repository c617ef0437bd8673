//! The bounds that keep every sum countable.

use super::{Play, check, money};
use crate::domain::{AccountName, AccountSpec, AssetName, Command, Money};
use crate::engine::Limits;

#[test]
fn a_full_account_may_order_no_more_of_an_asset() {
    let mut play = Play::new(Limits::default());
    play.line("account a USD=1");
    let deposit = |play: &mut Play, units: i128| {
        let asset = AssetName::parse("BTC").unwrap();
        let (account, amount) = (crate::domain::AccountId(0), Money::from_units(units));
        play.apply(Command::Deposit(crate::domain::Deposit { account, request_id: None, asset, amount }))
    };
    assert_eq!(deposit(&mut play, Money::BALANCE_MAX.units()), [""; 0]);
    assert_eq!(deposit(&mut play, 1), ["refused balance_limit"]);
    assert_eq!(deposit(&mut play, i128::MAX), ["refused balance_limit"]);
    assert_eq!(deposit(&mut play, i128::MIN), ["refused insufficient_balance"]);
    play.line("account b");
    play.line("limit b sell 1 @ 1");
    // At the limit, not above it.
    assert_eq!(play.line("limit a buy 1 @ 1").last().unwrap(), "b#1 filled 1@1 maker");
    assert_eq!(play.line("limit a buy 1 @ 1"), ["a#3 rejected balance_limit"]);
}

#[test]
fn accounts_open_once_and_within_the_limit() {
    let mut play = Play::new(Limits::default());
    play.line("account a");
    assert_eq!(play.line("account a"), ["refused not_replaceable"]);
    let balances = Some(vec![(AssetName::parse("USD").unwrap(), money("-1"))]);
    let spec = AccountSpec { name: AccountName::parse("c").unwrap(), balances };
    assert_eq!(play.apply(Command::OpenAccount(Box::new(spec))), ["refused balance_limit"]);
}

#[test]
fn an_instruments_grid_stays() {
    check(
        "
        account a
        instrument tick=0.5
        > refused tick_size
        instrument lot=0.5
        > refused lot_size
        instrument symbol=BTC-USD
        > refused unknown_symbol
        instrument max_quantity=1.5
        > refused max_quantity
        instrument min_quantity=1.5
        > refused min_quantity
        ",
    );
}

#[test]
fn what_trades_for_more_than_is_counted_ends() {
    check(
        "
        account a
        account b USD=1000000000000 BTC=1000000000000
        quote x 1000000000000x1000000 1000000000001x1000000
        market a sell 1
        > a#1 accepted leaves 1
        > a#1 filled 1@1000000000000 taker
        market a sell 2
        > a#2 rejected max_notional
        limit a sell 2 @ 1
        > a#3 accepted leaves 2
        > a#3 expired max_notional
        market b buy 1
        > b#4 rejected max_notional
        ",
    );
}
