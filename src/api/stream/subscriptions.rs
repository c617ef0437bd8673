//! What one connection follows: a cursor into each log it asked for.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    future::Future,
    pin::Pin,
    sync::Arc,
};

use bytes::Bytes;

use super::super::{Problem, State};
use crate::domain::{AccountId, Symbol};
use crate::stream::{Executions, Log, Older, Read};

/// How many bytes of executions are taken from memory, where they are shared, at a time.
const READ_BYTES: usize = 256 * 1024;
/// How many bytes of executions are taken from disk at a time, for this connection alone.
const DISK_READ_BYTES: usize = 64 * 1024;
/// How many bytes are taken from each public log at a time.
const PUBLIC_READ_BYTES: usize = 32 * 1024;
/// The most symbols that one request may name.
const SYMBOLS_MAX: usize = 256;

/// A channel that can be subscribed to. `status` is sent to everyone, asked for or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Channel {
    Executions,
    Trades,
    Book,
    Quotes,
    Best,
    Queue,
    Status,
}

impl Channel {
    const ALL: [(&'static str, Self); 7] = [
        ("executions", Self::Executions),
        ("trades", Self::Trades),
        ("book", Self::Book),
        ("quotes", Self::Quotes),
        ("best", Self::Best),
        ("queue", Self::Queue),
        ("status", Self::Status),
    ];

    fn parse(text: &str) -> Result<Self, Problem> {
        let found = Self::ALL.into_iter().find(|(word, _)| *word == text);
        found.map(|(_, channel)| channel).ok_or_else(|| {
            let words: Vec<&str> = Self::ALL.iter().map(|(word, _)| *word).collect();
            Problem::bad_request("unknown_channel", format!("A channel must be one of {}", words.join(", ")))
        })
    }
}

/// What a client asked to follow, or not to follow any more.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    channels: Vec<Channel>,
    /// Of public channels, these only; `None`: all there are and will be.
    symbols: Option<Vec<Symbol>>,
    /// Executions from here on; `None`: from now on.
    from_seq: Option<u64>,
}

impl Wish {
    /// The same, with executions from the one after `last_seq` on instead of from now on.
    pub(super) fn starting_after(self, last_seq: Option<u64>) -> Self {
        Self { from_seq: self.from_seq.or(last_seq.map(|last_seq| last_seq + 1)), ..self }
    }

    /// How many logs it means at the most.
    pub(super) fn logs(&self, state: &State) -> usize {
        let logs = |channel: &Channel| match (channel, &self.symbols) {
            (Channel::Status, _) => 0,
            (Channel::Executions | Channel::Best | Channel::Queue, _) => 1,
            (Channel::Trades | Channel::Book | Channel::Quotes, Some(symbols)) => symbols.len(),
            (Channel::Trades | Channel::Book, None) => state.read.instruments().len(),
            (Channel::Quotes, None) => state.hub.quoted().len(),
        };
        self.channels.iter().map(logs).sum()
    }

    /// Whether only the account's own connections may follow some of it.
    pub(super) fn is_private(&self) -> bool {
        self.channels.contains(&Channel::Executions)
    }

    /// Reads what a client asked for.
    pub(super) fn parse(
        state: &State,
        channels: &[impl AsRef<str>],
        symbols: Option<&[impl AsRef<str>]>,
        from_seq: Option<u64>,
    ) -> Result<Self, Problem> {
        // Each once: a channel or symbol that is named often is not worth more.
        let channels = channels.iter().map(|word| Channel::parse(word.as_ref())).collect::<Result<BTreeSet<_>, _>>()?;
        let channels: Vec<Channel> = channels.into_iter().collect();
        let Some(symbols) = symbols else { return Ok(Self { channels, symbols: None, from_seq }) };
        if symbols.len() > SYMBOLS_MAX {
            return Err(Problem::bad_request("too_many_symbols", format!("At most {SYMBOLS_MAX} symbols may be named")));
        }
        let quoted = state.hub.quoted();
        let known = |text: &str| {
            let symbol = Symbol::parse_path(text).ok()?;
            (state.read.instrument(&symbol).is_some() || quoted.contains(&symbol)).then_some(symbol)
        };
        let symbols = symbols.iter().map(|text| {
            let text = text.as_ref();
            known(text).ok_or_else(|| Problem::not_found("unknown_symbol", format!("Unknown symbol: {text:.32}")))
        });
        let symbols = symbols.collect::<Result<BTreeSet<_>, _>>()?;
        Ok(Self { channels, symbols: Some(symbols.into_iter().collect()), from_seq })
    }
}

/// A place in a log.
#[derive(Debug)]
struct Cursor {
    log: Arc<Log>,
    /// The next frame to send.
    seq: u64,
}

