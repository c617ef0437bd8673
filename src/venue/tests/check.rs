//! What is there after an end, compared with what was told, and with a run that never ended.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::Value;
use tokio::time::timeout;

use super::super::recovery::{Empty, read_snapshot};
use super::told::{Fact, book_numbers, read_from};
use super::*;
use crate::domain::{Deposit, Money, OrderId};
use crate::engine::Engine;
use crate::journal::{Reader, Snapshots};
use crate::queue::{Known, Use};
use crate::stream::{
    Executions,
    archive::{Archive, Settings},
    frames,
};

/// An engine that executes what the venue's does, and never ends: all that the journal keeps, in order.
pub(super) struct Shadow {
    replica: Replica,
    /// How often a start began with a snapshot.
    pub(super) snapshots: usize,
}

impl Default for Shadow {
    fn default() -> Self {
        Self { replica: Replica::new(Limits::default()), snapshots: 0 }
    }
}

impl Shadow {
    pub(super) fn number(&self) -> u64 {
        self.replica.number()
    }

    /// Executes what the journal has more.
    fn catch_up(&mut self, folders: &Folders) {
        let oldest = Reader::open_oldest(folders.journal.clone()).unwrap().oldest();
        if oldest > self.number() + 1 {
            // What is between was retired. What is in the snapshot was compared when it was made.
            let snapshots = Snapshots::new(folders.snapshots.clone());
            let numbers = snapshots.list().unwrap();
            let found = numbers.into_iter().find_map(|number| read_snapshot(&snapshots, number).ok());
            self.replica = found.expect("there is a snapshot").replica;
        }
        let mut reader = Reader::open(folders.journal.clone(), self.number() + 1).unwrap();
        let mut records = Vec::new();
        while let Some(frame) = reader.next(&mut records).unwrap() {
            let hash = self.replica.replay(&records, &mut Vec::new());
            assert_eq!(frame.executions_hash.unwrap_or(hash), hash, "up to record {}", self.number());
        }
    }
}

/// Recovers what the last life left, and lets go of it again.
pub(super) async fn look(run: &mut Run) {
    if run.lost_power {
        return look_at_rest(run).await;
    }
    let journal_is_synced = run.configured.mode == "fsync" || run.random.coin();
    let before = run.shadow.number();
    run.shadow.catch_up(&run.folders);
    assert!(run.shadow.number() >= before, "records are gone that were there at the start before");
    let read = ReadModel::new(read::Settings::default(), None);
    let empty = Empty { hub: Hub::new(16), read, reached: None, retain: None, journal_is_synced };
    let make = |replica, admission| Executor::resume(replica, admission, Arc::new(now), Duration::ZERO);
    let (executor, shown, kept) = recover(run.data_dir.path(), &run.folders, 7, empty, make).unwrap();
    run.shadow.snapshots += usize::from(kept.snapshot > 0);
    let engine = executor.engine();
    assert_eq!(engine.state_hash(), run.shadow.replica.engine().state_hash(), "after record {}", run.shadow.number());

    for ((account, id), order_id) in run.told.ids() {
        let known = shown.admission.find(*account, Use::Order, *id);
        assert!(matches!(known, Some(Known::Done(became)) if became.order_id == *order_id), "{id} is not known: {known:?}");
    }
    let mut deposited = BTreeMap::new();
    for Deposit { account, request_id, amount, .. } in &run.traffic.deposits {
        let id = request_id.expect("every deposit has an id");
        let is_done = matches!(shown.admission.find(*account, Use::Deposit, id), Some(Known::Done(_)));
        assert!(is_done || !run.told.deposits.contains(&(*account, id)), "the deposit {id} is not known");
        *deposited.entry(*account).or_default() += if is_done { amount.units() } else { 0 };
    }
    let mut facts = BTreeMap::new();
    let kept_whole = whole(run, kept.executions.archive.epoch());
    for account in engine.accounts() {
        let executions = shown.hub.executions(account.id).unwrap();
        assert_eq!(executions.last_seq(), account.last_seq.0, "of {}", account.name);
        let mut all = read_all(executions, executions.oldest_seq()).await;
        // What was retired, and what is not written again yet, each go on where the other ends.
        let before = read_whole(&kept_whole, account.id, executions.oldest_seq());
        all.splice(0..0, before);
        assert_eq!(all.len() as u64, account.last_seq.0, "of {}", account.name);
        for (seq, payload) in run.told.seen.get(&account.id).map(|seen| &seen.executions).into_iter().flatten() {
            let found = usize::try_from(*seq).ok().and_then(|seq| all.get(seq - 1));
            assert_eq!(found, Some(payload), "what a reader of {} saw is not what is there", account.name);
        }
        let deposited = deposited.get(&account.id).copied().unwrap_or(0);
        check_account(&all, account.id, engine, deposited, &mut facts);
    }
    for (fact, count) in &run.told.facts {
        let found = facts.get(fact).copied().unwrap_or(0);
        assert!(found >= *count, "{fact:?} was told {count} times and is there {found} times");
    }
    let mut seen = run.told.seen.iter().filter(|(_, seen)| !seen.executions.is_empty());
    assert!(seen.all(|(account, _)| engine.account(*account).is_some()), "an account is gone");
    for (instrument, (told, found)) in run.told.books.iter().zip(book_numbers(&shown.hub)).enumerate() {
        assert!(found >= *told, "the book of instrument {instrument} had change {told}, and goes on after {found}");
    }
    drop(kept.executions.closing);
    timeout(PATIENCE, kept.executions.ended.wait()).await.unwrap().unwrap();
}

