//! One account's executions, from the oldest on disk to the newest in memory, without a seam.

use std::{
    collections::VecDeque,
    future::Future,
    io,
    sync::{Arc, atomic::Ordering},
};

use bytes::Bytes;
use tokio::sync::watch;

use super::archive::{Archive, ArchiveError};
use super::{Block, Log, Read};
use crate::domain::AccountId;

/// A handle on an account's executions. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Executions {
    account: AccountId,
    /// The newest.
    ring: Arc<Log>,
    /// All but perhaps the newest; `None`: what the ring forgets is gone.
    archive: Option<Arc<Archive>>,
}

/// What was read from disk: runs of whole frames, and what became of the reading.
pub type Older = Result<(VecDeque<Bytes>, Read), ArchiveError>;

impl Executions {
    /// The executions of an account, of which the ring keeps the newest `frames_kept` and whatever is not on disk yet.
    /// The first to come has `first_seq`.
    pub(super) fn new(account: AccountId, first_seq: u64, frames_kept: u64, archive: Option<Arc<Archive>>) -> Self {
        let ring = match &archive {
            Some(archive) => Log::before(first_seq, frames_kept, archive.watermark(account)),
            None => Log::new(first_seq, frames_kept),
        };
        Self { account, ring: Arc::new(ring), archive }
    }

    pub(super) fn append(&self, block: Block) {
        self.ring.append(block);
    }

    /// The last there is; 0 if there is none.
    pub fn last_seq(&self) -> u64 {
        self.ring.last_seq()
    }

    /// The oldest that is kept, in memory or on disk.
    pub fn oldest_seq(&self) -> u64 {
        let in_memory = self.ring.oldest_seq();
        let on_disk = self.archive.as_ref().and_then(|archive| archive.oldest_seq(self.account));
        on_disk.map_or(in_memory, |on_disk| on_disk.min(in_memory))
    }

    /// A receiver that changes whenever there is more.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.ring.watch()
    }

    /// Puts the frames from `seq` on into `into`, if they are in memory, as [`Log::read`] does. `None`: they may be on disk;
    /// [`Executions::older`] says.
    pub fn newer(&self, seq: u64, bytes_max: usize, into: &mut VecDeque<Bytes>) -> Option<Read> {
        match self.ring.read(seq, bytes_max, into) {
            Read::Gone { .. } if self.archive.is_some() => None,
            read => Some(read),
        }
    }

    /// Reads the frames from `seq` on from disk, without holding up the runtime.
    pub fn older(&self, seq: u64, bytes_max: usize) -> impl Future<Output = Older> + Send + 'static {
        let this = self.clone();
        async move {
            let gone = Read::Gone { oldest_seq: this.ring.oldest_seq() };
            let Some(archive) = this.archive else { return Ok((VecDeque::new(), gone)) };
            // It is never closed.
            let _permit = archive.readers.acquire().await.ok();
            let (reading, account) = (archive.clone(), this.account);
            let read = tokio::task::spawn_blocking(move || {
                let mut runs = VecDeque::new();
                let read = reading.read(account, seq, bytes_max, &mut runs)?;
                Ok((runs, read))
            });
            let older = read.await.unwrap_or_else(|ended| {
                Err(ArchiveError::Io { doing: "read", file: archive.folder(), source: io::Error::other(ended) })
            })?;
            match older.1 {
                // Neither in memory nor on disk: from before the log on disk was begun.
                Read::Frames { next_seq } if next_seq == seq => Ok((VecDeque::new(), gone)),
                _ => Ok(older),
            }
        }
    }

    /// Puts the frames from `seq` on into `into`, from wherever they are.
    ///
    /// # Errors
    ///
    /// If they are on disk and cannot be read.
    pub async fn read(&self, seq: u64, bytes_max: usize, into: &mut VecDeque<Bytes>) -> Result<Read, ArchiveError> {
        if let Some(read) = self.newer(seq, bytes_max, into) {
            return Ok(read);
        }
        let (runs, read) = self.older(seq, bytes_max).await?;
        into.extend(runs);
        Ok(read)
    }

    /// The last execution that is on disk too; `None` if none ever will be.
    pub fn on_disk(&self) -> Option<u64> {
        self.archive.as_ref().map(|archive| archive.watermark(self.account).load(Ordering::Acquire))
    }
}
