//! Orders over the socket: batches, pipelines, and what becomes of orders whose connection is gone.

use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::keys::{ALICE, keyed};
use crate::limits::exceeded;
use crate::socket::Socket;
use crate::venue::{PATIENCE, Venue, limit, market, with};

#[tokio::test]
async fn a_batch_is_answered_in_order_each_order_for_itself() {
    let venue = Venue::spawn("").await;
    let mut socket = venue.stream("?channels=status").await;
    let orders = json!([
        market("buy", "0.1"),
        with(market("buy", "0.1"), json!({ "symbol": "DOGE/USDT" })),
        market("buy", "-1"),
        { "symbol": "BTC/USDT" },
        limit("buy", "1", "41000"),
    ]);
    let reply = socket.ask(&json!({"op":"batch","id":"b1","orders":orders})).await;
    assert_eq!((&reply["id"], &reply["ok"]), (&json!("b1"), &json!(true)), "{reply}");
    let items = reply["orders"].as_array().unwrap();
    let of = |item: &Value| item["code"].as_str().or(item["status"].as_str()).unwrap().to_owned();
    let said: Vec<String> = items.iter().map(of).collect();
    assert_eq!(said, ["filled", "unknown_symbol", "invalid", "invalid_request", "open"]);
    assert_eq!(items[4], venue.get("/orders/3").await.body);
    for (orders, code) in [
        (json!([]), "batch_size"),
        (json!(vec![1; 1_001]), "batch_size"),
        (json!({}), "invalid_request"),
        (Value::Null, "invalid_request"),
    ] {
        let reply = socket.ask(&json!({"op":"batch","id":1,"orders":orders})).await;
        assert_eq!(reply["problem"]["code"], code, "{reply}");
    }
}

#[tokio::test]
async fn requests_sent_ahead_are_answered_in_order_with_their_ids_beyond_what_may_be_in_flight() {
    let venue = Venue::spawn("[limits]\nin_flight = 4\n[execution]\ndelay = \"2ms\"").await;
    let mut socket = venue.stream("?channels=status").await;
    for n in 0..20 {
        let order = with(limit("buy", "1", "41000"), json!({ "client_order_id": format!("o{n}") }));
        socket.send(&json!({"op":"place","id":3 * n,"order":order})).await;
        socket
            .send(&json!({"op":"replace","id":3 * n + 1,"client_order_id":format!("o{n}"),"changes":{"price":"41001"}}))
            .await;
        socket.send(&json!({"op":"cancel","id":3 * n + 2,"client_order_id":format!("o{n}")})).await;
    }
    for id in 0..60 {
        let reply = socket.reply().await;
        assert_eq!((&reply["id"], &reply["ok"]), (&json!(id), &json!(true)), "{reply}");
        let expected = if id % 3 == 2 { "canceled" } else { "open" };
        assert_eq!(reply["order"]["status"], expected, "{reply}");
    }
    assert!(exceeded(&venue, "in_flight").await > 0);
    // A batch is as many as its orders.
    let venue = Venue::spawn("[limits]\nin_flight = 4\n[execution]\ndelay = \"20ms\"").await;
    let mut socket = venue.stream("?channels=status").await;
    let batch = json!({"op":"batch","id":1,"orders":vec![market("buy", "0.001"); 4]});
    assert_eq!(socket.ask(&batch).await["ok"], true);
    assert_eq!(exceeded(&venue, "in_flight").await, 1);
}

/// Waits until the venue has so many open orders.
async fn until_open(venue: &Venue, count: usize) {
    let open = async { while venue.get("/orders").await.body.as_array().unwrap().len() != count {} };
    timeout(PATIENCE, open).await.expect("the open orders should be others by now");
}

#[tokio::test]
async fn a_connection_that_asked_for_it_takes_the_accounts_orders_along_however_it_ends() {
    let venue = Venue::spawn("").await;
    let place = json!({"op":"place","id":1,"order":limit("buy", "1", "41000")});
    for closes in [true, false] {
        let mut staying = venue.stream("?channels=status&cancel_on_disconnect=false").await;
        let mut leaving = venue.stream("?channels=status&cancel_on_disconnect=true").await;
        assert_eq!(staying.ask(&place).await["ok"], true);
        assert_eq!(leaving.ask(&place).await["ok"], true);
        venue.placed(&limit("buy", "1", "41000")).await;
        drop(staying);
        assert_eq!(venue.get("/orders").await.body.as_array().unwrap().len(), 3, "who did not ask for it cancels nothing");
        if closes {
            leaving.0.close(None).await.unwrap();
        } else {
            // The last request is one that the client never learns the answer of.
            leaving.send(&place).await;
        }
        drop(leaving);
        until_open(&venue, 0).await;
    }
}

