//! The threads that keep batches and let their effects out. While the executor applies the next ones, one thread writes and syncs
//! all that wait, and another makes ready what they will show, and shows it once they are kept.
//!
//! In: batches, through bounded channels. Out: their effects, released in order. A lone batch costs one write and one sync; under
//! load a frame grows to what arrived during the last sync.
//!
//! Whoever appends waits for room first, without blocking its thread: so a disk that is slow, or hangs, holds up what is to be kept and
//! nothing else.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    },
    task::{Context, Poll},
    thread::{self, JoinHandle},
    time::Instant,
};

use futures_util::task::AtomicWaker;
use tokio::sync::oneshot;

use super::gate::Gate;
use super::log::Log;
use super::pulse::Pulse;
use super::{Journal, JournalError, Record, Recovered, Settings};
use crate::disk::Disk;

/// The most batches that wait to be kept and released: so that a slow disk slows intake, and not memory grows.
pub const UNRELEASED_MAX: usize = 128;
/// The most steps that wait to be taken: of each batch to make it ready, and that it is kept.
const STEPS_MAX: usize = 2 * UNRELEASED_MAX;

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
    /// How many batches were appended.
    appended: usize,
    room: Arc<Room>,
    batches: SyncSender<Batch>,
    steps: SyncSender<Step<E>>,
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

/// The end of the threads.
#[derive(Debug)]
pub struct Ended {
    kept: oneshot::Receiver<Result<(), JournalError>>,
    released: oneshot::Receiver<()>,
    threads: [JoinHandle<()>; 2],
}

impl Ended {
    /// Waits until both threads have ended: all kept and released after their journal was dropped, or not.
    ///
    /// # Errors
    ///
    /// What made the journal fail.
    pub async fn wait(self) -> Result<(), JournalError> {
        // Whatever becomes of the other, the thread that releases is the last to end, unless it panics.
        self.released.await.map_err(|_| JournalError::Panicked)?;
        let result = self.kept.await.unwrap_or(Err(JournalError::Panicked));
        // They have nothing left to do but end.
        self.threads.into_iter().try_for_each(JoinHandle::join).map_err(|_| JournalError::Panicked)?;
        result
    }
}

/// What whoever appends waits for.
#[derive(Debug, Default)]
struct Room {
    /// How many batches were released; as many as can be once nothing is kept any more.
    released: AtomicUsize,
    waiting: AtomicWaker,
}

impl Room {
    fn released(&self, batches: usize) {
        self.released.fetch_add(batches, Ordering::SeqCst);
        self.waiting.wake();
    }

    fn is_there(&self, appended: usize) -> bool {
        appended.saturating_sub(self.released.load(Ordering::SeqCst)) < UNRELEASED_MAX
    }
}

/// Lets nobody wait for room any more when dropped.
struct Open(Arc<Room>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.released.store(usize::MAX, Ordering::SeqCst);
        self.0.waiting.wake();
    }
}

/// What is to be kept of a batch.
struct Batch {
    records: Vec<Record>,
    executions_hash: u64,
}

/// What the thread that releases is told.
enum Step<E> {
    /// To make the effects of the next batch ready.
    Prepare(E),
    /// That so many more batches are kept.
    Kept(usize),
    /// That nothing will be kept any more.
    Failed,
}

impl<E: Send> Journal<E> for File<E> {
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.room.is_there(self.appended) {
            return Poll::Ready(());
        }
        self.room.waiting.register(cx.waker());
        // Some may have been released just before that.
        if self.room.is_there(self.appended) { Poll::Ready(()) } else { Poll::Pending }
    }

    fn append(&mut self, records: Vec<Record>, executions_hash: u64, effects: E) {
        // Effects go first: no batch is kept whose effects nobody has. Once the threads have failed, all is dropped here: nobody is
        // told of what was not kept.
        self.appended += 1;
        drop(self.steps.send(Step::Prepare(effects)));
        drop(self.batches.send(Batch { records, executions_hash }));
    }
}

