//! History over a log in memory, whose entries a test lets through one after the other.

mod lacking;
mod unusable;

use std::{
    cell::Cell,
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use super::*;
use crate::domain::Symbol;
use crate::stream::{
    archive::{ArchiveError, Entry},
    frames, text_frame,
};

const ALICE: AccountId = AccountId(0);
const BOB: AccountId = AccountId(1);
/// A bound on failures, never a wait.
const PATIENCE: Duration = Duration::from_secs(20);

/// A log in memory.
#[derive(Debug, Default)]
struct Frames {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    entries: Vec<Entry>,
    /// How many of them may be read.
    let_through: usize,
    /// How many segments are full: what is pushed goes into the one after them.
    segment: u64,
    /// What the reader has passed.
    passed: Vec<Position>,
    /// How many had been read when the reader last had nothing to do.
    idle_at: Option<usize>,
}

/// A reader of such a log.
#[derive(Debug)]
struct Reader {
    log: u64,
    frames: Arc<Frames>,
    next: usize,
}

impl Source for Reader {
    fn is_growing(&mut self) -> bool {
        false
    }

    fn oldest_seqs(&self) -> Vec<(AccountId, u64)> {
        let state = self.frames.state.lock().unwrap();
        let mut oldest = BTreeMap::new();
        for entry in &state.entries {
            oldest.entry(entry.account).or_insert(entry.first_seq);
        }
        oldest.into_iter().collect()
    }

    fn execution(&self, account: AccountId, seq: u64) -> Result<Option<Vec<u8>>, ArchiveError> {
        let state = self.frames.state.lock().unwrap();
        let entries = state.entries.iter().take(state.let_through).filter(|entry| entry.account == account);
        let mut payloads = entries.flat_map(|entry| (entry.first_seq..).zip(frames(&entry.frames)));
        Ok(payloads.find(|(found, _)| *found == seq).map(|(_, payload)| payload.to_vec()))
    }

    fn passed(&mut self, position: Position) {
        self.frames.state.lock().unwrap().passed.push(position);
    }

    fn id(&self) -> u64 {
        self.log
    }

    fn seek(&mut self, position: Position) -> Result<(), ArchiveError> {
        self.next = usize::try_from(position.offset).unwrap();
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Entry>, ArchiveError> {
        let state = self.frames.state.lock().unwrap();
        let entry = state.entries.get(self.next).filter(|_| self.next < state.let_through).cloned();
        self.next += usize::from(entry.is_some());
        Ok(entry)
    }

    fn wait(&mut self, at_most: Duration) {
        let mut state = self.frames.state.lock().unwrap();
        state.idle_at = Some(self.next);
        self.frames.changed.notify_all();
        let idle = |state: &mut State| state.let_through <= self.next;
        drop(self.frames.changed.wait_timeout_while(state, at_most, idle).unwrap());
    }
}

impl Frames {
    /// Adds an entry of an account, a frame a line, each a number of an order and what happened to it.
    fn push(&self, account: AccountId, first_seq: u64, lines: &[&str]) {
        let mut state = self.state.lock().unwrap();
        let frames = lines.iter().zip(first_seq..).flat_map(|(line, seq)| text_frame(frame(account, seq, line).as_bytes()));
        let end = Position { segment: state.segment + 1, offset: state.entries.len() as u64 + 1 };
        let entry = Entry { account, first_seq, frames: frames.collect(), end };
        state.entries.push(entry);
        state.let_through += 1;
    }

    /// Holds everything after the first `entries` back.
    fn hold_after(&self, entries: usize) {
        self.state.lock().unwrap().let_through = entries;
    }

    fn let_all_through(&self) {
        let mut state = self.state.lock().unwrap();
        state.let_through = state.entries.len();
        self.changed.notify_all();
    }

    /// Waits until all that was let through is taken in.
    fn taken_in(&self) {
        let state = self.state.lock().unwrap();
        let busy = |state: &mut State| state.idle_at != Some(state.let_through);
        let (_state, waited) = self.changed.wait_timeout_while(state, PATIENCE, busy).unwrap();
        assert!(!waited.timed_out(), "history does not come to an end");
    }

    fn reader(self: &Arc<Self>) -> Reader {
        self.state.lock().unwrap().idle_at = None;
        Reader { log: 7, frames: self.clone(), next: 0 }
    }

    /// Two accounts; of alice's orders, 1 is filled, 3 rests, 4 is refused; bob's 2 is canceled.
    fn usual() -> Arc<Self> {
        let frames = Arc::new(Self::default());
        frames.push(ALICE, 1, &["1 accepted open", "1 filled filled", "3 accepted open"]);
        frames.push(BOB, 1, &["2 accepted open"]);
        frames.push(ALICE, 4, &["4 rejected rejected"]);
        frames.push(BOB, 2, &["2 canceled canceled", "2 cancel_rejected canceled"]);
        frames
    }
}

/// The frame of a line: the order's number, the execution's type, the order's status.
fn frame(account: AccountId, seq: u64, line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let [order, kind, status] = words[..] else { panic!("{line}") };
    let rejected = if kind == "rejected" { r#""unknown_symbol""# } else { "null" };
    format!(
        r#"{{"channel":"executions","seq":{seq},"exec_id":{},"type":"{kind}","order_id":{order},"client_order_id":null,
        "account":"{}","symbol":"BTC/USDT","side":"buy","order_type":"limit","status":"{status}","quantity":"2","cum_qty":"0",
        "leaves_qty":"0","avg_price":null,"last_qty":null,"last_price":null,"liquidity":null,"trade_id":null,"fee":null,
        "fee_asset":null,"code":{rejected},"reason":null,"ts":"2026-01-01T00:00:00.00000000{}Z",
        "time_in_force":"gtc","price":"10","trigger_price":null,"expire_at":null}}"#,
        order.parse::<u64>().unwrap() * 1_000 + seq * 10 + u64::from(account.0),
        if account == ALICE { "alice" } else { "bob" },
        seq % 10,
    )
}

/// A folder with a history that runs over `frames`.
struct Venue {
    history: History,
    ended: Ended,
    reached: Reached,
}

fn file(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join(FILE)
}

/// What the venue has published: the [`Frames::usual`] log, and a little more.
fn published() -> BTreeMap<AccountId, Seq> {
    [(ALICE, Seq(9)), (BOB, Seq(9))].into()
}

fn start(file: PathBuf, epoch: &str, source: impl Source + 'static) -> Venue {
    let reached = Reached::of_file(&file);
    let (epoch, source) = (epoch.to_owned(), Box::new(source));
    let is_whole = source.oldest_seqs().iter().all(|(_, oldest)| *oldest == 1);
    let parts = Parts { file, epoch, source, reached: reached.clone(), published: published(), is_whole };
    let (history, ended) = History::start(parts, ()).unwrap();
    Venue { history, ended, reached }
}

/// Leaves a file with the history of [`Frames::usual`].
async fn leave_usual(folder: &tempfile::TempDir) {
    let frames = Frames::usual();
    let running = start(file(folder), "e", frames.reader());
    frames.taken_in();
    running.stop().await;
}

impl Venue {
    async fn stop(self) {
        self.history.stop();
        tokio::time::timeout(PATIENCE, self.ended).await.unwrap().unwrap();
    }

    async fn status(&self, account: AccountId, order_id: u64, through: u64) -> Result<Option<&'static str>, Missing> {
        let order = self.history.order(account, OrderId(order_id), Seq(through)).await?;
        Ok(order.map(|order| order.status.as_str()))
    }

    /// The ids of an account's closed orders, newest first.
    async fn closed(&self, account: AccountId, through: u64) -> Result<Vec<u64>, Missing> {
        let query = ClosedQuery { symbol: None, after: None, limit: 100 };
        let orders = self.history.closed(account, query, Seq(through)).await?;
        Ok(orders.iter().map(|order| order.order_id.0).collect())
    }

    /// Checks that this is the history of [`Frames::usual`], all of it.
    async fn is_usual(&self) {
        assert_eq!(self.status(ALICE, 1, 4).await, Ok(Some("filled")));
        assert_eq!(self.status(ALICE, 4, 4).await, Ok(Some("rejected")));
        assert_eq!(self.status(ALICE, 3, 4).await, Ok(None), "open orders are not among the answers");
        assert_eq!(self.status(ALICE, 2, 4).await, Ok(None), "bob's");
        assert_eq!(self.closed(ALICE, 4).await, Ok(vec![4, 1]));
        assert_eq!(self.closed(BOB, 3).await, Ok(vec![2]));
        assert_eq!((self.reached.of(ALICE), self.reached.of(BOB), self.history.lag(10)), (Seq(4), Seq(3), 3));
    }
}

