//! Every log of a venue, by what a subscriber asks for.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use serde::Serialize;
use tokio::sync::watch;

use super::{
    Block, Executions, Log,
    archive::{Archive, ArchiveError},
    encode,
};
use crate::domain::{AccountId, InstrumentId, Seq, Symbol};

/// How many frames of each public log are kept: a reader that falls further behind starts anew.
const PUBLIC_FRAMES_KEPT: u64 = 8_192;
/// How many frames of what each second brings anew.
const SECONDS_KEPT: u64 = 16;
/// How many symbols may have a log of quotes.
const QUOTED_SYMBOLS_MAX: usize = 1_024;

/// The logs of one venue.
#[derive(Debug)]
pub struct Hub {
    /// One a account, by its id.
    executions: Vec<Executions>,
    /// Where they are kept besides.
    archive: Option<Arc<Archive>>,
    /// One an instrument, by its id.
    trades: Vec<Arc<Log>>,
    /// One an instrument, by its id.
    books: Vec<Arc<Log>>,
    /// Each price update, by symbol; symbols need not be instruments.
    quotes: RwLock<BTreeMap<Symbol, Arc<Log>>>,
    /// The best quotes, each second.
    best: Arc<Log>,
    /// The queue's counters, each second.
    queue: Arc<Log>,
    /// How many executions of an account are kept in memory.
    ring: u64,
    /// Changes whenever any public log has grown.
    public: watch::Sender<()>,
}

impl Hub {
    /// A hub that keeps up to `ring` executions of an account in memory.
    pub fn new(ring: u64) -> Self {
        Self {
            executions: Vec::new(),
            archive: None,
            trades: Vec::new(),
            books: Vec::new(),
            quotes: RwLock::default(),
            best: Arc::new(Log::new(1, SECONDS_KEPT)),
            queue: Arc::new(Log::new(1, SECONDS_KEPT)),
            ring,
            public: watch::Sender::new(()),
        }
    }

    /// Keeps the executions of all accounts that are still to be defined in `archive` too.
    pub fn keep(&mut self, archive: Arc<Archive>) {
        self.archive = Some(archive);
    }

    /// Where executions are kept besides the rings, if anywhere.
    pub fn archive(&self) -> Option<&Arc<Archive>> {
        self.archive.as_ref()
    }

    /// Makes logs for so many accounts and instruments; those there are stay as they are.
    pub fn define(&mut self, accounts: usize, instruments: usize) {
        let ring = self.ring;
        for account in (0..).map(AccountId).take(accounts).skip(self.executions.len()) {
            self.executions.push(Executions::new(account, 1, ring, self.archive.clone()));
        }
        self.trades.resize_with(instruments, || Arc::new(Log::new(1, PUBLIC_FRAMES_KEPT)));
        self.books.resize_with(instruments, || Arc::new(Log::new(1, PUBLIC_FRAMES_KEPT)));
    }

    /// Lets the executions of an account that is defined go on with `next_seq`, as after a start from a snapshot: those
    /// before are on disk.
    ///
    /// # Errors
    ///
    /// If the log on disk has some of them, but not the last.
    pub fn resume(&mut self, account: AccountId, next_seq: u64) -> Result<(), ArchiveError> {
        if let Some(archive) = &self.archive {
            archive.expect(account, next_seq)?;
        }
        if let Some(executions) = self.executions.get_mut(account.0 as usize) {
            *executions = Executions::new(account, next_seq, self.ring, self.archive.clone());
        }
        Ok(())
    }

    /// Makes the public logs of instruments that were traded before, given the last sequence of each one's trades and of its book's
    /// changes. What was before is not kept.
    pub fn resume_public(&mut self, last: impl Iterator<Item = (u64, u64)>) {
        let log = |last: u64| Arc::new(Log::new(last + 1, PUBLIC_FRAMES_KEPT));
        (self.trades, self.books) = last.map(|(trades, books)| (log(trades), log(books))).unzip();
    }

