//! All that was kept, from any record on, in order and checked; and where to go on from.
//!
//! In: a folder of segments. Out: its records, frame by frame ([`Reader::next`]), then [`Recovered`]. It changes nothing:
//! what is torn is cut when the journal is opened for writing.
//!
//! - **Checked:** names against headers, checksums, the chain from frame to frame across segments, dense numbers, stamps
//!   that never go back, that records fill their frame. What fails is refused with file and byte.
//! - **A torn tail** is a bad frame in the last segment that no valid frame follows: a write that a crash cut short, of
//!   which nothing was ever released. It is reported and left out. So is a last segment without a header and without a
//!   frame: one that a crash kept from being made.
//! - **Known limit:** damage to the very last frame looks the same as a torn tail. What a loss of power tears is taken to be what was being
//!   written: a sector has either what it had or what was written to it, and the last block is written again with what it had.
//!
//! Costs: one pass, about 60 bytes a record; memory is the largest frame and its records.

mod ahead;
mod segment;
mod window;

use std::{collections::VecDeque, fmt, path::PathBuf, sync::Arc};

pub use self::ahead::{Framed, ReadAhead};
use self::segment::{Found, Segment};
use super::format::{FrameHeader, Header, segment_first, segment_name};
use super::{Damage, JournalError, Record, codec};
use crate::disk::Disk;
use crate::domain::Nanos;

/// A frame that was read: the records are in the buffer that [`Reader::next`] was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The version of the rules by which its records were executed.
    pub rules: u32,
    /// The wrapping sum of a hash of each execution that its records produced; `None` if not all of its records were asked
    /// for.
    pub executions_hash: Option<u64>,
}

/// The end of a journal.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// The number of the last record; 0 if there is none.
    pub last_number: u64,
    /// Its stamp.
    pub last_stamp: Nanos,
    /// The random number that the venue's data is known by; `None` if nothing was ever kept.
    pub epoch: Option<u64>,
    /// What was left out at the end.
    pub torn: Option<Torn>,
    /// The last frame of the last segment, if it has one; what stands behind it is to be cut.
    pub(super) tail: Option<Tail>,
    /// The checksum of the last frame, which the next segment refers to; 0 if there is none.
    pub(super) last_crc: u32,
}

/// A last frame.
#[derive(Clone, Debug)]
pub(super) struct Tail {
    pub(super) name: String,
    pub(super) offset: u64,
    pub(super) frame: Vec<u8>,
}

/// Bytes at the end that a crash kept from becoming a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The segment.
    pub file: PathBuf,
    /// Where in it.
    pub offset: u64,
    /// How many bytes.
    pub bytes: u64,
    /// The last record before them.
    pub last_number: u64,
}

impl fmt::Display for Torn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, offset, bytes, last_number } = self;
        write!(f, "{bytes} bytes of an unfinished write at byte {offset} of {}, after record {last_number}", file.display())
    }
}

/// Reads a journal; see the module.
#[derive(Debug)]
pub struct Reader {
    disk: Arc<dyn Disk>,
    /// Segments still to open, by their first records.
    segments: VecDeque<u64>,
    current: Option<Segment>,
    /// The rules of the current segment.
    rules: u32,
    /// The checksum that the next frame refers to.
    chain: u32,
    /// The last frame read of the current segment, and where it is.
    last_frame: Option<(u64, FrameHeader)>,
    /// The first record asked for.
    from: u64,
    /// The first record there is.
    oldest: u64,
    /// What was read so far.
    at: Recovered,
}

impl Reader {
    /// Reads the journal in `disk` from record `from` on: 1, or the one after a snapshot.
    ///
    /// # Errors
    ///
    /// [`JournalError::Retired`] if older segments were, [`JournalError::Io`] if the folder cannot be read.
    pub fn open(disk: Arc<dyn Disk>, from: u64) -> Result<Self, JournalError> {
        let segments = list(disk.as_ref())?;
        let oldest = segments.first().copied().unwrap_or(1);
        if from < oldest {
            return Err(JournalError::Retired { folder: disk.path(""), oldest, wanted: from });
        }
        // The last segment may have nothing to tell; the one before it then says where the journal ends.
        let holds = segments.iter().rposition(|first| *first <= from).unwrap_or(0);
        let unread = segments.iter().skip(holds.min(segments.len().saturating_sub(2))).copied().collect();
        let at = Recovered { last_number: 0, last_stamp: Nanos(0), epoch: None, torn: None, tail: None, last_crc: 0 };
        Ok(Self { disk, segments: unread, current: None, rules: 0, chain: 0, last_frame: None, from, oldest, at })
    }

