//! Snapshots of a venue that runs, and one of a venue that has stopped: so that a start has little to replay, and old segments of the
//! journal can go.
//!
//! A thread of its own wakes when so many records have been released since the last snapshot. It restores that one, replays what the
//! journal has since, to the end of the frame of the last record that was released, writes the new one and lets go of everything: the
//! executor is never asked for anything. At a clean stop the executor hands over what it has come to, so that the next start replays nothing.
//!
//! Costs: while it works, as much memory again as the engine's state has, twice that while the state is bytes, and one core at the
//! lowest priority; at rest, nothing. A stop waits for the last one within its grace. A snapshot that fails is reported and tried again
//! later: the journal has everything.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use tokio::sync::oneshot;

use super::ids::Chain;
use super::recovery::{Found, read_snapshot};
use crate::config::Retain;
use crate::disk::Disk;
use crate::engine::{Limits, RULES};
use crate::executor::{Public, Replica, entries};
use crate::journal::{Lock, Reader, Record, Snapshot, Snapshots, retire, sync_all};
use crate::queue::{Admission, Entry};
use crate::read::ReadModel;
use crate::stream::{Hub, archive::Archive};

/// How much nicer than the others the thread is: as much as there is.
const NICENESS: i32 = 19;

/// How long the log of executions is waited for.
const EXECUTIONS_WAIT: Duration = Duration::from_secs(5);
/// How often it is looked at meanwhile.
const EXECUTIONS_POLL: Duration = Duration::from_millis(10);

/// What the thread works with.
#[derive(Debug)]
pub(super) struct Keeper {
    /// The directory, held until the last snapshot is made.
    pub(super) _lock: Arc<Lock>,
    /// Where the last trades are.
    pub(super) read: Arc<ReadModel>,
    /// Where their numbers are.
    pub(super) hub: Arc<Hub>,
    pub(super) journal: Arc<dyn Disk>,
    /// Whether what is in the journal is durable: else it is made so first, as no snapshot may outlast what it was made of.
    pub(super) journal_is_synced: bool,
    pub(super) snapshots: Snapshots,
    /// What the journal has to be kept for too.
    pub(super) executions: Arc<Archive>,
    pub(super) admission: Admission,
    /// The random number of the venue's data.
    pub(super) epoch: u64,
    /// Records between two snapshots; 0: only at a stop.
    pub(super) every: u64,
    pub(super) retain: Retain,
    /// The newest snapshot: what the next one starts from.
    pub(super) newest: u64,
    /// The files of ids that go with it.
    pub(super) ids: Chain,
    pub(super) made: Arc<SnapshotsMade>,
}

/// What was made since the start.
#[derive(Debug, Default)]
pub struct SnapshotsMade {
    /// How many.
    pub count: AtomicU64,
    /// How often one could not be made.
    pub failures: AtomicU64,
    /// How long they took in all, in nanoseconds.
    pub total_ns: AtomicU64,
    /// How long the last one took, in nanoseconds.
    pub last_ns: AtomicU64,
    /// The length of the last one.
    pub last_bytes: AtomicU64,
    /// When the last one was made, in nanoseconds since 1970; 0: none was.
    pub last_at_ns: AtomicU64,
}

impl SnapshotsMade {
    fn note(&self, took: Duration, bytes: usize) {
        let took_ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.total_ns.fetch_add(took_ns, Ordering::Relaxed);
        self.last_ns.store(took_ns, Ordering::Relaxed);
        self.last_bytes.store(bytes as u64, Ordering::Relaxed);
        self.last_at_ns.store(super::system_clock().0.unsigned_abs(), Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
    }
}

/// What the journal's thread and the executor tell the thread.
#[derive(Clone)]
pub(super) struct Pace {
    shared: Arc<Shared>,
    /// Says that a snapshot is due.
    wakes: SyncSender<()>,
}

#[derive(Debug)]
struct Shared {
    /// The last record that was released.
    released: AtomicU64,
    /// The record at which the next snapshot is due; the largest number: none is, or one is being made.
    due: AtomicU64,
    /// Set once the venue stops: no snapshot is made any more but the last.
    stopping: AtomicBool,
    /// What the executor has come to, once it has stopped.
    last: Mutex<Option<Replica>>,
}

impl Pace {
    /// Notes that all up to this record was released.
    pub(super) fn released(&self, number: u64) {
        // Either this sees what is due, or the thread, which looks once it has said so, sees what was released.
        self.shared.released.store(number, Ordering::SeqCst);
        if number >= self.shared.due.load(Ordering::SeqCst) {
            self.shared.due.store(u64::MAX, Ordering::SeqCst);
            // Who is not waiting has a snapshot to make already.
            let _busy = self.wakes.try_send(());
        }
    }

