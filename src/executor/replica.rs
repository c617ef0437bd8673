//! A replica: what the executor would be after the records it was given, without what it would show of each.
//!
//! In: records that were kept, and what a snapshot held. Out: the state after them, and a hash that tells whether they came out as
//! they did. It is how a start gets past what was already shown, and how snapshots are made without the executor.
//!
//! A snapshot's payload, little-endian:
//!
//! ```text
//! version u32 · ids u64 · instruments u32 × (last trade's seq u64, last change's seq u64, trades u32 × trade) · the engine's state
//! trade: trade_id u64, price, quantity, taker's side u8, ts i64          price, quantity: scale u8, mantissa i64
//! ```

use std::collections::VecDeque;

use crate::domain::{Decimal, Events, Instrument, InstrumentId, Nanos, Order, Outcome, Side, TradeId, TradeReport};
use crate::engine::{Engine, Limits, OrderView, StateError};
use crate::journal::Record;
use crate::read::TRADES_KEPT;

/// The version of the payload.
const VERSION: u32 = 1;
/// Memory of so many executions at most is kept from one frame to the next.
const EVENTS_KEPT: usize = 65_536;
/// Bytes of a trade.
const TRADE: usize = 35;

/// Why a snapshot's payload cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplicaError {
    /// Another version of this program wrote it.
    #[error("it has version {0}, and this program reads version {VERSION} only")]
    Version(u32),
    /// What stands around the engine's state is not what was written.
    #[error("it is cut short, or not what was written")]
    Invalid,
    /// The engine's state is none.
    #[error(transparent)]
    State(#[from] StateError),
}

/// What is public of an instrument, besides its book.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Public {
    /// The sequence of its last trade.
    pub trades: u64,
    /// The sequence of its book's last change, or a later one, at most the number of the last record.
    pub books: u64,
    /// Its last trades, oldest first.
    pub recent: VecDeque<TradeReport>,
}

impl Public {
    fn traded(&mut self, trade: TradeReport) {
        self.trades += 1;
        if self.recent.len() == TRADES_KEPT {
            self.recent.pop_front();
        }
        self.recent.push_back(trade);
    }
}

/// All that an executor knows between two batches.
#[derive(Debug)]
pub struct Replica {
    pub(super) engine: Engine,
    /// The number of the last record.
    pub(super) number: u64,
    /// Its stamp.
    pub(super) stamp: Nanos,
    /// By instrument.
    pub(super) public: Vec<Public>,
    events: Events,
    executions: u64,
}

impl Replica {
    /// What there is before the first record.
    pub fn new(limits: Limits) -> Self {
        Self::of(Engine::new(limits), 0, Nanos(0), Vec::new())
    }

    pub(super) fn of(engine: Engine, number: u64, stamp: Nanos, public: Vec<Public>) -> Self {
        Self { engine, number, stamp, public, events: Events::default(), executions: 0 }
    }

    /// The engine, to look at.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The number of the last record.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The stamp of the last record.
    pub fn stamp(&self) -> Nanos {
        self.stamp
    }

    /// What is public of each instrument, by its id.
    pub fn public(&self) -> &[Public] {
        &self.public
    }

    /// Takes in what was shown of each instrument.
    pub fn show(&mut self, public: impl Fn(InstrumentId) -> Public) {
        self.public = (0..).map(InstrumentId).take(self.engine.instruments().len()).map(public).collect();
    }

    /// How many executions the records came to that it was given.
    pub fn executions(&self) -> u64 {
        self.executions
    }

    /// Applies records that were kept together, and appends what became of each to `outcomes`. The wrapping sum of the digests of all
    /// their executions: if it is what it was then, so is everything else.
    pub fn replay(&mut self, records: &[Record], outcomes: &mut Vec<Outcome>) -> u64 {
        let mut hash = 0u64;
        self.events.clear();
        for Record { number, stamp, command } in records {
            let first = self.events.executions.len();
            (self.number, self.stamp) = (*number, *stamp);
            outcomes.push(self.engine.apply(*number, *stamp, command, &mut self.events));
            let new = self.events.executions.get(first..).unwrap_or_default();
            hash = new.iter().fold(hash, |hash, execution| hash.wrapping_add(execution.digest()));
        }
        self.executions += self.events.executions.len() as u64;
        self.publish();
        if self.events.executions.len() > EVENTS_KEPT {
            self.events = Events::default();
        }
        hash
    }

    /// Counts what the records made public. A book has a number for each batch that changed it, and which of the records were a batch
    /// is not known any more: but there were no more of them than records, so that a record's own number was not used before it.
    fn publish(&mut self) {
        self.public.resize_with(self.engine.instruments().len(), Public::default);
        for trade in &self.events.trades {
            let instrument = self.engine.instrument(trade.instrument);
            if let Some((public, instrument)) = public_of(&mut self.public, trade.instrument).zip(instrument) {
                public.traded(TradeReport::new(trade, instrument));
            }
        }
        let mut changed: Vec<InstrumentId> = self.events.levels.iter().map(|level| level.instrument).collect();
        changed.sort_unstable();
        changed.dedup();
        for instrument in changed {
            if let Some(public) = public_of(&mut self.public, instrument) {
                public.books = self.number;
            }
        }
    }

