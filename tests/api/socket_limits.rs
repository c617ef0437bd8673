//! What one socket may take up, and how often it may ask.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::tungstenite::Message;

use crate::keys::{ALICE, BOB, keyed};
use crate::limits::{exceeded, limited};
use crate::socket::Socket;
use crate::venue::{PATIENCE, Venue, limit, market};
use crate::wire::handshake;

#[tokio::test]
async fn a_message_that_is_too_long_closes_1009_and_one_that_nests_too_deep_is_a_problem() {
    let venue = limited("message_bytes = 1024\njson_depth = 4").await;
    let mut socket = venue.stream("?channels=status").await;
    let deep = format!(r#"{{"op":"ping","id":1,"order":{}{}}}"#, "[".repeat(4), "]".repeat(4));
    socket.say(Message::text(deep)).await;
    assert_eq!(socket.reply().await["problem"]["detail"], "The JSON nests deeper than 4 levels");
    socket.say(Message::text(" ".repeat(1_024))).await;
    assert_eq!(socket.reply().await["problem"]["code"], "invalid_json");
    socket.say(Message::text(" ".repeat(1_025))).await;
    let (code, reason, _) = socket.closed().await;
    assert_eq!((code, reason.as_str()), (1009, "a message has at most 1024 bytes"));
    assert_eq!((exceeded(&venue, "message_bytes").await, exceeded(&venue, "json_depth").await), (1, 1));
}

#[tokio::test]
async fn a_socket_follows_only_so_much() {
    let venue = limited("subscriptions = 3").await;
    let all = Socket::connect_with(venue.addr, "?channels=trades,book", ("x-nothing", "")).await;
    assert_eq!(all.err(), Some(400), "two instruments each");
    let often = "?channels=".to_owned() + &"trades,".repeat(100);
    let mut socket = venue.stream(&often).await;
    let subscribe = |channels: Value| json!({"op":"subscribe","id":1,"channels":channels,"symbols":["BTC-USDT"]});
    let reply = socket.ask(&subscribe(json!(["book", "quotes"]))).await;
    assert_eq!(reply["problem"]["code"], "too_many_subscriptions", "{reply}");
    assert_eq!(socket.ask(&subscribe(json!(["book"]))).await["ok"], true);
    assert_eq!(exceeded(&venue, "subscriptions").await, 2);
}

#[tokio::test]
async fn an_account_with_too_many_sockets_is_closed_4009_and_another_is_not() {
    let venue = Venue::spawn(&keyed("limits.sockets_per_account = 2")).await;
    let connect = |key: &'static str| {
        let bearer = format!("Bearer {key}");
        async move { Socket::connect_with(venue.addr, "", ("authorization", &bearer)).await.ok().unwrap() }
    };
    let mut first = connect(ALICE).await;
    let mut second = connect(ALICE).await;
    for socket in [&mut first, &mut second] {
        assert_eq!(socket.next().await["account"], "alice");
    }
    let (code, reason, texts) = connect(ALICE).await.closed().await;
    assert_eq!((code, reason.as_str()), (4009, "an account has at most 2 connections"));
    assert!(texts.is_empty(), "{texts:?}");
    // One that never was a connection takes no orders along.
    let order = limit("buy", "1", "41000");
    let placed = venue.with_key(ALICE, Method::POST, "/orders", Some(&order)).await.body;
    let bearer = format!("Bearer {ALICE}");
    let third = Socket::connect_with(venue.addr, "?cancel_on_disconnect=true", ("authorization", &bearer)).await;
    assert_eq!(third.ok().unwrap().closed().await.0, 4009);
    let path = format!("/orders/{}", placed["order_id"]);
    // Whatever it had asked for would have been done before this.
    venue.with_key(ALICE, Method::POST, "/orders", Some(&order)).await;
    assert_eq!(venue.with_key(ALICE, Method::GET, &path, None).await.body["status"], "open");
    let mut stranger = Socket::connect(venue.addr, "?channels=status").await;
    stranger.next().await;
    stranger.send(&json!({"op":"auth","id":1,"api_key":ALICE})).await;
    assert_eq!(stranger.closed().await.0, 4009);
    assert_eq!(connect(BOB).await.next().await["account"], "bob");
    assert_eq!(exceeded(&venue, "sockets_per_account").await, 3);
    drop(first);
    let again = async { while !matches!(connect(ALICE).await.message().await, Message::Text(_)) {} };
    timeout(PATIENCE, again).await.expect("a seat that is free again is taken");
}

