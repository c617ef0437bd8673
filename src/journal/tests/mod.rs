//! The journal as a whole: on a real folder, and on a disk that fails in every way a disk can.

mod ahead;
mod crash;
mod damage;
mod folder;
mod snapshots;
mod thread;

use std::sync::Arc;

use super::log::Log;
use super::*;
use crate::disk::{Disk, Folder};
use crate::domain::{
    AccountId, ClientOrderId, Decimal, InstrumentId, OrderId, OrderType, Place, SelfTradePrevention, Side, Symbol,
    TimeInForce,
};

const RULES: u32 = 3;
const EPOCH: u64 = 0xABCD;

fn settings(segment_bytes: u64) -> Settings {
    Settings { durability: Durability::Fsync, segment_bytes, rules: RULES, new_epoch: EPOCH }
}

/// Record `number`, which differs from every other.
fn record(number: u64) -> Record {
    let stamp = Nanos(i64::try_from(number / 2).unwrap());
    let command = match number % 4 {
        0 => Command::Tick,
        1 => Command::Cancel { account: AccountId(7), order_id: OrderId(number) },
        _ => Command::Place(Place {
            account: AccountId(1),
            client_order_id: Some(ClientOrderId::parse(&format!("order-{number:08}")).unwrap()),
            symbol: Symbol::parse("BTC/USDT").unwrap(),
            instrument: Some(InstrumentId(0)),
            side: Side::Buy,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Gtc,
            expire_at: None,
            quantity: Decimal::new(5, 1).unwrap(),
            price: Some(Decimal::new(42_000 + i64::try_from(number % 100).unwrap(), 2).unwrap()),
            trigger_price: None,
            trigger_by: None,
            post_only: false,
            stp: SelfTradePrevention::None,
        }),
    };
    Record { number, stamp, command }
}

fn records(numbers: std::ops::RangeInclusive<u64>) -> Vec<Record> {
    numbers.map(record).collect()
}

/// All records of a journal from `from` on, and its end.
fn read(disk: &Arc<dyn Disk>, from: u64) -> Result<(Vec<Record>, Recovered), JournalError> {
    let mut reader = Reader::open(disk.clone(), from)?;
    let (mut all, mut frame) = (Vec::new(), Vec::new());
    while let Some(read) = reader.next(&mut frame)? {
        assert_eq!(read.rules, RULES);
        all.append(&mut frame);
    }
    Ok((all, reader.finish()?))
}

fn reopen(disk: &Arc<dyn Disk>, segment_bytes: u64) -> Result<Log, JournalError> {
    let (_, recovered) = read(disk, 1)?;
    Log::open(disk.clone(), recovered, &settings(segment_bytes))
}
