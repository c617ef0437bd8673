//! A replica moved on over what was kept: what is read ahead is executed here, while a thread notes the client ids of what was.

use std::{
    io,
    sync::mpsc::{Receiver, sync_channel},
    thread,
};

use super::{Replica, entry_of};
use crate::domain::Outcome;
use crate::journal::{Framed, Record};
use crate::queue::{Admission, Entry, Secret};

/// How many parts may have been executed whose client ids are not noted yet.
const PARTS_BEHIND: usize = 4;

/// Records that came out differently than when they were executed: their results would tell clients two stories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal's records up to {0} come out differently than when they were executed")]
pub struct Differs(pub u64);

impl Differs {
    /// Checks that a frame's executions are what they were.
    ///
    /// # Errors
    ///
    /// If they are not.
    pub fn check(framed: &Framed, executions_hash: u64) -> Result<(), Self> {
        let same = framed.frame.executions_hash.is_none_or(|recorded| recorded == executions_hash);
        if same { Ok(()) } else { Err(Self(framed.last_number)) }
    }
}

/// Appends what is remembered of the client ids in records of which this became.
pub fn entries(secret: Secret, records: &[Record], outcomes: &[Outcome], into: &mut Vec<Entry>) {
    let executed = records.iter().zip(outcomes);
    into.extend(executed.filter_map(|(record, outcome)| entry_of(secret, &record.command, None, *outcome)));
}

/// Executes all that `next` gives, until that is nothing. When this returns, all client ids are noted as kept.
///
/// # Errors
///
/// Those of `next`; [`Differs`]; if there can be no thread.
pub fn replay<E: From<Differs> + From<io::Error>>(
    replica: &mut Replica,
    admission: &Admission,
    mut next: impl FnMut() -> Result<Vec<Framed>, E>,
) -> Result<(), E> {
    thread::scope(|scope| {
        let (to_note, executed) = sync_channel(PARTS_BEHIND);
        thread::Builder::new().name("client ids".to_owned()).spawn_scoped(scope, move || note(&executed, admission))?;
        loop {
            let part = next()?;
            if part.is_empty() {
                return Ok(());
            }
            let mut outcomes = Vec::new();
            for framed in &part {
                let hash = replica.replay(&framed.records, &mut outcomes);
                Differs::check(framed, hash)?;
            }
            // It ends only after this; if it panics, so does the scope.
            drop(to_note.send((part, outcomes)));
        }
    })
}

fn note(executed: &Receiver<(Vec<Framed>, Vec<Outcome>)>, admission: &Admission) {
    let mut known = Vec::new();
    for (part, outcomes) in executed {
        let mut rest: &[Outcome] = &outcomes;
        for framed in &part {
            let (these, after) = rest.split_at(framed.records.len().min(rest.len()));
            entries(admission.secret(), &framed.records, these, &mut known);
            rest = after;
        }
        admission.kept(&known);
        known.clear();
    }
}
