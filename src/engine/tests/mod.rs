//! Scenarios in a text that a trader can check: commands on the left of the page, what they did on the right.
//!
//! A line is a command. One instrument, `BTC/USD`, tick and lot 1 unless an `instrument` line says otherwise; accounts open
//! as `account NAME [ASSET=AMOUNT …]`, unchecked without balances. Orders are named by their number, 1, 2, 3, …
//!
//! ```text
//! limit NAME buy|sell QTY @ PRICE [ioc|fok|day|gtd=T] [post] [stp=MODE]        market NAME buy|sell QTY [stp=MODE]
//! stop NAME buy|sell QTY trigger T [by=last|mark]                             stop_limit … QTY @ PRICE trigger T
//! cancel NAME N      cancel_all NAME [buy|sell]      replace NAME N [qty=Q] [price=P] [trigger=T]      cancel_after NAME T
//! quote EXCHANGE BID[xSIZE]|- ASK[xSIZE]|-      withdraw EXCHANGE      deposit NAME ASSET AMOUNT      at TIME [tick]
//! halt  resume  book  balance NAME  prices
//! ```
//!
//! An execution reads `NAME#N type [QTY@PRICE maker|taker [fee F]] [leaves L] [code [reference]]`.

#![allow(clippy::arithmetic_side_effects, reason = "small numbers; an overflow fails the test")]

mod audit;
mod expiry;
mod external;
mod ledger;
mod limits;
mod orders;
mod refusals;
mod requests;
mod stops;
mod total;

use std::fmt::Write;

use super::{Engine, Limits};
use crate::domain::*;

/// Runs a script and compares what each line did; both texts are written without regard to indentation.
fn check(script: &str) {
    let mut found = String::new();
    let mut expected = String::new();
    let mut play = Play::new(Limits::default());
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")) {
        match line.strip_prefix('>') {
            Some(effect) => writeln!(expected, "  > {}", effect.trim()).unwrap(),
            None => {
                writeln!(expected, "{line}").unwrap();
                writeln!(found, "{line}").unwrap();
                for effect in play.line(line) {
                    writeln!(found, "  > {effect}").unwrap();
                }
            }
        }
    }
    assert!(found == expected, "\n--- what happened:\n{found}\n--- what should have:\n{expected}");
}

fn decimal(text: &str) -> Decimal {
    Decimal::parse(text).unwrap()
}

fn money(text: &str) -> Money {
    Money::from(decimal(text))
}

/// An engine, and the names that scripts use.
struct Play {
    engine: Engine,
    events: Events,
    names: Vec<String>,
    seq: u64,
    now: i64,
    seen: Vec<u64>,
}

fn spec() -> InstrumentSpec {
    InstrumentSpec {
        symbol: Symbol::parse("BTC/USD").unwrap(),
        tick_size: decimal("1"),
        lot_size: decimal("1"),
        min_quantity: Decimal::ZERO,
        max_quantity: Decimal::ZERO,
        min_notional: Decimal::ZERO,
        price_band: Decimal::ZERO,
        max_open_orders: 1_000,
        unmarketable: Unmarketable::Rest,
        sources: Sources::default(),
        reference_price: None,
        maker_fee: FeeRate::default(),
        taker_fee: FeeRate::default(),
        fee_asset: FeeAsset::Quote,
        day_end: 0,
    }
}

impl Play {
    fn new(limits: Limits) -> Self {
        let engine = Engine::new(limits);
        Self { engine, events: Events::default(), names: Vec::new(), seq: 0, now: 0, seen: Vec::new() }
    }

