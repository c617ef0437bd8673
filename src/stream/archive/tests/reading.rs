//! What is written is read.

use super::*;

/// Three accounts that trade at different speeds, in segments of 64 KiB or one; account 9 trades once, early.
fn busy(disk: &SimulatedDisk, segment_bytes: u64, batches: u64) -> Written {
    let mut log = Written::open(disk, &settings(0, segment_bytes)).unwrap();
    let mut next = [1; 3];
    for number in 1..=batches {
        let mut blocks = Vec::new();
        for (account, count) in [(0, 5), (1, number % 3), (2, u64::from(number % 50 == 0) * 400)] {
            if count > 0 {
                blocks.push(block(account as u32, next[account], count));
                next[account] += count;
            }
        }
        if number == 2 {
            blocks.push(block(9, 1, 3));
        }
        log.append(number, &blocks).unwrap();
    }
    log
}

fn check(archive: &Arc<Archive>) {
    for account in [0, 1, 2, 9] {
        let last = archive.last_seq(AccountId(account));
        assert_eq!(archive.oldest_seq(AccountId(account)), Some(1));
        for from in [1, 2, last / 3, last / 2 + 1, last, last + 1].into_iter().filter(|from| *from > 0) {
            // Frame by frame takes long.
            for bytes_max in [1, 10_000, 100_000].into_iter().skip(usize::from(last - from.min(last) > 100)) {
                let found = read_all(archive, account, from, bytes_max).unwrap();
                assert_eq!(found, expected(account, from..last + 1), "account {account} from {from} by {bytes_max}");
            }
        }
    }
    assert_eq!(read_all(archive, 7, 1, 100).unwrap(), Vec::<Bytes>::new());
    let (found, end) = follow(archive, Position::START).unwrap();
    assert_eq!(found.keys().map(|account| account.0).collect::<Vec<_>>(), [0, 1, 2, 9]);
    for (account, (next_seq, bytes)) in found {
        assert_eq!(next_seq, archive.last_seq(account) + 1);
        assert_eq!(bytes, block(account.0, 1, next_seq - 1).1.bytes);
    }
    assert_eq!(follow(archive, end).unwrap(), (BTreeMap::new(), end));
}

#[test]
fn every_execution_is_read_once_over_segments_and_after_a_restart() {
    for segment_bytes in [64 * 1024, SEGMENT_BYTES] {
        let disk = SimulatedDisk::new(1);
        let mut log = busy(&disk, segment_bytes, 300);
        check(&log.archive);
        assert_eq!(log.archive.held_number(), 300);
        log.writer.close().unwrap();
        assert_eq!(log.archive.synced_number(), 300);
        check(&log.archive);
        let segments = disk.list().unwrap().iter().filter(|name| name.ends_with(".frames")).count();
        assert!(if segment_bytes == SEGMENT_BYTES { segments == 1 } else { segments > 4 }, "{segments}");
        for journal_end in [300, 1_000] {
            let again = Archive::open(Arc::new(disk.clone()), &settings(journal_end, segment_bytes)).unwrap();
            assert_eq!((again.id(), again.held_number(), again.cut()), (log.archive.id(), 300, None));
            check(&again);
        }
    }
}

#[test]
fn a_place_is_good_for_ever_and_waits_for_more() {
    let disk = SimulatedDisk::new(1);
    let mut log = busy(&disk, 64 * 1024, 40);
    let mut tail = Tail::open(&log.archive, Position::START).unwrap();
    let mut places = vec![(tail.position(), BTreeMap::<AccountId, u64>::new())];
    while let Some(entry) = tail.next().unwrap() {
        let mut known = places.last().unwrap().1.clone();
        known.insert(entry.account, entry.first_seq + frames(&entry.frames).count() as u64);
        places.push((entry.end, known));
    }
    let next = log.archive.last_seq(AccountId(0)) + 1;
    log.append(41, &[block(0, next, 2)]).unwrap();
    let entry = tail.next().unwrap().unwrap();
    assert_eq!((entry.account, entry.first_seq), (AccountId(0), next));
    log.writer.close().unwrap();
    let again = Archive::open(Arc::new(disk), &settings(41, 64 * 1024)).unwrap();
    for (place, known) in places {
        for (account, (next_seq, bytes)) in follow(&again, place).unwrap().0 {
            let first_seq = known.get(&account).copied().unwrap_or(1);
            assert_eq!(bytes, block(account.0, first_seq, next_seq - first_seq).1.bytes, "{place:?}");
        }
    }
}

#[test]
fn places_that_are_not_there_are_taken_for_the_next_that_is() {
    let disk = SimulatedDisk::new(1);
    let mut log = Written::open(&disk, &settings(0, SEGMENT_BYTES)).unwrap();
    let nowhere = Position { segment: 7, offset: 1_000 };
    assert_eq!(follow(&log.archive, nowhere).unwrap().0, BTreeMap::new());
    let mut early = Tail::open(&log.archive, Position::START).unwrap();
    assert_eq!(early.next().unwrap(), None);
    log.append(1, &[block(0, 1, 10)]).unwrap();
    assert_eq!(early.next().unwrap().unwrap().first_seq, 1);
    let inside = Position { segment: 1, offset: 100 };
    assert_eq!(follow(&log.archive, inside).unwrap().0[&AccountId(0)].0, 11);
    let mut beyond = Tail::open(&log.archive, Position { segment: 1, offset: 1 << 40 }).unwrap();
    assert_eq!(beyond.next().unwrap().unwrap().first_seq, 1);
    assert_eq!(beyond.next().unwrap(), None);
    log.append(2, &[block(0, 11, 10)]).unwrap();
    assert_eq!(beyond.next().unwrap().unwrap().first_seq, 11);
}