    /// Lets the changes of an instrument's book go on after a number that is higher than its last. What was before is not kept.
    pub fn resume_book(&mut self, instrument: InstrumentId, last_seq: u64) {
        if let Some(log) = self.books.get_mut(instrument.0 as usize) {
            *log = Arc::new(Log::new(last_seq + 1, PUBLIC_FRAMES_KEPT));
        }
    }

    /// The executions of an account.
    pub fn executions(&self, account: AccountId) -> Option<&Executions> {
        self.executions.get(account.0 as usize)
    }

    /// The last execution of every account.
    pub fn last_seqs(&self) -> impl Iterator<Item = (AccountId, Seq)> {
        (0..).map(AccountId).zip(self.executions.iter().map(|executions| Seq(executions.last_seq())))
    }

    /// Whether every execution of every account is there, from the first on.
    pub fn is_whole(&self) -> bool {
        self.executions.iter().all(|executions| executions.oldest_seq() == 1)
    }

    /// The trades of an instrument.
    pub fn trades(&self, instrument: InstrumentId) -> Option<&Arc<Log>> {
        self.trades.get(instrument.0 as usize)
    }

    /// The changes of an instrument's book.
    pub fn book(&self, instrument: InstrumentId) -> Option<&Arc<Log>> {
        self.books.get(instrument.0 as usize)
    }

    /// The price updates of a symbol; made on first use, `None` beyond 1,024 symbols.
    pub fn quotes(&self, symbol: Symbol) -> Option<Arc<Log>> {
        if let Some(log) = self.quotes.read().unwrap_or_else(PoisonError::into_inner).get(&symbol) {
            return Some(log.clone());
        }
        let mut quotes = self.quotes.write().unwrap_or_else(PoisonError::into_inner);
        if quotes.len() >= QUOTED_SYMBOLS_MAX && !quotes.contains_key(&symbol) {
            return None;
        }
        Some(quotes.entry(symbol).or_insert_with(|| Arc::new(Log::new(1, PUBLIC_FRAMES_KEPT))).clone())
    }

    /// Every symbol that has been quoted.
    pub fn quoted(&self) -> Vec<Symbol> {
        self.quotes.read().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }

    /// The best quotes, each second.
    pub fn best(&self) -> &Arc<Log> {
        &self.best
    }

    /// The queue's counters, each second.
    pub fn queue(&self) -> &Arc<Log> {
        &self.queue
    }

    /// A receiver that changes whenever any public log has grown.
    pub fn watch_public(&self) -> watch::Receiver<()> {
        self.public.subscribe()
    }

    /// Publishes what a batch brought, the journal's records up to `number`, or a part of that: executions first, then what everyone may
    /// see. Executions then go to disk; if that lags too far, this waits for it.
    pub fn publish(
        &self,
        number: u64,
        is_last: bool,
        executions: Vec<(AccountId, Block)>,
        trades: Vec<(InstrumentId, Block)>,
        books: Vec<(InstrumentId, Block)>,
    ) {
        let public = !trades.is_empty() || !books.is_empty();
        for (account, block) in &executions {
            if let Some(log) = self.executions(*account) {
                log.append(block.clone(), number);
            }
        }
        for (instrument, block) in trades {
            if let Some(log) = self.trades(instrument) {
                log.append(block);
            }
        }
        for (instrument, block) in books {
            if let Some(log) = self.book(instrument) {
                log.append(block);
            }
        }
        if public {
            self.public.send_replace(());
        }
        if let Some(archive) = &self.archive {
            archive.append(is_last.then_some(number), &executions);
        }
    }

    /// Publishes one frame of a public channel.
    pub fn publish_frame(&self, log: &Log, channel: &'static str, body: &impl Serialize) {
        log.push(|into| encode::channel(channel, body, into));
        self.public.send_replace(());
    }
}
