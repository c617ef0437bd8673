//! All executions in the order in which they were written: for who reads behind everyone, and may stop and go on later.

use std::sync::Arc;

use bytes::Bytes;

use super::error::Fault;
use super::format::{Head, Header, segment_name};
use super::scan::Scan;
use super::{Archive, ArchiveError};
use crate::domain::AccountId;

/// A place between two blocks, in the order in which they were written. It may be kept, and used after a restart, with the
/// log's [`Archive::id`]: in a log that was made anew it means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The segment: 1, 2, 3, …
    pub segment: u64,
    /// The byte in it.
    pub offset: u64,
}

impl Position {
    /// Before the oldest block.
    pub const START: Self = Self { segment: 1, offset: 0 };
}

/// Executions of one account that were written together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whose.
    pub account: AccountId,
    /// The sequence of the first.
    pub first_seq: u64,
    /// Whole frames; [`frames`](crate::stream::frames) gives their payloads.
    pub frames: Bytes,
    /// The place after it.
    pub end: Position,
}

/// A reader; see the module. It has up to 128 KiB of the log in memory.
#[derive(Debug)]
pub struct Tail {
    archive: Arc<Archive>,
    /// The segment that is read; the number of a segment that is still to come once all others are read.
    segment: u64,
    offset: u64,
    scan: Option<Scan>,
}

impl Tail {
    /// A reader from a place on.
    ///
    /// What follows on a place may have been cut after a loss of power, and written again behind it, in other blocks. So
    /// who goes on from a place that it kept must be ready to meet, once, executions that it knows. A place that is not
    /// there any more is taken for the nearest after it that is. Who is not to miss any holds them: [`Archive::hold_from`].
    ///
    /// # Errors
    ///
    /// If the segment cannot be read.
    pub fn open(archive: &Arc<Archive>, from: Position) -> Result<Self, ArchiveError> {
        let (oldest, last) = {
            let state = archive.read_state();
            (state.oldest.max(1), state.last())
        };
        let start = Header::SIZE as u64;
        let (segment, offset) = match last {
            _ if from.segment < oldest => (oldest, start),
            Some(last) if from.segment <= last => (from.segment, from.offset.max(start)),
            _ => (last.map_or(1, |last| last + 1), start),
        };
        let mut tail = Self { archive: archive.clone(), segment, offset, scan: None };
        tail.settle()?;
        Ok(tail)
    }

    /// The next executions; `None` if there are no more at the moment. Reads files, so it blocks.
    ///
    /// # Errors
    ///
    /// If a segment cannot be read or is damaged.
    #[expect(clippy::should_implement_trait, reason = "an iterator ends once; this goes on when there is more")]
    pub fn next(&mut self) -> Result<Option<Entry>, ArchiveError> {
        loop {
            self.catch_up();
            let Some((length, more)) = self.known() else { return Ok(None) };
            let archive = self.archive.clone();
            let of = |fault: Fault| fault.of(archive.disk.path(&segment_name(self.segment)));
            let scan = match &mut self.scan {
                Some(scan) => scan,
                none => {
                    let file = archive.disk.open(&segment_name(self.segment)).map_err(|error| of(error.into()))?;
                    none.insert(Scan::new(file, self.offset, length))
                }
            };
            scan.extend(length);
            match scan.head().map_err(of)? {
                Some(head) => {
                    let frames = match &head {
                        Head::Block(block) => Some((block.account, block.first_seq, scan.frames(block).map_err(of)?)),
                        Head::Mark(_) => None,
                    };
                    scan.skip(&head);
                    self.offset = scan.offset();
                    if let Some((account, first_seq, frames)) = frames {
                        let end = Position { segment: self.segment, offset: self.offset };
                        return Ok(Some(Entry { account, first_seq, frames, end }));
                    }
                }
                None if more => {
                    (self.segment, self.offset, self.scan) = (self.segment + 1, Header::SIZE as u64, None);
                }
                None => return Ok(None),
            }
        }
    }

    /// Goes on with the oldest segment that is kept, if its own has gone.
    fn catch_up(&mut self) {
        let oldest = self.archive.read_state().oldest;
        if self.segment < oldest {
            (self.segment, self.offset, self.scan) = (oldest, Header::SIZE as u64, None);
        }
    }

    /// Where it is.
    pub fn position(&self) -> Position {
        Position { segment: self.segment, offset: self.offset }
    }

    /// How long the segment is, and whether there are others after it; `None` if there is none yet.
    fn known(&self) -> Option<(u64, bool)> {
        let state = self.archive.read_state();
        Some((state.length(self.segment)?, state.last()? > self.segment))
    }

    /// Goes to where a block starts. One beyond the end, or where none starts, was cut, and the segment begun anew: it is read from
    /// its beginning.
    fn settle(&mut self) -> Result<(), ArchiveError> {
        let Some((length, _)) = self.known() else { return Ok(()) };
        if self.offset > length {
            self.offset = Header::SIZE as u64;
        }
        let name = segment_name(self.segment);
        let of = |fault: Fault| fault.of(self.archive.disk.path(&name));
        let file = self.archive.disk.open(&name).map_err(|error| of(error.into()))?;
        let mut scan = Scan::new(file, self.offset, length);
        match scan.head() {
            Err(Fault::Io(error)) => Err(of(error.into())),
            Err(Fault::Damage(..)) if self.offset > Header::SIZE as u64 => {
                self.offset = Header::SIZE as u64;
                Ok(())
            }
            _ => {
                self.scan = Some(scan);
                Ok(())
            }
        }
    }
}
