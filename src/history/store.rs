//! The file: its tables, and the one connection that writes them.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, TransactionBehavior};

use super::{BUSY_TIMEOUT, HistoryError, row, row::order_columns};
use crate::domain::{AccountId, Nanos, Order, OrderId, Seq};
use crate::stream::archive::Position;

/// Raised whenever the tables, or what is written into them, change: older files are made anew.
const SCHEMA: i64 = 2;
/// Marks the file as this program's (`PRAGMA application_id`), in ASCII: `OOhi`.
const APPLICATION: i64 = 0x4F4F_6869;
/// So many pages of 4 KiB wait in the file beside until they are copied into the database: few copies, and few syncs.
const CHECKPOINT_PAGES: i64 = 4_096;
/// The writer's cache, in KiB.
const CACHE_KIB: i64 = 16_384;
/// SQLite makes sure of so many bytes of its log's index at a time, by writing the last of them.
const SHARED_PIECE: u64 = 4_096;

/// The file itself, and what SQLite puts beside it. In this order they go: without its log the file could be taken for whole, while a log
/// without its file is dropped by SQLite as soon as it makes a new one.
const SUFFIXES: [&str; 4] = ["", "-wal", "-shm", "-journal"];
/// How many files that cannot be used are kept: whoever gets so many should look at the disk.
const ASIDE_MAX: usize = 9;

const TABLES: &str = "
    CREATE TABLE meta (
        id INTEGER PRIMARY KEY CHECK (id = 0),
        epoch TEXT NOT NULL,
        log INTEGER,
        segment INTEGER,
        position INTEGER
    ) STRICT;
    CREATE TABLE accounts (
        account INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        last_seq INTEGER NOT NULL,
        complete INTEGER NOT NULL,
        whole_from INTEGER
    ) STRICT;
    CREATE TABLE orders (
        order_id INTEGER PRIMARY KEY,
        account INTEGER NOT NULL,
        client_order_id TEXT,
        symbol TEXT NOT NULL,
        side TEXT NOT NULL,
        type TEXT NOT NULL,
        time_in_force TEXT NOT NULL,
        expire_at INTEGER,
        quantity TEXT NOT NULL,
        price TEXT,
        trigger_price TEXT,
        status TEXT NOT NULL,
        cum_qty TEXT NOT NULL,
        leaves_qty TEXT NOT NULL,
        avg_price TEXT,
        code TEXT,
        reason TEXT,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        closed INTEGER NOT NULL AS (status IN ('filled', 'canceled', 'expired', 'rejected'))
    ) STRICT;
    CREATE INDEX orders_closed ON orders (account, order_id) WHERE closed;
    CREATE INDEX orders_closed_by_symbol ON orders (account, symbol, order_id) WHERE closed;
    CREATE TABLE executions (
        exec_id INTEGER PRIMARY KEY,
        account INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        order_id INTEGER NOT NULL,
        type TEXT NOT NULL,
        last_qty TEXT,
        last_price TEXT,
        liquidity TEXT,
        trade_id INTEGER,
        fee TEXT,
        fee_asset TEXT,
        code TEXT,
        ts INTEGER NOT NULL
    ) STRICT;
    CREATE VIEW trades AS
        SELECT trade_id, symbol, last_price AS price, last_qty AS quantity,
            CASE WHEN (side = 'buy') = (liquidity = 'taker') THEN 'buy' ELSE 'sell' END AS taker_side, ts
        FROM executions JOIN orders USING (order_id)
        WHERE trade_id IS NOT NULL
        GROUP BY trade_id;
";

/// What is in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Of which venue.
    pub epoch: String,
    /// How many orders.
    pub orders: u64,
    /// How many executions.
    pub executions: u64,
}

/// An open file. One of them writes, at most.
#[derive(Debug)]
pub(super) struct Store {
    connection: Connection,
}

fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// Opens a file, or makes it where it may be written.
///
/// SQLite maps the index of its log into memory, and makes sure of 4 KiB of it at a time by writing their last byte. Where a block of the
/// file system is smaller, a full one leaves holes: whoever touches one is ended by SIGBUS. There the index is kept in memory alone,
/// and other processes cannot read the file meanwhile.
fn connect(file: &Path, to_read: bool) -> rusqlite::Result<Connection> {
    let access = match to_read {
        true => OpenFlags::SQLITE_OPEN_READ_ONLY,
        false => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
    };
    let connection = if has_small_blocks(file) {
        // A file that is opened to be read only would have its index mapped all the same.
        let access = (access - OpenFlags::SQLITE_OPEN_READ_ONLY) | OpenFlags::SQLITE_OPEN_READ_WRITE;
        let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags_and_vfs(file, flags, c"unix-excl")?;
        connection.pragma_update(None, "query_only", to_read)?;
        connection
    } else {
        Connection::open_with_flags(file, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?
    };
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

fn has_small_blocks(file: &Path) -> bool {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    rustix::fs::statvfs(folder).is_ok_and(|system| system.f_bsize < SHARED_PIECE)
}

/// What is known of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KnownAccount {
    pub(super) name: String,
    pub(super) last_seq: u64,
    /// Whether all its executions from the first on were there to be taken in.
    pub(super) complete: bool,
    /// If not, the first order that began after the last of those that were not: of it and those after it, all is here.
    pub(super) whole_from: Option<OrderId>,
}

/// What tells an execution from any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KnownExecution {
    pub(super) account: AccountId,
    pub(super) seq: u64,
    pub(super) exec_id: u64,
    pub(super) ts: Nanos,
}

impl KnownAccount {
    /// Notes that executions up to `seq` are missing.
    pub(super) fn lacks_up_to(&mut self, seq: u64) {
        (self.last_seq, self.complete, self.whole_from) = (seq, false, None);
    }

    /// Notes that an order begins.
    pub(super) fn begins(&mut self, order_id: OrderId) {
        if !self.complete {
            self.whole_from.get_or_insert(order_id);
        }
    }
}

impl Default for KnownAccount {
    fn default() -> Self {
        Self { name: String::new(), last_seq: 0, complete: true, whole_from: None }
    }
}

