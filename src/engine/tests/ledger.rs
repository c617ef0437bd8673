//! Balances, holds and fees.

use super::check;

#[test]
fn holds_follow_what_an_order_may_still_cost() {
    check(
        "
        account a USD=1000 BTC=10
        account b USD=1000 BTC=10
        limit a buy 5 @ 100
        > a#1 accepted leaves 5
        balance a
        > BTC 10+0 USD 500+500
        limit b sell 2 @ 90
        > b#2 accepted leaves 2
        > b#2 filled 2@100 taker
        > a#1 partial_fill 2@100 maker leaves 3
        balance a
        > BTC 12+0 USD 500+300
        balance b
        > BTC 8+0 USD 1200+0
        replace a 1 qty=4
        > a#1 replaced leaves 2
        > priority kept
        balance a
        > BTC 12+0 USD 600+200
        replace a 1 price=110
        > a#1 replaced leaves 2
        > priority lost
        balance a
        > BTC 12+0 USD 580+220
        replace a 1 price=500
        > a#1 replace_rejected leaves 2 insufficient_balance
        cancel a 1
        > a#1 canceled
        balance a
        > BTC 12+0 USD 800+0
        ",
    );
}

#[test]
fn a_better_price_sets_the_difference_free() {
    check(
        "
        account a USD=1000
        account b BTC=10
        limit b sell 5 @ 90
        > b#1 accepted leaves 5
        balance b
        > BTC 5+5 USD 0+0
        limit a buy 8 @ 100
        > a#2 accepted leaves 8
        > a#2 partial_fill 5@90 taker leaves 3
        > b#1 filled 5@90 maker
        balance a
        > BTC 5+0 USD 250+300
        balance b
        > BTC 5+0 USD 450+0
        ",
    );
}

#[test]
fn fees_in_the_quote_asset_are_held_with_the_larger_rate() {
    check(
        "
        instrument maker=10 taker=20
        account a USD=1002 BTC=0
        account b USD=0 BTC=10
        limit a buy 10 @ 100
        > a#1 accepted leaves 10
        balance a
        > BTC 0+0 USD 0+1002
        market b sell 4
        > b#2 accepted leaves 4
        > b#2 filled 4@100 taker fee 0.8
        > a#1 partial_fill 4@100 maker fee 0.4 leaves 6
        balance a
        > BTC 4+0 USD 0.4+601.2
        balance b
        > BTC 6+0 USD 399.2+0
        ",
    );
}

#[test]
fn fees_in_the_received_asset_need_no_hold() {
    check(
        "
        instrument maker=10 taker=20 fee_asset=received
        account a USD=1000
        account b BTC=10
        limit a buy 10 @ 100
        > a#1 accepted leaves 10
        balance a
        > BTC 0+0 USD 0+1000
        market b sell 4
        > b#2 accepted leaves 4
        > b#2 filled 4@100 taker fee 0.8
        > a#1 partial_fill 4@100 maker fee 0.004 leaves 6
        balance a
        > BTC 3.996+0 USD 0+600
        balance b
        > BTC 6+0 USD 399.2+0
        ",
    );
}

#[test]
fn fees_round_half_up_to_the_smallest_unit() {
    check(
        "
        instrument tick=0.000000001 lot=0.000000001 taker=2500
        account a
        limit a sell 0.000000001 @ 0.000000001
        > a#1 accepted leaves 1
        market a buy 0.000000001
        > a#2 accepted leaves 1
        > a#2 filled 1@1 taker
        > a#1 filled 1@1 maker
        limit a sell 0.000000002 @ 0.000000001
        > a#3 accepted leaves 2
        market a buy 0.000000002
        > a#4 accepted leaves 2
        > a#4 filled 2@1 taker fee 0.000000000000000001
        > a#3 filled 2@1 maker
        ",
    );
}

#[test]
fn where_rounding_asks_for_more_than_is_held_the_venue_takes_what_there_is() {
    // Two fills of 2 units each cost a fee of 0.5, rounded up to 1; together they were foreseen to cost 1.
    check(
        "
        instrument tick=0.000000001 lot=0.000000001 taker=2500
        account a USD=0.000000000000000005
        account b
        limit b sell 0.000000002 @ 0.000000001
        > b#1 accepted leaves 2
        limit b sell 0.000000002 @ 0.000000001
        > b#2 accepted leaves 2
        limit a buy 0.000000004 @ 0.000000001
        > a#3 accepted leaves 4
        > a#3 partial_fill 2@1 taker leaves 2
        > b#1 filled 2@1 maker
        > a#3 filled 2@1 taker fee 0.000000000000000001
        > b#2 filled 2@1 maker
        balance a
        > BTC 0.000000004+0 USD 0+0
        ",
    );
}

