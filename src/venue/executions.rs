//! The log of executions on disk, opened beside the journal that it is made from.

use std::{path::Path, sync::Arc};

use anyhow::Context;

use crate::disk::{Disk, Folder};
use crate::journal::{Lock, find_end};
use crate::stream::archive::{Archive, Closing, Ended, Settings};

/// The folder of the log, in the data directory.
const EXECUTIONS: &str = "executions";

/// The log, being written.
#[derive(Debug)]
pub(super) struct Executions {
    pub(super) archive: Arc<Archive>,
    /// The random number that the journal is known by; `None` if it is empty.
    pub(super) epoch: Option<u64>,
    /// Keeps it being written.
    pub(super) closing: Closing,
    /// How that ends.
    pub(super) ended: Ended,
}

/// Opens the log in `data_dir`, which is held by `lock`, and cuts what the journal does not have; `new_epoch` is what a
/// journal that is empty will be known by.
///
/// # Errors
///
/// If either is damaged, or the two do not belong together.
pub(super) fn open(
    data_dir: &Path,
    lock: &Arc<Lock>,
    journal: &Arc<dyn Disk>,
    new_epoch: u64,
) -> anyhow::Result<Executions> {
    let (archive, epoch) = read(data_dir, journal, Some(new_epoch))?;
    let (closing, ended) = archive.start(lock.clone()).context("cannot write the log of executions")?;
    Ok(Executions { archive, epoch, closing, ended })
}

/// Opens the log in `data_dir`, which nobody else has, as [`open`] does, without writing to it any more; and the random number
/// that the journal is known by.
///
/// # Errors
///
/// As [`open`]; also if the journal is empty and no `new_epoch` is given.
pub(super) fn read(
    data_dir: &Path,
    journal: &Arc<dyn Disk>,
    new_epoch: Option<u64>,
) -> anyhow::Result<(Arc<Archive>, Option<u64>)> {
    let end = find_end(journal.clone()).context("cannot read the journal")?;
    let epoch = end.epoch.or(new_epoch);
    let epoch = epoch.with_context(|| format!("{} has no journal", data_dir.display()))?;
    let disk: Arc<dyn Disk> = Arc::new(Folder::new(data_dir.join(EXECUTIONS)));
    let archive =
        Archive::open(disk, &Settings::new(epoch, end.last_number)).context("cannot open the log of executions")?;
    if let Some(cut) = archive.cut() {
        tracing::warn!(%cut, "the log of executions was cut, and is made again from the journal");
    }
    Ok((archive, end.epoch))
}
