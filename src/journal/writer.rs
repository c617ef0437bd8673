//! The thread that keeps batches: while the executor applies the next ones, it writes and syncs all that wait.
//!
//! In: batches, through a bounded channel. Out: their effects, released in order on this thread once they are kept. A lone
//! batch costs one write, one sync and one wake-up; under load a frame grows to what arrived during the last sync.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Instant,
};

use tokio::sync::oneshot;

use super::log::Log;
use super::pulse::Pulse;
use super::{Journal, JournalError, Record, Recovered, Settings};
use crate::disk::Disk;

/// The most batches that wait for the writer; then `append` blocks, so that a slow disk slows intake and not memory.
pub const WAITING_MAX: usize = 64;

/// What [`start`] gives.
#[derive(Debug)]
pub struct Started<E> {
    /// Where batches go. When it is dropped, what was appended is kept and released, then the thread ends.
    pub journal: File<E>,
    /// Whether it still can keep anything.
    pub health: Health,
    /// How the thread ends.
    pub ended: Ended,
    /// The number that the venue's data is known by.
    pub epoch: u64,
    /// How its frames go.
    pub pulse: Arc<Pulse>,
}

/// A journal in files.
pub struct File<E> {
    batches: SyncSender<Batch<E>>,
}

impl<E> fmt::Debug for File<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").finish_non_exhaustive()
    }
}

/// Whether the journal has failed, for those who would otherwise take in what it cannot keep.
#[derive(Clone, Debug, Default)]
pub struct Health {
    failed: Arc<AtomicBool>,
}

impl Health {
    /// Whether nothing is kept or released any more. Once true, for ever.
    pub fn is_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// The flag itself, for those who may not know of journals.
    pub fn flag(&self) -> Arc<AtomicBool> {
        self.failed.clone()
    }
}

/// The end of the writer's thread.
#[derive(Debug)]
pub struct Ended {
    result: oneshot::Receiver<Result<(), JournalError>>,
    thread: JoinHandle<()>,
}

impl Ended {
    /// Waits until the thread has ended: all kept and released after its journal was dropped, or not.
    ///
    /// # Errors
    ///
    /// What made the journal fail.
    pub async fn wait(self) -> Result<(), JournalError> {
        let result = self.result.await.unwrap_or(Err(JournalError::Panicked));
        // It has nothing left to do but end.
        self.thread.join().map_err(|_| JournalError::Panicked)?;
        result
    }
}

struct Batch<E> {
    records: Vec<Record>,
    executions_hash: u64,
    effects: E,
}

impl<E: Send> Journal<E> for File<E> {
    fn append(&mut self, records: Vec<Record>, executions_hash: u64, effects: E) {
        // Once the thread has failed, effects are dropped here: nobody is told of what was not kept.
        drop(self.batches.send(Batch { records, executions_hash, effects }));
    }
}

/// Starts to write where the journal that was `recovered` from `disk` ends. Effects go to `release`, on the new thread.
///
/// # Errors
///
/// [`JournalError::Io`] if the journal's last segment cannot be cut or a new one not begun.
pub fn start<E: Send + 'static>(
    disk: Arc<dyn Disk>,
    recovered: Recovered,
    settings: &Settings,
    release: impl FnMut(E) + Send + 'static,
) -> Result<Started<E>, JournalError> {
    let folder = disk.path("");
    let log = Log::open(disk, recovered, settings)?;
    let epoch = log.epoch();
    let (batches, waiting) = sync_channel(WAITING_MAX);
    let pulse = Arc::new(Pulse::default());
    let writer = Writer { log, waiting, release, unreleased: Vec::new(), pulse: pulse.clone() };
    let health = Health::default();
    let poison = Poison { health: health.clone(), armed: true };
    let (ended, result) = oneshot::channel();
    let thread = thread::Builder::new().name("journal".to_owned()).spawn(move || {
        let outcome = writer.run(poison);
        // Who does not wait for the end need not learn of it.
        drop(ended.send(outcome));
    });
    let thread = thread.map_err(|source| JournalError::Io { doing: "start a thread for", file: folder, source })?;
    Ok(Started { journal: File { batches }, health, ended: Ended { result, thread }, epoch, pulse })
}

/// Says that the journal has failed when dropped while armed: on an error and on a panic alike.
struct Poison {
    health: Health,
    armed: bool,
}

impl Drop for Poison {
    fn drop(&mut self) {
        if self.armed {
            self.health.failed.store(true, Ordering::Release);
        }
    }
}

struct Writer<E, F> {
    log: Log,
    waiting: Receiver<Batch<E>>,
    release: F,
    /// Effects of the frame in the making.
    unreleased: Vec<E>,
    pulse: Arc<Pulse>,
}

impl<E, F: FnMut(E)> Writer<E, F> {
    /// Keeps and releases until no one can append any more. On an error `poison` is dropped before anything else is.
    fn run(mut self, mut poison: Poison) -> Result<(), JournalError> {
        let outcome = self.keep_all();
        poison.armed = outcome.is_err();
        drop(poison);
        outcome
    }

    fn keep_all(&mut self) -> Result<(), JournalError> {
        while let Some(batch) = self.next()? {
            self.push(batch);
            while !self.log.is_full()
                && let Ok(batch) = self.waiting.try_recv()
            {
                self.push(batch);
            }
            let (started, bytes) = (Instant::now(), self.log.uncommitted_bytes());
            self.log.commit()?;
            if bytes > 0 {
                self.pulse.frame_bytes.observe(bytes);
                self.pulse.commit_ns.observe_time(started.elapsed());
            }
            self.unreleased.drain(..).for_each(&mut self.release);
            self.log.keep_pace()?;
        }
        Ok(())
    }

    fn push(&mut self, batch: Batch<E>) {
        self.log.push(&batch.records, batch.executions_hash);
        self.unreleased.push(batch.effects);
    }

    /// The next batch, or `None` after the last; idle time is used to prepare.
    fn next(&mut self) -> Result<Option<Batch<E>>, JournalError> {
        loop {
            match self.waiting.try_recv() {
                Ok(batch) => return Ok(Some(batch)),
                Err(TryRecvError::Disconnected) => return Ok(None),
                Err(TryRecvError::Empty) if self.log.prepare()? => {}
                Err(TryRecvError::Empty) => return Ok(self.waiting.recv().ok()),
            }
        }
    }
}
