//! Retirement: the oldest segments go once nothing needs them.

use super::JournalError;
use super::format::{segment_first, segment_name};
use crate::disk::Disk;

/// Removes the oldest segments of a journal while it has more than `bytes`, and only those whose records all are up to `unneeded`.
/// How many were removed. The newest two stay whatever they hold: one is written to, and the end may stand in the other.
///
/// # Errors
///
/// [`JournalError::Io`] if the folder cannot be read or changed.
pub fn retire(disk: &dyn Disk, unneeded: u64, bytes: u64) -> Result<usize, JournalError> {
    let failed = |doing, name: &str, source| JournalError::Io { doing, file: disk.path(name), source };
    let names = disk.list().map_err(|source| failed("read", "", source))?;
    let mut segments = Vec::new();
    for first in names.iter().filter_map(|name| segment_first(name)) {
        let name = segment_name(first);
        let length = disk.open(&name).and_then(|file| file.length()).map_err(|source| failed("open", &name, source))?;
        segments.push((first, name, length));
    }
    segments.sort_unstable();
    let mut held: u64 = segments.iter().map(|(.., length)| length).sum();
    let mut removed = 0;
    // A segment ends where the next one starts.
    for ((_, name, length), (next, ..)) in segments.iter().zip(segments.iter().skip(1)) {
        if held <= bytes || *next > unneeded + 1 || segments.len() - removed <= 2 {
            break;
        }
        disk.remove(name).map_err(|source| failed("remove", name, source))?;
        // One after the other: what a loss of power leaves has no holes.
        disk.sync_dir().map_err(|source| failed("sync", "", source))?;
        held -= length;
        removed += 1;
    }
    Ok(removed)
}

/// How many segments a journal has.
///
/// # Errors
///
/// [`JournalError::Io`] if the folder cannot be read.
pub fn segments(disk: &dyn Disk) -> Result<usize, JournalError> {
    let names = disk.list().map_err(|source| JournalError::Io { doing: "read", file: disk.path(""), source })?;
    Ok(names.iter().filter(|name| segment_first(name).is_some()).count())
}
