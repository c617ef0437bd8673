//! Placing, finding, listing, changing and canceling orders.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::venue::{Answer, Venue, limit, market, with};

#[tokio::test]
async fn a_market_order_is_answered_filled_at_the_reference_price_with_its_location() {
    let venue = Venue::spawn("").await;
    let answer = venue.place(&market("buy", "0.1")).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let order = &answer.body;
    assert_eq!(order["status"], "filled");
    assert_eq!(order["avg_price"], "42000");
    assert_eq!((&order["cum_qty"], &order["leaves_qty"]), (&json!("0.1"), &json!("0")));
    assert_eq!(order["time_in_force"], "ioc");
    let location = answer.header("location").unwrap();
    assert_eq!(location, format!("/orders/{}", order["order_id"]));
    assert_eq!(venue.get(location).await.body, *order);
}

#[tokio::test]
async fn decimals_are_read_from_strings_and_numbers_exactly_and_printed_without_trailing_zeros() {
    let venue = Venue::spawn("").await;
    let body = r#"{"symbol":"BTC/USDT","side":"buy","type":"limit","quantity":0.30000,"price":41000.10}"#;
    let request = venue.request(Method::POST, "/orders").header("content-type", "application/json").body(body);
    let order = Answer::of(request).await.body;
    assert_eq!((&order["quantity"], &order["price"]), (&json!("0.3"), &json!("41000.1")));
    let order = venue.placed(&limit("buy", "1.00000", "4.1e4")).await;
    assert_eq!((&order["quantity"], &order["price"]), (&json!("1"), &json!("41000")));
}

#[tokio::test]
async fn a_limit_order_away_from_the_market_rests_is_canceled_once_and_not_twice() {
    let venue = Venue::spawn("").await;
    let order = venue.placed(&limit("buy", "0.5", "41000")).await;
    assert_eq!((&order["status"], &order["leaves_qty"]), (&json!("open"), &json!("0.5")));
    let path = format!("/orders/{}", order["order_id"]);

    let canceled = venue.delete(&path).await;
    assert_eq!(canceled.status, 200, "{}", canceled.text);
    assert_eq!((&canceled.body["status"], &canceled.body["leaves_qty"]), (&json!("canceled"), &json!("0")));
    assert_eq!(venue.get(&path).await.body, canceled.body);

    let again = venue.delete(&path).await;
    again.is_problem(409, "not_cancelable");
    assert_eq!(again.body["order"], canceled.body);
    assert_eq!(venue.get(&path).await.body, canceled.body, "a refused cancel does not touch the order");
}

#[tokio::test]
async fn orders_are_found_canceled_and_replaced_by_client_id() {
    let venue = Venue::spawn("").await;
    let placed = venue.placed(&with(limit("buy", "0.5", "41000"), json!({ "client_order_id": "my-1.a:b_c" }))).await;
    let path = "/orders/by-client-id/my-1.a:b_c";
    assert_eq!(venue.get(path).await.body, placed);
    let replaced = venue.patch(path, &json!({ "price": "40999" })).await;
    assert_eq!((replaced.status, &replaced.body["price"]), (200, &json!("40999")), "{}", replaced.text);
    let canceled = venue.delete(path).await;
    assert_eq!((canceled.status, &canceled.body["status"]), (200, &json!("canceled")), "{}", canceled.text);
    venue.delete(path).await.is_problem(409, "not_cancelable");
    venue.patch(path, &json!({ "price": "40998" })).await.is_problem(409, "not_replaceable");
}

#[tokio::test]
async fn an_order_that_the_account_does_not_have_is_not_found() {
    let venue = Venue::spawn("").await;
    for path in ["/orders/7", "/orders/0", "/orders/18446744073709551615", "/orders/by-client-id/nobody"] {
        venue.get(path).await.is_problem(404, "unknown_order");
        venue.delete(path).await.is_problem(404, "unknown_order");
        venue.patch(path, &json!({ "price": "1" })).await.is_problem(404, "unknown_order");
    }
    let executions = venue.get("/executions").await.body;
    assert_eq!(executions["executions"], json!([]), "nothing was numbered");
}

