//! Stops: when they fire, in which order, at what price.

use super::check;

#[test]
fn a_sell_stop_fires_when_the_last_price_falls_to_its_trigger() {
    check(
        "
        account a
        account b
        limit b buy 1 @ 96
        > b#1 accepted leaves 1
        limit b buy 9 @ 95
        > b#2 accepted leaves 9
        stop a sell 5 trigger 95
        > a#3 accepted leaves 5
        market b sell 1
        > b#4 accepted leaves 1
        > b#4 filled 1@96 taker
        > b#1 filled 1@96 maker
        market b sell 1
        > b#5 accepted leaves 1
        > b#5 filled 1@95 taker
        > b#2 partial_fill 1@95 maker leaves 8
        > a#3 triggered leaves 5
        > a#3 filled 5@95 taker
        > b#2 partial_fill 5@95 maker leaves 3
        ",
    );
}

#[test]
fn a_gap_fills_at_market_and_what_is_left_expires() {
    check(
        "
        account a
        limit a buy 1 @ 96
        > a#1 accepted leaves 1
        limit a buy 2 @ 50
        > a#2 accepted leaves 2
        stop a sell 5 trigger 96
        > a#3 accepted leaves 5
        market a sell 1
        > a#4 accepted leaves 1
        > a#4 filled 1@96 taker
        > a#1 filled 1@96 maker
        > a#3 triggered leaves 5
        > a#3 partial_fill 2@50 taker leaves 3
        > a#2 filled 2@50 maker
        > a#3 expired insufficient_liquidity
        ",
    );
}

#[test]
fn a_stop_that_is_already_through_fires_at_once() {
    check(
        "
        account a
        limit a sell 5 @ 100
        > a#1 accepted leaves 5
        market a buy 1
        > a#2 accepted leaves 1
        > a#2 filled 1@100 taker
        > a#1 partial_fill 1@100 maker leaves 4
        stop a buy 2 trigger 100
        > a#3 accepted leaves 2
        > a#3 triggered leaves 2
        > a#3 filled 2@100 taker
        > a#1 partial_fill 2@100 maker leaves 2
        stop a buy 2 trigger 101
        > a#4 accepted leaves 2
        ",
    );
}

#[test]
fn a_stop_limit_rests_at_its_limit() {
    check(
        "
        account a
        limit a buy 1 @ 95
        > a#1 accepted leaves 1
        stop_limit a sell 5 @ 94 trigger 95
        > a#2 accepted leaves 5
        limit a buy 2 @ 94
        > a#3 accepted leaves 2
        market a sell 1
        > a#4 accepted leaves 1
        > a#4 filled 1@95 taker
        > a#1 filled 1@95 maker
        > a#2 triggered leaves 5
        > a#2 partial_fill 2@94 taker leaves 3
        > a#3 filled 2@94 maker
        book
        > bids | asks 3@94
        ",
    );
}

#[test]
fn stops_fire_nearest_trigger_first_then_oldest_and_cascade() {
    check(
        "
        account a
        account b
        limit b buy 1 @ 95
        > b#1 accepted leaves 1
        limit b buy 1 @ 94
        > b#2 accepted leaves 1
        limit b buy 1 @ 93
        > b#3 accepted leaves 1
        limit b buy 9 @ 92
        > b#4 accepted leaves 9
        stop a sell 1 trigger 93
        > a#5 accepted leaves 1
        stop a sell 1 trigger 95
        > a#6 accepted leaves 1
        stop a sell 1 trigger 96
        > a#7 accepted leaves 1
        stop a sell 1 trigger 95
        > a#8 accepted leaves 1
        market b sell 1
        > b#9 accepted leaves 1
        > b#9 filled 1@95 taker
        > b#1 filled 1@95 maker
        > a#7 triggered leaves 1
        > a#7 filled 1@94 taker
        > b#2 filled 1@94 maker
        > a#6 triggered leaves 1
        > a#6 filled 1@93 taker
        > b#3 filled 1@93 maker
        > a#8 triggered leaves 1
        > a#8 filled 1@92 taker
        > b#4 partial_fill 1@92 maker leaves 8
        > a#5 triggered leaves 1
        > a#5 filled 1@92 taker
        > b#4 partial_fill 1@92 maker leaves 7
        ",
    );
}