#[test]
fn a_wrong_index_only_slows_reading_and_a_lost_one_is_made_again() {
    let disk = SimulatedDisk::new(1);
    let mut log = busy(&disk, 64 * 1024, 100);
    log.writer.close().unwrap();
    let indexes: Vec<String> = disk.list().unwrap().into_iter().filter(|name| name.ends_with(".index")).collect();
    let written: Vec<Vec<u8>> = indexes.iter().map(|name| disk.bytes(name)).collect();
    for (name, bytes) in indexes.iter().zip(&written) {
        // The entries come last and are of 20 bytes: all of them now point to somewhere else.
        let mut wrong = bytes.clone();
        let entries = wrong.len() - 56 - 20 * 4;
        for at in (wrong.len() - entries..wrong.len()).step_by(20) {
            wrong[at + 12] ^= 0x55;
        }
        disk.put(name, wrong);
    }
    check(&Archive::open(Arc::new(disk.clone()), &settings(100, 64 * 1024)).unwrap());
    for name in &indexes {
        disk.remove(name).unwrap();
    }
    check(&Archive::open(Arc::new(disk.clone()), &settings(100, 64 * 1024)).unwrap());
    for (name, bytes) in indexes.iter().zip(&written) {
        assert_eq!(disk.bytes(name), *bytes, "{name}");
    }
}

#[test]
fn one_account_among_many_is_read_without_reading_all_others() {
    let disk = SimulatedDisk::new(1);
    let mut log = Written::open(&disk, &settings(0, 4 * 1024 * 1024)).unwrap();
    for number in 1..=40 {
        let mut blocks: Vec<_> = (0..10).map(|account| block(account, number * 500 - 499, 500)).collect();
        blocks.push(block(50, number * 2 - 1, 2));
        blocks.push(block(60, number, 1));
        log.append(number, &blocks).unwrap();
    }
    let written: usize = disk.list().unwrap().iter().map(|name| disk.bytes(name).len()).sum();
    assert!(written > 20_000_000, "{written}");
    for closed in [false, true] {
        if closed {
            log.writer.close().unwrap();
        }
        for (account, last) in [(50, 80), (60, 40)] {
            let before = disk.bytes_read();
            assert_eq!(read_all(&log.archive, account, 1, 2_000_000).unwrap(), expected(account, 1..last + 1));
            let read = disk.bytes_read() - before;
            assert!(read < written as u64 / 3, "{read} of {written} bytes, closed: {closed}");
        }
    }
}

#[test]
fn a_replay_appends_only_what_is_missing_however_its_blocks_are_cut() {
    let disk = SimulatedDisk::new(1);
    let mut log = Written::open(&disk, &settings(0, SEGMENT_BYTES)).unwrap();
    log.append(10, &[block(0, 1, 10), block(1, 1, 4)]).unwrap();
    let before = disk.bytes(&segment_name(1)).len();
    log.append(8, &[block(0, 1, 3), block(1, 1, 4)]).unwrap();
    log.append(10, &[block(0, 4, 7)]).unwrap();
    assert_eq!(disk.bytes(&segment_name(1)).len(), before, "all of it was there");
    log.append(12, &[block(0, 8, 7), block(1, 2, 8)]).unwrap();
    assert_eq!(read_all(&log.archive, 0, 1, 500).unwrap(), expected(0, 1..15));
    assert_eq!(read_all(&log.archive, 1, 1, 500).unwrap(), expected(1, 1..10));
    log.archive.check().unwrap();
    log.archive.append(Some(13), &[block(1, 11, 1)]);
    let hole = log.archive.check().unwrap_err().to_string();
    assert!(hole.ends_with("has the executions of account 1 up to 9, but 11 comes next"), "{hole}");
    assert!(matches!(log.archive.queue.take(), Work::Fail(_)));
}

#[test]
fn an_account_may_begin_anywhere_and_what_is_before_is_said_to_be_gone() {
    let disk = SimulatedDisk::new(1);
    let mut log = Written::open(&disk, &settings(0, SEGMENT_BYTES)).unwrap();
    log.append(10, &[block(0, 100, 10)]).unwrap();
    assert_eq!(log.archive.oldest_seq(AccountId(0)), Some(100));
    for (account, next_seq, follows) in [(0, 1, true), (0, 110, true), (0, 111, false), (1, 500, true)] {
        assert_eq!(log.archive.expect(AccountId(account), next_seq).is_ok(), follows, "{account} {next_seq}");
    }
    let read = log.archive.read(AccountId(0), 99, 100, &mut VecDeque::new()).unwrap();
    assert_eq!(read, Read::Gone { oldest_seq: 100 });
    assert_eq!(read_all(&log.archive, 0, 105, 100).unwrap(), expected(0, 105..110));
}

#[test]
fn long_pieces_become_blocks_of_bounded_length() {
    let disk = SimulatedDisk::new(1);
    let mut log = Written::open(&disk, &settings(0, SEGMENT_BYTES)).unwrap();
    let mut huge = BlockBuilder::new(5_001);
    huge.push(|into| into.resize(300_000, b'y'));
    log.append(1, &[block(0, 1, 5_000), (AccountId(0), huge.build()), block(0, 5_002, 1)]).unwrap();
    let mut tail = Tail::open(&log.archive, Position::START).unwrap();
    let mut lengths = Vec::new();
    while let Some(entry) = tail.next().unwrap() {
        lengths.push(entry.frames.len());
    }
    assert!(lengths.len() > 5 && lengths.iter().filter(|length| **length > 64 * 1024).count() == 1, "{lengths:?}");
    assert_eq!(read_all(&log.archive, 0, 1, 1_000).unwrap().len(), 5_002);
}
