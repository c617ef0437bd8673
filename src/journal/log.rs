//! Frames into segments: what the writer's thread does, as plain calls.
//!
//! In: records ([`Log::push`]), then [`Log::commit`]. Out: all that was pushed since the last commit as one frame, written
//! in one call and synced in one.
//!
//! - **A start begins a segment**, which says by which rules the engine executes what it holds. What stood at the end of
//!   the last one is first cut to its last whole frame, and that frame written and synced again: after a failed sync the
//!   system may show bytes that never reached the disk. Where frames are synced, so are the segments before: they may have been
//!   written when they were not; those are written again, too.
//! - **The next segment is made ahead**, while the writer is idle and, when it never is, two bytes for each byte written,
//!   once the current one is half full.
//!
//! After any error the log is of no more use: what reached the disk is unknown.

use std::sync::Arc;

use crc32c::crc32c;

use super::format::{FrameHeader, Header, segment_name};
use super::mend::{note_synced, note_unsynced, unsynced_from};
use super::reader::list;
use super::segments::{Segment, Segments};
use super::{JournalError, Record, Recovered, codec};
use crate::disk::{Disk, DiskFile, write_again, write_all};
use crate::domain::Nanos;

/// The usual length of a segment.
pub const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;
/// A frame that has this much takes no further batch: bounds what one sync has to write.
pub(super) const FRAME_BYTES: usize = 4 * 1024 * 1024;

/// What a kept batch survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The loss of power: every frame is synced before it is released.
    Fsync,
    /// The end of the process, not that of the machine: every frame is handed to the system before it is released.
    Os,
}

/// How a journal is written.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What a kept batch survives.
    pub durability: Durability,
    /// The length of a segment; one whose first frame is longer is as long as that takes. See [`SEGMENT_BYTES`].
    pub segment_bytes: u64,
    /// The version of the rules by which the engine executes.
    pub rules: u32,
    /// The random number that the venue's data is known by, if the journal has none yet.
    pub new_epoch: u64,
}

/// The end of a journal, open for more.
#[derive(Debug)]
pub(super) struct Log {
    segments: Segments,
    segment: Segment,
    rules: u32,
    epoch: u64,
    /// The checksum of the last frame kept, which the next segment refers to.
    last_crc: u32,
    /// The checksum that the next frame refers to: of the last frame, or of the header of a segment without frames.
    chain: u32,
    /// The number of the last record kept.
    last_number: u64,
    /// Its stamp.
    last_stamp: Nanos,
    /// The frame in the making, with room for its header.
    frame: Vec<u8>,
    /// How many records it has.
    count: u32,
    executions_hash: u64,
    /// The stamp of its last record.
    frame_stamp: Nanos,
}

impl Log {
    /// Opens the journal that was `recovered` from `disk` for more.
    pub(super) fn open(disk: Arc<dyn Disk>, recovered: Recovered, settings: &Settings) -> Result<Self, JournalError> {
        disk.make().map_err(|source| JournalError::Io { doing: "make", file: disk.path(""), source })?;
        cut(disk.as_ref(), &recovered)?;
        if settings.durability == Durability::Fsync {
            sync_written(disk.as_ref())?;
            // Not before: all of it was read by now, and there was no hole in it.
            note_synced(disk.as_ref())?;
        } else {
            note_unsynced(disk.as_ref(), recovered.last_number + 1)?;
        }
        let Recovered { last_number, last_stamp, epoch, last_crc, .. } = recovered;
        let epoch = epoch.unwrap_or(settings.new_epoch);
        let header = Header { rules: settings.rules, epoch, first: last_number + 1, stamp: last_stamp, previous: last_crc };
        let mut segments = Segments::new(disk, settings.durability, settings.segment_bytes);
        let (mut segment, chain) = segments.begin(&header, 0)?;
        if last_number == 0 {
            // However little is synced from now on: a journal without a beginning could not be told from another's.
            segments.make_durable(&mut segment)?;
        }
        Ok(Self {
            segments,
            segment,
            rules: settings.rules,
            epoch,
            last_crc,
            chain,
            last_number,
            last_stamp,
            frame: vec![0; FrameHeader::SIZE],
            count: 0,
            executions_hash: 0,
            frame_stamp: last_stamp,
        })
    }

    /// The number that the venue's data is known by.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Adds a batch to the frame in the making.
    pub(super) fn push(&mut self, records: &[Record], executions_hash: u64) {
        for record in records {
            self.count += 1;
            assert_eq!(record.number, self.last_number + u64::from(self.count), "records are numbered densely");
            assert!(record.stamp >= self.frame_stamp, "stamps never go back");
            self.frame_stamp = record.stamp;
            codec::encode(record.stamp, &record.command, &mut self.frame);
        }
        self.executions_hash = self.executions_hash.wrapping_add(executions_hash);
    }

    /// Whether the frame in the making is as long as one should be.
    pub(super) fn is_full(&self) -> bool {
        self.frame.len() >= FRAME_BYTES
    }

