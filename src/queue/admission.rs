//! Which client ids are taken: asked before a request may enter the queue, so that a retry never executes twice.
//!
//! An id is `in flight` from the moment its request is about to be queued, and `known` once what became of it is kept. A
//! reservation that never reaches the queue frees its id again. What is known is never forgotten: 24 bytes an id, its
//! [`Entry`], in a table that is between half and 7/8 full, so 29 to 57 MB a million ids, whatever became of their orders.
//!
//! Ids of orders, of replaces and of deposits are kinds that never meet. Costs: the table is touched twice a request, once to ask
//! and once to keep; what is between lives in a map that is as small as what is in flight. Both are cut into [`SHARDS`] parts with
//! a lock each, so that one that grows holds up few.

use std::{
    collections::{HashMap, hash_map},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use super::entry::{self, Claim, Entry, Key, Secret};
use crate::domain::{AccountId, ClientOrderId, Deposit, OrderId, Place, Priority, Replace};

/// How many parts the table has.
const SHARDS: usize = 64;

/// What a request asks for, in 47 bits: equal for equal requests, whatever their JSON looked like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(pub(super) u64);

impl Fingerprint {
    /// The fingerprint of an order.
    pub fn of(place: &Place) -> Self {
        Self(place.digest() & entry::FINGERPRINT)
    }

    /// The fingerprint of an amount for a balance.
    pub fn of_deposit(deposit: &Deposit) -> Self {
        Self(deposit.digest() & entry::FINGERPRINT)
    }

    /// The fingerprint of new terms.
    pub fn of_replace(replace: &Replace) -> Self {
        Self(replace.digest() & entry::FINGERPRINT)
    }
}

/// What an id was given to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// To a new order.
    Order,
    /// To the new terms of one.
    Replace,
    /// To an amount for a balance.
    Deposit,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Became {
    /// Its order; 0 of a request that is about none.
    pub order_id: OrderId,
    /// Of a replace, what it did to the order's place in its level.
    pub priority: Priority,
}

/// What is known of a client id.
#[derive(Debug)]
pub enum Known {
    /// What its request became.
    Done(Became),
    /// Its request is on its way; the receiver wakes when that changes.
    InFlight(InFlight),
}

/// Wakes when a request that was in flight is known, or was never accepted.
pub type InFlight = oneshot::Receiver<()>;

/// The answer to a wish to use a client id.
#[derive(Debug)]
pub enum Verdict<'a> {
    /// The id is new and now held by this reservation.
    New(Reservation<'a>),
    /// The same request came before.
    Repeat(Known),
    /// The id belongs to another request.
    Conflict,
}

/// A request on its way.
#[derive(Debug)]
struct Flight {
    fingerprint: Fingerprint,
    /// Set when the executor has executed it, before that is kept.
    became: Option<Became>,
    waiters: Vec<oneshot::Sender<()>>,
}

#[derive(Debug, Default)]
struct Shard {
    known: HashMap<Key, entry::Value, entry::AsIs>,
    in_flight: HashMap<Key, Flight, entry::AsIs>,
}

/// The table of client ids, shared by everyone who takes requests in.
#[derive(Clone, Debug)]
pub struct Admission {
    secret: Secret,
    shards: Arc<[Mutex<Shard>]>,
}

impl Default for Admission {
    fn default() -> Self {
        Self::new(Secret::random())
    }
}

impl Admission {
    /// An empty table whose keys are made with `secret`.
    pub fn new(secret: Secret) -> Self {
        Self { secret, shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }

    /// What its keys are made with.
    pub fn secret(&self) -> Secret {
        self.secret
    }

    /// Asks for an id on behalf of a request.
    pub fn reserve(&self, account: AccountId, of: Use, id: ClientOrderId, fingerprint: Fingerprint) -> Verdict<'_> {
        let key = self.secret.key(account, of, &id);
        let mut shard = self.shard(&key);
        if let Some(value) = shard.known.get(&key) {
            let same = value.fingerprint() == fingerprint;
            return if same { Verdict::Repeat(Known::Done(value.became())) } else { Verdict::Conflict };
        }
        match shard.in_flight.entry(key) {
            hash_map::Entry::Vacant(vacant) => {
                vacant.insert(Flight { fingerprint, became: None, waiters: Vec::new() });
                Verdict::New(Reservation { admission: self, claim: Claim { key, asked: fingerprint }, queued: false })
            }
            hash_map::Entry::Occupied(flight) if flight.get().fingerprint != fingerprint => Verdict::Conflict,
            hash_map::Entry::Occupied(mut flight) => Verdict::Repeat(Known::InFlight(flight.get_mut().wait())),
        }
    }

    /// What is known of an id, if anything.
    pub fn find(&self, account: AccountId, of: Use, id: ClientOrderId) -> Option<Known> {
        let key = self.secret.key(account, of, &id);
        let mut shard = self.shard(&key);
        if let Some(value) = shard.known.get(&key) {
            return Some(Known::Done(value.became()));
        }
        shard.in_flight.get_mut(&key).map(|flight| Known::InFlight(flight.wait()))
    }

    /// The order of an id, as far as the executor has come: for requests that follow it through the queue.
    pub fn order_id(&self, account: AccountId, id: ClientOrderId) -> Option<OrderId> {
        let key = self.secret.key(account, Use::Order, &id);
        let shard = self.shard(&key);
        let known = shard.known.get(&key).map(|value| value.became());
        let became = known.or_else(|| shard.in_flight.get(&key)?.became);
        became.map(|became| became.order_id)
    }

    /// Notes what the executor made of a request. It is not kept yet, so nobody who waits is told. One whose id nobody reserved
    /// comes out of the journal.
    pub fn executed(&self, entry: &Entry) {
        let fingerprint = entry.value.fingerprint();
        let new = || Flight { fingerprint, became: None, waiters: Vec::new() };
        self.shard(&entry.key).in_flight.entry(entry.key).or_insert_with(new).became = Some(entry.value.became());
    }

    /// Frees the id of a request that changed nothing, and tells those who wait.
    pub fn release(&self, account: AccountId, of: Use, id: ClientOrderId) {
        let key = self.secret.key(account, of, &id);
        self.shard(&key).in_flight.remove(&key);
    }

    /// Notes that what became of these requests is kept, and tells those who wait.
    pub fn kept(&self, entries: &[Entry]) {
        for entry in entries {
            let mut shard = self.shard(&entry.key);
            // Dropping the waiters' senders wakes them, when they can see it.
            let _flight = shard.in_flight.remove(&entry.key);
            shard.known.insert(entry.key, entry.value);
        }
    }

    /// Notes that these entries are in a file: [`Admission::unsaved`] leaves them out from now on.
    pub fn saved(&self, entries: &[Entry]) {
        for entry in entries {
            if let Some(value) = self.shard(&entry.key).known.get_mut(&entry.key) {
                value.set_saved();
            }
        }
    }

    /// Adds entries that come out of a file.
    pub fn load(&self, entries: &[Entry]) {
        for entry in entries {
            let mut value = entry.value;
            value.set_saved();
            self.shard(&entry.key).known.insert(entry.key, value);
        }
    }

    /// All entries that are in no file yet. O(all).
    pub fn unsaved(&self) -> Vec<Entry> {
        let mut unsaved = Vec::new();
        for shard in self.shards.iter() {
            let shard = lock(shard);
            let entries = shard.known.iter().filter(|(_, value)| !value.is_saved());
            unsaved.extend(entries.map(|(key, value)| Entry { key: *key, value: *value }));
        }
        unsaved
    }

    /// How many ids are known, and in how many bytes.
    pub fn size(&self) -> (usize, usize) {
        let sizes = self.shards.iter().map(|shard| {
            let known = &lock(shard).known;
            // A byte beside each place, of which 7/8 may be in use.
            (known.len(), known.capacity() / 7 * 8 * (size_of::<Entry>() + 1))
        });
        sizes.fold((0, 0), |all, shard| (all.0 + shard.0, all.1 + shard.1))
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, Shard> {
        lock(self.shards.get(key.shard(SHARDS)).expect("a shard's number is below their count"))
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    // Every change is a single insertion or removal, so a panic elsewhere cannot have left the table half changed.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Flight {
    fn wait(&mut self) -> InFlight {
        // Those that have gone are looked for where there would be no room, so that one costs as much as any other.
        if self.waiters.len() == self.waiters.capacity() {
            self.waiters.retain(|waiter| !waiter.is_closed());
            self.waiters.reserve(self.waiters.len() + 1);
        }
        let (sender, receiver) = oneshot::channel();
        self.waiters.push(sender);
        receiver
    }
}

/// An id held for a request that is about to be queued; freed on drop unless [`Reservation::queued`].
#[derive(Debug)]
pub struct Reservation<'a> {
    admission: &'a Admission,
    claim: Claim,
    queued: bool,
}

impl Reservation<'_> {
    /// What the request takes along, so that the executor need not work it out again.
    pub fn claim(&self) -> Claim {
        self.claim
    }

    /// The request is in the queue: from here the executor answers for the id.
    pub fn queued(mut self) {
        self.queued = true;
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if !self.queued {
            self.admission.shard(&self.claim.key).in_flight.remove(&self.claim.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: AccountId = AccountId(0);
    const BECAME: Became = Became { order_id: OrderId(7), priority: Priority::Kept };

    fn id(text: &str) -> ClientOrderId {
        ClientOrderId::parse(text).unwrap()
    }

    fn reserve<'a>(admission: &'a Admission, text: &str, fingerprint: u64) -> Verdict<'a> {
        admission.reserve(ACCOUNT, Use::Order, id(text), Fingerprint(fingerprint))
    }

    #[test]
    fn an_id_is_in_flight_then_known_and_never_new_again() {
        let admission = Admission::default();
        let Verdict::New(reservation) = reserve(&admission, "a", 1) else { panic!() };
        let Verdict::Repeat(Known::InFlight(mut waiter)) = reserve(&admission, "a", 1) else { panic!() };
        assert!(matches!(reserve(&admission, "a", 2), Verdict::Conflict));
        let other = admission.reserve(AccountId(1), Use::Order, id("a"), Fingerprint(2));
        assert!(matches!(other, Verdict::New(_)));
        let other = admission.reserve(ACCOUNT, Use::Replace, id("a"), Fingerprint(2));
        assert!(matches!(other, Verdict::New(_)));
        let claim = reservation.claim();
        assert_eq!(claim, Claim::of(admission.secret(), ACCOUNT, Use::Order, &id("a"), Fingerprint(1)));
        reservation.queued();
        assert_eq!(admission.order_id(ACCOUNT, id("a")), None);
        let entry = claim.became(BECAME);
        admission.executed(&entry);
        assert_eq!(admission.order_id(ACCOUNT, id("a")), Some(OrderId(7)));
        assert_eq!(waiter.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        admission.kept(&[entry]);
        assert_eq!(waiter.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        assert!(matches!(admission.find(ACCOUNT, Use::Order, id("a")), Some(Known::Done(BECAME))));
        assert!(matches!(reserve(&admission, "a", 1), Verdict::Repeat(Known::Done(BECAME))));
        assert!(matches!(reserve(&admission, "a", 2), Verdict::Conflict));
        assert_eq!(admission.order_id(ACCOUNT, id("a")), Some(OrderId(7)));
    }

    #[test]
    fn an_id_whose_request_was_not_queued_or_changed_nothing_is_free_again() {
        let admission = Admission::default();
        drop(reserve(&admission, "a", 1));
        assert!(admission.find(ACCOUNT, Use::Order, id("a")).is_none());
        let Verdict::New(reservation) = reserve(&admission, "a", 2) else { panic!() };
        reservation.queued();
        let Some(Known::InFlight(mut waiter)) = admission.find(ACCOUNT, Use::Order, id("a")) else { panic!() };
        admission.release(ACCOUNT, Use::Order, id("a"));
        assert_eq!(waiter.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        assert!(matches!(reserve(&admission, "a", 3), Verdict::New(_)));
    }

    #[test]
    fn entries_out_of_a_file_are_known_to_a_table_with_the_same_secret() {
        let first = Admission::default();
        let entries: Vec<Entry> = (1..=100)
            .map(|number| {
                let became = Became { order_id: OrderId(number << 24), priority: Priority::Lost };
                let id = id(&number.to_string());
                Claim::of(first.secret(), ACCOUNT, Use::Replace, &id, Fingerprint(number)).became(became)
            })
            .collect();
        first.kept(&entries);
        assert_eq!(first.unsaved().len(), 100);
        first.saved(&entries[..60]);
        assert_eq!(first.unsaved().len(), 40);
        let second = Admission::new(first.secret());
        let bytes: Vec<[u8; Entry::BYTES]> = entries.iter().map(Entry::to_bytes).collect();
        second.load(&bytes.iter().map(Entry::from_bytes).collect::<Vec<_>>());
        assert!(second.unsaved().is_empty());
        let known = second.find(ACCOUNT, Use::Replace, id("77"));
        let Some(Known::Done(Became { order_id, priority: Priority::Lost })) = known else { panic!() };
        assert_eq!(order_id, OrderId(77 << 24));
        assert!(Admission::default().find(ACCOUNT, Use::Replace, id("77")).is_none());
    }

    #[test]
    fn a_million_ids_take_less_than_64_megabytes() {
        let admission = Admission::default();
        for number in 0..1_000_000u64 {
            let key = admission.secret.key(ACCOUNT, Use::Order, &id(&format!("order-{number}")));
            admission.load(&[Claim { key, asked: Fingerprint(number) }.became(BECAME)]);
        }
        let (known, bytes) = admission.size();
        println!("{known} ids in {bytes} bytes");
        assert_eq!(known, 1_000_000);
        assert!(bytes < 64_000_000, "{bytes} bytes");
    }
}