#[test]
fn a_market_buy_is_priced_by_walking_the_book() {
    check(
        "
        account a USD=100
        account b
        limit b sell 1 @ 40
        > b#1 accepted leaves 1
        limit b sell 2 @ 50
        > b#2 accepted leaves 2
        market a buy 3
        > a#3 rejected insufficient_balance
        market a buy 2
        > a#4 accepted leaves 2
        > a#4 partial_fill 1@40 taker leaves 1
        > b#1 filled 1@40 maker
        > a#4 filled 1@50 taker
        > b#2 partial_fill 1@50 maker leaves 1
        balance a
        > BTC 2+0 USD 10+0
        // Only what there is must be paid.
        deposit a USD 40
        market a buy 9
        > a#5 accepted leaves 9
        > a#5 partial_fill 1@50 taker leaves 8
        > b#2 filled 1@50 maker
        > a#5 expired insufficient_liquidity
        balance a
        > BTC 3+0 USD 0+0
        ",
    );
}

#[test]
fn a_stop_buy_holds_its_trigger_and_what_a_gap_makes_unpayable_expires() {
    check(
        "
        account a USD=105
        account b
        limit b sell 1 @ 10
        > b#1 accepted leaves 1
        stop a buy 10 trigger 10
        > a#2 accepted leaves 10
        balance a
        > BTC 0+0 USD 5+100
        limit b sell 2 @ 30
        > b#3 accepted leaves 2
        limit b sell 9 @ 40
        > b#4 accepted leaves 9
        market b buy 1
        > b#5 accepted leaves 1
        > b#5 filled 1@10 taker
        > b#1 filled 1@10 maker
        > a#2 triggered leaves 10
        > a#2 partial_fill 2@30 taker leaves 8
        > b#3 filled 2@30 maker
        > a#2 partial_fill 1@40 taker leaves 7
        > b#4 partial_fill 1@40 maker leaves 8
        > a#2 expired insufficient_balance
        balance a
        > BTC 3+0 USD 5+0
        // In full or not at all, where the whole cannot be paid.
        deposit a USD 75
        stop a buy 2 trigger 40 fok
        > a#6 accepted leaves 2
        > a#6 triggered leaves 2
        > a#6 filled 2@40 taker
        > b#4 partial_fill 2@40 maker leaves 6
        deposit a USD 60
        stop a buy 2 trigger 30 fok
        > a#7 accepted leaves 2
        > a#7 triggered leaves 2
        > a#7 expired insufficient_liquidity
        balance a
        > BTC 5+0 USD 60+0
        ",
    );
}

#[test]
fn exchanges_pay_and_are_paid_by_the_world_outside() {
    check(
        "
        instrument taker=100
        account a USD=1000 BTC=10
        quote x 99x5 101x5
        market a buy 2
        > a#1 accepted leaves 2
        > a#1 filled 2@101 taker fee 2.02
        market a sell 2
        > a#2 accepted leaves 2
        > a#2 filled 2@99 taker fee 1.98
        balance a
        > BTC 10+0 USD 992+0
        limit a sell 5 @ 103
        > a#3 accepted leaves 5
        quote x 104x3 -
        > a#3 partial_fill 3@103 maker leaves 2
        balance a
        > BTC 5+2 USD 1301+0
        ",
    );
}

#[test]
fn self_trades_and_prevented_ones_leave_the_account_whole() {
    check(
        "
        account a USD=1000 BTC=10
        limit a sell 4 @ 100
        > a#1 accepted leaves 4
        limit a buy 2 @ 100
        > a#2 accepted leaves 2
        > a#2 filled 2@100 taker
        > a#1 partial_fill 2@100 maker leaves 2
        limit a buy 5 @ 100 stp=decrement
        > a#3 accepted leaves 5
        > a#3 trade_prevented leaves 3 self_trade
        > a#1 trade_prevented self_trade
        > a#1 canceled self_trade
        balance a
        > BTC 10+0 USD 700+300
        ",
    );
}

#[test]
fn deposits_and_withdrawals_move_what_is_free() {
    check(
        "
        account a USD=100
        account b
        deposit a USD 50
        limit a buy 1 @ 120
        > a#1 accepted leaves 1
        deposit a USD -31
        > refused insufficient_balance
        deposit a USD -30
        balance a
        > BTC 0+0 USD 0+120
        deposit a ETH 1
        balance a
        > BTC 0+0 USD 0+120 ETH 1+0
        // An unchecked account has no balances.
        deposit b USD 5
        balance b
        >
        deposit nobody USD 5
        > not found
        ",
    );
}

#[test]
fn new_fees_change_what_is_held() {
    check(
        "
        account a USD=102
        limit a buy 1 @ 100
        > a#1 accepted leaves 1
        stop a buy 1 trigger 1
        > a#2 accepted leaves 1
        balance a
        > BTC 0+0 USD 1+101
        instrument taker=100
        > a#2 expired insufficient_balance
        balance a
        > BTC 0+0 USD 1+101
        instrument taker=0
        balance a
        > BTC 0+0 USD 2+100
        ",
    );
}
