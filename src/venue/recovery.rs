//! What was kept, applied again: after it, everything that can be read or followed is as it was before the stop.
//!
//! In: the newest snapshot that can be used, and the journal's frames since. Out: the engine's state, the read model, the streams with
//! their sequences, the table of client ids. A frame that comes out differently than it did is refused: it would tell clients
//! two stories.
//!
//! Records whose executions the log on disk has already only move the state on ([`Replica`]): nobody needs to be shown them again.
//! What comes after them is executed as it was, and everything that it brought is made again.

use std::{
    collections::VecDeque,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};

use super::executions::{self, Executions, Keep};
use super::folders::Folders;
use super::ids::Chain;
use crate::disk::Disk;
use crate::domain::{InstrumentId, LevelChange, Order, Seq, Side};
use crate::engine::{Limits, RULES};
use crate::executor::{Differs, Executor, Finisher, Names, Replica, Unfinished, replay, shown};
use crate::history::Reached;
use crate::journal::{
    Framed, JournalError, Lock, ReadAhead, Reader, Recovered, Snapshots, find_end, make_durable, mend, unsynced_from,
};
use crate::queue::{Admission, Secret};
use crate::read::{Balance, Changes, ReadModel};
use crate::stream::{Hub, archive::ArchiveError};

/// How often a long recovery says how far it is.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);

/// What is shown to the world, while nobody looks yet.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) read: ReadModel,
    pub(super) hub: Hub,
    pub(super) admission: Admission,
    pub(super) finisher: Finisher,
    /// The instruments and accounts that it knows.
    pub(super) names: Arc<Names>,
}

impl Shown {
    /// Learns of the instruments and accounts of a batch that is about to be shown.
    pub(super) fn define(&mut self, names: &Arc<Names>) {
        if !Arc::ptr_eq(&self.names, names) {
            self.hub.define(names.accounts.len(), names.instruments.len());
            self.read.define(&names.instruments, names.accounts.clone());
            self.names = names.clone();
        }
    }

    /// Lets the numbers of book changes go on after `last_seq`, the number of the last record: frame by frame, fewer were used than
    /// batch by batch, before the stop, but never more than one a record.
    fn resume_books(&mut self, last_seq: u64) {
        let mut changes = Changes::default();
        for instrument in self.finisher.resume_books(last_seq) {
            self.hub.resume_book(instrument, last_seq);
            changes.books.push((instrument, last_seq, Vec::new()));
        }
        self.read.apply(changes);
    }

    /// Shows what a replica has come to, at once.
    fn resume(&mut self, replica: &Replica) -> anyhow::Result<()> {
        let engine = replica.engine();
        let public = replica.public();
        self.hub.resume_public(public.iter().map(|public| (public.trades, public.books)));
        self.hub.define(engine.accounts().count(), public.len());
        for account in engine.accounts() {
            self.hub.resume(account.id, account.last_seq.0 + 1)?;
        }
        self.read.define(engine.instruments(), engine.accounts().map(|account| account.name).collect());
        let mut known = Changes::default();
        for (instrument, public) in (0..).map(InstrumentId).zip(public) {
            known.halts.push((instrument, engine.is_halted(instrument)));
            known.trades.extend(public.recent.iter().map(|trade| (instrument, *trade)));
            let levels = [Side::Buy, Side::Sell].into_iter().flat_map(|side| {
                engine.levels(instrument, side).map(move |(price, quantity)| LevelChange {
                    instrument,
                    side,
                    price,
                    quantity,
                })
            });
            known.books.push((instrument, public.books, levels.collect()));
        }
        for account in engine.accounts() {
            let balances = engine.balances(account.id);
            let balances = balances.map(|balance| Balance { asset: balance.asset, free: balance.free, held: balance.held });
            known.balances.push((account.id, balances.collect()));
            known.last_seqs.extend((account.last_seq.0 > 0).then_some((account.id, account.last_seq)));
        }
        let open = engine
            .open_orders()
            .filter_map(|order| -> Option<Order> { Some(shown(&order, engine.instrument(order.instrument?)?)) });
        self.read.restore(open, known, engine.last_order());
        Ok(())
    }
}

/// A data directory, held and read.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) lock: Arc<Lock>,
    pub(super) executions: Executions,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) recovered: Recovered,
    pub(super) snapshots: Snapshots,
    /// The snapshot that it began with; 0: none.
    pub(super) snapshot: u64,
    /// The files of ids that go with it.
    pub(super) ids: Chain,
}

