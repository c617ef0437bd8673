//! Orders that end by the clock.

use super::{Play, check};
use crate::domain::Nanos;
use crate::engine::Limits;

#[test]
fn gtd_orders_end_before_anything_else_of_their_time() {
    check(
        "
        account a
        limit a sell 1 @ 100 gtd=50
        > a#1 accepted leaves 1
        stop a sell 1 trigger 10 gtd=50
        > a#2 accepted leaves 1
        limit a sell 1 @ 100 gtd=60
        > a#3 accepted leaves 1
        at 49
        market a buy 1
        > a#4 accepted leaves 1
        > a#4 filled 1@100 taker
        > a#1 filled 1@100 maker
        at 50
        limit a buy 1 @ 90 gtd=50
        > a#2 expired time_in_force
        > a#5 rejected expire_at_past
        at 70 tick
        > a#3 expired time_in_force
        ",
    );
}

#[test]
fn day_orders_end_at_the_instruments_hour() {
    check(
        "
        instrument day_end=3600000000000
        account a
        at 3599999999999
        limit a sell 1 @ 100 day
        > a#1 accepted leaves 1
        at 3600000000000 tick
        > a#1 expired time_in_force
        limit a sell 1 @ 100 day
        > a#2 accepted leaves 1
        at 89999999999999 tick
        at 90000000000000 tick
        > a#2 expired time_in_force
        ",
    );
}

#[test]
fn cancel_after_cancels_all_unless_renewed() {
    check(
        "
        account a
        account b
        limit a buy 1 @ 10
        > a#1 accepted leaves 1
        limit b buy 1 @ 10
        > b#2 accepted leaves 1
        stop a buy 1 trigger 90
        > a#3 accepted leaves 1
        cancel_after a 100
        at 50
        cancel_after a 100
        at 149 tick
        at 150 tick
        > a#1 canceled cancel_after
        > a#3 canceled cancel_after
        limit a buy 1 @ 10
        > a#4 accepted leaves 1
        cancel_after a 10
        cancel_after a 0
        at 1000 tick
        cancel_after nobody 10
        > not found
        ",
    );
}

#[test]
fn the_next_deadline_is_the_earliest_of_all() {
    let mut play = Play::new(Limits::default());
    let deadline = |play: &mut Play, line| {
        play.line(line);
        play.engine.next_deadline()
    };
    assert_eq!(deadline(&mut play, "account a"), None);
    assert_eq!(deadline(&mut play, "limit a buy 1 @ 10 gtd=80"), Some(Nanos(80)));
    assert_eq!(deadline(&mut play, "limit a buy 1 @ 10 gtd=70"), Some(Nanos(70)));
    assert_eq!(deadline(&mut play, "cancel_after a 60"), Some(Nanos(60)));
    assert_eq!(deadline(&mut play, "cancel_after a 0"), Some(Nanos(70)));
    assert_eq!(deadline(&mut play, "cancel a 2"), Some(Nanos(80)));
    assert_eq!(deadline(&mut play, "market a sell 2"), None);
}
