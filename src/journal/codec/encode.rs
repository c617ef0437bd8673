//! From records to bytes.

use super::words::Word;
use super::{flag, kind};
use crate::domain::{
    AccountSpec, CancelAll, Command, Decimal, Deposit, InstrumentSpec, Money, Nanos, Place, Quote, Replace, TriggerBy,
};

/// Appends a record to `into`. Its number is its frame's to say.
pub fn encode(stamp: Nanos, command: &Command, into: &mut Vec<u8>) {
    into.extend_from_slice(&stamp.0.to_le_bytes());
    match command {
        Command::DefineInstrument(spec) => define_instrument(spec, into),
        Command::OpenAccount(spec) => open_account(spec, into),
        Command::Deposit(what) => deposit(what, into),
        Command::Place(order) => place(order, into),
        Command::Cancel { account, order_id } => {
            into.push(kind::CANCEL);
            u32(account.0, into);
            into.extend_from_slice(&order_id.0.to_le_bytes());
        }
        Command::CancelAll(which) => cancel_all(which, into),
        Command::Replace(terms) => replace(terms, into),
        Command::CancelAfter { account, timeout_ns } => {
            into.push(kind::CANCEL_AFTER);
            u32(account.0, into);
            into.extend_from_slice(&timeout_ns.to_le_bytes());
        }
        Command::Quote(prices) => quote(prices, into),
        Command::WithdrawQuotes { exchange, instrument, more } => {
            into.push(kind::WITHDRAW_QUOTES);
            into.push(given(flag::WITHDRAW_INSTRUMENT, instrument) | if *more { flag::WITHDRAW_MORE } else { 0 });
            name(exchange.as_str(), into);
            option(instrument.map(|id| id.0), u32, into);
        }
        Command::Halt(instrument) => {
            into.push(kind::HALT);
            u32(instrument.0, into);
        }
        Command::Resume(instrument) => {
            into.push(kind::RESUME);
            u32(instrument.0, into);
        }
        Command::Tick => into.push(kind::TICK),
    }
}

fn define_instrument(spec: &InstrumentSpec, into: &mut Vec<u8>) {
    into.push(kind::DEFINE_INSTRUMENT);
    into.push(given(flag::ONLY, &spec.reference_price));
    name(spec.symbol.as_str(), into);
    for value in [spec.tick_size, spec.lot_size, spec.min_quantity, spec.max_quantity, spec.min_notional, spec.price_band] {
        decimal(value, into);
    }
    u32(spec.max_open_orders, into);
    into.push(spec.unmarketable.number());
    length(spec.sources.names().len(), into);
    for source in spec.sources.names() {
        name(source.as_str(), into);
    }
    option(spec.reference_price, decimal, into);
    u32(spec.maker_fee.units(), into);
    u32(spec.taker_fee.units(), into);
    into.push(spec.fee_asset.number());
    into.extend_from_slice(&spec.day_end.to_le_bytes());
}

fn open_account(spec: &AccountSpec, into: &mut Vec<u8>) {
    into.push(kind::OPEN_ACCOUNT);
    into.push(given(flag::ONLY, &spec.balances));
    name(spec.name.as_str(), into);
    if let Some(balances) = &spec.balances {
        length(balances.len(), into);
        for (asset, amount) in balances {
            name(asset.as_str(), into);
            money(*amount, into);
        }
    }
}

fn deposit(what: &Deposit, into: &mut Vec<u8>) {
    into.push(if what.request_id.is_some() { kind::DEPOSIT_ONCE } else { kind::DEPOSIT });
    u32(what.account.0, into);
    option(what.request_id, |id, into| name(id.as_str(), into), into);
    name(what.asset.as_str(), into);
    money(what.amount, into);
}

