//! Orders over HTTP, against an HTTP server that does nothing with them.
//!
//! **Load**: 64 and 256 kept-alive connections, each posting one market order after the other (~125 bytes of JSON in), for
//! 2 s after 300 ms that do not count; then batches of 100 orders over 8 connections. The venue has its default
//! configuration, every order on the disk, once without subscribers and once with one WebSocket following every execution;
//! and once it keeps nothing. Servers are fresh each time, and each a process of its own.
//!
//! **Yardsticks**: axum as everyone starts with it (`axum::serve`, 2 workers, `Json` in, a 200-byte `Json` out); and the ceiling of
//! transport and journal, the same on one thread, which was the faster way, with 100 bytes of each order written by another thread,
//! everything that waits in one write and one sync, before it is answered. Neither executes anything.
//!
//! **Timing** is from writing a request to having read its answer, in the client, which shares the machine: connecting and
//! starting are excluded. Anything but 201 ends the bench; so does a venue that counts other orders than were answered, or
//! a subscriber that missed an execution.

mod common;

use std::{
    net::SocketAddr,
    sync::mpsc,
    time::{Duration, Instant},
};

use anyhow::ensure;
use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use common::{
    PATIENCE,
    figures::{Rounds, percentile_us, short},
    http::{Client, executed},
    keep,
    orders::{EXECUTIONS, Orders},
    rounds, say,
    server::{Server, YARDSTICK_WORKERS, serve_yardstick},
    socket::{Subscriber, scratch},
};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::oneshot,
    task::{JoinSet, spawn_local},
};

/// The argument that makes this bench the yardstick.
const ECHO: &str = "--echo";
/// The argument that makes it the one that also keeps.
const CEILING: &str = "--ceiling";
/// How long answers are not counted at the start.
const WARM_UP: Duration = Duration::from_millis(300);
/// How long they are counted then.
const MEASURED: Duration = Duration::from_secs(2);
/// How many orders a batch has.
const BATCH: usize = 100;

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    /// The yardstick.
    Echo,
    /// The yardstick that keeps.
    Ceiling,
    /// The venue in memory alone, unobserved.
    Memory,
    /// The venue, unobserved.
    Venue,
    /// The venue with one subscriber.
    Streaming,
    /// The venue, fed by batches.
    Batches,
}

/// The cases of one round, each with its connections; a yardstick comes before what is measured against it.
const CASES: [(Case, usize); 10] = [
    (Case::Echo, 64),
    (Case::Ceiling, 64),
    (Case::Memory, 64),
    (Case::Venue, 64),
    (Case::Streaming, 64),
    (Case::Echo, 256),
    (Case::Ceiling, 256),
    (Case::Venue, 256),
    (Case::Streaming, 256),
    (Case::Batches, 8),
];

impl Case {
    fn name(self) -> &'static str {
        match self {
            Self::Echo => "bare echo",
            Self::Ceiling => "echo that keeps 100 bytes",
            Self::Memory => "openoutcry, in memory",
            Self::Venue => "openoutcry",
            Self::Streaming => "openoutcry, 1 subscriber",
            Self::Batches => "openoutcry, batches of 100",
        }
    }

    fn orders_per_request(self) -> usize {
        if self == Self::Batches { BATCH } else { 1 }
    }
}

/// The figures of one case over all rounds.
#[derive(Default)]
struct Figures {
    per_second: Rounds,
    p50_us: Rounds,
    p99_us: Rounds,
    p999_us: Rounds,
}

fn main() -> anyhow::Result<()> {
    let argument = std::env::args().nth(1);
    if argument.as_deref() == Some(ECHO) {
        return serve_yardstick(YARDSTICK_WORKERS, Router::new().route("/orders", post(echo)));
    }
    if argument.as_deref() == Some(CEILING) {
        let to_keep = keep::start(|kept: oneshot::Sender<()>| {
            // Whoever has left is not told.
            let _left = kept.send(());
        });
        return serve_yardstick(1, Router::new().route("/orders", post(echo_kept)).with_state(to_keep));
    }
    common::run(bench())
}

async fn bench() -> anyhow::Result<()> {
    let mut figures: [Figures; CASES.len()] = Default::default();
    for _ in 0..rounds() {
        for ((case, connections), figures) in CASES.into_iter().zip(&mut figures) {
            let (answered, mut latencies_ns) = measure(case, connections).await?;
            figures.per_second.push((answered * case.orders_per_request()) as f64 / MEASURED.as_secs_f64());
            figures.p50_us.push(percentile_us(&mut latencies_ns, 500));
            figures.p99_us.push(percentile_us(&mut latencies_ns, 990));
            figures.p999_us.push(percentile_us(&mut latencies_ns, 999));
        }
    }
    say(&format!("{} rounds; median (range); latencies in µs\n", rounds()));
    say("| server | connections | orders/s | against the echo | p50 | p99 | p99.9 |");
    say("|---|---|---|---|---|---|---|");
    for ((case, connections), row) in CASES.into_iter().zip(&figures) {
        let yardstick = CASES.iter().zip(&figures).find(|(other, _)| **other == (Case::Echo, connections));
        let ratio = yardstick.map_or("–".to_owned(), |(_, echo)| row.per_second.over(&echo.per_second).to_string());
        let latencies = [&row.p50_us, &row.p99_us, &row.p999_us].map(|rounds| short(rounds.median())).join(" | ");
        say(&format!("| {} | {connections} | {} | {ratio} | {latencies} |", case.name(), row.per_second));
    }
    Ok(())
}

