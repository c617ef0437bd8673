//! A snapshot is there whole or not at all, and the one before it until then.

use super::*;
use crate::disk::simulated::{Fault, Random, SimulatedDisk};

fn snapshot(number: u64) -> Snapshot {
    let payload = (0..number * 7 % 5_000).map(|at| (at * number) as u8).collect();
    Snapshot { rules: RULES, epoch: EPOCH, number, stamp: Nanos(9), hash: !number, secret: [7; 16], payload }
}

fn snapshots(disk: &SimulatedDisk) -> Snapshots {
    Snapshots::new(Arc::new(disk.clone()))
}

#[test]
fn the_newest_snapshot_and_the_one_that_it_was_made_of_are_kept_and_all_ids() {
    let folder = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(Folder::new(folder.path().join("data/snapshots")));
    let snapshots = Snapshots::new(disk.clone());
    assert_eq!(snapshots.list().unwrap(), [0u64; 0]);
    for (number, before) in [(5, 0), (1_000, 5), (1_001, 1_000), (70_000, 1_000)] {
        snapshots.write(&snapshot(number)).unwrap();
        snapshots.write_ids(&snapshot(number)).unwrap();
        snapshots.tidy([number, before]).unwrap();
        assert_eq!(snapshots.read(number).unwrap(), snapshot(number));
    }
    assert_eq!(snapshots.list().unwrap(), [70_000, 1_000]);
    for number in [5, 1_000, 1_001, 70_000] {
        assert_eq!(snapshots.read_ids(number).unwrap(), snapshot(number));
    }
    assert!(matches!(snapshots.read(5), Err(JournalError::Io { .. })));
}

#[test]
fn every_flipped_bit_and_every_cut_is_seen() {
    let disk = SimulatedDisk::new(0);
    snapshots(&disk).write(&snapshot(3)).unwrap();
    let name = "00000000000000000003.snapshot";
    let bytes = disk.bytes(name);
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        disk.put(name, flipped);
        assert!(matches!(snapshots(&disk).read(3), Err(JournalError::Damaged { .. })), "bit {bit}");
    }
    for length in 0..bytes.len() {
        disk.put(name, bytes[..length].to_vec());
        assert!(matches!(snapshots(&disk).read(3), Err(JournalError::Damaged { .. })), "{length} bytes");
    }
    let mut other = bytes;
    other[8] = 2;
    let crc = crc32c::crc32c(&other[..76]);
    other[76..80].copy_from_slice(&crc.to_le_bytes());
    disk.put(name, other);
    let refused = snapshots(&disk).read(3).unwrap_err().to_string();
    assert!(refused.ends_with("format 2, and this version reads none above 1"), "{refused}");
}

/// Whatever fails while it is written, and whatever a crash then leaves: the snapshot before is there, and the new one only whole.
#[test]
fn a_crash_at_every_step_of_writing_one_leaves_those_before() {
    for seed in 0..400 {
        let disk = SimulatedDisk::new(seed);
        let mut random = Random(seed);
        let kept = snapshots(&disk);
        kept.write(&snapshot(500)).unwrap();
        kept.write(&snapshot(700)).unwrap();
        let fault = [Fault::Sync, Fault::ShortWrite, Fault::Full][random.below(3) as usize];
        disk.fail_after(random.below(4), fault);
        let written = kept.write(&snapshot(900)).and_then(|()| kept.tidy([900, 700]));
        disk.heal();
        let unfinished = |disk: &SimulatedDisk| disk.list().unwrap().contains(&"next.tmp".to_owned());
        assert!(!unfinished(&disk), "seed {seed}: what could not be finished takes no room");
        if random.coin() {
            disk.crash();
        }
        let listed = kept.list().unwrap();
        assert!(listed.contains(&700), "seed {seed}: {listed:?}");
        assert!(written.is_err() || listed.first() == Some(&900), "seed {seed}: {listed:?} after {written:?}");
        for number in listed {
            assert_eq!(kept.read(number).unwrap(), snapshot(number), "seed {seed}");
        }
        // A crash may leave it.
        kept.tidy_unfinished().unwrap();
        assert!(!unfinished(&disk));
        kept.write(&snapshot(901)).unwrap();
        assert_eq!(kept.read(901).unwrap(), snapshot(901));
    }
}
