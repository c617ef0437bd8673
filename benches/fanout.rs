//! One stream of executions to many WebSocket subscribers, against what everyone writes.
//!
//! **Load**: N = 10, 100 and 1,000 subscribers of one account's executions. *Live*: they are connected and at the end, then
//! one producer has batches of 100 orders executed as fast as the venue takes them. *Catch-up*: the executions are there
//! first; then all subscribe at once from the first one on. Executions are those of market orders, two an order.
//!
//! **Yardstick**: axum's own WebSocket with a `tokio::sync::broadcast` that holds everything, a send per message and
//! subscriber, 2 workers; its messages are as long as the venue's executions. Once fed as the venue is, 200 messages at a
//! time, and once a message at a time, each giving way to whoever it woke.
//!
//! **Figure**: deliveries a second, N × executions / the time until the last subscriber has the last one; every
//! subscriber checks that it has as many as there are. Connecting is excluded; executing the orders is not (live). The
//! subscribers share one thread and the machine.
//!
//! 1,000 subscribers need 1,100 file descriptors here and in the server: `ulimit -n 4096` where the limit is lower.

mod common;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use axum::{
    Router,
    extract::{
        Path, State,
        ws::{Message, Utf8Bytes, WebSocketUpgrade},
    },
    http::StatusCode,
    response::Response,
    routing::{get, post},
};
use common::{
    PATIENCE,
    figures::{Rounds, short},
    http::{self, Client},
    orders::{EXECUTIONS, Orders},
    rounds, say,
    server::{Server, serve_yardstick},
    socket::{EXECUTION, Subscriber, scratch},
};
use tokio::{sync::broadcast, task::JoinSet};

/// The argument that makes this bench the yardstick.
const BROADCAST: &str = "--broadcast";
/// Subscribers, how many executions each gets, and how many messages of the yardstick: as many as it manages in about the
/// same time.
const CASES: [(usize, u64, u64); 3] = [(10, 80_000, 80_000), (100, 80_000, 8_000), (1_000, 50_000, 800)];
/// How many orders a request of the producer has.
const BATCH: usize = 100;
/// How long the yardstick's messages are: as an execution of these orders, without its header.
const MESSAGE_BYTES: usize = 456;

/// The figures of one number of subscribers.
#[derive(Default)]
struct Figures {
    singly: Rounds,
    batched: Rounds,
    live: Rounds,
    catch_up: Rounds,
}

fn main() -> anyhow::Result<()> {
    if std::env::args().any(|argument| argument == BROADCAST) {
        return serve_yardstick(yardstick());
    }
    common::run(bench())
}

async fn bench() -> anyhow::Result<()> {
    let mut figures: [Figures; CASES.len()] = Default::default();
    let mut frame_bytes = 0.0;
    for _ in 0..rounds() {
        for ((count, executions, messages), figures) in CASES.into_iter().zip(&mut figures) {
            figures.singly.push(per_second(count, messages, broadcast(count, messages, 1).await?));
            let batch = BATCH * usize::try_from(EXECUTIONS)?;
            figures.batched.push(per_second(count, messages, broadcast(count, messages, batch).await?));
            let (took, bytes) = live(count, executions).await?;
            figures.live.push(per_second(count, executions, took));
            frame_bytes = bytes;
            figures.catch_up.push(per_second(count, executions, catch_up(count, executions).await?));
        }
    }
    say(&format!("{} rounds; frames of {} bytes; deliveries a second, median (range)\n", rounds(), short(frame_bytes)));
    say("| subscribers | server | deliveries/s | against broadcast, singly | against broadcast, batches |");
    say("|---|---|---|---|---|");
    for ((count, ..), Figures { singly, batched, live, catch_up }) in CASES.into_iter().zip(&figures) {
        let rows = [
            ("broadcast, fed singly", singly),
            ("broadcast, fed in batches", batched),
            ("openoutcry, live", live),
            ("openoutcry, catch-up", catch_up),
        ];
        for (name, row) in rows {
            say(&format!("| {count} | {name} | {row} | {} | {} |", row.over(singly), row.over(batched)));
        }
    }
    Ok(())
}

fn per_second(count: usize, executions: u64, took: Duration) -> f64 {
    count as f64 * executions as f64 / took.as_secs_f64()
}

/// How long it takes from the first order to the last execution at the last subscriber; and a frame's bytes.
async fn live(count: usize, executions: u64) -> anyhow::Result<(Duration, f64)> {
    let server = Server::venue().await?;
    let mut subscribers = connect(&server, count).await?;
    for subscriber in &mut subscribers {
        subscriber.subscribe().await?;
    }
    let started = Instant::now();
    let producer = tokio::task::spawn_local(produce(server.addr, executions));
    let bytes = read_all(subscribers, executions).await?;
    let took = started.elapsed();
    producer.await??;
    server.end().await?;
    Ok((took, bytes))
}

