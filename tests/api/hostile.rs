//! Everything at once that a client can do to a server, while another trades: the service is unharmed.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use reqwest::Client;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::process::Server;
use crate::venue::{Answer, PATIENCE, client, limit, market};
use crate::wire::handshake;

const IDLE: usize = 2_000;
const HALF_HEADS: usize = 200;
const SLOW_BODIES: usize = 50;
const DEAF_SOCKETS: usize = 10;
const NOISE_BYTES: usize = 100_000;
/// Orders by which the latency is told.
const PROBES: usize = 300;
/// More than a debug build should ever take, and far less than to wait for what the others do.
const LATENCY_MAX: Duration = Duration::from_millis(250);
/// How much more memory all of this may take: 2,000 connections, what 10 clients do not read, and the executions.
const GROWTH_MAX: u64 = 96 << 20;

/// A venue in a process of its own, with time limits that a test can wait for.
struct Venue {
    server: Server,
    client: Client,
}

impl Venue {
    async fn spawn() -> Self {
        let limits = [
            ("OPENOUTCRY_LIMITS__HEAD_TIMEOUT", "3s"),
            ("OPENOUTCRY_LIMITS__BODY_TIMEOUT", "1s"),
            ("OPENOUTCRY_LIMITS__WRITE_TIMEOUT", "1s"),
            ("OPENOUTCRY_STREAM__STALL_TIMEOUT", "1s"),
        ];
        Self { server: Server::spawn(&limits).await, client: client() }
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.client.post(format!("http://{}{path}", self.server.addr)).json(body)).await
    }

    /// A sample of `GET /metrics`; 0 if there is none yet.
    async fn metric(&self, name: &str) -> u64 {
        let metrics = Answer::of(self.client.get(format!("http://{}/metrics", self.server.addr))).await.text;
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse::<f64>().unwrap() as u64)
    }

    async fn until(&self, name: &str, at_least: usize) {
        let reached = timeout(PATIENCE, async { while self.metric(name).await < at_least as u64 {} }).await;
        reached.unwrap_or_else(|_| panic!("{name} should have come to {at_least}"));
    }

    /// Places orders one after another: how long the median and the slowest of them took.
    async fn latency(&self) -> (Duration, Duration) {
        let mut latencies = Vec::new();
        for _ in 0..PROBES {
            let started = Instant::now();
            let answer = self.post("/orders", &market("buy", "0.001")).await;
            assert_eq!((answer.status, &answer.body["status"]), (201, &"filled".into()), "{}", answer.text);
            latencies.push(started.elapsed());
        }
        latencies.sort();
        (latencies[PROBES / 2], latencies[PROBES - 1])
    }
}

fn exceeded(limit: &str) -> String {
    format!("openoutcry_limits_exceeded_total{{limit=\"{limit}\"}}")
}

