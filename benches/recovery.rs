//! What a start costs: replaying the journal, and a snapshot of a million open orders, made and restored; and what a snapshot in the
//! making costs those who trade.
//!
//! `cargo bench --bench recovery` prints: records a second that are read and decoded; that are executed too, as a start does with
//! those whose executions are on disk: read ahead by a thread, with the check of their hashes, their client ids noted by another; for
//! a snapshot its bytes and how long the engine's state takes to become them, to come back, and to be hashed; and what a million
//! client ids take in memory. Times of one thread are those that it had a processor, that of all three is the wall's. The load:
//! a million commands, 60 % limit orders around a price, 10 % market orders, 30 % cancels, half of the orders with a client's id.
//!
//! Then, with a venue as it is by default that has a million open orders: the latencies of a client that sends one order after the
//! other, before and while a snapshot is made; the longest batch of the executor and the longest sync of the journal meanwhile (as
//! upper bounds of what its metrics count); and how long it takes from its start after a `kill -9` until it listens.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark says what it found, and stops where it cannot"
)]

mod common;

use std::{
    collections::BTreeMap,
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use common::{
    figures::percentile_us,
    http::{self, Client},
    orders::Orders,
    server::Server,
};
use openoutcry::{
    disk::{Disk, Folder},
    domain::*,
    engine::Limits,
    executor::{self, Replica},
    journal::{self, Durability, Journal, ReadAhead, Reader, Record, SEGMENT_BYTES, Settings},
    queue::Admission,
};

const COMMANDS: u64 = 1_000_000;
/// Records that are kept together.
const FRAME: usize = 256;
const EPOCH: u64 = 1;

/// How long this thread has had a processor: what others do on the machine does not count.
struct Started(Duration);

impl Started {
    fn now() -> Self {
        let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        Self(Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap()))
    }

    fn elapsed(&self) -> Duration {
        Self::now().0 - self.0
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

fn decimal(text: &str) -> Decimal {
    Decimal::parse(text).unwrap()
}

fn configuration() -> Vec<Command> {
    let spec = InstrumentSpec {
        symbol: Symbol::parse("BTC/USDT").unwrap(),
        tick_size: decimal("0.01"),
        lot_size: decimal("0.00001"),
        min_quantity: Decimal::ZERO,
        max_quantity: Decimal::ZERO,
        min_notional: Decimal::ZERO,
        price_band: Decimal::ZERO,
        max_open_orders: 100_000_000,
        unmarketable: Unmarketable::Rest,
        sources: Sources::default(),
        reference_price: None,
        maker_fee: FeeRate::default(),
        taker_fee: FeeRate::default(),
        fee_asset: FeeAsset::Quote,
        day_end: 0,
    };
    let ample = Money::from(decimal("1000000000"));
    let balances = ["BTC", "USDT"].map(|asset| (AssetName::parse(asset).unwrap(), ample));
    let account = AccountSpec { name: AccountName::parse("default").unwrap(), balances: Some(balances.to_vec()) };
    vec![Command::DefineInstrument(Box::new(spec)), Command::OpenAccount(Box::new(account))]
}

fn order(id: Option<u64>, side: Side, price: Option<i64>, lots: u64) -> Command {
    Command::Place(Place {
        account: AccountId(0),
        client_order_id: id.map(|id| ClientOrderId::parse(&format!("strategy-{id:07}")).unwrap()),
        symbol: Symbol::parse("BTC/USDT").unwrap(),
        instrument: Some(InstrumentId(0)),
        side,
        order_type: if price.is_some() { OrderType::Limit } else { OrderType::Market },
        time_in_force: if price.is_some() { TimeInForce::Gtc } else { TimeInForce::Ioc },
        expire_at: None,
        quantity: Decimal::new(i64::try_from(lots).unwrap(), 5).unwrap(),
        price: price.map(|ticks| Decimal::new(ticks, 2).unwrap()),
        trigger_price: None,
        trigger_by: None,
        post_only: false,
        stp: SelfTradePrevention::None,
    })
}

/// The load; with `resting`, orders that rest, far from each other's side.
fn commands(resting: bool) -> Vec<Command> {
    let mut random = Random(7);
    let mut all = configuration();
    let mut placed = 0;
    for number in 0..COMMANDS {
        let side = if random.below(2) == 0 { Side::Buy } else { Side::Sell };
        let id = (number % 2 == 0).then_some(number);
        let away = i64::try_from(random.below(1_000)).unwrap();
        let kind = if resting { 0 } else { random.below(10) };
        let price = match (side, resting) {
            (Side::Buy, true) => 4_199_999 - away,
            (Side::Sell, true) => 4_200_001 + away,
            (Side::Buy, false) => 4_200_100 - away,
            (Side::Sell, false) => 4_199_900 + away,
        };
        all.push(match kind {
            0..=5 => order(id, side, Some(price), 1 + random.below(100)),
            6 => order(id, side, None, 1 + random.below(100)),
            _ => Command::Cancel { account: AccountId(0), order_id: OrderId(1 + random.below(placed.max(1))) },
        });
        placed += u64::from(kind <= 6);
    }
    all
}

/// Writes the journal, with the hash of what each frame came to.
fn write(disk: &Arc<dyn Disk>) {
    let end = Reader::open(disk.clone(), 1).unwrap().finish().unwrap();
    let settings = Settings { durability: Durability::Os, segment_bytes: SEGMENT_BYTES, rules: 1, new_epoch: EPOCH };
    let mut started = journal::start(disk.clone(), end, &settings, |()| {}).unwrap();
    let records = (1..).zip(commands(false)).map(|(number, command)| Record { number, stamp: Nanos(1), command });
    let records: Vec<Record> = records.collect();
    let mut replica = Replica::new(Limits::default());
    for frame in records.chunks(FRAME) {
        let hash = replica.replay(frame, &mut Vec::new());
        started.journal.append(frame.to_vec(), hash, ());
    }
    drop(started.journal);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(started.ended.wait()).unwrap();
}

fn replay(disk: &Arc<dyn Disk>) {
    let per_second = |started: &Started| COMMANDS as f64 / started.elapsed().as_secs_f64() / 1e6;
    let mut records = Vec::new();
    let started = Started::now();
    let mut reader = Reader::open(disk.clone(), 1).unwrap();
    while reader.next(&mut records).unwrap().is_some() {}
    println!("read and decoded: {:.2} M records a second", per_second(&started));

    let (admission, mut replica) = (Admission::default(), Replica::new(Limits::default()));
    let started = Instant::now();
    let mut ahead = ReadAhead::start(Reader::open(disk.clone(), 1).unwrap()).unwrap();
    executor::replay::<anyhow::Error>(&mut replica, &admission, || Ok(ahead.more()?)).unwrap();
    let (took, ids) = (started.elapsed().as_secs_f64(), admission.size().0);
    let speed = COMMANDS as f64 / took / 1e6;
    println!("and executed:     {speed:.2} M records a second, {} executions, {ids} client ids", replica.executions());
}

fn snapshot() {
    let mut replica = Replica::new(Limits::default());
    let records = (1..).zip(commands(true)).map(|(number, command)| Record { number, stamp: Nanos(1), command });
    let records: Vec<Record> = records.collect();
    for frame in records.chunks(FRAME) {
        replica.replay(frame, &mut Vec::new());
    }
    let open = replica.engine().open_orders().count();
    let started = Started::now();
    let payload = replica.save(0);
    println!("{open} open orders: {} bytes, saved in {:?}", payload.len(), started.elapsed());
    let started = Started::now();
    let (restored, _) = Replica::restore(&payload, replica.number(), replica.stamp()).unwrap();
    println!("restored in {:?}", started.elapsed());
    let started = Started::now();
    let hash = restored.engine().state_hash();
    println!("hashed in {:?}", started.elapsed());
    assert_eq!(hash, replica.engine().state_hash());
}

fn ids() {
    let admission = Admission::default();
    let (mut replica, mut entries) = (Replica::new(Limits::default()), Vec::new());
    let place = |number| order(Some(number), Side::Buy, Some(1), 1);
    let all = configuration().into_iter().chain((0..COMMANDS).map(place));
    let records: Vec<Record> =
        (1..).zip(all).map(|(number, command)| Record { number, stamp: Nanos(1), command }).collect();
    let mut outcomes = Vec::new();
    replica.replay(&records, &mut outcomes);
    executor::entries(admission.secret(), &records, &outcomes, &mut entries);
    let started = Started::now();
    admission.load(&entries);
    let (known, bytes) = admission.size();
    println!("{known} client ids: {bytes} bytes in memory, {} in files, added in {:?}", known * 24, started.elapsed());
}

/// Orders that rest, in batches, over several connections.
async fn fill(server: &Server, orders: usize) {
    const BATCH: usize = 500;
    const CONNECTIONS: usize = 4;
    let mut filling = tokio::task::JoinSet::new();
    for connection in 0..CONNECTIONS {
        let addr = server.addr;
        filling.spawn_local(async move {
            let (mut client, mut request) = (Client::connect(addr).await.unwrap(), Vec::new());
            for number in (connection..orders / BATCH).step_by(CONNECTIONS) {
                let price = 30_000 + number % 1_000;
                let order =
                    format!(r#"{{"symbol":"BTC/USDT","side":"buy","type":"limit","quantity":"0.0001","price":"{price}"}}"#);
                request.clear();
                http::post("/orders/batch", &format!("[{}]", vec![order; BATCH].join(",")), &mut request);
                client.expect(&request, 200).await.unwrap();
            }
        });
    }
    filling.join_all().await;
}

/// The venue's metrics, by name and labels.
async fn metrics(client: &mut Client) -> BTreeMap<String, f64> {
    let text = client.expect(&http::get("/metrics"), 200).await.unwrap();
    let lines = std::str::from_utf8(text).unwrap().lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.rsplit_once(' ')).map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect()
}

/// The least bound of a histogram, in milliseconds, that nothing went beyond between two looks at it.
fn longest_ms(name: &str, before: &BTreeMap<String, f64>, after: &BTreeMap<String, f64>) -> f64 {
    let grown = |name: &str| after[name] - before[name];
    let all = grown(&format!("openoutcry_{name}_count"));
    let start = format!("openoutcry_{name}_bucket{{le=\"");
    let buckets = after.keys().filter_map(|key| Some((key, key.strip_prefix(&start)?.strip_suffix("\"}")?)));
    let within = buckets.filter(|(key, _)| grown(key) >= all);
    within.filter_map(|(_, bound)| bound.parse::<f64>().ok()).fold(f64::INFINITY, f64::min) * 1e3
}

/// What a client notices of a snapshot of a million open orders.
async fn stalls() {
    const OPEN: usize = 999_000;
    let server = Server::venue().await.unwrap();
    fill(&server, OPEN).await;
    let (mut client, mut looking) =
        (Client::connect(server.addr).await.unwrap(), Client::connect(server.addr).await.unwrap());
    let mut orders = Orders::new(0);
    let (mut quiet, mut snapshotting) = (Vec::new(), Vec::new());
    let mut before = metrics(&mut looking).await;
    assert_eq!(before["openoutcry_snapshots_total"], 0.0, "one was made already");
    let after = loop {
        // The millionth record begins it: these have some hundred left.
        let latencies = if quiet.len() < 900 { &mut quiet } else { &mut snapshotting };
        let sent = Instant::now();
        client.expect(orders.next(1), 201).await.unwrap();
        latencies.push(u32::try_from(sent.elapsed().as_nanos()).unwrap());
        if snapshotting.is_empty() && quiet.len() == 900 {
            before = metrics(&mut looking).await;
        }
        if snapshotting.len() % 200 == 199 {
            let now = metrics(&mut looking).await;
            if now["openoutcry_snapshots_total"] > 0.0 {
                break now;
            }
        }
    };
    for (name, latencies) in [("before", &mut quiet), ("meanwhile", &mut snapshotting)] {
        let [p50, p99, max] = [500, 990, 1_000].map(|per_mille| percentile_us(latencies, per_mille));
        println!("{name}: {} orders, p50 {p50:.0} µs, p99 {p99:.0} µs, longest {max:.0} µs", latencies.len());
    }
    println!(
        "meanwhile no batch of the executor took more than {} ms, no sync of the journal more than {} ms; the snapshot took {:.2} s",
        longest_ms("executor_batch_duration_seconds", &before, &after),
        longest_ms("journal_commit_duration_seconds", &before, &after),
        after["openoutcry_snapshot_last_duration_seconds"],
    );
    let (server, took) = server.restart().await.unwrap();
    println!("killed and started again: it listened after {took:?}");
    server.end().await.unwrap();
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(Folder::new(folder.path().join("journal")));
    write(&disk);
    for _ in 0..3 {
        replay(&disk);
    }
    snapshot();
    ids();
    common::run(async {
        stalls().await;
        Ok(())
    })
    .unwrap();
}
