//! Who gets in with `auth.mode = "keys"`: what a key opens, what it does not, and that no account sees another's.

use openoutcry::domain::KeyHash;
use reqwest::{
    Method,
    header::{AUTHORIZATION, HOST, ORIGIN},
};
use serde_json::{Value, json};

use crate::socket::Socket;
use crate::venue::{Answer, Venue, limit, market, with};

pub(crate) const ALICE: &str = "oo_alice";
pub(crate) const BOB: &str = "oo_bob";
/// A key of alice's that may only read.
const READER: &str = "oo_alice_reads";
/// A key of the account `ops` that may only run the venue.
const ADMIN: &str = "oo_ops";

/// A venue with keys, and more of a configuration.
pub(crate) fn keyed(more: &str) -> String {
    let hash = |key: &str| KeyHash::of(key.as_bytes()).to_string();
    format!(
        "auth.mode = \"keys\"\n{more}\n\
         [[accounts]]\nname = \"alice\"\nbalances = {{ USDT = \"1000000\", BTC = \"10\" }}\n\
         keys = [\"{}\", {{ hash = \"{}\", scopes = [\"read\"] }}]\n\
         [[accounts]]\nname = \"bob\"\nbalances = {{ USDT = \"1000000\" }}\nkeys = [\"{}\"]\n\
         [[accounts]]\nname = \"ops\"\nkeys = [{{ hash = \"{}\", scopes = [\"admin\"] }}]\n",
        hash(ALICE),
        hash(READER),
        hash(BOB),
        hash(ADMIN)
    )
}

async fn venue() -> Venue {
    Venue::spawn(&keyed("")).await
}

/// Every call that needs a key, the scope that it needs, and a body where it takes one.
fn private() -> Vec<(Method, &'static str, &'static str, Option<Value>)> {
    let order = limit("buy", "1", "41000");
    vec![
        (Method::GET, "/orders", "read", None),
        (Method::GET, "/orders/1", "read", None),
        (Method::GET, "/orders/by-client-id/a1", "read", None),
        (Method::GET, "/executions", "read", None),
        (Method::GET, "/executions/stream", "read", None),
        (Method::GET, "/account", "read", None),
        (Method::POST, "/orders", "trade", Some(order.clone())),
        (Method::POST, "/orders/batch", "trade", Some(json!([order]))),
        (Method::POST, "/orders/validate", "trade", Some(order)),
        (Method::POST, "/orders/cancel-after", "trade", Some(json!({ "timeout_ms": 0 }))),
        (Method::PATCH, "/orders/1", "trade", Some(json!({ "price": "41001" }))),
        (Method::PATCH, "/orders/by-client-id/a1", "trade", Some(json!({ "price": "41001" }))),
        (Method::DELETE, "/orders/1", "trade", None),
        (Method::DELETE, "/orders/by-client-id/a1", "trade", None),
        (Method::DELETE, "/orders", "trade", None),
        (Method::POST, "/quotes", "admin", Some(json!({"exchange":"x","symbol":"BTC/USDT","bid":"1","ask":"2"}))),
        (Method::GET, "/admin/accounts", "admin", None),
        (Method::GET, "/admin/accounts/alice", "admin", None),
        (Method::POST, "/admin/accounts/alice/deposits", "admin", Some(json!({ "asset": "BTC", "amount": "1" }))),
        (Method::POST, "/admin/accounts/alice/withdrawals", "admin", Some(json!({ "asset": "BTC", "amount": "1" }))),
        (Method::DELETE, "/admin/accounts/alice/orders", "admin", None),
        (Method::POST, "/admin/instruments/BTC-USDT/halt", "admin", None),
        (Method::POST, "/admin/instruments/BTC-USDT/resume", "admin", None),
    ]
}

async fn send(venue: &Venue, method: &Method, path: &str, authorization: Option<&str>, body: Option<&Value>) -> Answer {
    let mut request = venue.request(method.clone(), path);
    if let Some(value) = authorization {
        request = request.header(AUTHORIZATION, value);
    }
    Answer::of(match body {
        Some(body) => request.json(body),
        None => request,
    })
    .await
}

