//! One venue: queue, executor, engine, journal, stream and reads behind a handle. No globals, so a process can host many.
//!
//! ```text
//! intake ─► queue ─► executor(engine) ─► journal ─► release ─► read model
//!                                                          ├─► stream
//!                                                          └─► replies
//! ```

mod executions;
mod folders;
mod genesis;
pub mod history;
mod ids;
mod recovery;
mod snapshots;
#[cfg(test)]
mod tests;

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    iter,
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, bail};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::config::{self, Config, JournalConfig, JournalMode};
use crate::domain::{Nanos, Quote};
use crate::engine::{Limits, RULES};
use crate::executor::{self, Effects, Executor, Finisher, Release, Replica, Replies};
use crate::history::{Ended as HistoryEnded, History};
use crate::journal::{self, Durability, Ended, Gate, Journal, Lock, Memory, Started};
use crate::queue::{self, Admission, Answer, Discipline, Intake, OnFull, Outlet, Reply, WorkerId};
use crate::read::{self, ReadModel};
use crate::stream::{Hub, archive};
use history::{Waiting, WrapSource};
use recovery::{Empty, Kept, Shown, recover};
pub use snapshots::SnapshotsMade;
use snapshots::{Keeper, Pace};

pub use folders::Folders;

/// A handle on a venue. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Venue {
    /// The way in.
    pub intake: Intake,
    /// Which client ids are taken.
    pub admission: Admission,
    /// What can be read.
    pub read: Arc<ReadModel>,
    /// What that has forgotten, if it is kept.
    pub history: Option<History>,
    /// What can be followed.
    pub hub: Arc<Hub>,
    /// Set once the journal keeps nothing any more: nothing may be taken in.
    pub journal_failed: Arc<AtomicBool>,
    /// A random id made with the venue's data.
    pub epoch: String,
    /// What its parts count.
    pub pulses: Pulses,
}

/// What the parts of a venue count of themselves.
#[derive(Clone, Debug)]
pub struct Pulses {
    /// Batches.
    pub executor: Arc<executor::Pulse>,
    /// Frames, if there are any.
    pub journal: Option<Arc<journal::Pulse>>,
    /// Snapshots, if there are any.
    pub snapshots: Option<Arc<SnapshotsMade>>,
}

/// What nobody configures.
#[derive(Clone, Default)]
#[expect(missing_debug_implementations, reason = "a function has nothing to show")]
pub struct Settings {
    /// How much the read model keeps.
    pub read: read::Settings,
    /// What stands between the log and history.
    pub history_source: Option<WrapSource>,
    /// Where things are kept, if not in the data directory.
    pub folders: Option<Folders>,
}

/// The part of a venue that runs: one task drives it.
#[expect(missing_debug_implementations, reason = "a journal has nothing to show")]
pub struct Running {
    executor: Executor,
    outlet: Outlet,
    journal: Box<dyn Journal<Effects>>,
    threads: Threads,
    history_ended: Option<HistoryEnded>,
    /// Answered once the configuration can be read.
    configured: oneshot::Receiver<Answer>,
    /// What is to be answered here.
    answers: mpsc::UnboundedReceiver<Replies>,
    branches: Vec<Branch>,
    quotes: Vec<Quote>,
}

/// What a venue does on a worker that is not its own, the first.
#[derive(Debug)]
pub struct Branch {
    /// The way in from there.
    pub intake: Intake,
    main: Intake,
    /// What is to be answered there.
    answers: mpsc::UnboundedReceiver<Replies>,
}

impl Branch {
    /// Passes on what is asked there, and answers, until all is released and the venue drains: if it does not, the journal has
    /// failed, which is for that to say, and what is still asked is for the executor to drop.
    pub async fn run(self, drain: CancellationToken) {
        let answered = async {
            executor::answer_all(self.answers).await;
            drain.cancelled().await;
        };
        tokio::select! {
            () = answered => {}
            () = self.main.ring_for(&self.intake) => {}
        }
    }
}

impl Running {
    /// What exchanges had said when it began, and stands: static prices, and quotes by hand. Those of feeds are withdrawn until they
    /// speak again.
    pub fn quotes(&mut self) -> Vec<Quote> {
        std::mem::take(&mut self.quotes)
    }

    /// How history's thread ends, if there is one: once it is told to.
    pub fn history_ended(&mut self) -> Option<HistoryEnded> {
        self.history_ended.take()
    }

    /// How the thread of the log of executions ends, if there is one: well, after the journal's has.
    pub fn executions_ended(&mut self) -> Option<archive::Ended> {
        self.threads.executions_ended.take()
    }

    /// How the journal's thread ends, if it has one: well, after the executor has.
    pub fn journal_ended(&mut self) -> Option<Ended> {
        self.threads.journal_ended.take()
    }

