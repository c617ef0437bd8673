//! Retirement: the oldest segments go once there is more than is to be kept.
//!
//! **Invariant: nothing needed goes.** Of the log, a start needs its end alone: up to which record of the journal it goes, and
//! the last execution of every account, so that what the journal's replay brings again is known. Both stand in the newest
//! segments, of which two stay whatever they hold: the one that is written to, and the one before it, which is durable and has
//! an index that knows every account, also those that have executions in older segments alone. Who reads behind everyone says
//! from which segment on it needs the log ([`Archive::hold_from`]), and until it has said so, all of it.
//!
//! **Invariant: what is left has no holes.** Segments go one by one, the oldest first, each durably before the next; its index
//! last. So an end in between leaves a log that begins later, and perhaps an index without a segment, which is removed when the
//! log is opened.
//!
//! **Invariant: never half an answer.** A segment is forgotten before its file is removed. A reader that has the file open reads what
//! it read; one that finds no file any more looks once more, and learns from where on there are executions.

use std::{io, sync::Arc};

use super::format::{index_name, segment_name};
use super::{Archive, ArchiveError};
use crate::disk::Disk;
use crate::domain::AccountId;

impl Archive {
    /// Keeps all segments from this one on, whatever [`Settings::retain`](super::Settings::retain) says, and none before it: for the one
    /// that reads behind everyone, once what it has made of those is durable. 0: all that there is.
    pub fn hold_from(&self, segment: u64) {
        let waited = {
            let mut state = self.write_state();
            state.needed.replace(segment).is_some_and(|before| before < segment)
        };
        if waited && self.is_over() {
            self.queue.retire();
        }
    }

    /// Whether there is more than is to be kept, and may go but for who reads behind everyone.
    pub fn is_over(&self) -> bool {
        self.retain.is_some_and(|bytes| self.read_state().is_over(bytes))
    }

    /// How many bytes are kept, without indexes.
    pub fn bytes(&self) -> u64 {
        self.read_state().bytes()
    }

    /// The oldest execution that is kept of every account that was ever here; of one of which nothing is kept, the one that comes
    /// next.
    pub fn oldest_seqs(&self) -> Vec<(AccountId, u64)> {
        self.read_state().oldest_seqs().collect()
    }

    /// Removes the oldest segments that may go. Only the thread that writes does so.
    pub(super) fn retire(&self) -> Result<(), ArchiveError> {
        let Some(bytes) = self.retain else { return Ok(()) };
        let mut removed = 0_u64;
        while let Some(number) = self.forget(bytes) {
            let name = segment_name(number);
            let remove = || {
                if removed == 0 {
                    // Those that stay have indexes that are there to stay.
                    self.disk.sync_dir()?;
                }
                remove(&self.disk, &name)?;
                remove(&self.disk, &index_name(number))?;
                self.disk.sync_dir()
            };
            remove().map_err(|source| self.failed("remove", &name, source))?;
            removed += 1;
        }
        if removed > 0 {
            tracing::debug!(segments = removed, "retired the oldest segments of the log of executions");
        }
        Ok(())
    }

    fn forget(&self, bytes: u64) -> Option<u64> {
        self.write_state().forget(bytes)
    }
}

/// Removes a file, if it is there.
pub(super) fn remove(disk: &Arc<dyn Disk>, name: &str) -> io::Result<()> {
    match disk.remove(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
