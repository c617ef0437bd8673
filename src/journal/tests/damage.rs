//! A cut tail is cut off; anything else that is not as it was written is refused, with its place.

use super::*;
use crate::disk::simulated::SimulatedDisk;
use crate::journal::mend::{note_synced, note_unsynced};

/// A journal of several segments; the last has three frames, which start where it says.
struct Journal {
    disk: SimulatedDisk,
    segments: Vec<String>,
    frames: Vec<usize>,
    last_number: u64,
}

fn journal() -> Journal {
    let disk = SimulatedDisk::new(0);
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut next = 1;
    let mut write = |log: &mut Log| {
        log.push(&records(next..=next + 2), next);
        log.commit().unwrap();
        next += 3;
    };
    let mut log = reopen(&shared, 1024).unwrap();
    (0..15).for_each(|_| write(&mut log));
    let mut log = reopen(&shared, 2048).unwrap();
    let mut frames = Vec::new();
    let last = disk.segments().pop().unwrap();
    for _ in 0..3 {
        frames.push(end_of(&disk.bytes(&last)));
        write(&mut log);
    }
    frames.push(end_of(&disk.bytes(&last)));
    Journal { segments: disk.segments(), disk, frames, last_number: next - 1 }
}

/// Where the zeros begin, given that a frame ends with the high byte of a price: seven zeros at most, and one record.
fn end_of(bytes: &[u8]) -> usize {
    let mut end = 48;
    while let Some((header, _)) = bytes.get(end..).and_then(super::super::format::FrameHeader::decode) {
        end += 40 + header.length as usize;
    }
    end
}

impl Journal {
    /// The journal with the last segment replaced.
    fn with(&self, segment: &str, bytes: Vec<u8>) -> Arc<dyn Disk> {
        let disk = self.disk.copy();
        disk.put(segment, bytes);
        Arc::new(disk)
    }

    fn last(&self) -> &str {
        self.segments.last().unwrap()
    }

    /// Asserts that the journal recovers up to `number`, and can be written on.
    fn recovers_to(&self, disk: &Arc<dyn Disk>, number: u64, torn: Option<(u64, u64)>) {
        let (all, recovered) = read(disk, 1).unwrap();
        assert_eq!(all, records(1..=number));
        assert_eq!(recovered.torn.as_ref().map(|torn| (torn.offset, torn.bytes)), torn);
        let mut log = Log::open(disk.clone(), recovered, &settings(1024)).unwrap();
        log.push(&records(number + 1..=number + 1), 0);
        log.commit().unwrap();
        let (all, recovered) = read(disk, 1).unwrap();
        assert_eq!((all, recovered.torn), (records(1..=number + 1), None));
    }
}

#[test]
fn a_cut_at_every_byte_of_the_last_frame_recovers_to_the_record_before() {
    let journal = journal();
    let (start, end) = (journal.frames[2], journal.frames[3]);
    let bytes = journal.disk.bytes(journal.last());
    for cut in start..end {
        let short = bytes[..cut].to_vec();
        let torn = (cut > start).then(|| {
            let last = short.iter().rposition(|byte| *byte != 0).unwrap();
            (start as u64, (last + 1 - start) as u64)
        });
        journal.recovers_to(&journal.with(journal.last(), short.clone()), journal.last_number - 3, torn);
        // The same with zeros behind the cut, as a segment has them; zeros for zeros are no cut.
        let mut zeroed = short;
        zeroed.resize(bytes.len(), 0);
        if zeroed != bytes {
            journal.recovers_to(&journal.with(journal.last(), zeroed), journal.last_number - 3, torn);
        }
    }
    journal.recovers_to(&journal.with(journal.last(), bytes[..end].to_vec()), journal.last_number, None);
}

#[test]
fn a_flipped_bit_before_the_last_frame_is_refused_with_file_and_byte() {
    let journal = journal();
    let bytes = journal.disk.bytes(journal.last());
    for at in 0..journal.frames[2] {
        let start = journal.frames.iter().rfind(|start| **start <= at).copied().unwrap_or(0);
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            let refused = read(&journal.with(journal.last(), flipped), 1).unwrap_err();
            let JournalError::Damaged { file, offset, .. } = &refused else { panic!("byte {at} bit {bit}: {refused}") };
            assert!(file.ends_with(journal.last()));
            assert_eq!(*offset, start as u64, "byte {at} bit {bit}: {refused}");
        }
    }
}

#[test]
fn a_flipped_bit_in_an_earlier_segment_is_refused_even_at_its_end() {
    let journal = journal();
    for segment in &journal.segments[..journal.segments.len() - 1] {
        let bytes = journal.disk.bytes(segment);
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            let refused = read(&journal.with(segment, flipped), 1).unwrap_err();
            let JournalError::Damaged { file, offset, .. } = &refused else { panic!("byte {at}: {refused}") };
            assert!(file.ends_with(segment) && *offset <= at as u64, "byte {at}: {refused}");
        }
    }
}

#[test]
fn damage_to_the_last_frame_alone_is_taken_for_a_torn_write() {
    let journal = journal();
    let bytes = journal.disk.bytes(journal.last());
    for at in journal.frames[2]..journal.frames[3] {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        let disk = journal.with(journal.last(), flipped);
        let (all, recovered) = read(&disk, 1).unwrap();
        assert_eq!(all, records(1..=journal.last_number - 3));
        let torn = recovered.torn.unwrap();
        assert_eq!((torn.offset, torn.last_number), (journal.frames[2] as u64, journal.last_number - 3));
        assert!(torn.to_string().contains("of an unfinished write at byte"), "{torn}");
    }
}

