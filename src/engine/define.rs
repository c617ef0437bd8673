//! Definitions: instruments, accounts, deposits, halts.
//!
//! An instrument may be defined again: its rules change, its grid stays. Then holds follow the new fees, and an order that can no
//! longer be paid for is `expired` with `insufficient_balance`. A changed `reference_price` is a quote of the exchange
//! `static`, if that is among the sources.

use super::ledger::Refusal;
use super::market::Market;
use super::rules::Rules;
use super::{Engine, NONE};
use crate::domain::{
    AccountSpec, AssetName, Code, Events, ExchangeName, ExecutionType, Instrument, InstrumentError, InstrumentId,
    InstrumentSpec, Money, Outcome, Quote, Sources,
};

/// Instruments that a venue may have.
pub(super) const INSTRUMENTS_MAX: usize = 65_536;

impl Engine {
    /// Defines the next instrument, or changes the rules of one.
    #[inline(never)]
    pub(super) fn define_instrument(&mut self, spec: &InstrumentSpec, events: &mut Events) -> Outcome {
        let known = self.instruments.iter().position(|instrument| instrument.spec.symbol == spec.symbol);
        let number = known.unwrap_or(self.instruments.len());
        let id = InstrumentId(u32::try_from(number).ok().filter(|_| number < INSTRUMENTS_MAX).unwrap_or(NONE));
        if id.0 == NONE {
            return Outcome::Refused(Code::UnknownSymbol);
        }
        let instrument = match Instrument::new(id, spec.clone()) {
            Ok(instrument) => instrument,
            Err(error) => return Outcome::Refused(code_of(error)),
        };
        let before = self.instruments.get(number).map(|instrument| &instrument.spec);
        if let Some(before) = before {
            if before.tick_size != spec.tick_size {
                return Outcome::Refused(Code::TickSize);
            }
            if before.lot_size != spec.lot_size {
                return Outcome::Refused(Code::LotSize);
            }
        }
        let standing = before.and_then(static_price);
        let fees = |spec: &InstrumentSpec| (spec.maker_fee, spec.taker_fee, spec.fee_asset);
        let fees_change = before.is_some_and(|before| fees(before) != fees(spec));
        let assets = self.ledger.asset(instrument.base).zip(self.ledger.asset(instrument.quote));
        let Some((base, quote)) = assets else { return Outcome::Refused(Code::UnknownSymbol) };
        let rules = Rules::new(&instrument, base, quote);
        match self.instruments.get_mut(number) {
            Some(place) => {
                *place = instrument;
                if fees_change {
                    self.hold_again(id.0, &rules, events);
                }
                self.markets[id.0].rules = rules;
            }
            None => {
                self.instruments.push(instrument);
                self.markets.push(Market::new(rules));
            }
        }
        self.markets[id.0].has_sources = !spec.sources.is_empty();
        if standing != static_price(spec) {
            self.quote_static(id, spec, events);
        }
        Outcome::Done
    }

    /// Moves the quote of the exchange `static` to the reference price.
    fn quote_static(&mut self, instrument: InstrumentId, spec: &InstrumentSpec, events: &mut Events) {
        if let Ok(exchange) = ExchangeName::parse(Sources::STATIC) {
            let price = static_price(spec);
            let quote = Quote { exchange, instrument, bid: price, bid_size: None, ask: price, ask_size: None };
            self.quote(&quote, events);
        }
    }

    /// Holds for every open order of an instrument what it will need under new rules.
    fn hold_again(&mut self, market: u32, rules: &Rules, events: &mut Events) {
        let slots: Vec<u32> = self.orders.live_slots().collect();
        for slot in slots {
            if self.orders.head(slot).instrument == market
                && let Err(code) = self.hold_under(slot, rules)
            {
                self.end(slot, ExecutionType::Expired, Some(code), events);
            }
        }
    }

    /// Opens the next account.
    #[inline(never)]
    pub(super) fn open_account(&mut self, spec: &AccountSpec) -> Outcome {
        let balances = spec.balances.as_deref().unwrap_or_default();
        let fits = |amount: Money| amount >= Money::ZERO && amount <= Money::BALANCE_MAX;
        if !balances.iter().all(|(_, amount)| fits(*amount)) {
            return Outcome::Refused(Code::BalanceLimit);
        }
        let Some(account) = self.ledger.open(spec.name, spec.balances.is_some()) else {
            return Outcome::Refused(Code::NotReplaceable);
        };
        for (asset, amount) in balances {
            if let Err(refusal) = self.ledger.deposit(account, *asset, amount.units()) {
                return Outcome::Refused(refusal.code());
            }
        }
        Outcome::Done
    }

    /// Adds to a balance, or takes from it. An unchecked account has none, and nothing happens.
    #[inline(never)]
    pub(super) fn deposit(&mut self, account: u32, asset: AssetName, amount: Money) -> Outcome {
        if !self.ledger.contains(account) {
            return Outcome::NotFound;
        }
        match self.ledger.deposit(account, asset, amount.units()) {
            Ok(()) => Outcome::Done,
            Err(refusal) => Outcome::Refused(refusal.code()),
        }
    }

    /// Halts an instrument, or ends that.
    #[inline(never)]
    pub(super) fn set_halted(&mut self, instrument: InstrumentId, halted: bool) -> Outcome {
        match self.markets.find_mut(instrument.0) {
            Some(market) => {
                market.halted = halted;
                Outcome::Done
            }
            None => Outcome::Refused(Code::UnknownSymbol),
        }
    }
}

impl Refusal {
    const fn code(self) -> Code {
        match self {
            Self::TooMuch => Code::BalanceLimit,
            Self::TooLittle => Code::InsufficientBalance,
        }
    }
}

/// The price of the `static` quote, if the instrument has one.
fn static_price(spec: &InstrumentSpec) -> Option<crate::domain::Decimal> {
    spec.reference_price.filter(|_| spec.sources.contains(Sources::STATIC))
}

/// What a spec has wrong, as a code.
fn code_of(error: InstrumentError) -> Code {
    match error {
        InstrumentError::Symbol => Code::UnknownSymbol,
        InstrumentError::Step | InstrumentError::TooFine => Code::TickSize,
        InstrumentError::OffGrid("min_quantity") => Code::MinQuantity,
        InstrumentError::OffGrid("max_quantity") => Code::MaxQuantity,
        InstrumentError::OffGrid(_) => Code::TickSize,
    }
}
