//! A venue under load for as long as one likes: its memory stays flat, its latency stable, and nothing fails.
//!
//! **Load**: for 3 s as many orders as 8 sockets with 64 in flight each can place, which is the maximum here; then half of that,
//! paced, for ten minutes or as many as the first argument says (`cargo bench --bench soak -- 60`), or at the rate of the
//! second (`-- 10 12000`). One more socket follows every execution. Orders have no client ids, for those are remembered for ever.
//!
//! **Disk**: the defaults, but that only the newest gigabytes of the journal and of the log of executions are kept: an order takes
//! some 0.9 kB in them. History has every order, in some 0.3 kB, so that it grows; and the log keeps what history has not taken in,
//! which is the more the faster the machine trades: on two cores history took in 40,000 of 120,000 orders a second once the log was longer
//! than it should be. The last column says how much there is of each; ten minutes of that came to 52 GB.
//!
//! **Timing** of a paced order is from when it was due to having read its reply: a stall counts for all that waits behind it. A
//! connection has at most 256 in flight, so that the queue takes them all.
//!
//! A line a minute. It ends with an error if an order was not placed or an execution is missing, if memory at the end is more
//! than a tenth above that of the first third, or if half of the later minutes have more than twice the p99 of the earlier.

mod common;

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    net::SocketAddr,
    rc::Rc,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use common::{
    PATIENCE,
    figures::{Rounds, percentile_us, short},
    orders::EXECUTIONS,
    say,
    server::Server,
    socket::{self, Subscriber, scratch},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::{JoinSet, spawn_local},
    time::{Instant, interval, sleep, timeout},
};

/// Connections that place orders.
const CONNECTIONS: usize = 8;
/// How many orders each has in flight while the maximum is measured.
const IN_FLIGHT: u64 = 64;
/// How many a paced one has at most.
const IN_FLIGHT_MAX: u64 = 256;
/// How long the maximum is measured.
const MAXIMUM: Duration = Duration::from_secs(3);
/// How often a paced connection looks for what is due: latencies have half of this more than the venue takes.
const PACE: Duration = Duration::from_millis(1);
/// How often the subscriber says that it is there.
const BEAT: Duration = Duration::from_secs(20);
/// One line of figures.
const MINUTE: Duration = Duration::from_secs(60);
/// What is kept of the journal and of the log of executions.
const RETAIN: &str = "journal.retain = \"2GiB\"\nstream.retain = \"4GiB\"\n";
/// What is kept, by the names in the data directory.
const KEPT: [&str; 4] = ["journal", "snapshots", "executions", "history.sqlite"];
/// How much memory may grow from the first third to the end.
const GROWTH: f64 = 1.1;
/// How much p99 may grow from the first half to the second.
const SLOWER: f64 = 2.0;

/// What the connections come to together.
#[derive(Default)]
struct Progress {
    /// Of orders that were answered since somebody looked, in nanoseconds.
    latencies: RefCell<Vec<u32>>,
    /// Orders that were answered, in all.
    answered: Cell<u64>,
    /// The last execution that the subscriber has.
    followed: Cell<u64>,
}

fn main() -> anyhow::Result<()> {
    common::run(bench())
}

