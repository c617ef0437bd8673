//! Each limit of `[limits]`: what goes beyond is refused in the documented way, is counted, and harms nobody else.

use std::net::SocketAddr;

use reqwest::Method;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::venue::{Answer, PATIENCE, Venue, market};
use crate::wire::{exchange, request, status};

/// A venue with these `[limits]`.
pub(crate) async fn limited(limits: &str) -> Venue {
    Venue::spawn(&format!("[limits]\n{limits}\n")).await
}

/// How often a limit was exceeded.
pub(crate) async fn exceeded(venue: &Venue, limit: &str) -> u64 {
    count(&venue.get("/metrics").await.text, limit)
}

/// The same, asked on a connection that is not kept: one that is may be closed for idling while the next question is sent.
async fn exceeded_by_now(venue: &Venue, limit: &str) -> u64 {
    let request = venue.request(Method::GET, "/metrics").header("connection", "close");
    count(&Answer::of(request).await.text, limit)
}

fn count(metrics: &str, limit: &str) -> u64 {
    let line = format!("openoutcry_limits_exceeded_total{{limit=\"{limit}\"}} ");
    metrics.lines().find_map(|found| found.strip_prefix(&line)).map_or(0, |count| count.parse().unwrap())
}

/// Waits until a limit was exceeded.
pub(crate) async fn until_exceeded(venue: &Venue, limit: &str) {
    timeout(PATIENCE, async { while exceeded(venue, limit).await == 0 {} }).await.expect("the limit was not exceeded")
}

/// Reads to the end, however that comes.
async fn read_to_end(mut stream: TcpStream) -> String {
    let mut said = Vec::new();
    let mut part = [0; 4096];
    let reading = async {
        while let Ok(length @ 1..) = stream.read(&mut part).await {
            said.extend_from_slice(&part[..length]);
        }
    };
    timeout(PATIENCE, reading).await.expect("the connection should have ended by now");
    String::from_utf8_lossy(&said).into_owned()
}

/// Connects and sends a request whose answer leaves the connection open; that answer's head.
async fn idle(addr: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: v\r\n\r\n").await.unwrap();
    let mut head = [0; 12];
    timeout(PATIENCE, stream.read_exact(&mut head)).await.unwrap().unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    stream
}

#[tokio::test]
async fn a_connection_too_many_is_told_so_and_a_place_that_is_free_again_is_taken() {
    for (limits, limit) in [("connections = 3", "connections"), ("connections_per_address = 3", "connections_per_address")]
    {
        let venue = limited(limits).await;
        // The test's own client takes one place.
        assert_eq!(exceeded(&venue, limit).await, 0);
        let first = idle(venue.addr).await;
        let _second = idle(venue.addr).await;
        let refused = exchange(venue.addr, &request("GET /livez", "", b"")).await;
        assert_eq!(status(&refused), 503, "{refused}");
        assert!(refused.contains("\"code\":\"too_many_connections\"") && refused.contains("not_accepted"), "{refused}");
        assert!(refused.contains("retry-after: 1\r\n") && refused.contains("application/problem+json"), "{refused}");
        assert_eq!(exceeded(&venue, limit).await, 1);
        assert_eq!(venue.placed(&market("buy", "1")).await["status"], "filled");
        drop(first);
        let served = async { while status(&exchange(venue.addr, &request("GET /livez", "", b"")).await) != 200 {} };
        timeout(PATIENCE, served).await.expect("a place that is free is taken");
    }
}

#[tokio::test]
async fn urls_heads_headers_and_bodies_that_are_too_long_are_refused_and_counted() {
    let venue =
        limited("url_bytes = 256\nheaders = 16\nhead_bytes = 8192\nbody_bytes = 1024\nbatch_body_bytes = 2048").await;
    let long = format!("/orders?after={}", "1".repeat(300));
    venue.get(&long).await.is_problem(414, "url_too_long");
    assert_eq!(venue.get(&long[..256]).await.body["code"], "invalid_query");
    assert_eq!(exceeded(&venue, "url_bytes").await, 1);
    let many: String = (0..20).map(|n| format!("X-{n}: y\r\n")).collect();
    let large = format!("X-Large: {}\r\n", "y".repeat(9_000));
    for (count, headers) in [(1, &many), (2, &large)] {
        let answer = exchange(venue.addr, &request("GET /livez", headers, b"")).await;
        assert_eq!(status(&answer), 431, "{answer}");
        until_exceeded(&venue, "head_bytes").await;
        assert_eq!(exceeded(&venue, "head_bytes").await, count);
    }
    let post = |path: &str, bytes: usize| {
        let request = venue.request(Method::POST, path).header("content-type", "application/json");
        Answer::of(request.body(" ".repeat(bytes)))
    };
    post("/orders", 1_025).await.is_problem(413, "too_large");
    post("/orders", 1_024).await.is_problem(400, "invalid_json");
    post("/orders/batch", 2_049).await.is_problem(413, "too_large");
    post("/orders/batch", 2_048).await.is_problem(400, "invalid_json");
    assert_eq!((exceeded(&venue, "body_bytes").await, exceeded(&venue, "batch_body_bytes").await), (1, 1));
}

