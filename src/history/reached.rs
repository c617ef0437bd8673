//! How far history has come, for who must know before asking.

use std::{
    path::Path,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{
            AtomicU64,
            Ordering::{Acquire, Release},
        },
    },
};

use super::store::Store;
use crate::domain::{AccountId, Seq};

/// Each account's last execution that history has. Reading it takes a lock that nobody holds for longer than a look.
#[derive(Clone, Debug, Default)]
pub struct Reached(Arc<RwLock<Vec<AtomicU64>>>);

impl Reached {
    /// What `file` says it has, or nothing if there is no such file or it cannot be read: not more than a first look, since
    /// whose file it is shows later.
    pub fn of_file(file: &Path) -> Self {
        let reached = Self::default();
        if let Ok(seqs) = Store::read_only(file).and_then(|store| store.last_seqs()) {
            reached.replace(&seqs);
        }
        reached
    }

    /// The last execution of an account that history has; 0 if none.
    pub fn of(&self, account: AccountId) -> Seq {
        let seqs = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Seq(seqs.get(account.0 as usize).map_or(0, |seq| seq.load(Acquire)))
    }

    /// How many executions that is, over all accounts.
    pub fn total(&self) -> u64 {
        let seqs = self.0.read().unwrap_or_else(PoisonError::into_inner);
        seqs.iter().map(|seq| seq.load(Acquire)).sum()
    }

    /// Sets what history has of an account.
    pub(super) fn set(&self, account: AccountId, seq: Seq) {
        let place = account.0 as usize;
        if let Some(reached) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(place) {
            return reached.store(seq.0, Release);
        }
        let mut seqs = self.0.write().unwrap_or_else(PoisonError::into_inner);
        seqs.resize_with(place + 1, AtomicU64::default);
        if let Some(reached) = seqs.get(place) {
            reached.store(seq.0, Release);
        }
    }

    /// Sets what history has of every account.
    pub(super) fn replace(&self, seqs: &[(AccountId, Seq)]) {
        self.clear();
        for (account, seq) in seqs {
            self.set(*account, *seq);
        }
    }

    /// History has nothing.
    pub(super) fn clear(&self) {
        for seq in self.0.read().unwrap_or_else(PoisonError::into_inner).iter() {
            seq.store(0, Release);
        }
    }
}