    /// Reads the journal in `disk` from the oldest record that is kept.
    ///
    /// # Errors
    ///
    /// [`JournalError::Io`] if the folder cannot be read.
    pub fn open_oldest(disk: Arc<dyn Disk>) -> Result<Self, JournalError> {
        let oldest = list(disk.as_ref())?.first().copied().unwrap_or(1);
        Self::open(disk, oldest)
    }

    /// The first record that is kept, or would be.
    pub fn oldest(&self) -> u64 {
        self.oldest
    }

    /// The last record read.
    pub fn last_number(&self) -> u64 {
        self.at.last_number
    }

    /// Whether a segment was there, with its header.
    pub(super) fn has_begun(&self) -> bool {
        self.at.epoch.is_some()
    }

    /// Puts the records of the next frame in the place of `records`; `None` after the last. Once it fails, it goes on to.
    ///
    /// # Errors
    ///
    /// [`JournalError`] if what was written is not what stands there, or ends before the first record asked for.
    pub fn next(&mut self, records: &mut Vec<Record>) -> Result<Option<Frame>, JournalError> {
        loop {
            records.clear();
            if self.current.is_none() && !self.open_segment()? {
                return self.end();
            }
            let Some(mut segment) = self.current.take() else { return self.end() };
            let found = self.find(&mut segment, records);
            if !matches!(found, Ok(None)) {
                self.current = Some(segment);
            }
            let Some(frame) = found? else { continue };
            if !records.is_empty() {
                return Ok(Some(frame));
            }
        }
    }

    /// Where the journal ends. Reads what is still to read.
    ///
    /// # Errors
    ///
    /// As [`Reader::next`].
    pub fn finish(mut self) -> Result<Recovered, JournalError> {
        let mut records = Vec::new();
        while self.next(&mut records)?.is_some() {}
        Ok(self.at)
    }

    /// Opens the next segment; whether there is one.
    fn open_segment(&mut self) -> Result<bool, JournalError> {
        let Some(first) = self.segments.front().copied() else { return Ok(false) };
        let mut segment = Segment::open(self.disk.as_ref(), &segment_name(first))?;
        let Some((header, crc)) = segment.header()? else {
            self.headless(&mut segment, first)?;
            self.segments.clear();
            return Ok(false);
        };
        self.check_header(&header, first).map_err(|what| segment.damaged_at(0, what))?;
        self.segments.pop_front();
        self.current = Some(segment);
        (self.rules, self.chain, self.last_frame) = (header.rules, crc, None);
        self.at.last_number = first.saturating_sub(1);
        self.at.last_stamp = header.stamp;
        self.at.epoch = Some(header.epoch);
        self.at.last_crc = header.previous;
        Ok(true)
    }

    /// Checks that a segment is the one named, and continues what was read.
    fn check_header(&self, header: &Header, first: u64) -> Result<(), Damage> {
        // Reading may begin with any segment; only one that was read has an epoch.
        let expected = if self.at.epoch.is_some() { self.at.last_number + 1 } else { first };
        if header.first != first || first != expected || first == 0 {
            return Err(Damage::Segment { found: header.first, expected });
        }
        let Some(expected) = self.at.epoch else { return Ok(()) };
        if header.epoch != expected {
            return Err(Damage::Epoch { found: header.epoch, expected });
        }
        let follows = header.previous == self.at.last_crc && header.stamp == self.at.last_stamp;
        if follows { Ok(()) } else { Err(Damage::Chain) }
    }

    /// Judges a segment without a header: a crash may have kept the last one from being made, and no other. Its name will
    /// be the next segment's, and the one before it was synced before it: nothing needs to be cut.
    fn headless(&mut self, segment: &mut Segment, first: u64) -> Result<(), JournalError> {
        let bytes = match segment.find()? {
            Found::End => 0,
            Found::Rest { bytes, frames_follow: false, .. } => bytes,
            Found::Rest { .. } | Found::Frame(..) => return Err(segment.damaged(Damage::Header)),
        };
        if self.segments.len() > 1 || first != self.at.last_number + 1 {
            return Err(segment.damaged(Damage::Header));
        }
        self.tear(segment, bytes);
        Ok(())
    }

