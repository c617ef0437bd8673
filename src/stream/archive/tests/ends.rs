//! How a log ends, and what is made of it: torn, cut, damaged, ahead of its journal, on a disk that fails.

use super::*;
use crate::disk::simulated::{Fault, Random};

/// Batches 1 to `batches`, each with executions of two accounts.
fn batch(number: u64) -> Vec<(AccountId, Block)> {
    vec![block(0, number * 4 - 3, 4), block(1, number * 2 - 1, 2)]
}

fn written(disk: &SimulatedDisk, batches: u64, segment_bytes: u64) -> Written {
    let mut log = Written::open(disk, &settings(0, segment_bytes)).unwrap();
    for number in 1..=batches {
        log.append(number, &batch(number)).unwrap();
    }
    log
}

/// Opens what is there, replays the whole journal, and checks that every byte is as it should be.
fn rebuild(disk: &SimulatedDisk, journal_end: u64, segment_bytes: u64) -> u64 {
    let mut log = Written::open(disk, &settings(journal_end, segment_bytes)).unwrap();
    let held = log.archive.held_number();
    assert!(held <= journal_end);
    assert_eq!(log.archive.last_seq(AccountId(0)), held * 4);
    assert_eq!(read_all(&log.archive, 0, 1, 10_000).unwrap(), expected(0, 1..held * 4 + 1));
    for number in 1..=journal_end {
        log.append(number, &batch(number)).unwrap();
    }
    log.archive.check().unwrap();
    let (found, _) = follow(&log.archive, Position::START).unwrap();
    for (account, each) in [(0, 4), (1, 2)] {
        assert_eq!(read_all(&log.archive, account, 1, 10_000).unwrap(), expected(account, 1..journal_end * each + 1));
        let followed = found.get(&AccountId(account)).map(|(_, bytes)| bytes.clone()).unwrap_or_default();
        assert_eq!(followed, block(account, 1, journal_end * each).1.bytes);
    }
    held
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_to_the_batch_before_and_comes_again() {
    let disk = SimulatedDisk::new(1);
    let mut log = written(&disk, 3, SEGMENT_BYTES);
    let name = segment_name(1);
    let before = log.archive.bytes() as usize;
    log.append(4, &batch(4)).unwrap();
    let bytes = &disk.bytes(&name)[..log.archive.bytes() as usize];
    for length in 0..bytes.len() {
        for kept_bytes in [length, length + 100, length.next_multiple_of(ALIGNMENT), length + ALIGNMENT] {
            let torn = SimulatedDisk::new(2);
            let mut kept = bytes[..length].to_vec();
            kept.resize(kept_bytes, 0);
            torn.put(&name, kept);
            let held = rebuild(&torn, 4, SEGMENT_BYTES);
            if length >= before {
                assert_eq!(held, 3, "{length} bytes, and zeros up to {kept_bytes}");
            }
        }
    }
    assert_eq!(rebuild(&disk, 4, SEGMENT_BYTES), 4);
}

#[test]
fn what_fills_a_block_of_the_disk_is_no_cut() {
    let disk = SimulatedDisk::new(1);
    let log = written(&disk, 40, SEGMENT_BYTES);
    let (length, name) = (log.archive.bytes(), segment_name(1));
    assert!(length > ALIGNMENT as u64 && disk.bytes(&name).len() as u64 == length.next_multiple_of(ALIGNMENT as u64));
    let folder: Arc<dyn Disk> = Arc::new(disk.clone());
    let verified = Verified { segments: 1, executions: 40 * 6, torn: 0 };
    assert_eq!(verify(&folder).unwrap(), verified);
    let again = Written::open(&disk, &settings(40, SEGMENT_BYTES)).unwrap();
    assert_eq!((again.archive.cut(), again.archive.held_number()), (None, 40));
    assert_eq!(disk.bytes(&name).len() as u64, length);
    // More than that is.
    let mut bytes = disk.bytes(&name);
    bytes.resize(length as usize + ALIGNMENT, 0);
    disk.put(&name, bytes.clone());
    disk.remove(&index_name(1)).unwrap();
    assert_eq!(verify(&folder).unwrap(), Verified { torn: ALIGNMENT as u64, ..verified });
    bytes[300] ^= 1;
    disk.put(&name, bytes);
    assert!(verify(&folder).unwrap().executions < 40 * 6);
}

#[test]
fn the_cut_is_reported_and_a_position_behind_it_goes_on_after_it() {
    let disk = SimulatedDisk::new(1);
    let log = written(&disk, 4, SEGMENT_BYTES);
    let (_, behind) = follow(&log.archive, Position::START).unwrap();
    let name = segment_name(1);
    let mut bytes = disk.bytes(&name);
    bytes.truncate(log.archive.bytes() as usize - 1);
    disk.put(&name, bytes);
    let mut log = Written::open(&disk, &settings(4, SEGMENT_BYTES)).unwrap();
    let cut = log.archive.cut().unwrap();
    assert!(cut.file.ends_with(&name) && cut.bytes > 100, "{cut}");
    log.append(4, &batch(4)).unwrap();
    log.append(5, &batch(5)).unwrap();
    let (found, end) = follow(&log.archive, behind).unwrap();
    assert_eq!((found[&AccountId(0)].0, end.segment), (21, 2));
    assert_eq!(found[&AccountId(0)].1, block(0, 1, 20).1.bytes, "what is known may come once more, nothing is left out");
}

#[test]
fn a_batch_in_parts_is_read_as_it_comes_and_cut_whole_if_its_end_does_not() {
    let disk = SimulatedDisk::new(1);
    let mut log = written(&disk, 3, 700);
    let last = log.archive.next_segment().0;
    for first_seq in [13, 33, 53] {
        log.append(None, &[block(0, first_seq, 20)]).unwrap();
        assert_eq!(read_all(&log.archive, 0, 1, 10_000).unwrap(), expected(0, 1..first_seq + 20));
        assert_eq!(log.archive.held_number(), 3);
    }
    // Its parts stay together, however long that makes their segment.
    assert_eq!(log.archive.next_segment().0, last + 1);
    let cut_off = SimulatedDisk::new(2);
    for name in disk.list().unwrap() {
        cut_off.put(&name, disk.bytes(&name));
    }
    let again = Written::open(&cut_off, &settings(4, 700)).unwrap();
    assert_eq!((again.archive.held_number(), again.archive.last_seq(AccountId(0))), (3, 12));
    assert!(again.archive.cut().is_some());

    log.append(4, &[]).unwrap();
    log.append(5, &[block(0, 73, 1)]).unwrap();
    assert_eq!(log.archive.next_segment().0, last + 2);
    let again = Written::open(&disk, &settings(5, 700)).unwrap();
    assert_eq!((again.archive.held_number(), again.archive.cut()), (5, None));
    assert_eq!(read_all(&again.archive, 0, 1, 10_000).unwrap(), expected(0, 1..74));
}

#[test]
fn what_is_beyond_the_journal_is_cut() {
    for segment_bytes in [1_000, SEGMENT_BYTES] {
        for journal_end in 0..=12 {
            for closed in [false, true] {
                let disk = SimulatedDisk::new(1);
                let mut log = written(&disk, 12, segment_bytes);
                if closed {
                    log.writer.close().unwrap();
                }
                assert_eq!(rebuild(&disk, journal_end, segment_bytes), journal_end, "{journal_end} {closed}");
                // Another life after it.
                assert_eq!(rebuild(&disk, 14, segment_bytes), journal_end);
                assert_eq!(rebuild(&disk, 14, segment_bytes), 14);
            }
        }
    }
}

#[test]
fn a_flipped_bit_is_refused_with_its_place_or_is_in_the_end_that_is_made_again() {
    let disk = SimulatedDisk::new(1);
    let mut log = written(&disk, 12, 700);
    log.writer.close().unwrap();
    let segments: Vec<String> = disk.list().unwrap().into_iter().filter(|name| name.ends_with(".frames")).collect();
    assert!(segments.len() > 2);
    let mut random = Random(7);
    for _ in 0..400 {
        let name = &segments[random.below(segments.len() as u64) as usize];
        let mut bytes = disk.bytes(name);
        let bit = random.below(bytes.len() as u64 * 8) as usize;
        bytes[bit / 8] ^= 1 << (bit % 8);
        for indexed in [true, false] {
            let flipped = disk.copy();
            flipped.put(name, bytes.clone());
            if !indexed {
                for index in flipped.list().unwrap().iter().filter(|name| name.ends_with(".index")) {
                    flipped.remove(index).unwrap();
                }
            }
            let read = Archive::open(Arc::new(flipped.clone()), &settings(12, 700)).and_then(|archive| {
                follow(&archive, Position::START)?;
                read_all(&archive, 0, 1, 10_000)?;
                Ok(archive.held_number())
            });
            match read {
                Err(ArchiveError::Damaged { file, offset, .. }) => {
                    assert!(
                        file.ends_with(name) && offset as usize <= bit / 8,
                        "{name} {bit}: {} {offset}",
                        file.display()
                    );
                }
                Err(error) => panic!("{error}"),
                Ok(_) => {
                    assert!(!indexed && Some(name) == segments.last(), "{name} {bit}");
                    rebuild(&flipped, 12, 700);
                }
            }
        }
    }
}

#[test]
fn a_log_of_another_journal_or_with_a_segment_missing_is_refused() {
    let disk = SimulatedDisk::new(1);
    drop(written(&disk, 12, 1_000));
    let other = Archive::open(Arc::new(disk.clone()), &Settings { epoch: 1, ..settings(12, 1_000) }).unwrap_err();
    assert!(matches!(other, ArchiveError::Epoch { found: EPOCH, expected: 1, .. }), "{other}");
    disk.remove(&segment_name(2)).unwrap();
    let missing = Archive::open(Arc::new(disk.clone()), &settings(12, 1_000)).unwrap_err();
    assert!(missing.to_string().ends_with("00000000000000000002.frames is missing"), "{missing}");
    // The oldest may be removed.
    disk.remove(&segment_name(1)).unwrap();
    let archive = Archive::open(Arc::new(disk), &settings(12, 1_000)).unwrap();
    let oldest_seq = archive.oldest_seq(AccountId(0)).unwrap();
    assert!(oldest_seq > 1);
    assert_eq!(read_all(&archive, 0, oldest_seq, 1_000).unwrap(), expected(0, oldest_seq..49));
    assert_eq!(Tail::open(&archive, Position::START).unwrap().next().unwrap().unwrap().end.segment, 3);
}

#[test]
fn a_log_that_lost_its_power_is_rebuilt_to_the_same_bytes() {
    for seed in 0..200 {
        let disk = SimulatedDisk::new(seed);
        let mut journal_end = 0;
        for life in 0..3 {
            let mut log = Written::open(&disk, &settings(journal_end, 3_000)).unwrap();
            for number in 1..=journal_end + 10 {
                log.append(number, &batch(number)).unwrap();
                if number % 7 == life {
                    log.writer.sync().unwrap();
                }
            }
            journal_end += 10 - seed % 4;
            disk.crash();
        }
        rebuild(&disk, journal_end, 3_000);
    }
}

#[test]
fn every_failure_of_the_disk_is_an_error_and_nothing_is_believed_after_it() {
    for fault in [Fault::ShortWrite, Fault::Full, Fault::Sync] {
        for calls in 0..60 {
            let disk = SimulatedDisk::new(calls);
            let mut log = Written::open(&disk, &settings(0, 1_500)).unwrap();
            disk.fail_after(calls, fault);
            let write = || -> Result<(), ArchiveError> {
                for number in 1..=12 {
                    log.append(number, &batch(number))?;
                }
                log.writer.close()
            };
            let mut write = write;
            let outcome = write();
            disk.heal();
            if let Err(error) = outcome {
                assert!(error.to_string().contains("simulated/"), "{error}");
            }
            rebuild(&disk, 12, 1_500);
        }
    }
}
