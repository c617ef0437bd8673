//! The read model: what every GET answers from. Fed by each released batch, before the stream and the replies.
//!
//! In: [`Changes`]. Out: copies of orders, books, trades and balances. One lock, held for one batch or one answer at a time.
//!
//! A closed order leaves once its [`Keeper`] has it, or, if that falls far behind, when there is no more room: then what is
//! known of it is that it was forgotten, and up to which execution the keeper must come to know it.
//!
//! Limits: all open orders, and the last 131,072 that closed, up to 524,288 while the keeper is behind; the last 1,024
//! trades of each instrument. Costs: O(log n) a change, O(answer) a read.

mod account;
mod market;

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

pub use account::{Balance, Found, Listed, OrdersQuery, StatusFilter};
pub use market::{Book, TRADES_KEPT};

use crate::domain::{
    AccountId, AccountName, Instrument, InstrumentId, LevelChange, Order, OrderId, Seq, Side, Symbol, TradeReport,
};
use account::Account;
use market::Market;

/// How many closed orders an order that closes may push out: more than one, so that a crowd which waited for the keeper
/// gets smaller, and few, so that nobody waits for that.
const FORGOTTEN_AT_ONCE: usize = 2;

/// Who keeps closed orders after this model.
pub trait Keeper: std::fmt::Debug + Send + Sync {
    /// Whether it has an account's executions up to this one.
    fn has(&self, account: AccountId, seq: Seq) -> bool;
}

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How many closed orders are kept, over all accounts, once the keeper has them or if there is none.
    pub closed_kept: usize,
    /// How many are kept while the keeper does not have them.
    pub closed_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { closed_kept: 131_072, closed_max: 524_288 }
    }
}

/// What a batch changed.
#[derive(Debug, Default)]
pub struct Changes {
    /// Orders as they now are; where one occurs again, the later is the newer.
    pub orders: Vec<Arc<Order>>,
    /// The last execution of every account that has one in the batch.
    pub last_seqs: Vec<(AccountId, Seq)>,
    /// Public trades, in order.
    pub trades: Vec<(InstrumentId, TradeReport)>,
    /// Each book's new number and its changed levels, one entry a level.
    pub books: Vec<(InstrumentId, u64, Vec<LevelChange>)>,
    /// All balances of every account that has one that changed.
    pub balances: Vec<(AccountId, Vec<Balance>)>,
    /// Instruments that were halted (true) or resumed, in order.
    pub halts: Vec<(InstrumentId, bool)>,
}

/// What everyone may read.
#[derive(Debug, Default)]
pub struct ReadModel {
    instruments: Arc<[Instrument]>,
    symbols: HashMap<Symbol, InstrumentId>,
    accounts: Arc<[AccountName]>,
    settings: Settings,
    keeper: Option<Arc<dyn Keeper>>,
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    accounts: Vec<Account>,
    markets: Vec<Market>,
    /// Closed orders, in the order in which they closed.
    closed: VecDeque<Closed>,
}

/// A closed order, and an execution that is not before the one that closed it.
#[derive(Clone, Copy, Debug)]
struct Closed {
    account: AccountId,
    order_id: OrderId,
    seq: Seq,
}

impl ReadModel {
    /// A model of nothing. Without a keeper, closed orders are forgotten for good.
    pub fn new(settings: Settings, keeper: Option<Arc<dyn Keeper>>) -> Self {
        Self { settings, keeper, ..Self::default() }
    }