    /// Gives up any snapshot that is being made: the venue stops.
    pub(super) fn stop(&self) {
        self.shared.stopping.store(true, Ordering::Release);
    }

    /// Hands over what the executor has come to, for the last snapshot.
    pub(super) fn stopped(&self, replica: Replica) {
        *self.shared.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(replica);
    }
}

/// Starts the thread; the receiver ends when it has, which is once all clones of [`Pace`] are gone.
///
/// # Errors
///
/// If there can be no thread.
pub(super) fn start(keeper: Keeper, released: u64) -> anyhow::Result<(Pace, oneshot::Receiver<()>)> {
    let (wakes, waiting) = sync_channel(1);
    let (due, stopping, last) = (u64::MAX.into(), AtomicBool::new(false), Mutex::new(None));
    let shared = Shared { released: released.into(), due, stopping, last };
    let shared = Arc::new(shared);
    let (ended, has_ended) = oneshot::channel();
    let pace = Pace { shared: shared.clone(), wakes };
    let thread = Thread { keeper, shared, is_lost: false };
    thread.set_due_after(thread.keeper.newest);
    thread::Builder::new()
        .name("snapshots".to_owned())
        .spawn(move || {
            thread.run(&waiting);
            drop(ended);
        })
        .context("cannot start the thread for snapshots")?;
    Ok((pace, has_ended))
}

struct Thread {
    keeper: Keeper,
    shared: Arc<Shared>,
    /// Whether the journal could not be synced. The system tells that once, and the next sync would be well: the thread ends, and the
    /// venue with it.
    is_lost: bool,
}

impl Thread {
    fn run(mut self, waiting: &Receiver<()>) {
        // Where priorities cannot be lowered, it works at the usual one.
        let _niceness = rustix::process::nice(NICENESS);
        for () in waiting {
            while self.make_due() {}
            if self.is_lost {
                return;
            }
        }
        let last = self.shared.last.lock().unwrap_or_else(PoisonError::into_inner).take();
        // The journal's thread is gone: what is released now is all that is kept.
        let kept = self.shared.released.load(Ordering::Acquire);
        if let Some(mut replica) = last.filter(|replica| replica.number() == kept && kept > self.keeper.newest) {
            let Keeper { read, hub, .. } = &self.keeper;
            replica.show(|instrument| Public {
                trades: hub.trades(instrument).map_or(0, |log| log.last_seq()),
                books: hub.book(instrument).map_or(0, |log| log.last_seq()),
                recent: read.trades(instrument, usize::MAX).into_iter().rev().collect(),
            });
            let entries = self.keeper.admission.unsaved();
            if let Err(error) = self.write(&replica, &entries, Instant::now()) {
                tracing::warn!(error = format!("{error:#}"), "the last snapshot could not be made");
            }
        }
    }

    /// Makes a snapshot; whether the next one is due already.
    fn make_due(&mut self) -> bool {
        let made = self.make();
        if let Err(error) = &made
            && self.is_lost
        {
            tracing::error!(error = format!("{error:#}"), "the journal cannot be synced");
            return false;
        }
        if self.shared.stopping.load(Ordering::Acquire) {
            return false;
        }
        if let Err(error) = made {
            self.keeper.made.failures.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(error = format!("{error:#}"), "a snapshot could not be made");
            // Not again at once: what was in the way may still be.
            self.set_due_after(self.shared.released.load(Ordering::SeqCst));
        } else {
            self.set_due_after(self.keeper.newest);
        }
        self.is_overdue()
    }

    /// Whether the one that is due was so before it was said: then nobody wakes this thread for it.
    fn is_overdue(&self) -> bool {
        let due = self.shared.due.load(Ordering::SeqCst);
        let overdue = self.shared.released.load(Ordering::SeqCst) >= due;
        overdue && self.shared.due.swap(u64::MAX, Ordering::SeqCst) == due
    }

    /// Says when the next one is due, given where the last one ended.
    fn set_due_after(&self, number: u64) {
        let every = self.keeper.every;
        let due = if every == 0 { u64::MAX } else { number.saturating_add(every) };
        self.shared.due.store(due, Ordering::SeqCst);
    }