#[tokio::test]
async fn json_that_nests_too_deep_is_refused() {
    let venue = limited("json_depth = 3").await;
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let post = |body: String| {
        Answer::of(venue.request(Method::POST, "/orders/batch").header("content-type", "application/json").body(body))
    };
    let deep = post(nested(4)).await;
    deep.is_problem(400, "invalid_json");
    assert_eq!(deep.body["detail"], "The JSON nests deeper than 3 levels");
    assert_eq!(post(nested(3)).await.status, 200, "an array with one array in it is a batch with a problem");
    let order = |quantity: &str| format!(r#"[{{"symbol":"BTC/USDT","side":"buy","type":"market","quantity":{quantity}}}]"#);
    post(order(&nested(2))).await.is_problem(400, "invalid_json");
    for (quantity, item) in [(nested(1), json!(400)), ("1".to_owned(), json!("filled"))] {
        let answer = post(order(&quantity)).await;
        assert_eq!((answer.status, &answer.body[0]["status"]), (200, &item), "{}", answer.text);
    }
    assert_eq!(exceeded(&venue, "json_depth").await, 2);
}

#[tokio::test]
async fn a_head_that_does_not_arrive_closes_the_connection_and_a_body_is_408() {
    let venue = limited("head_timeout = \"300ms\"\nbody_timeout = \"300ms\"").await;
    read_to_end(idle(venue.addr).await).await;
    assert_eq!(exceeded_by_now(&venue, "head_timeout").await, 0, "a connection that idles is closed, and exceeds nothing");
    let mut slow = TcpStream::connect(venue.addr).await.unwrap();
    slow.write_all(b"GET /livez HTTP/1.1\r\nHost: v\r\nX-Slow: ").await.unwrap();
    assert!(!read_to_end(slow).await.contains("200 OK"));
    let counting = async { while exceeded_by_now(&venue, "head_timeout").await == 0 {} };
    timeout(PATIENCE, counting).await.unwrap();
    let half = request("POST /orders", "Content-Type: application/json\r\nContent-Length: 100\r\n", b"{");
    assert_eq!(status(&exchange(venue.addr, &half).await), 408);
    assert_eq!(exceeded_by_now(&venue, "body_timeout").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_takes_no_bytes_of_its_answers_loses_the_connection() {
    let venue = limited("write_timeout = \"300ms\"").await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut greedy = socket.connect(venue.addr).await.unwrap();
    // Asks for far more than the kernel keeps for a client, and reads nothing of it.
    let asking = async {
        loop {
            let written = greedy.write_all(&b"GET /metrics HTTP/1.1\r\nHost: v\r\n\r\n".repeat(100)).await;
            if written.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = asking => {}
        () = until_exceeded(&venue, "write_timeout") => {}
    }
    until_exceeded(&venue, "write_timeout").await;
    assert_eq!(venue.placed(&market("buy", "1")).await["status"], "filled");
}

#[tokio::test]
async fn limits_that_make_no_sense_are_refused_with_file_line_and_key() {
    use openoutcry::config::Config;
    for (text, expected) in [
        ("head_bytes = 100", "c.toml:2: limits.head_bytes: must be at least 8192"),
        ("connections = 0", "c.toml:2: limits.connections: must be at least 1"),
        ("json_depth = 101", "c.toml:2: limits.json_depth: must be at most 100"),
        ("idle_timeout = \"0s\"", "c.toml:2: limits.idle_timeout: must be longer than zero"),
    ] {
        let error = Config::from_text("c.toml", &format!("[limits]\n{text}")).map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), expected, "{}", json!(text));
    }
}
