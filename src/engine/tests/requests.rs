//! Cancel, cancel all, replace, and what comes too late.

use super::{Play, check};
use crate::domain::ExecutionType;
use crate::engine::Limits;

#[test]
fn cancel_takes_an_order_out_once() {
    check(
        "
        account a
        account b
        limit a buy 5 @ 99
        > a#1 accepted leaves 5
        cancel b 1
        > not found
        cancel a 2
        > not found
        cancel a 1
        > a#1 canceled
        cancel a 1
        > a#1 cancel_rejected not_cancelable
        replace a 1 qty=3
        > a#1 replace_rejected not_replaceable
        book
        > bids | asks
        ",
    );
}

#[test]
fn late_requests_are_told_of_filled_expired_and_rejected_orders_too() {
    check(
        "
        account a
        limit a buy 5 @ 99
        > a#1 accepted leaves 5
        limit a sell 5 @ 99
        > a#2 accepted leaves 5
        > a#2 filled 5@99 taker
        > a#1 filled 5@99 maker
        cancel a 1
        > a#1 cancel_rejected not_cancelable
        market a buy 1
        > a#3 accepted leaves 1
        > a#3 expired insufficient_liquidity
        replace a 3 qty=2
        > a#3 replace_rejected not_replaceable
        limit a buy 1 @ 1.5
        > a#4 rejected tick_size
        cancel a 4
        > a#4 cancel_rejected not_cancelable
        ",
    );
}

#[test]
fn ended_orders_are_forgotten_in_the_order_in_which_they_ended() {
    for (closed_kept, answers) in [
        (0, ["not found", "not found", "not found"]),
        (1, ["not found", "a#2 cancel_rejected not_cancelable", "not found"]),
        (2, ["not found", "a#2 cancel_rejected not_cancelable", "a#3 cancel_rejected not_cancelable"]),
    ] {
        let mut play = Play::new(Limits { closed_kept });
        play.line("account a");
        (0..3).for_each(|_| drop(play.line("limit a buy 1 @ 10 id=x")));
        [1, 3, 2].into_iter().for_each(|order| drop(play.line(&format!("cancel a {order}"))));
        for (order, answer) in (1..).zip(answers) {
            assert_eq!(play.line(&format!("cancel a {order}")), [answer], "order {order} of {closed_kept} kept");
        }
    }
}

#[test]
fn what_an_ended_order_traded_for_is_told_however_much_it_was() {
    // 10^11 lots at 10^11 ticks: more than 64 bits hold.
    let mut play = Play::new(Limits { closed_kept: 3 });
    play.line("instrument tick=0.00000001 lot=0.00000001");
    for line in ["account a", "account b", "limit a sell 1000 @ 1000", "limit b buy 1000 @ 1000", "cancel a 1"] {
        play.line(line);
    }
    let [late] = play.events.executions.as_slice() else { panic!("one answer") };
    assert_eq!(late.execution_type, ExecutionType::CancelRejected);
    assert_eq!(late.cum_notional, 10_000_000_000_000_000_000_000);
}

#[test]
fn cancel_all_cancels_resting_and_waiting_orders_oldest_first() {
    check(
        "
        account a
        account b
        limit a buy 5 @ 99
        > a#1 accepted leaves 5
        stop a sell 5 trigger 90
        > a#2 accepted leaves 5
        limit b buy 5 @ 99
        > b#3 accepted leaves 5
        limit a sell 5 @ 101
        > a#4 accepted leaves 5
        limit a buy 5 @ 98
        > a#5 accepted leaves 5
        cancel_all a buy
        > a#1 canceled
        > a#5 canceled
        > 2 canceled
        cancel_all a
        > a#2 canceled
        > a#4 canceled
        > 2 canceled
        cancel_all a
        > 0 canceled
        cancel_all nobody
        > not found
        book
        > bids 5@99 | asks
        ",
    );
}

#[test]
fn a_smaller_quantity_keeps_its_place_and_a_larger_one_loses_it() {
    check(
        "
        account a
        account b
        limit a buy 5 @ 99
        > a#1 accepted leaves 5
        limit b buy 5 @ 99
        > b#2 accepted leaves 5
        replace a 1 qty=3
        > a#1 replaced leaves 3
        > priority kept
        market b sell 1
        > b#3 accepted leaves 1
        > b#3 filled 1@99 taker
        > a#1 partial_fill 1@99 maker leaves 2
        replace a 1 qty=4
        > a#1 replaced leaves 3
        > priority lost
        market b sell 6
        > b#4 accepted leaves 6
        > b#4 partial_fill 5@99 taker leaves 1
        > b#2 filled 5@99 maker
        > b#4 filled 1@99 taker
        > a#1 partial_fill 1@99 maker leaves 2
        // Nothing new, nothing lost.
        replace a 1 qty=4 price=99
        > a#1 replaced leaves 2
        > priority kept
        book
        > bids 2@99 | asks
        ",
    );
}

#[test]
fn a_quantity_of_no_more_than_was_traded_cancels_the_rest() {
    check(
        "
        account a
        limit a buy 5 @ 99
        > a#1 accepted leaves 5
        market a sell 2
        > a#2 accepted leaves 2
        > a#2 filled 2@99 taker
        > a#1 partial_fill 2@99 maker leaves 3
        replace a 1 qty=2
        > a#1 canceled
        > priority kept
        limit a buy 5 @ 99
        > a#3 accepted leaves 5
        replace a 3 qty=0
        > a#3 canceled
        > priority kept
        ",
    );
}

#[test]
fn a_new_price_goes_to_the_back_and_takes_what_it_reaches() {
    check(
        "
        account a
        limit a buy 5 @ 99
        > a#1 accepted leaves 5
        limit a sell 2 @ 101
        > a#2 accepted leaves 2
        replace a 1 price=101 qty=6
        > a#1 replaced leaves 6
        > a#1 partial_fill 2@101 taker leaves 4
        > a#2 filled 2@101 maker
        > priority lost
        book
        > bids 4@101 | asks
        ",
    );
}

#[test]
fn a_replace_that_cannot_be_changes_nothing() {
    check(
        "
        instrument tick=0.5 lot=2 min_quantity=4 max_quantity=100 min_notional=100 price_band=50
        account a
        quote x 99x2 101x2
        limit a buy 10 @ 90
        > a#1 accepted leaves 5
        limit a buy 10 @ 90 post
        > a#2 accepted leaves 5
        replace a 1 price=90.2
        > a#1 replace_rejected leaves 5 tick_size
        replace a 1 qty=5
        > a#1 replace_rejected leaves 5 lot_size
        replace a 1 qty=2
        > a#1 replace_rejected leaves 5 min_quantity
        replace a 1 qty=102
        > a#1 replace_rejected leaves 5 max_quantity
        replace a 1 price=9.5
        > a#1 replace_rejected leaves 5 min_notional
        replace a 1 price=49.5
        > a#1 replace_rejected leaves 5 price_band 200
        replace a 1 trigger=80
        > a#1 replace_rejected leaves 5 not_replaceable
        replace a 2 price=101
        > a#2 replace_rejected leaves 5 would_take 202
        halt
        replace a 1 qty=8
        > a#1 replace_rejected leaves 5 halted
        cancel a 1
        > a#1 canceled
        ",
    );
}
