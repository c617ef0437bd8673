//! The executions of all accounts, on disk: the same finished frames that the rings have, for ever or as far back as is asked for.
//!
//! In: what each batch of the journal brought, once it is kept. Out: runs of the same bytes, by account and sequence
//! ([`Archive::read`]), or all of them in the order in which they were written ([`Tail`]).
//!
//! ```text
//! release ─► append ─► queue ─► thread: everything waiting ─► blocks and a mark, one write ─► readers, ring may forget
//! ```
//!
//! Reading order: `format` (segments, blocks, marks), `scan` (one after the other), `index` (where an account's are),
//! `state` (what is known without looking), `open` (after a stop), `queue`, `writer`,
//! `retire` (what need not be kept) and `thread`, [`tail`], `verify` (all of it, by who only looks).
//!
//! **Invariant: nothing falls between.** A ring forgets an execution only when it is written here. So what a reader does
//! not find in the ring, it finds in the log.
//!
//! **Invariant: rebuilt, not believed.** The journal is what is synced before anything is shown; this log need not be. What
//! its end has lost, or has beyond the journal's, is cut when it is opened, and comes again from the journal's replay:
//! execution by execution, each account on from its last. A segment is synced when it is closed, on a clean stop and when
//! asked ([`Archive::sync`]); [`Archive::synced_number`] says which of the journal's records are not needed for it any more.
//! The whole folder may be removed while the venue is stopped: it is made again, as far as the journal goes back.
//!
//! **Invariant: the oldest goes first, and says so.** With [`Settings::retain`] the log begins later and later. Numbers never do: an
//! account's executions go on from its last one, wherever that was kept, and a read of what has gone is told the oldest that has not.
//!
//! **Invariant: fail stop.** A failed or short write or a failed sync ends the thread with the error, and so the process.
//!
//! **When it lags.** Frames wait in a queue, in memory that they share with the ring. A little waits 100 ms for more, so
//! that one write has much. When 32 MiB wait, appending blocks: the venue is then as fast as its disk.
//!
//! **Limits.** Segments of 64 MiB, of which two stay whatever is to be kept; blocks of 64 KiB; a read has 128 KiB of a file in
//! memory, eight reads at a time, and what it gives is no longer than was asked for. Memory: 16 bytes for each account and
//! segment that is kept, and the index of the segment that grows: at most 16 bytes for each 64 KiB or block of each account.
//!
//! Costs: an execution is copied once, into a write of about a megabyte. A read looks into an index (O(log n) reads of 20
//! bytes) and then at 64 KiB that may be others'; again for each block, if they are far apart.
//!
//! Deliberately absent: compression (LZ4 makes blocks 7 times shorter, at 0.3 µs an execution where writing takes half of
//! that, and every reader would have to undo it), public channels.

mod error;
mod format;
mod index;
mod open;
mod queue;
mod retire;
mod scan;
mod state;
pub mod tail;
mod thread;
mod verify;
mod writer;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, VecDeque},
    hash::{BuildHasher, Hasher, RandomState},
    io,
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::{Semaphore, watch};

pub use error::{ArchiveError, Damage};
pub use open::Cut;
pub use tail::{Entry, Position, Tail};
pub use thread::{Closing, Ended};
pub use verify::{Verified, verify};

use super::frame::frame_lengths;
use super::{Block, Read};
use crate::disk::Disk;
use crate::domain::AccountId;
use error::Fault;
use format::{BlockHead, Head, Header, index_name, segment_name};
use queue::{Hole, Piece, Queue};
use scan::Scan;
use state::{Place, State};

/// The usual folder, in the data directory.
pub const FOLDER: &str = "executions";
/// The usual length of a segment.
pub const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;
/// How long a little may wait for more before it is written.
const PATIENCE: Duration = Duration::from_millis(100);
/// How much of others' executions a read may look at while it has something to give: bounds how long it takes.
const PASSED_MAX: u64 = 2 * 1024 * 1024;
/// How many readers may read files at a time: bounds threads at work and memory, whatever the number of connections.
const READERS_MAX: usize = 8;

