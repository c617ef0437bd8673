//! `/stream` as a protocol: requests and replies, frames and closes, and what a slow or wrong client gets.

use std::net::SocketAddr;

use reqwest::{Method, header};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::{
        CloseFrame,
        frame::{
            Frame,
            coding::{CloseCode, Data, OpCode},
        },
    },
};

use crate::venue::{Answer, PATIENCE, Venue, limit, market, with};
use crate::wire;

#[tokio::test]
async fn orders_are_placed_replaced_and_canceled_over_the_socket() {
    let venue = Venue::spawn("").await;
    let mut socket = venue.stream("?channels=status").await;
    let place = |id: u64, order: Value| json!({"op":"place","id":id,"order":order});
    let filled = socket.ask(&place(1, market("buy", "0.1"))).await;
    assert_eq!((&filled["id"], &filled["ok"], &filled["order"]["status"]), (&json!(1), &json!(true), &json!("filled")));
    assert_eq!(filled["order"], venue.get("/orders/1").await.body);
    let resting = with(limit("buy", "1", "41000"), json!({ "client_order_id": "mine" }));
    assert_eq!(socket.ask(&place(2, resting.clone())).await["order"]["status"], "open");
    let again = socket.ask(&place(3, resting)).await;
    assert_eq!((&again["replayed"], &again["order"]["order_id"]), (&json!(true), &json!(2)));
    let replaced = socket.ask(&json!({"op":"replace","id":4,"order_id":2,"changes":{"quantity":"0.5"}})).await;
    assert_eq!((&replaced["priority"], &replaced["order"]["quantity"]), (&json!("kept"), &json!("0.5")), "{replaced}");
    let canceled = socket.ask(&json!({"op":"cancel","id":5,"client_order_id":"mine"})).await;
    assert_eq!(canceled["order"]["status"], "canceled");
    let again = socket.ask(&json!({"op":"cancel","id":6,"order_id":2})).await;
    assert_eq!((&again["ok"], &again["problem"]["code"]), (&json!(false), &json!("not_cancelable")));
    assert_eq!(again["problem"]["order"], canceled["order"]);
    let refused = socket.ask(&place(7, with(market("buy", "1"), json!({ "symbol": "DOGE/USDT" })))).await;
    assert_eq!((&refused["problem"]["code"], &refused["problem"]["status"]), (&json!("unknown_symbol"), &json!(422)));
    socket.ask(&place(8, limit("buy", "1", "41000"))).await;
    let all = socket.ask(&json!({"op":"cancel_all","id":9,"symbol":"BTC-USDT","side":"buy"})).await;
    assert_eq!((&all["ok"], &all["canceled"]), (&json!(true), &json!(1)), "{all}");
    assert_eq!(socket.ask(&json!({"op":"cancel_after","id":10,"timeout_ms":0})).await["ok"], true);
}

