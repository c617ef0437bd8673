//! Rate limits from outside: how many get in, what the answers say, and whom it does not touch.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt, future::join_all};
use reqwest::Method;
use serde_json::Value;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::keys::{ALICE, BOB, keyed};
use crate::venue::{Answer, PATIENCE, Venue, limit, market};

/// Ten orders at once, and so few a second that a slow test gets no more.
const TEN: &str = "[rate_limit]\nper_second = 1\nburst = 10\n";

fn policy(answer: &Answer) -> (Option<&str>, Option<&str>) {
    (answer.header("ratelimit-policy"), answer.header("ratelimit"))
}

#[tokio::test]
async fn a_burst_of_ten_gets_in_then_429_and_another_key_is_not_touched() {
    let venue = Venue::spawn(&keyed(TEN)).await;
    let order = market("buy", "0.001");
    let started = Instant::now();
    let mut taken = 0;
    let refused = loop {
        let answer = venue.with_key(ALICE, Method::POST, "/orders", Some(&order)).await;
        assert_eq!(policy(&answer).0, Some("\"orders\";q=10;w=10"));
        if answer.status != 201 {
            break answer;
        }
        taken += 1;
        assert!(policy(&answer).1.unwrap().starts_with("\"orders\";r="), "{:?}", answer.headers);
        if taken == 1 {
            assert_eq!(policy(&answer).1, Some("\"orders\";r=9;t=1"));
        }
    };
    let refilled = started.elapsed().as_secs() + 1;
    assert!((10..=10 + refilled).contains(&taken), "{taken} in {:?}", started.elapsed());
    refused.is_problem(429, "rate_limited");
    assert_eq!((refused.header("retry-after"), policy(&refused).1), (Some("1"), Some("\"orders\";r=0;t=1")));
    assert!((1..=1_000).contains(&refused.body["retry_after_ms"].as_u64().unwrap()), "{}", refused.text);
    let bob = venue.with_key(BOB, Method::POST, "/orders", Some(&order)).await;
    assert_eq!((bob.status, policy(&bob).1), (201, Some("\"orders\";r=9;t=1")));
    let read = venue.with_key(ALICE, Method::GET, "/account", None).await;
    assert_eq!((read.status, policy(&read).1), (200, Some("\"reads\";r=9;t=1")), "reads are apart");
    let sent = venue.get("/queue").await.body["orders"]["sent"].as_u64();
    assert_eq!(sent, Some(taken + 1), "what is refused is not queued");
    let metrics = venue.get("/metrics").await.text;
    assert!(metrics.contains("openoutcry_limits_exceeded_total{limit=\"rate_limit\"} 1\n"), "{metrics}");
}

#[tokio::test]
async fn without_keys_an_address_is_limited_probes_and_metrics_are_not_and_errors_say_what_is_left_too() {
    let venue = Venue::spawn("[rate_limit]\nper_second = 1\nburst = 2\n").await;
    let missing = venue.get("/nowhere").await;
    assert_eq!((missing.status, policy(&missing)), (404, (Some("\"reads\";q=2;w=2"), Some("\"reads\";r=1;t=1"))));
    let limited = async {
        loop {
            let answer = venue.get("/book/BTC-USDT").await;
            if answer.status == 429 {
                return answer;
            }
        }
    };
    limited.await.is_problem(429, "rate_limited");
    for _ in 0..5 {
        for path in ["/livez", "/readyz", "/metrics"] {
            let answer = venue.get(path).await;
            assert_eq!((answer.status, policy(&answer)), (200, (None, None)));
        }
    }
}

#[tokio::test]
async fn without_a_limit_nothing_is_said_of_one() {
    let venue = Venue::spawn("").await;
    assert_eq!(policy(&venue.place(&market("buy", "0.001")).await), (None, None));
}

#[tokio::test]
async fn a_batch_counts_its_orders() {
    let venue = Venue::spawn("[rate_limit]\nper_second = 1\nburst = 10\n").await;
    let batch = |count| Value::Array(vec![market("buy", "0.001"); count]);
    let answer = venue.post("/orders/batch", &batch(9)).await;
    assert_eq!(answer.status, 200);
    let left: u32 = policy(&answer).1.unwrap().strip_prefix("\"orders\";r=").unwrap()[..1].parse().unwrap();
    assert!((1..=3).contains(&left), "{left} left");
    venue.post("/orders/batch", &batch(9)).await.is_problem(429, "rate_limited");
    assert_eq!(venue.get("/queue").await.body["orders"]["sent"], 9, "nothing of a refused batch is queued");
    // One that is more than a burst is worth a burst.
    let fresh = Venue::spawn("[rate_limit]\nper_second = 1\nburst = 10\n").await;
    assert_eq!(fresh.post("/orders/batch", &batch(50)).await.status, 200);
}

#[tokio::test]
async fn of_many_requests_sent_ahead_within_the_limit_each_is_answered() {
    let venue = Venue::spawn("[rate_limit]\nper_second = 1000000\nburst = 1000000\n").await;
    let (mut to_venue, mut from_venue) = venue.stream("?channels=status").await.0.split();
    // Long ones, all at once, so that reading them takes the socket's task more than a turn.
    let padding = " ".repeat(1_900);
    let order = market("buy", "0.001");
    let sent = tokio::spawn(async move {
        for id in 0..8_000 {
            let message = format!("{{\"op\":\"place\",{padding}\"id\":{id},\"order\":{order}}}");
            to_venue.feed(Message::text(message)).await.unwrap();
        }
        to_venue.flush().await.unwrap();
        to_venue
    });
    let mut id = 0;
    while id < 8_000 {
        let Message::Text(text) = timeout(PATIENCE, from_venue.next()).await.unwrap().unwrap().unwrap() else { panic!() };
        let frame: Value = serde_json::from_str(&text).unwrap();
        if frame["channel"] == "reply" {
            assert_eq!((&frame["id"], &frame["ok"]), (&id.into(), &true.into()), "{frame}");
            id += 1;
        }
    }
    drop(sent.await.unwrap());
}

#[tokio::test]
async fn in_queue_mode_orders_are_held_and_served_at_the_rate() {
    let limits = "[rate_limit]\nper_second = 20\nburst = 1\nover_limit = \"queue\"\nmax_wait = \"10s\"\n";
    let venue = Venue::spawn(limits).await;
    let started = Instant::now();
    let order = limit("buy", "0.001", "41000");
    let answers = join_all((0..11).map(|_| venue.place(&order))).await;
    assert!(answers.iter().all(|answer| answer.status == 201));
    // The first at once, then one each twentieth of a second: what the limit promises, however slow this machine is.
    assert!(started.elapsed() >= Duration::from_millis(500), "{:?}", started.elapsed());
}

#[tokio::test]
async fn in_queue_mode_who_would_wait_too_long_is_refused() {
    let limits = "[rate_limit]\nper_second = 1\nburst = 1\nover_limit = \"queue\"\nmax_wait = \"200ms\"\n";
    let venue = Venue::spawn(limits).await;
    let order = market("buy", "0.001");
    let answers = join_all((0..4).map(|_| venue.place(&order))).await;
    let refused: Vec<&Answer> = answers.iter().filter(|answer| answer.status != 201).collect();
    assert!((2..=3).contains(&refused.len()), "{} refused", refused.len());
    for answer in refused {
        answer.is_problem(429, "rate_limited");
    }
}