/// How a log is opened.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The random number of the venue's data.
    pub epoch: u64,
    /// The last record of the journal: what came of later ones is cut.
    pub journal_end: u64,
    /// Whether the journal cannot have lost a record of which anything came: then it is an error if anything is to be cut for that.
    pub journal_is_whole: bool,
    /// The usual length of a segment. See [`SEGMENT_BYTES`].
    pub segment_bytes: u64,
    /// How long a little may wait for more before it is written.
    pub patience: Duration,
    /// How many bytes are kept at the most, but for the newest two segments; `None`: all.
    pub retain: Option<u64>,
    /// Whether anyone reads behind everyone: until it says what it has, all is kept. See [`Archive::hold_from`].
    pub read_behind: bool,
}

impl Settings {
    /// The usual settings for the log beside a journal of this epoch that ends with this record.
    pub fn new(epoch: u64, journal_end: u64) -> Self {
        Self {
            epoch,
            journal_end,
            journal_is_whole: false,
            segment_bytes: SEGMENT_BYTES,
            patience: PATIENCE,
            retain: None,
            read_behind: false,
        }
    }
}

/// The log; see the module.
#[derive(Debug)]
pub struct Archive {
    disk: Arc<dyn Disk>,
    epoch: u64,
    log: u64,
    segment_bytes: u64,
    retain: Option<u64>,
    state: RwLock<State>,
    queue: Queue,
    /// Of each account that anyone asked for, the last execution written.
    watermarks: Mutex<BTreeMap<AccountId, Arc<AtomicU64>>>,
    /// The journal's record up to which all executions are durable here.
    synced: AtomicU64,
    /// How often anything was written.
    writes: watch::Sender<u64>,
    /// For those who wait without a runtime.
    written: (Mutex<()>, Condvar),
    cut: Option<Cut>,
    pub(super) readers: Arc<Semaphore>,
}

impl Archive {
    /// Opens the log in `disk`, and cuts what is not whole or not in the journal.
    ///
    /// # Errors
    ///
    /// If what was closed is damaged or missing, another journal's or another format's, or the file system refuses.
    pub fn open(disk: Arc<dyn Disk>, settings: &Settings) -> Result<Arc<Self>, ArchiveError> {
        let open::Found { mut state, log, cut } = open::open(&disk, settings)?;
        state.needed = settings.read_behind.then_some(0);
        let queue = Queue::new(settings.patience, state.held, state.next_seqs().collect());
        Ok(Arc::new(Self {
            disk,
            epoch: settings.epoch,
            log: log.unwrap_or_else(|| RandomState::new().build_hasher().finish()),
            segment_bytes: settings.segment_bytes,
            retain: settings.retain,
            queue,
            watermarks: Mutex::default(),
            synced: AtomicU64::new(state.held),
            writes: watch::Sender::new(0),
            written: Default::default(),
            state: RwLock::new(state),
            cut,
            readers: Arc::new(Semaphore::new(READERS_MAX)),
        }))
    }

    /// Starts the thread that writes. It ends when what this gives is dropped, and then lets go of `held`.
    ///
    /// # Errors
    ///
    /// If the system has no thread to give.
    pub fn start(self: &Arc<Self>, held: impl Send + 'static) -> Result<(Closing, Ended), ArchiveError> {
        thread::start(self, held)
    }

    /// Where opening cut the log's end, if it did.
    pub fn cut(&self) -> Option<&Cut> {
        self.cut.as_ref()
    }

    /// A random number made with the log: a [`Position`] in a log of another number means nothing here.
    pub fn id(&self) -> u64 {
        self.log
    }

    /// The random number of the venue's data.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Where it is, for messages.
    pub fn folder(&self) -> PathBuf {
        self.disk.path("")
    }

    /// The journal's record up to which all executions are here; 0 if there are none.
    pub fn held_number(&self) -> u64 {
        self.read_state().held
    }

    /// The journal's record up to which all executions are durable here: no replay before it is needed for this log.
    pub fn synced_number(&self) -> u64 {
        self.synced.load(Ordering::Acquire)
    }

    /// Asks for all that was appended to be written and synced soon, unless a sync is on its way; [`Archive::synced_number`] says when it
    /// is.
    pub fn sync(&self) {
        self.queue.sync();
    }

    /// Whether nothing is written any more: the thread has ended, well or not.
    pub fn has_ended(&self) -> bool {
        self.queue.has_failed()
    }

    /// Appends what the journal's records up to `number` brought, or a part of that, `None`, if more of it is to come. What the log
    /// has already is left out. Blocks while too much waits to be written; once writing has failed, does nothing.
    pub fn append(&self, number: Option<u64>, blocks: &[(AccountId, Block)]) {
        self.queue.append(number, blocks);
    }