impl Store {
    /// Opens the history of the venue with this epoch, or makes an empty one if there is no file.
    ///
    /// # Errors
    ///
    /// Also if the file is whole but of something else.
    pub(super) fn open(file: &Path, epoch: &str) -> Result<Self, HistoryError> {
        let mut store = Self { connection: connect(file, false)? };
        let empty: bool = store.connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))?;
        if empty {
            store.create(epoch)?;
        } else {
            store.check()?;
            let found = store.epoch()?;
            if found != epoch {
                return Err(HistoryError::Another(format!("is of the venue with epoch {found}, not {epoch}")));
            }
            store.add_whole_from()?;
        }
        // A power cut may lose the newest transactions, never half of one: they are read from the log again.
        store.connection.pragma_update(None, "synchronous", "NORMAL")?;
        store.connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        store.connection.pragma_update(None, "journal_size_limit", CHECKPOINT_PAGES * 4_096 * 2)?;
        store.connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        Ok(store)
    }

    fn create(&mut self, epoch: &str) -> Result<(), HistoryError> {
        self.connection.pragma_update(None, "journal_mode", "WAL")?;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(TABLES)?;
        transaction.execute("INSERT INTO meta (id, epoch) VALUES (0, ?1)", [epoch])?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", SCHEMA)?;
        Ok(transaction.commit()?)
    }

    /// Adds the one column that files of this schema may lack.
    fn add_whole_from(&self) -> Result<(), HistoryError> {
        let query = "SELECT count(*) = 0 FROM pragma_table_info('accounts') WHERE name = 'whole_from'";
        if self.connection.query_row(query, [], |row| row.get(0))? {
            self.connection.execute("ALTER TABLE accounts ADD COLUMN whole_from INTEGER", [])?;
        }
        Ok(())
    }

    /// Opens a file only to read it.
    ///
    /// # Errors
    ///
    /// Also if there is none, or it is not a history of this version.
    pub(super) fn read_only(file: &Path) -> Result<Self, HistoryError> {
        let store = Self { connection: connect(file, true)? };
        store.check()?;
        Ok(store)
    }

    /// Removes a file, with those that SQLite puts beside it.
    pub(super) fn remove(file: &Path) -> Result<(), HistoryError> {
        for suffix in SUFFIXES {
            let path = with_suffix(file, suffix);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(HistoryError::Remove { path, error });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Gives a file, with those that SQLite puts beside it, a name that no other has; that name, if there was a file.
    pub(super) fn set_aside(file: &Path) -> Result<Option<PathBuf>, HistoryError> {
        if !file.exists() {
            return Ok(None);
        }
        let is_free = |aside: &PathBuf| SUFFIXES.iter().all(|suffix| !with_suffix(aside, suffix).exists());
        let aside = (1..=ASIDE_MAX).map(|number| with_suffix(file, &format!(".{number}"))).find(is_free);
        let aside = aside.ok_or_else(|| HistoryError::Aside(file.to_owned()))?;
        for suffix in SUFFIXES {
            let path = with_suffix(file, suffix);
            match fs::rename(&path, with_suffix(&aside, suffix)) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(HistoryError::Remove { path, error });
                }
                _ => {}
            }
        }
        Ok(Some(aside))
    }

    fn check(&self) -> Result<(), HistoryError> {
        let pragma = |name| self.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let (application, schema) = (pragma("application_id")?, pragma("user_version")?);
        if application != APPLICATION {
            return Err(HistoryError::Another("was written by another program".to_owned()));
        }
        if schema != SCHEMA {
            return Err(HistoryError::Foreign(format!("has schema {schema}, and this version has schema {SCHEMA}")));
        }
        Ok(())
    }

    fn epoch(&self) -> Result<String, HistoryError> {
        Ok(self.connection.query_row("SELECT epoch FROM meta", [], |row| row.get(0))?)
    }

    /// The connection, to ask it.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The place behind all that was taken in, in the log of this number; `None` if it was of another log.
    pub(super) fn position(&self, log: u64) -> Result<Option<Position>, HistoryError> {
        let query = "SELECT segment, position FROM meta WHERE log = ?1";
        let read = |row: &rusqlite::Row<'_>| Ok(Position { segment: row.get(0)?, offset: row.get(1)? });
        Ok(self.connection.query_row(query, [log.cast_signed()], read).optional()?)
    }

    /// Each account's last execution.
    pub(super) fn last_seqs(&self) -> Result<Vec<(AccountId, Seq)>, HistoryError> {
        let mut statement = self.connection.prepare("SELECT account, last_seq FROM accounts ORDER BY account")?;
        let seqs = statement.query_map([], |row| Ok((AccountId(row.get(0)?), Seq(row.get(1)?))))?;
        Ok(seqs.collect::<rusqlite::Result<_>>()?)
    }

    /// The last execution that was taken in.
    pub(super) fn last_execution(&self) -> Result<Option<KnownExecution>, HistoryError> {
        let query = "SELECT account, seq, exec_id, ts FROM executions ORDER BY exec_id DESC LIMIT 1";
        let read = |row: &rusqlite::Row<'_>| {
            let (account, ts) = (AccountId(row.get(0)?), Nanos(row.get(3)?));
            Ok(KnownExecution { account, seq: row.get(1)?, exec_id: row.get(2)?, ts })
        };
        Ok(self.connection.query_row(query, [], read).optional()?)
    }

    /// Counts what there is.
    pub(super) fn summary(&self) -> Result<Summary, HistoryError> {
        let count = |table| self.connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0));
        Ok(Summary { epoch: self.epoch()?, orders: count("orders")?, executions: count("executions")? })
    }

    /// Copies all that waits in the file beside into the database, so that a copy of the one file is a copy of all.
    ///
    /// # Errors
    ///
    /// If the file cannot be written. Nothing is lost then.
    pub(super) fn settle(&self) -> Result<(), HistoryError> {
        Ok(self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_row| Ok(()))?)
    }

    /// Makes all that was committed survive the loss of power.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub(super) fn make_durable(&mut self) -> Result<(), HistoryError> {
        self.connection.pragma_update(None, "synchronous", "FULL")?;
        let synced = self.commit_synced();
        self.connection.pragma_update(None, "synchronous", "NORMAL")?;
        synced
    }

    /// A transaction that is synced syncs those before it, if it writes anything: what is overwritten with the same is not written.
    fn commit_synced(&mut self) -> Result<(), HistoryError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute("UPDATE meta SET position = position + 1", [])?;
        transaction.execute("UPDATE meta SET position = position - 1", [])?;
        Ok(transaction.commit()?)
    }

    /// Begins to write.
    pub(super) fn begin(&mut self) -> Result<Writing<'_>, HistoryError> {
        Ok(Writing(self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?))
    }
}