#[tokio::test]
async fn what_was_taken_in_is_answered_and_what_was_not_is_behind_never_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let frames = Frames::usual();
    frames.hold_after(2);
    let running = start(file(&folder), "e", frames.reader());
    frames.taken_in();
    assert_eq!(running.status(ALICE, 1, 4).await, Ok(Some("filled")), "what has ended stays as it is");
    assert_eq!(running.status(ALICE, 4, 4).await, Err(Missing::Behind));
    assert_eq!(running.status(ALICE, 4, 3).await, Ok(None), "who asks only for so much is told so");
    assert_eq!(running.status(BOB, 2, 2).await, Err(Missing::Behind), "it was open when it was last heard of");
    assert_eq!(running.closed(ALICE, 4).await, Err(Missing::Behind));
    assert_eq!(running.closed(ALICE, 3).await, Ok(vec![1]));
    frames.let_all_through();
    frames.taken_in();
    running.is_usual().await;
    running.stop().await;
}

#[tokio::test]
async fn a_later_start_goes_on_where_the_file_ends_in_any_log() {
    let folder = tempfile::tempdir().unwrap();
    let frames = Frames::usual();
    frames.hold_after(3);
    let running = start(file(&folder), "e", frames.reader());
    frames.taken_in();
    running.stop().await;
    assert_eq!(Reached::of_file(&file(&folder)).of(ALICE), Seq(4));

    // A log made anew has another number and other entries.
    let other = Arc::new(Frames::default());
    other.push(BOB, 1, &["2 accepted open", "2 canceled canceled", "2 cancel_rejected canceled"]);
    other.push(ALICE, 1, &["1 accepted open", "1 filled filled", "3 accepted open", "4 rejected rejected"]);
    let running = start(file(&folder), "e", Reader { log: 8, ..other.reader() });
    other.taken_in();
    running.is_usual().await;
    running.stop().await;

    let frames = Frames::usual();
    let running = start(file(&folder), "e", frames.reader());
    frames.taken_in();
    running.is_usual().await;
    running.stop().await;
    assert_eq!(summary(&file(&folder)).unwrap(), Summary { epoch: "e".to_owned(), orders: 4, executions: 7 });
}

