//! A transaction: entries of the log into rows.

use std::collections::BTreeMap;

use rusqlite::ToSql;

use super::{
    HistoryError, Source,
    frame::ExecutionFrame,
    store::{KnownAccount, Store, Writing},
};
use crate::domain::{AccountId, ExecutionType, Order, OrderId, Seq};
use crate::stream::{
    archive::{Entry, Position},
    frames,
};

/// A transaction ends with the entry that brings it to this many executions.
pub const TRANSACTION_EXECUTIONS: u64 = 4_096;
/// So many changed orders are held before they are written, whatever the transaction.
const ORDERS_HELD: usize = 16_384;

/// What is said of what is missing.
const LACKS: &str = "the execution log lacks executions, and so does history";

/// What it means if executions are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gap {
    /// The log was left at another place than reading goes on at.
    Error,
    /// The log has no more: what there is, is taken in.
    Known,
}

/// What a transaction took in.
#[derive(Debug, Default)]
pub(super) struct TakenIn {
    /// How many executions it read, those included that the file had.
    pub(super) executions: u64,
    /// What the file has now, of each account that there was something of.
    pub(super) reached: Vec<(AccountId, Seq)>,
    /// The place after it, if anything was read.
    pub(super) end: Option<Position>,
}

/// Notes, before a log is read on from a place, which executions it lacks: those after the last that the file has and before the
/// oldest that the log has, of each account. What the file counts as taken in by then, of those accounts.
pub(super) fn begin(source: &dyn Source, store: &mut Store, from: Position) -> Result<Vec<(AccountId, Seq)>, HistoryError> {
    let writing = store.begin()?;
    let mut reached = Vec::new();
    for (account, oldest) in source.oldest_seqs() {
        let mut known = writing.account(account)?.unwrap_or_default();
        if known.last_seq + 1 < oldest {
            let (from, to) = (known.last_seq + 1, oldest - 1);
            tracing::warn!(account = account.0, from, to, "{LACKS}");
            known.lacks_up_to(to);
            writing.put_account(account, &known)?;
            reached.push((account, Seq(to)));
        }
    }
    writing.commit(source.id(), from)?;
    Ok(reached)
}

/// Takes in the entries that are there, in one transaction; nothing if there are none, or if the thread must end before it is
/// through: the next to open the file reads them again.
///
/// # Errors
///
/// [`HistoryError::Interrupted`] if so.
pub(super) fn take_in(
    source: &mut dyn Source,
    store: &mut Store,
    gap: Gap,
    must_end: &dyn Fn() -> bool,
) -> Result<TakenIn, HistoryError> {
    let Some(first) = source.next().map_err(HistoryError::Log)? else { return Ok(TakenIn::default()) };
    let writing = store.begin()?;
    let mut batch =
        Batch { writing: &writing, accounts: BTreeMap::new(), orders: BTreeMap::new(), executions: 0, gap, must_end };
    let mut end = first.end;
    batch.entry(&first)?;
    while batch.executions < TRANSACTION_EXECUTIONS
        && let Some(entry) = source.next().map_err(HistoryError::Log)?
    {
        batch.entry(&entry)?;
        end = entry.end;
    }
    let taken_in = batch.finish()?;
    writing.commit(source.id(), end)?;
    Ok(TakenIn { end: Some(end), ..taken_in })
}

/// A transaction in the making.
struct Batch<'a> {
    writing: &'a Writing<'a>,
    accounts: BTreeMap<AccountId, KnownAccount>,
    /// Orders that changed and are not written yet.
    orders: BTreeMap<OrderId, Held>,
    executions: u64,
    gap: Gap,
    must_end: &'a dyn Fn() -> bool,
}

struct Held {
    order: Order,
    /// Whether the file has it already.
    written: bool,
}

