//! Pieces into segments: what the log's thread does, as plain calls.
//!
//! All that is appended together is one write: the pieces of an account as few blocks, account after account, and a mark, unless more
//! of a batch is to come. Readers learn of it when it is written, and never see a part of it.
//!
//! Writes go past the system's memory, which they would fill with what hardly anyone reads: on a virtual machine, a gigabyte took `dd` 4.2 s
//! of processor time where it needed new pages, and 0.4 s with `oflag=direct`. So they are of whole blocks of the disk: zeros follow the
//! last mark of a segment that grows, and what does not fill a block is written once more with what comes after it.

use std::sync::Arc;

use bytes::Bytes;
use crc32c::crc32c;

use super::format::{BLOCK_BYTES, BlockHead, Head, Header, index_name, segment_name};
use super::{Archive, ArchiveError, Piece};
use crate::disk::{Aligned, DiskFile, write_all};
use crate::stream::frame::frame_lengths;

/// A file in the making.
pub(super) const SPARE: &str = "next.tmp";
/// So much is synced at once where writes go through the system's memory: all of a segment, when it is closed, would hold up the
/// journal's syncs for as long as that takes.
const SYNC_BYTES: u64 = 1024 * 1024;
/// How much memory for a write is kept from one to the next.
const BUFFER_BYTES: usize = 8 * 1024 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Writer {
    archive: Arc<Archive>,
    /// The segment that grows; none until there is something to write.
    segment: Option<Segment>,
    /// What does not fill a block at the end of the segment, then what is about to be written.
    buffer: Aligned,
    /// The blocks in it, and where in the segment they will be.
    blocks: Vec<(BlockHead, u64)>,
}

#[derive(Debug)]
struct Segment {
    number: u64,
    file: Box<dyn DiskFile>,
    length: u64,
    /// How much of it is to be written from the system's memory yet.
    unwritten: u64,
    /// Whether nothing ever is.
    is_direct: bool,
    /// Whether it ends with a mark, and may be followed by another segment.
    is_marked: bool,
}

impl Writer {
    pub(super) fn new(archive: Arc<Archive>) -> Self {
        Self { archive, segment: None, buffer: Aligned::default(), blocks: Vec::new() }
    }

    /// Appends pieces, with which all executions up to the journal's record `number` are in the log. Without a number, more of what
    /// a record brought is to come: it stays in one segment, and is all cut if its mark never follows.
    pub(super) fn append(&mut self, mut pieces: Vec<Piece>, number: Option<u64>) -> Result<(), ArchiveError> {
        // One account's pieces stay in their order.
        pieces.sort_by_key(|piece| piece.account);
        let bytes: usize = pieces.iter().map(|piece| piece.frames.len()).sum();
        let mut segment = self.segment_for(bytes as u64)?;
        let begin = segment.length - self.buffer.length() as u64;
        self.blocks.clear();
        let mut of_account = Vec::new();
        for run in pieces.chunk_by(|one, other| one.account == other.account) {
            of_account.clear();
            of_account.extend(run.iter().flat_map(parts));
            let mut rest = of_account.as_slice();
            while !rest.is_empty() {
                rest = self.block(rest, begin);
            }
        }
        if let Some(number) = number {
            self.buffer.push(&Head::Mark(number).encode());
        }
        let end = begin + self.buffer.length() as u64;
        segment.unwritten += if segment.is_direct { 0 } else { end - segment.length };
        segment.length = end;
        let written = self.buffer.write(segment.file.as_mut(), begin);
        written.map_err(|source| self.archive.failed("write", &segment_name(segment.number), source))?;
        segment.is_marked = number.is_some();
        self.archive.grown(&self.blocks, segment.length, number);
        let is_due = segment.unwritten >= SYNC_BYTES;
        self.segment = Some(segment);
        self.buffer.shrink_to(BUFFER_BYTES);
        if is_due { self.sync() } else { Ok(()) }
    }

    /// Makes all that was appended durable.
    pub(super) fn sync(&mut self) -> Result<(), ArchiveError> {
        if let Some(segment) = &mut self.segment {
            let synced = segment.file.sync_data();
            synced.map_err(|source| self.archive.failed("sync", &segment_name(segment.number), source))?;
            segment.unwritten = 0;
        }
        self.archive.synced();
        Ok(())
    }

    /// Ends the segment that grows: makes it durable, and writes its index; without its last mark, it is read through and cut instead.
    pub(super) fn close(&mut self) -> Result<(), ArchiveError> {
        if let Some(segment) = &mut self.segment {
            let cut = segment.file.truncate(segment.length);
            cut.map_err(|source| self.archive.failed("cut", &segment_name(segment.number), source))?;
        }
        self.sync()?;
        if let Some(segment) = self.segment.take_if(|segment| segment.is_marked) {
            self.archive.write_index(segment.number)?;
        }
        Ok(())
    }