    /// Checks that what is appended next of an account, from `next_seq` on or before, will follow on what is kept. An
    /// account of which nothing is kept may begin anywhere: what is before is then gone.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::Hole`] if not.
    pub fn expect(&self, account: AccountId, next_seq: u64) -> Result<(), ArchiveError> {
        match self.read_state().next_seq(account) {
            Some(due) if due < next_seq => {
                Err(thread::hole_error(self, Hole { account, last_seq: due - 1, found: next_seq }))
            }
            _ => Ok(()),
        }
    }

    /// Checks that all that was appended follows on what is kept.
    ///
    /// # Errors
    ///
    /// [`ArchiveError::Hole`] if not: nothing is written since.
    pub fn check(&self) -> Result<(), ArchiveError> {
        self.queue.hole().map_or(Ok(()), |hole| Err(thread::hole_error(self, hole)))
    }

    /// The last execution of an account that is written here; 0 if there is none.
    pub fn last_seq(&self, account: AccountId) -> u64 {
        self.read_state().next_seq(account).map_or(0, |next_seq| next_seq - 1)
    }

    /// The last execution of every account that has any here.
    pub fn last_seqs(&self) -> Vec<(AccountId, u64)> {
        self.read_state().next_seqs().map(|(account, next_seq)| (account, next_seq - 1)).collect()
    }

    /// The oldest execution of an account that is kept here, or the one that comes next; `None` if none ever was.
    pub fn oldest_seq(&self, account: AccountId) -> Option<u64> {
        self.read_state().oldest_seq(account)
    }

    /// A number that says, for as long as the log is open, up to which execution an account's are written here.
    pub fn watermark(&self, account: AccountId) -> Arc<AtomicU64> {
        let mut watermarks = self.watermarks.lock().unwrap_or_else(PoisonError::into_inner);
        let last_seq = || Arc::new(AtomicU64::new(self.last_seq(account)));
        watermarks.entry(account).or_insert_with(last_seq).clone()
    }

    /// A receiver that changes whenever there is more: how often anything was written.
    pub fn appended(&self) -> watch::Receiver<u64> {
        self.writes.subscribe()
    }

    /// Blocks until something was written after the first `seen` times, or so long; how often it was.
    pub fn wait(&self, seen: u64, patience: Duration) -> u64 {
        let guard = self.written.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.written.1.wait_timeout_while(guard, patience, |()| *self.writes.borrow() <= seen);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        *self.writes.borrow()
    }

    /// Puts frames of an account from `seq` on into `into`: at least one if there is one, and about `bytes_max`; none if the
    /// log does not go so far yet. Reads files, so it blocks.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or is damaged.
    pub fn read(
        &self,
        account: AccountId,
        seq: u64,
        bytes_max: usize,
        into: &mut VecDeque<Bytes>,
    ) -> Result<Read, ArchiveError> {
        let place = self.read_state().place(account, seq);
        let (number, length) = match place {
            Place::Segment { number, length } => (number, length),
            Place::Gone { oldest_seq } => return Ok(Read::Gone { oldest_seq }),
            Place::Ahead => return Ok(Read::Frames { next_seq: seq }),
        };
        let name = segment_name(number);
        let start = Header::SIZE as u64;
        let find = |seq| Ok(self.find(number, account, seq)?.filter(|found| (start..length).contains(found)));
        let wanted = Wanted { account, seq, bytes_max };
        let read = || {
            let from = find(seq)?.unwrap_or(start);
            match wanted.collect(Scan::new(self.disk.open(&name)?, from, length), find) {
                // An index can be wrong without the segment being so.
                Err(Fault::Damage(..)) => wanted.collect(Scan::new(self.disk.open(&name)?, start, length), |_| Ok(None)),
                read => read,
            }
        };
        let (runs, next_seq) = match read() {
            Ok(read) => read,
            Err(fault) => match self.read_state().place(account, seq) {
                // It has gone since this looked.
                Place::Gone { oldest_seq } => return Ok(Read::Gone { oldest_seq }),
                _ => return Err(fault.of(self.disk.path(&name))),
            },
        };
        into.extend(runs);
        Ok(Read::Frames { next_seq })
    }

