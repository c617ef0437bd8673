//! Every retained record executed once more, and compared with what was recorded.

use std::{
    fmt,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};

use super::{Held, SNAPSHOTS, hold};
use crate::disk::Folder;
use crate::engine::{Limits, RULES};
use crate::executor::Replica;
use crate::journal::{Reader, Snapshots};
use crate::queue::Secret;

/// What a replay came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// The first record that was executed.
    pub first: u64,
    /// The last.
    pub last: u64,
    /// How many executions they came to.
    pub executions: u64,
    /// How many snapshots were compared on the way.
    pub snapshots: usize,
    /// The hash of the state after the last.
    pub state_hash: u64,
    /// How long it took.
    pub took: Duration,
}

impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let records = (self.last + 1).saturating_sub(self.first);
        let nanos = self.took.as_nanos().max(1);
        writeln!(f, "records    {records}, from {} to {}", self.first, self.last)?;
        writeln!(f, "executions {}, as recorded", self.executions)?;
        writeln!(f, "snapshots  {}, as recorded", self.snapshots)?;
        writeln!(f, "state hash {:016x}", self.state_hash)?;
        write!(
            f,
            "took       {:.3} s, {} records a second",
            self.took.as_secs_f64(),
            u128::from(records) * 1_000_000_000 / nanos
        )
    }
}

/// Executes all that the journal in a data directory still has, from its first record or from the snapshot that it goes back to.
///
/// # Errors
///
/// If the directory is in use, something in it is damaged or was executed by other rules, or a record or a snapshot comes out
/// differently than it was recorded.
pub fn replay(dir: &Path) -> anyhow::Result<Replayed> {
    let Held { _lock, journal } = hold(dir)?;
    let snapshots = Snapshots::new(Arc::new(Folder::new(dir.join(SNAPSHOTS))));
    let oldest = Reader::open_oldest(journal.clone()).context("cannot read the journal")?.oldest();
    let mut numbers = snapshots.list()?;
    numbers.retain(|number| *number + 1 >= oldest);
    let mut replica = Replica::new(Limits::default());
    if oldest > 1 {
        let number = numbers.pop().with_context(|| {
            format!("the journal begins with record {oldest}, and there is no snapshot from which to go on to it")
        })?;
        replica = restore(&snapshots, number)?;
    }
    let first = replica.number() + 1;
    let mut reader = Reader::open(journal, first).context("cannot read the journal")?;
    let started = Instant::now();
    // Keys are of no interest here.
    let (secret, mut entries, mut records, mut compared) = (Secret::random(), Vec::new(), Vec::new(), 0);
    while let Some(frame) = reader.next(&mut records).context("cannot read the journal")? {
        ensure!(
            frame.rules == RULES,
            "the records up to {} were executed by rules {}, and this version has rules {RULES}",
            reader.last_number(),
            frame.rules
        );
        let hash = replica.replay(&records, secret, &mut entries);
        entries.clear();
        ensure!(
            frame.executions_hash.is_none_or(|recorded| recorded == hash),
            "the records up to {} come out differently than when they were executed",
            replica.number()
        );
        if numbers.contains(&replica.number()) {
            let recorded = snapshots.read(replica.number())?;
            ensure!(
                recorded.rules != RULES || recorded.hash == replica.engine().state_hash(),
                "the state after record {} is not that of its snapshot",
                replica.number()
            );
            compared += 1;
        }
    }
    let took = started.elapsed();
    let state_hash = replica.engine().state_hash();
    Ok(Replayed { first, last: replica.number(), executions: replica.executions(), snapshots: compared, state_hash, took })
}

fn restore(snapshots: &Snapshots, number: u64) -> anyhow::Result<Replica> {
    let snapshot = snapshots.read(number)?;
    let restored = Replica::restore(&snapshot.payload, number, snapshot.stamp);
    let (replica, _) = restored.with_context(|| format!("snapshot {number}"))?;
    let same = replica.engine().state_hash() == snapshot.hash;
    ensure!(same, "snapshot {number} restores to another state than it was made of");
    Ok(replica)
}
