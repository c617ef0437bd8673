//! Segments to write to: made ahead, filled with zeros, put in place whole.
//!
//! A sync of zeros that are already there need not write the file's length: it takes half the time. Where frames are synced they are
//! also written past the system's memory, which would only keep them until the sync; so a write is of whole blocks of the disk, the
//! last of them written again with the next frame. The next segment is
//! filled in steps, so that no batch waits long behind one, and synced every few of them: each such sync makes the file system commit
//! its own journal. Then its header is written and synced under another name, and the file renamed: what has a segment's name has a
//! header.

use std::sync::Arc;

use super::JournalError;
use super::format::{Header, SPARE, segment_name};
use super::log::{Durability, FRAME_BYTES};
use crate::disk::{Aligned, Disk, DiskFile};

/// How much is filled in one step: bounds how long a batch that arrives meanwhile waits.
static ZEROS: [u8; 256 * 1024] = [0; 256 * 1024];
/// How much is filled between two syncs: bounds how long such a sync takes where the system holds writes back.
const SYNC_BYTES: u64 = 4 * 1024 * 1024;

/// An open file with a part in use.
#[derive(Debug)]
pub(super) struct Segment {
    file: Box<dyn DiskFile>,
    name: String,
    /// Bytes in use.
    pub(super) used: u64,
    /// Bytes there are.
    pub(super) length: u64,
    /// Of those in use, what does not fill a block.
    tail: Aligned,
}

/// Where segments come from.
#[derive(Debug)]
pub(super) struct Segments {
    disk: Arc<dyn Disk>,
    durability: Durability,
    /// The usual length.
    length: u64,
    /// The next segment, as far as it is filled.
    spare: Option<Segment>,
}

impl Segments {
    pub(super) fn new(disk: Arc<dyn Disk>, durability: Durability, length: u64) -> Self {
        Self { disk, durability, length, spare: None }
    }

    /// Puts the next segment in place, with room for a frame of `frame` bytes. Gives it with its header's checksum.
    pub(super) fn begin(&mut self, header: &Header, frame: u64) -> Result<(Segment, u32), JournalError> {
        let (bytes, crc) = header.encode();
        let mut next = match self.spare.take() {
            Some(spare) => spare,
            None => self.create()?,
        };
        next.length = self.length.max(bytes.len() as u64 + frame);
        while next.used < next.length {
            self.fill(&mut next)?;
        }
        next.used = 0;
        next.tail.clear();
        self.write(&mut next, &bytes)?;
        self.sync(&mut next)?;
        next.name = segment_name(header.first);
        let renamed = self.disk.rename(SPARE, &next.name);
        renamed.map_err(|source| self.failed("rename", SPARE, source))?;
        if self.durability == Durability::Fsync {
            self.disk.sync_dir().map_err(|source| self.failed("sync", "", source))?;
        }
        Ok((next, crc))
    }

    /// Fills a little more of the next segment; whether there was anything to fill.
    pub(super) fn prepare(&mut self) -> Result<bool, JournalError> {
        let mut spare = match self.spare.take() {
            Some(spare) => spare,
            None => self.create()?,
        };
        let filling = spare.used < spare.length;
        if filling {
            self.fill(&mut spare)?;
            if spare.used.is_multiple_of(SYNC_BYTES) || spare.used >= spare.length {
                self.sync(&mut spare)?;
            }
        }
        self.spare = Some(spare);
        Ok(filling)
    }

    /// How much of the next segment is filled.
    pub(super) fn prepared(&self) -> u64 {
        self.spare.as_ref().map_or(0, |spare| spare.used)
    }

    /// Writes behind what is in use of `segment`.
    pub(super) fn write(&self, segment: &mut Segment, bytes: &[u8]) -> Result<(), JournalError> {
        let begin = segment.used - segment.tail.length() as u64;
        segment.tail.push(bytes);
        let written = segment.tail.write(segment.file.as_mut(), begin);
        segment.tail.shrink_to(2 * FRAME_BYTES);
        written.map_err(|source| self.failed("write", &segment.name, source))?;
        segment.used += bytes.len() as u64;
        Ok(())
    }

    /// Syncs `segment` and its name, whatever the durability.
    pub(super) fn make_durable(&self, segment: &mut Segment) -> Result<(), JournalError> {
        segment.file.sync_data().map_err(|source| self.failed("sync", &segment.name, source))?;
        self.disk.sync_dir().map_err(|source| self.failed("sync", "", source))
    }

    /// Syncs `segment`, if that is the durability.
    pub(super) fn sync(&self, segment: &mut Segment) -> Result<(), JournalError> {
        match self.durability {
            Durability::Fsync => segment.file.sync_data().map_err(|source| self.failed("sync", &segment.name, source)),
            Durability::Os => Ok(()),
        }
    }

    fn create(&self) -> Result<Segment, JournalError> {
        let created = match self.durability {
            Durability::Fsync => self.disk.create_direct(SPARE).map(|(file, _)| file),
            Durability::Os => self.disk.create(SPARE),
        };
        let file = created.map_err(|source| self.failed("create", SPARE, source))?;
        Ok(Segment { file, name: SPARE.to_owned(), used: 0, length: self.length, tail: Aligned::default() })
    }

    fn fill(&self, spare: &mut Segment) -> Result<(), JournalError> {
        let left = usize::try_from(spare.length - spare.used).unwrap_or(usize::MAX);
        self.write(spare, ZEROS.get(..left).unwrap_or(&ZEROS))
    }

    fn failed(&self, doing: &'static str, name: &str, source: std::io::Error) -> JournalError {
        JournalError::Io { doing, file: self.disk.path(name), source }
    }
}
