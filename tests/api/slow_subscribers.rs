//! Many subscribers that never read: who reads and who trades go on, the process stays small, and the slow ones are closed.
//!
//! `OPENOUTCRY_SLOW_SUBSCRIBERS=1000` has so many of them instead of 200; with `--nocapture` it prints the figures.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::time::timeout;

use crate::process::Server;
use crate::socket::Socket;
use crate::sockets::handshake;
use crate::venue::{Answer, PATIENCE, client, market};

/// How many do not read, unless more are asked for.
const SLOW: usize = 200;
/// Orders of a batch, and batches: more than the system holds for a socket that is not read.
const ORDERS: usize = 500;
const BATCHES: usize = 10;
/// Executions of all of them.
const EXECUTIONS: u64 = (2 * ORDERS * BATCHES) as u64;
/// What one of them may cost the process: its task, its buffers, its place.
const SUBSCRIBER_BYTES: usize = 64 * 1024;
/// What an execution may take in the log and in the read model, and what a debug build may take besides.
const EXECUTION_BYTES: usize = 2 * 1024;
const BESIDES_BYTES: usize = 32 * 1024 * 1024;

/// Has all orders executed; how long it took until `fast` had read the last of their executions, the first being `first`.
async fn trade(server: &Server, fast: &mut Socket, first: u64) -> (Duration, Duration) {
    let started = Instant::now();
    let ordering = async {
        let batch = Value::Array(vec![market("buy", "0.001"); ORDERS]);
        for _ in 0..BATCHES {
            let answer = Answer::of(client().post(format!("http://{}/orders/batch", server.addr)).json(&batch)).await;
            assert_eq!(answer.status, 200);
        }
        started.elapsed()
    };
    let reading = async {
        for seq in first..first + EXECUTIONS {
            let start = format!(r#"{{"channel":"executions","seq":{seq},"#);
            let mut text = fast.text().await;
            while text.starts_with(r#"{"channel":"status""#) {
                text = fast.text().await;
            }
            assert!(text.starts_with(&start), "{text}");
        }
        started.elapsed()
    };
    timeout(PATIENCE * 3, async { tokio::join!(ordering, reading) }).await.unwrap()
}

/// What the venue's metrics say of this.
async fn metric(server: &Server, name: &str) -> usize {
    let text = Answer::of(client().get(format!("http://{}/metrics", server.addr))).await.text;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.map_or(0, |value| value.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_never_reads_costs_who_reads_and_who_trades_little_and_is_closed_4008() {
    let slow = std::env::var("OPENOUTCRY_SLOW_SUBSCRIBERS").map_or(SLOW, |count| count.parse().unwrap());
    let quiet = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/quiet.toml");
    let server = Server::spawn(&[("OPENOUTCRY_CONFIG", quiet), ("OPENOUTCRY_STREAM__STALL_TIMEOUT", "4s")]).await;
    let mut fast = Socket::connect(server.addr, "?from_seq=1").await;
    // The first of all also warms up.
    trade(&server, &mut fast, 1).await;
    let alone = trade(&server, &mut fast, EXECUTIONS + 1).await;
    let before = server.memory_bytes("VmRSS");
    let mut subscribers = Vec::with_capacity(slow);
    for _ in 0..slow {
        subscribers.push(handshake(server.addr, None, "").await);
    }
    let connected = server.memory_bytes("VmRSS");
    // The first of these fill what the system holds for each of them, the others find it full.
    let filling = trade(&server, &mut fast, 2 * EXECUTIONS + 1).await;
    let full = trade(&server, &mut fast, 3 * EXECUTIONS + 1).await;
    let after = server.memory_bytes("VmRSS");
    let closed = async {
        while metric(&server, "openoutcry_stream_closed_total{code=\"4008\"}").await < slow {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, closed).await.expect("who never reads is closed");
    let at_last = trade(&server, &mut fast, 4 * EXECUTIONS + 1).await;
    let ratio = |(ordered, read): (Duration, Duration)| {
        let over = |one: Duration, other: Duration| one.as_secs_f64() / other.as_secs_f64();
        format!("{:.2} and {:.2}", over(ordered, alone.0), over(read, alone.1))
    };
    println!(
        "{slow} that never read: {EXECUTIONS} executions took the client and a fast subscriber {} times as long while they filled \
         up, {} times once they had, {} times once they were closed; memory {} KiB each when connected, {} KiB each at the end",
        ratio(filling),
        ratio(full),
        ratio(at_last),
        connected.saturating_sub(before) / slow / 1024,
        after.saturating_sub(before) / slow / 1024,
    );
    let bound = before + 2 * EXECUTIONS as usize * EXECUTION_BYTES + slow * SUBSCRIBER_BYTES + BESIDES_BYTES;
    assert!(after <= bound, "{after} bytes, more than {bound}");
    assert_eq!(metric(&server, "openoutcry_stream_connections").await, 1);
    drop(subscribers);
}
