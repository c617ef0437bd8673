//! Every retained record executed once more, and compared with what was recorded; and the log of executions, byte by byte.

use std::{
    fmt,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};

use super::{Held, hold};
use crate::disk::{Disk, Folder};
use crate::engine::{Limits, RULES};
use crate::executor::{Differs, Replica};
use crate::journal::{self, ReadAhead, Reader, Snapshots};
use crate::stream::archive::{self, Verified};

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
    /// What the log of executions has.
    pub log: Verified,
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
        let Verified { segments, executions, torn } = self.log;
        write!(f, "log        {executions} executions in {segments} segments, as written")?;
        match torn {
            0 => writeln!(f)?,
            bytes => writeln!(f, ", and {bytes} bytes that the next start makes again")?,
        }
        writeln!(f, "state hash {:016x}", self.state_hash)?;
        write!(
            f,
            "took       {:.3} s, {} records a second",
            self.took.as_secs_f64(),
            u128::from(records) * 1_000_000_000 / nanos
        )
    }
}

/// Executes all that the journal in a data directory still has, from its first record or from the snapshot that it goes back to, and
/// checks what the log of executions has.
///
/// # Errors
///
/// If the directory is in use, something in it is damaged or was executed by other rules, or a record or a snapshot comes out
/// differently than it was recorded.
pub fn replay(dir: &Path) -> anyhow::Result<Replayed> {
    let Held { _lock, journal } = hold(dir)?;
    let snapshots = Snapshots::new(Arc::new(Folder::new(dir.join(journal::SNAPSHOTS_FOLDER))));
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
    let started = Instant::now();
    let mut ahead = Reader::open(journal, first).and_then(ReadAhead::start).context("cannot read the journal")?;
    let (mut outcomes, mut compared) = (Vec::new(), 0);
    loop {
        let part = ahead.more().context("cannot read the journal")?;
        if part.is_empty() {
            break;
        }
        for framed in &part {
            ensure!(
                framed.frame.rules == RULES,
                "the records up to {} were executed by rules {}, and this version has rules {RULES}",
                framed.last_number,
                framed.frame.rules
            );
            outcomes.clear();
            let hash = replica.replay(&framed.records, &mut outcomes);
            Differs::check(framed, hash)?;
            if numbers.contains(&replica.number()) {
                compare(&snapshots, &replica)?;
                compared += 1;
            }
        }
    }
    let took = started.elapsed();
    if let Some(number) = numbers.first().filter(|number| **number > replica.number()) {
        bail!("there is a snapshot of record {number}, and the journal ends with record {}", replica.number());
    }
    let executions: Arc<dyn Disk> = Arc::new(Folder::new(dir.join(archive::FOLDER)));
    let log = archive::verify(&executions).context("cannot read the log of executions")?;
    let state_hash = replica.engine().state_hash();
    Ok(Replayed {
        first,
        last: replica.number(),
        executions: replica.executions(),
        snapshots: compared,
        log,
        state_hash,
        took,
    })
}

/// Checks that a replica is where it was when a snapshot was made of it.
fn compare(snapshots: &Snapshots, replica: &Replica) -> anyhow::Result<()> {
    let recorded = snapshots.read(replica.number())?;
    let same = recorded.rules != RULES || recorded.hash == replica.engine().state_hash();
    ensure!(same, "the state after record {} is not that of its snapshot", replica.number());
    Ok(())
}

fn restore(snapshots: &Snapshots, number: u64) -> anyhow::Result<Replica> {
    let snapshot = snapshots.read(number)?;
    let restored = Replica::restore(&snapshot.payload, number, snapshot.stamp);
    let (replica, _) = restored.with_context(|| format!("snapshot {number}"))?;
    let same = replica.engine().state_hash() == snapshot.hash;
    ensure!(same, "snapshot {number} restores to another state than it was made of");
    Ok(replica)
}