async fn bench() -> anyhow::Result<()> {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<u32>().ok());
    let (minutes, rate) = (numbers.next().unwrap_or(10), numbers.next());
    let server = Server::venue_of(RETAIN).await?;
    let progress = Rc::new(Progress::default());
    let mut subscriber = spawn_local(follow(server.addr, progress.clone()));
    let rate = match rate {
        Some(rate) => f64::from(rate),
        None => {
            load(server.addr, None, MAXIMUM, &progress).await?;
            let maximum = progress.answered.get() as f64 / MAXIMUM.as_secs_f64();
            say(&format!("maximum: {} orders a second", short(maximum)));
            maximum / 2.0
        }
    };
    progress.latencies.take();
    say(&format!("{} orders a second for {minutes} min; latencies in µs\n", short(rate)));
    say(
        "| minute | orders | p50 | p99 | p99.9 | slowest | memory, MB | executions not yet followed | disk, GB: journal, snapshots, executions, history |",
    );
    say("|---|---|---|---|---|---|---|---|---|");
    let loading = load(server.addr, Some(rate / CONNECTIONS as f64), MINUTE * minutes, &progress);
    let minutes = tokio::select! {
        minutes = async { tokio::try_join!(loading, report(minutes, &server, &progress)) } => minutes?.1,
        followed = &mut subscriber => bail!("the subscriber ended: {followed:?}"),
    };
    let all = progress.answered.get() * EXECUTIONS;
    let following = async {
        while progress.followed.get() < all {
            sleep(PACE).await;
        }
    };
    timeout(PATIENCE, following).await.context("an execution is missing")?;
    server.end().await?;
    minutes.check()
}

/// The figures of every minute.
#[derive(Default)]
struct Minutes {
    p99_us: Vec<f64>,
    memory: Vec<f64>,
}

impl Minutes {
    /// Whether they stay where they were.
    fn check(&self) -> anyhow::Result<()> {
        let median = |figures: &[f64]| {
            figures
                .iter()
                .fold(Rounds::default(), |mut all, one| {
                    all.push(*one);
                    all
                })
                .median()
        };
        let (memory, p99) = (&self.memory, &self.p99_us);
        let early = memory.iter().take(memory.len().div_ceil(3)).copied().fold(0.0, f64::max);
        let last = memory.last().copied().context("a minute at least")?;
        ensure!(last <= early * GROWTH, "memory grew from {} to {}", short(early), short(last));
        let (first, second) = p99.split_at(p99.len() / 2);
        if !first.is_empty() {
            let (first, second) = (median(first), median(second));
            ensure!(second <= first * SLOWER, "p99 grew from {} to {} µs", short(first), short(second));
        }
        Ok(())
    }
}

/// Says how each minute was.
async fn report(minutes: u32, server: &Server, progress: &Progress) -> anyhow::Result<Minutes> {
    let mut all = Minutes::default();
    let started = Instant::now();
    for minute in 1..=minutes {
        tokio::time::sleep_until(started + MINUTE * minute).await;
        let mut latencies = progress.latencies.take();
        let [p50, p99, p999, slowest] = [500, 990, 999, 1_000].map(|per_mille| percentile_us(&mut latencies, per_mille));
        let memory = server.memory()? as f64;
        let behind = (progress.answered.get() * EXECUTIONS).saturating_sub(progress.followed.get());
        let times = [p50, p99, p999, slowest].map(short).join(" | ");
        let disk = KEPT
            .iter()
            .map(|name| Ok(format!("{:.1}", server.disk(name)? as f64 / 1e9)))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let (orders, disk) = (latencies.len(), disk.join(", "));
        say(&format!("| {minute} | {orders} | {times} | {:.0} | {behind} | {disk} |", memory / 1e6));
        all.p99_us.push(p99);
        all.memory.push(memory);
    }
    Ok(all)
}

/// Places orders for so long: at a rate by connection, or as many as will go.
async fn load(addr: SocketAddr, rate: Option<f64>, time: Duration, progress: &Rc<Progress>) -> anyhow::Result<()> {
    let mut clients = JoinSet::new();
    for connection in 0..CONNECTIONS {
        let client = Client::connect(addr, connection, rate, progress.clone()).await?;
        clients.spawn_local(client.run(time));
    }
    while let Some(client) = clients.join_next().await {
        client??;
    }
    Ok(())
}

/// Follows every execution.
async fn follow(addr: SocketAddr, progress: Rc<Progress>) -> anyhow::Result<()> {
    let mut subscriber = Subscriber::connect(addr, &scratch()).await?;
    subscriber.subscribe().await?;
    let mut beat = interval(BEAT);
    loop {
        tokio::select! {
            read = subscriber.read() => read?,
            _ = beat.tick() => subscriber.beat().await?,
        }
        ensure!(subscriber.executions == subscriber.last_seq, "an execution was skipped");
        progress.followed.set(subscriber.last_seq);
    }
}

