//! The thread that writes: a transaction after the other, and what to do when one fails.

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{
    HistoryError, Parts, Reached, Source,
    frame::ExecutionFrame,
    pace::Pace,
    store::{KnownExecution, Store},
    transaction::{self, Gap, TRANSACTION_EXECUTIONS, take_in},
};
use crate::domain::{AccountId, Seq};
use crate::stream::archive::Position;

/// How long the thread rests after a transaction that took in all there was, so that the next is worth its while.
const REST: Duration = Duration::from_millis(20);
/// How long it sleeps at most while nothing comes, before it looks whether it should end.
const SLEEP: Duration = Duration::from_millis(50);
/// How long it goes on at most once told to end, to take in what is there. Then it leaves even a transaction: on a machine whose
/// processors are all taken, the rest of one could take it longer than a shutdown may.
const LAST_LOOK: Duration = Duration::from_secs(1);
/// How long it waits after a failure; twice as long after each that follows.
const BACK_OFF_MIN: Duration = Duration::from_millis(100);
/// The longest wait.
const BACK_OFF_MAX: Duration = Duration::from_secs(30);
/// How much nicer than others the thread is (`nice(2)`).
#[cfg(target_os = "linux")]
const NICE: i32 = 19;

/// How the thread ends; an error if it panicked.
pub type Ended = oneshot::Receiver<()>;

/// What the thread and those who ask share.
#[derive(Debug)]
pub(super) struct Shared {
    /// What the file has; taken back before the file is.
    pub(super) reached: Reached,
    /// Set by who finds the file damaged.
    pub(super) damaged: AtomicBool,
    /// Counts openings and closings of the file, so that it is odd while it is open: what was read of an earlier one does not count.
    generation: AtomicU64,
    failures: AtomicU64,
    /// When it was told to end.
    stopped: Mutex<Option<Instant>>,
    stopping: Condvar,
}

impl Shared {
    pub(super) fn new(reached: Reached) -> Self {
        Self {
            reached,
            damaged: AtomicBool::new(false),
            generation: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            stopped: Mutex::new(None),
            stopping: Condvar::new(),
        }
    }

    /// Which file is open to be asked.
    pub(super) fn generation(&self) -> Option<u64> {
        Some(self.generation.load(SeqCst)).filter(|generation| !generation.is_multiple_of(2))
    }

    /// Says that the file is open, anew if it was. Only the thread that writes does so.
    fn opened(&self) {
        self.closed();
        self.generation.fetch_add(1, SeqCst);
    }

    fn closed(&self) {
        if self.generation().is_some() {
            self.generation.fetch_add(1, SeqCst);
        }
    }

    pub(super) fn failures(&self) -> u64 {
        self.failures.load(SeqCst)
    }

    pub(super) fn stop(&self) {
        self.stopped.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Instant::now);
        self.stopping.notify_all();
    }

    /// Waits so long, or until told to end; whether it was.
    fn stopped_within(&self, time: Duration) -> bool {
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.stopping.wait_timeout_while(stopped, time, |stopped| stopped.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.is_some()
    }

    /// Whether it has gone on for as long as it may since.
    fn must_end(&self) -> bool {
        let stopped = *self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        stopped.is_some_and(|stopped| stopped.elapsed() >= LAST_LOOK)
    }
}

/// The thread's state.
#[derive(Debug)]
pub(super) struct Projector {
    file: PathBuf,
    epoch: String,
    source: Box<dyn Source>,
    shared: Arc<Shared>,
    /// The file, as long as nothing went wrong.
    store: Option<Store>,
    /// Each account's last execution when the venue started, until the file was opened.
    published: Option<BTreeMap<AccountId, Seq>>,
    /// Whether the log had, or was about to have, every execution from the first on when the venue started.
    was_whole: bool,
    /// Whether reading goes on where the file ends in the log; else all of the log is read, and what the file has is skipped.
    gap: Gap,
}

impl Projector {
    /// Opens the file, if it can be: else the thread tries again.
    pub(super) fn new(parts: Parts, shared: Arc<Shared>) -> Self {
        let Parts { file, epoch, source, reached: _, published, is_whole } = parts;
        let (published, was_whole) = (Some(published), is_whole);
        let mut projector = Self { file, epoch, source, shared, store: None, published, was_whole, gap: Gap::Error };
        match projector.open() {
            Ok(store) => projector.store = Some(store),
            Err(error) => tracing::debug!(%error, "history cannot be opened yet"),
        }
        projector
    }

    /// Starts the thread.
    pub(super) fn spawn(self, held: impl Send + 'static) -> io::Result<Ended> {
        let (end, ended) = oneshot::channel();
        thread::Builder::new().name("history".to_owned()).spawn(move || {
            be_nice();
            self.run();
            drop(held);
            // Nobody may be left to be told.
            end.send(()).ok();
        })?;
        Ok(ended)
    }

    fn run(mut self) {
        let mut back_off = BACK_OFF_MIN;
        loop {
            let taken_in = self.shared.reached.total();
            let Err(error) = self.follow() else { return };
            if let HistoryError::Interrupted = error {
                tracing::info!("history has not taken in all there is: it goes on at the next start");
                return;
            }
            if let HistoryError::Gap { .. } = error {
                tracing::warn!(%error, "reading all of it");
                self.gap = Gap::Known;
                continue;
            }
            if error.is_of_the_file() {
                self.shared.damaged.store(true, SeqCst);
            }
            self.shared.failures.fetch_add(1, SeqCst);
            if self.shared.reached.total() > taken_in {
                back_off = BACK_OFF_MIN;
            }
            let error = anyhow::Error::from(error);
            tracing::warn!(
                error = format!("{error:#}"),
                again_in_ms = back_off.as_millis(),
                "history cannot go on for now; trading does"
            );
            if self.shared.stopped_within(back_off) {
                return;
            }
            back_off = (back_off * 2).min(BACK_OFF_MAX);
        }
    }

