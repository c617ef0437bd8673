//! File descriptors: every connection takes one, and a process starts with fewer of them than it may have.

use rustix::process::{Resource, getrlimit, setrlimit};

/// How many a venue needs beside its connections: files of the journal, the log of executions, history, snapshots.
const OWN: u64 = 256;
/// How many a worker needs beside its connections: what it waits with, and what wakes it.
const OF_A_WORKER: u64 = 3;

/// Raises the soft limit of this process to the hard one, and warns if that is too low for so many connections
/// and workers.
///
/// A soft limit protects programs that use `select`; this one does not.
pub fn raise_limit(connections: usize, workers: usize) {
    let mut limit = getrlimit(Resource::Nofile);
    let soft = limit.current;
    limit.current = limit.maximum;
    if limit.current != soft
        && let Err(error) = setrlimit(Resource::Nofile, limit)
    {
        tracing::warn!(%error, "the limit of open files cannot be raised");
        limit.current = soft;
    }
    let needed = (OWN + OF_A_WORKER * workers as u64).saturating_add(connections as u64);
    match limit.current {
        Some(open_files) if open_files < needed => {
            tracing::warn!(open_files, connections, "the limit of open files is too low for limits.connections");
        }
        _ => {}
    }
}