    /// Ends once the last snapshot is made, if any is: after the journal's thread.
    pub fn snapshots_ended(&mut self) -> Option<oneshot::Receiver<()>> {
        self.threads.snapshots_ended.take()
    }

    /// What is to run on each worker but the first, in their order.
    pub fn branches(&mut self) -> Vec<Branch> {
        std::mem::take(&mut self.branches)
    }

    /// What completes, while it runs, once all can be read that the configuration came to, or the venue has failed.
    pub fn configured(&mut self) -> impl Future<Output = ()> + use<> {
        let configured = std::mem::replace(&mut self.configured, oneshot::channel().1);
        async { drop(configured.await) }
    }

    /// Executes until `drain` is canceled and the queue is empty, and answers, as the first worker, until all is released.
    pub async fn run(self, drain: CancellationToken) {
        let Self { executor, outlet, journal, threads, answers, .. } = self;
        let execute = async {
            let executor = executor.run(outlet, journal, drain).await;
            if let Some(pace) = threads.pace {
                pace.stop();
                pace.stopped(executor.into_replica());
            }
        };
        tokio::join!(execute, executor::answer_all(answers));
    }
}

impl Venue {
    /// Opens a venue as configured, as it was when it last stopped.
    ///
    /// # Errors
    ///
    /// If the data directory cannot be used, or the configuration does not go with what was traded before.
    pub fn open(config: &Config, settings: &Settings, now: fn() -> Nanos) -> anyhow::Result<(Self, Running)> {
        let (intake, outlet) = queue::queue(queue_settings(config));
        let delay = config.execution.delay;
        let make = |replica, admission| Executor::resume(replica, admission, Arc::new(now), delay);
        let hub = Hub::new(config.stream.ring as u64);
        let random = RandomState::new().build_hasher().finish();
        let durability = durability(config.journal.mode);
        let waiting = durability.filter(|_| config.history.enabled).map(|_| Waiting::new(&config.server.data_dir));
        let read = ReadModel::new(settings.read, waiting.as_ref().map(Waiting::keeper));
        let folders = settings.folders.clone().unwrap_or_else(|| Folders::of(&config.server.data_dir));
        let (mut executor, mut shown, kept) = match durability {
            None => {
                if folders.journal.list().is_ok_and(|names| !names.is_empty()) {
                    let folder = folders.journal.path("");
                    tracing::warn!(folder = %folder.display(), "journal.mode is none: what is kept there is neither read nor added to");
                }
                let (admission, finisher) = (Admission::default(), Finisher::default());
                let shown = Shown { read, hub, admission, finisher, names: Arc::default() };
                (make(Replica::new(Limits::default()), shown.admission.clone()), shown, None)
            }
            Some(durability) => {
                let (reached, retain) = (waiting.as_ref().map(Waiting::reached), config.stream.retain.bytes());
                let journal_is_synced = durability == Durability::Fsync;
                let empty = Empty { hub, read, reached, retain, journal_is_synced };
                let (executor, shown, kept) = recover(&config.server.data_dir, &folders, random, empty, make)?;
                (executor, shown, Some((kept, durability)))
            }
        };
        let admission = shown.admission.clone();
        let lock = kept.as_ref().map(|(kept, _)| kept.lock.clone());
        let commands = genesis::difference(config, executor.engine())?;
        let (reply, configured) = Reply::new(WorkerId::default());
        let (records, effects) = executor.configure(commands, Some(reply));
        shown.define(&effects.names);
        if let Some(lost) = config.instruments.iter().find(|wanted| shown.read.instrument(&wanted.symbol).is_none()) {
            bail!("instrument {} cannot be traded: the venue has as many assets as it may", lost.symbol);
        }
        let quotes = executor.engine().quotes().collect();

        let (read, hub) = (Arc::new(shown.read), Arc::new(shown.hub));
        let (to_own, answers) = mpsc::unbounded_channel();
        let branches = (1..config.server.workers()).map(|number| {
            let (to_branch, answers) = mpsc::unbounded_channel();
            (to_branch, Branch { intake: intake.of_worker(WorkerId(number)), main: intake.clone(), answers })
        });
        let (to_branches, branches): (Vec<_>, _) = branches.unzip();
        let to_workers = iter::once(to_own).chain(to_branches).collect();
        let (finisher, pulse) = (shown.finisher, executor.pulse());
        let release = Release {
            finisher,
            pulse,
            read: read.clone(),
            hub: hub.clone(),
            admission: admission.clone(),
            answers: to_workers,
            waiting: 0,
        };
        let (mut journal, threads) = start_journal(kept, release, (random, folders.segment_bytes), &config.journal)?;
        let epoch = epoch_text(threads.epoch);
        // It compares itself with what was shown before this start: nothing may be shown yet.
        let started = waiting.zip(lock).map(|(waiting, lock)| waiting.start(epoch.clone(), &hub, lock, settings));
        let (history, history_ended) = started.transpose()?.unzip();
        if !records.is_empty() {
            journal.append(records, effects.executions_hash, effects);
        }
        let journal_failed = threads.journal_failed.clone();
        let pulses = Pulses {
            executor: executor.pulse(),
            journal: threads.journal_pulse.clone(),
            snapshots: threads.snapshots_made.clone(),
        };
        let running = Running { executor, outlet, journal, threads, history_ended, configured, answers, branches, quotes };
        Ok((Self { intake, admission, read, history, hub, journal_failed, epoch, pulses }, running))
    }
}

