use std::time::{Duration, Instant};

use futures_util::FutureExt;

use super::*;
use crate::domain::{
    AccountId, Decimal, ExchangeName, InstrumentId, OrderId, OrderType, Place, SelfTradePrevention, Side, Symbol,
    TimeInForce,
};
use crate::queue::{Action, OnFull, Refusal, Settings, Target, WorkerId, queue};

/// `m` a market order, `l` a limit order, `c` a cancel; the number tells them apart.
fn action(word: &str) -> Action {
    let (kind, number) = word.split_at(1);
    let number: i64 = number.parse().unwrap();
    if kind == "c" {
        let target = Target::OrderId(OrderId(u64::try_from(number).unwrap()));
        return Action::Cancel { account: AccountId(0), target };
    }
    let (order_type, price) = match kind {
        "m" => (OrderType::Market, None),
        _ => (OrderType::Limit, Some(Decimal::new(1, 0).unwrap())),
    };
    Action::Place(Box::new(Place {
        account: AccountId(0),
        client_order_id: None,
        symbol: Symbol::parse("A/B").unwrap(),
        instrument: Some(InstrumentId(0)),
        side: Side::Buy,
        order_type,
        time_in_force: TimeInForce::Ioc,
        expire_at: None,
        quantity: Decimal::new(number, 0).unwrap(),
        price,
        trigger_price: None,
        trigger_by: None,
        post_only: false,
        stp: SelfTradePrevention::None,
    }))
}

fn word(request: &Request) -> String {
    match &request.action {
        Action::Cancel { target: Target::OrderId(order_id), .. } => format!("c{order_id}"),
        Action::Place(place) if place.order_type == OrderType::Market => format!("m{}", place.quantity),
        Action::Place(place) => format!("l{}", place.quantity),
        other => panic!("{other:?}"),
    }
}

fn settings(discipline: Discipline, capacity: usize) -> Settings {
    Settings { orders_capacity: capacity, cancels_capacity: capacity, discipline, on_full: OnFull::Reject }
}

/// Sends the words in order (`m2@1` on connection 1) and says in which order they are executed.
async fn executed(discipline: Discipline, words: &str) -> String {
    let (intake, mut outlet) = queue(settings(discipline, 64));
    for word in words.split_whitespace() {
        let (word, connection) = match word.split_once('@') {
            Some((word, connection)) => (word, Some(ConnectionId(connection.parse().unwrap()))),
            None => (word, None),
        };
        drop(intake.send(action(word), connection).await.unwrap());
    }
    let mut order = Vec::new();
    while let Some(request) = outlet.take(Instant::now()) {
        order.push(word(&request));
    }
    order.join(" ")
}

#[tokio::test]
async fn fifo_keeps_the_order_of_arrival_across_lanes() {
    assert_eq!(executed(Discipline::Fifo, "l1 c2 m3 c4 l5").await, "l1 c2 m3 c4 l5");
}

#[tokio::test]
async fn market_first_overtakes_orders_but_no_cancel_and_nothing_of_its_own_connection() {
    for (sent, taken) in [
        ("l1 l2 m3 m4", "m3 m4 l1 l2"),
        ("l1 c2 m3", "l1 c2 m3"),
        ("l1 m2 c3", "m2 l1 c3"),
        ("l1@1 m2@1 m3@2", "m3 l1 m2"),
        ("m1 l2 c3 m4", "m1 l2 c3 m4"),
    ] {
        assert_eq!(executed(Discipline::MarketFirst, sent).await, taken, "{sent}");
    }
}

#[tokio::test]
async fn an_endless_run_of_market_orders_lets_a_limit_order_through_after_sixteen() {
    let markets: Vec<String> = (2..40).map(|number| format!("m{number}")).collect();
    let order = executed(Discipline::MarketFirst, &format!("l1 {}", markets.join(" "))).await;
    assert_eq!(order.split(' ').position(|word| word == "l1"), Some(16));
}

