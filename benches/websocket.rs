//! Orders over WebSockets, pipelined, each acknowledged once it is on the disk, against a server that only keeps them.
//!
//! **Load**: some connections, each with so many orders in flight, for 2 s after 300 ms that do not count. The venue
//! runs as it is configured by default, every order on the disk, and one more socket follows every execution.
//!
//! **Yardstick**: the ceiling of transport and journal. tungstenite's frames in and out, the JSON read, 100 bytes an order written by
//! a thread of its own, everything that waits in one write and one sync to a file that is there already, then a reply
//! to each. No order is executed.
//!
//! A load's name as an argument, as in `cargo bench --bench websocket -- 8x64`, measures that one alone.
//!
//! **Timing** is from writing an order to having read its reply, in the client, which shares the machine. Processor time is the
//! server's own, by order. Anything but an acknowledged order ends the bench; so does a subscriber that missed an execution.

mod common;

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::mpsc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use common::{
    PATIENCE,
    figures::{Rounds, percentile_us, short},
    keep,
    orders::{EXECUTIONS, Orders},
    rounds, say,
    server::{Server, announce},
    socket::{self, Subscriber, scratch},
};
use futures_util::{FutureExt, SinkExt, StreamExt};
use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinSet, spawn_local},
};
use tokio_tungstenite::tungstenite::Message;

/// The argument that makes this bench the yardstick.
const CEILING: &str = "--ceiling";
/// How long replies are not counted at the start.
const WARM_UP: Duration = Duration::from_millis(300);
/// How long they are counted then.
const MEASURED: Duration = Duration::from_secs(2);
/// Connections, and how many orders each has in flight.
const LOADS: [(usize, usize); 4] = [(1, 1), (64, 1), (8, 64), (8, 512)];

/// The figures of one server under one load.
#[derive(Default)]
struct Figures {
    per_second: Rounds,
    p50_us: Rounds,
    p99_us: Rounds,
    cpu_us: Rounds,
}

fn main() -> anyhow::Result<()> {
    if std::env::args().any(|argument| argument == CEILING) {
        return serve_ceiling();
    }
    common::run(bench())
}

async fn bench() -> anyhow::Result<()> {
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let loads = LOADS.into_iter().filter(|load| only.as_ref().is_none_or(|only| *only == name(*load)));
    let loads: Vec<_> = loads.collect();
    let mut figures: Vec<[Figures; 2]> = loads.iter().map(|_| Default::default()).collect();
    for _ in 0..rounds() {
        for (load, figures) in loads.iter().copied().zip(&mut figures) {
            for (is_venue, figures) in [false, true].into_iter().zip(figures) {
                measure(is_venue, load, figures).await?;
            }
        }
    }
    say(&format!("{} rounds; median (range); latencies and processor time in µs\n", rounds()));
    say("| connections × in flight | server | orders/s | against the ceiling | p50 | p99 | processor time an order |");
    say("|---|---|---|---|---|---|---|");
    for (load, [ceiling, venue]) in loads.into_iter().zip(&figures) {
        for (name, row) in [("ceiling", ceiling), ("openoutcry", venue)] {
            let ratio = row.per_second.over(&ceiling.per_second);
            let times = [&row.p50_us, &row.p99_us, &row.cpu_us].map(|rounds| short(rounds.median())).join(" | ");
            say(&format!("| {} | {name} | {} | {ratio} | {times} |", self::name(load), row.per_second));
        }
    }
    Ok(())
}

/// A load as the table and the command line name it: `8x64`.
fn name((connections, in_flight): (usize, usize)) -> String {
    format!("{connections}x{in_flight}")
}

async fn measure(is_venue: bool, (connections, in_flight): (usize, usize), figures: &mut Figures) -> anyhow::Result<()> {
    let server = if is_venue { Server::venue().await? } else { Server::yardstick(CEILING).await? };
    let addr = server.addr;
    let (known, all) = tokio::sync::oneshot::channel();
    let subscriber = is_venue.then(|| spawn_local(follow(addr, all)));
    let cpu_before = server.cpu()?;
    let mut clients = JoinSet::new();
    for connection in 0..connections {
        clients.spawn_local(send_orders(Client::connect(addr, connection).await?, in_flight));
    }
    let (mut sent, mut latencies_ns) = (0, Vec::new());
    while let Some(client) = clients.join_next().await {
        let (acknowledged, client_ns) = client??;
        sent += acknowledged;
        latencies_ns.extend(client_ns);
    }
    let cpu = server.cpu()?.saturating_sub(cpu_before);
    if let Some(subscriber) = subscriber {
        ensure!(known.send(sent * EXECUTIONS).is_ok(), "the subscriber ended early");
        tokio::time::timeout(PATIENCE, subscriber).await???;
    }
    server.end().await?;
    figures.per_second.push(latencies_ns.len() as f64 / MEASURED.as_secs_f64());
    figures.p50_us.push(percentile_us(&mut latencies_ns, 500));
    figures.p99_us.push(percentile_us(&mut latencies_ns, 990));
    figures.cpu_us.push(cpu.as_secs_f64() * 1e6 / sent as f64);
    Ok(())
}

