//! History: what the read model no longer has, in one SQLite file that reads the execution log behind everyone.
//!
//! ```text
//! execution log ─► Source ─► projector thread: fold frames into orders ─► one transaction ─► Reached
//!                                                                       history.sqlite ─► readers ─► old orders
//! ```
//!
//! In: whole frames of executions, with the place in the log behind them. Out: closed orders, just as the read model showed
//! them, and how far each account's executions are taken in ([`Reached`]).
//!
//! - **Behind, never in the way.** One thread of low priority writes; nobody waits for it. Where SQLite fails, it says so,
//!   tries again ever more slowly, and the venue trades on. Readers are few, and have connections of their own.
//! - **Nothing twice, nothing missing.** The place in the log is kept in the transaction of the rows that came from before it,
//!   and each account's last `seq` too: what was taken in already is skipped, wherever reading starts again.
//! - **Never "there is none" by mistake.** Who asks says up to which execution history must have come; before that the
//!   answer is [`Missing::Behind`].
//! - **Only a copy,** while the log goes back to the first execution: a file that is damaged, or of another schema, is made anew
//!   from it. Another venue's is set aside. Once the log has let go of its beginning, the file may be all there is of older orders: one
//!   that cannot be used is set aside under another name, never removed, and the new one says [`Missing::Gone`] of what it lacks.
//! - **It says what it has.** The log keeps what was not taken in, and what was but might not survive the loss of power: a
//!   transaction is synced whenever a segment of the log is done with ([`Source::passed`]). While the log keeps more than it should for
//!   history alone, the thread does not rest.
//!
//! Tables: `orders` (one row an order, as it is now), `executions` (one row each), `accounts`, `meta`; `trades` is a view.
//!
//! Limits: a transaction takes in about [`TRANSACTION_EXECUTIONS`] executions; four readers at once. Costs: about 5 µs of
//! the thread's time an order; while the venue trades and wants the processors for that, the thread rests 39 times as long as it
//! works, a second at most.
//!
//! Deliberately absent: open orders among the answers, which the read model has, and executions, which the log has.

mod source;

mod frame;
mod row;
mod store;

mod reached;

mod transaction;

mod pace;
mod projector;
mod readers;

mod error;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

pub use error::HistoryError;
pub use projector::Ended;
pub use reached::Reached;
pub use readers::{ClosedQuery, Missing};
pub use source::{LogSource, Source};
pub use store::Summary;
pub use transaction::TRANSACTION_EXECUTIONS;

use projector::{Projector, Shared};
use readers::Readers;
use transaction::Gap;

use crate::domain::{AccountId, Order, OrderId, Seq};
use crate::stream::archive::Position;

/// The file of history, in the data directory.
pub const FILE: &str = "history.sqlite";

/// What a history is made of.
#[derive(Debug)]
pub struct Parts {
    /// Where it is kept.
    pub file: PathBuf,
    /// The venue's epoch.
    pub epoch: String,
    /// Where executions come from.
    pub source: Box<dyn Source>,
    /// Where it says how far it has come.
    pub reached: Reached,
    /// Each account's last execution, as the journal has it: a file that knows more is made anew.
    pub published: BTreeMap<AccountId, Seq>,
    /// Whether the venue had every execution from the first on when it started, be some of them on their way to the source only.
    pub is_whole: bool,
}

/// A handle on a venue's history: asks it. Cheap to clone; the thread ends when the last is dropped.
#[derive(Clone, Debug)]
pub struct History {
    readers: Arc<Readers>,
    running: Arc<Running>,
}

/// Ends the thread when dropped.
#[derive(Debug)]
struct Running(Arc<Shared>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl History {
    /// Opens a venue's history, and goes on reading in a thread of its own, which lets go of `held` when it ends.
    ///
    /// # Errors
    ///
    /// If there can be no more threads. That the file cannot be used is no error: it is tried again.
    pub fn start(parts: Parts, held: impl Send + 'static) -> std::io::Result<(Self, Ended)> {
        let shared = Arc::new(Shared::new(parts.reached.clone()));
        let readers = Arc::new(Readers::new(parts.file.clone(), shared.clone()));
        let ended = Projector::new(parts, shared.clone()).spawn(held)?;
        Ok((Self { readers, running: Arc::new(Running(shared)) }, ended))
    }

    /// A closed order of an account.
    ///
    /// # Errors
    ///
    /// [`Missing`], where history cannot say; certainly not where it has the account's executions up to `through`.
    pub async fn order(&self, account: AccountId, order_id: OrderId, through: Seq) -> Result<Option<Order>, Missing> {
        self.readers.order(account, order_id, through).await
    }

    /// The closed orders of an account that a query asks for, newest first.
    ///
    /// # Errors
    ///
    /// As [`History::order`].
    pub async fn closed(&self, account: AccountId, query: ClosedQuery, through: Seq) -> Result<Vec<Order>, Missing> {
        self.readers.closed(account, query, through).await
    }

    /// How many executions history has not taken in, of so many `published` over all accounts.
    pub fn lag(&self, published: u64) -> u64 {
        published.saturating_sub(self.running.0.reached.total())
    }

    /// How often it has failed and tried again.
    pub fn failures(&self) -> u64 {
        self.running.0.failures()
    }

    /// Tells the thread to end, once it has taken in what is there, or a second later.
    pub fn stop(&self) {
        self.running.0.stop();
    }
}

/// Takes in all of a log, into a new file in the place of any there is, and says what is in it.
///
/// # Errors
///
/// If the file cannot be written, or the log not read; also if there is a file, and the log does not go back to the first execution of
/// an account that it has: what only the file has would be lost. A file that cannot be read is set aside.
pub fn rebuild(file: &Path, epoch: &str, source: &mut dyn Source) -> Result<Summary, HistoryError> {
    let oldest: BTreeMap<AccountId, u64> = source.oldest_seqs().into_iter().collect();
    match store::Store::read_only(file).and_then(|store| store.last_seqs()) {
        Ok(known) => {
            // An account may have been silent since the log was begun.
            let mut traded = known.iter().filter(|(_, seq)| seq.0 > 0);
            if !traded.all(|(account, _)| oldest.get(account) == Some(&1)) {
                return Err(HistoryError::OnlyCopy(file.to_owned()));
            }
            store::Store::remove(file)?;
        }
        // What it has cannot be told.
        Err(_) => drop(store::Store::set_aside(file)?),
    }
    let mut store = store::Store::open(file, epoch)?;
    source.seek(Position::START).map_err(HistoryError::Log)?;
    transaction::begin(source, &mut store, Position::START)?;
    while transaction::take_in(source, &mut store, Gap::Known, &|| false)?.executions > 0 {}
    store.settle()?;
    store.summary()
}

/// What is in a history's file.
///
/// # Errors
///
/// If there is none, or it cannot be read.
pub fn summary(file: &Path) -> Result<Summary, HistoryError> {
    store::Store::read_only(file)?.summary()
}

/// How long a connection waits where another process has locked the file.
const BUSY_TIMEOUT: Duration = Duration::from_millis(250);
