//! Runs the scenarios in `scenarios/*.txt`, which a trader can read and check.
//!
//! A file holds scenarios, each a title and a script. A line at the margin does something; the lines indented under it are
//! everything that comes of it, in order, and nothing else may.
//!
//! ```text
//! scenario a limit order trades at the price of the one that rests
//! instrument BTC/USD tick 1 lot 1            also: fees 1/2.5 quote|received, min 2, max 9, notional 50, band 10, open 2,
//!                                            reject, sources, reference 100, day_end 3600; said again, it
//!                                            changes the rules
//! account alice                              unchecked, or: account bob USD 1000 BTC 5
//! alice sell 5 @100 as a                     also: market, stop 95, stop 95 @94; by last|mark; ioc, fok, day, gtd 10;
//!                                            post_only; stp WORD; on SYMBOL
//!   a accepted open
//! bob buy 3 @105 as b
//!   …
//! alice replace a quantity 9 price 99 trigger 98
//! alice cancel a · alice cancel_all buy · alice cancel_after 10 · halt · resume · wait 10 (seconds) · deposit bob USD 5
//! binance quotes 99 x 5 / 101 x any          a dash for a side that it does not quote
//! binance withdraws
//! book · balances bob · prices               show what stands, what is owned, what the market's prices are
//! ```
//!
//! `UPDATE=1 cargo test --test engine scenarios` writes what happens into the files, for a person to read before it is kept.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use openoutcry::domain::*;
use openoutcry::engine::{Engine, Limits, Prices};

/// Noon of a day in UTC.
const NOON: i64 = 1_767_268_800_000_000_000;