/// A snapshot that can be used.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) replica: Replica,
    pub(super) ids: u64,
    pub(super) secret: Secret,
    pub(super) epoch: u64,
}

/// Reads a snapshot, and checks that it is what was saved.
///
/// # Errors
///
/// If it cannot be read, or restores to another state than it was made of.
pub(super) fn read_snapshot(snapshots: &Snapshots, number: u64) -> anyhow::Result<Found> {
    let snapshot = snapshots.read(number)?;
    let restored = Replica::restore(&snapshot.payload, number, snapshot.stamp);
    let (replica, ids) = restored.with_context(|| format!("snapshot {number}"))?;
    let found = replica.engine().state_hash();
    ensure!(found == snapshot.hash, "snapshot {number} restores to another state than it was made of");
    Ok(Found { replica, ids, secret: Secret::from_bytes(snapshot.secret), epoch: snapshot.epoch })
}

/// Where replaying begins.
struct Start {
    replica: Replica,
    snapshot: u64,
    ids: Chain,
    admission: Admission,
}

/// Finds the newest snapshot that can be used: whole, not beyond the journal's `end`, nor beyond `held`, up to which everything was
/// shown and is kept. Where the journal has all records from the first on, it can do without.
fn find_start(snapshots: &Snapshots, journal: &Arc<dyn Disk>, held: u64, end: &Recovered) -> anyhow::Result<Start> {
    let oldest = Reader::open_oldest(journal.clone())?.oldest();
    let (mut numbers, epoch) = (snapshots.list()?, end.epoch);
    ensure!(
        epoch.is_some() || numbers.is_empty(),
        "there are snapshots and no journal: put the journal back, or remove the folder of snapshots to begin anew"
    );
    numbers.retain(|number| *number <= end.last_number);
    let (usable, beyond): (Vec<u64>, Vec<u64>) = numbers.into_iter().partition(|number| *number <= held);
    // Without what was executed up to them, those beyond come into question only if nothing else does: the oldest first.
    let beyond = beyond.into_iter().rev().filter(|_| oldest > 1);
    for number in usable.into_iter().chain(beyond).filter(|number| *number + 1 >= oldest) {
        match start_from(snapshots, number, epoch) {
            Ok(start) => return Ok(start),
            Err(error) => {
                tracing::warn!(
                    number,
                    error = format!("{error:#}"),
                    "a snapshot cannot be used: the one before it is tried"
                );
            }
        }
    }
    ensure!(
        oldest <= 1,
        "the journal begins with record {oldest}, and there is no snapshot from there up to record {} to begin with: {NO_START}",
        end.last_number
    );
    let (replica, ids, admission) = (Replica::new(Limits::default()), Chain::default(), Admission::default());
    Ok(Start { replica, snapshot: 0, ids, admission })
}

fn start_from(snapshots: &Snapshots, number: u64, epoch: Option<u64>) -> anyhow::Result<Start> {
    let Found { replica, ids, secret, epoch: found } = read_snapshot(snapshots, number)?;
    ensure!(Some(found) == epoch, "it belongs to another journal");
    let admission = Admission::new(secret);
    let ids = Chain::load(snapshots, ids, &admission)?;
    Ok(Start { replica, snapshot: number, ids, admission })
}

/// Reads frames, and says now and then how far it is.
struct Frames {
    ahead: ReadAhead,
    waiting: VecDeque<Framed>,
    started: Instant,
    said: Instant,
    first: u64,
    /// The last record that was taken.
    taken: u64,
}

impl Frames {
    fn open(journal: Arc<dyn Disk>, first: u64) -> anyhow::Result<Self> {
        let ahead = Reader::open(journal, first).and_then(ReadAhead::start).context("cannot read the journal")?;
        let started = Instant::now();
        Ok(Self { ahead, waiting: VecDeque::new(), started, said: started, first, taken: first - 1 })
    }

    /// The next frame.
    fn next(&mut self) -> anyhow::Result<Option<Framed>> {
        Ok(self.take(|_| true, 1)?.pop())
    }

    /// As many of the next frames as are at hand and end with record `until` or before; none if the next one does not.
    fn up_to(&mut self, until: u64) -> anyhow::Result<Vec<Framed>> {
        self.take(|framed| framed.last_number <= until, usize::MAX)
    }

