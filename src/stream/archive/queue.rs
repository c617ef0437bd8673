//! What waits for the log's thread: bounded in bytes, and cheap, since the frames are shared with the ring.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;

use crate::domain::AccountId;
use crate::stream::{Block, frame::frame_lengths};

/// While so many bytes wait, appending blocks: so that a slow disk slows the venue, and not its memory grows.
pub(super) const WAITING_BYTES_MAX: usize = 32 * 1024 * 1024;
/// So many bytes are written at once without waiting for more, and not many more than that together.
const WRITE_BYTES: usize = 1024 * 1024;

/// Consecutive frames of one account.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) account: AccountId,
    pub(super) first_seq: u64,
    pub(super) count: u32,
    pub(super) frames: Bytes,
}

/// What a batch of the journal brought, or a part of that.
#[derive(Debug)]
struct Batch {
    /// The last record of the batch; `None` if more of it is to come.
    number: Option<u64>,
    pieces: Vec<Piece>,
    bytes: usize,
}

/// Executions that do not follow on those that were appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hole {
    pub(super) account: AccountId,
    pub(super) last_seq: u64,
    pub(super) found: u64,
}

/// What the thread is to do next.
#[derive(Debug)]
pub(super) enum Work {
    /// Write these; with them, all up to the record `number` is there, or a part of what comes after the last mark.
    Write { pieces: Vec<Piece>, number: Option<u64> },
    /// Sync what was written.
    Sync,
    /// Remove what need not be kept any more.
    Retire,
    /// End: there will be nothing more.
    End,
    /// Fail: what was appended leaves a hole.
    Fail(Hole),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    /// Wakes the thread.
    more: Condvar,
    /// Wakes who appends.
    room: Condvar,
    /// How long a little may wait for more; a number alone waits ten times as long.
    patience: Duration,
}

#[derive(Debug, Default)]
struct Waiting {
    batches: VecDeque<Batch>,
    bytes: usize,
    /// Each account's next execution.
    next_seqs: BTreeMap<AccountId, u64>,
    /// The last record of the last batch, and of the last that was taken.
    number: u64,
    taken: u64,
    /// Since when anything waits.
    since: Option<Instant>,
    hole: Option<Hole>,
    /// Once so many more batches are written, what was written should be made durable.
    sync_after: Option<usize>,
    /// There may be something to remove.
    retire: bool,
    /// No more will come.
    closed: bool,
    /// Nothing will be taken any more.
    failed: bool,
}

impl Queue {
    /// An empty queue behind a log that has all up to the record `held`, and of each account all before `next_seqs`.
    pub(super) fn new(patience: Duration, held: u64, next_seqs: BTreeMap<AccountId, u64>) -> Self {
        let waiting = Waiting { next_seqs, number: held, taken: held, ..Waiting::default() };
        Self { waiting: Mutex::new(waiting), more: Condvar::new(), room: Condvar::new(), patience }
    }

    /// Appends what the journal's records up to `number` brought, or a part of that; what the log has already is left out. Blocks
    /// while too much waits.
    pub(super) fn append(&self, number: Option<u64>, blocks: &[(AccountId, Block)]) {
        let mut waiting = self.lock();
        while waiting.bytes >= WAITING_BYTES_MAX && !waiting.failed {
            waiting = self.room.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        if waiting.failed {
            return;
        }
        let before = waiting.bytes;
        waiting.push(number, blocks);
        let first = before == 0 && waiting.bytes > 0 || waiting.since.is_none() && waiting.number > waiting.taken;
        if first {
            waiting.since = Some(Instant::now());
        }
        if first || before < WRITE_BYTES && waiting.bytes >= WRITE_BYTES || waiting.hole.is_some() {
            self.more.notify_one();
        }
    }

    /// Asks for all that was appended to be written and synced, unless a sync is on its way.
    pub(super) fn sync(&self) {
        let mut waiting = self.lock();
        // Who asks again and again does not put off what was asked first.
        let batches = waiting.batches.len();
        waiting.sync_after.get_or_insert(batches);
        self.more.notify_one();
    }

    /// Asks for what need not be kept any more to be removed.
    pub(super) fn retire(&self) {
        self.lock().retire = true;
        self.more.notify_one();
    }

    /// Says that no more will come.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.more.notify_one();
    }