/// Recovers what a loss of power left of what was not synced: all up to the newest snapshot, and what can be used of what came after. What
/// was told of the rest counts no more.
async fn look_at_rest(run: &mut Run) {
    let newest = Snapshots::new(run.folders.snapshots.clone()).list().unwrap().first().copied().unwrap_or(0);
    let recovered = |journal_is_synced| {
        let read = ReadModel::new(read::Settings::default(), None);
        let empty = Empty { hub: Hub::new(16), read, reached: None, retain: None, journal_is_synced };
        let make = |replica, admission| Executor::resume(replica, admission, Arc::new(now), Duration::ZERO);
        recover(run.data_dir.path(), &run.folders, 7, empty, make)
    };
    // Who tries with syncs first may be refused, and loses no more by it.
    if let Ok((_, _, kept)) = recovered(true) {
        drop(kept.executions.closing);
        timeout(PATIENCE, kept.executions.ended.wait()).await.unwrap().unwrap();
    }
    run.wait_for_lock();
    let (executor, shown, kept) = recovered(false).unwrap();
    run.shadow = Shadow { snapshots: run.shadow.snapshots, ..Shadow::default() };
    run.shadow.catch_up(&run.folders);
    let last_number = run.shadow.number();
    assert!(last_number >= newest, "record {newest} was synced, and {last_number} is the last");
    let aside = run.folders.journal.list().unwrap().into_iter().filter(|name| name.ends_with(".lost")).count();
    println!("power lost: the newest snapshot is {newest}, record {last_number} the last, {aside} files are set aside");
    let engine = executor.engine();
    assert_eq!(engine.state_hash(), run.shadow.replica.engine().state_hash(), "after record {last_number}");
    run.told.forget_requests(&shown.admission);
    // What was taken back is not what was retired.
    run.executions.forget_removed();
    let (mut facts, mut last_seqs) = (BTreeMap::new(), BTreeMap::new());
    for account in engine.accounts() {
        let executions = shown.hub.executions(account.id).unwrap();
        assert_eq!(executions.last_seq(), account.last_seq.0, "of {}", account.name);
        last_seqs.insert(account.id, account.last_seq.0);
        let oldest_seq = executions.oldest_seq();
        run.can_be_compared &= oldest_seq == 1;
        let all = read_all(executions, oldest_seq).await;
        for (seq, payload) in (oldest_seq..).zip(&all) {
            let seen = run.told.seen.get(&account.id).and_then(|seen| seen.executions.get(&seq));
            assert!(seen.is_none_or(|seen| seen == payload), "what a reader of {} saw is not what is there", account.name);
            if let Some((order_id, fact)) = fact(payload) {
                *facts.entry((account.id, order_id, fact)).or_default() += 1;
            }
        }
    }
    run.told.forget_executions(&last_seqs, &facts, book_numbers(&shown.hub).collect());
    drop(kept.executions.closing);
    timeout(PATIENCE, kept.executions.ended.wait()).await.unwrap().unwrap();
}