    fn take(&mut self, wanted: impl Fn(&Framed) -> bool, most: usize) -> anyhow::Result<Vec<Framed>> {
        if self.waiting.is_empty() {
            self.waiting = self.ahead.more().context("cannot read the journal")?.into();
        }
        let count = self.waiting.iter().take(most).take_while(|framed| wanted(framed)).count();
        let taken: Vec<Framed> = self.waiting.drain(..count).collect();
        if let Some(other) = taken.iter().find(|framed| framed.frame.rules != RULES) {
            bail!(
                "the journal was executed by rules {}, and this version has rules {RULES}: run the version that wrote it, and stop \
                 it in order, so that it leaves a snapshot to start from",
                other.frame.rules
            );
        }
        self.taken = taken.last().map_or(self.taken, |framed| framed.last_number);
        if self.said.elapsed() >= PROGRESS_EVERY {
            self.said = Instant::now();
            tracing::info!(number = self.taken, records_per_second = self.speed(), "recovering");
        }
        Ok(taken)
    }

    fn speed(&self) -> u64 {
        let done = (self.taken + 1).saturating_sub(self.first);
        let took_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        done.saturating_mul(1_000) / took_ms
    }
}

/// What a recovery fills.
pub(super) struct Empty {
    pub(super) hub: Hub,
    pub(super) read: ReadModel,
    /// How far history has come, if there is one. If that is not all that was shown, what is after a snapshot is shown again.
    pub(super) reached: Option<Reached>,
    /// How much of the log of executions is kept, in bytes; `None`: all.
    pub(super) retain: Option<u64>,
    /// Whether the journal is synced from now on: then it is refused if it has lost a record of which anything came. Else that is said,
    /// and what came of those that it lost is taken back.
    pub(super) journal_is_synced: bool,
}

/// What to do where a journal that is synced has lost records all the same.
const LOST: &str = "what was acknowledged is gone from the journal: put back its files; or, to go on without what they had, start once \
                    with journal.mode = \"os\"";

/// What to do where nothing is left to begin with.
const NO_START: &str = "put back the files of the snapshots, or of the journal";

/// What to do where the journal is damaged behind what was synced.
const HOLE: &str =
    "if this is what a loss of power has left, start once with journal.mode = \"os\" to go on with what is before the hole";

/// What to do where the log of executions is not as far as a snapshot.
const LACKING: &str = "the log of executions lacks some that no start makes again: put back its files, or remove its folder, to have it \
                       made of what the journal has";

/// Where the journal in `disk` ends, and where it is synced from now on, that it is durable up to there; and what a start could begin with,
/// if all that was executed up to that is kept.
fn find_last(disk: &Arc<dyn Disk>, snapshots: &Snapshots, journal_is_synced: bool) -> anyhow::Result<(Recovered, Start)> {
    const UNREADABLE: &str = "cannot read the journal";
    // What a snapshot has was synced before it was made.
    let newest = snapshots.list()?.first().copied().unwrap_or(0);
    if !journal_is_synced {
        let (end, lost) = mend(disk, newest).context(UNREADABLE)?;
        if let Some(lost) = lost {
            tracing::warn!(%lost, "the journal has a hole, as a loss of power leaves it without syncs: what comes after is set aside");
        }
        let start = find_start(snapshots, disk, end.last_number, &end)?;
        return Ok((end, start));
    }
    let end = find_end(disk.clone()).context(UNREADABLE)?;
    let start = find_start(snapshots, disk, end.last_number, &end)?;
    if end.epoch.is_some() {
        if newest > end.last_number {
            bail!("there is a snapshot of record {newest}, and the journal ends with record {}: {LOST}", end.last_number);
        }
        // Before anything is made of what a failed sync, or none, may have left in the system's memory alone.
        make_durable(disk.as_ref(), &end).context("cannot write the journal")?;
    }
    Ok((end, start))
}

