//! How many WebSockets each account has open.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::domain::AccountId;

/// The open WebSockets of every account. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Seats {
    taken: Arc<Mutex<HashMap<AccountId, usize>>>,
}

impl Seats {
    /// Takes a seat for a WebSocket of `account`, unless it has `most` already.
    pub(super) fn take(&self, account: AccountId, most: usize) -> Option<Seat> {
        let mut taken = self.lock();
        let count = taken.entry(account).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Seat { seats: self.clone(), account })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AccountId, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The seat of one WebSocket; free again when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Seats,
    pub(super) account: AccountId,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.lock();
        if let Some(count) = taken.get_mut(&self.account) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.account);
            }
        }
    }
}
