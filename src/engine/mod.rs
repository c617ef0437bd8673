//! The engine: all trading state of a venue, and what each command makes of it.
//!
//! In: numbered, stamped [`Command`]s. Out: [`Events`], appended to a buffer that the caller reuses, and an [`Outcome`].
//! A pure function of its arguments and state: no clock, no I/O, no randomness, no hash maps. Same commands, same bytes.
//!
//! Within one [`Engine::apply`]: first what is due by `now` (orders whose time is up, accounts whose `cancel-after` is), then
//! the command, then the stops it triggered, and theirs, until none is left. A stop is triggered by the trade or quote that
//! reaches it and trades once what caused that has finished; the nearest trigger goes first, then the oldest. Of a trade, the
//! taker's execution comes before the maker's.
//!
//! Invariants, asserted in release builds: the status table; `cum_qty + leaves_qty ≤ quantity`, the difference being what
//! self-trade prevention took; no client order crosses any level; the [`ledger`]'s. The engine is total: whatever is in a command, it
//! answers, without overflow and in time bounded by the orders it touches. A broken assertion is a bug, and stops the process.
//!
//! Reading order: [`book`] (prices and queues), [`market`] and [`rules`] (one instrument), [`orders`], [`terms`], [`closed`], [`open`], [`ledger`], then what happens:
//! `check`, `place`, `hold`, `matching`, `trade`, `trigger`, `change`, `quote`, `expiry`, `define`, and what can be seen: `report`, `view`, `hash`, `audit`; `state` is all of
//! it as bytes, and `ahead` looks at what is to come.

#![deny(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::float_arithmetic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used
)]

pub mod book;
mod table;

mod closed;
mod index;
mod ledger;
mod market;
mod open;
mod orders;
mod rules;
mod terms;

mod change;
mod check;
mod define;
mod expiry;
mod hold;
mod matching;
mod place;
mod quote;
mod report;
mod trade;
mod trigger;

mod ahead;
mod audit;
mod hash;
mod state;
mod view;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ledger::Ledger;
use market::Market;
use orders::Orders;
use table::Table;

pub use ahead::AHEAD_MAX;
pub use state::StateError;
pub use table::NONE;
pub use view::{AccountView, Balance, OrderView, Prices};

use crate::domain::{Command, Deposit, Events, ExchangeName, Instrument, InstrumentId, Nanos, Outcome};

/// Open orders of a venue, of all accounts: with [`crate::domain::Money::BALANCE_MAX`] this bounds every balance.
pub const OPEN_ORDERS_MAX: u32 = 100_000_000;

/// The version of the rules by which commands are executed. It is raised with every change that lets the same commands come
/// to other executions: what was kept under other rules is not replayed under these.
pub const RULES: u32 = 4;

/// The largest [`Limits::closed_kept`].
const CLOSED_KEPT_MAX: u32 = 1_000_000_000;

/// What an engine may keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Ended orders that are still known, so that a cancel that comes too late by no more endings than that gets a
    /// `cancel_rejected`; a later one names nothing that the engine knows. At most 10^9, 68 bytes each.
    pub closed_kept: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { closed_kept: 8_192 }
    }
}

/// All trading state of a venue.
#[derive(Debug)]
pub struct Engine {
    instruments: Vec<Instrument>,
    markets: Table<Market>,
    orders: Orders,
    ledger: Ledger,
    exchanges: Vec<ExchangeName>,
    exchange_ids: BTreeMap<ExchangeName, u32>,
    /// When open orders end, then their ids.
    order_ends: BTreeSet<(i64, u64)>,
    /// When accounts' orders are canceled, then the accounts.
    account_ends: BTreeSet<(i64, u32)>,
    /// The earliest of both; [`terms::NEVER`] if there is none.
    next_due: i64,
    /// Stops whose trigger was reached during this command, in the order in which they will trade.
    triggered: VecDeque<u32>,
    open_orders: u32,
    last: Counters,
    /// The number and time of the command that is being applied.
    seq: u64,
    now: i64,
}

/// The last ids given out.
#[derive(Clone, Copy, Debug, Default)]
struct Counters {
    order: u64,
    execution: u64,
    trade: u64,
}

impl Engine {
    /// An engine that knows nothing yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            instruments: Vec::new(),
            markets: Table::new(),
            orders: Orders::new(u32::try_from(limits.closed_kept).unwrap_or(NONE).min(CLOSED_KEPT_MAX)),
            ledger: Ledger::default(),
            exchanges: Vec::new(),
            exchange_ids: BTreeMap::new(),
            order_ends: BTreeSet::new(),
            account_ends: BTreeSet::new(),
            next_due: terms::NEVER,
            triggered: VecDeque::new(),
            open_orders: 0,
            last: Counters::default(),
            seq: 0,
            now: i64::MIN,
        }
    }

    /// Applies a command and appends what it did to `events`. `now` never goes back; an earlier one counts as the last.
    ///
    /// # Panics
    ///
    /// If `seq` is not above that of the command before, or an invariant is broken: then state can no longer be trusted.
    pub fn apply(&mut self, seq: u64, now: Nanos, command: &Command, events: &mut Events) -> Outcome {
        assert!(seq > self.seq, "commands are applied once, in order");
        self.seq = seq;
        self.now = self.now.max(now.0);
        if self.next_due <= self.now {
            self.expire_due(events);
        }
        // Placing stays here, what is rarer is called: what is run most stays close together.
        match command {
            Command::Place(place) => self.place(place, events),
            Command::Cancel { account, order_id } => self.cancel(account.0, order_id.0, events),
            Command::CancelAll(cancel_all) => self.cancel_all(cancel_all, events),
            Command::Replace(replace) => self.replace(replace, events),
            Command::Quote(quote) => self.quote(quote, events),
            Command::WithdrawQuotes { exchange, instrument, more } => {
                self.withdraw_quotes(exchange, *instrument, *more, events)
            }
            Command::CancelAfter { account, timeout_ns } => self.cancel_after(account.0, *timeout_ns),
            Command::Deposit(Deposit { account, asset, amount, .. }) => self.deposit(account.0, *asset, *amount),
            Command::DefineInstrument(spec) => self.define_instrument(spec, events),
            Command::OpenAccount(spec) => self.open_account(spec),
            Command::Halt(instrument) => self.set_halted(*instrument, true),
            Command::Resume(instrument) => self.set_halted(*instrument, false),
            Command::Tick => Outcome::Done,
        }
    }

    /// The number of a market that exists.
    fn market_of(&self, instrument: InstrumentId) -> Option<u32> {
        self.markets.contains(instrument.0).then_some(instrument.0)
    }
}

#[cfg(test)]
mod tests;
