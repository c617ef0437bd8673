//! A reader of server-sent events that does not read: the system holds little for it, and what it reads later is whole.

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
    time::timeout,
};

use crate::process::Server;
use crate::venue::{Answer, PATIENCE, client, market};

/// Orders of a batch, and batches: executions of five megabytes in all.
const ORDERS: usize = 500;
const BATCHES: usize = 10;
/// What the system may hold, of which it takes twice as much for itself, and what the client's own side may.
const SEND_BUFFER: usize = 65_536;
const RECEIVE_BUFFER: u32 = 16_384;
/// What may be on its way; left to itself, the system takes more than two megabytes here.
const HELD_MAX: usize = 600_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn little_is_on_its_way_to_who_does_not_read() {
    let quiet = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/quiet.toml");
    let send_buffer = SEND_BUFFER.to_string();
    let server = Server::spawn(&[("OPENOUTCRY_CONFIG", quiet), ("OPENOUTCRY_STREAM__SEND_BUFFER", &send_buffer)]).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(RECEIVE_BUFFER).unwrap();
    let mut events = socket.connect(server.addr).await.unwrap();
    events.write_all(b"GET /executions/stream?from_seq=1 HTTP/1.1\r\nhost: venue\r\n\r\n").await.unwrap();
    let batch = Value::Array(vec![market("buy", "0.001"); ORDERS]);
    for _ in 0..BATCHES {
        let answer = Answer::of(client().post(format!("http://{}/orders/batch", server.addr)).json(&batch)).await;
        assert_eq!(answer.status, 200);
    }
    // What is on its way outlasts the process, and nothing else does.
    server.signal("KILL").await;
    assert_eq!(server.ended().await, None);
    let mut held = Vec::new();
    // The end may be one in the middle.
    drop(timeout(PATIENCE, events.read_to_end(&mut held)).await.unwrap());
    let text = String::from_utf8_lossy(&held);
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.contains("\nid: 1\ndata: {"), "{:.200}", text);
    println!("{} bytes were on their way", held.len());
    assert!(held.len() < HELD_MAX, "{} bytes were on their way", held.len());
}
