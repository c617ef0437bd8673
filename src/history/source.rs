//! Where executions come from: the log on disk, behind a seam at which tests put one of their own.

use std::{collections::VecDeque, fmt::Debug, sync::Arc, time::Duration};

use crate::domain::AccountId;
use crate::stream::{
    archive::{Archive, ArchiveError, Entry, Position, Tail},
    frames,
};

/// An execution log, read from some place on.
pub trait Source: Debug + Send {
    /// The number of the log: a [`Position`] in another log means nothing in this one.
    fn id(&self) -> u64;
    /// The oldest execution that the log has of every account, or the one that comes next, of those it ever had any of.
    fn oldest_seqs(&self) -> Vec<(AccountId, u64)>;
    /// The payload of an account's execution, if the log has it.
    ///
    /// # Errors
    ///
    /// If the log cannot be read.
    fn execution(&self, account: AccountId, seq: u64) -> Result<Option<Vec<u8>>, ArchiveError>;
    /// Goes to `position`, or where nothing ends there, to a place before or behind it. The log keeps all that it has until it is told
    /// what has been [`passed`](Source::passed).
    ///
    /// # Errors
    ///
    /// If the log cannot be read.
    fn seek(&mut self, position: Position) -> Result<(), ArchiveError>;
    /// The next entry, if it is there yet.
    ///
    /// # Errors
    ///
    /// If the log cannot be read.
    fn next(&mut self) -> Result<Option<Entry>, ArchiveError>;
    /// Learns that all before `position` was taken in, and that this is durable: the log need not keep it for this reader.
    fn passed(&mut self, position: Position);
    /// Sleeps until there may be more, at most so long.
    fn wait(&mut self, at_most: Duration);
    /// Whether the venue has better things to do than to be read behind: the log has grown since this was last asked, and it is not
    /// this reader alone that makes it keep more than it should.
    fn is_growing(&mut self) -> bool;
}

/// The log on disk.
#[derive(Debug)]
pub struct LogSource {
    archive: Arc<Archive>,
    tail: Option<Tail>,
    /// How often the log had been written to before the last look.
    writes: u64,
    /// The same when it was last asked whether the log grows.
    grown: u64,
}

impl LogSource {
    /// A reader of this log.
    pub fn new(archive: Arc<Archive>) -> Self {
        Self { archive, tail: None, writes: 0, grown: 0 }
    }
}

impl Source for LogSource {
    fn id(&self) -> u64 {
        self.archive.id()
    }

    fn oldest_seqs(&self) -> Vec<(AccountId, u64)> {
        self.archive.oldest_seqs()
    }

    fn execution(&self, account: AccountId, seq: u64) -> Result<Option<Vec<u8>>, ArchiveError> {
        let mut runs = VecDeque::new();
        self.archive.read(account, seq, 1, &mut runs)?;
        Ok(runs.front().and_then(|run| frames(run).next().map(<[u8]>::to_vec)))
    }

    fn seek(&mut self, position: Position) -> Result<(), ArchiveError> {
        self.archive.hold_from(0);
        self.tail = Some(Tail::open(&self.archive, position)?);
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Entry>, ArchiveError> {
        self.writes = self.archive.wait(0, Duration::ZERO);
        match &mut self.tail {
            Some(tail) => tail.next(),
            none => none.insert(Tail::open(&self.archive, Position::START)?).next(),
        }
    }

    fn passed(&mut self, position: Position) {
        self.archive.hold_from(position.segment);
    }

    fn wait(&mut self, at_most: Duration) {
        self.archive.wait(self.writes, at_most);
    }

    fn is_growing(&mut self) -> bool {
        let writes = self.archive.wait(0, Duration::ZERO);
        std::mem::replace(&mut self.grown, writes) != writes && !self.archive.is_over()
    }
}