    /// Lets the numbers of each book that was changed go on after the number of the last record: as many may have been used.
    pub fn resume_books(&mut self) {
        for public in self.public.iter_mut().filter(|public| public.books > 0) {
            public.books = self.number;
        }
    }

    /// The payload of a snapshot; `ids` is the number of the newest file of client ids that goes with it.
    pub fn save(&self, ids: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&ids.to_le_bytes());
        put_count(self.public.len(), &mut bytes);
        for Public { trades, books, recent } in &self.public {
            bytes.extend_from_slice(&trades.to_le_bytes());
            bytes.extend_from_slice(&books.to_le_bytes());
            put_count(recent.len(), &mut bytes);
            for trade in recent {
                bytes.extend_from_slice(&trade.trade_id.0.to_le_bytes());
                put_decimal(trade.price, &mut bytes);
                put_decimal(trade.quantity, &mut bytes);
                bytes.push(trade.taker_side as u8);
                bytes.extend_from_slice(&trade.ts.0.to_le_bytes());
            }
        }
        self.engine.save(&mut bytes);
        bytes
    }

    /// The replica that was saved, and the number of the newest file of client ids that goes with it.
    ///
    /// # Errors
    ///
    /// [`ReplicaError`] says what is wrong with the bytes.
    pub fn restore(payload: &[u8], number: u64, stamp: Nanos) -> Result<(Self, u64), ReplicaError> {
        let mut from = Bytes(payload);
        let version = from.u32()?;
        if version != VERSION {
            return Err(ReplicaError::Version(version));
        }
        let ids = from.u64()?;
        let mut public = Vec::new();
        for _ in 0..from.u32()? {
            let mut of = Public { trades: from.u64()?, books: from.u64()?, recent: VecDeque::new() };
            let recent = from.u32()? as usize;
            if recent > TRADES_KEPT || recent > from.0.len() / TRADE {
                return Err(ReplicaError::Invalid);
            }
            for _ in 0..recent {
                of.recent.push_back(from.trade()?);
            }
            public.push(of);
        }
        let engine = Engine::restore(from.0)?;
        if public.len() != engine.instruments().len() {
            return Err(ReplicaError::Invalid);
        }
        for (public, instrument) in public.iter_mut().zip(engine.instruments()) {
            name_trades(public, instrument);
        }
        Ok((Self::of(engine, number, stamp, public), ids))
    }
}

/// An open order as everyone is shown it.
pub fn shown(order: &OrderView, instrument: &Instrument) -> Order {
    Order {
        order_id: order.order_id,
        client_order_id: order.client_order_id,
        account: order.account,
        symbol: instrument.spec.symbol,
        side: order.side,
        order_type: order.order_type,
        time_in_force: order.time_in_force,
        expire_at: order.expire_at,
        quantity: instrument.quantity_decimal(order.quantity),
        price: order.price.map(|price| instrument.price_decimal(price)),
        trigger_price: order.trigger_price.map(|price| instrument.price_decimal(price)),
        status: order.status,
        cum_qty: instrument.quantity_decimal(order.cum_qty),
        leaves_qty: instrument.quantity_decimal(order.leaves_qty),
        avg_price: instrument.average_price(order.cum_notional, order.cum_qty),
        code: None,
        reason: None,
        created_at: order.created_at,
        updated_at: order.updated_at,
    }
}

/// Trades are saved without the symbol that all of them have.
fn name_trades(public: &mut Public, instrument: &Instrument) {
    for trade in &mut public.recent {
        trade.symbol = instrument.spec.symbol;
    }
}

fn public_of(public: &mut [Public], instrument: InstrumentId) -> Option<&mut Public> {
    public.get_mut(instrument.0 as usize)
}

fn put_count(count: usize, into: &mut Vec<u8>) {
    // There are fewer than 2^32 of anything.
    into.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
}

fn put_decimal(value: Decimal, into: &mut Vec<u8>) {
    into.push(value.scale());
    into.extend_from_slice(&value.mantissa().to_le_bytes());
}

/// Takes values off bytes, one after the other.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], ReplicaError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(ReplicaError::Invalid)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u32(&mut self) -> Result<u32, ReplicaError> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, ReplicaError> {
        self.take().map(u64::from_le_bytes)
    }

    fn decimal(&mut self) -> Result<Decimal, ReplicaError> {
        let [scale] = self.take()?;
        Decimal::new(i64::from_le_bytes(self.take()?), scale).map_err(|_| ReplicaError::Invalid)
    }

    fn trade(&mut self) -> Result<TradeReport, ReplicaError> {
        let (trade_id, price, quantity) = (TradeId(self.u64()?), self.decimal()?, self.decimal()?);
        let [side] = self.take()?;
        let taker_side = Side::ALL.get(usize::from(side)).copied().ok_or(ReplicaError::Invalid)?;
        let ts = Nanos(i64::from_le_bytes(self.take()?));
        // The symbol is known once the instruments are.
        let symbol = crate::domain::Symbol::parse("-").map_err(|_| ReplicaError::Invalid)?;
        Ok(TradeReport { trade_id, symbol, price, quantity, taker_side, ts })
    }
}
