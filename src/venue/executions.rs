//! The log of executions on disk, opened beside the journal that it is made from.

use std::sync::Arc;

use anyhow::Context;

use super::folders::Folders;
use crate::journal::{Lock, Recovered, find_end};
use crate::stream::archive::{Archive, Closing, Ended, Settings};

/// How many full segments there are at least before one goes: when it does, the newest 128 MiB stay.
const SEGMENTS_MIN: u64 = 3;

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

/// How much of the log is kept.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Keep {
    /// In bytes; `None`: all.
    pub(super) retain: Option<u64>,
    /// Whether history reads it: what that does not have yet is kept whatever its length.
    pub(super) history: bool,
    /// Whether the journal cannot have lost a record of which anything came.
    pub(super) journal_is_whole: bool,
}

/// Opens the log in `folders`, which are held by `lock`, beside a journal that ends there, and cuts what that does not have;
/// `new_epoch` is what a journal that is empty will be known by.
///
/// # Errors
///
/// If it is damaged, or does not belong to the journal.
pub(super) fn open(
    folders: &Folders,
    lock: &Arc<Lock>,
    end: &Recovered,
    new_epoch: u64,
    keep: Keep,
) -> anyhow::Result<Executions> {
    let (archive, epoch) = opened(folders, end, Some(new_epoch), keep)?;
    let (closing, ended) = archive.start(lock.clone()).context("cannot write the log of executions")?;
    Ok(Executions { archive, epoch, closing, ended })
}

/// Opens the log in `folders`, which nobody else has, as [`open`] does, without writing to it any more; and the random number
/// that the journal is known by.
///
/// # Errors
///
/// As [`open`]; also if the journal is damaged, or is empty and no `new_epoch` is given.
pub(super) fn read(folders: &Folders, new_epoch: Option<u64>) -> anyhow::Result<(Arc<Archive>, Option<u64>)> {
    let end = find_end(folders.journal.clone()).context("cannot read the journal")?;
    opened(folders, &end, new_epoch, Keep { journal_is_whole: true, ..Keep::default() })
}

fn opened(
    folders: &Folders,
    end: &Recovered,
    new_epoch: Option<u64>,
    keep: Keep,
) -> anyhow::Result<(Arc<Archive>, Option<u64>)> {
    let epoch = end.epoch.or(new_epoch);
    let epoch = epoch.with_context(|| format!("{} has no records", folders.journal.path("").display()))?;
    let mut settings = Settings::new(epoch, end.last_number);
    settings.segment_bytes = folders.segment_bytes;
    settings.retain = keep.retain.map(|bytes| bytes.max(SEGMENTS_MIN * folders.segment_bytes));
    (settings.read_behind, settings.journal_is_whole) = (keep.history, keep.journal_is_whole);
    let archive = Archive::open(folders.executions.clone(), &settings).context("cannot open the log of executions")?;
    if let Some(cut) = archive.cut() {
        tracing::warn!(%cut, "the log of executions was cut, and is made again from the journal");
    }
    if keep.retain.is_none() && archive.oldest_seqs().iter().any(|(_, oldest_seq)| *oldest_seq > 1) {
        let folder = folders.executions.path("");
        tracing::warn!(folder = %folder.display(), "the log of executions does not go back to the first: older ones are a gap");
    }
    Ok((archive, end.epoch))
}
