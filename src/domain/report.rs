//! An execution in full: the engine's numbers joined with the words and decimals that people read.

use super::{
    AssetName, Code, Decimal, ExecId, Execution, ExecutionType, Instrument, Liquidity, Money, Nanos, Order, Place, Price,
    Quantity, Seq, Side, Symbol, Trade, TradeId,
};

/// One execution, ready to be written out, and the order as it is after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Venue-wide number.
    pub exec_id: ExecId,
    /// Number within the account.
    pub seq: Seq,
    /// What happened.
    pub execution_type: ExecutionType,
    /// The order after it; `updated_at` is the moment of this execution.
    pub order: Order,
    /// The trade, for fills.
    pub fill: Option<FillReport>,
    /// Why, where the owner did not ask for it; an order keeps the code only if this ended it.
    pub code: Option<Code>,
    /// The same for people.
    pub reason: Option<String>,
}

/// One side's part in a trade, in decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FillReport {
    /// Which trade.
    pub trade_id: TradeId,
    /// How much.
    pub last_qty: Decimal,
    /// At what price.
    pub last_price: Decimal,
    /// Resting or incoming.
    pub liquidity: Liquidity,
    /// What this side pays.
    pub fee: Money,
    /// In which asset.
    pub fee_asset: AssetName,
}

/// A public trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TradeReport {
    /// Its number.
    pub trade_id: TradeId,
    /// The instrument.
    pub symbol: Symbol,
    /// The resting side's price.
    pub price: Decimal,
    /// How much.
    pub quantity: Decimal,
    /// The incoming side.
    pub taker_side: Side,
    /// When.
    pub ts: Nanos,
}

/// A price and what stands there; `None`: any amount.
pub type Level = (Decimal, Option<Decimal>);

impl TradeReport {
    /// The report of a trade in `instrument`.
    pub fn new(trade: &Trade, instrument: &Instrument) -> Self {
        Self {
            trade_id: trade.trade_id,
            symbol: instrument.spec.symbol,
            price: instrument.price_decimal(trade.price),
            quantity: instrument.quantity_decimal(trade.quantity),
            taker_side: trade.taker_side,
            ts: trade.ts,
        }
    }
}

impl Report {
    /// The report of an order that the engine took in.
    pub fn new(execution: &Execution, instrument: &Instrument) -> Self {
        let price = |price: Price| instrument.price_decimal(price);
        let quantity = |quantity: Quantity| instrument.quantity_decimal(quantity);
        let reason = execution.code.map(|code| {
            let limit = match code {
                Code::StopNotTriggered => execution.trigger_price,
                _ => execution.price,
            };
            reason(code, instrument.spec.symbol.as_str(), execution.reference.map(price), limit.map(price))
        });
        let ended = execution.status.is_terminal() && !execution.execution_type.is_refused_request();
        Self {
            exec_id: execution.exec_id,
            seq: execution.seq,
            execution_type: execution.execution_type,
            fill: execution.fill.map(|fill| FillReport {
                trade_id: fill.trade_id,
                last_qty: quantity(fill.last_qty),
                last_price: price(fill.last_price),
                liquidity: fill.liquidity,
                fee: fill.fee,
                fee_asset: instrument.fee_asset(execution.side),
            }),
            order: Order {
                order_id: execution.order_id,
                client_order_id: execution.client_order_id,
                account: execution.account,
                symbol: instrument.spec.symbol,
                side: execution.side,
                order_type: execution.order_type,
                time_in_force: execution.time_in_force,
                expire_at: execution.expire_at,
                quantity: quantity(execution.quantity),
                price: execution.price.map(price),
                trigger_price: execution.trigger_price.map(price),
                status: execution.status,
                cum_qty: quantity(execution.cum_qty),
                leaves_qty: quantity(execution.leaves_qty),
                avg_price: instrument.average_price(execution.cum_notional, execution.cum_qty),
                code: execution.code.filter(|_| ended),
                reason: reason.clone().filter(|_| ended),
                created_at: execution.created_at,
                updated_at: execution.ts,
            },
            code: execution.code,
            reason,
        }
    }