    /// The segment that so many bytes go to.
    fn segment_for(&mut self, bytes: u64) -> Result<Segment, ArchiveError> {
        let full = |segment: &Segment| segment.is_marked && segment.length + bytes > self.archive.segment_bytes;
        if self.segment.as_ref().is_some_and(|segment| full(segment) && segment.length > Header::SIZE as u64) {
            self.close()?;
        }
        match self.segment.take() {
            Some(segment) => Ok(segment),
            None => self.begin(),
        }
    }

    fn begin(&mut self) -> Result<Segment, ArchiveError> {
        let (number, held) = self.archive.next_segment();
        let Archive { disk, epoch, log, .. } = &*self.archive;
        let (name, header) = (segment_name(number), Header { epoch: *epoch, log: *log, number, held }.encode());
        self.buffer.clear();
        self.buffer.push(&header);
        let mut begin = || {
            let (mut file, is_direct) = disk.create_direct(&name)?;
            self.buffer.write(file.as_mut(), 0)?;
            disk.sync_dir()?;
            Ok((file, is_direct))
        };
        let (file, is_direct) = begin().map_err(|source| self.archive.failed("begin", &name, source))?;
        self.archive.begun(number, header.len() as u64);
        self.archive.retire()?;
        Ok(Segment { number, file, length: header.len() as u64, unwritten: 0, is_direct, is_marked: true })
    }

    /// Encodes a block of as many parts as fit, at least one, into the buffer, which begins at `begin`; the parts that are left.
    fn block<'a>(&mut self, parts: &'a [Piece], begin: u64) -> &'a [Piece] {
        let mut length = 0;
        let fitting = parts.iter().take_while(|part| {
            length += part.frames.len();
            length <= BLOCK_BYTES
        });
        let (taken, rest) = parts.split_at(fitting.count().max(1).min(parts.len()));
        let Some(first) = taken.first() else { return rest };
        let crc = taken.iter().fold(crc32c(&[]), |crc, part| crc32c::crc32c_append(crc, &part.frames));
        let head = BlockHead {
            account: first.account,
            first_seq: first.first_seq,
            count: taken.iter().map(|part| part.count).sum(),
            length: taken.iter().map(|part| part.frames.len() as u32).sum(),
            crc,
        };
        self.blocks.push((head, begin + self.buffer.length() as u64));
        self.buffer.push(&Head::Block(head).encode());
        taken.iter().for_each(|part| self.buffer.push(&part.frames));
        rest
    }
}

/// A piece in parts none of which is longer than a block should be; a longer frame is a part of its own.
fn parts(piece: &Piece) -> Vec<Piece> {
    if piece.frames.len() <= BLOCK_BYTES {
        return vec![piece.clone()];
    }
    let mut parts = Vec::new();
    let (mut first_seq, mut start, mut end, mut count) = (piece.first_seq, 0, 0, 0);
    let mut part = |first_seq: &mut u64, start: &mut usize, end: usize, count: &mut u32| {
        let frames: Bytes = piece.frames.slice(*start..end);
        parts.push(Piece { account: piece.account, first_seq: *first_seq, count: *count, frames });
        (*first_seq, *start, *count) = (*first_seq + u64::from(*count), end, 0);
    };
    for length in frame_lengths(&piece.frames) {
        if count > 0 && end + length - start > BLOCK_BYTES {
            part(&mut first_seq, &mut start, end, &mut count);
        }
        end += length;
        count += 1;
    }
    if count > 0 {
        part(&mut first_seq, &mut start, end, &mut count);
    }
    parts
}

impl Archive {
    /// Writes the index of the last segment, which grows no more.
    pub(super) fn write_index(&self, number: u64) -> Result<(), ArchiveError> {
        let bytes = {
            let state = self.read_state();
            let Some((summary, index)) = state.summary(self.log).zip(state.growing.as_ref()) else { return Ok(()) };
            index.encode(&summary)
        };
        let name = index_name(number);
        let write = || {
            let mut file = self.disk.create(SPARE)?;
            write_all(file.as_mut(), &bytes, 0)?;
            // It alone knows the accounts whose executions are all in segments that may go.
            file.sync_data()?;
            self.disk.rename(SPARE, &name)
        };
        write().map_err(|source| self.failed("write", &name, source))?;
        self.write_state().growing = None;
        Ok(())
    }
}
