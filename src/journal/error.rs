//! What can be wrong with a journal; each variant says what its operator does next.

use std::{io, path::PathBuf};

use super::Fault;

/// Why a journal cannot be read, opened or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system refused. While writing this is final.
    #[error("cannot {doing} {}", file.display())]
    Io {
        /// What was tried, as a verb.
        doing: &'static str,
        /// With which file.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another process holds the data directory.
    #[error("{} is in use by another process: stop it, or give this one a data directory of its own", .0.display())]
    Locked(PathBuf),
    /// The bytes are not what was written: restore the file from a copy. Nothing was changed.
    #[error("{} is damaged at byte {offset}: {what}", file.display())]
    Damaged {
        /// The segment.
        file: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong there.
        what: Damage,
    },
    /// Another version of this program wrote it.
    #[error("{} has format {found}, and this version reads none above {known}", file.display())]
    Format {
        /// The segment.
        file: PathBuf,
        /// The format that it says it has.
        found: u32,
        /// The newest format that can be read.
        known: u32,
    },
    /// The segments do not reach back to the record that reading should start from.
    #[error("{} starts with record {oldest}, but record {wanted} comes next", folder.display())]
    Retired {
        /// The journal's folder.
        folder: PathBuf,
        /// The first record kept.
        oldest: u64,
        /// The record asked for.
        wanted: u64,
    },
    /// The segments end before the record that reading should start from: what asked for it comes from another journal.
    #[error("{} ends with record {newest}, but record {wanted} comes next", folder.display())]
    Short {
        /// The journal's folder.
        folder: PathBuf,
        /// The last record kept; 0 if there is none.
        newest: u64,
        /// The record asked for.
        wanted: u64,
    },
    /// A batch of records is longer than a frame can say.
    #[error("a batch of {0} bytes is too large for one frame")]
    TooLarge(usize),
    /// The writer's thread panicked; the log has the panic.
    #[error("the journal's thread ended without a word")]
    Panicked,
}

impl JournalError {
    /// Whether a sync failed: what was written before it may be lost, and no later sync says so.
    pub fn is_of_sync(&self) -> bool {
        matches!(self, Self::Io { doing: "sync", .. })
    }
}

/// What is wrong with a segment's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The segment's header is no header, or its checksum differs.
    #[error("the segment's header is not what was written")]
    Header,
    /// The segment's own first number is not that of its name, or not the one due.
    #[error("the segment starts with record {found}, and {expected} is due")]
    Segment {
        /// What it says.
        found: u64,
        /// What it should say.
        expected: u64,
    },
    /// The segment was written by another venue.
    #[error("the segment is of epoch {found:016x}, and those before it are of {expected:016x}")]
    Epoch {
        /// What it says.
        found: u64,
        /// What it should say.
        expected: u64,
    },
    /// A snapshot, or a file of ids, has another checksum or length than its header says, or no header.
    #[error("the snapshot is not what was written")]
    Snapshot,
    /// A frame's header is no header, or its checksum differs.
    #[error("no frame starts here, and there are valid frames after it")]
    Frame,
    /// A frame's records have another checksum than their header says.
    #[error("the frame's records are not what was written")]
    Payload,
    /// A frame or segment is whole, but the one before it is not the one that it was written after.
    #[error("what was written before this is not what stands before it")]
    Chain,
    /// A frame is whole, but its records have other numbers than are due.
    #[error("the frame starts with record {found}, and {expected} is due")]
    Number {
        /// What it says.
        found: u64,
        /// What it should say.
        expected: u64,
    },
    /// A frame is whole, but a record in it is none.
    #[error("record {number} cannot be read: {fault}")]
    Record {
        /// Which.
        number: u64,
        /// What is wrong with it.
        fault: Fault,
    },
    /// A frame is whole, but its records do not fill it, or a stamp goes back.
    #[error("record {0} is not one that could follow the record before it")]
    Order(u64),
}
