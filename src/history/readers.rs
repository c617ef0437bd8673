//! Who asks the file: a few connections that only read, each used by one question at a time.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering::SeqCst},
    time::Duration,
};

use rusqlite::{Connection, OptionalExtension, named_params};
use tokio::sync::Semaphore;

use super::{HistoryError, error::is_damage, projector::Shared, row, row::order_columns, store::Store};
use crate::domain::{AccountId, Order, OrderId, Seq, Symbol};

/// How many questions are answered at once: so many threads are at work, and so many connections there are, at most.
const READERS: usize = 4;
/// How many may wait for one of them: a further one is told to come again.
const WAITING_MAX: usize = 256;
/// How long a question may wait for its turn.
const TURN_TIMEOUT: Duration = Duration::from_secs(2);

/// Which closed orders to list.
#[derive(Clone, Copy, Debug)]
pub struct ClosedQuery {
    /// Of this symbol only.
    pub symbol: Option<Symbol>,
    /// Older than this one only.
    pub after: Option<OrderId>,
    /// At most so many.
    pub limit: usize,
}

/// Why history does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// It has not come that far yet, or cannot be read at the moment: ask again.
    #[error("history is behind")]
    Behind,
    /// The log no longer had the account's beginning when history read it.
    #[error("the account's history is not complete")]
    Gone,
}

/// The connections that read.
#[derive(Debug)]
pub(super) struct Readers {
    file: PathBuf,
    shared: Arc<Shared>,
    /// Nobody uses these now; each with the generation of the file it has open.
    idle: Mutex<Vec<(u64, Store)>>,
    turns: Arc<Semaphore>,
    places: Semaphore,
}

impl Readers {
    pub(super) fn new(file: PathBuf, shared: Arc<Shared>) -> Self {
        let turns = Arc::new(Semaphore::new(READERS));
        Self { file, shared, idle: Mutex::default(), turns, places: Semaphore::new(READERS + WAITING_MAX) }
    }

    pub(super) async fn order(
        self: &Arc<Self>,
        account: AccountId,
        order_id: OrderId,
        through: Seq,
    ) -> Result<Option<Order>, Missing> {
        let query = concat!("SELECT ", order_columns!(), " FROM orders WHERE order_id = ?1 AND account = ?2 AND closed");
        let find = move |connection: &Connection| {
            connection.prepare_cached(query)?.query_row([order_id.0, account.0.into()], row::read).optional()
        };
        let answer = self.ask(account, through, find).await?;
        match answer.found {
            // What has ended does not change: it counts however far history has come.
            Some(order) => Ok(Some(order)),
            None => answer.coverage.from(Some(order_id)).map(|()| None),
        }
    }

    pub(super) async fn closed(
        self: &Arc<Self>,
        account: AccountId,
        query: ClosedQuery,
        through: Seq,
    ) -> Result<Vec<Order>, Missing> {
        let list = move |connection: &Connection| {
            let after = query.after.map_or(i64::MAX, |after| i64::try_from(after.0).unwrap_or(i64::MAX));
            let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
            let all = concat!(
                "SELECT ",
                order_columns!(),
                " FROM orders WHERE closed AND account = :account AND order_id < :after \
                 ORDER BY order_id DESC LIMIT :limit"
            );
            let of_symbol = concat!(
                "SELECT ",
                order_columns!(),
                " FROM orders WHERE closed AND account = :account AND symbol = :symbol AND order_id < :after \
                 ORDER BY order_id DESC LIMIT :limit"
            );
            let account = account.0;
            let orders = |sql, params: &[(&str, &dyn rusqlite::ToSql)]| {
                connection.prepare_cached(sql)?.query_map(params, row::read)?.collect::<rusqlite::Result<Vec<Order>>>()
            };
            match query.symbol {
                None => orders(all, named_params! { ":account": account, ":after": after, ":limit": limit }),
                Some(symbol) => {
                    let symbol = symbol.as_str();
                    let params = named_params! { ":account": account, ":symbol": symbol, ":after": after, ":limit": limit };
                    orders(of_symbol, params)
                }
            }
        };
        let answer = self.ask(account, through, list).await?;
        // A full page needs nothing older than its last order.
        let oldest = answer.found.get(query.limit.wrapping_sub(1)).map(|order| order.order_id);
        answer.coverage.from(oldest).map(|()| answer.found)
    }