#[tokio::test]
async fn orders_are_listed_newest_first_by_status_and_symbol() {
    let venue = Venue::spawn("").await;
    venue.placed(&market("buy", "1")).await;
    venue.placed(&limit("buy", "1", "41000")).await;
    venue.placed(&with(limit("sell", "1", "2900"), json!({ "symbol": "ETH/USDT" }))).await;
    venue
        .placed(&json!({"symbol":"BTC/USDT","side":"sell","type":"stop_loss","quantity":"1","trigger_price":"40000"}))
        .await;
    venue.place(&with(market("buy", "1"), json!({ "symbol": "DOGE/USDT" }))).await;
    for (query, expected) in [
        ("", vec![4, 3, 2]),
        ("?status=open", vec![4, 3, 2]),
        ("?status=closed", vec![5, 1]),
        ("?status=all", vec![5, 4, 3, 2, 1]),
        ("?symbol=ETH-USDT", vec![3]),
        ("?symbol=BTC-USDT&status=all", vec![4, 2, 1]),
        ("?status=all&after=4", vec![3, 2, 1]),
        ("?status=all&limit=2", vec![5, 4]),
        ("?status=all&limit=0", vec![5]),
        ("?status=all&limit=1000000", vec![5, 4, 3, 2, 1]),
    ] {
        let answer = venue.get(&format!("/orders{query}")).await;
        assert_eq!(ids(&answer.body), expected, "{query}: {}", answer.text);
    }
    venue.get("/orders?symbol=DOGE-USDT").await.is_problem(404, "unknown_symbol");
}

