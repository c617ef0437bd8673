//! One segment, frame by frame; and what to make of bytes that are no frame.

use std::{
    io,
    path::{Path, PathBuf},
};

use crc32c::crc32c;

use super::super::format::{FORMAT, FORMAT_OLDEST, FRAME_MAGIC, FrameHeader, Header};
use super::super::{Damage, JournalError};
use super::window::Window;
use crate::disk::Disk;

/// A segment being read.
#[derive(Debug)]
pub(super) struct Segment {
    /// What it is called in its folder.
    pub(super) name: String,
    path: PathBuf,
    window: Window,
    /// Where the next frame starts.
    pub(super) offset: u64,
}

/// What stands where a frame may start.
#[derive(Debug)]
pub(super) enum Found {
    /// A frame with its header's checksum.
    Frame(FrameHeader, u32),
    /// Zeros, or nothing, to the segment's end.
    End,
    /// Bytes that are no frame, so many up to the last that is not zero.
    Rest {
        /// How many.
        bytes: u64,
        /// What is wrong with the frame.
        what: Damage,
        /// Whether a valid frame header is among them: then this was no write cut short.
        frames_follow: bool,
    },
}

impl Segment {
    pub(super) fn open(disk: &dyn Disk, name: &str) -> Result<Self, JournalError> {
        let path = disk.path(name);
        let window = disk.open(name).and_then(Window::new);
        let window = window.map_err(|source| JournalError::Io { doing: "open", file: path.clone(), source })?;
        Ok(Self { name: name.to_owned(), path, window, offset: 0 })
    }

    /// The header with its checksum, and steps behind it; `None` if there is none.
    pub(super) fn header(&mut self) -> Result<Option<(Header, u32)>, JournalError> {
        let bytes = self.window.at(0, Header::SIZE).map_err(|source| read_failed(&self.path, source))?;
        let Some((format, header, crc)) = Header::decode(bytes) else { return Ok(None) };
        if !(FORMAT_OLDEST..=FORMAT).contains(&format) {
            return Err(JournalError::Format { file: self.path.clone(), found: format, known: FORMAT });
        }
        self.offset = Header::SIZE as u64;
        Ok(Some((header, crc)))
    }

    /// What stands at `offset`.
    pub(super) fn find(&mut self) -> Result<Found, JournalError> {
        self.try_find().map_err(|source| read_failed(&self.path, source))
    }

    fn try_find(&mut self) -> io::Result<Found> {
        let Some((header, crc)) = FrameHeader::decode(self.window.at(self.offset, FrameHeader::SIZE)?) else {
            return self.rest(Damage::Frame);
        };
        let size = FrameHeader::SIZE + header.length as usize;
        if self.window.length() - self.offset < size as u64 {
            return self.rest(Damage::Payload);
        }
        let frame = self.window.at(self.offset, size)?;
        if frame.get(FrameHeader::SIZE..).is_none_or(|payload| crc32c(payload) != header.payload_crc) {
            return self.rest(Damage::Payload);
        }
        Ok(Found::Frame(header, crc))
    }

    /// The bytes of the frame found at `offset`, which has this header.
    pub(super) fn frame(&mut self, offset: u64, header: &FrameHeader) -> Result<&[u8], JournalError> {
        let size = FrameHeader::SIZE + header.length as usize;
        self.window.at(offset, size).map_err(|source| read_failed(&self.path, source))
    }

    /// The error of damage at `offset`.
    pub(super) fn damaged(&self, what: Damage) -> JournalError {
        self.damaged_at(self.offset, what)
    }

    /// The error of damage at byte `offset`.
    pub(super) fn damaged_at(&self, offset: u64, what: Damage) -> JournalError {
        JournalError::Damaged { file: self.path.clone(), offset, what }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Judges what follows from `offset` on.
    fn rest(&mut self, what: Damage) -> io::Result<Found> {
        let (mut at, mut end, mut frames_follow) = (self.offset, self.offset, false);
        loop {
            let chunk = self.window.chunk(at)?;
            if !is_zeros(chunk)
                && let Some(last) = chunk.iter().rposition(|byte| *byte != 0)
            {
                end = at + last as u64 + 1;
                // The frame at `offset` itself does not follow.
                let from = usize::from(at == self.offset);
                frames_follow |= chunk.get(from..).is_some_and(has_frame_header);
            }
            // Chunks overlap by less than a header, so that none hides between them.
            let step = chunk.len().saturating_sub(FrameHeader::SIZE - 1);
            if at + chunk.len() as u64 >= self.window.length() {
                break;
            }
            at += step as u64;
        }
        let bytes = end - self.offset;
        Ok(if bytes == 0 { Found::End } else { Found::Rest { bytes, what, frames_follow } })
    }
}

/// Whether there are zeros only: in blocks, which the compiler reads many bytes at a time.
fn is_zeros(bytes: &[u8]) -> bool {
    bytes.chunks(4096).all(|block| block.iter().fold(0, |all, byte| all | byte) == 0)
}

fn has_frame_header(bytes: &[u8]) -> bool {
    let mut starts = bytes.windows(FrameHeader::SIZE).filter(|window| window.starts_with(&FRAME_MAGIC));
    starts.any(|window| FrameHeader::decode(window).is_some())
}

fn read_failed(path: &Path, source: io::Error) -> JournalError {
    JournalError::Io { doing: "read", file: path.to_owned(), source }
}
