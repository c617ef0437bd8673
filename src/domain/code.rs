//! Why an order was refused, or ended without its owner asking: a closed set of codes.

use super::order::words;

words!(
    /// A reason that a program can act on (FIX 103); `reason` is the sentence beside it.
    Code {
        /// No instrument has this symbol.
        UnknownSymbol = "unknown_symbol",
        /// A price is not on the instrument's grid.
        TickSize = "tick_size",
        /// The quantity is not on the instrument's grid.
        LotSize = "lot_size",
        /// The quantity is below the instrument's least.
        MinQuantity = "min_quantity",
        /// The quantity is above the instrument's largest, or than the venue can count.
        MaxQuantity = "max_quantity",
        /// The order is worth less than the instrument's least.
        MinNotional = "min_notional",
        /// The order is worth more than the venue can count.
        MaxNotional = "max_notional",
        /// The limit price is too far from the reference.
        PriceBand = "price_band",
        /// The account has as many open orders as it may.
        MaxOpenOrders = "max_open_orders",
        /// The account cannot pay for it.
        InsufficientBalance = "insufficient_balance",
        /// The account holds more of the asset than the venue can count further.
        BalanceLimit = "balance_limit",
        /// The instrument is halted.
        Halted = "halted",
        /// A post-only order would have traded at once.
        WouldTake = "would_take",
        /// The market has not reached the limit, and the instrument lets nothing rest.
        PriceNotReached = "price_not_reached",
        /// The market has not reached the trigger, and the instrument lets nothing wait.
        StopNotTriggered = "stop_not_triggered",
        /// `expire_at` is not in the future.
        ExpireAtPast = "expire_at_past",
        /// Nothing was left to trade with.
        InsufficientLiquidity = "insufficient_liquidity",
        /// The order's time was up.
        TimeInForce = "time_in_force",
        /// Self-trade prevention ended it.
        SelfTrade = "self_trade",
        /// The account's dead man's switch ended it.
        CancelAfter = "cancel_after",
        /// The order has ended and cannot be canceled.
        NotCancelable = "not_cancelable",
        /// The order has ended and cannot be replaced, or not in this way.
        NotReplaceable = "not_replaceable",
    }
);