    /// Learns of instruments and accounts, each at the place of its id. Those it knows keep what it knows of them.
    pub fn define(&mut self, instruments: &[Instrument], accounts: Vec<AccountName>) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        state.markets.resize_with(instruments.len(), Market::default);
        state.accounts.resize_with(accounts.len(), Account::default);
        self.symbols = instruments.iter().map(|instrument| (instrument.spec.symbol, instrument.id)).collect();
        self.instruments = instruments.into();
        self.accounts = accounts.into();
    }

    /// Takes in what a venue knew when it stopped: its open orders, and the rest of what `known` has. Orders up to `last_order` that
    /// are not among them have ended, and are with the keeper alone.
    pub fn restore(&mut self, open: impl Iterator<Item = Order>, known: Changes, last_order: OrderId) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        for order in open {
            state.put(Arc::new(order));
        }
        for (account, seq) in &known.last_seqs {
            if let Some(account) = state.accounts.get_mut(account.0 as usize) {
                account.forgotten_through(*seq, last_order);
            }
        }
        self.apply(known);
    }

    /// Every instrument, at the place of its id.
    pub fn instruments(&self) -> &Arc<[Instrument]> {
        &self.instruments
    }

    /// The instrument of a symbol.
    pub fn instrument(&self, symbol: &Symbol) -> Option<&Instrument> {
        self.instruments.get(self.symbols.get(symbol)?.0 as usize)
    }

    /// Every account's name, at the place of its id.
    pub fn accounts(&self) -> &Arc<[AccountName]> {
        &self.accounts
    }

    /// The account of a name.
    pub fn account_id(&self, name: &str) -> Option<AccountId> {
        self.accounts.iter().zip(0..).find(|(account, _)| account.as_str() == name).map(|(_, id)| AccountId(id))
    }

    /// The name of an account.
    pub fn account_name(&self, account: AccountId) -> Option<&AccountName> {
        self.accounts.get(account.0 as usize)
    }

    /// Takes in what a batch changed.
    pub fn apply(&self, changes: Changes) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        for (account, seq) in changes.last_seqs {
            if let Some(account) = state.accounts.get_mut(account.0 as usize) {
                account.last_seq = seq;
            }
        }
        for order in changes.orders {
            if let Some(closed) = state.put(order) {
                state.closed.push_back(closed);
                self.forget(&mut state);
            }
        }
        for (instrument, trade) in changes.trades {
            if let Some(market) = state.markets.get_mut(instrument.0 as usize) {
                market.traded(trade);
            }
        }
        for (instrument, seq, levels) in changes.books {
            if let Some(market) = state.markets.get_mut(instrument.0 as usize) {
                market.changed(seq, &levels);
            }
        }
        for (instrument, halted) in changes.halts {
            if let Some(market) = state.markets.get_mut(instrument.0 as usize) {
                market.halted = halted;
            }
        }
        for (account, balances) in changes.balances {
            if let Some(account) = state.accounts.get_mut(account.0 as usize) {
                account.balances = balances;
            }
        }
    }

    /// An order of an account.
    pub fn order(&self, account: AccountId, order_id: OrderId) -> Found {
        let state = self.read();
        match state.accounts.get(account.0 as usize).and_then(|account| account.order(order_id)) {
            Some(order) => Found::Order(order.clone()),
            None => state.accounts.get(account.0 as usize).map_or(Found::Unknown, |account| account.missing(order_id)),
        }
    }

    /// The orders of an account that a query asks for, newest first; each as it was when it was looked at.
    pub fn orders(&self, account: AccountId, query: &OrdersQuery) -> Listed {
        let (mut found, mut after) = (Vec::new(), query.after);
        loop {
            let state = self.read();
            let Some(account) = state.accounts.get(account.0 as usize) else { return Listed::default() };
            after = account.look(query, after, &mut found);
            if after.is_none() {
                return account.listed(query, found);
            }
        }
    }

    /// How many open orders an account has, and its balances.
    pub fn account(&self, account: AccountId) -> (usize, Vec<Balance>) {
        let state = self.read();
        let account = state.accounts.get(account.0 as usize);
        account.map(|account| (account.open_orders(), account.balances.clone())).unwrap_or_default()
    }

    /// Whether an instrument takes no new orders.
    pub fn is_halted(&self, instrument: InstrumentId) -> bool {
        self.read().markets.get(instrument.0 as usize).is_some_and(|market| market.halted)
    }

    /// The best `depth` levels of a book.
    pub fn book(&self, instrument: &Instrument, depth: usize) -> Book {
        let state = self.read();
        state.markets.get(instrument.id.0 as usize).map(|market| market.book(instrument, depth)).unwrap_or_default()
    }

    /// The newest `limit` trades of an instrument, newest first.
    pub fn trades(&self, instrument: InstrumentId, limit: usize) -> Vec<TradeReport> {
        let state = self.read();
        state.markets.get(instrument.0 as usize).map(|market| market.trades(limit)).unwrap_or_default()
    }

    /// How many orders are open, over all accounts.
    pub fn open_orders(&self) -> usize {
        self.read().accounts.iter().map(Account::open_orders).sum()
    }

    /// Forgets closed orders that are too many, oldest first.
    fn forget(&self, state: &mut State) {
        let Settings { closed_kept, closed_max } = self.settings;
        for _ in 0..FORGOTTEN_AT_ONCE {
            if state.closed.len() <= closed_kept {
                return;
            }
            let Some(&Closed { account, order_id, seq }) = state.closed.front() else { return };
            let kept_elsewhere = self.keeper.as_ref().is_none_or(|keeper| keeper.has(account, seq));
            if state.closed.len() <= closed_max && !kept_elsewhere {
                return;
            }
            state.closed.pop_front();
            if let Some(account) = state.accounts.get_mut(account.0 as usize) {
                account.forget(order_id, seq);
            }
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        // A panic while applying ends the process.
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Keeps an order as it is now; tells if it has closed.
    fn put(&mut self, order: Arc<Order>) -> Option<Closed> {
        let (account, order_id) = (order.account, order.order_id);
        let terminal = order.status.is_terminal();
        let of = self.accounts.get_mut(account.0 as usize)?;
        of.put(order);
        terminal.then_some(Closed { account, order_id, seq: of.last_seq })
    }
}

/// Which side a list of levels is of, best first: bids go down, asks go up.
fn best_first<T>(levels: impl DoubleEndedIterator<Item = T>, side: Side) -> impl Iterator<Item = T> {
    let mut levels = levels;
    std::iter::from_fn(move || match side {
        Side::Buy => levels.next_back(),
        Side::Sell => levels.next(),
    })
}
