//! The venue under the bench's load.

use std::{
    cell::RefCell,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use serde::Deserialize;
use tokio::task::{JoinSet, spawn_local};

use crate::common::{
    PATIENCE,
    figures::percentile_us,
    http::{self, Client},
    orders::{EXECUTIONS, Orders},
    server::Server,
    socket::{Subscriber, scratch},
};

/// How many orders a request of a producer has.
pub(crate) const BATCH: usize = 100;
/// How many producers there are: while one reads its answer, another's orders are executed.
const PRODUCERS: usize = 4;
/// Orders of the measurement of latencies, and how long one waits for the next.
const PACED_ORDERS: usize = 2_000;
const PACE: Duration = Duration::from_millis(1);

/// What came of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// Until the last subscriber had the last execution.
    pub(crate) took: Duration,
    /// The mean bytes of a frame.
    pub(crate) frame_bytes: f64,
}

/// From the first order to the last execution at the last of `count` subscribers.
pub(crate) async fn live(count: usize, executions: u64) -> anyhow::Result<Run> {
    let server = Server::venue().await?;
    let mut subscribers = connect(&server, count).await?;
    for subscriber in &mut subscribers {
        subscriber.subscribe().await?;
    }
    let started = Instant::now();
    let producing = spawn_local(produce(server.addr, executions));
    let frame_bytes = read_all(subscribers, executions).await?;
    let took = started.elapsed();
    producing.await??;
    server.end().await?;
    Ok(Run { took, frame_bytes })
}

/// How long so many executions take to be made while nobody follows them.
pub(crate) async fn unobserved(executions: u64) -> anyhow::Result<Duration> {
    let server = Server::venue().await?;
    let started = Instant::now();
    produce(server.addr, executions).await?;
    let took = started.elapsed();
    server.end().await?;
    Ok(took)
}

/// From the first subscription to the last execution at the last of `count` subscribers.
pub(crate) async fn catch_up(count: usize, executions: u64) -> anyhow::Result<Run> {
    let server = Server::venue().await?;
    produce(server.addr, executions).await?;
    let mut subscribers = connect(&server, count).await?;
    let started = Instant::now();
    for subscriber in &mut subscribers {
        subscriber.subscribe().await?;
    }
    let frame_bytes = read_all(subscribers, executions).await?;
    let took = started.elapsed();
    server.end().await?;
    Ok(Run { took, frame_bytes })
}

/// One order a millisecond, each executed at once, with two executions: how long from sending it to its last execution at the last of
/// `count` subscribers, in microseconds, half and 99 % of them. It was executed and synced to the disk on the way.
pub(crate) async fn paced(count: usize) -> anyhow::Result<(f64, f64)> {
    let server = Server::venue().await?;
    let mut subscribers = connect(&server, count).await?;
    let arrivals = Rc::new(RefCell::new(vec![Instant::now(); PACED_ORDERS]));
    let mut reading = JoinSet::new();
    for mut subscriber in subscribers.drain(..) {
        subscriber.subscribe().await?;
        reading.spawn_local(note_arrivals(subscriber, arrivals.clone()));
    }
    let sent = place_paced(server.addr).await?;
    while let Some(read) = tokio::time::timeout(PATIENCE, reading.join_next()).await? {
        read??;
    }
    server.end().await?;
    let arrivals = arrivals.borrow();
    let took = arrivals.iter().zip(&sent).map(|(arrived, sent)| arrived.saturating_duration_since(*sent));
    let mut took: Vec<u32> = took.map(|took| u32::try_from(took.as_nanos()).unwrap_or(u32::MAX)).collect();
    Ok((percentile_us(&mut took, 500), percentile_us(&mut took, 990)))
}

/// Places orders over several connections, each in its turn; when each was due, by its id: what is late counts.
async fn place_paced(addr: SocketAddr) -> anyhow::Result<Vec<Instant>> {
    let (started, mut placing) = (tokio::time::Instant::now(), JoinSet::new());
    for producer in 0..PRODUCERS {
        placing.spawn_local(async move {
            let (mut client, mut orders) = (Client::connect(addr).await?, Orders::new(producer));
            let mut sent = Vec::new();
            for turn in (producer..PACED_ORDERS).step_by(PRODUCERS) {
                let due = started + PACE * u32::try_from(turn)?;
                tokio::time::sleep_until(due).await;
                let order: Placed = serde_json::from_slice(client.expect(orders.next(1), 201).await?)?;
                sent.push((order.order_id, due.into_std()));
            }
            anyhow::Ok(sent)
        });
    }
    let mut sent = vec![started.into_std(); PACED_ORDERS];
    while let Some(placed) = placing.join_next().await {
        for (order_id, due) in placed?? {
            *sent.get_mut(order_id - 1).context("no others were placed")? = due;
        }
    }
    Ok(sent)
}

/// What is read of an order.
#[derive(Deserialize)]
struct Placed {
    order_id: usize,
}

/// Notes when the last execution of each order came; the last subscriber to have it has the last word.
async fn note_arrivals(mut subscriber: Subscriber, arrivals: Rc<RefCell<Vec<Instant>>>) -> anyhow::Result<Subscriber> {
    let orders = |subscriber: &Subscriber| usize::try_from(subscriber.last_seq / EXECUTIONS);
    while orders(&subscriber)? < PACED_ORDERS {
        let first = orders(&subscriber)?;
        subscriber.read().await?;
        let (now, end) = (Instant::now(), orders(&subscriber)?);
        arrivals.borrow_mut().get_mut(first..end).context("as many as were sent")?.fill(now);
    }
    Ok(subscriber)
}

pub(crate) async fn connect(server: &Server, count: usize) -> anyhow::Result<Vec<Subscriber>> {
    let scratch = scratch();
    let mut subscribers = Vec::with_capacity(count);
    for _ in 0..count {
        subscribers.push(Subscriber::connect(server.addr, &scratch).await.context("connecting a subscriber")?);
    }
    Ok(subscribers)
}

/// Reads until every subscriber has every execution; the mean bytes of a frame.
pub(crate) async fn read_all(subscribers: Vec<Subscriber>, executions: u64) -> anyhow::Result<f64> {
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
async fn produce(addr: SocketAddr, executions: u64) -> anyhow::Result<()> {
    let mut producing = JoinSet::new();
    for producer in 0..PRODUCERS {
        producing.spawn_local(async move {
            let mut client = Client::connect(addr).await?;
            let mut orders = Orders::new(producer);
            for _ in 0..executions / EXECUTIONS / (BATCH * PRODUCERS) as u64 {
                client.expect(orders.next(BATCH), 200).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(produced) = producing.join_next().await {
        produced??;
    }
    ensure!(http::executed(addr).await? * EXECUTIONS == executions, "an order was not executed");
    Ok(())
}