/// Starts to write where the journal that was `recovered` from `disk` ends. Effects go through `gate`, on a new thread.
///
/// # Errors
///
/// [`JournalError::Io`] if the journal's last segment cannot be cut or a new one not begun.
pub fn start<E: Send + 'static>(
    disk: Arc<dyn Disk>,
    recovered: Recovered,
    settings: &Settings,
    gate: impl Gate<E> + 'static,
) -> Result<Started<E>, JournalError> {
    let folder = disk.path("");
    let log = Log::open(disk, recovered, settings)?;
    let epoch = log.epoch();
    let room = Arc::new(Room::default());
    let (batches, waiting) = sync_channel(UNRELEASED_MAX);
    let (steps, to_take) = sync_channel(STEPS_MAX);
    let pulse = Arc::new(Pulse::default());
    let health = Health::default();
    let poison = |writer| Poison { health: health.clone(), writer, armed: true };
    let (writer, poisoned) =
        (Writer { log, waiting, steps: steps.clone(), pulse: pulse.clone() }, poison(Some(steps.clone())));
    let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
        let thread = thread::Builder::new().name(name.to_owned()).spawn(run);
        thread.map_err(|source| JournalError::Io { doing: "start a thread for", file: folder.clone(), source })
    };
    let (ended, kept) = oneshot::channel();
    let keeping = spawn(
        "journal",
        Box::new(move || {
            // Who does not wait for the end need not learn of it.
            drop(ended.send(writer.run(poisoned)));
        }),
    )?;
    let (ended, released) = oneshot::channel();
    let (poisoned, open) = (poison(None), Open(room.clone()));
    let releasing = spawn(
        "release",
        Box::new(move || {
            release_all(&to_take, gate, &open.0, poisoned);
            drop(open);
            let _nobody_waits = ended.send(());
        }),
    )?;
    let ended = Ended { kept, released, threads: [keeping, releasing] };
    Ok(Started { journal: File { appended: 0, room, batches, steps }, health, ended, epoch, pulse })
}

/// Says that the journal has failed when dropped while armed: on an error and on a panic alike.
struct Poison<E> {
    health: Health,
    /// Of the thread that keeps, where the other hears of it.
    writer: Option<SyncSender<Step<E>>>,
    armed: bool,
}

impl<E> Drop for Poison<E> {
    fn drop(&mut self) {
        if self.armed {
            self.health.failed.store(true, Ordering::Release);
            // Only then is anything dropped that somebody waits for.
            if let Some(steps) = &self.writer {
                drop(steps.send(Step::Failed));
            }
        }
    }
}

/// Makes effects ready as they come, and releases them once they are kept, until nothing can come any more.
fn release_all<E, G: Gate<E>>(steps: &Receiver<Step<E>>, mut gate: G, room: &Room, mut poison: Poison<E>) {
    let mut ready = VecDeque::new();
    for step in steps {
        match step {
            Step::Prepare(effects) => ready.push_back(gate.prepare(effects)),
            Step::Kept(batches) => {
                ready.drain(..batches).for_each(|effects| gate.release(effects));
                room.released(batches);
                let _all = ready.iter_mut().all(|effects| gate.catch_up(effects));
            }
            Step::Failed => return,
        }
    }
    poison.armed = false;
}

struct Writer<E> {
    log: Log,
    waiting: Receiver<Batch>,
    steps: SyncSender<Step<E>>,
    pulse: Arc<Pulse>,
}

impl<E> Writer<E> {
    /// Keeps until no one can append any more.
    fn run(mut self, mut poison: Poison<E>) -> Result<(), JournalError> {
        let outcome = self.keep_all();
        poison.armed = outcome.is_err();
        outcome
    }

    fn keep_all(&mut self) -> Result<(), JournalError> {
        while let Some(batch) = self.next()? {
            let mut batches = 1;
            self.log.push(&batch.records, batch.executions_hash);
            while !self.log.is_full()
                && let Ok(batch) = self.waiting.try_recv()
            {
                batches += 1;
                self.log.push(&batch.records, batch.executions_hash);
            }
            let (started, bytes) = (Instant::now(), self.log.uncommitted_bytes());
            self.log.commit()?;
            if bytes > 0 {
                self.pulse.frame_bytes.observe(bytes);
                self.pulse.commit_ns.observe_time(started.elapsed());
            }
            self.steps.send(Step::Kept(batches)).map_err(|_| JournalError::Panicked)?;
            self.log.keep_pace()?;
        }
        Ok(())
    }

    /// The next batch, or `None` after the last; idle time is used to prepare.
    fn next(&mut self) -> Result<Option<Batch>, JournalError> {
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
