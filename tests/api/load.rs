//! Many at once, and more than the queue takes.

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::venue::{Answer, PATIENCE, Venue, limit, market, with};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_clients_with_fifty_orders_each_make_four_hundred_fills_in_seq_order() {
    let venue = Venue::spawn("").await;
    let mut stream = venue.stream("").await;
    let clients = (0..8).map(|client| {
        let venue = &venue;
        async move {
            let mut orders = Vec::new();
            for n in 0..50 {
                let order = with(market("buy", "0.01"), json!({ "client_order_id": format!("{client}-{n}") }));
                orders.push(venue.placed(&order).await);
            }
            orders
        }
    });
    let orders = join_all(clients).await.concat();
    assert!(orders.iter().all(|order| order["status"] == "filled"));
    let answered: BTreeSet<u64> = orders.iter().map(|order| order["order_id"].as_u64().unwrap()).collect();
    let mut filled = BTreeSet::new();
    for seq in 1..=800u64 {
        let execution = stream.news().await;
        assert_eq!(execution["seq"], seq, "{execution}");
        if execution["type"] == "filled" {
            filled.insert(execution["order_id"].as_u64().unwrap());
        }
    }
    assert_eq!((filled.len(), &filled), (400, &answered));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_worker_takes_orders_answers_them_and_streams_what_all_did() {
    let mut venue = Venue::spawn("[server]\nworkers = 3\n").await;
    // A socket goes to the worker that has the fewest connections: these are on all three.
    let mut sockets = join_all((0..6).map(|_| venue.stream("?channels=executions,status"))).await;
    for socket in &mut sockets {
        for n in 0..20 {
            socket.send(&json!({ "op": "place", "id": n, "order": market("buy", "0.01") })).await;
        }
    }
    for socket in &mut sockets {
        let (mut seq, mut id) = (0, 0);
        while seq < 240 || id < 20 {
            let frame = socket.news().await;
            if frame["channel"] == "reply" {
                assert_eq!((&frame["id"], &frame["ok"]), (&json!(id), &json!(true)), "{frame}");
                id += 1;
            } else {
                seq += 1;
                assert_eq!(frame["seq"], seq, "{frame}");
            }
        }
    }
    venue.shut_down();
    for socket in &mut sockets {
        assert_eq!(socket.closed().await.0, 1001);
    }
    venue.ended().await.unwrap();
}

/// A lane of `GET /queue` as `[sent, received, depth, dropped]`.
fn counts(queue: &Value, lane: &str) -> [u64; 4] {
    ["sent", "received", "depth", "dropped"].map(|field| queue[lane][field].as_u64().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_answers_503_and_executes_everything_that_it_took() {
    let venue = Venue::spawn("[queue]\norders_capacity = 4\n[execution]\ndelay = \"20ms\"").await;
    let watching = async {
        loop {
            let queue = venue.get("/queue").await.body;
            let [sent, received, depth, dropped] = counts(&queue, "orders");
            assert_eq!(sent, received + depth, "{queue}");
            assert!(depth <= 4, "{queue}");
            if received + dropped == 40 {
                return dropped;
            }
        }
    };
    let order = market("buy", "0.01");
    let posting = join_all((0..40).map(|_| venue.place(&order)));
    let (answers, dropped) = timeout(PATIENCE, async { tokio::join!(posting, watching) }).await.unwrap();
    let (taken, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 201);
    assert!(taken.len() >= 4 && !refused.is_empty(), "{} taken", taken.len());
    for answer in &refused {
        answer.is_problem(503, "queue_full");
        let retry_after: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..60).contains(&retry_after), "{retry_after}");
    }
    assert_eq!(dropped, refused.len() as u64);
    assert_eq!(venue.get("/executions").await.body["next_seq"], 2 * taken.len() as u64 + 1);
}

#[tokio::test]
async fn a_client_order_id_that_found_the_queue_full_is_free_again_and_a_known_one_is_answered() {
    let venue = Venue::spawn("[queue]\norders_capacity = 1\n[execution]\ndelay = \"500ms\"").await;
    let order = |id: &str| with(limit("buy", "1", "41000"), json!({ "client_order_id": id }));
    venue.placed(&order("known")).await;
    let post = |id: &str| venue.request(Method::POST, "/orders").header("Prefer", "respond-async").json(&order(id));
    assert_eq!(Answer::of(post("first")).await.status, 202);
    venue.place(&order("second")).await.is_problem(503, "queue_full");
    venue.get("/orders/by-client-id/second").await.is_problem(404, "unknown_order");
    assert_eq!(venue.place(&order("known")).await.status, 200, "what is known needs no place in the queue");
    let first = venue.place(&order("first")).await;
    assert_eq!((first.status, &first.body["status"]), (200, &json!("open")), "what is in flight is waited for");
    assert_eq!(venue.placed(&order("second")).await["order_id"], 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancels_pass_where_orders_are_refused() {
    let venue = Venue::spawn("[queue]\norders_capacity = 2\n[execution]\ndelay = \"30ms\"").await;
    venue.placed(&limit("buy", "1", "41000")).await;
    let order = market("buy", "0.01");
    let posting = join_all((0..20).map(|_| venue.place(&order)));
    let canceling = venue.delete("/orders/1");
    let (answers, canceled) = tokio::join!(posting, canceling);
    assert!(answers.iter().any(|answer| answer.status == 503));
    assert_eq!((canceled.status, &canceled.body["status"]), (200, &json!("canceled")), "{}", canceled.text);
    let queue = venue.get("/queue").await.body;
    assert_eq!(counts(&queue, "cancels"), [1, 1, 0, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_full_queue_is_waited_for_nothing_is_refused_in_time() {
    let waiting = "on_full = \"wait\"\nenqueue_timeout";
    let patient = format!("[queue]\norders_capacity = 1\n{waiting} = \"20s\"\n[execution]\ndelay = \"2ms\"");
    let venue = Venue::spawn(&patient).await;
    let order = market("buy", "0.01");
    let answers = join_all((0..30).map(|_| venue.place(&order))).await;
    assert!(answers.iter().all(|answer| answer.status == 201), "{answers:?}");
    assert_eq!(counts(&venue.get("/queue").await.body, "orders"), [30, 30, 0, 0]);

    let hasty = format!("[queue]\norders_capacity = 1\n{waiting} = \"20ms\"\n[execution]\ndelay = \"1s\"");
    let venue = Venue::spawn(&hasty).await;
    let answers = join_all((0..3).map(|_| venue.place(&order))).await;
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status != 201).collect();
    assert_eq!(refused.len(), 2);
    refused.iter().for_each(|answer| answer.is_problem(503, "queue_full"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_orders_of_a_batch_wait_for_places_no_longer_than_one() {
    let venue = Venue::spawn(
        "[queue]\norders_capacity = 1\non_full = \"wait\"\nenqueue_timeout = \"200ms\"\n[execution]\ndelay = \"50ms\"",
    )
    .await;
    let answers = venue.post("/orders/batch", &Value::Array(vec![market("buy", "0.01"); 40])).await.body;
    let answers = answers.as_array().unwrap();
    let refused = answers.iter().filter(|answer| answer["code"] == "queue_full").count() as u64;
    let placed = answers.iter().filter(|answer| answer["status"] == "filled").count() as u64;
    assert!(refused > 0 && placed > 0 && refused + placed == 40, "{placed} placed, {refused} refused");
    assert_eq!(counts(&venue.get("/queue").await.body, "orders"), [placed, placed, 0, refused]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_waits_for_a_place_is_in_flight_for_who_cancels_it() {
    let venue = Venue::spawn(
        "[queue]\norders_capacity = 1\non_full = \"wait\"\nenqueue_timeout = \"20s\"\n[execution]\ndelay = \"200ms\"",
    )
    .await;
    // So many that those who change the last one are done long before it is executed.
    const LAST: usize = 14;
    let order = |n: usize| with(limit("buy", "1", "41000"), json!({ "client_order_id": format!("w{n}") }));
    let in_flight = async |n: usize| {
        let path = format!("/orders/by-client-id/w{n}");
        timeout(PATIENCE, async { while venue.get(&path).await.status == 404 {} }).await.unwrap();
    };
    let first = async { join_all((0..LAST).map(async |n| venue.place(&order(n)).await)).await };
    let last = async {
        for n in 0..LAST {
            in_flight(n).await;
        }
        venue.place(&order(LAST)).await
    };
    let changing = async {
        in_flight(LAST).await;
        let path = &format!("/orders/by-client-id/w{LAST}");
        (venue.patch(path, &json!({ "price": "40000" })).await, venue.delete(path).await)
    };
    let (_, last, (replaced, canceled)) = tokio::join!(first, last, changing);
    replaced.is_problem_with(409, "in_flight", "unknown");
    canceled.is_problem_with(409, "in_flight", "unknown");
    assert_eq!((last.status, &last.body["status"]), (201, &json!("open")));
}

#[tokio::test]
async fn market_first_lets_market_orders_overtake_but_not_those_of_their_own_socket() {
    let venue = Venue::spawn("[queue]\ndiscipline = \"market_first\"\n[execution]\ndelay = \"400ms\"").await;
    let mut stream = venue.stream("").await;
    let (mut one, mut other) = (venue.stream("?channels=status").await, venue.stream("?channels=status").await);
    let place =
        |id: &str, order: Value| json!({"op":"place","id":id,"order":with(order, json!({ "client_order_id": id }))});
    for id in ["limit-1", "limit-2"] {
        one.send(&place(id, limit("buy", "1", "41000"))).await;
    }
    one.send(&place("own-market", market("buy", "1"))).await;
    let sent = || async { venue.get("/queue").await.body["orders"]["sent"].as_u64().unwrap() };
    timeout(PATIENCE, async { while sent().await < 3 {} }).await.unwrap();
    other.send(&place("market", market("buy", "1"))).await;
    let mut accepted = Vec::new();
    while accepted.len() < 4 {
        let execution = stream.until(|frame| frame["type"] == "accepted").await;
        accepted.push(execution["client_order_id"].as_str().unwrap().to_owned());
    }
    let place_of = |id: &str| accepted.iter().position(|accepted| accepted == id).unwrap();
    assert!(place_of("limit-1") < place_of("limit-2") && place_of("limit-2") < place_of("own-market"), "{accepted:?}");
    assert!(place_of("market") < place_of("own-market") && place_of("market") < place_of("limit-2"), "{accepted:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_an_endless_stream_of_market_orders_a_limit_order_and_a_cancel_get_through() {
    let venue = Venue::spawn("[queue]\ndiscipline = \"market_first\"\n[execution]\ndelay = \"1ms\"").await;
    let mut stream = venue.stream("").await;
    // Each socket has 50 market orders in the queue, always: whatever waits behind all of them waits for ever.
    let floods: Vec<_> = join_all((0..4).map(|_| venue.stream("?channels=status"))).await;
    let flooding = join_all(floods.into_iter().map(|mut socket| async move {
        let place = json!({"op":"place","id":1,"order":market("buy", "0.001")});
        for _ in 0..50 {
            socket.send(&place).await;
        }
        loop {
            assert_eq!(socket.reply().await["ok"], true);
            socket.send(&place).await;
        }
    }));
    let trading = async {
        while venue.get("/queue").await.body["orders"]["depth"].as_u64() < Some(150) {}
        let order = venue.placed(&with(limit("buy", "1", "41000"), json!({ "client_order_id": "patient" }))).await;
        assert_eq!(order["status"], "open");
        assert_eq!(venue.delete("/orders/by-client-id/patient").await.body["status"], "canceled");
        let queue = venue.get("/queue").await.body;
        assert!(queue["orders"]["depth"].as_u64() > Some(100), "the flood goes on: {queue}");
        let before = stream.until(|frame| frame["client_order_id"] == "patient").await;
        assert_eq!((&before["type"], &before["status"]), (&json!("accepted"), &json!("open")));
    };
    tokio::select! {
        _ = flooding => unreachable!("it has no end"),
        done = timeout(PATIENCE, trading) => done.expect("a limit order waits for a bounded number of others"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_answers_what_was_taken_refuses_the_rest_and_closes_sockets_in_order() {
    let mut venue = Venue::spawn("[execution]\ndelay = \"20ms\"").await;
    let mut stream = venue.stream("").await;
    let order = market("buy", "0.01");
    let queued = join_all((0..100).map(|n| {
        let order = with(order.clone(), json!({ "client_order_id": format!("q-{n}") }));
        Answer::of(venue.request(Method::POST, "/orders").header("Prefer", "respond-async").json(&order))
    }));
    assert!(queued.await.iter().all(|answer| answer.status == 202));
    let request = venue.request(Method::POST, "/orders").json(&order);
    let answered = tokio::spawn(Answer::of(request));
    timeout(PATIENCE, async { while venue.get("/queue").await.body["orders"]["sent"] != 101 {} }).await.unwrap();
    venue.shut_down();
    let (code, _, texts) = stream.closed().await;
    assert_eq!(code, 1001);
    let frames: Vec<Value> = texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    let (last, executions) = frames.split_last().unwrap();
    assert_eq!((&last["channel"], &last["type"], &last["last_seq"]), (&json!("status"), &json!("shutdown"), &json!(202)));
    let seqs: Vec<u64> = executions.iter().filter_map(|frame| frame["seq"].as_u64()).collect();
    assert_eq!(seqs, (1..=202).collect::<Vec<_>>());
    assert_eq!(answered.await.unwrap().status, 201, "what was taken is answered");
    timeout(Duration::from_secs(5), venue.ended()).await.unwrap().unwrap();
}
