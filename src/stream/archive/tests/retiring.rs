//! The oldest segments go, and nothing else does: whatever is read meanwhile, however it ends in between.

use std::thread;

use super::*;
use crate::disk::simulated::Fault;

const SEGMENT: u64 = 1_500;
const RETAIN: u64 = 6_000;
/// An account that trades once, at the very beginning.
const EARLY: u32 = 9;

fn retaining(journal_end: u64) -> Settings {
    Settings { retain: Some(RETAIN), ..settings(journal_end, SEGMENT) }
}

/// Four executions of account 0 and two of account 1; in the first batch, three of [`EARLY`].
fn batch(number: u64) -> Vec<(AccountId, Block)> {
    let mut blocks = vec![block(0, number * 4 - 3, 4), block(1, number * 2 - 1, 2)];
    blocks.extend((number == 1).then(|| block(EARLY, 1, 3)));
    blocks
}

fn append(log: &mut Written, batches: std::ops::RangeInclusive<u64>) -> Result<(), ArchiveError> {
    for number in batches {
        log.append(number, &batch(number))?;
    }
    Ok(())
}

fn names(disk: &SimulatedDisk, end: &str) -> Vec<String> {
    disk.list().unwrap().into_iter().filter(|name| name.ends_with(end)).collect()
}

/// Checks that the log is as it should be after so many batches, of which the oldest are gone.
fn check(disk: &SimulatedDisk, archive: &Arc<Archive>, batches: u64) {
    let oldest_seqs: BTreeMap<_, _> = archive.oldest_seqs().into_iter().collect();
    for (account, last) in [(0, batches * 4), (1, batches * 2), (EARLY, 3)] {
        let (account, oldest) = (account, oldest_seqs[&AccountId(account)]);
        assert_eq!(archive.last_seq(AccountId(account)), last, "the last of {account}");
        assert!(oldest > 1 && oldest <= last + 1, "{oldest} is the oldest of {account}, {last} the last");
        assert_eq!(read_all(archive, account, oldest, 3_000).unwrap(), expected(account, oldest..last + 1));
        for gone in [1, oldest - 1] {
            let read = archive.read(AccountId(account), gone, 100, &mut VecDeque::new()).unwrap();
            assert_eq!(read, Read::Gone { oldest_seq: oldest });
        }
    }
    assert_eq!(oldest_seqs[&AccountId(EARLY)], 4, "nothing of it is kept");
    let (found, _) = follow(archive, Position::START).unwrap();
    assert_eq!(found.keys().map(|account| account.0).collect::<Vec<_>>(), [0, 1]);
    let segments = names(disk, ".frames");
    let bytes: usize = segments.iter().map(|name| disk.bytes(name).len()).sum();
    let padding = bytes as u64 - archive.bytes();
    assert!(padding < ALIGNMENT as u64, "only the last is padded, and {padding} bytes are too many");
    assert!(archive.bytes() <= RETAIN + SEGMENT, "{} bytes are kept", archive.bytes());
    let starts = archive.read_state().spans_with(&index::Index::default()).len();
    assert_eq!((starts, segments.len()), (3, archive.read_state().lengths.len()));
}

#[test]
fn the_oldest_go_once_there_is_more_and_every_number_goes_on() {
    let disk = SimulatedDisk::new(1);
    let mut log = Written::open(&disk, &retaining(0)).unwrap();
    append(&mut log, 1..=4).unwrap();
    assert_eq!(log.archive.oldest_seq(AccountId(0)), Some(1), "there is not more yet");
    append(&mut log, 5..=100).unwrap();
    check(&disk, &log.archive, 100);
    assert_eq!(names(&disk, ".index").len() + 1, names(&disk, ".frames").len());

    log.writer.close().unwrap();
    let mut again = Written::open(&disk, &retaining(100)).unwrap();
    assert_eq!((again.archive.id(), again.archive.held_number()), (log.archive.id(), 100));
    check(&disk, &again.archive, 100);
    assert!(again.archive.expect(AccountId(EARLY), 5).is_err(), "its last is known");
    // A replay from before what is kept brings nothing twice, and the quiet one goes on where it was.
    append(&mut again, 1..=100).unwrap();
    again.append(101, &[block(EARLY, 2, 4)]).unwrap();
    assert_eq!(again.archive.last_seq(AccountId(EARLY)), 5);
    assert_eq!(read_all(&again.archive, EARLY, 4, 1_000).unwrap(), expected(EARLY, 4..6));
    let all = Settings { retain: None, ..retaining(101) };
    let oldest = again.archive.oldest_seq(AccountId(0));
    again.writer.close().unwrap();
    assert_eq!(Written::open(&disk, &all).unwrap().archive.oldest_seq(AccountId(0)), oldest);
}

#[test]
fn the_newest_two_stay_whatever_they_hold() {
    let disk = SimulatedDisk::new(1);
    let mut log = Written::open(&disk, &Settings { retain: Some(0), ..retaining(0) }).unwrap();
    for number in 1..=60 {
        append(&mut log, number..=number).unwrap();
        assert!(names(&disk, ".frames").len() <= 2);
        let oldest = log.archive.oldest_seq(AccountId(0)).unwrap();
        assert_eq!(read_all(&log.archive, 0, oldest, 1_000).unwrap(), expected(0, oldest..number * 4 + 1));
    }
    assert_eq!(log.archive.last_seq(AccountId(EARLY)), 3);
}

