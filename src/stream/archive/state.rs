//! What is known of the log without looking at its files: how long each segment is, and which has whose executions.
//!
//! Memory: 8 bytes a segment that is kept and 16 for each account that has executions in it; of the segment that grows, its
//! [`Index`].

use std::collections::{BTreeMap, VecDeque};

use super::format::BlockHead;
use super::index::{Index, Span, Summary};
use crate::domain::AccountId;

/// How many segments stay whatever they hold: one is written to, and the one before has an index that knows every account.
const STAY: usize = 2;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct State {
    /// The number of the oldest segment.
    pub(super) oldest: u64,
    /// The segment from which on all are kept for who reads behind everyone; `None`: nobody does.
    pub(super) needed: Option<u64>,
    /// The lengths of the segments from the oldest on: what may be read of each.
    pub(super) lengths: VecDeque<u64>,
    /// Of the last segment, if it is still written.
    pub(super) growing: Option<Index>,
    /// What there is of each account.
    accounts: BTreeMap<AccountId, Account>,
    /// The journal's record up to which all executions are in the log.
    pub(super) held: u64,
}

#[derive(Debug, Default)]
struct Account {
    /// Segments that have any, with the first in each.
    starts: VecDeque<(u64, u64)>,
    /// The one after the last.
    next_seq: u64,
}

/// Where to look for an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a segment.
    Segment {
        /// Its number.
        number: u64,
        /// How much of the segment may be read.
        length: u64,
    },
    /// It was removed.
    Gone {
        /// The oldest that was not.
        oldest_seq: u64,
    },
    /// It is not in the log yet.
    Ahead,
}

impl State {
    /// The number of the last segment; `None` if there is none.
    pub(super) fn last(&self) -> Option<u64> {
        (self.lengths.len() as u64).checked_sub(1).map(|more| self.oldest + more)
    }

    /// How much of a segment may be read; `None` if there is no such segment.
    pub(super) fn length(&self, number: u64) -> Option<u64> {
        let place = usize::try_from(number.checked_sub(self.oldest)?).ok()?;
        self.lengths.get(place).copied()
    }

    /// Where to look for an execution.
    pub(super) fn place(&self, account: AccountId, seq: u64) -> Place {
        let known = self.accounts.get(&account).filter(|known| seq < known.next_seq);
        let Some(Account { starts, .. }) = known else { return Place::Ahead };
        let after = starts.partition_point(|(_, first_seq)| *first_seq <= seq);
        let Some((number, _)) = after.checked_sub(1).and_then(|at| starts.get(at)).copied() else {
            let oldest_seq = self.oldest_seq(account).unwrap_or(seq + 1);
            return Place::Gone { oldest_seq };
        };
        Place::Segment { number, length: self.length(number).unwrap_or(0) }
    }

    /// How many bytes the segments have that are kept.
    pub(super) fn bytes(&self) -> u64 {
        self.lengths.iter().sum()
    }

    /// Whether the oldest segment may go, where no more than `bytes` are to be kept, but for who reads behind everyone.
    pub(super) fn is_over(&self, bytes: u64) -> bool {
        self.lengths.len() > STAY && self.bytes() > bytes
    }

    /// Forgets the oldest segment, if it may go; its number.
    pub(super) fn forget(&mut self, bytes: u64) -> Option<u64> {
        let number = self.oldest;
        if !self.is_over(bytes) || self.needed.is_some_and(|needed| needed <= number) {
            return None;
        }
        self.lengths.pop_front();
        self.oldest += 1;
        for account in self.accounts.values_mut() {
            account.starts.pop_front_if(|(segment, _)| *segment == number);
        }
        Some(number)
    }

    /// The index of a segment, if it is still written.
    pub(super) fn index(&self, number: u64) -> Option<&Index> {
        self.growing.as_ref().filter(|_| self.last() == Some(number))
    }

    /// The oldest execution of an account in the log.
    pub(super) fn oldest_seq(&self, account: AccountId) -> Option<u64> {
        let account = self.accounts.get(&account)?;
        Some(account.starts.front().map_or(account.next_seq, |(_, first_seq)| *first_seq))
    }

    /// The execution of an account that comes next; `None` if the log has none of it yet.
    pub(super) fn next_seq(&self, account: AccountId) -> Option<u64> {
        self.accounts.get(&account).map(|account| account.next_seq)
    }

    /// The oldest execution in the log of every account.
    pub(super) fn oldest_seqs(&self) -> impl Iterator<Item = (AccountId, u64)> {
        self.accounts.keys().filter_map(|account| Some((*account, self.oldest_seq(*account)?)))
    }

    /// The executions of every account that come next.
    pub(super) fn next_seqs(&self) -> impl Iterator<Item = (AccountId, u64)> {
        self.accounts.iter().map(|(account, known)| (*account, known.next_seq))
    }

    /// Learns of a closed segment, which follows on those known; the span that does not follow, if one does not.
    pub(super) fn add(&mut self, summary: &Summary) -> Result<(), (Span, u64)> {
        for span in &summary.spans {
            self.extend(summary.number, *span)?;
        }
        if self.lengths.is_empty() {
            self.oldest = summary.number;
        }
        self.lengths.push_back(summary.length);
        self.held = summary.held;
        Ok(())
    }

    /// Learns that a segment begins.
    pub(super) fn begin(&mut self, number: u64, length: u64) {
        if self.lengths.is_empty() {
            self.oldest = number;
        }
        self.lengths.push_back(length);
        self.growing = Some(Index::default());
    }

    /// Learns that the last segment has grown to `length` by these blocks, each with where it starts.
    pub(super) fn grow(&mut self, blocks: &[(BlockHead, u64)], length: u64, held: Option<u64>) {
        let Some(number) = self.last() else { return };
        for (head, offset) in blocks {
            let span = Span { account: head.account, first_seq: head.first_seq, next_seq: head.next_seq() };
            self.extend(number, span).expect("the writer appends what comes next");
            if let Some(index) = &mut self.growing {
                index.add(head, *offset);
            }
        }
        if let Some(last) = self.lengths.back_mut() {
            *last = length;
        }
        self.held = held.unwrap_or(self.held);
    }

    /// What the index of the last segment must say once it grows no more.
    pub(super) fn summary(&self, log: u64) -> Option<Summary> {
        let (number, index) = (self.last()?, self.growing.as_ref()?);
        let spans = self.spans_with(index);
        Some(Summary { number, log, length: self.length(number)?, held: self.held, spans })
    }

    /// What is in a segment, and where the accounts are that have nothing in it.
    pub(super) fn spans_with(&self, index: &Index) -> Vec<Span> {
        let mut spans: BTreeMap<AccountId, Span> = BTreeMap::new();
        for (account, next_seq) in self.next_seqs() {
            spans.insert(account, Span { account, first_seq: next_seq, next_seq });
        }
        spans.extend(index.spans().map(|span| (span.account, span)));
        spans.into_values().collect()
    }

    fn extend(&mut self, number: u64, span: Span) -> Result<(), (Span, u64)> {
        let account =
            self.accounts.entry(span.account).or_insert(Account { starts: VecDeque::new(), next_seq: span.first_seq });
        if account.next_seq != span.first_seq {
            return Err((span, account.next_seq));
        }
        if span.next_seq > span.first_seq && account.starts.back().is_none_or(|(last, _)| *last < number) {
            account.starts.push_back((number, span.first_seq));
        }
        account.next_seq = span.next_seq;
        Ok(())
    }
}