/// The account's executions, on their way to one connection.
struct Following {
    account: AccountId,
    log: Executions,
    /// The next frame to send.
    seq: u64,
    /// What is being read from disk, while the next frame is not in memory any more.
    reading: Option<Pin<Box<dyn Future<Output = Older> + Send>>>,
    /// Whether the connection has been at the end.
    live: bool,
    /// Until where it catches up with what one batch brought.
    excused: u64,
}

/// Why a connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// It asked for executions that are not kept, or do not exist yet.
    Gap {
        /// The oldest that is kept.
        oldest_seq: u64,
        /// The last there is.
        last_seq: u64,
    },
    /// It fell too far behind.
    Slow {
        /// The last there is.
        last_seq: u64,
    },
    /// What it is to get next cannot be read; the log says why.
    Unreadable,
}

/// See the module.
pub(super) struct Subscriptions {
    executions: Option<Following>,
    public: BTreeMap<(Channel, Option<Symbol>), Cursor>,
    /// Whether symbols that are quoted for the first time are to be followed too.
    all_quotes: bool,
    lag_limit: u64,
}

impl Subscriptions {
    pub(super) fn new(lag_limit: u64) -> Self {
        Self { executions: None, public: BTreeMap::new(), all_quotes: false, lag_limit }
    }

    /// How many logs are followed.
    pub(super) fn logs(&self) -> usize {
        self.public.len() + usize::from(self.executions.is_some())
    }

    /// Follows what is wished for; a book's snapshot goes to `out` at once. Executions that are followed already go on where they are,
    /// unless it is said from where.
    pub(super) fn add(
        &mut self,
        state: &State,
        account: Option<AccountId>,
        wish: &Wish,
        out: &mut VecDeque<Bytes>,
    ) -> Result<(), Lost> {
        for channel in &wish.channels {
            match channel {
                Channel::Executions => self.follow_executions(state, account, wish.from_seq)?,
                Channel::Trades | Channel::Book => {
                    let instruments = state.read.instruments().iter().map(|instrument| instrument.spec.symbol);
                    for symbol in wish.symbols.clone().unwrap_or_else(|| instruments.collect()) {
                        self.follow_market(state, *channel, symbol, out);
                    }
                }
                Channel::Quotes => {
                    self.all_quotes |= wish.symbols.is_none();
                    for symbol in wish.symbols.clone().unwrap_or_else(|| state.hub.quoted()) {
                        if let Some(log) = state.hub.quotes(symbol) {
                            self.follow((Channel::Quotes, Some(symbol)), &log);
                        }
                    }
                }
                Channel::Best => self.follow((Channel::Best, None), state.hub.best()),
                Channel::Queue => self.follow((Channel::Queue, None), state.hub.queue()),
                Channel::Status => {}
            }
        }
        Ok(())
    }

    /// Follows it no more; without symbols, the channel as a whole.
    pub(super) fn remove(&mut self, wish: &Wish) {
        for channel in &wish.channels {
            if *channel == Channel::Executions {
                self.executions = None;
            }
            if *channel == Channel::Quotes {
                self.all_quotes = false;
            }
            self.public.retain(|(followed, symbol), _| {
                let named =
                    wish.symbols.as_ref().is_none_or(|symbols| symbol.is_some_and(|symbol| symbols.contains(&symbol)));
                followed != channel || !named
            });
        }
    }

    fn follow_executions(&mut self, state: &State, account: Option<AccountId>, from_seq: Option<u64>) -> Result<(), Lost> {
        let Some(account) = account else { return Ok(()) };
        if from_seq.is_none() && self.executions.as_ref().is_some_and(|followed| followed.account == account) {
            return Ok(());
        }
        let Some(log) = state.hub.executions(account) else { return Ok(()) };
        let (oldest_seq, last_seq) = (log.oldest_seq(), log.last_seq());
        let seq = from_seq.map_or(last_seq + 1, |seq| seq.max(1));
        if seq < oldest_seq || seq > last_seq + 1 {
            return Err(Lost::Gap { oldest_seq, last_seq });
        }
        self.executions = Some(Following { account, log: log.clone(), seq, reading: None, live: false, excused: 0 });
        Ok(())
    }

    fn follow(&mut self, key: (Channel, Option<Symbol>), log: &Arc<Log>) {
        self.public.entry(key).or_insert_with(|| Cursor { log: log.clone(), seq: log.last_seq() + 1 });
    }

    fn follow_market(&mut self, state: &State, channel: Channel, symbol: Symbol, out: &mut VecDeque<Bytes>) {
        let Some(instrument) = state.read.instrument(&symbol) else { return };
        if channel == Channel::Trades {
            if let Some(log) = state.hub.trades(instrument.id) {
                self.follow((channel, Some(symbol)), log);
            }
        } else if let Some(log) = state.hub.book(instrument.id) {
            let snapshot = state.books.snapshot(&state.read, instrument, log);
            out.push_back(snapshot.frame);
            self.public.insert((channel, Some(symbol)), Cursor { log: log.clone(), seq: snapshot.next_seq });
        }
    }