/// What an execution says for ever of its order.
fn fact(payload: &[u8]) -> Option<(OrderId, Fact)> {
    let execution: Value = serde_json::from_slice(payload).unwrap();
    let fact = match execution["type"].as_str().unwrap() {
        "accepted" | "rejected" => Fact::Placed,
        "canceled" => Fact::Canceled,
        "replaced" => Fact::Replaced,
        _ => return None,
    };
    Some((OrderId(execution["order_id"].as_u64().unwrap()), fact))
}

async fn read_all(executions: &Executions, oldest_seq: u64) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while oldest_seq + (all.len() as u64) <= executions.last_seq() {
        all.extend(read_from(executions, oldest_seq + all.len() as u64, 20_000).await.unwrap());
    }
    all
}

/// The log of executions with all that was ever retired from it.
fn whole(run: &Run, epoch: u64) -> Arc<Archive> {
    Archive::open(Arc::new(run.executions.copy_with_removed()), &Settings::new(epoch, u64::MAX)).unwrap()
}

/// An account's executions before `until`.
fn read_whole(archive: &Archive, account: AccountId, until: u64) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while (all.len() as u64) + 1 < until {
        let mut runs = VecDeque::new();
        archive.read(account, all.len() as u64 + 1, 20_000, &mut runs).unwrap();
        assert!(!runs.is_empty(), "{} of {account:?} was never there", all.len() + 1);
        all.extend(runs.iter().flat_map(frames).map(<[u8]>::to_vec));
    }
    all.truncate(usize::try_from(until).unwrap() - 1);
    all
}

/// 10^-18ths of an amount.
fn units(text: &Value) -> i128 {
    let text = text.as_str().unwrap();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{fraction:0<18}").parse().unwrap()
}

/// An account's executions follow each other, name no order and no client's id twice, and with the USD that it was given add up to its
/// balances.
fn check_account(
    all: &[Vec<u8>],
    account: AccountId,
    engine: &Engine,
    deposited: i128,
    facts: &mut BTreeMap<told::FactOf, usize>,
) {
    let mut totals: BTreeMap<String, i128> =
        FIRST_BALANCES.iter().map(|(asset, amount)| ((*asset).to_owned(), amount * 10i128.pow(18))).collect();
    *totals.entry("USD".to_owned()).or_default() += deposited;
    let (mut orders, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for (seq, payload) in (1u64..).zip(all) {
        let execution: Value = serde_json::from_slice(payload).unwrap();
        assert_eq!(execution["seq"], seq, "{execution}");
        if let Some((order_id, fact)) = fact(payload) {
            if fact == Fact::Placed {
                assert!(orders.insert(order_id), "an order was placed again: {execution}");
                let id = execution["client_order_id"].as_str();
                assert!(id.is_none_or(|id| ids.insert(id.to_owned())), "a client's id has two orders: {execution}");
            }
            *facts.entry((account, order_id, fact)).or_default() += 1;
        }
        if execution["last_qty"].is_string() {
            let (base, quote) = execution["symbol"].as_str().unwrap().split_once('/').unwrap();
            let sign = if execution["side"] == "buy" { 1 } else { -1 };
            let quantity = units(&execution["last_qty"]);
            *totals.entry(base.to_owned()).or_default() += sign * quantity;
            let worth = quantity / 10i128.pow(9) * (units(&execution["last_price"]) / 10i128.pow(9));
            *totals.entry(quote.to_owned()).or_default() -= sign * worth;
            let asset = execution["fee_asset"].as_str().unwrap().to_owned();
            *totals.entry(asset).or_default() -= units(&execution["fee"]);
        }
    }
    for balance in engine.balances(account) {
        let total = totals.remove(balance.asset.as_str()).unwrap_or(0);
        let found = Money::from_units(balance.free.units() + balance.held.units());
        assert_eq!(found, Money::from_units(total), "{} of {account:?}", balance.asset);
    }
    assert!(totals.values().all(|total| *total == 0), "{totals:?} are nowhere");
}