    /// Asks the file, in a thread that may wait for the disk.
    async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        account: AccountId,
        through: Seq,
        question: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<Answer<T>, Missing> {
        let _place = self.places.try_acquire().map_err(|_| Missing::Behind)?;
        let turn = tokio::time::timeout(TURN_TIMEOUT, self.turns.clone().acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(Missing::Behind) };
        let readers = self.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let answer = readers.answer(account, through, question);
            drop(turn);
            answer
        });
        match asked.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                let error = anyhow::Error::from(error);
                tracing::debug!(error = format!("{error:#}"), "history could not be asked");
                Err(Missing::Behind)
            }
            // It panicked, or the process ends.
            Err(_) => Err(Missing::Behind),
        }
    }

    fn answer<T>(
        &self,
        account: AccountId,
        through: Seq,
        question: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<Answer<T>, HistoryError> {
        let Some(generation) = self.shared.generation() else { return Err(HistoryError::Closed) };
        // Before the question: what is taken in after it is not in the answer.
        let reached = self.shared.reached.of(account) >= through;
        let store = self.open(generation)?;
        let result = question(store.connection()).and_then(|found| Ok((found, coverage(store.connection(), account)?)));
        match result {
            Ok((found, coverage)) => {
                // What an earlier file said does not count.
                if self.shared.generation() != Some(generation) {
                    return Err(HistoryError::Closed);
                }
                let coverage = if reached { coverage } else { Coverage::Behind };
                self.idle.lock().unwrap_or_else(PoisonError::into_inner).push((generation, store));
                Ok(Answer { found, coverage })
            }
            Err(error) => {
                if is_damage(&error) && self.shared.generation() == Some(generation) {
                    self.shared.damaged.store(true, SeqCst);
                }
                Err(error.into())
            }
        }
    }

    /// A connection that nobody uses, or a new one.
    fn open(&self, generation: u64) -> Result<Store, HistoryError> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(of, _)| *of == generation);
        let found = idle.pop();
        drop(idle);
        match found {
            Some((_, store)) => Ok(store),
            None => Store::read_only(&self.file),
        }
    }
}

/// What was found, and whether that is all there is.
struct Answer<T> {
    found: T,
    coverage: Coverage,
}

/// Which of an account's orders are there.
#[derive(Clone, Copy, Debug)]
enum Coverage {
    /// All.
    All,
    /// Of those from this one on, all; of none, if there is none yet.
    From(Option<OrderId>),
    /// Not yet all that there are.
    Behind,
}

impl Coverage {
    /// Whether those from `oldest` on are there; all, if it is `None`.
    fn from(self, oldest: Option<OrderId>) -> Result<(), Missing> {
        match self {
            Self::All => Ok(()),
            Self::From(Some(first)) if oldest.is_some_and(|oldest| oldest >= first) => Ok(()),
            Self::From(_) => Err(Missing::Gone),
            Self::Behind => Err(Missing::Behind),
        }
    }
}

fn coverage(connection: &Connection, account: AccountId) -> rusqlite::Result<Coverage> {
    let query = "SELECT complete, whole_from FROM accounts WHERE account = ?1";
    let read = |row: &rusqlite::Row<'_>| {
        let whole_from = row.get::<_, Option<u64>>(1)?.map(OrderId);
        Ok(if row.get(0)? { Coverage::All } else { Coverage::From(whole_from) })
    };
    Ok(connection.prepare_cached(query)?.query_row([account.0], read).optional()?.unwrap_or(Coverage::All))
}