/// A connection that places orders.
struct Client {
    stream: TcpStream,
    /// Orders a second; as many as are answered if none.
    rate: Option<f64>,
    /// The frame of an order.
    order: Vec<u8>,
    /// What was read and is not yet a whole frame.
    rest: Vec<u8>,
    started: Instant,
    sent: u64,
    /// When the orders that wait for replies were due.
    due: VecDeque<Instant>,
    progress: Rc<Progress>,
}

impl Client {
    async fn connect(
        addr: SocketAddr,
        connection: usize,
        rate: Option<f64>,
        progress: Rc<Progress>,
    ) -> anyhow::Result<Self> {
        let (stream, rest) = socket::connect(addr).await?;
        // Every other connection sells what the others buy.
        let side = if connection.is_multiple_of(2) { "buy" } else { "sell" };
        let mut order = Vec::new();
        let terms = r#""symbol":"BTC/USDT","type":"market","quantity":"0.001""#;
        socket::push_text(&format!(r#"{{"op":"place","id":1,"order":{{{terms},"side":"{side}"}}}}"#), &mut order)?;
        Ok(Self { stream, rate, order, rest, started: Instant::now(), sent: 0, due: VecDeque::new(), progress })
    }

    /// Places orders for so long, and waits for all replies.
    async fn run(mut self, time: Duration) -> anyhow::Result<()> {
        let mut pace = interval(PACE);
        self.started = Instant::now();
        loop {
            let now = Instant::now();
            if now < self.started + time {
                self.send(now).await?;
            } else if self.due.is_empty() {
                return Ok(());
            }
            self.rest.reserve(64 * 1024);
            tokio::select! {
                _ = pace.tick() => {}
                read = self.stream.read_buf(&mut self.rest) => {
                    ensure!(read? > 0, "the server closed the connection");
                    self.count()?;
                }
            }
        }
    }

    /// Sends the orders that are due, in one write.
    async fn send(&mut self, now: Instant) -> anyhow::Result<()> {
        let answered = self.sent - self.due.len() as u64;
        let wanted = match self.rate {
            Some(rate) => ((now - self.started).as_secs_f64() * rate) as u64,
            None => answered + IN_FLIGHT,
        };
        let wanted = wanted.min(answered + IN_FLIGHT_MAX);
        let count = wanted.saturating_sub(self.sent);
        for order in self.sent..self.sent + count {
            let due = self.rate.map(|rate| self.started + Duration::from_secs_f64((order + 1) as f64 / rate));
            self.due.push_back(due.unwrap_or(now).min(now));
        }
        self.sent += count;
        Ok(self.stream.write_all(&self.order.repeat(count as usize)).await?)
    }

    /// Counts the replies that were read.
    fn count(&mut self) -> anyhow::Result<()> {
        let (now, mut at) = (Instant::now(), 0);
        while let Some((header, length)) = socket::frame(self.rest.get(at..).unwrap_or_default()) {
            let Some(payload) = self.rest.get(at + header..at + header + length) else { break };
            if payload.starts_with(br#"{"channel":"reply""#) {
                let ok = payload.starts_with(br#"{"channel":"reply","id":1,"ok":true"#);
                ensure!(ok, "an order was not placed: {}", String::from_utf8_lossy(payload));
                let due = self.due.pop_front().context("a reply to an order")?;
                let latency = u32::try_from((now - due).as_nanos()).unwrap_or(u32::MAX);
                self.progress.latencies.borrow_mut().push(latency);
                self.progress.answered.set(self.progress.answered.get() + 1);
            }
            at += header + length;
        }
        self.rest.drain(..at);
        Ok(())
    }
}
