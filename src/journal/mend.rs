//! A journal that was not synced when its machine ended: what of it can be used.
//!
//! The system writes what it was handed in any order. So a loss of power may leave holes: frames before them are whole, and those behind
//! them are of no use, since what was between is gone. Both stay to be looked at, under other names.

use std::{fmt, path::PathBuf, sync::Arc};

use super::format::{segment_first, segment_name};
use super::reader::find_end;
use super::{JournalError, Reader, Recovered};
use crate::disk::{Disk, write_all};

/// How the names of what was set aside end.
const LOST: &str = ".lost";

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

/// Where the journal in `disk` ends, which was synced up to record `synced` at least; what stands behind the first hole after that is
/// set aside.
///
/// # Errors
///
/// [`JournalError`] if what is damaged was synced, or the first segment that may not have been has no header, or a file cannot be
/// changed.
pub fn mend(disk: &Arc<dyn Disk>, synced: u64) -> Result<(Recovered, Option<Lost>), JournalError> {
    let mut reader = Reader::open(disk.clone(), synced.max(1))?;
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
    let failed = |doing, name: &str, source| JournalError::Io { doing, file: disk.path(name), source };
    let names = disk.list().map_err(|source| failed("read", "", source))?;
    let mut firsts: Vec<u64> = names.iter().filter_map(|name| segment_first(name)).collect();
    firsts.sort_unstable();
    while let Some(first) = firsts.pop() {
        let name = segment_name(first);
        let aside = format!("{name}{LOST}");
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
