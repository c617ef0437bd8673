//! The thread: it writes what waits, lets go when told to, and fails aloud.

use std::collections::BTreeMap;

use super::*;
use crate::disk::simulated::Fault;
use crate::stream::archive::queue::{Queue, Work};

fn opened(disk: &SimulatedDisk, journal_end: u64) -> Arc<Archive> {
    Archive::open(Arc::new(disk.clone()), &settings(journal_end, SEGMENT_BYTES)).unwrap()
}

#[tokio::test]
async fn what_was_appended_is_written_and_durable_when_the_thread_has_ended() {
    let disk = SimulatedDisk::new(1);
    let archive = opened(&disk, 0);
    let mut appended = archive.appended();
    let watermark = archive.watermark(AccountId(3));
    let (closing, ended) = archive.start(()).unwrap();
    archive.append(Some(1), &[block(3, 1, 2)]);
    appended.changed().await.unwrap();
    assert_eq!((archive.last_seq(AccountId(3)), watermark.load(Ordering::Acquire)), (2, 2));
    for number in 2..=200 {
        archive.append(Some(number), &[block(3, number * 2 - 1, 2)]);
    }
    archive.append(Some(210), &[]);
    drop(closing);
    ended.wait().await.unwrap();
    assert_eq!((archive.held_number(), archive.synced_number()), (210, 210));
    disk.crash();
    let again = opened(&disk, 210);
    assert_eq!((again.held_number(), again.cut()), (210, None));
    assert_eq!(read_all(&again, 3, 1, 1_000).unwrap(), expected(3, 1..401));
}

#[tokio::test]
async fn parts_whose_last_never_came_are_cut_though_the_thread_has_ended() {
    let disk = SimulatedDisk::new(1);
    let archive = opened(&disk, 0);
    let (closing, ended) = archive.start(()).unwrap();
    archive.append(Some(1), &[block(0, 1, 1)]);
    // Neither mark before is passed over, not even one alone.
    archive.append(Some(2), &[]);
    archive.append(None, &[block(0, 2, 3)]);
    drop(closing);
    ended.wait().await.unwrap();
    assert_eq!((archive.held_number(), archive.last_seq(AccountId(0))), (2, 4));
    let again = opened(&disk, 2);
    assert_eq!((again.held_number(), again.last_seq(AccountId(0))), (2, 1));
}

#[tokio::test]
async fn syncing_on_request_says_how_far_it_came() {
    let disk = SimulatedDisk::new(1);
    let archive = opened(&disk, 0);
    let (_closing, _ended) = archive.start(()).unwrap();
    archive.append(Some(5), &[block(0, 1, 1)]);
    archive.sync();
    // Each sync wakes the thread, which does what was asked of it before it takes anything more.
    while archive.synced_number() < 5 {
        tokio::task::yield_now().await;
    }
    disk.crash();
    assert_eq!(opened(&disk, 5).held_number(), 5);
}

#[test]
fn a_sync_comes_once_what_waited_when_it_was_asked_for_is_written_however_much_came_since() {
    let queue = Queue::new(Duration::from_secs(600), 0, BTreeMap::new());
    let numbers = |work| match work {
        Work::Write { number, .. } => number,
        Work::Sync => None,
        other => panic!("{other:?}"),
    };
    let append = |number: u64| queue.append(Some(number), &[block(0, number, 1)]);
    (1..=2).for_each(append);
    queue.sync();
    assert_eq!(numbers(queue.take()), Some(2));
    append(3);
    queue.sync();
    assert_eq!(numbers(queue.take()), None);
    append(4);
    queue.sync();
    append(5);
    assert_eq!(numbers(queue.take()), Some(5));
    assert_eq!(numbers(queue.take()), None);
}

#[tokio::test]
async fn a_failed_write_ends_the_thread_with_the_error_and_holds_up_nobody() {
    let disk = SimulatedDisk::new(1);
    let archive = opened(&disk, 0);
    disk.fail_after(2, Fault::Full);
    let (_closing, ended) = archive.start(()).unwrap();
    let huge = block(0, 1, 1).1.bytes.len();
    assert!(huge > 0);
    for number in 1..=50 {
        // More than may wait: this would block for ever if nobody let go.
        let mut block = BlockBuilder::new(number);
        block.push(|into| into.resize(2 * 1024 * 1024, b'x'));
        archive.append(Some(number), &[(AccountId(0), block.build())]);
    }
    let error = ended.wait().await.unwrap_err().to_string();
    assert_eq!(error, "cannot write simulated/00000000000000000001.frames");
}

#[tokio::test]
async fn a_hole_ends_the_thread() {
    let archive = opened(&SimulatedDisk::new(1), 0);
    let (_closing, ended) = archive.start(()).unwrap();
    archive.append(Some(1), &[block(0, 1, 1)]);
    archive.append(Some(2), &[block(0, 3, 1)]);
    assert!(matches!(ended.wait().await, Err(ArchiveError::Hole { last_seq: 1, found: 3, .. })));
}

#[test]
fn who_waits_without_a_runtime_is_woken() {
    let archive = opened(&SimulatedDisk::new(1), 0);
    let (_closing, _ended) = archive.start(()).unwrap();
    assert_eq!(archive.wait(0, Duration::ZERO), 0);
    archive.append(Some(1), &[block(0, 1, 1)]);
    assert_eq!(archive.wait(0, Duration::from_secs(20)), 1);
    assert_eq!(archive.last_seq(AccountId(0)), 1);
}