    /// Says that nothing will be taken any more: appending does nothing from now on.
    pub(super) fn fail(&self) {
        self.lock().failed = true;
        self.room.notify_all();
    }

    /// Whether that was said.
    pub(super) fn has_failed(&self) -> bool {
        self.lock().failed
    }

    /// The hole that was appended, if one was.
    pub(super) fn hole(&self) -> Option<Hole> {
        self.lock().hole
    }

    /// Waits for something to do.
    pub(super) fn take(&self) -> Work {
        let mut waiting = self.lock();
        loop {
            if let Some(hole) = waiting.hole {
                return Work::Fail(hole);
            }
            // Not once nothing waits: where writes take longer than more takes to come, that is never.
            if waiting.sync_after.take_if(|batches| *batches == 0).is_some() {
                return Work::Sync;
            }
            // Numbers alone are only noted now and then.
            let patience = if waiting.bytes > 0 { self.patience } else { self.patience * 10 };
            let left = waiting.since.map(|since| patience.saturating_sub(since.elapsed()));
            let asked = waiting.closed || waiting.sync_after.is_some();
            let due = asked || waiting.bytes >= WRITE_BYTES || left == Some(Duration::ZERO);
            if !waiting.batches.is_empty() && due {
                let work = waiting.take();
                self.room.notify_all();
                return work;
            }
            if std::mem::take(&mut waiting.retire) {
                return Work::Retire;
            }
            if waiting.closed {
                return Work::End;
            }
            waiting = match left {
                Some(left) => self.more.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.more.wait(waiting).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing panics while it holds the lock and changes anything.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn push(&mut self, number: Option<u64>, blocks: &[(AccountId, Block)]) {
        let mut pieces = Vec::new();
        for (account, block) in blocks {
            let next_seq = *self.next_seqs.get(account).unwrap_or(&block.first_seq());
            if block.first_seq() > next_seq {
                self.hole = Some(Hole { account: *account, last_seq: next_seq - 1, found: block.first_seq() });
                return;
            }
            if let Some(piece) = piece(*account, block, next_seq) {
                self.next_seqs.insert(*account, block.next_seq());
                pieces.push(piece);
            }
        }
        if pieces.is_empty() && number.is_none_or(|number| number <= self.number) {
            return;
        }
        self.number = self.number.max(number.unwrap_or(0));
        let number = number.map(|_| self.number);
        let bytes = pieces.iter().map(|piece| piece.frames.len()).sum();
        self.bytes += bytes;
        match self.batches.back_mut() {
            Some(last) if pieces.is_empty() => last.number = number,
            _ => self.batches.push_back(Batch { number, pieces, bytes }),
        }
    }

    /// As many batches as are written together, at least one.
    fn take(&mut self) -> Work {
        let (mut pieces, mut bytes, mut number, mut taken) = (Vec::new(), 0, None, 0);
        // What ends with a batch keeps its mark: a part of the next one is written after it.
        while let Some(batch) = self.batches.pop_front_if(|batch| {
            taken == 0 || bytes + batch.bytes <= WRITE_BYTES && (number.is_none() || batch.number.is_some())
        }) {
            bytes += batch.bytes;
            (number, taken) = (batch.number, taken + 1);
            pieces.extend(batch.pieces);
        }
        self.taken = number.unwrap_or(self.taken);
        if let Some(batches) = &mut self.sync_after {
            *batches = batches.saturating_sub(taken);
        }
        self.bytes -= bytes;
        self.since = self.batches.front().map(|_| Instant::now());
        Work::Write { pieces, number }
    }
}

/// What of a block is from `next_seq` on; `None` if nothing is.
fn piece(account: AccountId, block: &Block, next_seq: u64) -> Option<Piece> {
    let left = block.next_seq().checked_sub(next_seq).filter(|left| *left > 0)?;
    let skipped = usize::try_from(next_seq.saturating_sub(block.first_seq())).ok()?;
    let start: usize = frame_lengths(&block.bytes).take(skipped).sum();
    let count = u32::try_from(left).ok()?;
    Some(Piece { account, first_seq: next_seq, count, frames: block.bytes.slice(start..) })
}
