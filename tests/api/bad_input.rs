//! What no client should send: each is answered with a problem, and does no harm to the next order.

use reqwest::{Method, header};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::venue::{Answer, Venue, limit, market, with};
use crate::wire::{exchange, request, status};

const JSON: &str = "application/json";

/// A market order with `quantity` as its JSON says.
fn quantity(json: &str) -> String {
    format!(r#"{{"symbol":"BTC/USDT","side":"buy","type":"market","quantity":{json}}}"#)
}

/// A market order with one more field.
fn and(field: &str) -> String {
    format!(r#"{{"symbol":"BTC/USDT","side":"buy","type":"market","quantity":"1",{field}}}"#)
}

fn nested(depth: usize) -> String {
    "[".repeat(depth) + &"]".repeat(depth)
}

async fn send(venue: &Venue, path: &str, content_type: &str, body: impl Into<reqwest::Body>) -> Answer {
    let request = venue.request(Method::POST, path).header(header::CONTENT_TYPE, content_type).body(body);
    Answer::of(request).await
}

async fn still_fills(venue: &Venue) {
    assert_eq!(venue.placed(&market("buy", "0.001")).await["status"], "filled");
}

/// Sends each body for an order, and checks the problem: its status, its code, or how that begins, and what its detail says.
async fn check(status: u16, cases: impl IntoIterator<Item = (String, &str, &str)>) {
    let venue = Venue::spawn("").await;
    for (body, code, said) in cases {
        let name: String = body.chars().take(120).collect();
        let answer = send(&venue, "/orders", JSON, body).await;
        let found = answer.body["code"].as_str().unwrap_or_default().to_owned();
        assert!(found.starts_with(code), "{name}: {}", answer.text);
        answer.is_problem(status, &found);
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains(said), "{name}: {}", answer.text);
        assert!(detail.len() < 500, "{name}: an answer does not repeat what was sent: {}", detail.len());
        assert_eq!(answer.body["errors"].is_array(), status == 422, "{name}: {}", answer.text);
        still_fills(&venue).await;
    }
    let sent = venue.get("/queue").await.body["orders"]["sent"].clone();
    assert_eq!(venue.get("/orders?status=closed").await.body.as_array().unwrap().len(), sent, "nothing bad was numbered");
}

#[tokio::test]
async fn bodies_that_are_no_order_are_400() {
    let cases = [
        ("nonsense".into(), "invalid_json", "expected"),
        (String::new(), "invalid_json", "EOF"),
        ("{".into(), "invalid_json", "EOF"),
        ("null".into(), "invalid_request", "must be a JSON object"),
        ("5".into(), "invalid_request", "must be a JSON object"),
        ("\u{feff}{}".into(), "invalid_json", "expected"),
        (quantity("\"1\"") + " x", "invalid_json", "trailing"),
        (
            r#"["BTC/USDT","buy","market","1",null,null,null,null,null,null,null,null]"#.into(),
            "invalid_request",
            "must be a JSON object",
        ),
        (nested(5_000), "invalid", ""),
        (r#"{"a":"#.repeat(5_000), "invalid", ""),
        (and(r#""colour":"red""#), "invalid_request", "`colour`"),
        (and(&format!(r#""colour":{}"#, nested(5_000))), "invalid_json", "deeper than 16"),
        (and(r#""side":"sell""#), "invalid_request", "duplicate field `side`"),
        (and(r#""quantity":"2""#), "invalid_request", "duplicate field `quantity`"),
        (r#"{"symbol":"BTC/USDT","type":"market","quantity":"1"}"#.into(), "invalid_request", "missing field `side`"),
        (and(r#""post_only":"yes""#), "invalid_request", "string"),
        (and(r#""client_order_id":7"#), "invalid_request", "integer"),
        (quantity(&nested(5_000)), "invalid", ""),
        (quantity("true"), "invalid_request", "quantity"),
        (quantity("null"), "invalid_request", "quantity"),
        (quantity("{}"), "invalid_request", "quantity"),
        (quantity("NaN"), "invalid_json", "expected"),
        (quantity("01"), "invalid_json", "number"),
    ];
    check(400, cases).await;
}

#[tokio::test]
async fn values_that_no_order_has_are_422() {
    let cases = [
        (quantity("\"NaN\""), "quantity"),
        (quantity("\"Infinity\""), "quantity"),
        (quantity("\"\""), "quantity"),
        (quantity("\"1,5\""), "quantity"),
        (quantity("\" 1\""), "quantity"),
        (quantity("1e400"), "quantity"),
        (quantity("\"1e400\""), "quantity"),
        (quantity("1e-400"), "quantity"),
        (quantity("1e99999999999999999999"), "quantity"),
        (quantity(&"9".repeat(60_000)), "quantity"),
        (quantity("-1"), "quantity must be above zero"),
        (quantity("0"), "quantity must be above zero"),
        (quantity("\"-0.00\""), "quantity must be above zero"),
        (and(r#""price":"1""#), "price is not a field of a market order"),
        (and(r#""time_in_force":"gtc""#), "time_in_force"),
        (and(r#""time_in_force":"whenever""#), "gtc, "),
        (and(r#""client_order_id":"""#), "client_order_id"),
        (and(r#""client_order_id":"a b""#), "client_order_id"),
        (and(&format!(r#""client_order_id":"{}""#, "x".repeat(65))), "client_order_id"),
        (r#"{"symbol":"","side":"hold","type":"iceberg","quantity":"x"}"#.into(), "side must be one of buy, sell"),
    ];
    check(422, cases.map(|(body, said)| (body, "invalid", said))).await;
}

#[tokio::test]
async fn every_field_that_is_wrong_is_named() {
    let venue = Venue::spawn("").await;
    let order = json!({"symbol":"","side":"hold","type":"limit","quantity":"0","time_in_force":"gtd","client_order_id":"é","stp":"?"});
    let answer = venue.place(&order).await;
    answer.is_problem(422, "invalid");
    let errors = answer.body["errors"].as_array().unwrap().iter();
    let fields: Vec<&str> = errors.map(|error| error["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["symbol", "side", "quantity", "client_order_id", "stp", "expire_at", "price"]);
}

#[tokio::test]
async fn bytes_that_are_no_text_are_400() {
    let venue = Venue::spawn("").await;
    for body in [&b"\xff\xfe\x00"[..], b"{\"symbol\":\"BTC/\xff\"}", b"{\"\xc3\x28\":1}", b"\0\0\0\0"] {
        let answer = send(&venue, "/orders", JSON, body).await;
        assert_eq!((answer.status, &answer.body["outcome"]), (400, &json!("not_accepted")), "{body:?}: {}", answer.text);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        still_fills(&venue).await;
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_413_and_the_answer_can_be_read() {
    let venue = Venue::spawn("").await;
    let body = and(&format!(r#""client_order_id":"{}""#, "x".repeat(300 * 1024)));
    send(&venue, "/orders", JSON, body.clone()).await.is_problem(413, "too_large");
    send(&venue, "/orders/batch", JSON, vec![b' '; 2 * 1024 * 1024]).await.is_problem(413, "too_large");
    let chunked = body
        .as_bytes()
        .chunks(50_000)
        .flat_map(|chunk| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
    let chunked: Vec<u8> = chunked.chain(*b"0\r\n\r\n").collect();
    let headers = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n";
    let answer = exchange(venue.addr, &request("POST /orders", headers, &chunked)).await;
    assert_eq!(status(&answer), 413, "{answer}");
    still_fills(&venue).await;
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_not_waited_for() {
    let venue = Venue::spawn("[limits]\nbody_timeout = \"1h\"").await;
    let headers = "Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: 1000000000\r\n";
    let answer = exchange(venue.addr, &request("POST /orders", headers, b"")).await;
    assert_eq!(status(&answer), 413, "{answer}");
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_408_and_one_that_breaks_off_does_no_harm() {
    let venue = Venue::spawn("[limits]\nbody_timeout = \"1s\"").await;
    let headers = "Content-Type: application/json\r\nContent-Length: 100\r\n";
    let half = request("POST /orders", headers, br#"{"symbol":"#);
    let answer = exchange(venue.addr, &half).await;
    assert_eq!(status(&answer), 408, "{answer}");
    assert!(answer.contains("application/problem+json") && answer.contains("not_accepted"), "{answer}");

    let mut stream = tokio::net::TcpStream::connect(venue.addr).await.unwrap();
    stream.write_all(&half).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    assert!(matches!(status(&said), 0 | 400), "{said}");
    still_fills(&venue).await;
}

#[tokio::test]
async fn bodies_of_other_types_are_415() {
    let venue = Venue::spawn("").await;
    let body = market("buy", "1").to_string();
    for path in ["/orders", "/orders/batch", "/orders/validate", "/orders/cancel-after", "/quotes"] {
        for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "json", ""] {
            send(&venue, path, content_type, body.clone()).await.is_problem(415, "unsupported_media_type");
        }
        let without = venue.request(Method::POST, path).body(body.clone());
        Answer::of(without).await.is_problem(415, "unsupported_media_type");
    }
    for content_type in ["application/json; charset=utf-8", "Application/JSON", "application/vnd.venue+json"] {
        assert_eq!(send(&venue, "/orders", content_type, body.clone()).await.status, 201, "{content_type}");
    }
}

#[tokio::test]
async fn other_calls_refuse_bad_bodies_alike() {
    let venue = Venue::spawn("").await;
    venue.placed(&with(limit("buy", "1", "41000"), json!({ "client_order_id": "mine" }))).await;
    let quote = |bid: &str, ask: &str, more: &str| {
        format!(r#"{{"exchange":"x","symbol":"BTC/USDT","bid":{bid},"ask":{ask}{more}}}"#)
    };
    for (path, body, status, code) in [
        ("/orders/cancel-after", "{}".to_owned(), 400, "invalid_request"),
        ("/orders/cancel-after", "[5]".to_owned(), 400, "invalid_request"),
        ("/orders/cancel-after", r#"{"timeout_ms":1.5}"#.to_owned(), 400, "invalid_request"),
        ("/orders/cancel-after", r#"{"timeout_ms":5,"timeout_ms":6}"#.to_owned(), 400, "invalid_request"),
        ("/orders/batch", "{}".to_owned(), 400, "invalid_request"),
        ("/orders/batch", "[".to_owned(), 400, "invalid_json"),
        ("/quotes", quote("2", "1", ""), 422, "invalid"),
        ("/quotes", quote("0", "1", ""), 422, "invalid"),
        ("/quotes", quote("1", "1", r#","bid_size":-1"#), 422, "invalid"),
        ("/quotes", quote("1", "1", r#","last":1"#), 400, "invalid_request"),
        ("/quotes", quote("true", "1", ""), 400, "invalid_request"),
        ("/quotes", r#"{"exchange":"x","symbol":"DOGE/USDT","bid":1,"ask":1}"#.to_owned(), 422, "unknown_symbol"),
    ] {
        send(&venue, path, JSON, body.clone()).await.is_problem(status, code);
    }
    for (body, status, code) in [
        ("{}", 422, "invalid"),
        (r#"{"price":0}"#, 422, "invalid"),
        (r#"{"price":[]}"#, 400, "invalid_request"),
        (r#"["1","2","3"]"#, 400, "invalid_request"),
        (r#"{"side":"sell"}"#, 400, "invalid_request"),
        ("", 400, "invalid_json"),
    ] {
        for path in ["/orders/1", "/orders/by-client-id/mine"] {
            let request = venue.request(Method::PATCH, path).header(header::CONTENT_TYPE, JSON).body(body);
            Answer::of(request).await.is_problem(status, code);
        }
    }
    assert_eq!(venue.get("/orders/1").await.body["status"], "open");
    still_fills(&venue).await;
}

#[tokio::test]
async fn routes_methods_queries_and_paths_that_do_not_exist_are_problems() {
    let venue = Venue::spawn("").await;
    for (method, path, status, code) in [
        (Method::GET, "/nowhere", 404, "not_found"),
        (Method::POST, "/orders/1/2/3", 404, "not_found"),
        (Method::GET, "/orders/", 404, "not_found"),
        (Method::GET, "//orders", 404, "not_found"),
        (Method::PUT, "/orders", 405, "method_not_allowed"),
        (Method::DELETE, "/account", 405, "method_not_allowed"),
        (Method::POST, "/orders/7", 405, "method_not_allowed"),
        (Method::OPTIONS, "/orders", 405, "method_not_allowed"),
        (Method::GET, "/orders/abc", 404, "unknown_order"),
        (Method::GET, "/orders/-1", 404, "unknown_order"),
        (Method::GET, "/orders/99999999999999999999999", 404, "unknown_order"),
        (Method::GET, "/orders/%ff", 404, "not_found"),
        (Method::DELETE, "/orders/%ff", 404, "not_found"),
        (Method::GET, "/orders/by-client-id/%ff", 404, "not_found"),
        (Method::GET, "/orders/by-client-id/a%20b", 404, "unknown_order"),
        (Method::GET, "/book/%ff", 404, "not_found"),
        (Method::GET, "/book/DOGE-USDT", 404, "unknown_symbol"),
        (Method::GET, "/trades/BTC", 404, "unknown_symbol"),
        (Method::GET, "/instruments/btc-usdt", 404, "unknown_symbol"),
        (Method::GET, "/orders?limit=x", 400, "invalid_query"),
        (Method::GET, "/orders?limit=-1", 400, "invalid_query"),
        (Method::GET, "/orders?status=gone", 400, "invalid_query"),
        (Method::GET, "/orders?colour=red", 400, "invalid_query"),
        (Method::GET, "/orders?limit=1&limit=2", 400, "invalid_query"),
        (Method::GET, "/executions?from_seq=x", 400, "invalid_query"),
        (Method::GET, "/book/BTC-USDT?depth=x", 400, "invalid_query"),
        (Method::GET, "/trades/BTC-USDT?limit=", 400, "invalid_query"),
        (Method::DELETE, "/orders?sides=buy", 400, "invalid_query"),
    ] {
        let answer = Answer::of(venue.request(method.clone(), path)).await;
        assert_eq!(answer.body["code"], code, "{method} {path}: {} {}", answer.status, answer.text);
        answer.is_problem(status, code);
        assert_eq!(answer.header("allow").is_some(), status == 405, "{method} {path}: 405 says what is allowed");
    }
    // However many are asked for, there are no more than there may be.
    for path in [
        "/orders?limit=",
        "/trades/BTC-USDT?limit=",
        "/executions?limit=",
        "/book/BTC-USDT?depth=",
        "/admin/accounts?limit=",
    ] {
        assert_eq!(venue.get(&format!("{path}99999999999999999999")).await.status, 200, "{path}");
    }
    still_fills(&venue).await;
}

#[tokio::test]
async fn heads_that_are_too_large_or_no_http_are_answered_or_closed_without_harm() {
    let venue = Venue::spawn("").await;
    let huge = "x".repeat(100_000);
    let many: String = (0..200).map(|n| format!("X-{n}: y\r\n")).collect();
    for (name, bytes) in [
        ("a huge header", request("GET /account", &format!("X-Huge: {huge}\r\n"), b"")),
        ("a huge URL", request(&format!("GET /{huge}"), "", b"")),
        ("many headers", request("GET /account", &many, b"")),
        ("two lengths", request("POST /orders", "Content-Length: 5\r\nContent-Length: 6\r\n", b"hello")),
        ("a length that is none", request("POST /orders", "Content-Length: -5\r\n", b"hello")),
        ("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n".to_vec()),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("a header without a colon", b"GET /account HTTP/1.1\r\nHost venue\r\n\r\n".to_vec()),
    ] {
        let answer = exchange(venue.addr, &bytes).await;
        assert!(matches!(status(&answer), 0 | 400 | 414 | 431 | 505), "{name}: {answer}");
        still_fills(&venue).await;
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_on_one_connection() {
    let venue = Venue::spawn("").await;
    let order = market("buy", "0.1").to_string();
    let one = format!(
        "POST /orders HTTP/1.1\r\nHost: v\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{order}",
        order.len()
    );
    let bytes = [one.repeat(20).as_bytes(), &request("GET /account", "", b"")].concat();
    let answers = exchange(venue.addr, &bytes).await;
    let locations: Vec<&str> = answers.lines().filter_map(|line| line.strip_prefix("location: /orders/")).collect();
    let expected: Vec<String> = (1..=20).map(|n| n.to_string()).collect();
    assert_eq!(locations, expected, "{answers}");
}
