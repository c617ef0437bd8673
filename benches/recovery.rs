//! What a start costs: replaying the journal, on one thread, and a snapshot of a million open orders, made and restored.
//!
//! `cargo bench --bench recovery` prints: records a second that are read and decoded, that are executed too (as a start does with
//! those whose executions are on disk, with their client ids and the check of their hashes); for a snapshot its bytes and how long
//! the engine's state takes to become them, to come back, and to be hashed; and what a million client ids take in memory. Times are
//! those that the thread had a processor. The load:
//! a million commands, 60 % limit orders around a price, 10 % market orders, 30 % cancels, half of the orders with a client's id.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark says what it found, and stops where it cannot")]

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
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
    executor::replay::<anyhow::Error>(&mut replica, &admission, || Ok(ahead.next()?)).unwrap();
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

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(Folder::new(folder.path().join("journal")));
    write(&disk);
    for _ in 0..3 {
        replay(&disk);
    }
    snapshot();
    ids();
}