    /// The report of a `rejected` order, whose terms are those of the request.
    pub fn refused(execution: &Execution, place: &Place, instrument: Option<&Instrument>) -> Self {
        let market = execution.reference.zip(instrument).map(|(price, instrument)| instrument.price_decimal(price));
        let reason = execution.code.map(|code| {
            let limit = match code {
                Code::StopNotTriggered => place.trigger_price,
                _ => place.price,
            };
            reason(code, place.symbol.as_str(), market, limit)
        });
        Self {
            exec_id: execution.exec_id,
            seq: execution.seq,
            execution_type: execution.execution_type,
            fill: None,
            order: Order {
                order_id: execution.order_id,
                client_order_id: place.client_order_id,
                account: place.account,
                symbol: place.symbol,
                side: place.side,
                order_type: place.order_type,
                time_in_force: place.time_in_force,
                expire_at: place.expire_at,
                quantity: place.quantity,
                price: place.price,
                trigger_price: place.trigger_price,
                status: execution.status,
                cum_qty: Decimal::ZERO,
                leaves_qty: Decimal::ZERO,
                avg_price: None,
                code: execution.code,
                reason: reason.clone(),
                created_at: execution.created_at,
                updated_at: execution.ts,
            },
            code: execution.code,
            reason,
        }
    }
}

impl Place {
    /// The sentence beside the code that this order would be refused with, where no market price is involved.
    pub fn refusal_reason(&self, code: Code) -> String {
        reason(code, self.symbol.as_str(), None, self.price)
    }
}

impl ExecutionType {
    /// Whether it tells of an order's terms: of new ones, or of those it was refused with.
    pub const fn sets_terms(self) -> bool {
        matches!(self, Self::Accepted | Self::Rejected | Self::Replaced)
    }

    /// Whether it tells of a refused request and leaves the order as it was.
    pub const fn is_refused_request(self) -> bool {
        matches!(self, Self::CancelRejected | Self::ReplaceRejected)
    }
}

/// The sentence beside a code: `market` is the price that was not good enough, `limit` the one it was held against.
fn reason(code: Code, symbol: &str, market: Option<Decimal>, limit: Option<Decimal>) -> String {
    let or_none = |price: Option<Decimal>| price.map_or_else(|| "none".to_owned(), |price| price.to_string());
    match code {
        Code::UnknownSymbol => format!("Unknown symbol: {symbol}"),
        Code::TickSize => "A price is not a multiple of the tick size".to_owned(),
        Code::LotSize => "The quantity is not a multiple of the lot size".to_owned(),
        Code::MinQuantity => "The quantity is below the minimum".to_owned(),
        Code::MaxQuantity => "The quantity is above the maximum".to_owned(),
        Code::MinNotional => "The order is worth less than the minimum".to_owned(),
        Code::MaxNotional => "The order is worth more than the maximum".to_owned(),
        Code::PriceBand => format!("Price {} is too far from {}", or_none(limit), or_none(market)),
        Code::MaxOpenOrders => "The account has as many open orders as it may".to_owned(),
        Code::InsufficientBalance => "The account cannot pay for the order".to_owned(),
        Code::BalanceLimit => "The account's balance is at the venue's limit".to_owned(),
        Code::Halted => format!("{symbol} is halted"),
        Code::WouldTake => "A post-only order would have traded at once".to_owned(),
        Code::PriceNotReached => format!("Price {} did not reach limit {}", or_none(market), or_none(limit)),
        Code::StopNotTriggered => format!("Price {} did not reach trigger {}", or_none(market), or_none(limit)),
        Code::ExpireAtPast => "expire_at is not in the future".to_owned(),
        Code::InsufficientLiquidity => "Nothing was left to trade with".to_owned(),
        Code::TimeInForce => "The order's time was up".to_owned(),
        Code::SelfTrade => "The order would have traded with its own account".to_owned(),
        Code::CancelAfter => "The account's cancel-after time was up".to_owned(),
        Code::NotCancelable => "The order has ended and cannot be canceled".to_owned(),
        Code::NotReplaceable => "The order cannot be replaced".to_owned(),
    }
}
