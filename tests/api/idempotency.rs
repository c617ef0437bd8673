//! A request with an id is executed once, however often it is sent: in this life of the venue and in the next.

use reqwest::Method;
use serde_json::{Value, json};

use crate::process::Server;
use crate::venue::{Answer, Venue, client, limit, market, with};

impl Venue {
    async fn sent_once(&self, method: Method, path: &str, key: &str, body: &Value) -> Answer {
        Answer::of(self.request(method, path).header("Idempotency-Key", key).json(body)).await
    }
}

#[tokio::test]
async fn the_header_is_the_client_order_id_of_an_order_that_has_none() {
    let venue = Venue::spawn("").await;
    let order = limit("buy", "1", "41000");
    let first = venue.sent_once(Method::POST, "/orders", "key-1", &order).await;
    assert_eq!((first.status, &first.body["client_order_id"]), (201, &json!("key-1")), "{}", first.text);
    let again = venue.sent_once(Method::POST, "/orders", "\"key-1\"", &order).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (200, Some("true")), "{}", again.text);
    assert_eq!(again.body, first.body);
    let in_body = venue.place(&with(order.clone(), json!({ "client_order_id": "key-1" }))).await;
    assert_eq!((in_body.status, &in_body.body), (200, &first.body), "the body may say it instead");
    let both = with(order.clone(), json!({ "client_order_id": "key-2" }));
    assert_eq!(venue.sent_once(Method::POST, "/orders", "key-2", &both).await.status, 201);
    let differing = venue.sent_once(Method::POST, "/orders", "key-3", &both).await;
    differing.is_problem(422, "invalid");
    assert_eq!(differing.body["errors"][0]["field"], "client_order_id");
    let other = venue.sent_once(Method::POST, "/orders", "key-1", &market("buy", "1")).await;
    other.is_problem(422, "client_order_id_conflict");
}

#[tokio::test]
async fn a_key_that_is_none_is_refused_in_words() {
    let venue = Venue::spawn("").await;
    let order = limit("buy", "1", "41000");
    for key in ["", "a b", "\"open", &"k".repeat(65)] {
        let refused = venue.sent_once(Method::POST, "/orders", key, &order).await;
        refused.is_problem(400, "idempotency_key");
        let detail = refused.body["detail"].as_str().unwrap();
        assert_eq!(detail, "Idempotency-Key must be 1 to 64 characters of A-Z a-z 0-9 . _ : -");
    }
    let twice = venue.request(Method::POST, "/orders").header("Idempotency-Key", "a").header("Idempotency-Key", "b");
    Answer::of(twice.json(&order)).await.is_problem(400, "idempotency_key");
    venue.sent_once(Method::POST, "/orders/batch", "a", &json!([order])).await.is_problem(400, "idempotency_key");
    assert_eq!(venue.get("/orders?status=all").await.body, json!([]));
}

#[tokio::test]
async fn a_replace_with_a_key_is_done_once() {
    let venue = Venue::spawn("").await;
    let placed = venue.placed(&with(limit("buy", "5", "41000"), json!({ "client_order_id": "mine" }))).await;
    let path = format!("/orders/{}", placed["order_id"]);
    let terms = json!({ "quantity": "4" });
    let first = venue.sent_once(Method::PATCH, &path, "mine", &terms).await;
    assert_eq!((first.status, &first.body["priority"]), (200, &json!("kept")), "{}", first.text);
    assert_eq!(venue.patch(&path, &json!({ "quantity": "6" })).await.body["priority"], "lost");
    for path in [path.as_str(), "/orders/by-client-id/mine"] {
        let again = venue.sent_once(Method::PATCH, path, "mine", &terms).await;
        assert_eq!((again.status, again.header("idempotent-replayed")), (200, Some("true")), "{}", again.text);
        let shown = (&again.body["quantity"], &again.body["priority"]);
        assert_eq!(shown, (&json!("6"), &json!("kept")), "the order as it is, and what the first one did");
    }
    venue
        .sent_once(Method::PATCH, &path, "mine", &json!({ "quantity": "3" }))
        .await
        .is_problem(422, "idempotency_conflict");
    let other = venue.placed(&limit("buy", "5", "41000")).await;
    let other = format!("/orders/{}", other["order_id"]);
    venue.sent_once(Method::PATCH, &other, "mine", &terms).await.is_problem(422, "idempotency_conflict");
}

