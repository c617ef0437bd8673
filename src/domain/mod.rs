//! The words of the venue: what the engine is told, what it answers, and the numbers in both.
//!
//! Everything else speaks in these types. They are plain values: no clock, no I/O, no floats. Prices and quantities are
//! integers ([`Price`] in ticks, [`Quantity`] in lots) wherever the engine works, and exact [`Decimal`]s wherever a
//! client speaks; [`Instrument`] converts between them. Names follow FIX in plain snake case.
//!
//! Reading order: numbers and names, then an instrument, an order and its states, commands in, events out.

#![deny(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::float_arithmetic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used
)]

mod decimal;
mod money;
mod name;
mod number;
mod time;

mod instrument;
mod order;
mod status;

mod access;
mod code;
mod command;
mod digest;
mod event;
mod report;

pub use access::{KeyHash, Scope, Scopes};
pub use code::Code;
pub use command::{AccountSpec, CancelAll, Command, Deposit, Place, Quote, Replace};
pub(crate) use decimal::write_whole;
pub use decimal::{Decimal, DecimalError};
pub use event::{Events, Execution, ExecutionType, Fill, LevelChange, Liquidity, Outcome, Priority, Source, Trade};
pub use instrument::{FeeAsset, FeeRate, Instrument, InstrumentError, InstrumentSpec, Sources, Unmarketable};
pub use money::Money;
pub use name::{AccountName, AssetName, ClientOrderId, ExchangeName, NameError, Symbol};
pub use number::{AccountId, ExchangeId, ExecId, InstrumentId, OrderId, Price, Quantity, Seq, TradeId};
pub(crate) use order::words;
pub use order::{AveragePrice, Order, OrderType, SelfTradePrevention, Side, TimeInForce, TriggerBy};
pub use report::{FillReport, Level, Report, TradeReport};
pub use status::{Parked, Status};
pub use time::{MomentText, Nanos};
