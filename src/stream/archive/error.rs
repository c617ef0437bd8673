//! What can be wrong with the log on disk; each variant says what its operator does next.

use std::{io, path::PathBuf};

use crate::domain::AccountId;

/// Why the log cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
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
    /// The bytes are not what was written: restore the file from a copy, or remove the folder to have it made anew.
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
    #[error("{} has format {found}, and this version reads format {known} only: remove its folder to have it made anew", file.display())]
    Format {
        /// The segment.
        file: PathBuf,
        /// The format that it says it has.
        found: u32,
        /// The one format that can be read.
        known: u32,
    },
    /// A segment between two others is not there: restore it from a copy, or remove the folder to have it made anew.
    #[error("{} is missing", .0.display())]
    Missing(PathBuf),
    /// It was written by a venue with another journal: one of the two was put here by hand.
    #[error("{} belongs to another journal: it is of epoch {found:016x}, and the journal is of {expected:016x}", file.display())]
    Epoch {
        /// The segment.
        file: PathBuf,
        /// What it says.
        found: u64,
        /// What the journal says.
        expected: u64,
    },
    /// It has what came of a record that the journal has lost: put the journal's files back, or start once without syncs, which cuts
    /// what is beyond.
    #[error("{} has the executions of record {number}, and the journal ends with record {journal_end}", file.display())]
    Beyond {
        /// The segment.
        file: PathBuf,
        /// The record.
        number: u64,
        /// The journal's last.
        journal_end: u64,
    },
    /// What comes next does not follow on what is kept, and nobody can tell what was between.
    #[error("{} has the executions of account {} up to {last_seq}, but {found} comes next", folder.display(), account.0)]
    Hole {
        /// The log's folder.
        folder: PathBuf,
        /// Whose executions.
        account: AccountId,
        /// The last that is kept.
        last_seq: u64,
        /// The one that should be appended.
        found: u64,
    },
    /// The writer's thread panicked; the log has the panic.
    #[error("the thread of the execution log ended without a word")]
    Panicked,
}

/// What is wrong with a segment's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The segment's header is no header, or not that of a segment of this log and number.
    #[error("the segment's header is not what was written")]
    Header,
    /// No block or mark starts where one should.
    #[error("no block starts here")]
    Head,
    /// A block's frames have another checksum than it says.
    #[error("the block's frames are not what was written")]
    Frames,
    /// The file ends inside a block, or after one that no mark completes.
    #[error("the segment ends too early")]
    End,
    /// A block is whole, but does not follow on the one before it of its account.
    #[error("the block starts with execution {found} of account {}, and {expected} is due", account.0)]
    Seq {
        /// Whose executions.
        account: AccountId,
        /// What it says.
        found: u64,
        /// What it should say.
        expected: u64,
    },
}

/// What stopped a look into one file.
#[derive(Debug)]
pub(super) enum Fault {
    /// The file system refused.
    Io(io::Error),
    /// The bytes are wrong.
    Damage(u64, Damage),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Fault {
    /// The error that this is in `file`.
    pub(super) fn of(self, file: PathBuf) -> ArchiveError {
        match self {
            Self::Io(source) => ArchiveError::Io { doing: "read", file, source },
            Self::Damage(offset, what) => ArchiveError::Damaged { file, offset, what },
        }
    }
}
