//! Market and limit orders, and their instructions.

use super::check;

#[test]
fn orders_trade_by_price_then_time_at_the_makers_price() {
    check(
        "
        account a
        account b
        limit a sell 5 @ 101
        > a#1 accepted leaves 5
        limit a sell 5 @ 100
        > a#2 accepted leaves 5
        limit b sell 5 @ 100
        > b#3 accepted leaves 5
        limit a buy 12 @ 102
        > a#4 accepted leaves 12
        > a#4 partial_fill 5@100 taker leaves 7
        > a#2 filled 5@100 maker
        > a#4 partial_fill 5@100 taker leaves 2
        > b#3 filled 5@100 maker
        > a#4 filled 2@101 taker
        > a#1 partial_fill 2@101 maker leaves 3
        book
        > bids | asks 3@101
        ",
    );
}

#[test]
fn what_a_limit_order_cannot_trade_rests() {
    check(
        "
        account a
        limit a buy 5 @ 99
        > a#1 accepted leaves 5
        limit a buy 2 @ 98
        > a#2 accepted leaves 2
        limit a sell 7 @ 99
        > a#3 accepted leaves 7
        > a#3 partial_fill 5@99 taker leaves 2
        > a#1 filled 5@99 maker
        book
        > bids 2@98 | asks 2@99
        ",
    );
}

#[test]
fn market_remainder_expires_and_never_rests() {
    check(
        "
        account a
        market a buy 5
        > a#1 accepted leaves 5
        > a#1 expired insufficient_liquidity
        limit a sell 3 @ 100
        > a#2 accepted leaves 3
        market a buy 5
        > a#3 accepted leaves 5
        > a#3 partial_fill 3@100 taker leaves 2
        > a#2 filled 3@100 maker
        > a#3 expired insufficient_liquidity
        book
        > bids | asks
        ",
    );
}

#[test]
fn ioc_remainder_is_expired_not_rejected() {
    check(
        "
        account a
        limit a sell 3 @ 100
        > a#1 accepted leaves 3
        limit a buy 5 @ 100 ioc
        > a#2 accepted leaves 5
        > a#2 partial_fill 3@100 taker leaves 2
        > a#1 filled 3@100 maker
        > a#2 expired insufficient_liquidity
        limit a buy 5 @ 100 ioc
        > a#3 accepted leaves 5
        > a#3 expired insufficient_liquidity
        book
        > bids | asks
        ",
    );
}

#[test]
fn fok_trades_in_full_or_not_at_all() {
    check(
        "
        account a
        limit a sell 3 @ 100
        > a#1 accepted leaves 3
        limit a sell 3 @ 102
        > a#2 accepted leaves 3
        limit a buy 5 @ 101 fok
        > a#3 accepted leaves 5
        > a#3 expired insufficient_liquidity
        limit a buy 5 @ 102 fok
        > a#4 accepted leaves 5
        > a#4 partial_fill 3@100 taker leaves 2
        > a#1 filled 3@100 maker
        > a#4 filled 2@102 taker
        > a#2 partial_fill 2@102 maker leaves 1
        ",
    );
}

#[test]
fn post_only_rests_or_is_rejected() {
    check(
        "
        account a
        limit a sell 3 @ 100 post
        > a#1 accepted leaves 3
        limit a buy 3 @ 100 post
        > a#2 rejected would_take 100
        limit a buy 3 @ 99 post
        > a#3 accepted leaves 3
        book
        > bids 3@99 | asks 3@100
        ",
    );
}

#[test]
fn an_order_may_trade_with_its_own_account_by_default() {
    check(
        "
        account a
        limit a sell 3 @ 100
        > a#1 accepted leaves 3
        limit a buy 3 @ 100
        > a#2 accepted leaves 3
        > a#2 filled 3@100 taker
        > a#1 filled 3@100 maker
        ",
    );
}

