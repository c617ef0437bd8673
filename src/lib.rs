//! Open Outcry: an order-execution venue in one binary.
//!
//! ```text
//!  POST /orders ─┐                                                      ┌─► WebSocket /stream
//!  WS place ─────┼─► api ─► queue ─► executor ─► journal ─► stream ─────┤
//!  price feeds ──┘   admission lanes  engine      gate     logs, cursors ├─► read model ─► every GET
//!                                                                       └─► history: orders that ended long ago
//! ```
//!
//! Handlers put requests on a bounded queue; one task takes them, applies them to the engine, and hands each batch with
//! what it did to the journal. While that keeps it, what people will see of it is made; once it is kept, this feeds the read
//! model, the stream and the replies, in this order.
//!
//! **Reading order** is that of the data: [`domain`] (the words), [`queue`] (the way in), [`engine`] (what happens),
//! [`executor`] (the one who makes it happen), [`disk`] (what is asked of a file system), [`journal`] (the gate),
//! [`stream`] and [`read`] (the ways out), [`history`] (what the latter forgets), [`market`] (the prices outside), [`api`]
//! (the front door), [`config`], [`telemetry`]; [`venue`] and [`app`] wire them.
//!
//! **Invariant: one writer.** One task per venue owns its trading state. No lock guards an order.
//!
//! **Invariant: a pure core.** [`domain`] and [`engine`] know no clock, no I/O, no randomness and no floats: the same
//! commands give the same bytes.
//!
//! **Invariant: kept before visible.** Nothing that depends on a command leaves before its journal record is kept.
//!
//! **Invariant: arrows point inwards.** `queue`, `engine`, `journal`, `stream`, `read` and `market` know [`domain`] alone
//! (and [`disk`], who keeps files, and [`tally`], who counts), [`history`] the stream too; [`api`] never touches the engine, the executor or the journal.
//! `tests/tidy.rs` holds this.

pub mod domain;

pub mod tally;

pub mod queue;

pub mod engine;

pub mod executor;

pub mod disk;

pub mod journal;

pub mod stream;

pub mod read;

pub mod history;

pub mod market;

pub mod api;

pub mod config;

pub mod telemetry;

pub mod venue;

pub mod app;

pub mod demo;

pub mod health;

pub mod inspect;

pub mod key;

pub mod tail;