/// Takes a data directory, whose folders are given, and applies what its journal has; `new_epoch` is what an empty journal will be known by. `make` an executor
/// that goes on where a replica ends, and what is to show what it does.
///
/// # Errors
///
/// If another process has the directory, the journal is damaged, or it was written by other rules; if it is synced, also if it lacks
/// records that a snapshot or the log of executions has.
pub(super) fn recover(
    data_dir: &Path,
    folders: &Folders,
    new_epoch: u64,
    empty: Empty,
    make: impl FnOnce(Replica, Admission) -> Executor,
) -> anyhow::Result<(Executor, Shown, Kept)> {
    let is_synced = empty.journal_is_synced;
    recover_kept(data_dir, folders, new_epoch, empty, make).map_err(|error| {
        let is_damaged = matches!(error.downcast_ref(), Some(JournalError::Damaged { .. }));
        let unsynced = unsynced_from(folders.journal.as_ref()).ok().flatten();
        match unsynced.filter(|_| is_synced && is_damaged) {
            Some(first) => error.context(format!("it was not synced from record {first} on: {HOLE}")),
            None => error,
        }
    })
}

/// [`recover`], with errors that do not say what to do about a hole.
fn recover_kept(
    data_dir: &Path,
    folders: &Folders,
    new_epoch: u64,
    empty: Empty,
    make: impl FnOnce(Replica, Admission) -> Executor,
) -> anyhow::Result<(Executor, Shown, Kept)> {
    let lock = Arc::new(Lock::take(data_dir)?);
    let disk = folders.journal.clone();
    let snapshots = Snapshots::new(folders.snapshots.clone());
    snapshots.tidy_unfinished()?;
    let Empty { hub, read, reached, retain, journal_is_synced } = empty;
    // Before anything is cut, or made again.
    let (end, start) = find_last(&disk, &snapshots, journal_is_synced)?;
    let keep = Keep { retain, history: reached.is_some(), journal_is_whole: journal_is_synced };
    let executions = executions::open(folders, &lock, &end, new_epoch, keep).map_err(|error| {
        let is_lost = error.downcast_ref().is_some_and(|error| matches!(error, ArchiveError::Beyond { .. }));
        if is_lost { error.context(LOST) } else { error }
    })?;
    let held = executions.archive.held_number();
    let has_all = |reached: &Reached| {
        executions.archive.last_seqs().into_iter().all(|(account, seq)| reached.of(account) >= Seq(seq))
    };
    let shown_elsewhere = if reached.as_ref().is_some_and(has_all) { held } else { 0 };
    let start = if start.snapshot <= held { start } else { find_start(&snapshots, &disk, held, &end)? };
    let Start { mut replica, snapshot, ids, admission } = start;
    if snapshot > 0 {
        let (open, client_ids) = (replica.engine().open_orders().count(), admission.size().0);
        tracing::info!(number = snapshot, open_orders = open, client_ids, "starting from a snapshot");
    }
    let mut frames = Frames::open(disk.clone(), snapshot + 1)?;
    replay(&mut replica, &admission, || frames.up_to(shown_elsewhere))?;
    if replica.number() > snapshot {
        replica.resume_books();
    }
    let finisher = Finisher::resume(replica.public());
    let mut shown = Shown { read, hub, admission: admission.clone(), finisher, names: Arc::default() };
    shown.hub.keep(executions.archive.clone());
    if replica.number() > 0 {
        shown.resume(&replica).context(LACKING)?;
    }
    let first = replica.number();
    let mut executor = make(replica, admission);
    while let Some(mut framed) = frames.next()? {
        let effects = executor.replay(&mut framed.records);
        Differs::check(&framed, effects.executions_hash)?;
        shown.define(&effects.names);
        let mut batch = Unfinished::new(effects);
        while let Some(part) = shown.finisher.next_part(&mut batch) {
            drop(part.release(&shown.read, &shown.hub, &shown.admission));
        }
    }
    if frames.taken > first {
        shown.resume_books(frames.taken);
    }
    executions.archive.check().context(LACKING)?;
    let speed = frames.speed();
    let recovered = frames.ahead.finish().context("cannot read the journal")?;
    if let Some(torn) = &recovered.torn {
        tracing::warn!(%torn, "the journal's end was torn and is cut");
    }
    // What comes next has their numbers.
    for number in snapshots.forget_after(recovered.last_number)? {
        tracing::warn!(number, last = recovered.last_number, "a snapshot of a record that the journal has lost is removed");
    }
    if recovered.last_number > 0 {
        let (records, took_ms) = (recovered.last_number - snapshot, frames.started.elapsed().as_millis());
        tracing::info!(records, records_per_second = speed, took_ms, state_hash = hex(&executor), "recovered");
    }
    Ok((executor, shown, Kept { lock, executions, disk, recovered, snapshots, snapshot, ids }))
}

fn hex(executor: &Executor) -> String {
    format!("{:016x}", executor.engine().state_hash())
}