#[tokio::test]
async fn a_log_that_was_cut_and_written_again_in_other_pieces_is_read_anew() {
    let folder = tempfile::tempdir().unwrap();
    let frames = Frames::usual();
    frames.hold_after(1);
    let running = start(file(&folder), "e", frames.reader());
    frames.taken_in();
    running.stop().await;

    // The same log: what history has ends after its first entry, which has less of alice now.
    let cut = Arc::new(Frames::default());
    cut.push(BOB, 1, &["2 accepted open", "2 canceled canceled", "2 cancel_rejected canceled"]);
    cut.push(ALICE, 4, &["4 rejected rejected"]);
    let running = start(file(&folder), "e", cut.reader());
    cut.taken_in();
    assert_eq!(running.closed(BOB, 3).await, Err(Missing::Behind), "nothing tells that bob's were before");
    cut.push(BOB, 4, &["5 rejected rejected"]);
    cut.let_all_through();
    cut.taken_in();
    assert_eq!(running.closed(BOB, 4).await, Ok(vec![5, 2]));
    assert_eq!(running.closed(ALICE, 4).await, Ok(vec![4, 1]));
    running.stop().await;
}

#[tokio::test]
async fn where_the_log_has_lost_its_beginning_history_says_gone_not_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let frames = Arc::new(Frames::default());
    frames.push(ALICE, 3, &["1 filled filled", "4 rejected rejected"]);
    frames.push(BOB, 1, &["2 accepted open", "2 canceled canceled"]);
    let running = start(file(&folder), "e", frames.reader());
    frames.taken_in();
    assert_eq!(running.status(ALICE, 1, 4).await, Err(Missing::Gone));
    assert_eq!(running.status(ALICE, 4, 4).await, Ok(Some("rejected")));
    assert_eq!(running.closed(ALICE, 4).await, Err(Missing::Gone));
    assert_eq!(running.closed(BOB, 2).await, Ok(vec![2]));
    running.stop().await;
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_made_anew_from_the_log() {
    type Spoil = fn(&PathBuf);
    let sql = |file: &PathBuf, sql: &str| rusqlite::Connection::open(file).unwrap().execute_batch(sql).unwrap();
    let spoils: [(&str, Spoil); 6] = [
        ("deleted", |file| fs::remove_file(file).unwrap()),
        ("no database", |file| fs::write(file, "not a database, but long enough to be taken for one".repeat(99)).unwrap()),
        ("empty", |file| fs::write(file, "").unwrap()),
        ("another program's", |file| {
            fs::remove_file(file).unwrap();
            rusqlite::Connection::open(file).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
        }),
        ("damaged inside", |file| {
            let mut bytes = fs::read(file).unwrap();
            bytes[4_096..].fill(0xEE);
            fs::write(file, bytes).unwrap();
        }),
        ("too far", |file| {
            let far = "UPDATE accounts SET last_seq = 99";
            rusqlite::Connection::open(file).unwrap().execute_batch(far).unwrap();
        }),
    ];
    let folder = tempfile::tempdir().unwrap();
    let file = file(&folder);
    let check = async |what: &str, epoch: &str| {
        let frames = Frames::usual();
        let running = start(file.clone(), epoch, frames.reader());
        frames.taken_in();
        println!("{what}");
        running.is_usual().await;
        running.stop().await;
        assert_eq!(summary(&file).unwrap().epoch, epoch);
    };
    check("new", "e").await;
    for (what, spoil) in spoils {
        spoil(&file);
        check(what, "e").await;
    }
    sql(&file, "PRAGMA user_version = 99");
    check("another schema", "e").await;
    check("another epoch", "f").await;
}