#[tokio::test]
async fn a_replace_that_was_refused_may_be_tried_again_with_its_key() {
    let venue = Venue::spawn("[[accounts]]\nname = \"default\"\nbalances = { USDT = \"50000\", BTC = \"1\" }").await;
    let placed = venue.placed(&limit("buy", "1", "41000")).await;
    let path = format!("/orders/{}", placed["order_id"]);
    let terms = json!({ "quantity": "2" });
    for _ in 0..2 {
        venue.sent_once(Method::PATCH, &path, "more", &terms).await.is_problem_with(
            422,
            "insufficient_balance",
            "not_accepted",
        );
    }
    assert_eq!(venue.place(&market("sell", "1")).await.status, 201);
    let done = venue.sent_once(Method::PATCH, &path, "more", &terms).await;
    assert_eq!((done.status, done.header("idempotent-replayed")), (200, None), "{}", done.text);
    assert_eq!(venue.sent_once(Method::PATCH, &path, "more", &terms).await.header("idempotent-replayed"), Some("true"));
}

#[tokio::test]
async fn a_deposit_or_a_withdrawal_with_a_key_is_done_once() {
    let accounts = "[[accounts]]\nname = \"default\"\nbalances = { BTC = \"1\" }\n[[accounts]]\nname = \"free\"";
    let venue = Venue::spawn(accounts).await;
    let free = |answer: &Answer| answer.body["balances"][0]["free"].clone();
    let path = |what: &str| format!("/admin/accounts/default/{what}");
    let two = json!({ "asset": "BTC", "amount": "2" });
    let first = venue.sent_once(Method::POST, &path("deposits"), "gift", &two).await;
    assert_eq!(
        (first.status, first.header("idempotent-replayed"), free(&first)),
        (200, None, json!("3")),
        "{}",
        first.text
    );
    let same = json!({ "amount": 2.0, "asset": "BTC" });
    let again = venue.sent_once(Method::POST, &path("deposits"), "gift", &same).await;
    assert_eq!((again.status, again.header("idempotent-replayed"), free(&again)), (200, Some("true"), json!("3")));
    let other = json!({ "asset": "BTC", "amount": "1" });
    venue.sent_once(Method::POST, &path("deposits"), "gift", &other).await.is_problem(422, "idempotency_conflict");
    venue.sent_once(Method::POST, &path("withdrawals"), "gift", &two).await.is_problem(422, "idempotency_conflict");

    // What was refused has taken no key.
    let four = json!({ "asset": "BTC", "amount": "4" });
    for _ in 0..2 {
        venue.sent_once(Method::POST, &path("withdrawals"), "out", &four).await.is_problem(422, "insufficient_balance");
        let unchecked = venue.sent_once(Method::POST, "/admin/accounts/free/deposits", "gift", &two).await;
        unchecked.is_problem(409, "unchecked_account");
    }
    assert_eq!(free(&venue.sent_once(Method::POST, &path("deposits"), "more", &other).await), "4");
    assert_eq!(free(&venue.sent_once(Method::POST, &path("withdrawals"), "out", &four).await), "0");
    let again = venue.sent_once(Method::POST, &path("withdrawals"), "out", &four).await;
    assert_eq!((again.status, again.header("idempotent-replayed"), free(&again)), (200, Some("true"), json!("0")));
    // An order's id is another kind.
    assert_eq!(venue.sent_once(Method::POST, "/orders", "gift", &limit("buy", "1", "41000")).await.status, 422);
}

#[tokio::test]
async fn what_stays_in_flight_too_long_is_a_conflict_to_retry() {
    let venue = Venue::spawn("[server]\nrequest_timeout = \"50ms\"\n[execution]\ndelay = \"1s\"").await;
    let order = limit("buy", "1", "41000");
    let prefer =
        venue.request(Method::POST, "/orders").header("Prefer", "respond-async; wait=1").header("Idempotency-Key", "slow");
    assert_eq!(Answer::of(prefer.json(&order)).await.status, 202);
    let again = venue.sent_once(Method::POST, "/orders", "slow", &order).await;
    again.is_problem_with(409, "in_flight", "unknown");
    assert_eq!(again.header("retry-after"), Some("1"));
    let path = "/orders/by-client-id/slow";
    let terms = json!({ "price": "40000" });
    venue.sent_once(Method::PATCH, path, "change", &terms).await.is_problem_with(504, "timeout", "unknown");
    let again = venue.sent_once(Method::PATCH, path, "change", &terms).await;
    again.is_problem_with(409, "in_flight", "unknown");
    assert_eq!(again.header("retry-after"), Some("1"));
}