    /// Reads what stands next in `segment`: a frame, or `None` at its end.
    fn find(&mut self, segment: &mut Segment, records: &mut Vec<Record>) -> Result<Option<Frame>, JournalError> {
        let is_last = self.segments.is_empty();
        match segment.find()? {
            Found::Frame(header, crc) => return self.read(segment, &header, crc, records).map(Some),
            Found::End => {}
            Found::Rest { frames_follow: false, bytes, .. } if is_last => self.tear(segment, bytes),
            Found::Rest { what, .. } => return Err(segment.damaged(what)),
        }
        if let Some((offset, header)) = self.last_frame.filter(|_| is_last) {
            let frame = segment.frame(offset, &header)?.to_vec();
            self.at.tail = Some(Tail { name: segment.name.clone(), offset, frame });
        }
        Ok(None)
    }

    /// Reads the frame that was found, and steps behind it.
    fn read(
        &mut self,
        segment: &mut Segment,
        header: &FrameHeader,
        crc: u32,
        records: &mut Vec<Record>,
    ) -> Result<Frame, JournalError> {
        let offset = segment.offset;
        let expected = self.at.last_number + 1;
        if header.first != expected {
            return Err(segment.damaged(Damage::Number { found: header.first, expected }));
        }
        if header.previous != self.chain {
            return Err(segment.damaged(Damage::Chain));
        }
        let payload = segment.frame(offset, header)?.get(FrameHeader::SIZE..).unwrap_or_default();
        let last_stamp = decode(payload, header, self.at.last_stamp, records).map_err(|what| segment.damaged(what))?;
        segment.offset += (FrameHeader::SIZE + header.length as usize) as u64;
        self.last_frame = Some((offset, *header));
        (self.chain, self.at.last_crc) = (crc, crc);
        self.at.last_stamp = last_stamp;
        self.at.last_number += u64::from(header.count);
        let whole = header.first >= self.from;
        if !whole {
            records.retain(|record| record.number >= self.from);
        }
        Ok(Frame { rules: self.rules, executions_hash: whole.then_some(header.executions_hash) })
    }

    fn tear(&mut self, segment: &Segment, bytes: u64) {
        if bytes == 0 {
            return;
        }
        let (file, last_number) = (segment.path().to_owned(), self.at.last_number);
        self.at.torn = Some(Torn { file, offset: segment.offset, bytes, last_number });
    }

    /// After the last frame: was there what was asked for?
    fn end(&self) -> Result<Option<Frame>, JournalError> {
        let (newest, wanted) = (self.at.last_number, self.from);
        if wanted <= newest + 1 {
            return Ok(None);
        }
        Err(JournalError::Short { folder: self.disk.path(""), newest, wanted })
    }
}

/// Where the journal in `disk` ends, from its last segments alone.
///
/// # Errors
///
/// [`JournalError`] if what was written there is not what stands there.
pub fn find_end(disk: Arc<dyn Disk>) -> Result<Recovered, JournalError> {
    let newest = list(disk.as_ref())?.last().copied().unwrap_or(1);
    let mut reader = Reader::open(disk, newest)?;
    let mut records = Vec::new();
    while reader.next(&mut records)?.is_some() {}
    reader.finish()
}

/// The first records of all segments, in order.
pub(super) fn list(disk: &dyn Disk) -> Result<Vec<u64>, JournalError> {
    let names = disk.list().map_err(|source| JournalError::Io { doing: "read", file: disk.path(""), source })?;
    let mut segments: Vec<u64> = names.iter().filter_map(|name| segment_first(name)).collect();
    segments.sort_unstable();
    Ok(segments)
}

/// Appends the records of a frame to `records`; the stamp of the last.
fn decode(
    mut payload: &[u8],
    header: &FrameHeader,
    mut last_stamp: Nanos,
    records: &mut Vec<Record>,
) -> Result<Nanos, Damage> {
    records.reserve((header.count as usize).min(payload.len() / codec::RECORD_BYTES_MIN));
    for number in (header.first..).take(header.count as usize) {
        let record = codec::decode(&mut payload);
        let (stamp, command) = record.map_err(|fault| Damage::Record { number, fault })?;
        if stamp < last_stamp {
            return Err(Damage::Order(number));
        }
        last_stamp = stamp;
        records.push(Record { number, stamp, command });
    }
    if payload.is_empty() { Ok(last_stamp) } else { Err(Damage::Order(header.first + u64::from(header.count))) }
}
