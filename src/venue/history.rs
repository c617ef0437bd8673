//! A venue's history: what the read model may forget, and who takes it in.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, ensure};

use super::folders::Folders;
use super::{Settings, epoch_text, executions};
use crate::domain::{AccountId, Seq};
use crate::history::{self, Ended, History, LogSource, Parts, Reached, Source, Summary};
use crate::journal::{self, Lock};
use crate::read::Keeper;
use crate::stream::Hub;

/// What stands between the log and history: in tests, something that holds entries back.
pub type WrapSource = Arc<dyn Fn(Box<dyn Source>) -> Box<dyn Source> + Send + Sync>;

impl Keeper for Reached {
    fn has(&self, account: AccountId, seq: Seq) -> bool {
        self.of(account) >= seq
    }
}

/// A history that is not open yet.
#[derive(Debug)]
pub(super) struct Waiting {
    file: PathBuf,
    reached: Reached,
}

impl Waiting {
    /// Looks how far the history in `data_dir` has come.
    pub(super) fn new(data_dir: &Path) -> Self {
        let file = data_dir.join(history::FILE);
        Self { reached: Reached::of_file(&file), file }
    }

    /// How far it has come.
    pub(super) fn reached(&self) -> Reached {
        self.reached.clone()
    }

    /// What the read model asks.
    pub(super) fn keeper(&self) -> Arc<dyn Keeper> {
        Arc::new(self.reached.clone())
    }

    /// Opens it over the log of `hub`, which has all that was executed before this start.
    pub(super) fn start(
        self,
        epoch: String,
        hub: &Hub,
        lock: Arc<Lock>,
        settings: &Settings,
    ) -> anyhow::Result<(History, Ended)> {
        let archive = hub.archive().context("there is no log of executions")?;
        let source: Box<dyn Source> = Box::new(LogSource::new(archive.clone()));
        let source = match &settings.history_source {
            Some(wrap) => wrap(source),
            None => source,
        };
        let (published, is_whole) = (hub.last_seqs().collect(), hub.is_whole());
        let parts = Parts { file: self.file, epoch, source, reached: self.reached, published, is_whole };
        History::start(parts, lock).context("cannot start history")
    }
}

/// Makes the history in `data_dir` anew from its log of executions, as far as that goes, and says what is in it.
///
/// # Errors
///
/// If another process has the directory, it has no journal, or the log or the file cannot be used.
pub fn rebuild(data_dir: &Path) -> anyhow::Result<Summary> {
    ensure!(data_dir.join(journal::FOLDER).is_dir(), "{} has no journal", data_dir.display());
    let _lock = Lock::take(data_dir)?;
    let (archive, _) = executions::read(&Folders::of(data_dir), None)?;
    let epoch = epoch_text(archive.epoch());
    Ok(history::rebuild(&data_dir.join(history::FILE), &epoch, &mut LogSource::new(archive))?)
}

/// What is in the history in `data_dir`.
///
/// # Errors
///
/// If there is none, or it cannot be read.
pub fn summary(data_dir: &Path) -> anyhow::Result<Summary> {
    let file = data_dir.join(history::FILE);
    history::summary(&file).with_context(|| format!("cannot read {}", file.display()))
}
