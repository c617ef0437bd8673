//! The JSON of requests, and the checks that need no venue: types, ranges, which fields go together.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::value::RawValue;

use super::problem::{FieldError, Problem};
use crate::domain::{
    AccountId, AssetName, ClientOrderId, Decimal, ExchangeName, Instrument, InstrumentId, Nanos, OrderType, Place, Quote,
    SelfTradePrevention, Side, Sources, Symbol, TimeInForce, TriggerBy,
};

/// A decimal as a client wrote it: a string or a number, read from its text.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Number<'a>(#[serde(borrow)] &'a RawValue);

impl Number<'_> {
    /// The text of the number, out of its quotes if it has any; `None` if it is neither a string nor a number.
    fn text(&self) -> Option<Cow<'_, str>> {
        let raw = self.0.get();
        match raw.as_bytes().first()? {
            b'"' => match raw.get(1..raw.len().saturating_sub(1))? {
                plain if !plain.contains('\\') => Some(Cow::Borrowed(plain)),
                _ => serde_json::from_str(raw).ok(),
            },
            b'-' | b'0'..=b'9' => Some(Cow::Borrowed(raw)),
            _ => None,
        }
    }
}

/// A whole number in whatever form JSON has it: `1000`, `1000.0`, `1e3`.
fn whole<'de, D: Deserializer<'de>>(number: D) -> Result<u64, D::Error> {
    let number = <&RawValue>::deserialize(number)?;
    let whole = Decimal::parse(number.get()).ok().filter(|number| number.scale() == 0);
    let whole = whole.and_then(|number| u64::try_from(number.mantissa()).ok());
    whole.ok_or_else(|| D::Error::custom("expected a whole number"))
}

/// `POST /orders`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlaceRequest<'a> {
    #[serde(borrow)]
    symbol: Cow<'a, str>,
    #[serde(borrow)]
    side: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    order_type: Cow<'a, str>,
    #[serde(borrow)]
    quantity: Number<'a>,
    #[serde(borrow)]
    price: Option<Number<'a>>,
    #[serde(borrow)]
    trigger_price: Option<Number<'a>>,
    #[serde(borrow)]
    trigger_by: Option<Cow<'a, str>>,
    #[serde(borrow)]
    time_in_force: Option<Cow<'a, str>>,
    #[serde(borrow)]
    expire_at: Option<Cow<'a, str>>,
    #[serde(borrow)]
    client_order_id: Option<Cow<'a, str>>,
    post_only: Option<bool>,
    #[serde(borrow)]
    stp: Option<Cow<'a, str>>,
}

/// `PATCH` of an order.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplaceRequest<'a> {
    #[serde(borrow)]
    quantity: Option<Number<'a>>,
    #[serde(borrow)]
    price: Option<Number<'a>>,
    #[serde(borrow)]
    trigger_price: Option<Number<'a>>,
}

/// `POST /orders/cancel-after`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelAfterRequest {
    /// In milliseconds; 0 disarms.
    #[serde(deserialize_with = "whole")]
    pub(super) timeout_ms: u64,
}

/// `POST /admin/accounts/{name}/deposits`, and `withdrawals`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DepositRequest<'a> {
    #[serde(borrow)]
    asset: Cow<'a, str>,
    #[serde(borrow)]
    amount: Number<'a>,
}

/// `POST /quotes`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QuoteRequest<'a> {
    #[serde(borrow)]
    exchange: Cow<'a, str>,
    #[serde(borrow)]
    symbol: Cow<'a, str>,
    #[serde(borrow)]
    bid: Number<'a>,
    #[serde(borrow)]
    ask: Number<'a>,
    #[serde(borrow)]
    bid_size: Option<Number<'a>>,
    #[serde(borrow)]
    ask_size: Option<Number<'a>>,
}

/// Terms of a replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) quantity: Option<Decimal>,
    pub(super) price: Option<Decimal>,
    pub(super) trigger_price: Option<Decimal>,
}

/// Gathers everything that is wrong with a request, rather than the first thing.
#[derive(Debug, Default)]
struct Checks {
    errors: Vec<FieldError>,
    /// A field of the wrong JSON type: that is no valid request at all.
    wrong_type: Option<&'static str>,
}

impl Checks {
    fn fail(&mut self, field: &'static str, message: impl Into<String>) {
        self.errors.push(FieldError { field, message: message.into() });
    }

    fn positive(&mut self, field: &'static str, number: &Number<'_>) -> Decimal {
        let Some(text) = number.text() else {
            self.wrong_type.get_or_insert(field);
            return Decimal::ZERO;
        };
        match Decimal::parse(&text) {
            Ok(value) if value.is_positive() => value,
            Ok(_) => {
                self.fail(field, "must be above zero");
                Decimal::ZERO
            }
            Err(error) => {
                self.fail(field, error.to_string());
                Decimal::ZERO
            }
        }
    }