    /// Runs one line and tells what it did.
    fn line(&mut self, line: &str) -> Vec<String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (first, rest) = words.split_first().unwrap();
        if *first != "instrument" && self.engine.instruments().is_empty() {
            self.apply(Command::DefineInstrument(Box::new(spec())));
        }
        let command = match *first {
            "instrument" => Command::DefineInstrument(Box::new(instrument(rest))),
            "account" => self.open(rest),
            "limit" | "market" | "stop" | "stop_limit" => Command::Place(self.place(first, rest)),
            "cancel" => Command::Cancel { account: self.account(rest[0]), order_id: order_id(rest[1]) },
            "cancel_all" => Command::CancelAll(CancelAll {
                account: self.account(rest[0]),
                instrument: None,
                side: rest.get(1).and_then(|side| Side::parse(side)),
            }),
            "replace" => Command::Replace(Replace {
                request_id: None,
                account: self.account(rest[0]),
                order_id: order_id(rest[1]),
                quantity: option(rest, "qty=").map(decimal),
                price: option(rest, "price=").map(decimal),
                trigger_price: option(rest, "trigger=").map(decimal),
            }),
            "cancel_after" => Command::CancelAfter { account: self.account(rest[0]), timeout_ns: rest[1].parse().unwrap() },
            "quote" => Command::Quote(quote(rest)),
            "withdraw" => {
                Command::WithdrawQuotes { exchange: ExchangeName::parse(rest[0]).unwrap(), instrument: None, more: false }
            }
            "deposit" => Command::Deposit(Deposit {
                request_id: None,
                account: self.account(rest[0]),
                asset: AssetName::parse(rest[1]).unwrap(),
                amount: money(rest[2]),
            }),
            "halt" => Command::Halt(InstrumentId(0)),
            "resume" => Command::Resume(InstrumentId(0)),
            "at" => {
                self.now = rest[0].parse().unwrap();
                match rest.get(1) {
                    Some(_) => Command::Tick,
                    None => return Vec::new(),
                }
            }
            "book" => return vec![self.book()],
            "prices" => return vec![format!("{:?}", self.engine.prices(InstrumentId(0)))],
            "balance" => return vec![self.balance(rest[0])],
            other => panic!("no command {other}"),
        };
        self.apply(command)
    }

    /// Applies a command and tells what it did.
    fn apply(&mut self, command: Command) -> Vec<String> {
        self.seq += 1;
        self.events.clear();
        let outcome = self.engine.apply(self.seq, Nanos(self.now), &command, &mut self.events);
        self.engine.audit();
        let mut told = Vec::new();
        for execution in &self.events.executions {
            let account = execution.account.0 as usize;
            self.seen[account] += 1;
            assert_eq!(execution.seq.0, self.seen[account], "executions of an account are numbered densely");
            told.push(self.execution(execution));
        }
        match outcome {
            Outcome::Done | Outcome::Placed(_) | Outcome::Canceled(_) | Outcome::TooLate(_) => {}
            Outcome::CanceledAll(count) => told.push(format!("{count} canceled")),
            Outcome::Replaced(_, priority) => told.push(format!("priority {}", priority.as_str())),
            Outcome::NotFound => told.push("not found".to_owned()),
            Outcome::Refused(code) => told.push(format!("refused {}", code.as_str())),
        }
        told
    }

    fn execution(&self, execution: &Execution) -> String {
        let name = &self.names[execution.account.0 as usize];
        let mut text = format!("{name}#{} {}", execution.order_id, execution.execution_type.as_str());
        if let Some(fill) = execution.fill {
            let (quantity, price) = (fill.last_qty.lots(), fill.last_price.ticks());
            write!(text, " {quantity}@{price} {}", fill.liquidity.as_str()).unwrap();
            if fill.fee != Money::ZERO {
                write!(text, " fee {}", fill.fee).unwrap();
            }
        }
        if !execution.leaves_qty.is_zero() {
            write!(text, " leaves {}", execution.leaves_qty.lots()).unwrap();
        }
        if let Some(code) = execution.code {
            write!(text, " {}", code.as_str()).unwrap();
        }
        if let Some(reference) = execution.reference {
            write!(text, " {}", reference.ticks()).unwrap();
        }
        text
    }

    fn open(&mut self, words: &[&str]) -> Command {
        self.names.push(words[0].to_owned());
        self.seen.push(0);
        let balances: Vec<(AssetName, Money)> = words
            .iter()
            .filter_map(|word| word.split_once('='))
            .map(|(asset, amount)| (AssetName::parse(asset).unwrap(), money(amount)))
            .collect();
        let balances = Some(balances).filter(|balances| !balances.is_empty());
        Command::OpenAccount(Box::new(AccountSpec { name: AccountName::parse(words[0]).unwrap(), balances }))
    }

    fn account(&self, name: &str) -> AccountId {
        let position = self.names.iter().position(|known| known == name).unwrap_or(99);
        AccountId(u32::try_from(position).unwrap())
    }

    fn place(&self, kind: &str, words: &[&str]) -> Place {
        let order_type = match kind {
            "stop" => OrderType::StopLoss,
            other => OrderType::parse(other).unwrap(),
        };
        let after = |mark: &str| words.iter().position(|word| *word == mark).map(|position| decimal(words[position + 1]));
        let expire_at = option(words, "gtd=").map(|time| Nanos(time.parse().unwrap()));
        let named = words.iter().find_map(|word| TimeInForce::parse(word));
        let by_type = if order_type == OrderType::Market { TimeInForce::Ioc } else { TimeInForce::Gtc };
        let symbol = option(words, "symbol=").unwrap_or("BTC/USD");
        Place {
            account: self.account(words[0]),
            client_order_id: option(words, "id=").map(|id| ClientOrderId::parse(id).unwrap()),
            symbol: Symbol::parse(symbol).unwrap(),
            instrument: Some(InstrumentId(0)).filter(|_| symbol == "BTC/USD"),
            side: Side::parse(words[1]).unwrap(),
            order_type,
            time_in_force: expire_at.map(|_| TimeInForce::Gtd).or(named).unwrap_or(by_type),
            expire_at,
            quantity: decimal(words[2]),
            price: after("@"),
            trigger_price: after("trigger"),
            trigger_by: option(words, "by=").and_then(TriggerBy::parse),
            post_only: words.contains(&"post"),
            stp: option(words, "stp=").map_or(SelfTradePrevention::None, |stp| SelfTradePrevention::parse(stp).unwrap()),
        }
    }

    /// The book, best first: `QTY@PRICE …`.
    fn book(&self) -> String {
        let side = |side| {
            let levels = self.engine.levels(InstrumentId(0), side).map(|(price, quantity)| {
                let quantity = quantity.map_or("any".to_owned(), |quantity| quantity.lots().to_string());
                format!("{quantity}@{}", price.ticks())
            });
            levels.collect::<Vec<_>>().join(" ")
        };
        format!("bids {} | asks {}", side(Side::Buy), side(Side::Sell)).replace("  ", " ").trim().to_owned()
    }

    /// An account's balances: `ASSET FREE+HELD …`.
    fn balance(&self, name: &str) -> String {
        let balances = self.engine.balances(self.account(name));
        let texts = balances.map(|balance| format!("{} {}+{}", balance.asset, balance.free, balance.held));
        texts.collect::<Vec<_>>().join(" ")
    }
}