    /// How many bytes the frame in the making has; 0 if nothing was pushed.
    pub(super) fn uncommitted_bytes(&self) -> u64 {
        if self.count == 0 { 0 } else { self.frame.len() as u64 }
    }

    /// Keeps what was pushed.
    pub(super) fn commit(&mut self) -> Result<(), JournalError> {
        if self.count == 0 {
            return Ok(());
        }
        let length = self.frame.len() as u64;
        if self.segment.used + length > self.segment.length {
            let header = Header {
                rules: self.rules,
                epoch: self.epoch,
                first: self.last_number + 1,
                stamp: self.last_stamp,
                previous: self.last_crc,
            };
            (self.segment, self.chain) = self.segments.begin(&header, length)?;
        }
        let crc = self.finish_frame()?;
        self.segments.write(&mut self.segment, &self.frame)?;
        self.segments.sync(&mut self.segment)?;
        (self.last_crc, self.chain) = (crc, crc);
        self.last_number += u64::from(self.count);
        self.last_stamp = self.frame_stamp;
        (self.count, self.executions_hash) = (0, 0);
        self.frame.truncate(FrameHeader::SIZE);
        self.frame.shrink_to(2 * FRAME_BYTES);
        Ok(())
    }

    /// Makes as much of the next segment as has to be there by now: twice what the second half of this one holds.
    pub(super) fn keep_pace(&mut self) -> Result<(), JournalError> {
        while self.segments.prepared() < self.beyond_half() * 2 && self.segments.prepare()? {}
        Ok(())
    }

    /// Makes a little more of the next segment, in idle time; whether there was anything to make.
    pub(super) fn prepare(&mut self) -> Result<bool, JournalError> {
        if self.beyond_half() == 0 { Ok(false) } else { self.segments.prepare() }
    }

    /// Writes the header of the frame in the making; its checksum.
    fn finish_frame(&mut self) -> Result<u32, JournalError> {
        let (_, payload) = self.frame.split_at(FrameHeader::SIZE);
        let header = FrameHeader {
            length: u32::try_from(payload.len()).map_err(|_| JournalError::TooLarge(payload.len()))?,
            first: self.last_number + 1,
            count: self.count,
            payload_crc: crc32c(payload),
            executions_hash: self.executions_hash,
            previous: self.chain,
        };
        Ok(header.write(&mut self.frame))
    }

    fn beyond_half(&self) -> u64 {
        self.segment.used.saturating_sub(self.segment.length / 2)
    }
}

/// Makes a journal that was `recovered` from `disk` durable, to its end: nothing that comes of its records outlasts them then. What
/// is torn behind that is left as it is.
///
/// # Errors
///
/// [`JournalError::Io`] if a segment cannot be written or synced.
pub fn make_durable(disk: &dyn Disk, recovered: &Recovered) -> Result<(), JournalError> {
    if let Some(tail) = &recovered.tail {
        let written =
            disk.open_for_writing(&tail.name).and_then(|mut file| write_all(file.as_mut(), &tail.frame, tail.offset));
        written.map_err(|source| JournalError::Io { doing: "write", file: disk.path(&tail.name), source })?;
    }
    sync_written(disk)
}

/// Makes durable what was written, with or without syncs; without, it is written again first.
fn sync_written(disk: &dyn Disk) -> Result<(), JournalError> {
    if let Some(first) = unsynced_from(disk)? {
        let segments = list(disk)?;
        let synced = segments.partition_point(|segment| *segment <= first).saturating_sub(1);
        for name in segments.into_iter().skip(synced).map(segment_name) {
            let write = |mut file: Box<dyn DiskFile>| file.length().and_then(|length| write_again(file.as_mut(), length));
            let written = disk.open_for_writing(&name).and_then(write);
            written.map_err(|source| JournalError::Io { doing: "write", file: disk.path(&name), source })?;
        }
    }
    sync_all(disk)
}

/// Makes durable whatever segments there are.
///
/// # Errors
///
/// [`JournalError::Io`] if a segment or the folder cannot be synced.
pub fn sync_all(disk: &dyn Disk) -> Result<(), JournalError> {
    let failed = |doing, name: &str, source| JournalError::Io { doing, file: disk.path(name), source };
    for name in list(disk)?.into_iter().map(segment_name) {
        let mut file = disk.open(&name).map_err(|source| failed("open", &name, source))?;
        file.sync_data().map_err(|source| failed("sync", &name, source))?;
    }
    disk.sync_dir().map_err(|source| failed("sync", "", source))
}

/// Cuts the last segment to its last whole frame, and writes and syncs that once more.
fn cut(disk: &dyn Disk, recovered: &Recovered) -> Result<(), JournalError> {
    let Some(tail) = &recovered.tail else { return Ok(()) };
    let cut = || {
        let mut file = disk.open_for_writing(&tail.name)?;
        write_all(file.as_mut(), &tail.frame, tail.offset)?;
        file.truncate(tail.offset + tail.frame.len() as u64)?;
        file.sync_data()
    };
    cut().map_err(|source| JournalError::Io { doing: "cut", file: disk.path(&tail.name), source })
}