#[tokio::test]
async fn a_message_that_cannot_be_done_is_answered_with_a_problem_and_its_id_and_the_socket_lives_on() {
    let venue = Venue::spawn("").await;
    let mut socket = venue.stream("").await;
    for (message, id, code) in [
        ("nonsense", Value::Null, "invalid_json"),
        ("", Value::Null, "invalid_json"),
        ("[1]", Value::Null, "invalid_request"),
        (r#"{"op":"ping","id":1,"id":2}"#, Value::Null, "invalid_request"),
        (r#"{"op":"ping","id":{}}"#, Value::Null, "invalid_request"),
        (r#"{"op":"dance","id":"a"}"#, json!("a"), "unknown_op"),
        (r#"{"id":7}"#, json!(7), "invalid_request"),
        (r#"{"op":"ping","id":"x","more":1}"#, json!("x"), "invalid_request"),
        (r#"{"op":"subscribe","id":6,"channels":["executions"],"from_seq":-1}"#, json!(6), "invalid_request"),
        (r#"{"op":"place","id":8}"#, json!(8), "invalid_request"),
        (r#"{"op":"place","id":9,"order":{"symbol":"BTC/USDT"}}"#, json!(9), "invalid_request"),
        (r#"{"op":"place","id":10,"order":["BTC/USDT","buy","market","1"]}"#, json!(10), "invalid_request"),
        (
            r#"{"op":"place","id":11,"order":{"symbol":"BTC/USDT","side":"buy","type":"market","quantity":"-1"}}"#,
            json!(11),
            "invalid",
        ),
        (r#"{"op":"cancel","id":12}"#, json!(12), "invalid_request"),
        (r#"{"op":"cancel","id":13,"order_id":99}"#, json!(13), "unknown_order"),
        (r#"{"op":"replace","id":14,"order_id":99}"#, json!(14), "invalid_request"),
        (r#"{"op":"subscribe","id":15}"#, json!(15), "invalid_request"),
        (r#"{"op":"subscribe","id":16,"channels":["dance"]}"#, json!(16), "unknown_channel"),
        (r#"{"op":"subscribe","id":17,"channels":["trades"],"symbols":["DOGE-USDT"]}"#, json!(17), "unknown_symbol"),
        // What another op has would not mean here what it seems to.
        (r#"{"op":"cancel_all","id":18,"symbols":["ETH-USDT"]}"#, json!(18), "invalid_request"),
        (r#"{"op":"cancel_all","id":19,"order_id":1}"#, json!(19), "invalid_request"),
        (
            r#"{"op":"place","id":20,"client_order_id":"a","order":{"symbol":"BTC/USDT","side":"buy","type":"market","quantity":"1"}}"#,
            json!(20),
            "invalid_request",
        ),
        (r#"{"op":"unsubscribe","id":21,"channels":["trades"],"from_seq":1}"#, json!(21), "invalid_request"),
    ] {
        socket.say(Message::text(message)).await;
        let reply = socket.reply().await;
        assert_eq!((&reply["ok"], &reply["id"]), (&json!(false), &id), "{message}: {reply}");
        assert_eq!((&reply["problem"]["code"], &reply["problem"]["outcome"]), (&json!(code), &json!("not_accepted")));
    }
    assert_eq!(socket.ask(&json!({"op":"place","id":"last","order":market("buy","1")})).await["order"]["status"], "filled");
}

#[tokio::test]
async fn five_hundred_pipelined_requests_are_answered_in_order() {
    let venue = Venue::spawn("").await;
    let mut socket = venue.stream("?channels=status").await;
    for id in 0..500u64 {
        let message = match id % 5 {
            0 => json!({"op":"place","id":id,"order":limit("buy","1","41000")}),
            1 => json!({"op":"ping","id":id}),
            2 => json!({"op":"cancel","id":id,"order_id":id / 5 + 1}),
            3 => json!({"op":"dance","id":id}),
            _ => json!({"op":"cancel","id":id,"order_id":id / 5 + 1}),
        };
        socket.send(&message).await;
    }
    for id in 0..500u64 {
        let reply = socket.reply().await;
        assert_eq!(reply["id"], id, "{reply}");
        let expected = [json!("open"), Value::Null, json!("canceled"), Value::Null, Value::Null];
        assert_eq!(reply["order"]["status"], expected[id as usize % 5], "{reply}");
        assert_eq!(reply["problem"]["code"] == "not_cancelable", id % 5 == 4, "{reply}");
    }
}

#[tokio::test]
async fn binary_messages_close_1003_and_oversized_ones_1009() {
    let venue = Venue::spawn("").await;
    let mut socket = venue.stream("").await;
    socket.say(Message::binary(vec![1, 2, 3])).await;
    assert_eq!(socket.closed().await.0, 1003);
    let mut socket = venue.stream("").await;
    socket.say(Message::text(format!(r#"{{"op":"ping","id":"{}"}}"#, "x".repeat(64 * 1024)))).await;
    assert_eq!(socket.closed().await.0, 1009);
    assert_eq!(venue.placed(&market("buy", "1")).await["status"], "filled");
}

#[tokio::test]
async fn a_ping_is_answered_with_its_payload_and_a_close_with_its_code() {
    let venue = Venue::spawn("").await;
    let mut socket = venue.stream("").await;
    socket.say(Message::Ping(b"are you there".to_vec().into())).await;
    assert_eq!(socket.message().await, Message::Pong(b"are you there".to_vec().into()));
    socket.say(Message::Pong(b"unasked".to_vec().into())).await;
    assert_eq!(socket.ask(&json!({"op":"ping","id":1})).await["ok"], true);
    socket.say(Message::Close(Some(CloseFrame { code: CloseCode::Library(4321), reason: "enough".into() }))).await;
    assert_eq!(socket.closed().await.0, 4321);
    let mut socket = venue.stream("").await;
    socket.say(Message::Close(None)).await;
    assert!(matches!(socket.message().await, Message::Close(_)));
}

#[tokio::test]
async fn a_text_in_fragments_is_one_message_with_pings_between_them() {
    let venue = Venue::spawn("").await;
    let mut socket = venue.stream("").await;
    let text = json!({"op":"place","id":1,"order":market("buy","0.1")}).to_string();
    let (first, rest) = text.as_bytes().split_at(10);
    let (second, third) = rest.split_at(20);
    let frame = |part: &[u8], data, last| Message::Frame(Frame::message(part.to_vec(), OpCode::Data(data), last));
    socket.say(frame(first, Data::Text, false)).await;
    socket.say(frame(second, Data::Continue, false)).await;
    socket.say(Message::Ping(b"between".to_vec().into())).await;
    assert_eq!(socket.message().await, Message::Pong(b"between".to_vec().into()));
    socket.say(frame(third, Data::Continue, true)).await;
    assert_eq!(socket.reply().await["order"]["status"], "filled");
}

#[tokio::test]
async fn frames_that_break_the_protocol_close_1002_and_texts_that_are_no_text_1007() {
    let venue = Venue::spawn("").await;
    for (name, bytes, code) in [
        ("an unmasked frame", &b"\x81\x02{}"[..], 1002u16),
        ("a reserved opcode", b"\x83\x80\0\0\0\0", 1002),
        ("a reserved bit", b"\xc1\x80\0\0\0\0", 1002),
        ("a continuation of nothing", b"\x80\x80\0\0\0\0", 1002),
        ("a ping in fragments", b"\x09\x80\0\0\0\0", 1002),
        ("a text of invalid UTF-8", b"\x81\x82\0\0\0\0\xff\xff", 1007),
    ] {
        let mut stream = handshake(venue.addr, None, "?channels=status").await;
        stream.write_all(bytes).await.unwrap();
        let mut said = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut said)).await.unwrap().unwrap();
        let close = said.windows(4).find(|bytes| bytes[0] == 0x88).unwrap_or_else(|| panic!("{name}: {said:?}"));
        assert_eq!(u16::from_be_bytes([close[2], close[3]]), code, "{name}");
    }
    assert_eq!(venue.placed(&market("buy", "1")).await["status"], "filled");
}

#[tokio::test]
async fn a_handshake_that_cannot_be_is_a_problem() {
    let venue = Venue::spawn("").await;
    venue.get("/stream").await.is_problem(426, "upgrade_required");
    let handshake = |query: &str, version: &str, key: &str| {
        let request = venue.request(Method::GET, &format!("/stream{query}"));
        let request = request.header(header::CONNECTION, "keep-alive, Upgrade").header(header::UPGRADE, "WebSocket");
        Answer::of(request.header("sec-websocket-version", version).header("sec-websocket-key", key))
    };
    let key = "dGhlIHNhbXBsZSBub25jZQ==";
    let old = handshake("", "8", key).await;
    old.is_problem(426, "upgrade_required");
    assert_eq!((old.header("upgrade"), old.header("sec-websocket-version")), (Some("websocket"), Some("13")));
    handshake("", "13", "short").await.is_problem(400, "invalid_handshake");
    handshake("?channels=dance", "13", key).await.is_problem(400, "unknown_channel");
    handshake("?symbols=DOGE-USDT", "13", key).await.is_problem(404, "unknown_symbol");
    handshake("?from_seq=x", "13", key).await.is_problem(400, "invalid_query");
    handshake("?colour=red", "13", key).await.is_problem(400, "invalid_query");
    let post = venue.request(Method::POST, "/stream");
    Answer::of(post).await.is_problem(405, "method_not_allowed");
}

/// A WebSocket by hand, past its handshake; it takes in only `buffer` bytes unread, if any are named.
pub(crate) async fn handshake(addr: SocketAddr, buffer: Option<u32>, query: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    if let Some(bytes) = buffer {
        socket.set_recv_buffer_size(bytes).unwrap();
    }
    let mut stream = socket.connect(addr).await.unwrap();
    stream.write_all(wire::handshake(query).as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    assert!(head.to_lowercase().contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
    stream
}

/// A server's frames, read by hand until the connection ends: the `seq` of each execution, and the close.
async fn read_all(mut stream: TcpStream) -> (Vec<u64>, u16, String) {
    let mut seqs = Vec::new();
    loop {
        let head = [stream.read_u8().await.unwrap(), stream.read_u8().await.unwrap()];
        let length = match head[1] {
            126 => stream.read_u16().await.unwrap().into(),
            127 => stream.read_u64().await.unwrap() as usize,
            short => usize::from(short),
        };
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).await.unwrap();
        if head[0] == 0x88 {
            let reason = String::from_utf8(payload[2..].to_vec()).unwrap();
            return (seqs, u16::from_be_bytes([payload[0], payload[1]]), reason);
        }
        let frame: Value = serde_json::from_slice(&payload).unwrap();
        seqs.extend(frame["seq"].as_u64());
    }
}

/// Fills the book of executions: a thousand orders, two executions each.
async fn thousand(venue: &Venue) {
    let batch = Value::Array(vec![market("buy", "0.001"); 1_000]);
    assert_eq!(venue.post("/orders/batch", &batch).await.status, 200);
}

/// Waits until the venue has so many sockets.
async fn until_sockets(venue: &Venue, count: u64) {
    let line = format!("openoutcry_stream_connections {count}\n");
    timeout(PATIENCE, async { while !venue.get("/metrics").await.text.contains(&line) {} })
        .await
        .expect("a socket too many");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_reads_nothing_is_closed_4008_and_a_fast_one_notices_nothing() {
    let venue = Venue::spawn("[stream]\nstall_timeout = \"1s\"").await;
    let slow = handshake(venue.addr, Some(4096), "").await;
    let mut fast = venue.stream("").await;
    until_sockets(&venue, 2).await;
    let reading = async {
        for expected in 1..=12_000u64 {
            assert_eq!(fast.news().await["seq"], expected);
        }
    };
    let posting = async {
        for _ in 0..6 {
            thousand(&venue).await;
        }
    };
    let closing = async {
        until_sockets(&venue, 1).await;
        timeout(PATIENCE, read_all(slow)).await.unwrap()
    };
    let (_, _, (seqs, code, reason)) = tokio::join!(reading, posting, closing);
    assert_eq!(code, 4008, "{reason}");
    let last_seq: u64 = reason.strip_prefix("slow consumer, last_seq=").unwrap().parse().unwrap();
    let read = seqs.len() as u64;
    assert_eq!(seqs, (1..=read).collect::<Vec<_>>(), "what it did get has no gap");
    assert!(read < last_seq && last_seq <= 12_000, "it read {read} of {last_seq}");

    venue.placed(&market("buy", "1")).await;
    assert_eq!(fast.news().await["seq"], 12_001);
    let mut back = venue.stream(&format!("?from_seq={}", read + 1)).await;
    for expected in read + 1..=12_002 {
        assert_eq!(back.news().await["seq"], expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_consumer_that_falls_behind_the_lag_limit_is_closed_4008() {
    let venue = Venue::spawn("[stream]\nlag_limit = 500").await;
    let slow = handshake(venue.addr, Some(4096), "").await;
    until_sockets(&venue, 1).await;
    let posting = async {
        for _ in 0..6 {
            thousand(&venue).await;
        }
    };
    let closing = async {
        until_sockets(&venue, 0).await;
        timeout(PATIENCE, read_all(slow)).await.unwrap()
    };
    let ((), (seqs, code, reason)) = tokio::join!(posting, closing);
    assert_eq!(code, 4008, "{reason}");
    assert!(reason.contains("last_seq="), "{reason}");
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_catching_up_is_not_slow_however_far_behind() {
    let venue = Venue::spawn("[stream]\nlag_limit = 10").await;
    thousand(&venue).await;
    let mut late = venue.stream("?from_seq=1").await;
    for expected in 1..=2_000u64 {
        assert_eq!(late.news().await["seq"], expected);
    }
    venue.placed(&market("buy", "1")).await;
    assert_eq!(late.news().await["seq"], 2_001);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_catches_up_too_slowly_for_what_is_kept_is_told_of_the_gap() {
    let venue = Venue::spawn("[stream]\nring = 4000\nlag_limit = 1000").await;
    thousand(&venue).await;
    thousand(&venue).await;
    let slow = handshake(venue.addr, Some(4096), "?from_seq=1").await;
    until_sockets(&venue, 1).await;
    for _ in 0..6 {
        thousand(&venue).await;
    }
    let (seqs, code, _) = timeout(PATIENCE, read_all(slow)).await.unwrap();
    assert_eq!(code, 4010);
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_client_that_vanishes_in_the_middle_leaves_nothing_behind() {
    let venue = Venue::spawn("").await;
    let mut stream = handshake(venue.addr, None, "").await;
    stream.write_all(b"\x81\xfe\x10\x00\0\0").await.unwrap();
    drop(stream);
    let mut socket = venue.stream("").await;
    until_sockets(&venue, 1).await;
    socket.send(&json!({"op":"place","id":1,"order":limit("buy","1","41000")})).await;
    drop(socket);
    until_sockets(&venue, 0).await;
    assert_eq!(venue.placed(&market("buy", "1")).await["status"], "filled");
}