#[test]
fn a_price_within_a_sweep_triggers_even_if_the_sweep_goes_on() {
    check(
        "
        account a
        limit a sell 1 @ 100
        > a#1 accepted leaves 1
        market a buy 1
        > a#2 accepted leaves 1
        > a#2 filled 1@100 taker
        > a#1 filled 1@100 maker
        stop a sell 1 trigger 98
        > a#3 accepted leaves 1
        limit a sell 1 @ 98
        > a#4 accepted leaves 1
        limit a sell 1 @ 103
        > a#5 accepted leaves 1
        market a buy 2
        > a#6 accepted leaves 2
        > a#6 partial_fill 1@98 taker leaves 1
        > a#4 filled 1@98 maker
        > a#6 filled 1@103 taker
        > a#5 filled 1@103 maker
        > a#3 triggered leaves 1
        > a#3 expired insufficient_liquidity
        ",
    );
}

#[test]
fn stops_by_mark_watch_the_middle_of_the_best_quotes() {
    check(
        "
        account a
        quote x 99x5 102x5
        prices
        > Prices { last: None, mark_half_ticks: Some(201) }
        stop a buy 2 trigger 101 by=mark
        > a#1 accepted leaves 2
        stop a buy 2 trigger 101 by=last
        > a#2 accepted leaves 2
        // Half a tick below the trigger is not there yet.
        quote y 100x5 103x5
        > a#1 triggered leaves 2
        > a#1 filled 2@102 taker
        > a#2 triggered leaves 2
        > a#2 filled 2@102 taker
        ",
    );
}

#[test]
fn stops_watch_the_mark_by_default_where_there_are_sources() {
    check(
        "
        instrument sources=x
        account a
        quote x 99x5 101x5
        market a buy 1
        > a#1 accepted leaves 1
        > a#1 filled 1@101 taker
        stop a buy 1 trigger 101
        > a#2 accepted leaves 1
        quote x 100x5 102x5
        > a#2 triggered leaves 1
        > a#2 filled 1@102 taker
        ",
    );
}

#[test]
fn a_post_only_stop_limit_that_would_take_expires() {
    check(
        "
        account a
        limit a buy 2 @ 95
        > a#1 accepted leaves 2
        stop_limit a sell 5 @ 95 trigger 95 post
        > a#2 accepted leaves 5
        market a sell 1
        > a#3 accepted leaves 1
        > a#3 filled 1@95 taker
        > a#1 partial_fill 1@95 maker leaves 1
        > a#2 triggered leaves 5
        > a#2 expired would_take
        ",
    );
}

#[test]
fn a_waiting_stop_can_be_replaced_and_may_fire_at_once() {
    check(
        "
        account a
        limit a buy 3 @ 95
        > a#1 accepted leaves 3
        market a sell 1
        > a#2 accepted leaves 1
        > a#2 filled 1@95 taker
        > a#1 partial_fill 1@95 maker leaves 2
        stop a sell 2 trigger 90
        > a#3 accepted leaves 2
        replace a 3 qty=1
        > a#3 replaced leaves 1
        > priority kept
        replace a 3 trigger=91
        > a#3 replaced leaves 1
        > priority lost
        replace a 3 price=80
        > a#3 replace_rejected leaves 1 not_replaceable
        replace a 3 trigger=95
        > a#3 replaced leaves 1
        > a#3 triggered leaves 1
        > a#3 filled 1@95 taker
        > a#1 partial_fill 1@95 maker leaves 1
        > priority lost
        ",
    );
}