/// How long it takes from the first subscription to the last execution at the last subscriber.
async fn catch_up(count: usize, executions: u64) -> anyhow::Result<Duration> {
    let server = Server::venue().await?;
    produce(server.addr, executions).await?;
    let mut subscribers = connect(&server, count).await?;
    let started = Instant::now();
    for subscriber in &mut subscribers {
        subscriber.subscribe().await?;
    }
    read_all(subscribers, executions).await?;
    let took = started.elapsed();
    server.end().await?;
    Ok(took)
}

/// The same of the yardstick, live, fed with so many messages at a time.
async fn broadcast(count: usize, messages: u64, batch: usize) -> anyhow::Result<Duration> {
    let server = Server::yardstick(BROADCAST).await?;
    let subscribers = connect(&server, count).await?;
    let mut client = Client::connect(server.addr).await?;
    let mut request = Vec::new();
    http::post(&format!("/publish/{batch}"), &messages.to_string(), &mut request);
    let started = Instant::now();
    client.expect(&request, 200).await?;
    read_all(subscribers, messages).await?;
    let took = started.elapsed();
    server.end().await?;
    Ok(took)
}

async fn connect(server: &Server, count: usize) -> anyhow::Result<Vec<Subscriber>> {
    let scratch = scratch();
    let mut subscribers = Vec::with_capacity(count);
    for _ in 0..count {
        subscribers.push(Subscriber::connect(server.addr, &scratch).await.context("connecting a subscriber")?);
    }
    Ok(subscribers)
}

/// Reads until every subscriber has every execution; the bytes of one.
async fn read_all(subscribers: Vec<Subscriber>, executions: u64) -> anyhow::Result<f64> {
    let mut reading = JoinSet::new();
    for mut subscriber in subscribers {
        reading.spawn_local(async move {
            let bytes = subscriber.read_to(executions).await.map(|()| subscriber.bytes);
            // Kept open until all have read: closing is not part of the load.
            (subscriber, bytes)
        });
    }
    let (mut done, mut bytes) = (Vec::new(), 0.0);
    while let Some(read) = tokio::time::timeout(PATIENCE, reading.join_next()).await? {
        let (subscriber, read) = read?;
        bytes = read? as f64 / executions as f64;
        done.push(subscriber);
    }
    Ok(bytes)
}

/// Has so many executions made, by batches of orders.
async fn produce(addr: std::net::SocketAddr, executions: u64) -> anyhow::Result<()> {
    let mut client = Client::connect(addr).await?;
    let mut orders = Orders::new(0);
    for _ in 0..executions / EXECUTIONS / BATCH as u64 {
        client.expect(orders.next(BATCH), 200).await?;
    }
    ensure!(http::executed(addr).await? * EXECUTIONS == executions, "an order was not executed");
    Ok(())
}

/// The yardstick: `POST /publish/{batch}` sends so many messages to whoever is connected to `/stream`.
fn yardstick() -> Router {
    let capacity = CASES.into_iter().map(|(_, _, messages)| messages).max().unwrap_or_default();
    let sender = broadcast::Sender::<Utf8Bytes>::new(usize::try_from(capacity).unwrap_or(usize::MAX));
    Router::new().route("/publish/{batch}", post(publish)).route("/stream", get(subscribe)).with_state(Arc::new(sender))
}

async fn publish(
    State(sender): State<Arc<broadcast::Sender<Utf8Bytes>>>,
    Path(batch): Path<u64>,
    messages: String,
) -> Result<(), StatusCode> {
    let messages: u64 = messages.parse().map_err(|_| StatusCode::BAD_REQUEST)?;
    tokio::spawn(async move {
        for seq in 1..=messages {
            let start = format!("{}{seq},\"filler\":\"", std::str::from_utf8(EXECUTION).unwrap_or_default());
            let filler = MESSAGE_BYTES.saturating_sub(start.len() + 2);
            // Fails only if nobody listens, and then nobody waits for it.
            drop(sender.send(format!("{start}{:x<filler$}\"}}", "").into()));
            if seq.is_multiple_of(batch) {
                tokio::task::yield_now().await;
            }
        }
    });
    Ok(())
}

async fn subscribe(State(sender): State<Arc<broadcast::Sender<Utf8Bytes>>>, upgrade: WebSocketUpgrade) -> Response {
    let mut messages = sender.subscribe();
    upgrade.on_upgrade(async move |mut socket| {
        // The channel holds everything that is sent, so nobody lags.
        while let Ok(message) = messages.recv().await {
            if socket.send(Message::Text(message)).await.is_err() {
                return;
            }
        }
    })
}
