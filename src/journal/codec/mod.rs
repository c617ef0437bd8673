//! Records as bytes: a fixed little-endian layout, written by hand so that it changes only on purpose.
//!
//! ```text
//! record   stamp i64 · kind u8 · what the kind has, in the order of the fields
//! name     length u8 · its characters
//! decimal  scale u8 · mantissa i64          money  units i128
//! list     length u32 · its items           word   a number of its own, in `words`
//! optional a bit in a byte of flags before the fields; absent ones take no room
//! ```
//!
//! A record's number is not written: its frame has the first. A limit order with a client id of 16 characters takes about
//! 65 bytes.
//!
//! **Invariant: one command, one text.** Decoding accepts nothing that encoding would not have written (a set flag that
//! means nothing, a decimal with trailing zeros), and gives a [`Fault`] for it: never a panic, and never more memory than
//! the bytes themselves justify.
//!
//! Any change here is a new format version. Format 2 added the id of a replace, format 3 that of a deposit, format 4 withdrawals that others
//! follow; what those
//! before wrote reads the same.

mod decode;
mod encode;
#[cfg(test)]
mod tests;
mod words;

pub use decode::decode;
pub use encode::encode;

/// The least bytes that a record takes: a stamp and a kind.
pub(super) const RECORD_BYTES_MIN: usize = 9;

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// They end before the record does.
    #[error("it ends too soon")]
    Truncated,
    /// No command has this number.
    #[error("{0} is no kind of command")]
    Kind(u8),
    /// A flag is set that means nothing.
    #[error("its flags {0:#04x} mean nothing")]
    Flags(u8),
    /// A word's number is none.
    #[error("{value} is no {word}")]
    Word {
        /// Which kind of word.
        word: &'static str,
        /// The number.
        value: u8,
    },
    /// A name is empty, too long or has foreign characters.
    #[error("it has a name that is none")]
    Name,
    /// A decimal has trailing zeros or too many digits after the point.
    #[error("it has a decimal that is not in its shortest form")]
    Decimal,
    /// A fee is above the whole.
    #[error("it has a fee above 100 percent")]
    Fee,
}

/// Numbers of the commands.
mod kind {
    pub(super) const DEFINE_INSTRUMENT: u8 = 1;
    pub(super) const OPEN_ACCOUNT: u8 = 2;
    pub(super) const DEPOSIT: u8 = 3;
    pub(super) const PLACE: u8 = 4;
    pub(super) const CANCEL: u8 = 5;
    pub(super) const CANCEL_ALL: u8 = 6;
    pub(super) const REPLACE: u8 = 7;
    pub(super) const CANCEL_AFTER: u8 = 8;
    pub(super) const QUOTE: u8 = 9;
    pub(super) const WITHDRAW_QUOTES: u8 = 10;
    pub(super) const HALT: u8 = 11;
    pub(super) const RESUME: u8 = 12;
    pub(super) const TICK: u8 = 13;
    /// A deposit with an id; since format 3.
    pub(super) const DEPOSIT_ONCE: u8 = 14;
}

/// Bits of the flags, by command.
mod flag {
    /// `Place`: which optional fields follow.
    pub(super) const PLACE_CLIENT_ORDER_ID: u8 = 1;
    pub(super) const PLACE_INSTRUMENT: u8 = 1 << 1;
    pub(super) const PLACE_EXPIRE_AT: u8 = 1 << 2;
    pub(super) const PLACE_PRICE: u8 = 1 << 3;
    pub(super) const PLACE_TRIGGER_PRICE: u8 = 1 << 4;
    pub(super) const PLACE_TRIGGER_BY: u8 = 1 << 5;
    pub(super) const PLACE_POST_ONLY: u8 = 1 << 6;
    pub(super) const PLACE_ALL: u8 = (1 << 7) - 1;
    /// `Replace`.
    pub(super) const REPLACE_QUANTITY: u8 = 1;
    pub(super) const REPLACE_PRICE: u8 = 1 << 1;
    pub(super) const REPLACE_TRIGGER_PRICE: u8 = 1 << 2;
    /// Since format 2.
    pub(super) const REPLACE_REQUEST_ID: u8 = 1 << 3;
    pub(super) const REPLACE_ALL: u8 = (1 << 4) - 1;
    /// `Quote`.
    pub(super) const QUOTE_BID: u8 = 1;
    pub(super) const QUOTE_BID_SIZE: u8 = 1 << 1;
    pub(super) const QUOTE_ASK: u8 = 1 << 2;
    pub(super) const QUOTE_ASK_SIZE: u8 = 1 << 3;
    pub(super) const QUOTE_ALL: u8 = (1 << 4) - 1;
    /// `CancelAll`.
    pub(super) const CANCEL_ALL_INSTRUMENT: u8 = 1;
    pub(super) const CANCEL_ALL_SIDE: u8 = 1 << 1;
    pub(super) const CANCEL_ALL_ALL: u8 = (1 << 2) - 1;
    /// `WithdrawQuotes`.
    pub(super) const WITHDRAW_INSTRUMENT: u8 = 1;
    /// Since format 4.
    pub(super) const WITHDRAW_MORE: u8 = 1 << 1;
    pub(super) const WITHDRAW_ALL: u8 = (1 << 2) - 1;
    /// Commands with one optional field.
    pub(super) const ONLY: u8 = 1;
}