impl Batch<'_> {
    fn entry(&mut self, entry: &Entry) -> Result<(), HistoryError> {
        let mut known = match self.accounts.remove(&entry.account) {
            Some(known) => known,
            None => self.writing.account(entry.account)?.unwrap_or_default(),
        };
        for (payload, seq) in frames(&entry.frames).zip(entry.first_seq..) {
            self.executions += 1;
            if seq <= known.last_seq {
                continue;
            }
            self.may_go_on()?;
            let fault = |fault: String| HistoryError::Frame { account: entry.account.0, seq, fault };
            let frame = ExecutionFrame::parse(payload).map_err(|error| fault(error.to_string()))?;
            if frame.seq != seq {
                return Err(fault(format!("it says it is {}", frame.seq)));
            }
            if seq > known.last_seq + 1 {
                let (account, from, to) = (entry.account.0, known.last_seq + 1, seq - 1);
                if self.gap == Gap::Error {
                    return Err(HistoryError::Gap { account, from, to });
                }
                tracing::warn!(account, from, to, "{LACKS}");
                known.lacks_up_to(to);
            }
            self.order(entry.account, &frame, &mut known)
                .map_err(|error| error.or_fault(|what| fault(format!("{what} cannot be"))))?;
            self.execution(entry.account, &frame).map_err(|error| error.or_fault(|what| fault(what.to_owned())))?;
            known.last_seq = seq;
            if known.name.is_empty() {
                frame.account.clone_into(&mut known.name);
            }
            if self.orders.len() >= ORDERS_HELD {
                self.write_orders()?;
            }
        }
        self.accounts.insert(entry.account, known);
        Ok(())
    }

    /// Makes of an order what an execution makes of it.
    fn order(&mut self, account: AccountId, frame: &ExecutionFrame<'_>, known: &mut KnownAccount) -> Result<(), Failure> {
        use ExecutionType as E;
        let kind = frame.execution_type()?;
        let order_id = OrderId(frame.order_id);
        if kind.is_refused_request() {
            return Ok(());
        }
        if matches!(kind, E::Accepted | E::Rejected) {
            self.orders.insert(order_id, Held { order: frame.begin(account)?, written: false });
            known.begins(order_id);
            return Ok(());
        }
        let mut held = match self.orders.remove(&order_id) {
            Some(held) => held,
            None => match self.writing.order(order_id)? {
                Some(order) => Held { order, written: true },
                // How it began is not known, so nothing is known.
                None if !known.complete => return Ok(()),
                None => return Err(Failure::Fault("an order that never was accepted")),
            },
        };
        frame.change(&mut held.order)?;
        self.orders.insert(order_id, held);
        Ok(())
    }

    fn execution(&self, account: AccountId, frame: &ExecutionFrame<'_>) -> Result<(), Failure> {
        let values: [&dyn ToSql; 13] = [
            &frame.exec_id,
            &account.0,
            &frame.seq,
            &frame.order_id,
            &frame.execution_type()?.as_str(),
            &frame.last_qty,
            &frame.last_price,
            &frame.liquidity,
            &frame.trade_id,
            &frame.fee,
            &frame.fee_asset,
            &frame.code,
            &frame.ts()?.0,
        ];
        Ok(self.writing.insert_execution(&values)?)
    }

    fn write_orders(&mut self) -> Result<(), HistoryError> {
        for held in std::mem::take(&mut self.orders).into_values() {
            self.may_go_on()?;
            match held.written {
                false => self.writing.insert_order(&held.order)?,
                true => self.writing.update_order(&held.order)?,
            }
        }
        Ok(())
    }

    fn may_go_on(&self) -> Result<(), HistoryError> {
        if (self.must_end)() { Err(HistoryError::Interrupted) } else { Ok(()) }
    }

    fn finish(mut self) -> Result<TakenIn, HistoryError> {
        self.write_orders()?;
        let mut reached = Vec::with_capacity(self.accounts.len());
        for (account, known) in &self.accounts {
            self.writing.put_account(*account, known)?;
            reached.push((*account, Seq(known.last_seq)));
        }
        Ok(TakenIn { executions: self.executions, reached, end: None })
    }
}

/// Why an execution could not be taken in.
enum Failure {
    /// A field of it, or what it says.
    Fault(&'static str),
    History(HistoryError),
}

impl Failure {
    fn or_fault(self, fault: impl FnOnce(&'static str) -> HistoryError) -> HistoryError {
        match self {
            Self::Fault(what) => fault(what),
            Self::History(error) => error,
        }
    }
}

impl From<&'static str> for Failure {
    fn from(what: &'static str) -> Self {
        Self::Fault(what)
    }
}

impl From<HistoryError> for Failure {
    fn from(error: HistoryError) -> Self {
        Self::History(error)
    }
}