#[test]
fn every_scenario_comes_to_what_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engine/scenarios");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    let mut wrong = String::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let played = play(&text);
        if played == text {
            continue;
        }
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&file, played).unwrap();
        } else {
            wrong.push_str(&difference(&file, &text, &played));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// The text with every indented line replaced by what happens.
fn play(text: &str) -> String {
    let mut venue = Venue::new();
    let mut played = String::new();
    for line in text.lines() {
        if line.starts_with("  ") {
            continue;
        }
        played.push_str(line);
        played.push('\n');
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.first() {
            None => {}
            Some(word) if word.starts_with('#') => {}
            Some(&"scenario") => venue = Venue::new(),
            Some(_) => {
                for line in venue.act(&words) {
                    played.push_str(&format!("  {line}\n"));
                }
            }
        }
    }
    played
}

fn difference(file: &Path, text: &str, played: &str) -> String {
    let (expected, real): (Vec<&str>, Vec<&str>) = (text.lines().collect(), played.lines().collect());
    let at = (0..expected.len()).find(|at| expected.get(*at) != real.get(*at)).unwrap_or(expected.len());
    let title = text.lines().take(at + 1).filter(|line| line.starts_with("scenario")).last().unwrap_or("");
    let step = real.iter().take(at + 1).rev().find(|line| !line.starts_with("  ")).unwrap_or(&"");
    let (line, none) = (at + 1, &"(nothing)");
    let (expected, real) = (expected.get(at).unwrap_or(none), real.get(at).unwrap_or(none));
    format!("\n{}:{line}\n{title}\n{step}\n  expected: {expected}\n  happens:  {real}\n", file.display())
}

struct Venue {
    engine: Engine,
    now: i64,
    seq: u64,
    accounts: BTreeMap<String, AccountId>,
    /// The orders by the names that the script gives them.
    orders: BTreeMap<String, OrderId>,
    placed: u64,
    events: Events,
}

impl Venue {
    fn new() -> Self {
        Self {
            engine: Engine::new(Limits { closed_kept: 1_000 }),
            now: NOON,
            seq: 0,
            accounts: BTreeMap::new(),
            orders: BTreeMap::new(),
            placed: 0,
            events: Events::default(),
        }
    }

    /// Does what a line says, and tells what came of it.
    fn act(&mut self, words: &[&str]) -> Vec<String> {
        match words {
            ["instrument", symbol, rules @ ..] => self.apply(define(symbol, rules)),
            ["account", name, owns @ ..] => self.open(name, owns),
            ["deposit", name, asset, amount] => self.apply(Command::Deposit(Deposit {
                account: self.accounts[*name],
                request_id: None,
                asset: AssetName::parse(asset).unwrap(),
                amount: Money::from(decimal(amount)),
            })),
            ["wait", seconds] => {
                self.now += nanoseconds(seconds);
                self.apply(Command::Tick)
            }
            ["halt", symbol @ ..] => self.apply(Command::Halt(self.instrument(symbol).id)),
            ["resume", symbol @ ..] => self.apply(Command::Resume(self.instrument(symbol).id)),
            ["book", symbol @ ..] => self.book(symbol),
            ["prices", symbol @ ..] => vec![self.prices(self.instrument(symbol))],
            ["balances", name] => self.balances(name),
            [exchange, "quotes", quote @ ..] => self.quote(exchange, quote),
            [exchange, "withdraws", rest @ ..] if rest.is_empty() || rest == ["and", "more", "do"] => {
                let (exchange, more) = (ExchangeName::parse(exchange).unwrap(), !rest.is_empty());
                self.apply(Command::WithdrawQuotes { exchange, instrument: None, more })
            }
            [name, request @ ..] => self.ask(self.accounts[*name], request),
            [] => Vec::new(),
        }
    }

    fn apply(&mut self, command: Command) -> Vec<String> {
        self.seq += 1;
        self.events.clear();
        let outcome = self.engine.apply(self.seq, Nanos(self.now), &command, &mut self.events);
        let mut lines: Vec<String> = self.events.executions.iter().map(|execution| self.tell(execution)).collect();
        lines.extend(match outcome {
            Outcome::Done | Outcome::Placed(_) | Outcome::Canceled(_) => None,
            Outcome::CanceledAll(count) => Some(format!("= {count} canceled")),
            Outcome::Replaced(_, priority) => Some(format!("= priority {}", priority.as_str())),
            Outcome::TooLate(_) => Some("= too late".to_owned()),
            Outcome::NotFound => Some("= not found".to_owned()),
            Outcome::Refused(code) => Some(format!("= refused {}", code.as_str())),
        });
        lines
    }

    fn open(&mut self, name: &str, owns: &[&str]) -> Vec<String> {
        self.accounts.insert(name.to_owned(), AccountId(self.accounts.len() as u32));
        let pairs = owns.chunks(2).map(|pair| (AssetName::parse(pair[0]).unwrap(), Money::from(decimal(pair[1]))));
        let balances = if owns.is_empty() { None } else { Some(pairs.collect()) };
        self.apply(Command::OpenAccount(Box::new(AccountSpec { name: AccountName::parse(name).unwrap(), balances })))
    }

    fn instrument(&self, symbol: &[&str]) -> &Instrument {
        let named = |rules: &&Instrument| symbol.first().is_none_or(|symbol| rules.spec.symbol.as_str() == *symbol);
        self.engine.instruments().iter().find(named).unwrap()
    }

    fn ask(&mut self, account: AccountId, words: &[&str]) -> Vec<String> {
        let command = match words {
            ["cancel", order] => Command::Cancel { account, order_id: self.orders[*order] },
            ["cancel_all", which @ ..] => Command::CancelAll(CancelAll {
                account,
                instrument: None,
                side: which.first().and_then(|side| Side::parse(side)),
            }),
            ["cancel_after", seconds] => Command::CancelAfter { account, timeout_ns: nanoseconds(seconds) },
            ["replace", order, terms @ ..] => {
                let term = |name| terms.chunks(2).find(|term| term[0] == name).map(|term| decimal(term[1]));
                Command::Replace(Replace {
                    request_id: None,
                    account,
                    order_id: self.orders[*order],
                    quantity: term("quantity"),
                    price: term("price"),
                    trigger_price: term("trigger"),
                })
            }
            [side, quantity, how @ ..] => self.place(account, Side::parse(side).unwrap(), decimal(quantity), how),
            _ => panic!("not a request: {words:?}"),
        };
        self.apply(command)
    }

    fn place(&mut self, account: AccountId, side: Side, quantity: Decimal, how: &[&str]) -> Command {
        let first = &self.engine.instruments()[0];
        let mut place = Place {
            account,
            client_order_id: None,
            symbol: first.spec.symbol,
            instrument: Some(first.id),
            side,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Gtc,
            expire_at: None,
            quantity,
            price: None,
            trigger_price: None,
            trigger_by: None,
            post_only: false,
            stp: SelfTradePrevention::None,
        };
        let mut words = how.iter().copied();
        while let Some(word) = words.next() {
            let mut next = || words.next().unwrap();
            match word {
                "market" => (place.order_type, place.time_in_force) = (OrderType::Market, TimeInForce::Ioc),
                "stop" => (place.order_type, place.trigger_price) = (OrderType::StopLoss, Some(decimal(next()))),
                "by" => place.trigger_by = TriggerBy::parse(next()),
                "post_only" => place.post_only = true,
                "stp" => place.stp = SelfTradePrevention::parse(next()).unwrap(),
                "gtd" => {
                    place.time_in_force = TimeInForce::Gtd;
                    place.expire_at = Some(Nanos(self.now + nanoseconds(next())));
                }
                "on" => {
                    let symbol = next();
                    place.symbol = Symbol::parse(symbol).unwrap();
                    let rules = self.engine.instruments().iter().find(|rules| rules.spec.symbol == place.symbol);
                    place.instrument = rules.map(|rules| rules.id);
                }
                "as" => {
                    self.placed += 1;
                    self.orders.insert(next().to_owned(), OrderId(self.placed));
                }
                word => match word.strip_prefix('@') {
                    Some(price) => place.price = Some(decimal(price)),
                    None => place.time_in_force = TimeInForce::parse(word).unwrap_or_else(|| panic!("{word}")),
                },
            }
        }
        if place.price.is_some() && place.trigger_price.is_some() {
            place.order_type = OrderType::StopLimit;
        }
        Command::Place(place)
    }

    fn quote(&mut self, exchange: &str, words: &[&str]) -> Vec<String> {
        let sides: Vec<&[&str]> = words.split(|word| *word == "/").collect();
        let price = |words: &[&str]| words.first().filter(|word| **word != "-").map(|word| decimal(word));
        let size = |words: &[&str]| words.get(2).filter(|word| **word != "any").map(|word| decimal(word));
        let quote = Quote {
            exchange: ExchangeName::parse(exchange).unwrap(),
            instrument: self.instrument(&[]).id,
            bid: price(sides[0]),
            bid_size: size(sides[0]),
            ask: price(sides[1]),
            ask_size: size(sides[1]),
        };
        self.apply(Command::Quote(quote))
    }

    // Telling.

    fn tell(&self, execution: &Execution) -> String {
        let named = self.orders.iter().find(|(_, id)| **id == execution.order_id).map(|(name, _)| name.clone());
        let name = named.unwrap_or_else(|| execution.order_id.to_string());
        let mut line = format!("{name} {}", execution.execution_type.as_str());
        let Some(rules) = execution.instrument.and_then(|id| self.engine.instrument(id)) else {
            return format!("{line} {}", execution.code.map_or("", Code::as_str));
        };
        let price = |price: Price| rules.price_decimal(price);
        let quantity = |quantity: Quantity| rules.quantity_decimal(quantity);
        match execution.execution_type {
            ExecutionType::Accepted => line.push_str(&format!(" {}", execution.status.as_str())),
            ExecutionType::Replaced => line.push_str(&format!(" {}", quantity(execution.quantity))),
            ExecutionType::TradePrevented => line.push_str(&format!(", {} left", quantity(execution.leaves_qty))),
            _ => {}
        }
        if execution.execution_type == ExecutionType::Replaced {
            let terms = [("@", execution.price), ("trigger ", execution.trigger_price)];
            for (word, term) in terms.into_iter().filter_map(|(word, term)| Some((word, term?))) {
                line.push_str(&format!(" {word}{}", price(term)));
            }
        }
        if let Some(fill) = execution.fill {
            let Fill { last_qty, last_price, liquidity, fee, .. } = fill;
            line.push_str(&format!(" {} @{} {}", quantity(last_qty), price(last_price), liquidity.as_str()));
            if fee != Money::ZERO {
                line.push_str(&format!(" fee {fee} {}", rules.fee_asset(execution.side)));
            }
            line.push_str(&format!(", {} left", quantity(execution.leaves_qty)));
        }
        if let Some(code) = execution.code {
            line.push_str(&format!(" {}", code.as_str()));
        }
        if let Some(reference) = execution.reference {
            line.push_str(&format!(", market {}", price(reference)));
        }
        line
    }

    fn book(&self, symbol: &[&str]) -> Vec<String> {
        let rules = self.instrument(symbol);
        let side = |name, side| {
            let levels = self.engine.levels(rules.id, side).map(|(price, quantity)| {
                let quantity = quantity.map_or("any".to_owned(), |quantity| rules.quantity_decimal(quantity).to_string());
                format!("{} x {quantity}", rules.price_decimal(price))
            });
            let levels: Vec<String> = levels.collect();
            if levels.is_empty() { format!("{name} none") } else { format!("{name} {}", levels.join(", ")) }
        };
        vec![side("bids", Side::Buy), side("asks", Side::Sell)]
    }

    fn prices(&self, rules: &Instrument) -> String {
        let Prices { last, mark_half_ticks: mark } = self.engine.prices(rules.id);
        let last = last.map_or("none".to_owned(), |last| rules.price_decimal(last).to_string());
        // The scenarios' marks are small, and their ticks as they are: half of a sum of two.
        let tick = rules.spec.tick_size;
        let half = |mark: i64| Decimal::new(mark * tick.mantissa() * 5, tick.scale() + 1).unwrap();
        let mark = mark.map_or("none".to_owned(), |mark| half(mark).to_string());
        format!("last {last}, mark {mark}")
    }

    fn balances(&self, name: &str) -> Vec<String> {
        let tell = |asset, free, held| format!("{asset} {free} free, {held} held");
        let mut lines: Vec<String> = self
            .engine
            .balances(self.accounts[name])
            .map(|balance| tell(balance.asset, balance.free, balance.held))
            .collect();
        lines.sort();
        lines
    }
}

fn define(symbol: &str, rules: &[&str]) -> Command {
    let mut spec = InstrumentSpec {
        symbol: Symbol::parse(symbol).unwrap(),
        tick_size: decimal("1"),
        lot_size: decimal("1"),
        min_quantity: Decimal::ZERO,
        max_quantity: Decimal::ZERO,
        min_notional: Decimal::ZERO,
        price_band: Decimal::ZERO,
        max_open_orders: 1_000_000,
        unmarketable: Unmarketable::Rest,
        sources: Sources::default(),
        reference_price: None,
        maker_fee: FeeRate::default(),
        taker_fee: FeeRate::default(),
        fee_asset: FeeAsset::Quote,
        day_end: 0,
    };
    let mut words = rules.iter().copied();
    while let Some(word) = words.next() {
        let mut next = || words.next().unwrap();
        match word {
            "tick" => spec.tick_size = decimal(next()),
            "lot" => spec.lot_size = decimal(next()),
            "min" => spec.min_quantity = decimal(next()),
            "max" => spec.max_quantity = decimal(next()),
            "notional" => spec.min_notional = decimal(next()),
            "band" => spec.price_band = decimal(next()),
            "open" => spec.max_open_orders = next().parse().unwrap(),
            "reject" => spec.unmarketable = Unmarketable::Reject,
            "sources" => spec.sources = Sources::new(vec![ExchangeName::parse(Sources::MANUAL).unwrap()]),
            "reference" => {
                spec.sources = Sources::new(vec![ExchangeName::parse(Sources::STATIC).unwrap()]);
                spec.reference_price = Some(decimal(next()));
            }
            "day_end" => spec.day_end = nanoseconds(next()),
            "fees" => {
                let (maker, taker) = next().split_once('/').unwrap();
                spec.maker_fee = FeeRate::from_bps(decimal(maker)).unwrap();
                spec.taker_fee = FeeRate::from_bps(decimal(taker)).unwrap();
                spec.fee_asset = FeeAsset::parse(next()).unwrap();
            }
            word => panic!("not a rule: {word}"),
        }
    }
    Command::DefineInstrument(Box::new(spec))
}

fn decimal(text: &str) -> Decimal {
    Decimal::parse(text).unwrap_or_else(|_| panic!("not a number: {text}"))
}

fn nanoseconds(seconds: &str) -> i64 {
    seconds.parse::<i64>().unwrap() * 1_000_000_000
}