#[tokio::test]
async fn a_silent_client_is_asked_and_then_closed_and_one_that_answers_stays() {
    let venue = limited("idle_timeout = \"400ms\"").await;
    let mut silent = TcpStream::connect(venue.addr).await.unwrap();
    silent.write_all(handshake("?channels=status").as_bytes()).await.unwrap();
    let reading = async {
        let mut said = Vec::new();
        silent.read_to_end(&mut said).await.unwrap();
        said
    };
    let said = timeout(PATIENCE, reading).await.expect("it should have been closed by now");
    let reason = b"silent for too long";
    let close = [&[0x88, reason.len() as u8 + 2], &4008u16.to_be_bytes()[..], reason].concat();
    assert!(said.ends_with(&[&[0x89, 0][..], &close].concat()), "a ping, then the close: {said:?}");
    assert_eq!(exceeded(&venue, "idle_timeout").await, 1);

    let mut answering = venue.stream("?channels=status").await;
    let mut pings = 0;
    while pings < 4 {
        pings += usize::from(matches!(answering.message().await, Message::Ping(_)));
    }
    assert_eq!(answering.ask(&json!({"op":"ping","id":1})).await["ok"], true);
    assert_eq!(exceeded(&venue, "idle_timeout").await, 1);
}

#[tokio::test]
async fn orders_over_a_socket_count_like_those_by_rest() {
    let venue = Venue::spawn(&keyed("rate_limit = { per_second = 1, burst = 3 }")).await;
    let mut alice = Socket::connect(venue.addr, "?channels=status").await;
    assert_eq!(alice.ask(&json!({"op":"auth","id":0,"api_key":ALICE})).await["ok"], true);
    let place = json!({"op":"place","id":1,"order":market("buy", "0.001")});
    let order = market("buy", "0.001");
    assert_eq!(venue.with_key(ALICE, Method::POST, "/orders", Some(&order)).await.status, 201);
    let limited = async {
        loop {
            let reply = alice.ask(&place).await;
            if reply["ok"] == false {
                return reply["problem"].clone();
            }
        }
    };
    let problem = timeout(PATIENCE, limited).await.unwrap();
    assert_eq!((&problem["status"], &problem["code"]), (&json!(429), &json!("rate_limited")), "{problem}");
    assert!((1..=1_000).contains(&problem["retry_after_ms"].as_u64().unwrap()), "{problem}");
    assert_eq!(problem["outcome"], "not_accepted");
    let batch = alice.ask(&json!({"op":"batch","id":2,"orders":[order, order, order]})).await;
    assert_eq!(batch["problem"]["code"], "rate_limited", "{batch}");
    for id in 0..10 {
        assert_eq!(alice.ask(&json!({"op":"ping","id":id})).await["ok"], true, "a ping costs nothing");
    }
    assert_eq!(venue.with_key(BOB, Method::POST, "/orders", Some(&order)).await.status, 201);
}

#[tokio::test]
async fn a_held_order_holds_up_those_behind_it_and_nothing_that_goes_out() {
    let limits = "rate_limit = { per_second = 1, burst = 1, over_limit = \"queue\", max_wait = \"20s\" }";
    let venue = Venue::spawn(&keyed(limits)).await;
    let mut alice = Socket::connect(venue.addr, "?channels=trades").await;
    assert_eq!(alice.next().await["type"], "hello");
    alice.send(&json!({"op":"auth","id":0,"api_key":ALICE})).await;
    assert_eq!(alice.reply().await["ok"], true);
    let started = Instant::now();
    for id in 1..=3 {
        alice.send(&json!({"op":"place","id":id,"order":market("sell", "0.001")})).await;
    }
    let mut seen = Vec::new();
    let bobs = market("buy", "0.002");
    let trading = venue.with_key(BOB, Method::POST, "/orders", Some(&bobs));
    let reading = async {
        while seen.last() != Some(&"3".to_owned()) {
            let frame = alice.news().await;
            match frame["channel"].as_str() {
                Some("reply") => {
                    assert_eq!(frame["ok"], true, "{frame}");
                    seen.push(frame["id"].to_string());
                }
                Some("trades") if frame["quantity"] == "0.002" => seen.push("bob".to_owned()),
                _ => {}
            }
        }
    };
    let (traded, ()) = tokio::join!(trading, reading);
    assert_eq!(traded.status, 201);
    assert!(started.elapsed() >= Duration::from_secs(2), "one at once, then one a second: {:?}", started.elapsed());
    let replies: Vec<&str> = seen.iter().map(String::as_str).filter(|what| *what != "bob").collect();
    assert_eq!(replies, ["1", "2", "3"]);
    let bob = seen.iter().position(|what| what == "bob").expect("bob's trade is seen while an order is held");
    assert!(bob < seen.len() - 1, "{seen:?}");
    assert_eq!(exceeded(&venue, "rate_limit").await, 0, "holding is no exceeding");
}

#[tokio::test]
async fn shutting_down_refuses_what_is_held() {
    let limits = "[rate_limit]\nper_second = 1\nburst = 1\nover_limit = \"queue\"\nmax_wait = \"60s\"\n";
    let mut venue = Venue::spawn(limits).await;
    let mut socket = venue.stream("?channels=status").await;
    for id in 1..=12 {
        socket.send(&json!({"op":"place","id":id,"order":market("buy", "0.001")})).await;
    }
    assert_eq!(socket.reply().await["ok"], true);
    venue.shut_down();
    let (code, _, texts) = socket.closed().await;
    assert_eq!(code, 1001);
    let held = texts.iter().find(|text| text.contains("shutting_down")).expect("what was held is refused");
    assert!(held.contains("not_accepted"), "{held}");
    venue.ended().await.unwrap();
}
