//! One stream of executions to many subscribers, beside what else could have been used for it.
//!
//! **Load**: N = 10, 100 and 1,000 subscribers of one account's executions, all read by one thread. *Live*: they are connected and
//! at the end, then four producers have batches of 100 orders executed as fast as the venue takes them, every order on the disk.
//! *Catch-up*: the executions are there first; then all subscribe at once from the first one on. Executions are those of market
//! orders, two an order. How fast they are made while nobody follows them is said too: nothing live can be faster than that.
//!
//! **Beside it**, in alternation, all with messages as long as the venue's executions:
//!
//! - `tokio::sync::broadcast` behind axum's own WebSocket, a send and a flush a message, 2 workers; fed as the venue is, 200
//!   messages at a time, and one at a time, giving way to whoever it woke.
//! - One log of finished frames in memory and a cursor a plain TCP connection, 2 workers: the ceiling of this design.
//! - Redis and NATS, where they are installed, in their own protocols.
//!
//! **Figure**: deliveries a second, N × messages / the time until the last subscriber has the last one; all are counted. Connecting
//! is excluded; executing the orders is not (live). Then, with 100 subscribers and one order a millisecond, how long an execution
//! takes to the last of them. Subscribers share the machine with what they measure.
//!
//! `BENCH_ROUNDS=5`; `BENCH_SUBSCRIBERS=10,100` measures those alone. 1,000 subscribers need 1,100 file descriptors here and in the
//! server: `ulimit -n 4096` where the limit is lower.

#[path = "../common/mod.rs"]
mod common;

mod brokers;
mod venue;
mod yardsticks;

use std::time::{Duration, Instant};

use brokers::Broker;
use common::{
    figures::{Rounds, short},
    http::{self, Client},
    orders::EXECUTIONS,
    rounds, say,
    server::Server,
};
use venue::{BATCH, Run, connect, read_all};
use yardsticks::{BROADCAST, CURSORS, message};

/// So many subscribers, and how many messages each gets: of the venue and the ceiling, of the others, and of broadcast.
struct Case {
    subscribers: usize,
    executions: u64,
    brokers: u64,
    broadcast: u64,
}

/// As many messages as each manages in about the same time.
const CASES: [Case; 3] = [
    Case { subscribers: 10, executions: 80_000, brokers: 80_000, broadcast: 40_000 },
    Case { subscribers: 100, executions: 80_000, brokers: 20_000, broadcast: 4_000 },
    Case { subscribers: 1_000, executions: 20_000, brokers: 2_000, broadcast: 400 },
];
/// Subscribers of the measurement of latencies.
const PACED_SUBSCRIBERS: usize = 100;
/// The header of a frame that is as long as an execution's.
const FRAME_HEADER: usize = 4;

/// The figures of one number of subscribers, by what was measured.
#[derive(Default)]
struct Figures(Vec<(&'static str, Rounds)>);

impl Figures {
    fn push(&mut self, name: &'static str, case: &Case, messages: u64, took: Duration) {
        let per_second = case.subscribers as f64 * messages as f64 / took.as_secs_f64();
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, rounds)) => rounds.push(per_second),
            None => {
                let mut rounds = Rounds::default();
                rounds.push(per_second);
                self.0.push((name, rounds));
            }
        }
    }

    fn of(&self, name: &str) -> Rounds {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, rounds)| rounds.clone()).unwrap_or_default()
    }
}

const LIVE: &str = "openoutcry, live";
const CATCH_UP: &str = "openoutcry, catching up";
const SINGLY: &str = "broadcast, a message at a time";
const BATCHED: &str = "broadcast, 200 at a time";
const CEILING: &str = "a log and cursors, bare";

fn main() -> anyhow::Result<()> {
    match yardsticks::serve() {
        Some(served) => served,
        None => common::run(bench()),
    }
}