    /// A byte at which a block of the account starts, with `seq` or some before it: a hint, since an index file can be wrong.
    fn find(&self, number: u64, account: AccountId, seq: u64) -> io::Result<Option<u64>> {
        if let Some(index) = self.read_state().index(number) {
            return Ok(index.find(account, seq));
        }
        match self.disk.open(&index_name(number)) {
            Ok(index) => index::find(index.as_ref(), account, seq),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The number of the segment that comes next, and what is in those before.
    fn next_segment(&self) -> (u64, u64) {
        let state = self.read_state();
        (state.last().map_or(1, |last| last + 1), state.held)
    }

    fn begun(&self, number: u64, length: u64) {
        self.write_state().begin(number, length);
    }

    /// Lets readers see what was written, and rings forget it.
    fn grown(&self, blocks: &[(BlockHead, u64)], length: u64, held: Option<u64>) {
        self.write_state().grow(blocks, length, held);
        {
            let watermarks = self.watermarks.lock().unwrap_or_else(PoisonError::into_inner);
            for (head, _) in blocks {
                if let Some(watermark) = watermarks.get(&head.account) {
                    watermark.fetch_max(head.next_seq() - 1, Ordering::AcqRel);
                }
            }
        }
        self.writes.send_modify(|writes| *writes += 1);
        drop(self.written.0.lock().unwrap_or_else(PoisonError::into_inner));
        self.written.1.notify_all();
    }

    fn synced(&self) {
        self.synced.store(self.held_number(), Ordering::Release);
    }

    fn failed(&self, doing: &'static str, name: &str, source: io::Error) -> ArchiveError {
        ArchiveError::Io { doing, file: self.disk.path(name), source }
    }

    fn read_state(&self) -> RwLockReadGuard<'_, State> {
        // A panic while writing ends the process.
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_state(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a reader asks for.
struct Wanted {
    account: AccountId,
    seq: u64,
    bytes_max: usize,
}

impl Wanted {
    /// Reads it from a segment that has it; the sequence after it. Where others' blocks come between, `find` says where to
    /// go on.
    fn collect(&self, mut scan: Scan, find: impl Fn(u64) -> io::Result<Option<u64>>) -> Result<(Vec<Bytes>, u64), Fault> {
        let (mut runs, mut next_seq, mut left) = (Vec::new(), self.seq, self.bytes_max);
        let (mut own_end, mut passed) = (scan.offset(), 0);
        while let Some(head) = scan.head()? {
            if scan.offset() - own_end > index::EVERY && !runs.is_empty() {
                // What is so far from the block before has an entry of its own, unless it is in another segment.
                passed += scan.offset() - own_end;
                match find(next_seq)?.filter(|found| *found >= scan.offset() && passed < PASSED_MAX) {
                    Some(found) => scan.seek(found),
                    None => break,
                }
                own_end = scan.offset();
                continue;
            }
            if let Head::Block(block) = &head
                && block.account == self.account
                && block.next_seq() > next_seq
            {
                if block.first_seq > next_seq {
                    let what = Damage::Seq { account: self.account, found: block.first_seq, expected: next_seq };
                    return Err(Fault::Damage(scan.offset(), what));
                }
                let frames = scan.frames(block)?;
                let (run, count) = part(&frames, next_seq - block.first_seq, left, runs.is_empty());
                left = left.saturating_sub(run.len());
                next_seq += count;
                runs.extend((count > 0).then_some(run));
                if next_seq < block.next_seq() {
                    break;
                }
                own_end = scan.offset() + head.length();
            }
            scan.skip(&head);
        }
        if runs.is_empty() { Err(Fault::Damage(scan.offset(), Damage::End)) } else { Ok((runs, next_seq)) }
    }
}

/// Of a block's frames, those after the first `skipped` that fit into `bytes_max`, at least one if `first`; how many. In
/// memory of their own, so that a slow reader does not hold what was read around them.
fn part(frames: &Bytes, skipped: u64, bytes_max: usize, first: bool) -> (Bytes, u64) {
    let mut lengths = frame_lengths(frames);
    let start: usize = lengths.by_ref().take(usize::try_from(skipped).unwrap_or(usize::MAX)).sum();
    let (mut end, mut count) = (start, 0);
    for length in lengths {
        if end + length - start > bytes_max && (count > 0 || !first) {
            break;
        }
        end += length;
        count += 1;
    }
    (Bytes::copy_from_slice(frames.get(start..end).unwrap_or_default()), count)
}