#[tokio::test]
async fn the_key_of_a_replace_in_flight_is_no_key_for_another_order() {
    let venue = Venue::spawn("[server]\nrequest_timeout = \"50ms\"\n[execution]\ndelay = \"200ms\"").await;
    for id in ["a", "b"] {
        let order = with(limit("buy", "1", "41000"), json!({ "client_order_id": id }));
        let placed = venue.request(Method::POST, "/orders").header("Prefer", "respond-async").json(&order);
        assert_eq!(Answer::of(placed).await.status, 202);
    }
    let terms = json!({ "price": "40000" });
    let first = venue.sent_once(Method::PATCH, "/orders/by-client-id/a", "change", &terms).await;
    first.is_problem_with(504, "timeout", "unknown");
    loop {
        let other = venue.sent_once(Method::PATCH, "/orders/by-client-id/b", "change", &terms).await;
        if other.status != 409 {
            other.is_problem(422, "idempotency_conflict");
            break;
        }
    }
    let again = venue.sent_once(Method::PATCH, "/orders/by-client-id/a", "change", &terms).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (200, Some("true")), "{}", again.text);
}

#[tokio::test]
async fn a_batch_that_is_not_answered_in_time_takes_no_longer_than_an_order() {
    let venue = Venue::spawn("[server]\nrequest_timeout = \"200ms\"\n[execution]\ndelay = \"60s\"").await;
    let orders: Vec<Value> = (0..50).map(|n| limit("buy", "1", &format!("{}", 41_000 + n))).collect();
    let started = std::time::Instant::now();
    let batch = venue.post("/orders/batch", &json!(orders)).await;
    assert!(started.elapsed() < std::time::Duration::from_secs(5), "fifty times as long");
    assert!(batch.body.as_array().unwrap().iter().all(|item| item["code"] == "timeout"), "{}", batch.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_holds_after_the_process_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    let environment = [("OPENOUTCRY_JOURNAL__MODE", "os"), ("OPENOUTCRY_DATA_DIR", folder.path().to_str().unwrap())];
    let send = async |server: &Server, method: Method, path: &str, body: &Value| {
        let request = client().request(method, format!("http://{}{path}", server.addr));
        Answer::of(request.header("Idempotency-Key", "once").json(body)).await
    };
    let (order, terms) = (limit("buy", "5", "41000"), json!({ "quantity": "4" }));
    let server = Server::spawn(&environment).await;
    assert_eq!(send(&server, Method::POST, "/orders", &order).await.status, 201);
    let replaced = send(&server, Method::PATCH, "/orders/1", &terms).await;
    assert_eq!(replaced.status, 200, "{}", replaced.text);
    let (deposits, deposit) = ("/admin/accounts/default/deposits", json!({ "asset": "BTC", "amount": "1" }));
    let deposited = send(&server, Method::POST, deposits, &deposit).await;
    assert_eq!(deposited.status, 200, "{}", deposited.text);
    server.signal("KILL").await;
    server.ended().await;
    let server = Server::spawn(&environment).await;
    for (method, path, body) in [(Method::POST, "/orders", &order), (Method::PATCH, "/orders/1", &terms)] {
        let again = send(&server, method, path, body).await;
        assert_eq!((again.status, again.header("idempotent-replayed")), (200, Some("true")), "{}", again.text);
        assert_eq!(again.body["quantity"], "4");
    }
    let again = send(&server, Method::POST, deposits, &deposit).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (200, Some("true")), "{}", again.text);
    assert_eq!(again.body, deposited.body);
    let other = send(&server, Method::PATCH, "/orders/1", &json!({ "quantity": "3" })).await;
    other.is_problem(422, "idempotency_conflict");
}