    fn word<T: Copy + 'static>(
        &mut self,
        field: &'static str,
        text: &str,
        all: &'static [T],
        as_str: fn(T) -> &'static str,
    ) -> Option<T> {
        let found = all.iter().copied().find(|value| as_str(*value) == text);
        if found.is_none() {
            let words: Vec<&str> = all.iter().map(|value| as_str(*value)).collect();
            self.fail(field, format!("must be one of {}", words.join(", ")));
        }
        found
    }

    fn name<T, E: ToString>(&mut self, field: &'static str, parsed: Result<T, E>) -> Option<T> {
        parsed.map_err(|error| self.fail(field, error.to_string())).ok()
    }

    fn done<T>(self, value: Option<T>) -> Result<T, Problem> {
        if let Some(field) = self.wrong_type {
            let detail = format!("{field}: must be a decimal, as a string or a number");
            return Err(Problem::bad_request("invalid_request", detail));
        }
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => Err(Problem::invalid(self.errors)),
        }
    }
}

impl PlaceRequest<'_> {
    /// Whether an array or an object stands where a number should.
    pub(super) fn nests(&self) -> bool {
        let numbers = [Some(&self.quantity), self.price.as_ref(), self.trigger_price.as_ref()];
        numbers.into_iter().flatten().any(|Number(raw)| raw.get().starts_with(['[', '{']))
    }

    /// The order that is asked for.
    ///
    /// # Errors
    ///
    /// A problem that names every field whose value cannot be.
    pub(super) fn check(
        &self,
        account: AccountId,
        instrument: impl Fn(&Symbol) -> Option<InstrumentId>,
    ) -> Result<Box<Place>, Problem> {
        let mut checks = Checks::default();
        let symbol = checks.name("symbol", Symbol::parse(&self.symbol));
        let side = checks.word("side", &self.side, Side::ALL, Side::as_str);
        let order_type = checks.word("type", &self.order_type, OrderType::ALL, OrderType::as_str);
        let quantity = checks.positive("quantity", &self.quantity);
        let price = self.price.as_ref().map(|price| checks.positive("price", price));
        let trigger_price = self.trigger_price.as_ref().map(|price| checks.positive("trigger_price", price));
        let trigger_by = self.trigger_by.as_deref();
        let trigger_by = trigger_by.and_then(|text| checks.word("trigger_by", text, TriggerBy::ALL, TriggerBy::as_str));
        let client_order_id = self.client_order_id.as_deref().map(ClientOrderId::parse);
        let client_order_id = client_order_id.and_then(|id| checks.name("client_order_id", id));
        let stp = self.stp.as_deref();
        let stp = stp.and_then(|text| checks.word("stp", text, SelfTradePrevention::ALL, SelfTradePrevention::as_str));
        let time_in_force = self.time_in_force(order_type, &mut checks);
        let expire_at = self.expire_at(time_in_force, &mut checks);
        if let Some(order_type) = order_type {
            self.check_terms(order_type, time_in_force, &mut checks);
        }
        let place =
            symbol.zip(side).zip(order_type).zip(time_in_force).map(|(((symbol, side), order_type), time_in_force)| {
                Box::new(Place {
                    account,
                    client_order_id,
                    symbol,
                    instrument: instrument(&symbol),
                    side,
                    order_type,
                    time_in_force,
                    expire_at,
                    quantity,
                    price,
                    trigger_price,
                    trigger_by,
                    post_only: self.post_only.unwrap_or(false),
                    stp: stp.unwrap_or(SelfTradePrevention::None),
                })
            });
        checks.done(place)
    }

    fn time_in_force(&self, order_type: Option<OrderType>, checks: &mut Checks) -> Option<TimeInForce> {
        let market = order_type == Some(OrderType::Market);
        let Some(text) = self.time_in_force.as_deref() else {
            return Some(if market { TimeInForce::Ioc } else { TimeInForce::Gtc });
        };
        let time_in_force = checks.word("time_in_force", text, TimeInForce::ALL, TimeInForce::as_str)?;
        let immediate = matches!(time_in_force, TimeInForce::Ioc | TimeInForce::Fok);
        if market && time_in_force != TimeInForce::Ioc {
            checks.fail("time_in_force", "must be ioc for a market order");
        }
        if order_type == Some(OrderType::StopLoss) && immediate {
            checks.fail("time_in_force", "must be gtc, gtd or day for a stop_loss order");
        }
        Some(time_in_force)
    }

    fn expire_at(&self, time_in_force: Option<TimeInForce>, checks: &mut Checks) -> Option<Nanos> {
        let gtd = time_in_force == Some(TimeInForce::Gtd);
        match self.expire_at.as_deref() {
            None if gtd => checks.fail("expire_at", "is needed for a gtd order"),
            None => {}
            Some(_) if !gtd => checks.fail("expire_at", "goes with time_in_force gtd only"),
            Some(text) => match Nanos::parse(text) {
                Some(moment) => return Some(moment),
                None => checks.fail("expire_at", "must be an RFC 3339 moment before 2262, such as 2027-01-01T00:00:00Z"),
            },
        }
        None
    }

    /// Checks which fields an order of this type has.
    fn check_terms(&self, order_type: OrderType, time_in_force: Option<TimeInForce>, checks: &mut Checks) {
        let limited = matches!(order_type, OrderType::Limit | OrderType::StopLimit);
        let stop = matches!(order_type, OrderType::StopLoss | OrderType::StopLimit);
        let word = order_type.as_str();
        match (limited, self.price.is_some()) {
            (true, false) => checks.fail("price", format!("is needed for a {word} order")),
            (false, true) => checks.fail("price", format!("is not a field of a {word} order")),
            _ => {}
        }
        match (stop, self.trigger_price.is_some()) {
            (true, false) => checks.fail("trigger_price", format!("is needed for a {word} order")),
            (false, true) => checks.fail("trigger_price", format!("is not a field of a {word} order")),
            _ => {}
        }
        if self.trigger_by.is_some() && !stop {
            checks.fail("trigger_by", format!("is not a field of a {word} order"));
        }
        let immediate = matches!(time_in_force, Some(TimeInForce::Ioc | TimeInForce::Fok));
        if self.post_only == Some(true) && (order_type != OrderType::Limit || immediate) {
            checks.fail("post_only", "goes with a limit order that may rest only");
        }
    }
}

