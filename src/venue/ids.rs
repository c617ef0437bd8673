//! The client ids that go with a snapshot, in a chain of files: each has what was new since the one before, which it names.
//!
//! A new file takes in those before it that are not much larger, so that each is at least twice as large as the next one and
//! there are few of them, however many snapshots were made. What a file that is kept may have taken in stays until no snapshot needs it.

use anyhow::ensure;

use crate::journal::{Snapshot, Snapshots};
use crate::queue::{Admission, Entry};

/// A file takes in the one before it if that is at most so many times as long,
const RATIO: usize = 2;
/// and if both together are no longer than this: five million ids.
const MERGED_BYTES_MAX: usize = 128 << 20;

/// A file of ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct File {
    number: u64,
    bytes: usize,
}

/// The files that go with a snapshot, the newest last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chain(Vec<File>);

impl Chain {
    /// The newest; 0: there is none.
    pub(super) fn newest(&self) -> u64 {
        self.0.last().map_or(0, |file| file.number)
    }

    /// The number of each.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.0.iter().map(|file| file.number)
    }

    /// Adds all ids to `admission` of the chain that ends with the file `newest`.
    pub(super) fn load(snapshots: &Snapshots, newest: u64, admission: &Admission) -> anyhow::Result<Self> {
        let (mut files, mut number) = (Vec::new(), newest);
        while number > 0 {
            let file = snapshots.read_ids(number)?;
            ensure!(file.secret == admission.secret().to_bytes(), "the ids of {number} belong to another journal");
            ensure!(file.hash < number, "the ids of {number} come after themselves");
            let (all, rest) = file.payload.as_chunks::<{ Entry::BYTES }>();
            ensure!(rest.is_empty(), "the ids of {number} are cut short");
            let entries: Vec<Entry> = all.iter().map(Entry::from_bytes).collect();
            admission.load(&entries);
            files.push(File { number, bytes: file.payload.len() });
            number = file.hash;
        }
        files.reverse();
        Ok(Self(files))
    }

    /// Writes what is new as of a snapshot, of which `head` is all but the ids; the chain that ends with it.
    pub(super) fn extended(&self, snapshots: &Snapshots, head: &Snapshot, new: &[Entry]) -> anyhow::Result<Self> {
        let mut files = self.0.clone();
        if new.is_empty() {
            return Ok(self.clone());
        }
        let mut payload: Vec<u8> = new.iter().flat_map(Entry::to_bytes).collect();
        while let Some(before) =
            files.pop_if(|before| before.bytes <= payload.len() * RATIO && before.bytes + payload.len() <= MERGED_BYTES_MAX)
        {
            payload.extend(snapshots.read_ids(before.number)?.payload);
        }
        let before = files.last().map_or(0, |file| file.number);
        files.push(File { number: head.number, bytes: payload.len() });
        snapshots.write_ids(&Snapshot { hash: before, payload, ..head.clone() })?;
        Ok(Self(files))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::disk::simulated::SimulatedDisk;
    use crate::domain::Nanos;

    fn entry(number: u64) -> Entry {
        let mut bytes = [0; Entry::BYTES];
        bytes[..8].copy_from_slice(&number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes());
        Entry::from_bytes(&bytes)
    }

    fn head(number: u64, admission: &Admission) -> Snapshot {
        let secret = admission.secret().to_bytes();
        Snapshot { rules: 1, epoch: 7, number, stamp: Nanos(1), hash: 0, secret, payload: Vec::new() }
    }

    #[test]
    fn a_thousand_snapshots_leave_few_files_which_have_every_id_and_those_of_the_snapshot_before() {
        let snapshots = Snapshots::new(Arc::new(SimulatedDisk::new(1)));
        let admission = Admission::default();
        let mut chains = vec![Chain::default()];
        let mut count = 0;
        for number in 1..=1_000 {
            // Some bring many, some a few, some none.
            let new: Vec<Entry> = (count..count + number * 7 % 23).map(entry).collect();
            count += new.len() as u64;
            let chain = chains.last().unwrap().extended(&snapshots, &head(number, &admission), &new).unwrap();
            let kept: Vec<u64> = chains.last().unwrap().numbers().chain(chain.numbers()).collect();
            snapshots.tidy_ids(number - 1, &kept).unwrap();
            chains.push(chain);
            let before = &chains[number as usize - 1];
            assert_eq!(&Chain::load(&snapshots, before.newest(), &Admission::new(admission.secret())).unwrap(), before);
        }
        let last = chains.pop().unwrap();
        let loaded = Admission::new(admission.secret());
        assert_eq!(Chain::load(&snapshots, last.newest(), &loaded).unwrap(), last);
        assert_eq!(loaded.size().0 as u64, count);
        let files = snapshots.list_ids().unwrap().len();
        assert!(files <= 24, "{files} files of {count} ids");
        let error = Chain::load(&snapshots, last.newest(), &Admission::default()).unwrap_err().to_string();
        assert_eq!(error, format!("the ids of {} belong to another journal", last.newest()));
    }
}