fn ids(orders: &Value) -> Vec<u64> {
    orders.as_array().unwrap().iter().map(|order| order["order_id"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn pages_follow_their_links_to_the_end_without_gap_or_repeat() {
    let venue = Venue::spawn("").await;
    for n in 0..23 {
        venue.placed(&limit("buy", "1", &format!("{}", 41_000 - n))).await;
    }
    let mut path = "/orders?status=open&symbol=BTC-USDT&limit=5".to_owned();
    let mut pages = Vec::new();
    loop {
        let page = venue.get(&path).await;
        pages.push(ids(&page.body));
        let Some(link) = page.header("link") else { break };
        let (next, rel) = link.split_once("; ").unwrap();
        assert_eq!(rel, r#"rel="next""#);
        path = next.trim_matches(['<', '>']).to_owned();
    }
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [5, 5, 5, 5, 3]);
    assert_eq!(pages.concat(), (1..=23).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_repeat_of_a_client_order_id_is_answered_with_the_order_as_it_is_now() {
    let venue = Venue::spawn("").await;
    let request = with(limit("buy", "0.5", "41000"), json!({ "client_order_id": "a" }));
    let first = venue.placed(&request).await;
    let again = venue.place(&request).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (200, Some("true")), "{}", again.text);
    assert_eq!(again.body, first);

    let differently_written =
        with(request.clone(), json!({ "quantity": 0.50, "price": "41000.00", "time_in_force": "gtc" }));
    assert_eq!(venue.place(&differently_written).await.status, 200, "the same request in other words");

    venue.delete("/orders/by-client-id/a").await;
    let later = venue.place(&request).await;
    assert_eq!((later.status, &later.body["status"]), (200, &json!("canceled")));
    assert_eq!(ids(&venue.get("/orders?status=all").await.body), [1]);
}

#[tokio::test]
async fn a_client_order_id_with_another_body_is_a_conflict_and_changes_nothing() {
    let venue = Venue::spawn("").await;
    let request = with(limit("buy", "0.5", "41000"), json!({ "client_order_id": "a" }));
    let first = venue.placed(&request).await;
    for other in [
        json!({ "quantity": "0.6" }),
        json!({ "price": "41001" }),
        json!({ "side": "sell" }),
        json!({ "stp": "cancel_both" }),
    ] {
        venue.place(&with(request.clone(), other)).await.is_problem(422, "client_order_id_conflict");
    }
    assert_eq!(venue.get("/orders/by-client-id/a").await.body, first);
    assert_eq!(ids(&venue.get("/orders?status=all").await.body), [1]);
}

#[tokio::test]
async fn a_repeat_of_a_refused_order_is_refused_in_the_same_words_and_says_that_it_is_a_repeat() {
    let venue = Venue::spawn("").await;
    let request = with(market("buy", "1"), json!({ "symbol": "DOGE/USDT", "client_order_id": "a" }));
    let first = venue.place(&request).await;
    first.is_problem(422, "unknown_symbol");
    assert_eq!(first.header("idempotent-replayed"), None);
    let again = venue.place(&request).await;
    again.is_problem(422, "unknown_symbol");
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.text, first.text);
    assert_eq!(venue.get("/orders/by-client-id/a").await.body, first.body["order"]);
    assert_eq!(venue.get("/executions").await.body["next_seq"], 2, "it was numbered once");
}

#[tokio::test]
async fn an_order_that_was_refused_has_ended_whatever_it_was_refused_for() {
    let venue = Venue::spawn("").await;
    for refused in [
        with(market("buy", "1"), json!({ "symbol": "DOGE/USDT" })),
        limit("buy", "1", "41000.001"),
        limit("buy", "1000000000", "41000"),
    ] {
        let order = venue.place(&refused).await.body["order"].clone();
        let path = format!("/orders/{}", order["order_id"]);
        let canceled = venue.delete(&path).await;
        canceled.is_problem(409, "not_cancelable");
        assert_eq!(canceled.body["order"], order);
        let replaced = venue.patch(&path, &json!({ "price": "40000" })).await;
        replaced.is_problem(409, "not_replaceable");
        assert_eq!(replaced.body["order"], order);
        assert_eq!(venue.get(&path).await.body, order);
    }
    venue.placed(&market("buy", "1")).await;
}

#[tokio::test]
async fn a_request_that_is_no_valid_order_does_not_take_its_client_order_id() {
    let venue = Venue::spawn("").await;
    venue.place(&with(market("buy", "-1"), json!({ "client_order_id": "a" }))).await.is_problem(422, "invalid");
    venue.get("/orders/by-client-id/a").await.is_problem(404, "unknown_order");
    venue.placed(&with(market("buy", "1"), json!({ "client_order_id": "a" }))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_duplicates_at_once_make_one_order() {
    let venue = Venue::spawn("").await;
    let request = with(market("buy", "0.1"), json!({ "client_order_id": "only-once" }));
    let answers = futures_util::future::join_all((0..50).map(|_| venue.place(&request))).await;
    let created = answers.iter().filter(|answer| answer.status == 201).count();
    let replayed = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!((created, replayed), (1, 49), "{answers:?}");
    let bodies: BTreeSet<_> = answers.iter().map(|answer| answer.text.as_str()).collect();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    assert!(answers.iter().all(|answer| (answer.status == 200) == (answer.header("idempotent-replayed").is_some())));
    assert_eq!(ids(&venue.get("/orders?status=all").await.body), [1]);
    assert_eq!(venue.get("/executions").await.body["next_seq"], 3);
}

#[tokio::test]
async fn respond_async_is_answered_when_queued_and_says_where_to_ask() {
    let venue = Venue::spawn("").await;
    let mut stream = venue.stream("").await;
    let place = |order: Value| {
        let request = venue.request(Method::POST, "/orders").header("Prefer", "return=minimal, respond-async").json(&order);
        Answer::of(request)
    };
    let request = with(market("buy", "1"), json!({ "client_order_id": "later" }));
    let answer = place(request.clone()).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    assert_eq!(answer.body, json!({ "client_order_id": "later", "outcome": "unknown" }));
    assert_eq!(answer.header("preference-applied"), Some("respond-async"));
    stream.until(|frame| frame["type"] == "filled").await;
    let order = venue.get(answer.header("location").unwrap()).await;
    assert_eq!((order.status, &order.body["status"]), (200, &json!("filled")));

    let again = place(request).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (200, Some("true")), "it is known, so it is told");
    assert_eq!(again.body, order.body);

    let without_id = place(market("buy", "1")).await;
    without_id.is_problem(400, "client_order_id_needed");
    assert_eq!(without_id.body["errors"][0]["field"], "client_order_id");
    assert_eq!(ids(&venue.get("/orders?status=all").await.body), [1]);
}

#[tokio::test]
async fn an_order_in_flight_is_a_conflict_to_ask_for_and_is_waited_for_by_its_repeat() {
    let venue = Venue::spawn("[execution]\ndelay = \"1s\"").await;
    let request = with(market("buy", "1"), json!({ "client_order_id": "slow" }));
    let queued = venue.request(Method::POST, "/orders").header("Prefer", "respond-async").json(&request);
    assert_eq!(Answer::of(queued).await.status, 202);
    venue.get("/orders/by-client-id/slow").await.is_problem_with(409, "in_flight", "unknown");
    let repeat = venue.place(&request).await;
    assert_eq!((repeat.status, &repeat.body["status"]), (200, &json!("filled")), "{}", repeat.text);
    assert_eq!(repeat.header("idempotent-replayed"), Some("true"));
}

#[tokio::test]
async fn an_order_that_is_not_executed_in_time_is_504_and_its_client_id_finds_it() {
    let venue = Venue::spawn("[server]\nrequest_timeout = \"50ms\"\n[execution]\ndelay = \"500ms\"").await;
    let mut stream = venue.stream("").await;
    let answer = venue.place(&with(market("buy", "1"), json!({ "client_order_id": "slow" }))).await;
    answer.is_problem_with(504, "timeout", "unknown");
    assert_eq!(answer.body["client_order_id"], "slow", "the id to ask with");
    stream.until(|frame| frame["type"] == "filled").await;
    assert_eq!(venue.get("/orders/by-client-id/slow").await.body["status"], "filled");
}

#[tokio::test]
async fn a_batch_is_answered_in_order_each_with_an_order_or_a_problem() {
    let venue = Venue::spawn("").await;
    let batch = json!([
        market("buy", "1"),
        { "symbol": "BTC/USDT" },
        with(market("buy", "1"), json!({ "symbol": "DOGE/USDT" })),
        limit("buy", "1", "41000"),
        market("sell", "0"),
        with(limit("buy", "1", "41000"), json!({ "client_order_id": "twin" })),
        with(limit("buy", "1", "41000"), json!({ "client_order_id": "twin" })),
        7,
    ]);
    let answer = venue.post("/orders/batch", &batch).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let items: Vec<String> = answer.body.as_array().unwrap().iter().map(kind).collect();
    let expected = ["filled", "400", "422", "open", "422", "open", "open", "400"];
    assert_eq!(items, expected, "{}", answer.text);
    assert_eq!(answer.body[5], answer.body[6], "the twin is the same order");
    assert_eq!(answer.body[2]["code"], "unknown_symbol");
}

fn kind(item: &Value) -> String {
    item["status"].as_str().map_or_else(|| item["status"].to_string(), str::to_owned)
}

#[tokio::test]
async fn a_batch_has_one_to_a_thousand_orders() {
    let venue = Venue::spawn("").await;
    venue.post("/orders/batch", &json!([])).await.is_problem(400, "batch_size");
    venue.post("/orders/batch", &Value::Array(vec![market("buy", "1"); 1_001])).await.is_problem(400, "batch_size");
    venue.post("/orders/batch", &market("buy", "1")).await.is_problem(400, "invalid_request");
    let answer = venue.post("/orders/batch", &Value::Array(vec![market("buy", "0.001"); 1_000])).await;
    let items = answer.body.as_array().unwrap();
    assert_eq!(items.len(), 1_000);
    assert!(items.iter().zip(1..).all(|(item, n)| item["status"] == "filled" && item["order_id"] == n), "{}", answer.text);
}

#[tokio::test]
async fn validate_answers_as_the_static_checks_would_and_sends_nothing() {
    let venue = Venue::spawn("").await;
    let answer = venue.post("/orders/validate", &market("buy", "1")).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, r#"{"valid":true}"#));
    for (order, code) in [
        (with(market("buy", "1"), json!({ "symbol": "DOGE/USDT" })), "unknown_symbol"),
        (market("buy", "0.000001"), "lot_size"),
        (limit("buy", "1", "1.001"), "tick_size"),
        (market("buy", "-1"), "invalid"),
    ] {
        venue.post("/orders/validate", &order).await.is_problem(422, code);
    }
    venue.post("/orders/validate", &json!({ "symbol": 7 })).await.is_problem(400, "invalid_request");
    assert_eq!(venue.get("/executions").await.body["next_seq"], 1);
    assert_eq!(venue.get("/queue").await.body["orders"]["sent"], 0);
}
