//! Every code that refuses an order, and every filter at its edge.

use super::check;

#[test]
fn an_unknown_symbol_is_refused() {
    check(
        "
        account a
        limit a buy 1 @ 10 symbol=X/Y
        > a#1 rejected unknown_symbol
        cancel a 1
        > not found
        replace a 1 qty=2
        > not found
        ",
    );
}

#[test]
fn a_halted_instrument_takes_no_orders() {
    check(
        "
        account a
        limit a buy 1 @ 10
        > a#1 accepted leaves 1
        halt
        limit a buy 1 @ 10
        > a#2 rejected halted
        cancel a 1
        > a#1 canceled
        resume
        limit a buy 1 @ 10
        > a#3 accepted leaves 1
        ",
    );
}

#[test]
fn prices_and_quantities_must_be_on_the_grid() {
    check(
        "
        instrument tick=0.5 lot=0.1
        account a
        limit a buy 0.1 @ 10.5
        > a#1 accepted leaves 1
        limit a buy 0.1 @ 10.4
        > a#2 rejected tick_size
        limit a buy 0.15 @ 10.5
        > a#3 rejected lot_size
        stop a buy 0.1 trigger 10.4
        > a#4 rejected tick_size
        limit a buy 100000000000000000 @ 10.5
        > a#5 rejected max_quantity
        ",
    );
}

#[test]
fn quantities_have_a_least_and_a_largest() {
    check(
        "
        instrument min_quantity=5 max_quantity=10
        account a
        limit a buy 4 @ 10
        > a#1 rejected min_quantity
        limit a buy 5 @ 10
        > a#2 accepted leaves 5
        limit a buy 10 @ 10
        > a#3 accepted leaves 10
        limit a buy 11 @ 10
        > a#4 rejected max_quantity
        ",
    );
}

#[test]
fn an_order_is_worth_enough_and_not_too_much() {
    check(
        "
        instrument min_notional=99.5
        account a
        limit a buy 9 @ 11
        > a#1 rejected min_notional
        limit a buy 10 @ 10
        > a#2 accepted leaves 10
        stop a sell 9 trigger 11
        > a#3 rejected min_notional
        // A market order is worth what the best opposite price says; without one, nobody knows.
        market a sell 9
        > a#4 rejected min_notional
        market a buy 9
        > a#5 accepted leaves 9
        > a#5 expired insufficient_liquidity
        limit a sell 1000000 @ 1000000
        > a#6 accepted leaves 1000000
        limit a sell 1000000 @ 1000001
        > a#7 rejected max_notional
        limit a sell 1000000000000 @ 1
        > a#8 accepted leaves 1000000000000
        > a#8 partial_fill 10@10 taker leaves 999999999990
        > a#2 filled 10@10 maker
        limit a sell 1000000000001 @ 1
        > a#9 rejected max_quantity
        ",
    );
}

#[test]
fn a_price_band_is_around_the_mark_or_else_the_last_price() {
    check(
        "
        instrument price_band=10
        account a
        limit a buy 2 @ 1000
        > a#1 accepted leaves 2
        market a sell 1
        > a#2 accepted leaves 1
        > a#2 filled 1@1000 taker
        > a#1 partial_fill 1@1000 maker leaves 1
        limit a buy 1 @ 899
        > a#3 rejected price_band 1000
        limit a buy 1 @ 900
        > a#4 accepted leaves 1
        limit a sell 1 @ 1100
        > a#5 accepted leaves 1
        limit a sell 1 @ 1101
        > a#6 rejected price_band 1000
        stop_limit a buy 1 @ 1101 trigger 1050
        > a#7 rejected price_band 1000
        quote x 499 502
        > a#1 filled 1@1000 maker
        > a#4 filled 1@900 maker
        // The mark is 500.5; half a tick is rounded down.
        limit a buy 1 @ 449
        > a#8 rejected price_band 500
        ",
    );
}

#[test]
fn an_account_has_at_most_so_many_open_orders() {
    check(
        "
        instrument max_open_orders=2
        account a
        account b
        limit a buy 1 @ 10
        > a#1 accepted leaves 1
        stop a sell 1 trigger 5
        > a#2 accepted leaves 1
        limit a buy 1 @ 10
        > a#3 rejected max_open_orders
        stop a sell 1 trigger 5
        > a#4 rejected max_open_orders
        // What cannot stay open is not counted.
        market a buy 1
        > a#5 accepted leaves 1
        > a#5 expired insufficient_liquidity
        limit a buy 1 @ 10 ioc
        > a#6 accepted leaves 1
        > a#6 expired insufficient_liquidity
        limit b buy 1 @ 10
        > b#7 accepted leaves 1
        cancel a 2
        > a#2 canceled
        limit a buy 1 @ 10
        > a#8 accepted leaves 1
        ",
    );
}

#[test]
fn where_nothing_rests_a_price_must_have_been_reached() {
    check(
        "
        instrument unmarketable=reject sources=static reference=2800
        account a
        limit a sell 1 @ 2850
        > a#1 rejected price_not_reached 2800
        limit a buy 1 @ 2750
        > a#2 rejected price_not_reached 2800
        limit a buy 1 @ 2850
        > a#3 accepted leaves 1
        > a#3 filled 1@2800 taker
        stop a sell 1 trigger 2750
        > a#4 rejected stop_not_triggered 2800
        stop a sell 1 trigger 2800
        > a#5 accepted leaves 1
        > a#5 triggered leaves 1
        > a#5 filled 1@2800 taker
        stop_limit a sell 1 @ 2850 trigger 2800
        > a#6 rejected price_not_reached 2800
        quote static 2800x2 2800x2
        limit a buy 5 @ 2800
        > a#7 accepted leaves 5
        > a#7 partial_fill 2@2800 taker leaves 3
        > a#7 expired insufficient_liquidity
        limit a buy 5 @ 2800
        > a#8 rejected price_not_reached
        quote static 2800 2801
        stop a sell 1 trigger 2800
        > a#9 rejected stop_not_triggered 2801
        ",
    );
}

#[test]
fn an_account_must_be_able_to_pay() {
    check(
        "
        account a USD=100 BTC=5
        limit a buy 10 @ 11
        > a#1 rejected insufficient_balance
        limit a buy 10 @ 10
        > a#2 accepted leaves 10
        limit a buy 1 @ 1
        > a#3 rejected insufficient_balance
        limit a sell 6 @ 20
        > a#4 rejected insufficient_balance
        limit a sell 5 @ 20
        > a#5 accepted leaves 5
        market a sell 1
        > a#6 rejected insufficient_balance
        ",
    );
}
