//! What was kept, applied again: after it, everything that can be read or followed is as it was before the stop.
//!
//! In: the journal's frames. Out: the engine's state, the read model, the streams with their sequences, the table of client
//! ids. A frame that comes out differently than it did is refused: it would tell clients two stories.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};

use super::executions::{self, Executions};
use crate::disk::{Disk, Folder};
use crate::domain::AccountName;
use crate::engine::RULES;
use crate::executor::Executor;
use crate::journal::{Lock, Reader, Recovered};
use crate::queue::Admission;
use crate::read::ReadModel;
use crate::stream::Hub;

/// The folder of the journal, in the data directory.
const JOURNAL: &str = "journal";
/// How often a long recovery says how far it is.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);

/// What is shown to the world, while nobody looks yet.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) read: ReadModel,
    pub(super) hub: Hub,
    pub(super) admission: Admission,
}

impl Shown {
    /// Makes room for the instruments and accounts that the executor knows.
    pub(super) fn define(&mut self, executor: &Executor) {
        let engine = executor.engine();
        let accounts: Vec<AccountName> = engine.accounts().map(|account| account.name).collect();
        let known = (self.read.instruments().len(), self.read.accounts().len());
        self.hub.define(accounts.len(), engine.instruments().len());
        if known != (engine.instruments().len(), accounts.len()) {
            self.read.define(engine.instruments(), accounts);
        }
    }
}

/// A data directory, held and read.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) lock: Arc<Lock>,
    pub(super) executions: Executions,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) recovered: Recovered,
}

/// Takes a data directory and applies what its journal has; `new_epoch` is what an empty journal will be known by.
///
/// # Errors
///
/// If another process has the directory, the journal is damaged, or it was written by other rules.
pub(super) fn recover(data_dir: &Path, new_epoch: u64, executor: &mut Executor, shown: &mut Shown) -> anyhow::Result<Kept> {
    let lock = Arc::new(Lock::take(data_dir)?);
    let disk: Arc<dyn Disk> = Arc::new(Folder::new(data_dir.join(JOURNAL)));
    let executions = executions::open(data_dir, &lock, &disk, new_epoch)?;
    shown.hub.keep(executions.archive.clone());
    let mut reader = Reader::open(disk.clone(), 1).context("cannot read the journal")?;
    let started = Instant::now();
    let mut said = started;
    let mut records = Vec::new();
    while let Some(frame) = reader.next(&mut records).context("cannot read the journal")? {
        let last = reader.last_number();
        ensure!(
            frame.rules == RULES,
            "the journal was executed by rules {}, and this version has rules {RULES}: run the version that wrote it",
            frame.rules
        );
        let effects = executor.replay(&mut records);
        ensure!(
            frame.executions_hash.is_none_or(|hash| hash == effects.executions_hash),
            "the journal's records up to {last} come out differently than when they were executed"
        );
        shown.define(executor);
        effects.release(&shown.read, &shown.hub, &shown.admission);
        if said.elapsed() >= PROGRESS_EVERY {
            said = Instant::now();
            tracing::info!(records = last, "recovering");
        }
    }
    executions.archive.check()?;
    let recovered = reader.finish().context("cannot read the journal")?;
    if let Some(torn) = &recovered.torn {
        tracing::warn!(%torn, "the journal's end was torn and is cut");
    }
    if recovered.last_number > 0 {
        let took = started.elapsed();
        tracing::info!(records = recovered.last_number, took_ms = took.as_millis(), "recovered");
    }
    Ok(Kept { lock, executions, disk, recovered })
}