#[test]
fn a_last_segment_that_was_never_finished_is_left_out() {
    let journal = journal();
    let name = format!("{:020}.log", journal.last_number + 1);
    let disk: Arc<dyn Disk> = Arc::new(journal.disk.clone());
    drop(reopen(&disk, 1024).unwrap());
    let header = journal.disk.bytes(&name)[..48].to_vec();
    for length in 0..=48 {
        journal.recovers_to(
            &journal.with(&name, header[..length].to_vec()),
            journal.last_number,
            match length {
                0 | 48 => None,
                _ => Some((0, header[..length].iter().rposition(|byte| *byte != 0).unwrap() as u64 + 1)),
            },
        );
    }
    journal.recovers_to(&journal.with(&name, vec![0; 1024]), journal.last_number, None);
    // With frames in it, it was finished, and then its header was lost.
    let mut headless = journal.disk.bytes(journal.last());
    headless[..48].fill(0);
    let refused = read(&journal.with(journal.last(), headless), 1).unwrap_err();
    assert!(matches!(refused, JournalError::Damaged { offset: 0, what: Damage::Header, .. }), "{refused}");
}

#[test]
fn frames_and_segments_of_another_history_are_refused() {
    let journal = journal();
    let mut bytes = journal.disk.bytes(journal.last());
    let [first, second, third, _] = journal.frames[..] else { panic!() };
    bytes.copy_within(second..third, first);
    let refused = read(&journal.with(journal.last(), bytes), 1).unwrap_err();
    assert!(matches!(refused, JournalError::Damaged { what: Damage::Number { .. }, .. }), "{refused}");

    for (epoch, hash) in [(EPOCH, 1), (EPOCH + 1, 0)] {
        let other = SimulatedDisk::new(0);
        let shared: Arc<dyn Disk> = Arc::new(other.clone());
        let recovered = read(&shared, 1).unwrap().1;
        let settings = Settings { new_epoch: epoch, ..settings(1024) };
        let mut log = Log::open(shared, recovered, &settings).unwrap();
        for next in (1..=45).step_by(3) {
            log.push(&records(next..=next + 2), next + hash);
            log.commit().unwrap();
        }
        assert_eq!(other.segments()[..2], journal.segments[..2]);
        let swapped = journal.with(&journal.segments[1], other.bytes(&journal.segments[1]));
        let refused = read(&swapped, 1).unwrap_err();
        let JournalError::Damaged { file, what, .. } = &refused else { panic!("{refused}") };
        assert!(file.ends_with(&journal.segments[1]));
        assert!(matches!((epoch, what), (EPOCH, Damage::Chain) | (_, Damage::Epoch { .. })), "{refused}");
    }
}

#[test]
fn a_reader_that_failed_goes_on_to_fail() {
    let journal = journal();
    let mut bytes = journal.disk.bytes(journal.last());
    bytes[journal.frames[1]] ^= 1;
    let mut reader = Reader::open(journal.with(journal.last(), bytes), 1).unwrap();
    let mut frame = Vec::new();
    while let Ok(read) = reader.next(&mut frame) {
        assert!(read.is_some());
    }
    assert!(reader.next(&mut frame).is_err());
    assert!(reader.finish().is_err());
}

#[test]
fn without_syncs_what_comes_after_a_hole_is_set_aside_and_what_was_synced_never() {
    let journal = journal();
    let whole = journal.disk.segments();
    assert_eq!(mend(&journal.with(journal.last(), journal.disk.bytes(journal.last())), 0).unwrap().1, None);
    let name = &whole[1];
    let bytes = journal.disk.bytes(name);
    let first: u64 = name.strip_suffix(".log").unwrap().parse().unwrap();
    // The header of the second segment, and its first frame but for the header.
    for (from, to) in [(0, 48), (48 + 10, end_of(&bytes))] {
        let mut holed = bytes.clone();
        holed[from..to].fill(0);
        let disk = journal.with(name, holed.clone());
        let last = first - 1;
        let files = disk.list().unwrap().len();
        note_unsynced(disk.as_ref(), last + 2).unwrap();
        mend(&disk, 0).expect_err("it was synced up to there");
        note_synced(disk.as_ref()).unwrap();
        assert_eq!(disk.list().unwrap().len(), files);
        note_unsynced(disk.as_ref(), 1).unwrap();
        note_unsynced(disk.as_ref(), last + 2).unwrap();
        assert!(matches!(mend(&disk, last + 1), Err(JournalError::Damaged { .. })), "a snapshot has it");
        assert_eq!(disk.list().unwrap().len(), files + 1);

        let offset = if from == 0 { 0 } else { 48 };
        let (end, lost) = mend(&disk, last).unwrap();
        let lost = lost.unwrap();
        assert_eq!((lost.offset, lost.last_number, lost.segments), (offset, last, whole.len() - 2));
        assert!(lost.file.ends_with(name) && end.last_number == last, "{lost}");
        let aside = |name: &str| {
            let file = disk.open(&format!("{name}.lost")).unwrap();
            let mut bytes = vec![0; file.length().unwrap() as usize];
            file.read_at(&mut bytes, 0).unwrap();
            bytes
        };
        assert_eq!(aside(name), holed[offset as usize..]);
        assert_eq!(aside(journal.last()), journal.disk.bytes(journal.last()));
        journal.recovers_to(&disk, last, None);
    }
}