#[test]
fn who_reads_behind_keeps_what_it_has_not_passed_across_a_restart() {
    let disk = SimulatedDisk::new(1);
    let held = Settings { read_behind: true, ..retaining(0) };
    let mut log = Written::open(&disk, &held).unwrap();
    append(&mut log, 1..=100).unwrap();
    assert!(log.archive.is_over() && log.archive.oldest_seq(AccountId(0)) == Some(1), "it has said nothing");
    let mut tail = Tail::open(&log.archive, Position::START).unwrap();
    while tail.next().unwrap().unwrap().end.segment < 4 {}
    log.archive.hold_from(tail.position().segment);
    assert!(matches!(log.archive.queue.take(), Work::Retire));
    log.archive.retire().unwrap();
    assert_eq!(names(&disk, ".frames").first(), Some(&segment_name(4)));
    let next = tail.next().unwrap().unwrap();
    assert_eq!(next.end.segment, 4, "it goes on where it was");
    log.writer.close().unwrap();

    let again = Written::open(&disk, &Settings { journal_end: 100, ..held }).unwrap();
    again.archive.retire().unwrap();
    assert_eq!(names(&disk, ".frames").first(), Some(&segment_name(4)), "it may have lost what it had");
    let mut tail = Tail::open(&again.archive, next.end).unwrap();
    while tail.next().unwrap().is_some() {}
    again.archive.hold_from(tail.position().segment);
    again.archive.retire().unwrap();
    assert!(!again.archive.is_over());
    check(&disk, &again.archive, 100);
}

#[test]
fn a_reader_that_nobody_waits_for_goes_on_with_the_oldest_that_is_kept() {
    let disk = SimulatedDisk::new(1);
    let mut log = Written::open(&disk, &retaining(0)).unwrap();
    append(&mut log, 1..=4).unwrap();
    let mut tail = Tail::open(&log.archive, Position::START).unwrap();
    assert_eq!(tail.next().unwrap().unwrap().first_seq, 1);
    append(&mut log, 5..=100).unwrap();
    let entry = tail.next().unwrap().unwrap();
    assert_eq!(entry.end.segment, log.archive.read_state().oldest);
    assert_eq!(entry.first_seq, log.archive.oldest_seq(entry.account).unwrap());
}

#[test]
fn however_it_ends_while_segments_go_the_log_has_no_holes_and_every_number_goes_on() {
    let mut ended = 0;
    for (calls, fault) in (0..80).flat_map(|calls| [(calls, Fault::End), (calls, Fault::Sync), (calls, Fault::ShortWrite)])
    {
        for power_lost in [false, true] {
            let disk = SimulatedDisk::new(calls);
            let mut log = Written::open(&disk, &retaining(0)).unwrap();
            append(&mut log, 1..=30).unwrap();
            disk.fail_after(calls, fault);
            let failed = append(&mut log, 31..=60).is_err();
            ended += usize::from(failed && power_lost);
            disk.heal();
            disk.restart();
            if power_lost {
                disk.crash();
            }
            let mut log = Written::open(&disk, &retaining(60)).unwrap();
            let held = log.archive.held_number();
            assert!(held >= 20, "{held}: what was synced is there");
            assert_eq!(log.archive.last_seq(AccountId(EARLY)), 3, "{calls} {fault:?} {power_lost}");
            for index in names(&disk, ".index") {
                assert!(disk.list().unwrap().contains(&index.replace("index", "frames")), "{index} has no segment");
            }
            // As after a start: the replay from some record on, all of it, and what comes then.
            append(&mut log, held.saturating_sub(9)..=90).unwrap();
            check(&disk, &log.archive, 90);
        }
    }
    println!("{ended} ends");
    assert!(ended > 100);
}

#[test]
fn whoever_reads_while_segments_go_is_told_the_truth_or_the_gap() {
    let disk = SimulatedDisk::new(1);
    let mut log = Written::open(&disk, &retaining(0)).unwrap();
    append(&mut log, 1..=20).unwrap();
    let archive = log.archive.clone();
    let reader = thread::spawn(move || {
        let (mut gaps, mut found) = (0, 0);
        while archive.held_number() < 3_000 {
            // The oldest is the next to go.
            let seq = archive.oldest_seq(AccountId(0)).unwrap();
            let mut runs = VecDeque::new();
            match archive.read(AccountId(0), seq, 2_000, &mut runs).unwrap() {
                Read::Frames { next_seq } => {
                    let frames: Vec<Bytes> = runs.iter().flat_map(frames).map(Bytes::copy_from_slice).collect();
                    assert_eq!(frames, expected(0, seq..next_seq));
                    found += 1;
                }
                Read::Gone { oldest_seq } => {
                    assert!(oldest_seq > seq);
                    gaps += 1;
                }
            }
        }
        (found, gaps)
    });
    append(&mut log, 21..=3_000).unwrap();
    let (found, gaps) = reader.join().unwrap();
    println!("{found} reads, {gaps} gaps");
    assert!(found > 0);
}
