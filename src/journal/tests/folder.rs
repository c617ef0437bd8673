//! A real folder: what is written is read, from the start or the middle, over segments and restarts.

use super::*;
use crate::disk::ALIGNMENT;

fn folder() -> (tempfile::TempDir, Arc<dyn Disk>) {
    let folder = tempfile::tempdir().unwrap();
    let disk = Arc::new(Folder::new(folder.path().join("data/journal")));
    (folder, disk)
}

#[test]
fn no_folder_and_an_empty_one_are_empty_journals() {
    let (_folder, disk) = folder();
    for made in [false, true] {
        let (all, recovered) = read(&disk, 1).unwrap();
        assert!(all.is_empty());
        assert_eq!((recovered.last_number, recovered.epoch, recovered.torn), (0, None, None), "made: {made}");
        disk.make().unwrap();
    }
    assert!(matches!(read(&disk, 5), Err(JournalError::Short { newest: 0, wanted: 5, .. })));
    assert_eq!(find_end(disk).unwrap().last_number, 0);
}

#[test]
fn records_and_hashes_come_back_over_segments_and_restarts() {
    let (_folder, disk) = folder();
    let mut next = 1;
    for _ in 0..4 {
        let mut log = reopen(&disk, 4096).unwrap();
        assert_eq!(log.epoch(), EPOCH);
        for frame in 0..10 {
            log.push(&records(next..=next + 4), 2);
            log.push(&records(next + 5..=next + 9 + frame), u64::MAX);
            log.commit().unwrap();
            log.keep_pace().unwrap();
            next += 10 + frame;
        }
    }
    let (all, recovered) = read(&disk, 1).unwrap();
    assert_eq!(all, records(1..=next - 1));
    assert_eq!(find_end(disk.clone()).unwrap().last_number, next - 1);
    assert_eq!((recovered.last_number, recovered.last_stamp), (next - 1, all.last().unwrap().stamp));
    assert_eq!((recovered.epoch, recovered.torn), (Some(EPOCH), None));
    let segments = disk.list().unwrap().iter().filter(|name| name.ends_with(".log")).count();
    assert!(segments >= 8, "{segments} segments");
    for from in [2, 10, 11, 100, 101, next - 1, next] {
        assert_eq!(read(&disk, from).unwrap().0, records(from..=next - 1), "from {from}");
    }
    assert!(matches!(read(&disk, next + 1), Err(JournalError::Short { .. })));
    let mut reader = Reader::open(disk.clone(), 12).unwrap();
    let mut frame = Vec::new();
    assert_eq!(reader.next(&mut frame).unwrap().unwrap().executions_hash, None);
    assert_eq!(frame, records(12..=21));
    assert_eq!(reader.next(&mut frame).unwrap().unwrap().executions_hash, Some(1));
}

#[test]
fn starts_without_records_leave_one_segment() {
    let (_folder, disk) = folder();
    for _ in 0..3 {
        reopen(&disk, 4096).unwrap();
        let (all, recovered) = read(&disk, 1).unwrap();
        assert!(all.is_empty());
        assert_eq!((recovered.last_number, recovered.epoch), (0, Some(EPOCH)));
        assert_eq!(disk.list().unwrap(), ["00000000000000000001.log"]);
    }
}

#[test]
fn a_frame_longer_than_a_segment_gets_one_of_its_own() {
    let (_folder, disk) = folder();
    let mut log = reopen(&disk, 1024).unwrap();
    for frame in 0..3 {
        log.push(&records(frame * 1000 + 1..=frame * 1000 + 1000), 0);
        log.commit().unwrap();
    }
    assert_eq!(read(&disk, 1).unwrap().0, records(1..=3000));
}

#[test]
fn retired_segments_are_missed_only_by_those_who_want_them() {
    let (_folder, disk) = folder();
    let mut log = reopen(&disk, 1024).unwrap();
    for frame in 0..30 {
        log.push(&records(frame * 5 + 1..=frame * 5 + 5), 0);
        log.commit().unwrap();
    }
    let mut segments: Vec<String> = disk.list().unwrap().into_iter().filter(|name| name.ends_with(".log")).collect();
    segments.sort();
    disk.remove(&segments[0]).unwrap();
    let oldest = Reader::open_oldest(disk.clone()).unwrap().oldest();
    assert_eq!(read(&disk, oldest).unwrap().0, records(oldest..=150));
    assert!(matches!(read(&disk, 1), Err(JournalError::Retired { wanted: 1, .. })));
    disk.remove(&segments[2]).unwrap();
    let refused = read(&disk, oldest).unwrap_err();
    assert!(matches!(refused, JournalError::Damaged { what: Damage::Segment { .. }, offset: 0, .. }), "{refused}");
}

#[test]
fn other_formats_are_refused_in_words() {
    let (_folder, disk) = folder();
    drop(reopen(&disk, 1024).unwrap());
    let mut file = disk.open_for_writing("00000000000000000001.log").unwrap();
    let mut header = [0; 48];
    file.read_at(&mut header, 0).unwrap();
    let mut set_format = |format: u8| {
        header[8] = format;
        let crc = crc32c::crc32c(&header[..44]);
        header[44..].copy_from_slice(&crc.to_le_bytes());
        file.write_at(&header, 0).unwrap();
    };
    for before in [1, 2, 3] {
        set_format(before);
        assert_eq!(read(&disk, 1).unwrap().1.epoch, Some(EPOCH), "format {before} reads the same");
    }
    set_format(5);
    let refused = read(&disk, 1).unwrap_err().to_string();
    assert!(refused.ends_with("has format 5, and this version reads none above 4"), "{refused}");
}

#[test]
fn the_oldest_segments_are_retired_as_far_as_nothing_needs_them() {
    let (_folder, disk) = folder();
    let mut log = reopen(&disk, 1024).unwrap();
    for frame in 0..30 {
        log.push(&records(frame * 5 + 1..=frame * 5 + 5), 0);
        log.commit().unwrap();
    }
    let segments = || disk.list().unwrap().iter().filter(|name| name.ends_with(".log")).count() as u64;
    let before = segments();
    let oldest = || Reader::open_oldest(disk.clone()).unwrap().oldest();
    assert_eq!(retire(disk.as_ref(), 0, 0).unwrap(), 0);
    let bytes = ALIGNMENT as u64;
    assert_eq!(retire(disk.as_ref(), 150, before * bytes).unwrap(), 0, "there is no more than may be kept");
    assert_eq!(retire(disk.as_ref(), 150, (before - 1) * bytes).unwrap(), 1);
    assert!(retire(disk.as_ref(), 60, 0).unwrap() > 0);
    assert!(oldest() > 1 && oldest() <= 61, "{} is the oldest", oldest());
    assert_eq!(read(&disk, 61).unwrap().0, records(61..=150));
    retire(disk.as_ref(), u64::MAX - 1, 0).unwrap();
    assert_eq!(segments(), 2);
    assert_eq!(read(&disk, 151).unwrap().1.last_number, 150);
}
