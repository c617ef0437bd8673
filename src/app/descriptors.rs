//! File descriptors: every connection takes one, and a process starts with fewer of them than it may have.

use rustix::process::{Resource, getrlimit, setrlimit};

/// How many a venue needs beside its connections: files of the journal, the log of executions, history, snapshots.
const OWN: u64 = 256;
/// How many a worker needs beside its connections: what it waits with, and what wakes it.
const OF_A_WORKER: u64 = 3;

/// Raises the soft limit of this process to the hard one, and says how many connections there may be: so many as are wanted, or, with a
/// warning, as many as leave the files that the venue needs itself.
///
/// A soft limit protects programs that use `select`; this one does not.
pub fn raise_limit(connections: usize, workers: usize) -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    let soft = limit.current;
    limit.current = limit.maximum;
    if limit.current != soft
        && let Err(error) = setrlimit(Resource::Nofile, limit)
    {
        tracing::warn!(%error, "the limit of open files cannot be raised");
        limit.current = soft;
    }
    let Some(open_files) = limit.current else { return connections };
    let left = open_files.saturating_sub(OWN + OF_A_WORKER * workers as u64);
    let most = usize::try_from(left).unwrap_or(usize::MAX).max(1);
    if most < connections {
        tracing::warn!(open_files, connections, most, "the limit of open files is too low for limits.connections");
    }
    connections.min(most)
}