/// A transaction.
#[derive(Debug)]
pub(super) struct Writing<'a>(Transaction<'a>);

impl Writing<'_> {
    /// What is known of an account.
    pub(super) fn account(&self, account: AccountId) -> Result<Option<KnownAccount>, HistoryError> {
        let query = "SELECT name, last_seq, complete, whole_from FROM accounts WHERE account = ?1";
        let known = self.0.prepare_cached(query)?.query_row([account.0], |row| {
            let whole_from = row.get::<_, Option<u64>>(3)?.map(OrderId);
            Ok(KnownAccount { name: row.get(0)?, last_seq: row.get(1)?, complete: row.get(2)?, whole_from })
        });
        Ok(known.optional()?)
    }

    /// Notes what is known of an account.
    pub(super) fn put_account(&self, account: AccountId, known: &KnownAccount) -> Result<(), HistoryError> {
        let insert =
            "INSERT OR REPLACE INTO accounts (account, name, last_seq, complete, whole_from) VALUES (?1, ?2, ?3, ?4, ?5)";
        let whole_from = known.whole_from.map(|order_id| order_id.0);
        let values = rusqlite::params![account.0, known.name, known.last_seq, known.complete, whole_from];
        self.0.prepare_cached(insert)?.execute(values)?;
        Ok(())
    }

    /// An order as it is now.
    pub(super) fn order(&self, order_id: OrderId) -> Result<Option<Order>, HistoryError> {
        let query = concat!("SELECT ", order_columns!(), " FROM orders WHERE order_id = ?1");
        Ok(self.0.prepare_cached(query)?.query_row([order_id.0], row::read).optional()?)
    }

    /// Writes an order that was not there.
    pub(super) fn insert_order(&self, order: &Order) -> Result<(), HistoryError> {
        let insert = concat!(
            "INSERT INTO orders (",
            order_columns!(),
            ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)"
        );
        Ok(row::write(order, &mut self.0.prepare_cached(insert)?)?)
    }

    /// Writes what an order has become.
    pub(super) fn update_order(&self, order: &Order) -> Result<(), HistoryError> {
        let update = "UPDATE orders SET quantity = ?9, price = ?10, trigger_price = ?11, status = ?12, cum_qty = ?13, \
                      leaves_qty = ?14, avg_price = ?15, code = ?16, reason = ?17, updated_at = ?19, expire_at = ?8, \
                      time_in_force = ?7 WHERE order_id = ?1 AND account = ?2";
        Ok(row::write(order, &mut self.0.prepare_cached(update)?)?)
    }

    /// Writes an execution.
    pub(super) fn insert_execution(&self, values: &[&dyn rusqlite::ToSql; 13]) -> Result<(), HistoryError> {
        let insert = "INSERT INTO executions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
        self.0.prepare_cached(insert)?.execute(values)?;
        Ok(())
    }

    /// Ends the transaction: all that comes before `position` in the log of this number is taken in.
    pub(super) fn commit(self, log: u64, position: Position) -> Result<(), HistoryError> {
        let update = "UPDATE meta SET log = ?1, segment = ?2, position = ?3";
        let values = rusqlite::params![log.cast_signed(), position.segment, position.offset];
        self.0.prepare_cached(update)?.execute(values)?;
        Ok(self.0.commit()?)
    }
}