impl ReplaceRequest<'_> {
    /// The new terms.
    ///
    /// # Errors
    ///
    /// As [`PlaceRequest::check`]; a replace that changes nothing is one too.
    pub(super) fn check(&self) -> Result<Terms, Problem> {
        let mut checks = Checks::default();
        let terms = Terms {
            quantity: self.quantity.as_ref().map(|number| checks.positive("quantity", number)),
            price: self.price.as_ref().map(|number| checks.positive("price", number)),
            trigger_price: self.trigger_price.as_ref().map(|number| checks.positive("trigger_price", number)),
        };
        if terms == (Terms { quantity: None, price: None, trigger_price: None }) {
            checks.fail("quantity", "or price or trigger_price is needed");
        }
        checks.done(Some(terms))
    }
}

impl DepositRequest<'_> {
    /// Which asset, and how much of it.
    ///
    /// # Errors
    ///
    /// As [`PlaceRequest::check`].
    pub(super) fn check(&self) -> Result<(AssetName, Decimal), Problem> {
        let mut checks = Checks::default();
        let asset = checks.name("asset", AssetName::parse(&self.asset));
        let amount = checks.positive("amount", &self.amount);
        checks.done(asset.map(|asset| (asset, amount)))
    }
}

impl QuoteRequest<'_> {
    /// The quote and its symbol.
    ///
    /// # Errors
    ///
    /// As [`PlaceRequest::check`]; an unknown symbol, and one that takes no quotes by hand, are problems too.
    pub(super) fn check<'i>(
        &self,
        instrument: impl Fn(&Symbol) -> Option<&'i Instrument>,
    ) -> Result<(&'i Instrument, Quote), Problem> {
        let mut checks = Checks::default();
        let exchange = checks.name("exchange", ExchangeName::parse(&self.exchange));
        let symbol = checks.name("symbol", Symbol::parse(&self.symbol));
        let bid = checks.positive("bid", &self.bid);
        let ask = checks.positive("ask", &self.ask);
        let bid_size = self.bid_size.as_ref().map(|size| checks.positive("bid_size", size));
        let ask_size = self.ask_size.as_ref().map(|size| checks.positive("ask_size", size));
        if checks.errors.is_empty() && checks.wrong_type.is_none() && bid > ask {
            checks.fail("bid", "must not be above ask");
        }
        let (exchange, symbol) = checks.done(exchange.zip(symbol))?;
        let instrument =
            instrument(&symbol).ok_or_else(|| Problem::refused("unknown_symbol", format!("Unknown symbol: {symbol}")))?;
        let by_hand = instrument.spec.sources.contains(Sources::MANUAL)
            || (exchange.as_str() == Sources::STATIC && instrument.spec.sources.contains(Sources::STATIC));
        if !by_hand {
            let detail = format!("{symbol} takes no quotes by hand: its sources do not include manual");
            return Err(Problem::refused("not_a_source", detail));
        }
        let (bid, ask) = (Some(bid), Some(ask));
        Ok((instrument, Quote { exchange, instrument: instrument.id, bid, bid_size, ask, ask_size }))
    }
}