    /// Takes in what comes, until told to end; then what is there.
    fn follow(&mut self) -> Result<(), HistoryError> {
        let mut store = match self.store.take() {
            Some(store) => store,
            None => self.open()?,
        };
        let position = match self.gap {
            Gap::Error => store.position(self.source.id())?,
            Gap::Known => None,
        };
        if position.is_none() {
            // From the beginning, what is missing is missing.
            self.gap = Gap::Known;
        }
        let from = position.unwrap_or(Position::START);
        self.source.seek(from).map_err(HistoryError::Log)?;
        self.reach(&transaction::begin(&*self.source, &mut store, from)?);
        self.passed(&mut store, from)?;
        let mut durable = from.segment;
        let mut told_to_end = false;
        let mut pace = Pace::new();
        loop {
            let began = Instant::now();
            let taken_in = take_in(&mut *self.source, &mut store, self.gap, &|| self.shared.must_end())?;
            let took = began.elapsed();
            self.reach(&taken_in.reached);
            if let Some(end) = taken_in.end.filter(|end| end.segment > durable) {
                self.passed(&mut store, end)?;
                durable = end.segment;
            }
            let in_the_way = pace.rest_after(took);
            let rest = match (taken_in.executions < TRANSACTION_EXECUTIONS, self.source.is_growing()) {
                (true, _) => REST,
                (false, true) => in_the_way,
                (false, false) => Duration::ZERO,
            };
            if self.shared.stopped_within(rest) {
                // What was written since the last look is there for another.
                if (told_to_end && taken_in.executions == 0) || self.shared.must_end() {
                    return store.settle();
                }
                told_to_end = true;
                continue;
            }
            if taken_in.executions == 0 {
                // From here on everything comes in order.
                self.gap = Gap::Error;
                self.source.wait(SLEEP);
            }
            if self.shared.damaged.load(SeqCst) {
                return Err(HistoryError::Foreign("was found damaged".to_owned()));
            }
        }
    }

    fn reach(&self, reached: &[(AccountId, Seq)]) {
        for (account, seq) in reached {
            self.shared.reached.set(*account, *seq);
        }
    }

    /// Lets the log go of what is before a place, once all of it is durable here.
    fn passed(&mut self, store: &mut Store, position: Position) -> Result<(), HistoryError> {
        store.make_durable()?;
        self.source.passed(position);
        Ok(())
    }

    /// Opens the file, or makes a new one in the place of one that cannot be used.
    fn open(&mut self) -> Result<Store, HistoryError> {
        let (store, seqs) = match self.open_kept() {
            Err(error) if error.is_of_the_file() => {
                let error = anyhow::Error::from(error);
                let file = self.file.display();
                tracing::warn!(error = format!("{error:#}"), %file, "history is made anew from the execution log");
                // In this order: what is asked meanwhile is answered by no file, or does not count.
                self.shared.reached.clear();
                self.shared.closed();
                // From here on it keeps what it has.
                self.source.passed(Position::START);
                let is_of_this = !matches!(error.downcast_ref(), Some(HistoryError::Another(_)));
                if is_of_this && self.was_whole && self.source.oldest_seqs().iter().all(|(_, oldest)| *oldest == 1) {
                    Store::remove(&self.file)?;
                } else if let Some(aside) = Store::set_aside(&self.file)? {
                    let aside = aside.display();
                    tracing::warn!(%aside, "it may be all there is of what it has: the file is set aside");
                }
                self.shared.damaged.store(false, SeqCst);
                (Store::open(&self.file, &self.epoch)?, Vec::new())
            }
            kept => kept?,
        };
        self.published = None;
        self.shared.reached.replace(&seqs);
        self.shared.opened();
        Ok(store)
    }

    fn open_kept(&self) -> Result<(Store, Vec<(AccountId, Seq)>), HistoryError> {
        if self.shared.damaged.load(SeqCst) {
            return Err(HistoryError::Foreign("was found damaged".to_owned()));
        }
        let store = Store::open(&self.file, &self.epoch)?;
        let seqs = store.last_seqs()?;
        if let Some(published) = &self.published
            && seqs.iter().any(|(account, seq)| published.get(account).is_none_or(|last| seq > last))
        {
            return Err(HistoryError::Foreign("knows executions that the journal lost".to_owned()));
        }
        self.compare(&store)?;
        Ok((store, seqs))
    }

    /// Refuses a file whose last execution the log has otherwise: as many came from other orders, as after a backup that was put back.
    fn compare(&self, store: &Store) -> Result<(), HistoryError> {
        let Some(known) = store.last_execution()? else { return Ok(()) };
        let KnownExecution { account, seq, .. } = known;
        // Nor does history end where the log is damaged at just that place.
        let Ok(Some(payload)) = self.source.execution(account, seq) else { return Ok(()) };
        let fault = |fault: String| HistoryError::Frame { account: account.0, seq, fault };
        let frame = ExecutionFrame::parse(&payload).map_err(|error| fault(error.to_string()))?;
        let ts = frame.ts().map_err(|what| fault(what.to_owned()))?;
        if (frame.exec_id, ts) == (known.exec_id, known.ts) {
            return Ok(());
        }
        Err(HistoryError::Foreign(format!("has another execution {seq} of account {account} than the log of executions")))
    }
}

fn be_nice() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::debug!(%error, "history's thread keeps the priority of the others");
    }
}
