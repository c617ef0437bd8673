//! An order: what its owner asked for and what became of it.

use serde::Serialize;

use super::decimal::Digits;
use super::{AccountId, ClientOrderId, Code, Decimal, Nanos, OrderId, Status, Symbol};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The word as JSON writes it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }

            /// The value that JSON writes as `text`.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text)
            }
        }
    };
}
pub(crate) use words;

words!(
    /// Buy or sell (FIX 54).
    Side {
        /// Wants the base asset, pays the quote asset.
        Buy = "buy",
        /// Gives the base asset, receives the quote asset.
        Sell = "sell",
    }
);

words!(
    /// How an order trades (FIX 40).
    OrderType {
        /// Takes what there is at any price; never rests.
        Market = "market",
        /// Trades at its price or better; the rest waits in the book as its time in force says.
        Limit = "limit",
        /// Becomes a market order once its trigger price is reached.
        StopLoss = "stop_loss",
        /// Becomes a limit order once its trigger price is reached.
        StopLimit = "stop_limit",
    }
);

words!(
    /// How long an order lives (FIX 59).
    TimeInForce {
        /// Until canceled.
        Gtc = "gtc",
        /// What cannot trade at once expires.
        Ioc = "ioc",
        /// Trades in full at once, or not at all.
        Fok = "fok",
        /// Until the moment in `expire_at` (FIX 126).
        Gtd = "gtd",
        /// Until the instrument's day ends.
        Day = "day",
    }
);

words!(
    /// What happens when an order would trade with another of its own account; the taker's choice decides.
    SelfTradePrevention {
        /// They trade.
        None = "none",
        /// The taker's remainder is canceled.
        CancelNewest = "cancel_newest",
        /// The resting order is canceled.
        CancelOldest = "cancel_oldest",
        /// Both are canceled.
        CancelBoth = "cancel_both",
        /// Both shrink by the smaller of the two.
        Decrement = "decrement",
    }
);

words!(
    /// Which price a stop watches (FIX 1107).
    TriggerBy {
        /// The last trade's.
        Last = "last",
        /// The middle of the best external quotes.
        Mark = "mark",
    }
);

impl Side {
    /// The other side.
    pub const fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }
}

/// An order as its owner sees it: the answer to `GET /orders/{order_id}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The venue's id (FIX 37).
    pub order_id: OrderId,
    /// The client's id (FIX 11).
    pub client_order_id: Option<ClientOrderId>,
    /// Whose order it is (FIX 1).
    pub account: AccountId,
    /// The instrument (FIX 55); of a refused order, whatever the client wrote.
    pub symbol: Symbol,
    /// Buy or sell (FIX 54).
    pub side: Side,
    /// How it trades (FIX 40).
    pub order_type: OrderType,
    /// How long it lives (FIX 59).
    pub time_in_force: TimeInForce,
    /// When a `gtd` order ends (FIX 126).
    pub expire_at: Option<Nanos>,
    /// The total asked for, traded parts included (FIX 38).
    pub quantity: Decimal,
    /// The limit (FIX 44).
    pub price: Option<Decimal>,
    /// Where a stop fires (FIX 99).
    pub trigger_price: Option<Decimal>,
    /// Where the order is (FIX 39).
    pub status: Status,
    /// Traded so far (FIX 14).
    pub cum_qty: Decimal,
    /// Still to trade (FIX 151); 0 once terminal.
    pub leaves_qty: Decimal,
    /// Average price of what traded (FIX 6).
    pub avg_price: Option<AveragePrice>,
    /// Why the order ended, where that was not its owner's wish (FIX 103).
    pub code: Option<Code>,
    /// The same for people (FIX 58).
    pub reason: Option<String>,
    /// When the venue numbered it.
    pub created_at: Nanos,
    /// When it last changed.
    pub updated_at: Nanos,
}

/// An average of prices: rounded half to even at four digits more than the instrument's tick has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AveragePrice {
    pub(super) units: i128,
    pub(super) scale: u8,
}

impl AveragePrice {
    /// Reads what [`Display`](std::fmt::Display) writes; `None` for anything else. The digits after the point that were zeros
    /// are lost, so that it prints the same, and equals only one that was read too.
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = whole.len().checked_add(fraction.len())?;
        if whole.is_empty() || digits > 38 || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let units = format!("{whole}{fraction}").parse().ok()?;
        Some(Self { units, scale: u8::try_from(fraction.len()).ok()? })
    }

    /// Appends the price as [`std::fmt::Display`] prints it.
    pub fn write(self, into: &mut Vec<u8>) {
        Digits::of(self.units, self.scale).write(into);
    }
}

impl std::fmt::Display for AveragePrice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(Digits::of(self.units, self.scale).as_str())
    }
}

impl Serialize for AveragePrice {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(Digits::of(self.units, self.scale).as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_average_price_is_read_as_it_was_written() {
        for (units, scale) in [(42_000_000_000, 6), (1, 22), (123_456, 3), (0, 6), (i128::MAX / 10, 22)] {
            let text = AveragePrice { units, scale }.to_string();
            assert_eq!(AveragePrice::parse(&text).map(|price| price.to_string()), Some(text));
        }
        for text in ["", ".5", "-1", "1e5", "1.5.5", "a", &"9".repeat(39)] {
            assert_eq!(AveragePrice::parse(text), None, "{text}");
        }
    }
}