async fn connect(addr: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// Sockets and connections that have asked once and say nothing more.
async fn idle(addr: SocketAddr) -> Vec<TcpStream> {
    let mut all = Vec::new();
    for n in 0..IDLE {
        let request =
            if n % 2 == 0 { handshake("?channels=status") } else { "GET /livez HTTP/1.1\r\nHost: v\r\n\r\n".into() };
        let mut stream = connect(addr, request.as_bytes()).await;
        let mut head = [0; 9];
        timeout(PATIENCE, stream.read_exact(&mut head)).await.unwrap().unwrap();
        assert_eq!(&head, b"HTTP/1.1 ");
        all.push(stream);
    }
    all
}

/// A body that comes a byte at a time for as long as it is listened to.
async fn slow_body(addr: SocketAddr) {
    let head = "POST /orders HTTP/1.1\r\nHost: v\r\nContent-Type: application/json\r\nContent-Length: 10000\r\n\r\n";
    let (mut read, mut write) = connect(addr, head.as_bytes()).await.into_split();
    let trickle = async {
        let mut pace = tokio::time::interval(Duration::from_millis(20));
        while write.write_all(b" ").await.is_ok() {
            pace.tick().await;
        }
        std::future::pending().await
    };
    let mut status = [0; 12];
    tokio::select! {
        read = timeout(PATIENCE, read.read_exact(&mut status)) => read.expect("a slow body is not waited for").unwrap(),
        never = trickle => never,
    };
    assert_eq!(&status, b"HTTP/1.1 408");
}

/// A subscriber of everything, with little room for it, that reads nothing.
async fn deaf_socket(addr: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(addr).await.unwrap();
    stream.write_all(handshake("?from_seq=1").as_bytes()).await.unwrap();
    stream
}

/// Bytes that mean nothing, in 20 connections: half of them as HTTP, half as frames of a socket.
async fn noise(addr: SocketAddr) {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let bytes: Vec<u8> = (0..NOISE_BYTES)
        .map(|_| {
            // xorshift64 (Marsaglia, 2003): the same bytes every time.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .collect();
    let talks = bytes.chunks(NOISE_BYTES / 20).enumerate().map(|(n, bytes)| async move {
        let greeting = if n % 2 == 0 { String::new() } else { handshake("?channels=status") };
        let mut stream = connect(addr, greeting.as_bytes()).await;
        drop(stream.write_all(bytes).await);
        drop(stream.shutdown().await);
        let mut said = Vec::new();
        drop(timeout(PATIENCE, stream.read_to_end(&mut said)).await.expect("noise ends a connection"));
    });
    join_all(talks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_venue_under_everything_at_once_trades_on_and_counts_what_went_beyond() {
    openoutcry::app::raise_limit(2 * IDLE, 2);
    let venue = Venue::spawn().await;
    let addr = venue.server.addr;
    let memory = "process_resident_memory_bytes";
    let (calm, calm_max) = venue.latency().await;
    let before = venue.metric(memory).await;

    let idle = idle(addr).await;
    let half_heads = join_all((0..HALF_HEADS).map(|_| connect(addr, b"GET /livez HTTP/1.1\r\nHost: v\r\nX-Half: "))).await;
    let deaf = join_all((0..DEAF_SOCKETS).map(|_| deaf_socket(addr))).await;
    // 20,000 executions, 10 MB: more than the kernel holds for a client that reads nothing.
    let batch: Vec<Value> = (0..500).map(|_| limit("buy", "0.001", "42000")).collect();
    for _ in 0..20 {
        assert_eq!(venue.post("/orders/batch", &batch.clone().into()).await.status, 200);
    }
    let lorises = join_all((0..SLOW_BODIES).map(|_| slow_body(addr)));
    let (_, (), (storm, storm_max)) = tokio::join!(lorises, noise(addr), venue.latency());
    let held = venue.metric(memory).await;
    println!(
        "orders: median {calm:.2?}, slowest {calm_max:.2?}; under load {storm:.2?}, {storm_max:.2?}; \
         memory {} MB, then {} MB",
        before >> 20,
        held >> 20
    );
    assert!(storm < LATENCY_MAX, "{storm:?} instead of {calm:?}");
    assert!(held < before + GROWTH_MAX, "{before} bytes became {held}");

    venue.until(&exceeded("head_timeout"), HALF_HEADS).await;
    venue.until(&exceeded("body_timeout"), SLOW_BODIES).await;
    venue.until("openoutcry_stream_closed_total{code=\"4008\"}", DEAF_SOCKETS).await;
    assert_eq!(venue.metric("openoutcry_stream_connections").await, (IDLE / 2) as u64, "idle sockets are not disturbed");
    drop((idle, half_heads, deaf));
    let gone = async { while venue.metric("openoutcry_stream_connections").await > 0 {} };
    timeout(PATIENCE, gone).await.expect("who is gone is noticed");
    assert_eq!(venue.post("/orders", &market("sell", "0.001")).await.status, 201);
    venue.server.signal("TERM").await;
    assert_eq!(venue.server.ended().await, Some(0));
}