/// How many requests were answered in time, and how long each took.
async fn measure(case: Case, connections: usize) -> anyhow::Result<(usize, Vec<u32>)> {
    let server = match case {
        Case::Echo => Server::yardstick(ECHO).await?,
        Case::Ceiling => Server::yardstick(CEILING).await?,
        Case::Memory => Server::venue_in_memory().await?,
        Case::Venue | Case::Streaming | Case::Batches => Server::venue().await?,
    };
    let addr = server.addr;
    let (known, all) = oneshot::channel();
    let subscriber = (case == Case::Streaming).then(|| spawn_local(follow(addr, all)));
    let mut clients = JoinSet::new();
    for connection in 0..connections {
        let client = Client::connect(addr).await?;
        clients.spawn_local(post_orders(client, connection, case));
    }
    let (mut sent, mut latencies_ns) = (0, Vec::new());
    while let Some(posted) = clients.join_next().await {
        let (posted, posted_ns) = posted??;
        sent += posted * case.orders_per_request() as u64;
        latencies_ns.extend(posted_ns);
    }
    if !matches!(case, Case::Echo | Case::Ceiling) {
        let executed = executed(addr).await?;
        ensure!(executed == sent, "{executed} orders were executed, and {sent} answered");
    }
    if let Some(subscriber) = subscriber {
        ensure!(known.send(sent * EXECUTIONS).is_ok(), "the subscriber ended early");
        tokio::time::timeout(PATIENCE, subscriber).await???;
    }
    server.end().await?;
    Ok((latencies_ns.len(), latencies_ns))
}

/// Posts orders one after the other; how many in all, and how long each that counts took.
async fn post_orders(mut client: Client, connection: usize, case: Case) -> anyhow::Result<(u64, Vec<u32>)> {
    let mut orders = Orders::new(connection);
    let (mut sent, mut latencies_ns) = (0, Vec::new());
    let begin = Instant::now();
    loop {
        let started = Instant::now();
        if started >= begin + WARM_UP + MEASURED {
            return Ok((sent, latencies_ns));
        }
        let status = if case == Case::Batches { 200 } else { 201 };
        client.expect(orders.next(case.orders_per_request()), status).await?;
        sent += 1;
        if started >= begin + WARM_UP {
            latencies_ns.push(u32::try_from(started.elapsed().as_nanos()).unwrap_or(u32::MAX));
        }
    }
}

/// Follows every execution until it is told how many there are, and has them all.
async fn follow(addr: SocketAddr, mut all: oneshot::Receiver<u64>) -> anyhow::Result<()> {
    let mut subscriber = Subscriber::connect(addr, &scratch()).await?;
    subscriber.subscribe().await?;
    loop {
        tokio::select! {
            read = subscriber.read() => read?,
            last = &mut all => return subscriber.read_to(last?).await,
        }
    }
}

/// What the yardstick reads.
#[derive(Deserialize)]
struct Order {
    symbol: String,
    side: String,
    #[serde(rename = "type")]
    order_type: String,
    quantity: String,
    time_in_force: String,
    client_order_id: String,
}

/// What it answers.
#[derive(Serialize)]
struct Answer {
    order_id: u64,
    client_order_id: String,
    symbol: String,
    side: String,
    #[serde(rename = "type")]
    order_type: String,
    time_in_force: String,
    quantity: String,
    status: &'static str,
}

/// The answer once the order is kept.
async fn echo_kept(
    State(to_keep): State<mpsc::Sender<(usize, oneshot::Sender<()>)>>,
    order: Json<Order>,
) -> Result<(StatusCode, Json<Answer>), StatusCode> {
    let (told, kept) = oneshot::channel();
    let sent = to_keep.send((1, told));
    sent.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    kept.await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(echo(order).await)
}

async fn echo(Json(order): Json<Order>) -> (StatusCode, Json<Answer>) {
    let Order { symbol, side, order_type, quantity, time_in_force, client_order_id } = order;
    let (order_id, status) = (1, "filled");
    let answer = Answer { order_id, client_order_id, symbol, side, order_type, time_in_force, quantity, status };
    (StatusCode::CREATED, Json(answer))
}
