//! Commands: everything that can change the venue's state. The journal keeps them; the engine applies them in order.

use super::{
    AccountId, AccountName, AssetName, ClientOrderId, Decimal, ExchangeName, InstrumentId, InstrumentSpec, Money, Nanos,
    OrderId, OrderType, SelfTradePrevention, Side, Symbol, TimeInForce, TriggerBy,
};

/// One input of the engine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Defines the next instrument, or changes the rules of the one with this symbol (its grid stays).
    DefineInstrument(Box<InstrumentSpec>),
    /// Opens the next account.
    OpenAccount(Box<AccountSpec>),
    /// Adds to an account's free balance; a negative amount withdraws.
    Deposit(Deposit),
    /// Places an order.
    Place(Place),
    /// Cancels one order.
    Cancel {
        /// Who asks; another's order is not found.
        account: AccountId,
        /// Which order.
        order_id: OrderId,
    },
    /// Cancels many orders.
    CancelAll(CancelAll),
    /// Changes the terms of a live order.
    Replace(Replace),
    /// Arms the account's dead man's switch: unless renewed, all its orders are canceled after `timeout_ns`; 0 disarms.
    CancelAfter {
        /// Whose orders.
        account: AccountId,
        /// From the command's own time, in nanoseconds.
        timeout_ns: i64,
    },
    /// Replaces an exchange's quote for an instrument.
    Quote(Quote),
    /// Takes an exchange's levels out of one book, or of all: its feed is stale, or was before a stop.
    WithdrawQuotes {
        /// Whose levels.
        exchange: ExchangeName,
        /// Where; everywhere if `None`.
        instrument: Option<InstrumentId>,
        /// Whether another withdrawal follows: until it has come, the mark price stays what it was, since what is left of the quotes
        /// never stood alone.
        more: bool,
    },
    /// Refuses new orders of an instrument; resting ones stay and can be canceled.
    Halt(InstrumentId),
    /// Ends a halt.
    Resume(InstrumentId),
    /// Lets time pass: what was due by the command's time happens.
    Tick,
}

/// An account as configured.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AccountSpec {
    /// Its name.
    pub name: AccountName,
    /// What it starts with; `None`: its orders are never checked against a balance.
    pub balances: Option<Vec<(AssetName, Money)>>,
}

/// An amount for an account's free balance.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Deposit {
    /// Whose balance.
    pub account: AccountId,
    /// The client's id for this request, so that a retry of it does nothing.
    pub request_id: Option<ClientOrderId>,
    /// Of which asset.
    pub asset: AssetName,
    /// How much; below zero withdraws.
    pub amount: Money,
}

/// A new order, as the client wrote it. Types and ranges are checked, the instrument's rules are not: those are the engine's.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Whose order it is.
    pub account: AccountId,
    /// The client's id for it.
    pub client_order_id: Option<ClientOrderId>,
    /// What the client wrote as symbol.
    pub symbol: Symbol,
    /// The instrument of that symbol, looked up at intake; `None` is refused as `unknown_symbol`.
    pub instrument: Option<InstrumentId>,
    /// Buy or sell.
    pub side: Side,
    /// How it trades.
    pub order_type: OrderType,
    /// How long it lives; a market order's is `ioc`.
    pub time_in_force: TimeInForce,
    /// When a `gtd` order ends; set exactly for those.
    pub expire_at: Option<Nanos>,
    /// How much of the base asset, above zero.
    pub quantity: Decimal,
    /// The limit, above zero; set exactly for limit and stop limit orders.
    pub price: Option<Decimal>,
    /// Where a stop fires, above zero; set exactly for stops.
    pub trigger_price: Option<Decimal>,
    /// Which price a stop watches; `None`: mark where the instrument has sources, else last.
    pub trigger_by: Option<TriggerBy>,
    /// Refuse the order rather than let it take (FIX 18=6).
    pub post_only: bool,
    /// What happens when it meets an order of its own account.
    pub stp: SelfTradePrevention,
}

/// Which orders to cancel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CancelAll {
    /// Whose.
    pub account: AccountId,
    /// Of this instrument; of all if `None`.
    pub instrument: Option<InstrumentId>,
    /// Of this side; of both if `None`.
    pub side: Option<Side>,
}

/// New terms for a live order; `None` leaves a term as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Replace {
    /// Who asks.
    pub account: AccountId,
    /// Which order.
    pub order_id: OrderId,
    /// The client's id for this request, so that a retry of it does nothing (FIX 11).
    pub request_id: Option<ClientOrderId>,
    /// The new total, traded parts included.
    pub quantity: Option<Decimal>,
    /// The new limit.
    pub price: Option<Decimal>,
    /// The new trigger.
    pub trigger_price: Option<Decimal>,
}

/// The best bid and ask of one exchange for one instrument, at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Quote {
    /// Who quotes.
    pub exchange: ExchangeName,
    /// What is quoted.
    pub instrument: InstrumentId,
    /// What it buys at; `None`: it does not.
    pub bid: Option<Decimal>,
    /// How much it buys; `None`: any amount.
    pub bid_size: Option<Decimal>,
    /// What it sells at; `None`: it does not.
    pub ask: Option<Decimal>,
    /// How much it sells; `None`: any amount.
    pub ask_size: Option<Decimal>,
}