#[tokio::test]
async fn a_locked_file_holds_up_nothing_and_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let frames = Frames::usual();
    frames.hold_after(1);
    let running = start(file(&folder), "e", frames.reader());
    frames.taken_in();
    let other = rusqlite::Connection::open(file(&folder)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    frames.let_all_through();
    let failed = async {
        while running.history.failures() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, failed).await.unwrap();
    assert_eq!(running.closed(ALICE, 3).await, Ok(vec![1]), "what it had, it still says");
    assert_eq!(running.closed(ALICE, 4).await, Err(Missing::Behind));
    other.execute_batch("ROLLBACK").unwrap();
    frames.taken_in();
    running.is_usual().await;
    running.stop().await;
}

#[tokio::test]
async fn a_file_that_is_found_damaged_while_it_is_asked_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let frames = Frames::usual();
    let running = start(file(&folder), "e", frames.reader());
    frames.taken_in();
    let other = rusqlite::Connection::open(file(&folder)).unwrap();
    other.execute_batch("UPDATE orders SET side = 'up' WHERE order_id = 1").unwrap();
    assert_eq!(running.status(ALICE, 1, 4).await, Err(Missing::Behind));
    let repaired = async {
        while running.status(ALICE, 1, 4).await != Ok(Some("filled")) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, repaired).await.unwrap();
    frames.taken_in();
    running.is_usual().await;
    running.stop().await;
}