/// Keeps so many orders in flight until time is up, and waits for all; how many there were, and how long each that counts
/// took.
async fn send_orders(mut client: Client, in_flight: usize) -> anyhow::Result<(u64, Vec<u32>)> {
    let begin = Instant::now();
    let (mut acknowledged, mut latencies_ns) = (0, Vec::new());
    client.send(in_flight).await?;
    loop {
        let replies = client.read().await?;
        let now = Instant::now();
        for _ in 0..replies {
            let sent_at = client.sent_at.pop_front().context("a reply to an order")?;
            acknowledged += 1;
            if now >= begin + WARM_UP && now < begin + WARM_UP + MEASURED {
                latencies_ns.push(u32::try_from((now - sent_at).as_nanos()).unwrap_or(u32::MAX));
            }
        }
        if now < begin + WARM_UP + MEASURED {
            client.send(replies).await?;
        } else if client.sent_at.is_empty() {
            return Ok((acknowledged, latencies_ns));
        }
    }
}

/// Follows every execution until it is told how many there are, and has them all.
async fn follow(addr: SocketAddr, mut all: tokio::sync::oneshot::Receiver<u64>) -> anyhow::Result<()> {
    let mut subscriber = Subscriber::connect(addr, &scratch()).await?;
    subscriber.subscribe().await?;
    loop {
        tokio::select! {
            read = subscriber.read() => read?,
            last = &mut all => return subscriber.read_to(last?).await,
        }
    }
}

/// A connection that places orders.
struct Client {
    stream: TcpStream,
    orders: Orders,
    out: Vec<u8>,
    /// What was read and is not yet a whole frame.
    rest: Vec<u8>,
    /// When the orders that wait for replies were sent.
    sent_at: VecDeque<Instant>,
}

impl Client {
    async fn connect(addr: SocketAddr, connection: usize) -> anyhow::Result<Self> {
        let (stream, rest) = socket::connect(addr).await?;
        Ok(Self { stream, orders: Orders::new(connection), out: Vec::new(), rest, sent_at: VecDeque::new() })
    }

    /// Sends so many orders in one write.
    async fn send(&mut self, count: usize) -> anyhow::Result<()> {
        self.out.clear();
        for _ in 0..count {
            socket::push_text(self.orders.next_message(), &mut self.out)?;
        }
        let now = Instant::now();
        self.sent_at.extend(std::iter::repeat_n(now, count));
        Ok(self.stream.write_all(&self.out).await?)
    }

    /// Reads what is there; how many orders it acknowledges.
    async fn read(&mut self) -> anyhow::Result<usize> {
        self.rest.reserve(64 * 1024);
        ensure!(self.stream.read_buf(&mut self.rest).await? > 0, "the server closed the connection");
        let (mut at, mut replies) = (0, 0);
        while let Some((header, length)) = socket::frame(self.rest.get(at..).unwrap_or_default()) {
            let Some(payload) = self.rest.get(at + header..at + header + length) else { break };
            if payload.starts_with(br#"{"channel":"reply""#) {
                let head = payload.get(..payload.len().min(64)).unwrap_or_default();
                let ok = head.windows(9).any(|window| window == br#""ok":true"#);
                ensure!(ok, "an order was not placed: {}", String::from_utf8_lossy(payload));
                replies += 1;
            }
            at += header + length;
        }
        self.rest.drain(..at);
        Ok(replies)
    }
}

/// A message, as far as the yardstick reads it.
#[derive(Deserialize)]
struct Place<'a> {
    op: &'a str,
    id: u64,
    order: Order<'a>,
}

#[derive(Deserialize)]
struct Order<'a> {
    symbol: &'a str,
    side: &'a str,
    #[serde(rename = "type")]
    order_type: &'a str,
    quantity: &'a str,
    time_in_force: &'a str,
    client_order_id: &'a str,
}

/// Orders of one connection, and where to say that they are kept.
type Batch = (Vec<u64>, tokio::sync::mpsc::UnboundedSender<Vec<u64>>);

fn serve_ceiling() -> anyhow::Result<()> {
    // Whoever has left is not told.
    let to_keep = keep::start(|(ids, kept): Batch| drop(kept.send(ids)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        announce(listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            spawn_local(acknowledge(stream, to_keep.clone()));
        }
    })
}

/// One connection of the yardstick: hands everything that has come to be kept, and replies to everything that is.
async fn acknowledge(stream: TcpStream, to_keep: mpsc::Sender<(usize, Batch)>) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut socket = tokio_tungstenite::accept_async(stream).await?;
    let (kept, mut to_reply) = tokio::sync::mpsc::unbounded_channel::<Vec<u64>>();
    loop {
        tokio::select! {
            message = socket.next() => {
                let mut ids = Vec::new();
                let mut next = message;
                while let Some(message) = next {
                    if let Message::Text(text) = message? {
                        let Place { op, id, order } = serde_json::from_str(&text)?;
                        let Order { symbol, side, order_type, quantity, time_in_force, client_order_id } = order;
                        std::hint::black_box((op, symbol, side, order_type, quantity, time_in_force, client_order_id));
                        ids.push(id);
                    }
                    next = socket.next().now_or_never().flatten();
                }
                to_keep.send((ids.len(), (ids, kept.clone())))?;
            }
            Some(mut ids) = to_reply.recv() => {
                while let Ok(more) = to_reply.try_recv() {
                    ids.extend(more);
                }
                for id in ids {
                    let reply = format!(r#"{{"channel":"reply","id":{id},"ok":true,"order":{{"order_id":{id},"status":"filled"}}}}"#);
                    socket.feed(Message::text(reply)).await?;
                }
                socket.flush().await?;
            }
        }
    }
}