/// The value of the word that begins with `key`.
fn option<'a>(words: &[&'a str], key: &str) -> Option<&'a str> {
    words.iter().find_map(|word| word.strip_prefix(key))
}

fn order_id(text: &str) -> OrderId {
    OrderId(text.parse().unwrap())
}

fn instrument(words: &[&str]) -> InstrumentSpec {
    let mut spec = spec();
    for (key, value) in words.iter().map(|word| word.split_once('=').unwrap()) {
        match key {
            "symbol" => spec.symbol = Symbol::parse(value).unwrap(),
            "tick" => spec.tick_size = decimal(value),
            "lot" => spec.lot_size = decimal(value),
            "min_quantity" => spec.min_quantity = decimal(value),
            "max_quantity" => spec.max_quantity = decimal(value),
            "min_notional" => spec.min_notional = decimal(value),
            "price_band" => spec.price_band = decimal(value),
            "max_open_orders" => spec.max_open_orders = value.parse().unwrap(),
            "unmarketable" => spec.unmarketable = Unmarketable::parse(value).unwrap(),
            "sources" => {
                spec.sources = Sources::new(value.split(',').map(|name| ExchangeName::parse(name).unwrap()).collect());
            }
            "reference" => spec.reference_price = Some(decimal(value)),
            "maker" => spec.maker_fee = FeeRate::from_bps(decimal(value)).unwrap(),
            "taker" => spec.taker_fee = FeeRate::from_bps(decimal(value)).unwrap(),
            "fee_asset" => spec.fee_asset = FeeAsset::parse(value).unwrap(),
            "day_end" => spec.day_end = value.parse().unwrap(),
            other => panic!("no key {other}"),
        }
    }
    spec
}

fn quote(words: &[&str]) -> Quote {
    let side = |text: &str| match text.split_once('x') {
        _ if text == "-" => (None, None),
        None => (Some(decimal(text)), None),
        Some((price, size)) => (Some(decimal(price)), Some(decimal(size))),
    };
    let ((bid, bid_size), (ask, ask_size)) = (side(words[1]), side(words[2]));
    let exchange = ExchangeName::parse(words[0]).unwrap();
    Quote { exchange, instrument: InstrumentId(0), bid, bid_size, ask, ask_size }
}
