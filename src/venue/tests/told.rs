//! What the venue told anyone, by an answer or on a stream: what it must stand by for ever.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::traffic::fact;
use super::*;
use crate::domain::{ClientOrderId, InstrumentId, OrderId};
use crate::queue::{Action, Answer, Known, Use};
use crate::stream::{Executions, Read, frames};

/// What was said of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fact {
    Placed,
    Canceled,
    Replaced,
}

/// A fact about an order.
pub(super) type FactOf = (AccountId, OrderId, Fact);

/// All that was told.
#[derive(Default)]
pub(super) struct Told {
    /// The last number that was seen of each book's changes, by instrument.
    pub(super) books: Vec<u64>,
    /// How often each was said.
    pub(super) facts: BTreeMap<FactOf, usize>,
    orders: Vec<(AccountId, OrderId)>,
    by_id: BTreeMap<(AccountId, ClientOrderId), OrderId>,
    /// Deposits that were done.
    pub(super) deposits: BTreeSet<(AccountId, ClientOrderId)>,
    /// What one reader an account saw, across all lives.
    pub(super) seen: BTreeMap<AccountId, Seen>,
    repeats: usize,
}

/// What a reader saw, who goes on with the oldest execution that is kept where the next is not.
#[derive(Default)]
pub(super) struct Seen {
    /// Each payload once, by `seq`.
    pub(super) executions: BTreeMap<u64, Vec<u8>>,
    /// The one that it wants next, if not the first.
    next_seq: Option<u64>,
    gaps: usize,
}

impl Told {
    pub(super) fn answered(&mut self, action: &Action, answer: &Answer) {
        if let (Action::Deposit(deposit), Answer::Done) = (action, answer) {
            self.deposits.extend(deposit.request_id.map(|id| (deposit.account, id)));
        }
        let Some(fact) = fact(action, answer) else { return };
        *self.facts.entry(fact).or_default() += 1;
        let (account, order_id, kind) = fact;
        if kind != Fact::Placed {
            return;
        }
        self.orders.push((account, order_id));
        if let Action::Place(place) = action
            && let Some(id) = place.client_order_id
        {
            assert_eq!(self.by_id.insert((account, id), order_id), None, "{id} was executed again");
        }
    }

    /// A retry was told of the order of its first try.
    pub(super) fn repeated(&mut self, account: AccountId, id: ClientOrderId, order_id: OrderId) {
        self.repeats += 1;
        let known = *self.by_id.entry((account, id)).or_insert(order_id);
        assert_eq!(known, order_id, "{id} has another order");
    }

    pub(super) fn order_of(&self, account: AccountId, id: ClientOrderId) -> Option<OrderId> {
        self.by_id.get(&(account, id)).copied()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = (&(AccountId, ClientOrderId), &OrderId)> {
        self.by_id.iter()
    }

    /// Orders whose ids are known, oldest first.
    pub(super) fn orders(&self) -> &[(AccountId, OrderId)] {
        &self.orders
    }

    /// Lets each account's reader go on from where it was, as far as it likes.
    pub(super) async fn read(&mut self, venue: &Venue, random: &mut Random) {
        self.books = book_numbers(&venue.hub).collect();
        for account in (0..).map(AccountId).take(venue.read.accounts().len()) {
            if random.coin() {
                let seen = self.seen.entry(account).or_default();
                let from = seen.next_seq.unwrap_or(1);
                let executions = venue.hub.executions(account).unwrap();
                match read_from(executions, from, random.below(4_000) as usize).await {
                    Ok(more) => {
                        seen.next_seq = Some(from + more.len() as u64);
                        seen.executions.extend((from..).zip(more));
                    }
                    Err(oldest_seq) => {
                        assert!(from < oldest_seq && oldest_seq <= executions.last_seq() + 1);
                        (seen.next_seq, seen.gaps) = (Some(oldest_seq), seen.gaps + 1);
                    }
                }
            }
        }
    }

    /// Forgets requests whose ids `admission` does not know any more.
    pub(super) fn forget_requests(&mut self, admission: &Admission) {
        let is_known = |account, of, id| matches!(admission.find(account, of, id), Some(Known::Done(_)));
        self.by_id.retain(|(account, id), _| is_known(*account, Use::Order, *id));
        self.deposits.retain(|(account, id)| is_known(*account, Use::Deposit, *id));
    }

    /// Forgets what was told of anything after `last_seqs`, or is not among the `facts` that are left.
    pub(super) fn forget_executions(
        &mut self,
        last_seqs: &BTreeMap<AccountId, u64>,
        facts: &BTreeMap<FactOf, usize>,
        books: Vec<u64>,
    ) {
        self.seen.retain(|account, seen| {
            let last_seq = last_seqs.get(account).copied().unwrap_or(0);
            seen.executions.retain(|seq, _| *seq <= last_seq);
            seen.next_seq = seen.next_seq.map(|next_seq| next_seq.min(last_seq + 1));
            last_seqs.contains_key(account)
        });
        self.facts.retain(|fact, count| {
            let left = facts.get(fact).copied().unwrap_or(0);
            *count = left.min(*count);
            left > 0
        });
        self.orders.retain(|(account, order_id)| facts.contains_key(&(*account, *order_id, Fact::Placed)));
        self.books = books;
    }

    pub(super) fn summary(&self, shadow: &Shadow) -> String {
        let seen: usize = self.seen.values().map(|seen| seen.executions.len()).sum();
        let gaps: usize = self.seen.values().map(|seen| seen.gaps).sum();
        let (orders, repeats, deposits) = (self.orders.len(), self.repeats, self.deposits.len());
        let (records, snapshots) = (shadow.number(), shadow.snapshots);
        format!(
            "{records} records, {orders} orders and {deposits} deposits told, {repeats} retries, {seen} executions seen, {gaps} gaps, {snapshots} starts from snapshots"
        )
    }
}

/// The number of the last change of each book, by instrument.
pub(super) fn book_numbers(hub: &Hub) -> impl Iterator<Item = u64> {
    (0..).map_while(|instrument| Some(hub.book(InstrumentId(instrument))?.last_seq()))
}

/// The payloads of executions from `seq` on, about as many bytes; if they are gone, the oldest that is not.
pub(super) async fn read_from(executions: &Executions, seq: u64, bytes_max: usize) -> Result<Vec<Vec<u8>>, u64> {
    let mut runs = VecDeque::new();
    match executions.read(seq, bytes_max, &mut runs).await.unwrap() {
        Read::Frames { next_seq } => {
            let found: Vec<Vec<u8>> = runs.iter().flat_map(frames).map(<[u8]>::to_vec).collect();
            assert_eq!(found.len() as u64, next_seq - seq);
            Ok(found)
        }
        Read::Gone { oldest_seq } => Err(oldest_seq),
    }
}