/// What keeps things, and what it says of itself.
struct Threads {
    journal_failed: Arc<AtomicBool>,
    journal_ended: Option<Ended>,
    executions_ended: Option<archive::Ended>,
    snapshots_ended: Option<oneshot::Receiver<()>>,
    /// What the thread of snapshots waits for.
    pace: Option<Pace>,
    epoch: u64,
    journal_pulse: Option<Arc<journal::Pulse>>,
    snapshots_made: Option<Arc<SnapshotsMade>>,
}

fn start_journal(
    kept: Option<(Kept, Durability)>,
    release: Release,
    (random, segment_bytes): (u64, u64),
    config: &JournalConfig,
) -> anyhow::Result<(Box<dyn Journal<Effects>>, Threads)> {
    let Some((Kept { lock, executions, disk, recovered, snapshots, snapshot, ids }, durability)) = kept else {
        let journal = Memory::new(release);
        let threads = Threads {
            journal_failed: Arc::default(),
            journal_ended: None,
            executions_ended: None,
            snapshots_ended: None,
            pace: None,
            epoch: random,
            journal_pulse: None,
            snapshots_made: None,
        };
        return Ok((Box::new(journal), threads));
    };
    let executions::Executions { closing, ended: executions_ended, archive, epoch } = executions;
    let epoch = epoch.unwrap_or(random);
    let keeper = Keeper {
        _lock: lock.clone(),
        read: release.read.clone(),
        hub: release.hub.clone(),
        journal: disk.clone(),
        journal_is_synced: config.mode == JournalMode::Fsync,
        snapshots,
        executions: archive,
        admission: release.admission.clone(),
        epoch,
        every: config.snapshot_every,
        retain: config.retain,
        newest: snapshot,
        ids,
        made: Arc::default(),
    };
    let snapshots_made = Some(keeper.made.clone());
    let (pace, snapshots_ended) = snapshots::start(keeper, recovered.last_number)?;
    let settings = journal::Settings { durability, segment_bytes, rules: RULES, new_epoch: epoch };
    let gate = Exit { release, pace: pace.clone(), _lock: lock, _closing: closing };
    let started = journal::start(disk, recovered, &settings, gate);
    let Started { journal, health, ended, epoch, pulse } = started.context("cannot write the journal")?;
    let threads = Threads {
        journal_failed: health.flag(),
        journal_ended: Some(ended),
        executions_ended: Some(executions_ended),
        snapshots_ended: Some(snapshots_ended),
        pace: Some(pace),
        epoch,
        journal_pulse: Some(pulse),
        snapshots_made,
    };
    Ok((Box::new(journal), threads))
}

/// Where batches of a venue that keeps them get out. The directory is held, and executions are written, for as long as anything may
/// still be released.
struct Exit {
    release: Release,
    pace: Pace,
    _lock: Arc<Lock>,
    _closing: archive::Closing,
}

impl Gate<Effects> for Exit {
    type Ready = (u64, executor::Ready);

    fn prepare(&mut self, effects: Effects) -> Self::Ready {
        (effects.number, self.release.prepare(effects))
    }

    fn release(&mut self, (number, ready): Self::Ready) {
        self.release.release(ready);
        self.pace.released(number);
    }

    fn catch_up(&mut self, (_, ready): &mut Self::Ready) -> bool {
        self.release.catch_up(ready)
    }
}

/// An epoch as people see it.
fn epoch_text(epoch: u64) -> String {
    format!("{epoch:016x}")
}

fn durability(mode: JournalMode) -> Option<Durability> {
    match mode {
        JournalMode::Fsync => Some(Durability::Fsync),
        JournalMode::Os => Some(Durability::Os),
        JournalMode::None => None,
    }
}

fn queue_settings(config: &Config) -> queue::Settings {
    let queue = &config.queue;
    queue::Settings {
        orders_capacity: queue.orders_capacity,
        cancels_capacity: queue.cancels_capacity,
        discipline: match queue.discipline {
            config::Discipline::Fifo => Discipline::Fifo,
            config::Discipline::MarketFirst => Discipline::MarketFirst,
        },
        on_full: match queue.on_full {
            config::OnFull::Reject => OnFull::Reject,
            config::OnFull::Wait => OnFull::Wait(queue.enqueue_timeout),
        },
    }
}

/// The wall clock.
pub fn system_clock() -> Nanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
