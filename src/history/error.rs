//! What can go wrong, by what is done about it.

use std::{io, path::PathBuf};

use rusqlite::ErrorCode;

use crate::stream::archive::ArchiveError;

/// Why history cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// SQLite failed: tried again, or the file made anew if it is damaged.
    #[error("history's file failed")]
    Sqlite(#[from] rusqlite::Error),
    /// The file cannot be removed, or given another name, to make a new one.
    #[error("cannot remove or rename {}", path.display())]
    Remove {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// A file cannot be used, and may have what the execution log has not: too many such were set aside.
    #[error("too many files are set aside beside {}: move them away", .0.display())]
    Aside(PathBuf),
    /// The file may have what the execution log has not: it is not made anew from that.
    #[error(
        "the execution log does not go back to the first execution, so that {} may be all there is of older orders: move it away to \
         make one of what the log has",
        .0.display()
    )]
    OnlyCopy(PathBuf),
    /// The execution log could not be read: tried again.
    #[error("cannot read the execution log")]
    Log(#[source] ArchiveError),
    /// The execution log has what no venue wrote. Trying again helps only once the log is rebuilt.
    #[error("execution {seq} of account {account} makes no sense: {fault}")]
    Frame {
        /// The account's number.
        account: u32,
        /// The execution's.
        seq: u64,
        /// What is wrong with it.
        fault: String,
    },
    /// Executions are missing where reading went on: all of the log is read.
    #[error("executions {from} to {to} of account {account} are missing where history left the execution log")]
    Gap {
        /// The account's number.
        account: u32,
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// The thread had to end before it was through with a transaction: what that had taken in is taken in at the next start.
    #[error("history ended in the middle of a transaction")]
    Interrupted,
    /// The file is not open, or was exchanged while it was asked: asked again.
    #[error("history's file is not open")]
    Closed,
    /// The file is whole, but not of this version, or not of what the log has: made anew.
    #[error("history's file {0}")]
    Foreign(String),
    /// The file is another venue's, or another program's: set aside, and one made anew.
    #[error("history's file {0}")]
    Another(String),
}

impl HistoryError {
    /// Whether the file is to be made anew.
    pub(super) fn is_of_the_file(&self) -> bool {
        match self {
            Self::Foreign(_) | Self::Another(_) => true,
            Self::Sqlite(error) => is_damage(error),
            _ => false,
        }
    }
}

/// Whether an error tells that the file is no database, a damaged one, or has already what comes next.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    match error {
        // A value that is none of ours.
        rusqlite::Error::FromSqlConversionFailure(..) | rusqlite::Error::InvalidColumnType(..) => true,
        error => {
            use ErrorCode::{ConstraintViolation, DatabaseCorrupt, NotADatabase};
            matches!(error.sqlite_error_code(), Some(ConstraintViolation | DatabaseCorrupt | NotADatabase))
        }
    }
}
