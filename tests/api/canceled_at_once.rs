//! One command that ends very many orders: told whole, in bounded memory, and again after a kill.
//!
//! `OPENOUTCRY_CANCELED=1000000` has so many of them instead of 40,000; with `--nocapture` it prints the figures, which are of
//! interest with `--release`.

use std::{fs, time::Instant};

use serde_json::Value;
use tokio::time::timeout;

use crate::process::Server;
use crate::socket::Socket;
use crate::venue::{Answer, PATIENCE, client, limit};

/// How many orders, unless more are asked for.
const ORDERS: usize = 40_000;
/// Orders of a batch.
const BATCH: usize = 1_000;
/// What a canceled order may take for a moment, beside what it took before.
const ORDER_BYTES: usize = 1_024;
/// What one part of what is told may take, and what a debug build may take besides.
const BESIDES_BYTES: usize = 64 * 1024 * 1024;

/// Lets the most that it has had be what it has.
fn forget_peak(server: &Server) {
    fs::write(format!("/proc/{}/clear_refs", server.id()), "5").unwrap();
}

/// Reads executions of the type `canceled` up to `last`, from the one after `before` on.
async fn read_canceled(stream: &mut Socket, before: usize, last: usize) {
    for seq in before + 1..=last {
        let start = format!(r#"{{"channel":"executions","seq":{seq},"#);
        let mut text = stream.text().await;
        while text.starts_with(r#"{"channel":"status""#) {
            text = stream.text().await;
        }
        assert!(text.starts_with(&start) && text.contains(r#""type":"canceled""#), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_command_that_ends_very_many_orders_is_told_whole_in_bounded_memory_and_again_after_a_kill() {
    let orders =
        std::env::var("OPENOUTCRY_CANCELED").map_or(ORDERS, |count| count.parse().unwrap()).next_multiple_of(BATCH);
    let data_dir = tempfile::tempdir().unwrap();
    let data_dir = data_dir.path().to_str().unwrap();
    let quiet = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/quiet.toml");
    let environment =
        [("OPENOUTCRY_CONFIG", quiet), ("OPENOUTCRY_JOURNAL__MODE", "fsync"), ("OPENOUTCRY_DATA_DIR", data_dir)];
    let server = Server::spawn(&environment).await;
    let batch = Value::Array(vec![limit("buy", "0.001", "100"); BATCH]);
    for _ in 0..orders / BATCH {
        let answer = Answer::of(client().post(format!("http://{}/orders/batch", server.addr)).json(&batch)).await;
        assert_eq!(answer.status, 200);
    }
    let mut stream = Socket::connect(server.addr, &format!("?from_seq={}", orders + 1)).await;
    assert_eq!(stream.next().await["last_seq"], orders);
    let before = server.memory_bytes("VmRSS");
    forget_peak(&server);
    let started = Instant::now();
    let url = format!("http://{}/orders", server.addr);
    let told = async { tokio::join!(Answer::of(client().delete(url)), read_canceled(&mut stream, orders, 2 * orders)) };
    let (answer, ()) = timeout(PATIENCE, told).await.unwrap();
    let took = started.elapsed();
    assert_eq!(answer.body["canceled"], orders, "{}", answer.text);
    let peak = server.memory_bytes("VmHWM");
    server.signal("KILL").await;
    server.ended().await;

    let started = Instant::now();
    let server = Server::spawn(&environment).await;
    let (restart, restart_peak) = (started.elapsed(), server.memory_bytes("VmHWM"));
    let mut stream = Socket::connect(server.addr, &format!("?from_seq={}", 2 * orders)).await;
    assert_eq!(stream.next().await["last_seq"], 2 * orders);
    timeout(PATIENCE, read_canceled(&mut stream, 2 * orders - 1, 2 * orders)).await.unwrap();
    let account = Answer::of(client().get(format!("http://{}/account", server.addr))).await;
    assert_eq!(account.body["open_orders"], 0, "{}", account.text);
    println!(
        "{orders} orders, {} MB: canceled and read by a subscriber in {took:.2?}, with {} MB at the most; after a kill it \
         listened in {restart:.2?}, with {} MB at the most",
        before / 1_000_000,
        peak / 1_000_000,
        restart_peak / 1_000_000,
    );
    let bound = before + orders * ORDER_BYTES + BESIDES_BYTES;
    assert!(peak <= bound, "{peak} bytes, more than {bound}");
    assert!(restart_peak <= bound, "{restart_peak} bytes, more than {bound}");
}