#[tokio::test]
async fn pages_follow_on_each_other_by_id_and_symbol() {
    let folder = tempfile::tempdir().unwrap();
    let frames = Arc::new(Frames::default());
    for n in 0..50 {
        let (order, seq) = (n + 1, n * 2 + 1);
        frames.push(ALICE, seq, &[&format!("{order} accepted open"), &format!("{order} canceled canceled")]);
    }
    let running = start(file(&folder), "e", frames.reader());
    frames.taken_in();
    let page = async |after: Option<u64>, symbol: &str| -> Vec<u64> {
        let symbol = Some(Symbol::parse(symbol).unwrap());
        let query = ClosedQuery { symbol, after: after.map(OrderId), limit: 7 };
        let orders = running.history.closed(ALICE, query, Seq(100)).await.unwrap();
        orders.iter().map(|order| order.order_id.0).collect()
    };
    let mut seen = Vec::new();
    while let found = page(seen.last().copied(), "BTC/USDT").await
        && !found.is_empty()
    {
        assert!(found.len() <= 7);
        seen.extend(found);
    }
    assert_eq!(seen, (1..=50).rev().collect::<Vec<u64>>());
    assert_eq!(page(None, "ETH/USDT").await, Vec::<u64>::new());
    assert_eq!(page(Some(u64::MAX), "BTC/USDT").await.first(), Some(&50));
    running.stop().await;
}

#[tokio::test]
async fn the_log_is_told_what_it_need_not_keep_once_that_is_durable() {
    let folder = tempfile::tempdir().unwrap();
    let frames = Frames::usual();
    let running = start(file(&folder), "e", frames.reader());
    frames.taken_in();
    let passed = |frames: &Frames| frames.state.lock().unwrap().passed.iter().map(|end| end.segment).collect::<Vec<_>>();
    // At a start, at once: nothing more may ever come.
    assert_eq!(passed(&frames), [1]);
    frames.push(ALICE, 5, &["5 rejected rejected"]);
    frames.let_all_through();
    frames.taken_in();
    assert_eq!(passed(&frames), [1], "it is in the same segment");
    frames.state.lock().unwrap().segment = 6;
    frames.push(ALICE, 6, &["6 rejected rejected"]);
    frames.let_all_through();
    frames.taken_in();
    assert_eq!(passed(&frames), [1, 7]);
    running.stop().await;
    let running = start(file(&folder), "e", frames.reader());
    frames.taken_in();
    assert_eq!(passed(&frames), [1, 7, 7]);
    running.stop().await;
}

#[test]
fn what_makes_it_durable_writes_something_to_sync() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store::Store::open(&file(&folder), "e").unwrap();
    store.begin().unwrap().commit(7, Position { segment: 1, offset: 2 }).unwrap();
    let beside = || fs::metadata(folder.path().join(format!("{FILE}-wal"))).unwrap().len();
    let before = beside();
    store.make_durable().unwrap();
    assert!(beside() > before, "an empty transaction is not synced");
    assert_eq!(store.position(7).unwrap(), Some(Position { segment: 1, offset: 2 }));
}

#[test]
fn what_a_transaction_leaves_when_it_must_end_is_taken_in_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = store::Store::open(&file(&folder), "e").unwrap();
    let source = &mut Frames::usual().reader();
    // Seven executions, and the four orders that they change: there are so many places to leave at.
    for goes_on in 0..12 {
        let asked = Cell::new(0);
        let must_end = || asked.replace(asked.get() + 1) == goes_on;
        source.seek(Position::START).unwrap();
        let taken_in = transaction::take_in(source, &mut store, Gap::Known, &must_end);
        if goes_on < 11 {
            assert!(matches!(taken_in, Err(HistoryError::Interrupted)), "at {goes_on}: {taken_in:?}");
            assert_eq!(store.last_seqs().unwrap(), [], "at {goes_on}");
        } else {
            assert_eq!(taken_in.unwrap().executions, 7);
        }
    }
    assert_eq!(store.last_seqs().unwrap(), [(ALICE, Seq(4)), (BOB, Seq(3))]);
}
