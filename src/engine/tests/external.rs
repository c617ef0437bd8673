//! Exchanges' quotes in the book.

use super::{Play, check};
use crate::engine::Limits;

#[test]
fn what_is_taken_of_a_quote_is_gone_until_the_next() {
    check(
        "
        account a
        quote x 99x5 101x5
        market a buy 3
        > a#1 accepted leaves 3
        > a#1 filled 3@101 taker
        book
        > bids 5@99 | asks 2@101
        // Equal in price and size: nothing comes back.
        quote x 99x5 101x5
        book
        > bids 5@99 | asks 2@101
        quote x 99x5 101x6
        book
        > bids 5@99 | asks 6@101
        market a buy 9
        > a#2 accepted leaves 9
        > a#2 partial_fill 6@101 taker leaves 3
        > a#2 expired insufficient_liquidity
        quote x 99x5 101x6
        book
        > bids 5@99 | asks
        quote x - 102x1
        book
        > bids | asks 1@102
        withdraw x
        book
        > bids | asks
        ",
    );
}

#[test]
fn a_quote_without_size_has_any_amount() {
    check(
        "
        account a
        quote x 99 101
        limit a buy 1000000 @ 101
        > a#1 accepted leaves 1000000
        > a#1 filled 1000000@101 taker
        limit a sell 5 @ 102
        > a#2 accepted leaves 5
        book
        > bids any@99 | asks any@101 5@102
        quote x 99x7 101x7
        book
        > bids 7@99 | asks 7@101 5@102
        quote x 99 101
        book
        > bids any@99 | asks any@101 5@102
        ",
    );
}

#[test]
fn clients_and_exchanges_share_a_price_by_time() {
    check(
        "
        account a
        account b
        limit a sell 1 @ 101
        > a#1 accepted leaves 1
        quote x - 101x1
        limit a sell 1 @ 101
        > a#2 accepted leaves 1
        quote y - 101x1
        limit b buy 2 @ 101
        > b#3 accepted leaves 2
        > b#3 partial_fill 1@101 taker leaves 1
        > a#1 filled 1@101 maker
        > b#3 filled 1@101 taker
        // Taken whole, and back at its old place with a new size: before the younger order.
        quote x - 101x2
        limit b buy 3 @ 101
        > b#4 accepted leaves 3
        > b#4 partial_fill 2@101 taker leaves 1
        > b#4 filled 1@101 taker
        > a#2 filled 1@101 maker
        book
        > bids | asks 1@101
        ",
    );
}

#[test]
fn quotes_that_come_back_keep_their_order_among_themselves() {
    let mut play = Play::new(Limits::default());
    for line in ["account a", "quote x - 101x1", "quote y - 101x1", "quote z - 101x1", "limit a buy 3 @ 101"] {
        play.line(line);
    }
    for line in ["quote z - 101x4", "quote x - 101x2", "quote y - 101x3"] {
        play.line(line);
    }
    play.line("limit a buy 9 @ 101");
    let sizes: Vec<i64> = play.events.trades.iter().map(|trade| trade.quantity.lots()).collect();
    assert_eq!(sizes, [2, 3, 4]);
}

#[test]
fn a_quote_through_resting_orders_fills_them_up_to_its_size() {
    check(
        "
        account a
        limit a sell 2 @ 101
        > a#1 accepted leaves 2
        limit a sell 2 @ 102
        > a#2 accepted leaves 2
        limit a sell 2 @ 103
        > a#3 accepted leaves 2
        quote x 102x3 -
        > a#1 filled 2@101 maker
        > a#2 partial_fill 1@102 maker leaves 1
        book
        > bids | asks 1@102 2@103
        quote x 103x9 -
        > a#2 filled 1@102 maker
        > a#3 filled 2@103 maker
        book
        > bids 6@103 | asks
        ",
    );
}

#[test]
fn exchanges_cross_each_other_and_never_trade() {
    check(
        "
        account a
        quote x 99x5 101x5
        limit a sell 1 @ 104
        > a#1 accepted leaves 1
        quote y 103x5 105x5
        book
        > bids 5@103 5@99 | asks 5@101 1@104 5@105
        // A client takes the best of both.
        limit a sell 1 @ 101
        > a#2 accepted leaves 1
        > a#2 filled 1@103 taker
        limit a buy 1 @ 101
        > a#3 accepted leaves 1
        > a#3 filled 1@101 taker
        // A quote moves past other exchanges' levels to a client's order.
        quote z 104x1 -
        > a#1 filled 1@104 maker
        book
        > bids 4@103 5@99 | asks 4@101 5@105
        ",
    );
}

#[test]
fn off_tick_quotes_round_away_from_the_touch() {
    check(
        "
        account a
        quote x 99.9x1.9 100.1x1.9
        book
        > bids 1@99 | asks 1@101
        quote x 0.5 101
        > refused tick_size
        quote x 99x-1 101
        > refused lot_size
        book
        > bids 1@99 | asks 1@101
        quote x 99x0.5 -
        book
        > bids | asks
        prices
        > Prices { last: None, mark_half_ticks: None }
        ",
    );
}

#[test]
fn the_reference_price_is_the_quote_of_the_exchange_static() {
    check(
        "
        instrument sources=static,manual reference=2800
        account a
        book
        > bids any@2800 | asks any@2800
        market a buy 5
        > a#1 accepted leaves 5
        > a#1 filled 5@2800 taker
        quote static 2900 2900
        book
        > bids any@2900 | asks any@2900
        instrument sources=static,manual reference=2800 price_band=10
        book
        > bids any@2900 | asks any@2900
        instrument sources=static,manual reference=2850
        book
        > bids any@2850 | asks any@2850
        instrument sources=static,manual
        book
        > bids | asks
        ",
    );
}

#[test]
fn an_instrument_has_at_most_64_exchanges_at_a_time() {
    let mut play = Play::new(Limits::default());
    play.line("account a");
    for exchange in 0..64 {
        assert_eq!(play.line(&format!("quote x{exchange} 99x1 101x1")), [""; 0]);
    }
    assert_eq!(play.line("quote more 99x1 101x1"), ["refused max_open_orders"]);
    play.line("withdraw x7");
    assert_eq!(play.line("quote more 99x1 101x1"), [""; 0]);
}

#[test]
fn a_quote_that_had_no_size_comes_behind_the_orders_at_its_price() {
    check(
        "
        account a
        account b
        quote x - 101x0
        limit a sell 5 @ 101
        > a#1 accepted leaves 5
        quote x - 101x5
        market b buy 5
        > b#2 accepted leaves 5
        > b#2 filled 5@101 taker
        > a#1 filled 5@101 maker
        book
        > bids | asks 5@101
        // Nor does it keep the place of a size that it took back.
        limit a sell 5 @ 101
        > a#3 accepted leaves 5
        quote x - 101x0
        quote x - 101x5
        market b buy 5
        > b#4 accepted leaves 5
        > b#4 filled 5@101 taker
        > a#3 filled 5@101 maker
        ",
    );
}
