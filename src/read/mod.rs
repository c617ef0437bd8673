//! The read model: what every GET answers from. Fed by each released batch, before the stream and the replies.
//!
//! In: [`Changes`]. Out: copies of orders, books, trades and balances. One lock, held for one batch or one answer at a time.
//!
//! Limits: all open orders, and the last 131,072 that closed; the last 1,024 trades of each instrument. Costs: O(log n) a
//! change, O(answer) a read.

mod account;
mod market;

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

pub use account::{Balance, Found, OrdersQuery, StatusFilter};
pub use market::Book;

use crate::domain::{
    AccountId, AccountName, Instrument, InstrumentId, LevelChange, Order, OrderId, Side, Symbol, TradeReport,
};
use account::Account;
use market::Market;

/// How many closed orders are kept, over all accounts.
const CLOSED_KEPT: usize = 131_072;

/// What a batch changed.
#[derive(Debug, Default)]
pub struct Changes {
    /// Orders as they now are; where one occurs again, the later is the newer.
    pub orders: Vec<Arc<Order>>,
    /// Public trades, in order.
    pub trades: Vec<(InstrumentId, TradeReport)>,
    /// Each book's new number and its changed levels, one entry a level.
    pub books: Vec<(InstrumentId, u64, Vec<LevelChange>)>,
    /// All balances and the number of open orders of every account that changed.
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
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    accounts: Vec<Account>,
    markets: Vec<Market>,
    /// Closed orders, in the order in which they closed.
    closed: VecDeque<(AccountId, OrderId)>,
    last_order_id: OrderId,
    /// Orders up to this one may have ended before the venue was started.
    forgotten: OrderId,
}

impl ReadModel {
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
    /// are not among them have ended, and are not kept here.
    pub fn restore(&mut self, open: impl Iterator<Item = Order>, known: Changes, last_order: OrderId) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        open.for_each(|order| state.put(Arc::new(order)));
        (state.last_order_id, state.forgotten) = (last_order, last_order);
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
        for order in changes.orders {
            state.put(order);
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
            None if order_id.0 > 0
                && (order_id <= state.forgotten || state.kept_from().is_some_and(|oldest| order_id < oldest)) =>
            {
                Found::Gone
            }
            None => Found::Unknown,
        }
    }

    /// The orders of an account that a query asks for, newest first.
    pub fn orders(&self, account: AccountId, query: &OrdersQuery) -> Vec<Arc<Order>> {
        let state = self.read();
        state.accounts.get(account.0 as usize).map(|account| account.orders(query)).unwrap_or_default()
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

    fn read(&self) -> RwLockReadGuard<'_, State> {
        // A panic while applying ends the process.
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn put(&mut self, order: Arc<Order>) {
        self.last_order_id = self.last_order_id.max(order.order_id);
        let (account_id, order_id) = (order.account, order.order_id);
        let closed = order.status.is_terminal();
        let Some(account) = self.accounts.get_mut(account_id.0 as usize) else { return };
        account.put(order);
        if !closed {
            return;
        }
        self.closed.push_back((account_id, order_id));
        if self.closed.len() > CLOSED_KEPT
            && let Some((account, order_id)) = self.closed.pop_front()
            && let Some(account) = self.accounts.get_mut(account.0 as usize)
        {
            account.forget(order_id);
        }
    }

    /// Once orders have been forgotten: an id below which they may be.
    fn kept_from(&self) -> Option<OrderId> {
        (self.closed.len() >= CLOSED_KEPT).then_some(self.last_order_id)
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
