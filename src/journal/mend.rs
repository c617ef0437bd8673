//! A journal that was not synced when its machine ended: what of it can be used.
//!
//! The system writes what it was handed in any order. So a loss of power may leave holes: frames before them are whole, and those behind
//! them are of no use, since what was between is gone. They stay to be looked at, under other names.
//!
//! From which record on nothing was synced says the name of an empty file, there as long as that is so: what is damaged before it was
//! damaged otherwise, and is refused.

use std::{fmt, io, iter, path::PathBuf, sync::Arc};

use super::format::segment_name;
use super::reader::{find_end, list};
use super::{JournalError, Reader, Recovered};
use crate::disk::{Disk, write_all};

/// How the names of what was set aside end.
const LOST: &str = ".lost";

/// How the name of a mark ends that begins with the first record that was not synced.
const UNSYNCED: &str = ".unsynced";

/// Notes, durably, that from record `first` on nothing is synced, unless that is noted of an earlier one.
pub(super) fn note_unsynced(disk: &dyn Disk, first: u64) -> Result<(), JournalError> {
    let name = mark(first);
    let note = || if marks(disk)?.is_empty() { disk.create(&name).and_then(|_| disk.sync_dir()) } else { Ok(()) };
    note().map_err(|source| failed(disk, "note", &name, source))
}

/// Notes that all is synced.
pub(super) fn note_synced(disk: &dyn Disk) -> Result<(), JournalError> {
    let note = || {
        let marks = marks(disk)?;
        marks.iter().try_for_each(|first| disk.remove(&mark(*first)))?;
        if marks.is_empty() { Ok(()) } else { disk.sync_dir() }
    };
    note().map_err(|source| failed(disk, "note", "", source))
}

/// The record from which on nothing was synced, if that is noted.
///
/// # Errors
///
/// [`JournalError::Io`] if the folder cannot be read.
pub fn unsynced_from(disk: &dyn Disk) -> Result<Option<u64>, JournalError> {
    Ok(marks(disk).map_err(|source| failed(disk, "read", "", source))?.into_iter().min())
}

fn mark(first: u64) -> String {
    format!("{first:020}{UNSYNCED}")
}

/// The records from which on nothing was synced, by the marks that there are.
fn marks(disk: &dyn Disk) -> io::Result<Vec<u64>> {
    let first = |name: &String| name.strip_suffix(UNSYNCED).and_then(|digits| digits.parse().ok());
    Ok(disk.list()?.iter().filter_map(first).collect())
}

fn failed(disk: &dyn Disk, doing: &'static str, name: &str, source: io::Error) -> JournalError {
    JournalError::Io { doing, file: disk.path(name), source }
}

/// What a journal lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The segment with the first hole.
    pub file: PathBuf,
    /// Where in it.
    pub offset: u64,
    /// The last record before that.
    pub last_number: u64,
    /// How many segments came after it.
    pub segments: usize,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, offset, last_number, segments } = self;
        write!(
            f,
            "all from byte {offset} of {} on, and {segments} segments after it, after record {last_number}",
            file.display()
        )
    }
}

/// Where the journal in `disk` ends, which was synced up to record `synced` at least, and further if it says so; what stands behind the
/// first hole after that is set aside.
///
/// # Errors
///
/// [`JournalError`] if what is damaged was synced, or the first segment that may not have been has no header, or a file cannot be
/// changed.
pub fn mend(disk: &Arc<dyn Disk>, synced: u64) -> Result<(Recovered, Option<Lost>), JournalError> {
    let Some(first) = unsynced_from(disk.as_ref())? else { return Ok((find_end(disk.clone())?, None)) };
    let synced = synced.max(first.saturating_sub(1));
    let oldest = Reader::open_oldest(disk.clone())?.oldest();
    let mut reader = Reader::open(disk.clone(), synced.max(oldest))?;
    let mut records = Vec::new();
    let read = loop {
        match reader.next(&mut records) {
            Ok(Some(_)) => {}
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    let (last_number, has_begun) = (reader.last_number(), reader.has_begun());
    match read {
        Ok(()) => Ok((reader.finish()?, None)),
        // Not even what was synced is there: that is for others to judge.
        Err(JournalError::Short { .. }) => Ok((find_end(disk.clone())?, None)),
        Err(JournalError::Damaged { file, offset, .. }) if last_number >= synced && has_begun => {
            let lost = set_aside(disk.as_ref(), Lost { file, offset, last_number, segments: 0 })?;
            Ok((find_end(disk.clone())?, Some(lost)))
        }
        Err(error) => Err(error),
    }
}

/// Gives what stands behind a place in a segment other names: the last first, so that the next start finds the same hole if this one
/// does not come to its end.
fn set_aside(disk: &dyn Disk, mut lost: Lost) -> Result<Lost, JournalError> {
    let failed = |doing, name: &str, source| failed(disk, doing, name, source);
    let names = disk.list().map_err(|source| failed("read", "", source))?;
    let mut segments = list(disk)?;
    while let Some(first) = segments.pop() {
        let name = segment_name(first);
        let numbered = (2..).map(|number| format!("{name}{LOST}{number}"));
        let free = iter::once(format!("{name}{LOST}")).chain(numbered).find(|aside| !names.contains(aside));
        let aside = free.unwrap_or_default();
        let is_last = disk.path(&name) == lost.file;
        if is_last && lost.offset > 0 {
            let cut = || {
                let mut file = disk.open_for_writing(&name)?;
                let mut rest = vec![0; usize::try_from(file.length()?.saturating_sub(lost.offset)).unwrap_or(0)];
                let mut filled = 0;
                while let read @ 1.. =
                    file.read_at(rest.get_mut(filled..).unwrap_or_default(), lost.offset + filled as u64)?
                {
                    filled += read;
                }
                let mut copy = disk.create(&aside)?;
                write_all(copy.as_mut(), &rest, 0)?;
                copy.sync_data()?;
                disk.sync_dir()?;
                file.truncate(lost.offset)?;
                file.sync_data()
            };
            cut().map_err(|source| failed("cut", &name, source))?;
        } else {
            disk.rename(&name, &aside).map_err(|source| failed("rename", &name, source))?;
            lost.segments += usize::from(!is_last);
        }
        disk.sync_dir().map_err(|source| failed("sync", "", source))?;
        if is_last {
            break;
        }
    }
    Ok(lost)
}