    /// Follows symbols that were quoted for the first time since the connection asked for all: from their first quote on.
    fn follow_new_quotes(&mut self, state: &State) {
        for symbol in state.hub.quoted() {
            if let Some(log) = state.hub.quotes(symbol) {
                self.public.entry((Channel::Quotes, Some(symbol))).or_insert_with(|| Cursor { log, seq: 1 });
            }
        }
    }

    /// Whether anything is followed but the account's executions.
    pub(super) fn follows_public(&self) -> bool {
        self.all_quotes || !self.public.is_empty()
    }

    /// Takes from the logs what there is for this connection, up to a limit.
    pub(super) fn fill(&mut self, state: &State, out: &mut VecDeque<Bytes>) -> Result<(), Lost> {
        if let Some(executions) = &mut self.executions {
            executions.fill(self.lag_limit, out)?;
        }
        if self.all_quotes {
            self.follow_new_quotes(state);
        }
        for ((channel, symbol), cursor) in &mut self.public {
            match cursor.log.read(cursor.seq, PUBLIC_READ_BYTES, out) {
                Read::Frames { next_seq } => cursor.seq = next_seq,
                // Public channels are conflated for who is slow: a book starts anew, the others go on from the oldest.
                Read::Gone { oldest_seq } => {
                    let instrument =
                        symbol.filter(|_| *channel == Channel::Book).and_then(|symbol| state.read.instrument(&symbol));
                    cursor.seq = instrument.map_or(oldest_seq, |instrument| {
                        let snapshot = state.books.snapshot(&state.read, instrument, &cursor.log);
                        out.push_back(snapshot.frame);
                        snapshot.next_seq
                    });
                }
            }
        }
        Ok(())
    }

    /// Whether anything is being read from disk.
    pub(super) fn is_reading(&self) -> bool {
        self.executions.as_ref().is_some_and(|executions| executions.reading.is_some())
    }

    /// What is being read from disk, once it is there; never, if nothing is. Dropping the future loses nothing.
    pub(super) async fn read(&mut self) -> Result<VecDeque<Bytes>, Lost> {
        match &mut self.executions {
            Some(executions) => executions.read().await,
            None => std::future::pending().await,
        }
    }

    /// How many of the account's executions the connection has not been sent yet, if it follows them.
    pub(super) fn lag(&self) -> Option<u64> {
        self.executions.as_ref().map(|following| (following.log.last_seq() + 1).saturating_sub(following.seq))
    }

    /// Checks that a connection that takes nothing at the moment is not too far behind.
    pub(super) fn check_lag(&mut self) -> Result<(), Lost> {
        match &mut self.executions {
            Some(executions) => executions.check_lag(self.lag_limit),
            None => Ok(()),
        }
    }
}

impl Following {
    fn fill(&mut self, lag_limit: u64, out: &mut VecDeque<Bytes>) -> Result<(), Lost> {
        self.check_lag(lag_limit)?;
        if self.reading.is_some() {
            return Ok(());
        }
        let last_seq = self.log.last_seq();
        match self.log.newer(self.seq, READ_BYTES, out) {
            Some(Read::Frames { next_seq }) => {
                self.seq = next_seq;
                self.live |= next_seq > last_seq;
            }
            Some(Read::Gone { .. }) if self.live => return Err(Lost::Slow { last_seq }),
            Some(Read::Gone { oldest_seq }) => return Err(Lost::Gap { oldest_seq, last_seq }),
            None => self.reading = Some(Box::pin(self.log.older(self.seq, DISK_READ_BYTES))),
        }
        Ok(())
    }

    async fn read(&mut self) -> Result<VecDeque<Bytes>, Lost> {
        let Some(reading) = &mut self.reading else { return std::future::pending().await };
        let older = reading.await;
        self.reading = None;
        match older {
            Ok((runs, Read::Frames { next_seq })) => {
                self.seq = next_seq;
                Ok(runs)
            }
            Ok((_, Read::Gone { oldest_seq })) => Err(Lost::Gap { oldest_seq, last_seq: self.log.last_seq() }),
            Err(error) => {
                tracing::error!(%error, "executions cannot be read");
                Err(Lost::Unreadable)
            }
        }
    }

    /// Checks that it has not fallen behind. What one batch brings is no falling behind: it is caught up with.
    fn check_lag(&mut self, lag_limit: u64) -> Result<(), Lost> {
        let last_seq = self.log.last_seq();
        if self.live && self.seq >= self.excused && (last_seq + 1).saturating_sub(self.seq) > lag_limit {
            self.excused = self.log.burst_beyond(self.seq, lag_limit).ok_or(Lost::Slow { last_seq })?;
        }
        Ok(())
    }
}