async fn bench() -> anyhow::Result<()> {
    let mut found = Vec::new();
    for broker in [Broker::Redis, Broker::Nats] {
        match broker.version().await {
            Some(version) => found.push((broker, version)),
            None => say(&format!("{} is not installed, and left out: {}", broker.name(), broker.install())),
        }
    }
    let wanted = std::env::var("BENCH_SUBSCRIBERS").ok();
    let wanted = |case: &&Case| {
        let count = case.subscribers.to_string();
        wanted.as_ref().is_none_or(|wanted| wanted.split(',').any(|wanted| wanted == count))
    };
    let cases: Vec<&Case> = CASES.iter().filter(wanted).collect();
    // Not counted: it warms up, and says how long a frame is.
    let Run { frame_bytes, .. } = venue::live(10, 40_000).await?;
    let text = message(1, frame_bytes.round() as usize - FRAME_HEADER);
    let mut figures: Vec<Figures> = cases.iter().map(|_| Figures::default()).collect();
    let [mut unobserved, mut paced50, mut paced99] = [(); 3].map(|()| Rounds::default());
    for _ in 0..rounds() {
        let executions = 80_000;
        unobserved.push(executions as f64 / venue::unobserved(executions).await?.as_secs_f64());
        for (case, figures) in cases.iter().zip(&mut figures) {
            round(case, figures, &found, &text).await?;
        }
        let (p50, p99) = venue::paced(PACED_SUBSCRIBERS).await?;
        paced50.push(p50);
        paced99.push(p99);
    }
    let brokers: Vec<&str> = found.iter().map(|(_, version)| version.as_str()).collect();
    say(&format!(
        "{} rounds; frames of {} bytes; {} executions a second while nobody follows them; {}\n",
        rounds(),
        short(frame_bytes),
        unobserved,
        brokers.join(", ")
    ));
    print(&cases, &figures);
    say(&format!(
        "\n2,000 executions a second to {PACED_SUBSCRIBERS} subscribers, from sending the order to the last of them:"
    ));
    say(&format!("p50 {paced50} µs, p99 {paced99} µs"));
    Ok(())
}

/// Measures everything once.
async fn round(case: &Case, figures: &mut Figures, brokers: &[(Broker, String)], text: &str) -> anyhow::Result<()> {
    let (count, batch) = (case.subscribers, BATCH * usize::try_from(EXECUTIONS)?);
    let took = yardstick(BROADCAST, count, case.broadcast, 1, text.len()).await?;
    figures.push(SINGLY, case, case.broadcast, took);
    let took = yardstick(BROADCAST, count, case.broadcast, batch, text.len()).await?;
    figures.push(BATCHED, case, case.broadcast, took);
    let Run { took, .. } = venue::live(count, case.executions).await?;
    figures.push(LIVE, case, case.executions, took);
    for (broker, _) in brokers {
        figures.push(broker.name(), case, case.brokers, broker.measure(count, case.brokers, text).await?);
    }
    let Run { took, .. } = venue::catch_up(count, case.executions).await?;
    figures.push(CATCH_UP, case, case.executions, took);
    let took = yardstick(CURSORS, count, case.executions, batch, text.len()).await?;
    figures.push(CEILING, case, case.executions, took);
    Ok(())
}

fn print(cases: &[&Case], figures: &[Figures]) {
    say("| subscribers | server | deliveries/s | live is so many times that | catching up |");
    say("|---|---|---|---|---|");
    for (case, figures) in cases.iter().zip(figures) {
        let (live, catch_up) = (figures.of(LIVE), figures.of(CATCH_UP));
        for (name, row) in &figures.0 {
            say(&format!("| {} | {name} | {row} | {} | {} |", case.subscribers, live.over(row), catch_up.over(row)));
        }
    }
}

/// How long it takes a yardstick to bring so many messages to the last of `count` subscribers, fed with so many at a time.
async fn yardstick(argument: &str, count: usize, messages: u64, batch: usize, bytes: usize) -> anyhow::Result<Duration> {
    let server = Server::yardstick(&format!("{argument}{bytes}")).await?;
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