fn place(order: &Place, into: &mut Vec<u8>) {
    into.push(kind::PLACE);
    into.push(
        given(flag::PLACE_CLIENT_ORDER_ID, &order.client_order_id)
            | given(flag::PLACE_INSTRUMENT, &order.instrument)
            | given(flag::PLACE_EXPIRE_AT, &order.expire_at)
            | given(flag::PLACE_PRICE, &order.price)
            | given(flag::PLACE_TRIGGER_PRICE, &order.trigger_price)
            | given(flag::PLACE_TRIGGER_BY, &order.trigger_by)
            | if order.post_only { flag::PLACE_POST_ONLY } else { 0 },
    );
    into.push(order.order_type.number() | order.time_in_force.number() << 4);
    // Where no trigger is chosen the flag says so, and these bits are those of its first word.
    let trigger_by = order.trigger_by.map_or(0, TriggerBy::number);
    into.push(order.side.number() | trigger_by << 1 | order.stp.number() << 4);
    u32(order.account.0, into);
    option(order.client_order_id, |id, into| name(id.as_str(), into), into);
    name(order.symbol.as_str(), into);
    option(order.instrument.map(|id| id.0), u32, into);
    option(order.expire_at, |at, into| into.extend_from_slice(&at.0.to_le_bytes()), into);
    decimal(order.quantity, into);
    option(order.price, decimal, into);
    option(order.trigger_price, decimal, into);
}

fn cancel_all(which: &CancelAll, into: &mut Vec<u8>) {
    into.push(kind::CANCEL_ALL);
    into.push(given(flag::CANCEL_ALL_INSTRUMENT, &which.instrument) | given(flag::CANCEL_ALL_SIDE, &which.side));
    u32(which.account.0, into);
    option(which.instrument.map(|id| id.0), u32, into);
    option(which.side, |side, into| into.push(side.number()), into);
}

fn replace(terms: &Replace, into: &mut Vec<u8>) {
    into.push(kind::REPLACE);
    into.push(
        given(flag::REPLACE_REQUEST_ID, &terms.request_id)
            | given(flag::REPLACE_QUANTITY, &terms.quantity)
            | given(flag::REPLACE_PRICE, &terms.price)
            | given(flag::REPLACE_TRIGGER_PRICE, &terms.trigger_price),
    );
    u32(terms.account.0, into);
    into.extend_from_slice(&terms.order_id.0.to_le_bytes());
    option(terms.request_id, |id, into| name(id.as_str(), into), into);
    for value in [terms.quantity, terms.price, terms.trigger_price] {
        option(value, decimal, into);
    }
}

fn quote(prices: &Quote, into: &mut Vec<u8>) {
    into.push(kind::QUOTE);
    into.push(
        given(flag::QUOTE_BID, &prices.bid)
            | given(flag::QUOTE_BID_SIZE, &prices.bid_size)
            | given(flag::QUOTE_ASK, &prices.ask)
            | given(flag::QUOTE_ASK_SIZE, &prices.ask_size),
    );
    name(prices.exchange.as_str(), into);
    u32(prices.instrument.0, into);
    for value in [prices.bid, prices.bid_size, prices.ask, prices.ask_size] {
        option(value, decimal, into);
    }
}

/// `flag` if the field is there.
fn given<T>(flag: u8, field: &Option<T>) -> u8 {
    if field.is_some() { flag } else { 0 }
}

fn option<T>(field: Option<T>, write: impl FnOnce(T, &mut Vec<u8>), into: &mut Vec<u8>) {
    if let Some(value) = field {
        write(value, into);
    }
}

fn u32(number: u32, into: &mut Vec<u8>) {
    into.extend_from_slice(&number.to_le_bytes());
}

/// A list's length. The configuration bounds its lists far below 2^32.
fn length(items: usize, into: &mut Vec<u8>) {
    u32(u32::try_from(items).expect("a list in memory has below 2^32 names"), into);
}

/// A name of at most 64 characters.
fn name(text: &str, into: &mut Vec<u8>) {
    into.push(u8::try_from(text.len()).expect("no name is longer than 64 bytes"));
    into.extend_from_slice(text.as_bytes());
}

fn decimal(value: Decimal, into: &mut Vec<u8>) {
    into.push(value.scale());
    into.extend_from_slice(&value.mantissa().to_le_bytes());
}

fn money(amount: Money, into: &mut Vec<u8>) {
    into.extend_from_slice(&amount.units().to_le_bytes());
}
