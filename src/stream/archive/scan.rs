//! A segment's bytes, one block or mark after the other, a bounded piece of the file in memory at a time.

use bytes::Bytes;
use crc32c::crc32c;

use super::error::{Damage, Fault};
use super::format::{BlockHead, Head};
use crate::disk::{ALIGNMENT, DiskFile};

/// How much of a file is read at once; of a block that is longer, all of it.
const CHUNK: u64 = 128 * 1024;

/// A place in a segment, and what of the file around it is in memory.
#[derive(Debug)]
pub(super) struct Scan {
    file: Box<dyn DiskFile>,
    /// Where the next block or mark starts.
    offset: u64,
    /// Where the segment ends; more may be in the file already.
    limit: u64,
    chunk: Bytes,
    /// Where in the file the chunk is from.
    chunk_at: u64,
}

impl Scan {
    /// A scan of `file` from `offset` to `limit`.
    pub(super) fn new(file: Box<dyn DiskFile>, offset: u64, limit: u64) -> Self {
        Self { file, offset, limit, chunk: Bytes::new(), chunk_at: 0 }
    }

    /// Where the next block or mark starts.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Goes to another block or mark.
    pub(super) fn seek(&mut self, offset: u64) {
        self.offset = offset;
    }

    /// Learns that the segment has grown.
    pub(super) fn extend(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// The head of the next block or mark; `None` at the end.
    pub(super) fn head(&mut self) -> Result<Option<Head>, Fault> {
        if self.offset >= self.limit {
            return Ok(None);
        }
        let offset = self.offset;
        let bytes = self.bytes(offset, Head::SIZE as u64)?;
        match Head::decode(&bytes) {
            Some(head) if self.limit - offset >= head.length() => Ok(Some(head)),
            Some(_) => Err(Fault::Damage(offset, Damage::End)),
            None => Err(Fault::Damage(offset, Damage::Head)),
        }
    }

    /// The frames of the block whose head is next, checked against it.
    pub(super) fn frames(&mut self, head: &BlockHead) -> Result<Bytes, Fault> {
        let frames = self.bytes(self.offset + Head::SIZE as u64, u64::from(head.length))?;
        if crc32c(&frames) != head.crc {
            return Err(Fault::Damage(self.offset, Damage::Frames));
        }
        Ok(frames)
    }

    /// Whether nothing but the zeros that fill a block of the disk follows `offset`.
    pub(super) fn is_padding(&mut self, offset: u64) -> Result<bool, Fault> {
        let left = self.limit - offset;
        Ok(left < ALIGNMENT as u64 && self.bytes(offset, left)?.iter().all(|byte| *byte == 0))
    }

    /// Goes on behind the block or mark whose head is next.
    pub(super) fn skip(&mut self, head: &Head) {
        self.offset += head.length();
    }

    /// `length` bytes from `offset` on.
    fn bytes(&mut self, offset: u64, length: u64) -> Result<Bytes, Fault> {
        let within = offset.checked_sub(self.chunk_at).filter(|skip| skip + length <= self.chunk.len() as u64);
        let start = match within {
            Some(start) => start,
            None => {
                self.load(offset, length)?;
                0
            }
        };
        let range = as_usize(start)..as_usize(start + length);
        if range.end > self.chunk.len() {
            return Err(Fault::Damage(self.offset, Damage::End));
        }
        Ok(self.chunk.slice(range))
    }

    fn load(&mut self, offset: u64, length: u64) -> Result<(), Fault> {
        // The head of a block is read with what is likely to follow it.
        let wanted = length.max(CHUNK.min(self.limit.saturating_sub(offset)));
        let mut chunk = vec![0; as_usize(wanted)];
        let mut filled = 0;
        while let Some(rest) = chunk.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, offset + filled as u64)? {
                0 => break,
                read => filled += read,
            }
        }
        chunk.truncate(filled);
        (self.chunk, self.chunk_at) = (chunk.into(), offset);
        Ok(())
    }
}

fn as_usize(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
