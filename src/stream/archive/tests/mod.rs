//! The log as a whole, on a disk in memory: what is written is read, by account and in order, over segments, restarts and
//! everything that a disk does.

mod ends;
mod reading;
mod retiring;
mod thread;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};

use super::queue::Work;
use super::writer::Writer;
use super::*;
use crate::disk::{ALIGNMENT, simulated::SimulatedDisk};
use crate::stream::{BlockBuilder, frames};

const EPOCH: u64 = 0xABCD;

fn settings(journal_end: u64, segment_bytes: u64) -> Settings {
    Settings { segment_bytes, patience: Duration::ZERO, ..Settings::new(EPOCH, journal_end) }
}

/// A block as a batch of the journal brings it: each frame says whose it is, its sequence, and is as long as that makes it.
fn block(account: u32, first_seq: u64, count: u64) -> (AccountId, Block) {
    let mut block = BlockBuilder::new(first_seq);
    for seq in first_seq..first_seq + count {
        let filling = "x".repeat((seq % 200) as usize);
        block.push(|into| into.extend_from_slice(format!("{account}:{seq}:{filling}").as_bytes()));
    }
    (AccountId(account), block.build())
}

/// The frames of an account, as they should be read.
fn expected(account: u32, seqs: std::ops::Range<u64>) -> Vec<Bytes> {
    let (_, block) = block(account, seqs.start, seqs.end.saturating_sub(seqs.start));
    frames(&block.bytes).map(Bytes::copy_from_slice).collect()
}

/// A log that is written without a thread.
struct Written {
    archive: Arc<Archive>,
    writer: Writer,
}

impl Written {
    fn open(disk: &SimulatedDisk, settings: &Settings) -> Result<Self, ArchiveError> {
        let archive = Archive::open(Arc::new(disk.clone()), settings)?;
        Ok(Self { writer: Writer::new(archive.clone()), archive })
    }

    /// Appends what one batch brought, or a part of it, and writes it.
    fn append(&mut self, number: impl Into<Option<u64>>, blocks: &[(AccountId, Block)]) -> Result<(), ArchiveError> {
        self.archive.append(number.into(), blocks);
        self.archive.sync();
        loop {
            match self.archive.queue.take() {
                Work::Write { pieces, number } => self.writer.append(pieces, number)?,
                Work::Sync => return Ok(()),
                Work::Retire => self.archive.retire()?,
                other => panic!("{other:?}"),
            }
        }
    }
}

/// Reads on from `seq` until there is no more.
fn read_all(archive: &Archive, account: u32, mut seq: u64, bytes_max: usize) -> Result<Vec<Bytes>, ArchiveError> {
    let mut found = Vec::new();
    loop {
        let mut runs = VecDeque::new();
        let read = archive.read(AccountId(account), seq, bytes_max, &mut runs)?;
        found.extend(runs.iter().flat_map(frames).map(Bytes::copy_from_slice));
        match read {
            Read::Frames { next_seq } if next_seq > seq => seq = next_seq,
            Read::Frames { .. } => return Ok(found),
            Read::Gone { oldest_seq } => panic!("gone, {oldest_seq} is the oldest"),
        }
    }
}

/// What a reader found of each account: the sequence that comes next, and the frames.
type Followed = BTreeMap<AccountId, (u64, Bytes)>;

/// All entries from a place on, by account, with the place after the last.
fn follow(archive: &Arc<Archive>, from: Position) -> Result<(Followed, Position), ArchiveError> {
    let mut tail = Tail::open(archive, from)?;
    let mut found: BTreeMap<AccountId, (u64, BytesMut)> = BTreeMap::new();
    let mut end = from;
    while let Some(entry) = tail.next()? {
        let (next_seq, bytes) = found.entry(entry.account).or_insert((entry.first_seq, BytesMut::new()));
        assert_eq!(*next_seq, entry.first_seq, "entries of an account are dense");
        *next_seq += frames(&entry.frames).count() as u64;
        bytes.extend_from_slice(&entry.frames);
        end = entry.end;
    }
    assert!(tail.next()?.is_none());
    Ok((found.into_iter().map(|(account, (next, bytes))| (account, (next, bytes.freeze()))).collect(), end))
}
