//! How fast the journal takes records, and gives them back.
//!
//! `cargo bench --bench journal [FOLDER]`: batches of so many orders (limit, with a client id of 16 characters) are appended
//! as fast as the writer takes them, in a folder of the file system under test (default: the temporary one); then all of
//! it is read. Excluded: making the records, opening the journal. Included: encoding, checksums, writes, syncs, making
//! segments ahead, the hand-over of effects. The records a second of a lone batch are those of one who waits for each.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench that fails has no figures, and figures are printed")]

use std::{
    path::PathBuf,
    sync::{Arc, mpsc},
    time::Instant,
};

use openoutcry::disk::{Disk, Folder};
use openoutcry::domain::{
    AccountId, ClientOrderId, Command, Decimal, InstrumentId, Nanos, OrderType, Place, SelfTradePrevention, Side, Symbol,
    TimeInForce,
};
use openoutcry::journal::{Durability, Journal, Reader, Record, SEGMENT_BYTES, Settings, Started, start};

/// Records for each figure with batches of many.
const RECORDS: u64 = 1_000_000;
/// Rounds of one batch at a time.
const LONE: u64 = 2_000;

fn main() {
    // Cargo says `--bench`; what else is said is the folder.
    let folder = std::env::args().skip(1).find(|word| !word.starts_with("--"));
    let folder = folder.map_or_else(std::env::temp_dir, PathBuf::from);
    for durability in [Durability::Fsync, Durability::Os] {
        for batch in [1, 16, 512] {
            let records = RECORDS.min(batch * 50_000) / batch * batch;
            let folder = tempfile::tempdir_in(&folder).unwrap();
            let disk: Arc<dyn Disk> = Arc::new(Folder::new(folder.path().join("journal")));
            append(&disk, durability, batch, records);
            if batch == 512 {
                replay(&disk, records);
            }
        }
        let folder = tempfile::tempdir_in(&folder).unwrap();
        lone(&(Arc::new(Folder::new(folder.path())) as Arc<dyn Disk>), durability);
    }
}

fn open<E: Send + 'static>(
    disk: &Arc<dyn Disk>,
    durability: Durability,
    release: impl FnMut(E) + Send + 'static,
) -> Started<E> {
    let recovered = Reader::open(disk.clone(), 1).unwrap().finish().unwrap();
    let settings = Settings { durability, segment_bytes: SEGMENT_BYTES, rules: 1, new_epoch: 1 };
    start(disk.clone(), recovered, &settings, release).unwrap()
}

fn append(disk: &Arc<dyn Disk>, durability: Durability, batch: u64, records: u64) {
    let batches: Vec<Vec<Record>> =
        (0..records / batch).map(|index| (index * batch + 1..=index * batch + batch).map(record).collect()).collect();
    let (kept, last) = mpsc::channel();
    let release = move |number: u64| {
        if number == records {
            kept.send(()).unwrap();
        }
    };
    let mut started = open(disk, durability, release);
    let begun = Instant::now();
    for batch in batches {
        let number = batch.last().unwrap().number;
        started.journal.append(batch, number, number);
    }
    last.recv().unwrap();
    let million = records as f64 / begun.elapsed().as_secs_f64() / 1e6;
    println!("append {durability:?}, batches of {batch}: {million:.2} M records/s");
}

fn replay(disk: &Arc<dyn Disk>, records: u64) {
    for _ in 0..3 {
        let begun = Instant::now();
        let mut reader = Reader::open(disk.clone(), 1).unwrap();
        let (mut frame, mut count) = (Vec::new(), 0);
        while reader.next(&mut frame).unwrap().is_some() {
            count += frame.len() as u64;
        }
        assert_eq!((count, reader.finish().unwrap().last_number), (records, records));
        println!("replay: {:.2} M records/s", count as f64 / begun.elapsed().as_secs_f64() / 1e6);
    }
}

fn lone(disk: &Arc<dyn Disk>, durability: Durability) {
    let (kept, reply) = mpsc::channel();
    let mut started = open(disk, durability, move |()| kept.send(()).unwrap());
    let mut waits: Vec<u128> = (1..=LONE)
        .map(|number| {
            let begun = Instant::now();
            started.journal.append(vec![record(number)], 0, ());
            reply.recv().unwrap();
            begun.elapsed().as_micros()
        })
        .collect();
    waits.sort_unstable();
    let at = |permille: usize| waits.get(waits.len() * permille / 1000).copied().unwrap();
    println!("append {durability:?}, one at a time: p50 {} µs, p99 {} µs", at(500), at(990));
}

fn record(number: u64) -> Record {
    let command = Command::Place(Place {
        account: AccountId(0),
        client_order_id: Some(ClientOrderId::parse(&format!("client-{number:09}")).unwrap()),
        symbol: Symbol::parse("BTC/USDT").unwrap(),
        instrument: Some(InstrumentId(0)),
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        expire_at: None,
        quantity: Decimal::new(5, 1).unwrap(),
        price: Some(Decimal::new(4_200_001 + i64::try_from(number % 1000).unwrap(), 2).unwrap()),
        trigger_price: None,
        trigger_by: None,
        post_only: false,
        stp: SelfTradePrevention::None,
    });
    Record { number, stamp: Nanos(number.cast_signed()), command }
}