    /// Makes a snapshot out of the one before and what the journal has since.
    fn make(&mut self) -> anyhow::Result<()> {
        let started = Instant::now();
        let until = self.shared.released.load(Ordering::Acquire);
        if until <= self.keeper.newest {
            return Ok(());
        }
        let Keeper { journal, snapshots, admission, newest, .. } = &self.keeper;
        let mut replica = match newest {
            0 => Replica::new(Limits::default()),
            number => {
                let Found { replica, .. } = read_snapshot(snapshots, *number)?;
                replica
            }
        };
        let (mut known, mut outcomes) = (Vec::new(), Vec::new());
        let mut records: Vec<Record> = Vec::new();
        let mut reader = Reader::open(journal.clone(), replica.number() + 1)?;
        while replica.number() < until
            && let Some(frame) = reader.next(&mut records)?
        {
            if self.shared.stopping.load(Ordering::Acquire) {
                bail!("the venue stops");
            }
            ensure!(frame.rules == RULES, "the journal was executed by rules {}", frame.rules);
            outcomes.clear();
            let hash = replica.replay(&records, &mut outcomes);
            entries(admission.secret(), &records, &outcomes, &mut known);
            let differs = frame.executions_hash.is_some_and(|recorded| recorded != hash);
            ensure!(!differs, "the records up to {} come out differently than when they were executed", replica.number());
        }
        replica.resume_books();
        self.write(&replica, &known, started)
    }

    /// Waits until the log of executions is durable up to what the snapshot will have. A start uses no snapshot beyond it, so that
    /// one made without it would only push out those that can be used.
    fn await_executions(&self, number: u64) -> anyhow::Result<()> {
        let (executions, started, mut seen) = (&self.keeper.executions, Instant::now(), 0);
        while executions.synced_number() < number && !executions.has_ended() && started.elapsed() < EXECUTIONS_WAIT {
            // Each time: what the journal has may be released, and appended, a moment later.
            executions.sync();
            seen = executions.wait(seen, EXECUTIONS_POLL);
        }
        let synced = executions.synced_number();
        ensure!(synced >= number, "the log of executions is durable up to record {synced} only, not {number}");
        Ok(())
    }

    fn write(&mut self, replica: &Replica, entries: &[Entry], started: Instant) -> anyhow::Result<()> {
        self.await_executions(replica.number())?;
        if !self.keeper.journal_is_synced {
            sync_all(self.keeper.journal.as_ref()).inspect_err(|error| self.is_lost = error.is_of_sync())?;
        }
        let Keeper { snapshots, admission, epoch, ids, .. } = &self.keeper;
        let number = replica.number();
        let mut snapshot = Snapshot {
            rules: RULES,
            epoch: *epoch,
            number,
            stamp: replica.stamp(),
            hash: 0,
            secret: admission.secret().to_bytes(),
            payload: Vec::new(),
        };
        let all_ids = ids.extended(snapshots, &snapshot, entries)?;
        snapshot.payload = replica.save(all_ids.newest());
        snapshot.hash = replica.engine().state_hash();
        snapshots.write(&snapshot)?;
        admission.saved(entries);
        let bytes = snapshot.payload.len();
        let before = (std::mem::replace(&mut self.keeper.newest, number), std::mem::replace(&mut self.keeper.ids, all_ids));
        self.keeper.made.note(started.elapsed(), bytes);
        let took_ms = started.elapsed().as_millis();
        tracing::info!(number, bytes, ids = entries.len(), took_ms, "kept a snapshot");
        if let Err(error) = self.retire(before) {
            tracing::warn!(error = format!("{error:#}"), "what no start needs any more could not be removed");
        }
        Ok(())
    }

    /// Lets go of what no snapshot that is kept needs: the newest, or the one `before` with its ids.
    fn retire(&self, before: (u64, Chain)) -> anyhow::Result<()> {
        let Keeper { journal, snapshots, retain, executions, newest, ids, .. } = &self.keeper;
        snapshots.tidy([*newest, before.0])?;
        let needed: Vec<u64> = ids.numbers().chain(before.1.numbers()).collect();
        snapshots.tidy_ids(before.0, &needed)?;
        let Some(bytes) = retain.bytes() else { return Ok(()) };
        let unneeded = before.0.min(executions.synced_number());
        let retired = retire(journal.as_ref(), unneeded, bytes)?;
        if retired > 0 {
            tracing::info!(segments = retired, "retired the oldest segments of the journal");
        }
        Ok(())
    }
}
