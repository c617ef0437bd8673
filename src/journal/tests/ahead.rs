//! What is read ahead is what would be read, up to what cannot be.

use super::*;
use crate::disk::simulated::SimulatedDisk;

const LAST: u64 = 9_000;

/// A journal of small frames, and some large ones.
fn journal() -> SimulatedDisk {
    let disk = SimulatedDisk::new(0);
    let mut log = reopen(&(Arc::new(disk.clone()) as Arc<dyn Disk>), 50_000).unwrap();
    let mut next = 1;
    while next <= LAST {
        let last = (next + [0, 1, 6, 1_400][next as usize % 4]).min(LAST);
        log.push(&records(next..=last), next);
        log.commit().unwrap();
        next = last + 1;
    }
    disk
}

/// All that is read ahead from `from` on.
fn ahead(disk: &SimulatedDisk, from: u64) -> (Vec<Framed>, Result<Recovered, JournalError>) {
    let mut ahead = Reader::open(Arc::new(disk.clone()), from).and_then(ReadAhead::start).unwrap();
    let mut all = Vec::new();
    loop {
        match ahead.more() {
            Ok(part) if part.is_empty() => return (all, ahead.finish()),
            Ok(part) => all.extend(part),
            Err(_) => return (all, ahead.finish()),
        }
    }
}

#[test]
fn frames_come_as_they_would_without_and_the_end_is_the_same() {
    let disk = journal();
    for from in [1, 2, 4_321, LAST, LAST + 1] {
        let mut reader = Reader::open(Arc::new(disk.clone()), from).unwrap();
        let (mut expected, mut records) = (Vec::new(), Vec::new());
        while let Some(frame) = reader.next(&mut records).unwrap() {
            expected.push(Framed { frame, last_number: reader.last_number(), records: std::mem::take(&mut records) });
        }
        let (found, end) = ahead(&disk, from);
        assert!(found == expected, "from {from}");
        assert_eq!(end.unwrap().last_number, LAST);
    }
    let mut dropped = Reader::open(Arc::new(disk.clone()), 1).and_then(ReadAhead::start).unwrap();
    assert!(!dropped.more().unwrap().is_empty());
    assert_eq!(dropped.finish().unwrap().last_number, LAST, "what nobody waits for is read, too");
}

#[test]
fn damage_comes_after_all_that_is_whole_before_it_and_again_at_the_end() {
    let disk = journal();
    let segments = disk.segments();
    let name = &segments[segments.len() / 2];
    let mut bytes = disk.bytes(name);
    bytes[60] ^= 1;
    disk.put(name, bytes);
    let (found, end) = ahead(&disk, 1);
    let before = crate::journal::format::segment_first(name).unwrap() - 1;
    // The part in the making is lost with what comes before the damage in it: nothing may be executed after it anyway.
    assert!(found.last().is_some_and(|framed| framed.last_number <= before && framed.last_number + 3_000 > before));
    assert!(matches!(end, Err(JournalError::Damaged { .. })), "{end:?}");
}
