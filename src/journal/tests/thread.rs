//! The writer's threads: order, back-pressure, the end, and what is not released when the disk fails.

use std::{
    future::poll_fn,
    sync::{Mutex, mpsc},
};

use futures_util::FutureExt;
use tokio::time::timeout;

use super::*;
use crate::disk::simulated::{Fault, SimulatedDisk};

/// A bound on failures, never a wait.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

fn empty() -> Recovered {
    Reader::open(Arc::new(SimulatedDisk::new(0)), 1).unwrap().finish().unwrap()
}

#[tokio::test]
async fn everything_appended_is_released_in_order_before_the_thread_ends() {
    let disk = SimulatedDisk::new(1);
    let released = Arc::new(Mutex::new(Vec::new()));
    let sink = released.clone();
    let release = move |effects: u64| sink.lock().unwrap().push(effects);
    let mut started = start(Arc::new(disk.clone()), empty(), &settings(8192), release).unwrap();
    assert_eq!(started.epoch, EPOCH);
    // Far more batches than may wait: `append` blocks and goes on. Every third has nothing to keep.
    let mut next = 1;
    for batch in 0..1000 {
        let records = if batch % 3 == 0 { Vec::new() } else { records(next..=next + 2) };
        next += records.len() as u64;
        started.journal.append(records, batch, batch);
    }
    drop(started.journal);
    started.ended.wait().await.unwrap();
    assert!(!started.health.is_failed());
    assert_eq!(*released.lock().unwrap(), (0..1000).collect::<Vec<u64>>());
    let disk: Arc<dyn Disk> = Arc::new(disk);
    assert_eq!(read(&disk, 1).unwrap().0, records(1..=next - 1));
}

#[tokio::test]
async fn a_failing_disk_releases_nothing_more_and_says_so() {
    for fault in [Fault::Sync, Fault::ShortWrite, Fault::Full] {
        let disk = SimulatedDisk::new(2);
        let (released, outcomes) = mpsc::channel();
        let release = move |reply: mpsc::Sender<u64>| {
            reply.send(1).unwrap();
            released.send(()).unwrap();
        };
        let Started { mut journal, health, ended, .. } =
            start(Arc::new(disk.clone()), empty(), &settings(8192), release).unwrap();
        let (reply, answer) = mpsc::channel();
        journal.append(records(1..=1), 0, reply);
        outcomes.recv().unwrap();
        assert_eq!(answer.recv(), Ok(1));

        disk.fail_next(fault);
        let (reply, answer) = mpsc::channel();
        journal.append(records(2..=2), 0, reply);
        // The reply's sender was dropped, not used.
        assert!(answer.recv().is_err());
        assert!(health.is_failed(), "{fault:?}");
        let error = ended.wait().await.unwrap_err();
        assert!(matches!(error, JournalError::Io { .. }), "{error}");
        let (reply, answer) = mpsc::channel();
        journal.append(records(3..=3), 0, reply);
        assert!(answer.recv().is_err());
        assert!(outcomes.try_recv().is_err());
    }
}

#[tokio::test]
async fn a_gate_that_hangs_leaves_no_room_and_blocks_nobody_who_waits_for_it() {
    let (let_out, let_go) = mpsc::channel();
    let release = move |()| let_go.recv().unwrap_or(());
    let mut started = start(Arc::new(SimulatedDisk::new(5)), empty(), &settings(8192), release).unwrap();
    let mut appended = 0;
    let room = |journal: &mut File<()>| poll_fn(|cx| journal.poll_room(cx)).now_or_never().is_some();
    while room(&mut started.journal) {
        // Room that was found is not taken twice.
        assert!(room(&mut started.journal));
        appended += 1;
        started.journal.append(records(appended..=appended), 0, ());
    }
    assert_eq!(appended, UNRELEASED_MAX as u64);
    drop(let_out);
    timeout(PATIENCE, poll_fn(|cx| started.journal.poll_room(cx))).await.unwrap();
    appended += 1;
    started.journal.append(records(appended..=appended), 0, ());
    drop(started.journal);
    started.ended.wait().await.unwrap();
}

#[tokio::test]
async fn once_it_has_failed_nobody_waits_for_room() {
    let disk = SimulatedDisk::new(6);
    let mut started = start(Arc::new(disk.clone()), empty(), &settings(8192), |()| {}).unwrap();
    disk.fail_next(Fault::Sync);
    for number in 1..=2 * UNRELEASED_MAX as u64 {
        timeout(PATIENCE, poll_fn(|cx| started.journal.poll_room(cx))).await.unwrap();
        started.journal.append(records(number..=number), 0, ());
    }
    assert!(started.ended.wait().await.is_err());
}

/// Tells of everything that it is asked for.
struct Telling(mpsc::Sender<(&'static str, u64)>);

impl Gate<u64> for Telling {
    type Ready = u64;

    fn prepare(&mut self, effects: u64) -> u64 {
        self.0.send(("prepare", effects)).unwrap();
        effects
    }

    fn release(&mut self, ready: u64) {
        self.0.send(("release", ready)).unwrap();
    }
}

#[tokio::test]
async fn what_is_not_kept_may_be_made_ready_and_is_not_released() {
    let disk = SimulatedDisk::new(4);
    let (telling, told) = mpsc::channel();
    let Started { mut journal, ended, .. } =
        start(Arc::new(disk.clone()), empty(), &settings(8192), Telling(telling)).unwrap();
    journal.append(records(1..=1), 0, 1);
    assert_eq!((told.recv(), told.recv()), (Ok(("prepare", 1)), Ok(("release", 1))));
    disk.fail_next(Fault::Sync);
    journal.append(records(2..=2), 0, 2);
    assert!(ended.wait().await.is_err());
    assert_eq!(told.iter().collect::<Vec<_>>(), [("prepare", 2)]);
}

#[tokio::test]
async fn a_panic_while_releasing_fails_the_journal_too() {
    let release = |()| panic!("a release that cannot");
    let mut started = start(Arc::new(SimulatedDisk::new(3)), empty(), &settings(8192), release).unwrap();
    started.journal.append(records(1..=1), 0, ());
    assert!(matches!(started.ended.wait().await, Err(JournalError::Panicked)));
    assert!(started.health.is_failed());
}
