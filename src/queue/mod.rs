//! The way in: requests wait here, bounded, until the one executor takes them.
//!
//! In: [`Request`]s from handlers and sockets, and quotes from the market. Out: the same, one at a time, in the order that
//! the discipline says.
//!
//! - **Lanes.** New orders and cancels wait in lanes of their own, each a bounded tokio mpsc channel, so that a flood of
//!   orders never sheds a cancel. Quotes are conflated: of an exchange and instrument the newest waits, and at most two before it.
//! - **Depth** counts what is not yet executed, wherever it is: a place in a lane is given back when its request is
//!   executed, not when the executor takes it from the channel. So `sent = received + depth`, and `depth ≤ capacity`.
//! - **The bell** wakes the executor: rung with every request where it runs, and by [`Intake::ring_for`] for those that threads
//!   elsewhere sent in one turn.
//! - **Admission** is one table: a client's id is reserved before its request is queued and freed if the queue refuses it.
//!
//! Costs: O(1) a request. It knows nothing of what a command does.

mod admission;
mod conflated;
mod entry;
mod intake;
mod lane;
mod outlet;
mod request;
mod waits;

pub use admission::{Admission, Became, Fingerprint, InFlight, Known, Reservation, Use, Verdict};
pub use conflated::QuoteKey;
pub use entry::{Claim, Entry, Secret};
pub use intake::{Intake, Refusal};
pub use lane::LaneCounts;
pub use outlet::Outlet;
pub use request::{Action, Answer, ConnectionId, NewTerms, Reply, Request, ShownOrder, Target, WorkerId};
pub use waits::WaitBuckets;

use std::time::Duration;

/// Which waiting request is executed next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discipline {
    /// In order of arrival, across lanes.
    Fifo,
    /// A market order overtakes waiting new orders of other types; never a cancel or replace, and never an earlier request
    /// of its own connection. At most 16 overtake in a row, so nothing starves.
    MarketFirst,
}

/// What happens to a request whose lane is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFull {
    /// It is refused at once.
    Reject,
    /// It waits this long for a place, and is refused then.
    Wait(Duration),
}

/// How the queue is built.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Places for new orders and quotes by hand.
    pub orders_capacity: usize,
    /// Places for cancels, replaces and what administrators ask for.
    pub cancels_capacity: usize,
    /// Which waiting request is next.
    pub discipline: Discipline,
    /// What happens when a lane is full.
    pub on_full: OnFull,
}

/// Makes a queue: the end that takes requests in, and the end that the executor drains.
pub fn queue(settings: Settings) -> (Intake, Outlet) {
    let (orders, orders_out) = lane::lane("orders", settings.orders_capacity);
    let (cancels, cancels_out) = lane::lane("cancels", settings.cancels_capacity);
    let intake = Intake::new(orders, cancels, settings.on_full);
    let outlet = Outlet::new(intake.clone(), orders_out, cancels_out, settings.discipline);
    (intake, outlet)
}