#[tokio::test]
async fn canceling_on_disconnect_needs_a_key_that_may_trade_and_works_for_one_that_is_said_later() {
    let venue = Venue::spawn(&keyed("")).await;
    let query = "?channels=status&cancel_on_disconnect=true";
    let reads = Socket::connect_with(venue.addr, query, ("authorization", "Bearer oo_alice_reads")).await;
    assert_eq!(reads.err(), Some(403));
    let mut socket = Socket::connect(venue.addr, query).await;
    let reads = socket.ask(&json!({"op":"auth","id":0,"api_key":"oo_alice_reads"})).await;
    assert_eq!((&reads["ok"], &reads["problem"]["status"]), (&json!(false), &json!(403)), "{reads}");
    assert_eq!(socket.ask(&json!({"op":"auth","id":1,"api_key":ALICE})).await["ok"], true);
    let placed = socket.ask(&json!({"op":"place","id":2,"order":limit("buy", "1", "41000")})).await;
    assert_eq!(placed["order"]["status"], "open");
    drop(socket);
    let status = || async { venue.with_key(ALICE, reqwest::Method::GET, "/orders/1", None).await.body["status"].clone() };
    timeout(PATIENCE, async { while status().await != "canceled" {} }).await.expect("it should be canceled by now");
}

#[tokio::test]
async fn a_second_subscription_to_executions_skips_none_of_them() {
    let venue = Venue::spawn("").await;
    let orders = Value::Array(vec![market("buy", "0.001"); 500]);
    for _ in 0..4 {
        assert_eq!(venue.post("/orders/batch", &orders).await.status, 200);
    }
    // Much more than is sent at once.
    let mut socket = venue.stream("?from_seq=1").await;
    let subscribe = json!({"op":"subscribe","id":1,"channels":["executions","trades"],"symbols":["BTC-USDT"]});
    socket.send(&subscribe).await;
    for seq in 1..=4_000_u64 {
        let frame = socket.until(|frame| frame["channel"] == "executions").await;
        assert_eq!(frame["seq"], seq);
    }
    // From where it is said, if it is said.
    socket.send(&json!({"op":"subscribe","id":2,"channels":["executions"],"from_seq":3999})).await;
    for seq in [3_999, 4_000] {
        assert_eq!(socket.until(|frame| frame["channel"] == "executions").await["seq"], seq);
    }
}

#[tokio::test]
async fn what_was_asked_before_a_gap_is_answered_before_the_end() {
    let venue = Venue::spawn("").await;
    let mut socket = venue.stream("?channels=status").await;
    for message in [
        json!({"op":"place","id":1,"order":limit("buy", "1", "41000")}),
        json!({"op":"subscribe","id":2,"channels":["executions"],"from_seq":999}),
    ] {
        socket.0.feed(tokio_tungstenite::tungstenite::Message::text(message.to_string())).await.unwrap();
    }
    socket.0.flush().await.unwrap();
    let (code, _, texts) = socket.closed().await;
    let replies: Vec<Value> = texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    let reply = replies.iter().find(|frame| frame["channel"] == "reply").expect("the order is answered");
    assert_eq!((code, &reply["id"], &reply["order"]["status"]), (4010, &json!(1), &json!("open")));
    assert_eq!(replies.last().unwrap()["type"], "gap");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_command_that_brings_more_than_one_may_fall_behind_closes_nobody_who_keeps_up() {
    // The second comes in parts.
    for (lag_limit, batches, orders) in [(50, 5, 40), (9_000, 30, 1_000)] {
        let venue = Venue::spawn(&format!("stream.lag_limit = {lag_limit}")).await;
        let mut socket = venue.stream("").await;
        let batch = Value::Array(vec![limit("buy", "0.001", "41000"); orders]);
        let all = batches * orders as u64;
        for number in 1..=batches {
            assert_eq!(venue.post("/orders/batch", &batch).await.status, 200);
            socket.until(|frame| frame["seq"] == number * orders as u64).await;
        }
        socket.send(&json!({"op":"cancel_all","id":1})).await;
        let (mut last, mut reply) = (all, Value::Null);
        while last < 2 * all || reply.is_null() {
            let frame = socket.news().await;
            if frame["channel"] == "reply" {
                reply = frame;
            } else {
                last += 1;
                assert_eq!(frame["seq"], last);
            }
        }
        assert_eq!((&reply["ok"], &reply["canceled"]), (&json!(true), &json!(all)), "{reply}");
    }
}