#[tokio::test]
async fn without_a_key_or_with_a_wrong_one_every_private_call_is_401() {
    let venue = venue().await;
    let almost = format!("Bearer {}x", &ALICE[..ALICE.len() - 1]);
    let hash = format!("Bearer {}", KeyHash::of(ALICE.as_bytes()));
    for (method, path, _, body) in private() {
        let without = send(&venue, &method, path, None, body.as_ref()).await;
        without.is_problem(401, "unauthorized");
        assert_eq!(without.header("www-authenticate"), Some("Bearer"), "{method} {path}");
        for wrong in [&almost, &hash, "Bearer ", "Bearer", ALICE, "Basic b29fYWxpY2U6"] {
            let answer = send(&venue, &method, path, Some(wrong), body.as_ref()).await;
            answer.is_problem(401, "unauthorized");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer error=\"invalid_token\""), "{method} {path}");
            assert!(!answer.text.contains("oo_"), "an answer repeats no key: {}", answer.text);
        }
    }
    let queue = venue.get("/queue").await.body;
    assert_eq!((&queue["orders"]["sent"], &queue["cancels"]["sent"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn a_key_without_the_scope_is_403_and_one_with_it_is_not() {
    let venue = venue().await;
    for (method, path, scope, body) in private() {
        for (key, scopes) in [(ALICE, &["trade", "read"][..]), (READER, &["read"]), (ADMIN, &["admin"])] {
            if path == "/executions/stream" && scopes.contains(&"read") {
                // It never ends; the stream's own tests read it.
                continue;
            }
            let answer = send(&venue, &method, path, Some(&format!("Bearer {key}")), body.as_ref()).await;
            if scopes.contains(&scope) {
                assert!(![401, 403].contains(&answer.status), "{key} {method} {path}: {}", answer.text);
            } else {
                answer.is_problem(403, "missing_scope");
                let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"");
                assert_eq!(answer.header("www-authenticate"), Some(challenge.as_str()), "{key} {method} {path}");
            }
        }
    }
}

#[tokio::test]
async fn market_data_and_probes_need_no_key() {
    let venue = venue().await;
    for path in ["/instruments", "/instruments/BTC-USDT", "/book/BTC-USDT", "/trades/BTC-USDT", "/quotes", "/queue"] {
        assert_eq!(venue.get(path).await.status, 200, "{path}");
    }
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(venue.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn bob_never_sees_or_touches_an_order_of_alices() {
    let venue = venue().await;
    let order = with(limit("buy", "1", "41000"), json!({ "client_order_id": "a1" }));
    let placed = venue.with_key(ALICE, Method::POST, "/orders", Some(&order)).await;
    assert_eq!((placed.status, &placed.body["account"]), (201, &json!("alice")), "{}", placed.text);
    let change = json!({ "price": "41001" });
    for path in ["/orders/1", "/orders/by-client-id/a1"] {
        for (method, body) in [(Method::GET, None), (Method::PATCH, Some(&change)), (Method::DELETE, None)] {
            let others = venue.with_key(BOB, method.clone(), path, body).await;
            others.is_problem(404, "unknown_order");
            let nowhere = path.replace("a1", "b9").replace("/orders/1", "/orders/99");
            let none = venue.with_key(BOB, method, &nowhere, body).await;
            assert_eq!(others.text, none.text, "another's order is answered as one that is not there");
        }
    }
    assert_eq!(venue.with_key(BOB, Method::DELETE, "/orders", None).await.body, json!({ "canceled": 0 }));
    for path in ["/orders?status=all", "/executions", "/account"] {
        let bobs = venue.with_key(BOB, Method::GET, path, None).await;
        assert_eq!(bobs.status, 200);
        assert!(!bobs.text.contains("alice") && !bobs.text.contains("a1"), "{path}: {}", bobs.text);
    }
    let same_id = venue.with_key(BOB, Method::POST, "/orders", Some(&order)).await;
    assert_eq!((same_id.status, &same_id.body["account"]), (201, &json!("bob")), "client ids are each account's own");
    let alices = venue.with_key(READER, Method::GET, "/orders", None).await;
    assert_eq!((alices.body[0]["order_id"].clone(), alices.body[0]["price"].clone()), (json!(1), json!("41000")));
    assert_eq!(alices.body.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn bob_sees_and_touches_nothing_of_alices_over_a_socket_either() {
    let venue = venue().await;
    let bearer = format!("Bearer {BOB}");
    let channels = "?channels=executions,trades,book,quotes,best,queue";
    let mut bob = Socket::connect_with(venue.addr, channels, ("authorization", &bearer)).await.ok().unwrap();
    assert_eq!(bob.next().await["account"], "bob");
    let resting = with(limit("buy", "1", "41000"), json!({ "client_order_id": "a1" }));
    for order in [resting, with(market("buy", "1"), json!({ "client_order_id": "a2" }))] {
        assert_eq!(venue.with_key(ALICE, Method::POST, "/orders", Some(&order)).await.status, 201);
    }
    let mut seen = Vec::new();
    for (id, request) in [
        json!({"op":"cancel","order_id":1}),
        json!({"op":"cancel","client_order_id":"a1"}),
        json!({"op":"replace","order_id":1,"changes":{"price":"41001"}}),
        json!({"op":"replace","client_order_id":"a1","changes":{"price":"41001"}}),
    ]
    .into_iter()
    .enumerate()
    {
        bob.send(&with(request, json!({ "id": id }))).await;
        let reply = bob
            .until(|frame| {
                seen.push(frame.to_string());
                frame["channel"] == "reply"
            })
            .await;
        assert_eq!((&reply["id"], &reply["problem"]["code"]), (&json!(id), &json!("unknown_order")), "{reply}");
    }
    let all = bob.ask(&json!({"op":"cancel_all","id":9})).await;
    assert_eq!(all["canceled"], 0, "{all}");
    assert!(seen.iter().any(|frame| frame.contains(r#""channel":"trades""#)), "the public channels do tell of the trade");
    for frame in seen {
        let private = ["alice", "\"a1\"", "\"a2\"", "\"order_id\"", r#""channel":"executions""#];
        assert!(!private.iter().any(|word| frame.contains(word)), "{frame}");
    }
}

#[tokio::test]
async fn a_handshake_for_private_channels_needs_a_key_that_may_read() {
    let venue = venue().await;
    let connect = |query: &'static str, value: &'static str| {
        let addr = venue.addr;
        async move { Socket::connect_with(addr, query, ("authorization", value)).await.err() }
    };
    for query in ["", "?channels=executions", "?channels=trades,executions", "?symbols=BTC-USDT", "?from_seq=1"] {
        let without = Socket::connect_with(venue.addr, query, ("x-nothing", "")).await.err();
        assert_eq!(without, Some(401), "{query}");
        assert_eq!(connect(query, "Bearer oo_mallory").await, Some(401), "{query}");
        assert_eq!(connect(query, "Bearer oo_ops").await, Some(403), "{query}");
        assert_eq!(connect(query, "Bearer oo_alice_reads").await, None, "{query}");
    }
    assert_eq!(connect("?channels=status", "Bearer oo_mallory").await, Some(401), "a wrong key is never overlooked");
}

#[tokio::test]
async fn a_socket_without_a_key_may_follow_the_market_and_then_say_who_it_is() {
    let venue = venue().await;
    let mut socket = Socket::connect(venue.addr, "?channels=status").await;
    let hello = socket.next().await;
    assert_eq!((&hello["type"], hello.get("account"), hello.get("last_seq")), (&json!("hello"), None, None), "{hello}");
    let place = json!({"op":"place","id":1,"order":market("buy", "0.1")});
    assert_eq!(socket.ask(&json!({"op":"subscribe","id":0,"channels":["trades"]})).await["ok"], true);
    for request in [
        place.clone(),
        json!({"op":"cancel","id":1,"order_id":1}),
        json!({"op":"cancel_all","id":1}),
        json!({"op":"cancel_after","id":1,"timeout_ms":0}),
        json!({"op":"subscribe","id":1,"channels":["executions"]}),
    ] {
        let reply = socket.ask(&request).await;
        let problem = &reply["problem"];
        assert_eq!((&problem["status"], &problem["code"]), (&json!(401), &json!("unauthorized")), "{request}: {reply}");
    }
    let known = socket.ask(&json!({"op":"auth","id":2,"api_key":ALICE})).await;
    assert_eq!(known, json!({"channel":"reply","id":2,"ok":true,"account":"alice","last_seq":0}));
    assert_eq!(socket.ask(&place).await["order"]["account"], "alice");
    socket.send(&json!({"op":"subscribe","id":3,"channels":["executions"],"from_seq":1})).await;
    assert_eq!(socket.until(|frame| frame["channel"] == "executions").await["account"], "alice");
    assert_eq!(socket.until(|frame| frame["id"] == 3).await["ok"], true);
    assert_eq!(socket.ask(&json!({"op":"auth","id":4,"api_key":ALICE})).await["ok"], true, "again does no harm");
    let bob = socket.ask(&json!({"op":"auth","id":5,"api_key":BOB})).await;
    assert_eq!(bob["problem"]["code"], "other_account", "{bob}");
    assert_eq!(socket.ask(&place).await["order"]["account"], "alice");
}

#[tokio::test]
async fn a_socket_that_says_a_wrong_key_is_told_and_closed_4001() {
    let venue = venue().await;
    let mut socket = Socket::connect(venue.addr, "?channels=status").await;
    socket.next().await;
    socket.send(&json!({"op":"ping","id":1})).await;
    socket.send(&json!({"op":"auth","id":2,"api_key":"oo_mallory"})).await;
    let (code, reason, texts) = socket.closed().await;
    assert_eq!((code, reason.as_str()), (4001, "not authorised"));
    let replies: Vec<Value> = texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    assert_eq!((&replies[0]["id"], &replies[1]["id"]), (&json!(1), &json!(2)), "{texts:?}");
    assert_eq!(replies[1]["problem"]["code"], "unauthorized");
    assert!(!texts.concat().contains("mallory"), "no answer repeats a key");
}

#[tokio::test]
async fn a_socket_whose_key_may_only_read_cannot_trade() {
    let venue = venue().await;
    let bearer = format!("Bearer {READER}");
    let mut socket = Socket::connect_with(venue.addr, "", ("authorization", &bearer)).await.ok().unwrap();
    assert_eq!(socket.next().await["account"], "alice");
    let reply = socket.ask(&json!({"op":"place","id":1,"order":market("buy", "0.1")})).await;
    assert_eq!((&reply["problem"]["status"], &reply["problem"]["code"]), (&json!(403), &json!("missing_scope")));
    assert_eq!(socket.ask(&json!({"op":"auth","id":2,"api_key":ALICE})).await["ok"], true, "a key of the same account");
    assert_eq!(socket.ask(&json!({"op":"place","id":3,"order":market("buy", "0.1")})).await["ok"], true);
}

#[tokio::test]
async fn without_keys_everyone_acts_for_the_default_account_and_may_run_the_venue() {
    let venue = Venue::spawn("").await;
    assert_eq!(venue.with_key("anything", Method::GET, "/account", None).await.body["account"], "default");
    assert_eq!(venue.get("/admin/accounts").await.body[0]["account"], "default");
    let mut socket = venue.stream("?channels=status").await;
    let known = socket.ask(&json!({"op":"auth","id":1,"api_key":"anything"})).await;
    assert_eq!((&known["ok"], &known["account"]), (&json!(true), &json!("default")), "{known}");
}

#[tokio::test]
async fn pages_of_other_sites_can_neither_trade_nor_open_a_stream() {
    let venue = Venue::spawn("auth.origins = [\"https://desk.example.com\"]").await;
    let own = format!("http://{}", venue.addr);
    for (origin, status) in
        [("https://evil.example", 403), ("null", 403), ("https://desk.example.com", 201), (own.as_str(), 201)]
    {
        let request = venue.request(Method::POST, "/orders").header(ORIGIN, origin).json(&market("buy", "0.1"));
        let answer = Answer::of(request).await;
        assert_eq!(answer.status, status, "{origin}: {}", answer.text);
        let halt = venue.request(Method::POST, "/admin/instruments/ETH-USDT/halt").header(ORIGIN, origin);
        assert_eq!(Answer::of(halt).await.status, if status == 201 { 200 } else { 403 }, "{origin}");
        let socket = Socket::connect_with(venue.addr, "", ("origin", origin)).await;
        assert_eq!(socket.err(), (status != 201).then_some(403), "{origin}");
        if status == 403 {
            answer.is_problem(403, "foreign_origin");
        }
    }
    // Any name may have been made to lead here by whose page it is.
    for (host, status) in [("evil.example", 403), ("evil.example:80", 403), ("localhost:80", 201), ("[::1]:80", 201)] {
        let request = venue.request(Method::POST, "/orders").header(HOST, host).header(ORIGIN, format!("http://{host}"));
        assert_eq!(Answer::of(request.json(&market("buy", "0.1"))).await.status, status, "{host}");
    }
}

#[tokio::test]
async fn an_administrator_moves_balances_and_sees_every_account() {
    let venue = venue().await;
    let balance = |account: &Value, asset: &str| {
        let rows = account["balances"].as_array().unwrap();
        rows.iter().find(|row| row["asset"] == asset).map(|row| row["free"].clone()).unwrap_or_default()
    };
    let transfer = |account: &'static str, kind: &'static str, body: Value| {
        let venue = &venue;
        async move {
            let path = format!("/admin/accounts/{account}/{kind}");
            venue.with_key(ADMIN, Method::POST, &path, Some(&body)).await
        }
    };
    let answer = transfer("bob", "deposits", json!({ "asset": "BTC", "amount": "2.5" })).await;
    assert_eq!((answer.status, balance(&answer.body, "BTC")), (200, json!("2.5")), "{}", answer.text);
    let answer = transfer("bob", "withdrawals", json!({ "asset": "BTC", "amount": 1 })).await;
    assert_eq!((answer.status, balance(&answer.body, "BTC")), (200, json!("1.5")), "{}", answer.text);
    transfer("bob", "withdrawals", json!({ "asset": "BTC", "amount": "9" })).await.is_problem(422, "insufficient_balance");
    transfer("bob", "deposits", json!({ "asset": "BTC", "amount": "-1" })).await.is_problem(422, "invalid");
    transfer("bob", "deposits", json!({ "asset": "BTC" })).await.is_problem(400, "invalid_request");
    transfer("nobody", "deposits", json!({ "asset": "BTC", "amount": "1" })).await.is_problem(404, "unknown_account");
    transfer("ops", "deposits", json!({ "asset": "BTC", "amount": "1" })).await.is_problem(409, "unchecked_account");
    let bob = venue.with_key(BOB, Method::GET, "/account", None).await.body;
    assert_eq!(balance(&bob, "BTC"), "1.5", "what was refused moved nothing");
    let list = venue.with_key(ADMIN, Method::GET, "/admin/accounts?limit=2&after=alice", None).await.body;
    let names: Vec<&str> = list.as_array().unwrap().iter().map(|account| account["account"].as_str().unwrap()).collect();
    assert_eq!((names, &list[0]), (vec!["bob", "ops"], &bob));
    assert_eq!(venue.with_key(ADMIN, Method::GET, "/admin/accounts/bob", None).await.body, bob);
}

#[tokio::test]
async fn a_halted_instrument_refuses_new_orders_keeps_what_rests_and_can_be_resumed() {
    let venue = venue().await;
    let place = |key: &'static str, order: Value| {
        let venue = &venue;
        async move { venue.with_key(key, Method::POST, "/orders", Some(&order)).await }
    };
    let admin = |action: &'static str| {
        let venue = &venue;
        async move { venue.with_key(ADMIN, Method::POST, &format!("/admin/instruments/{action}"), None).await }
    };
    assert_eq!(place(ALICE, limit("buy", "1", "41000")).await.status, 201);
    assert_eq!(place(ALICE, limit("buy", "1", "41001")).await.status, 201);
    let halted = admin("BTC-USDT/halt").await;
    assert_eq!((halted.status, halted.body), (200, json!({ "symbol": "BTC/USDT", "halted": true })));
    assert_eq!(venue.get("/instruments/BTC-USDT").await.body["halted"], true);
    assert_eq!(venue.get("/instruments/ETH-USDT").await.body["halted"], false);
    let refused = place(BOB, market("buy", "0.1")).await;
    assert_eq!((refused.status, &refused.body["code"]), (422, &json!("halted")), "{}", refused.text);
    assert_eq!(refused.body["order"]["status"], "rejected");
    assert_eq!(place(BOB, with(market("buy", "0.1"), json!({ "symbol": "ETH/USDT" }))).await.status, 201);
    assert_eq!(venue.with_key(ALICE, Method::GET, "/orders/1", None).await.body["status"], "open");
    assert_eq!(venue.with_key(ALICE, Method::DELETE, "/orders/1", None).await.body["status"], "canceled");
    assert_eq!(admin("BTC-USDT/resume").await.body["halted"], false);
    assert_eq!(venue.get("/instruments").await.body[0]["halted"], false);
    assert_eq!(place(BOB, market("buy", "0.1")).await.status, 201);
    admin("DOGE-USDT/halt").await.is_problem(404, "unknown_symbol");
    let canceled = venue.with_key(ADMIN, Method::DELETE, "/admin/accounts/alice/orders?symbol=BTC-USDT", None).await;
    assert_eq!(canceled.body, json!({ "canceled": 1 }), "{}", canceled.text);
    assert_eq!(venue.with_key(ALICE, Method::GET, "/orders/2", None).await.body["status"], "canceled");
}