#[test]
fn cancel_newest_cancels_the_taker() {
    check(
        "
        account a
        account b
        limit b sell 1 @ 99
        > b#1 accepted leaves 1
        limit a sell 3 @ 100
        > a#2 accepted leaves 3
        limit a buy 5 @ 100 stp=cancel_newest
        > a#3 accepted leaves 5
        > a#3 partial_fill 1@99 taker leaves 4
        > b#1 filled 1@99 maker
        > a#3 trade_prevented leaves 4 self_trade
        > a#3 canceled self_trade
        book
        > bids | asks 3@100
        ",
    );
}

#[test]
fn cancel_oldest_cancels_the_makers_and_goes_on() {
    check(
        "
        account a
        account b
        limit a sell 3 @ 100
        > a#1 accepted leaves 3
        limit b sell 1 @ 100
        > b#2 accepted leaves 1
        limit a sell 4 @ 101
        > a#3 accepted leaves 4
        limit a buy 5 @ 101 stp=cancel_oldest
        > a#4 accepted leaves 5
        > a#1 trade_prevented leaves 3 self_trade
        > a#1 canceled self_trade
        > a#4 partial_fill 1@100 taker leaves 4
        > b#2 filled 1@100 maker
        > a#3 trade_prevented leaves 4 self_trade
        > a#3 canceled self_trade
        book
        > bids 4@101 | asks
        ",
    );
}

#[test]
fn cancel_both_cancels_both() {
    check(
        "
        account a
        limit a sell 3 @ 100
        > a#1 accepted leaves 3
        limit a sell 3 @ 101
        > a#2 accepted leaves 3
        limit a buy 9 @ 101 stp=cancel_both
        > a#3 accepted leaves 9
        > a#3 trade_prevented leaves 9 self_trade
        > a#1 trade_prevented leaves 3 self_trade
        > a#1 canceled self_trade
        > a#3 canceled self_trade
        book
        > bids | asks 3@101
        ",
    );
}

#[test]
fn decrement_shrinks_both_by_the_smaller() {
    check(
        "
        account a
        account b
        limit a sell 3 @ 100
        > a#1 accepted leaves 3
        limit b sell 2 @ 100
        > b#2 accepted leaves 2
        limit a sell 9 @ 101
        > a#3 accepted leaves 9
        limit a buy 7 @ 101 stp=decrement
        > a#4 accepted leaves 7
        > a#4 trade_prevented leaves 4 self_trade
        > a#1 trade_prevented self_trade
        > a#1 canceled self_trade
        > a#4 partial_fill 2@100 taker leaves 2
        > b#2 filled 2@100 maker
        > a#4 trade_prevented self_trade
        > a#3 trade_prevented leaves 7 self_trade
        > a#4 canceled self_trade
        book
        > bids | asks 7@101
        // What was taken off an order stays off: its total is 9, of which 2 are gone.
        replace a 3 qty=8
        > a#3 replaced leaves 6
        > priority kept
        ",
    );
}

#[test]
fn fok_counts_only_what_it_would_trade() {
    check(
        "
        account a
        account b
        limit a sell 3 @ 100
        > a#1 accepted leaves 3
        limit b sell 5 @ 101
        > b#2 accepted leaves 5
        limit a buy 5 @ 101 fok stp=cancel_newest
        > a#3 accepted leaves 5
        > a#3 expired insufficient_liquidity
        limit a buy 5 @ 101 fok stp=decrement
        > a#4 accepted leaves 5
        > a#4 expired insufficient_liquidity
        limit a buy 6 @ 101 fok stp=cancel_oldest
        > a#5 accepted leaves 6
        > a#5 expired insufficient_liquidity
        limit a buy 5 @ 101 fok stp=cancel_oldest
        > a#6 accepted leaves 5
        > a#1 trade_prevented leaves 3 self_trade
        > a#1 canceled self_trade
        > a#6 filled 5@101 taker
        > b#2 filled 5@101 maker
        ",
    );
}
