//! A file read through a buffer that moves along it.

use std::io;

use crate::disk::DiskFile;

/// How much is read in one call: large enough that calls do not count, small enough to stay in a cache.
const CHUNK: usize = 1024 * 1024;

/// A part of a file in memory.
#[derive(Debug)]
pub(super) struct Window {
    file: Box<dyn DiskFile>,
    length: u64,
    /// The part that is in memory, from `start` on.
    buffer: Vec<u8>,
    start: u64,
}

impl Window {
    pub(super) fn new(file: Box<dyn DiskFile>) -> io::Result<Self> {
        Ok(Self { length: file.length()?, file, buffer: Vec::new(), start: 0 })
    }

    /// The file's length.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The `size` bytes at `offset`, or as many as the file has there.
    pub(super) fn at(&mut self, offset: u64, size: usize) -> io::Result<&[u8]> {
        let left = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let size = size.min(left);
        let in_buffer = |window: &Self| -> Option<std::ops::Range<usize>> {
            let from = usize::try_from(offset.checked_sub(window.start)?).ok()?;
            Some(from..from.checked_add(size)?).filter(|range| range.end <= window.buffer.len())
        };
        if in_buffer(self).is_none() {
            self.fill(offset, size.max(CHUNK.min(left)))?;
        }
        let range = in_buffer(self).unwrap_or_default();
        Ok(self.buffer.get(range).unwrap_or_default())
    }

    /// Whatever of the file from `offset` on one call brings; empty at its end.
    pub(super) fn chunk(&mut self, offset: u64) -> io::Result<&[u8]> {
        self.at(offset, CHUNK)
    }

    fn fill(&mut self, offset: u64, size: usize) -> io::Result<()> {
        self.start = offset;
        self.buffer.resize(size, 0);
        let mut filled = 0;
        while let Some(rest) = self.buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, offset + filled as u64)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => filled += read,
            }
        }
        Ok(())
    }
}
