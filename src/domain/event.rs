//! Events: what a command did. The engine writes them into one reused buffer; everything published is made of them.

use super::order::words;
use super::{
    AccountId, ClientOrderId, Code, ExchangeId, ExecId, InstrumentId, Money, Nanos, OrderId, OrderType, Price, Quantity,
    Seq, Side, Status, TimeInForce, TradeId,
};

words!(
    /// What an execution tells of its order (FIX 150).
    ExecutionType {
        /// The order is in.
        Accepted = "accepted",
        /// A stop fired.
        Triggered = "triggered",
        /// Part of it traded.
        PartialFill = "partial_fill",
        /// The last of it traded.
        Filled = "filled",
        /// The venue refused it.
        Rejected = "rejected",
        /// It was canceled.
        Canceled = "canceled",
        /// It ended by its own terms.
        Expired = "expired",
        /// Its terms changed.
        Replaced = "replaced",
        /// A cancel came too late.
        CancelRejected = "cancel_rejected",
        /// A replace came too late, or asked for what cannot be.
        ReplaceRejected = "replace_rejected",
        /// Self-trade prevention took part of it.
        TradePrevented = "trade_prevented",
    }
);

words!(
    /// Which side of a trade an order was (FIX 851).
    Liquidity {
        /// It was resting.
        Maker = "maker",
        /// It came in.
        Taker = "taker",
    }
);

words!(
    /// What a replace did to the order's place in its level.
    Priority {
        /// It kept its place.
        Kept = "kept",
        /// It went to the back.
        Lost = "lost",
    }
);

/// One change of one order (FIX 35=8), in the engine's numbers.
///
/// Of a `rejected` order only the ids, `code`, `reference` and times mean anything: its terms may not fit the grid, and
/// stand in the [`super::Place`] that it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Execution {
    /// Venue-wide number.
    pub exec_id: ExecId,
    /// Number within the account.
    pub seq: Seq,
    /// Whose order.
    pub account: AccountId,
    /// Of which instrument; `None` only for an unknown symbol.
    pub instrument: Option<InstrumentId>,
    /// Which order.
    pub order_id: OrderId,
    /// The client's id for the order.
    pub client_order_id: Option<ClientOrderId>,
    /// What happened.
    pub execution_type: ExecutionType,
    /// The order's status after it.
    pub status: Status,
    /// The order's side.
    pub side: Side,
    /// The order's type, as placed.
    pub order_type: OrderType,
    /// The order's time in force.
    pub time_in_force: TimeInForce,
    /// When a `gtd` or `day` order ends.
    pub expire_at: Option<Nanos>,
    /// The order's total.
    pub quantity: Quantity,
    /// The order's limit.
    pub price: Option<Price>,
    /// The order's trigger.
    pub trigger_price: Option<Price>,
    /// Traded so far.
    pub cum_qty: Quantity,
    /// Still to trade, 0 once terminal.
    pub leaves_qty: Quantity,
    /// What has traded so far was worth, in tick·lots.
    pub cum_notional: i128,
    /// The trade, for fills.
    pub fill: Option<Fill>,
    /// Why, where the owner did not ask for it.
    pub code: Option<Code>,
    /// The market's price that `code` speaks of.
    pub reference: Option<Price>,
    /// When the order was numbered.
    pub created_at: Nanos,
    /// When this happened.
    pub ts: Nanos,
}

/// One side's part in a trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Which trade.
    pub trade_id: TradeId,
    /// How much (FIX 32).
    pub last_qty: Quantity,
    /// At what price (FIX 31).
    pub last_price: Price,
    /// Resting or incoming.
    pub liquidity: Liquidity,
    /// What this side pays, in [`super::Instrument::fee_asset`].
    pub fee: Money,
}

/// Who was resting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A client's order.
    Order(OrderId),
    /// An exchange's quote.
    Exchange(ExchangeId),
}

/// A trade, as everyone sees it. When a quote moves through resting orders, the quote is the taker and has no order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trade {
    /// Its number.
    pub trade_id: TradeId,
    /// Of which instrument.
    pub instrument: InstrumentId,
    /// The resting side's price.
    pub price: Price,
    /// How much.
    pub quantity: Quantity,
    /// The incoming side.
    pub taker_side: Side,
    /// Who was resting.
    pub maker: Source,
    /// Who came in.
    pub taker: Source,
    /// When.
    pub ts: Nanos,
}

/// What now stands at one price of one side: all of it, clients' orders and exchanges' quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelChange {
    /// Of which instrument.
    pub instrument: InstrumentId,
    /// Bids or asks.
    pub side: Side,
    /// At which price.
    pub price: Price,
    /// The total, at most [`Quantity::MAX`]; 0: the level is gone, `None`: unlimited.
    pub quantity: Option<Quantity>,
}

/// What commands did since the last [`Events::clear`], each kind in order. Keeps its memory when cleared.
#[derive(Debug, Default)]
pub struct Events {
    /// Changes of orders.
    pub executions: Vec<Execution>,
    /// Trades.
    pub trades: Vec<Trade>,
    /// Changes of books. A level may appear more than once; the last word counts.
    pub levels: Vec<LevelChange>,
}

impl Events {
    /// No events, and room for as many as there are in `others`.
    pub fn with_room_for(others: &Self) -> Self {
        Self {
            executions: Vec::with_capacity(others.executions.len()),
            trades: Vec::with_capacity(others.trades.len()),
            levels: Vec::with_capacity(others.levels.len()),
        }
    }

    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        self.executions.clear();
        self.trades.clear();
        self.levels.clear();
    }
}

/// What a command came to, for the one who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It took effect, and there is nothing to add.
    Done,
    /// An order was numbered; its executions say whether it was accepted or rejected.
    Placed(OrderId),
    /// The order was canceled.
    Canceled(OrderId),
    /// This many orders were canceled.
    CanceledAll(u32),
    /// The order has new terms; by a quantity below what has traded, its rest was canceled.
    Replaced(OrderId, Priority),
    /// The account's own order could not be canceled or replaced; the last execution says why.
    TooLate(OrderId),
    /// The engine knows no such order of this account: it never was, or ended too long ago.
    NotFound,
    /// The command was refused whole, without an execution (a quote off the range, an account already open).
    Refused(Code),
}
