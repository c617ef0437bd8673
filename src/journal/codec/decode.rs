//! From bytes to records. Total: any bytes give a record or a [`Fault`].

use super::words::Word;
use super::{Fault, flag, kind};
use crate::domain::{
    AccountId, AccountName, AccountSpec, AssetName, CancelAll, ClientOrderId, Command, Decimal, Deposit, ExchangeName,
    FeeRate, InstrumentId, InstrumentSpec, Money, Nanos, OrderId, Place, Quote, Replace, Sources, Symbol, TriggerBy,
};

/// Takes one record off the front of `bytes`.
///
/// # Errors
///
/// [`Fault`] if they do not start with one; how much of them was taken is then undefined.
pub fn decode(bytes: &mut &[u8]) -> Result<(Nanos, Command), Fault> {
    let mut from = Cursor { bytes };
    let stamp = Nanos(from.i64()?);
    let command = from.command()?;
    *bytes = from.bytes;
    Ok((stamp, command))
}

/// What is left to decode.
struct Cursor<'a> {
    bytes: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn command(&mut self) -> Result<Command, Fault> {
        Ok(match self.u8()? {
            kind::DEFINE_INSTRUMENT => Command::DefineInstrument(Box::new(self.instrument_spec()?)),
            kind::OPEN_ACCOUNT => Command::OpenAccount(Box::new(self.account_spec()?)),
            kind @ (kind::DEPOSIT | kind::DEPOSIT_ONCE) => Command::Deposit(Deposit {
                account: self.account()?,
                request_id: self.option(u8::from(kind == kind::DEPOSIT_ONCE), |from| from.name(ClientOrderId::parse))?,
                asset: self.name(AssetName::parse)?,
                amount: self.money()?,
            }),
            kind::PLACE => Command::Place(self.place()?),
            kind::CANCEL => Command::Cancel { account: self.account()?, order_id: OrderId(self.u64()?) },
            kind::CANCEL_ALL => {
                let flags = self.flags(flag::CANCEL_ALL_ALL)?;
                Command::CancelAll(CancelAll {
                    account: self.account()?,
                    instrument: self.option(flags & flag::CANCEL_ALL_INSTRUMENT, Self::instrument)?,
                    side: self.option(flags & flag::CANCEL_ALL_SIDE, |from| word(from.u8()?))?,
                })
            }
            kind::REPLACE => {
                let flags = self.flags(flag::REPLACE_ALL)?;
                Command::Replace(Replace {
                    account: self.account()?,
                    order_id: OrderId(self.u64()?),
                    request_id: self.option(flags & flag::REPLACE_REQUEST_ID, |from| from.name(ClientOrderId::parse))?,
                    quantity: self.option(flags & flag::REPLACE_QUANTITY, Self::decimal)?,
                    price: self.option(flags & flag::REPLACE_PRICE, Self::decimal)?,
                    trigger_price: self.option(flags & flag::REPLACE_TRIGGER_PRICE, Self::decimal)?,
                })
            }
            kind::CANCEL_AFTER => Command::CancelAfter { account: self.account()?, timeout_ns: self.i64()? },
            kind::QUOTE => {
                let flags = self.flags(flag::QUOTE_ALL)?;
                Command::Quote(Quote {
                    exchange: self.name(ExchangeName::parse)?,
                    instrument: self.instrument()?,
                    bid: self.option(flags & flag::QUOTE_BID, Self::decimal)?,
                    bid_size: self.option(flags & flag::QUOTE_BID_SIZE, Self::decimal)?,
                    ask: self.option(flags & flag::QUOTE_ASK, Self::decimal)?,
                    ask_size: self.option(flags & flag::QUOTE_ASK_SIZE, Self::decimal)?,
                })
            }
            kind::WITHDRAW_QUOTES => {
                let flags = self.flags(flag::WITHDRAW_ALL)?;
                let exchange = self.name(ExchangeName::parse)?;
                let instrument = self.option(flags & flag::WITHDRAW_INSTRUMENT, Self::instrument)?;
                Command::WithdrawQuotes { exchange, instrument, more: flags & flag::WITHDRAW_MORE != 0 }
            }
            kind::HALT => Command::Halt(self.instrument()?),
            kind::RESUME => Command::Resume(self.instrument()?),
            kind::TICK => Command::Tick,
            unknown => return Err(Fault::Kind(unknown)),
        })
    }

    fn place(&mut self) -> Result<Place, Fault> {
        let flags = self.flags(flag::PLACE_ALL)?;
        let (how, who) = (self.u8()?, self.u8()?);
        let trigger_by = (who >> 1) & 0b111;
        if flags & flag::PLACE_TRIGGER_BY == 0 && trigger_by != 0 {
            return Err(Fault::Word { word: TriggerBy::NAME, value: trigger_by });
        }
        Ok(Place {
            account: self.account()?,
            client_order_id: self.option(flags & flag::PLACE_CLIENT_ORDER_ID, |from| from.name(ClientOrderId::parse))?,
            symbol: self.name(Symbol::parse)?,
            instrument: self.option(flags & flag::PLACE_INSTRUMENT, Self::instrument)?,
            side: word(who & 1)?,
            order_type: word(how & 0b1111)?,
            time_in_force: word(how >> 4)?,
            expire_at: self.option(flags & flag::PLACE_EXPIRE_AT, |from| from.i64().map(Nanos))?,
            quantity: self.decimal()?,
            price: self.option(flags & flag::PLACE_PRICE, Self::decimal)?,
            trigger_price: self.option(flags & flag::PLACE_TRIGGER_PRICE, Self::decimal)?,
            trigger_by: self.option(flags & flag::PLACE_TRIGGER_BY, |_| word(trigger_by))?,
            post_only: flags & flag::PLACE_POST_ONLY != 0,
            stp: word(who >> 4)?,
        })
    }

    fn instrument_spec(&mut self) -> Result<InstrumentSpec, Fault> {
        let flags = self.flags(flag::ONLY)?;
        Ok(InstrumentSpec {
            symbol: self.name(Symbol::parse)?,
            tick_size: self.decimal()?,
            lot_size: self.decimal()?,
            min_quantity: self.decimal()?,
            max_quantity: self.decimal()?,
            min_notional: self.decimal()?,
            price_band: self.decimal()?,
            max_open_orders: self.u32()?,
            unmarketable: word(self.u8()?)?,
            sources: Sources::new(self.list(|from| from.name(ExchangeName::parse))?),
            reference_price: self.option(flags, Self::decimal)?,
            maker_fee: self.fee()?,
            taker_fee: self.fee()?,
            fee_asset: word(self.u8()?)?,
            day_end: self.i64()?,
        })
    }

    fn account_spec(&mut self) -> Result<AccountSpec, Fault> {
        let flags = self.flags(flag::ONLY)?;
        let name = self.name(AccountName::parse)?;
        let balance = |from: &mut Self| Ok((from.name(AssetName::parse)?, from.money()?));
        Ok(AccountSpec { name, balances: self.option(flags, |from| from.list(balance))? })
    }

    fn option<T>(&mut self, flag: u8, read: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<Option<T>, Fault> {
        if flag == 0 { Ok(None) } else { read(self).map(Some) }
    }

    /// A list, which is no longer in memory than its items, of two bytes or more each, can make it.
    fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Result<T, Fault>) -> Result<Vec<T>, Fault> {
        let length = self.u32()? as usize;
        let mut items = Vec::with_capacity(length.min(self.bytes.len() / 2));
        for _ in 0..length {
            items.push(read(self)?);
        }
        Ok(items)
    }

    fn flags(&mut self, all: u8) -> Result<u8, Fault> {
        let flags = self.u8()?;
        if flags & !all == 0 { Ok(flags) } else { Err(Fault::Flags(flags)) }
    }

    fn name<T, E>(&mut self, parse: impl FnOnce(&str) -> Result<T, E>) -> Result<T, Fault> {
        let length = usize::from(self.u8()?);
        let (text, rest) = self.bytes.split_at_checked(length).ok_or(Fault::Truncated)?;
        self.bytes = rest;
        let text = std::str::from_utf8(text).map_err(|_| Fault::Name)?;
        parse(text).map_err(|_| Fault::Name)
    }

    fn decimal(&mut self) -> Result<Decimal, Fault> {
        let scale = self.u8()?;
        let decimal = Decimal::new(self.i64()?, scale).map_err(|_| Fault::Decimal)?;
        if decimal.scale() == scale { Ok(decimal) } else { Err(Fault::Decimal) }
    }

    fn money(&mut self) -> Result<Money, Fault> {
        self.take().map(i128::from_le_bytes).map(Money::from_units)
    }

    fn fee(&mut self) -> Result<FeeRate, Fault> {
        let bps = Decimal::new(i64::from(self.u32()?), 4).map_err(|_| Fault::Fee)?;
        FeeRate::from_bps(bps).ok_or(Fault::Fee)
    }

    fn account(&mut self) -> Result<AccountId, Fault> {
        self.u32().map(AccountId)
    }

    fn instrument(&mut self) -> Result<InstrumentId, Fault> {
        self.u32().map(InstrumentId)
    }

    fn u8(&mut self) -> Result<u8, Fault> {
        self.take().map(u8::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, Fault> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Fault> {
        self.take().map(u64::from_le_bytes)
    }

    fn i64(&mut self) -> Result<i64, Fault> {
        self.take().map(i64::from_le_bytes)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (taken, rest) = self.bytes.split_first_chunk().ok_or(Fault::Truncated)?;
        self.bytes = rest;
        Ok(*taken)
    }
}

fn word<W: Word>(value: u8) -> Result<W, Fault> {
    W::from_number(value).ok_or(Fault::Word { word: W::NAME, value })
}