#[tokio::test]
async fn a_place_is_given_back_on_execution_and_every_request_is_counted() {
    let (intake, mut outlet) = queue(settings(Discipline::Fifo, 2));
    let mut answers = Vec::new();
    for word in ["l1", "l2"] {
        answers.push(intake.send(action(word), None).await.unwrap());
    }
    assert_eq!(intake.send(action("l3"), None).await.unwrap_err(), Refusal::Full);
    assert!(intake.send(action("c4"), None).await.is_ok(), "cancels have places of their own");
    assert!(outlet.ready().await);
    assert_eq!(intake.send(action("l5"), None).await.unwrap_err(), Refusal::Full, "taken is not yet executed");
    assert!(outlet.take(Instant::now()).is_some());
    assert!(intake.send(action("l6"), None).await.is_ok());
    let [orders, cancels, _] = intake.counts();
    assert_eq!((orders.sent, orders.received, orders.dropped, orders.depth), (3, 1, 2, 2));
    assert_eq!((cancels.sent, cancels.received, cancels.dropped, cancels.depth), (1, 0, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_full_lane_can_make_senders_wait_for_a_place() {
    let wait = OnFull::Wait(Duration::from_secs(1));
    let (intake, mut outlet) = queue(Settings { on_full: wait, ..settings(Discipline::Fifo, 1) });
    drop(intake.send(action("l1"), None).await.unwrap());
    assert_eq!(intake.send(action("l2"), None).await.unwrap_err(), Refusal::Full);
    let waiting = intake.send(action("l3"), None);
    let (sent, taken) = tokio::join!(waiting, async { outlet.take(Instant::now()).is_some() });
    assert!(sent.is_ok() && taken);
}

#[tokio::test]
async fn a_closed_queue_refuses_and_still_hands_out_what_it_holds() {
    let (intake, mut outlet) = queue(settings(Discipline::Fifo, 4));
    drop(intake.send(action("l1"), None).await.unwrap());
    outlet.close();
    assert_eq!(intake.send(action("l2"), None).await.unwrap_err(), Refusal::ShuttingDown);
    assert!(outlet.ready().await);
    assert_eq!(outlet.take(Instant::now()).as_ref().map(word).as_deref(), Some("l1"));
    assert!(!outlet.ready().await);
}

#[tokio::test]
async fn what_one_thread_sends_over_both_lanes_is_executed_in_its_order_while_it_sends() {
    const SENT: usize = 100_000;
    let on_full = OnFull::Wait(Duration::from_secs(20));
    let (intake, mut outlet) = queue(Settings { on_full, ..settings(Discipline::Fifo, 64) });
    let sending = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            for word in ["c1", "l1"].iter().cycle().take(SENT) {
                drop(intake.send(action(word), None).await.unwrap());
            }
        });
    });
    let mut executed = 0;
    while executed < SENT as u64 {
        assert!(outlet.ready().await);
        while let Some(request) = outlet.take(Instant::now()) {
            assert_eq!(request.ticket, executed, "{}", word(&request));
            executed += 1;
        }
    }
    sending.join().unwrap();
}

#[tokio::test]
async fn what_is_being_sent_while_the_queue_closes_is_executed() {
    let (_, mut outlet) = queue(settings(Discipline::Fifo, 4));
    let (lane, orders) = mpsc::channel(1);
    outlet.orders = orders;
    let being_sent = lane.try_reserve().unwrap();
    outlet.close();
    let mut ready = Box::pin(outlet.ready());
    assert_eq!((&mut ready).now_or_never(), None, "it is not there yet");
    let queued_at = Instant::now();
    being_sent.send(Request { action: action("l1"), claim: None, connection: None, reply: None, ticket: 0, queued_at });
    assert_eq!((&mut ready).now_or_never(), Some(true));
    drop(ready);
    assert_eq!(outlet.take(Instant::now()).as_ref().map(word).as_deref(), Some("l1"));
    assert!(!outlet.ready().await);
}

#[tokio::test]
async fn what_another_worker_sends_is_executed_once_it_is_rung_for() {
    let (intake, mut outlet) = queue(settings(Discipline::Fifo, 4));
    let other = intake.of_worker(WorkerId(1));
    let mut ready = Box::pin(outlet.ready());
    let mut ringing = Box::pin(intake.ring_for(&other));
    assert_eq!((&mut ready).now_or_never(), None);
    for word in ["l1", "l2"] {
        drop(other.send(action(word), None).await.unwrap());
    }
    assert_eq!((&mut ready).now_or_never(), None, "the executor sleeps on");
    assert_eq!((&mut ringing).now_or_never(), None);
    assert_eq!((&mut ready).now_or_never(), Some(true));
    drop(ready);
    for sent in ["l1", "l2"] {
        let request = outlet.take(Instant::now()).unwrap();
        assert_eq!((word(&request).as_str(), request.reply.unwrap().worker()), (sent, WorkerId(1)));
    }
    drop(intake.send(action("l3"), None).await.unwrap());
    assert_eq!(Box::pin(outlet.ready()).now_or_never(), Some(true), "who sends where it executes need not ring");
}

#[tokio::test]
async fn only_the_newest_quote_of_an_exchange_waits() {
    let (intake, mut outlet) = queue(settings(Discipline::Fifo, 1));
    let exchange = ExchangeName::parse("binance").unwrap();
    for instrument in [0, 1, 0].map(InstrumentId) {
        let withdrawal = Command::WithdrawQuotes { exchange, instrument: Some(instrument), more: false };
        intake.put_quote((exchange, instrument), withdrawal);
    }
    assert!(outlet.ready().await);
    let mut quotes = Vec::new();
    outlet.take_quotes(&mut quotes);
    assert_eq!(quotes.len(), 2);
    let [_, _, counts] = intake.counts();
    assert_eq!((counts.sent, counts.received, counts.dropped, counts.depth), (3, 2, 1, 0));
}

#[tokio::test]
async fn what_comes_next_are_the_orders_that_cancels_among_the_next_requests_name() {
    let (intake, mut outlet) = queue(settings(Discipline::Fifo, 64));
    let mut answers = Vec::new();
    for word in ["l1", "c11", "m2", "c12", "l3", "c13"] {
        answers.push(intake.send(action(word), None).await.unwrap());
    }
    assert!(outlet.ready().await);
    let ids = |outlet: &Outlet, requests| outlet.coming(requests).map(|id| id.0).collect::<Vec<_>>();
    assert_eq!(ids(&outlet, 4), [11, 12]);
    assert_eq!(ids(&outlet, 64), [11, 12, 13]);
    assert_eq!(outlet.take(Instant::now()).as_ref().map(word), Some("l1".to_owned()));
    assert_eq!(outlet.take(Instant::now()).as_ref().map(word), Some("c11".to_owned()));
    assert_eq!(ids(&outlet, 2), [12]);
}
