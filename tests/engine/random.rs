//! Random venues and random streams of commands over them, small enough that everything collides with everything.
//!
//! A stream is made of [`Step`]s, which name orders by how long ago they came: so that a stream still means something once
//! proptest has taken steps out of it. [`Stream::commands`] turns them into the engine's commands.

use openoutcry::domain::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// When every stream begins: a second before the end of a UTC day.
pub(crate) const START: i64 = 1_767_225_599_000_000_000;

/// A venue and what is done to it.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) instruments: Vec<InstrumentSpec>,
    pub(crate) accounts: Vec<AccountSpec>,
    pub(crate) steps: Vec<Step>,
    /// How many ended orders the venue still knows.
    pub(crate) closed_kept: usize,
}

/// One thing that is done, so many nanoseconds after the one before.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) after: i64,
    pub(crate) action: Action,
}

#[derive(Clone, Debug)]
pub(crate) enum Action {
    Place(Draft),
    Cancel { account: u32, ago: u64 },
    CancelAll { account: u32, instrument: Option<u32>, side: Option<Side> },
    Replace { account: u32, ago: u64, quantity: Option<Amount>, price: Option<Amount>, trigger: Option<Amount> },
    CancelAfter { account: u32, timeout: i64 },
    Quote { exchange: usize, instrument: u32, bid: Option<(Amount, Option<Amount>)>, ask: Option<(Amount, Option<Amount>)> },
    Withdraw { exchange: usize, instrument: Option<u32> },
    Halt(u32),
    Resume(u32),
    Deposit { account: u32, asset: &'static str, amount: i64 },
    Redefine { instrument: u32, maker: &'static str, taker: &'static str, most_open: u32 },
    Tick,
}

/// An order before its numbers are put on an instrument's grid.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) account: u32,
    pub(crate) instrument: Option<u32>,
    pub(crate) side: Side,
    pub(crate) order_type: OrderType,
    pub(crate) time_in_force: TimeInForce,
    pub(crate) ends: i64,
    pub(crate) quantity: Amount,
    pub(crate) price: Amount,
    pub(crate) trigger: Amount,
    pub(crate) trigger_by: Option<TriggerBy>,
    pub(crate) post_only: bool,
    pub(crate) stp: SelfTradePrevention,
    pub(crate) named: bool,
}

/// So many ticks or lots, perhaps a little beside the grid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Amount {
    pub(crate) steps: i64,
    pub(crate) beside: bool,
}

const EXCHANGES: [&str; 3] = ["binance", "kraken", "static"];
/// Stands for the account that owns the order.
const OWNER: u32 = u32::MAX;
const ASSETS: [&str; 3] = ["BTC", "ETH", "USD"];

impl Stream {
    /// The venue's configuration and then every step, each with its time.
    pub(crate) fn commands(&self) -> Vec<(Nanos, Command)> {
        let mut now = START;
        let define = self.instruments.iter().map(|spec| Command::DefineInstrument(Box::new(spec.clone())));
        let open = self.accounts.iter().map(|spec| Command::OpenAccount(Box::new(spec.clone())));
        let mut commands: Vec<_> = define.chain(open).map(|command| (Nanos(now), command)).collect();
        let mut ids = 0;
        for Step { after, action } in &self.steps {
            now += after;
            ids += u64::from(matches!(action, Action::Place(_)));
            commands.push((Nanos(now), self.command(action, now, ids)));
        }
        commands
    }

    fn command(&self, action: &Action, now: i64, ids: u64) -> Command {
        let order_id = |ago: &u64| OrderId(ids.saturating_sub(*ago));
        match action {
            Action::Place(draft) => Command::Place(self.place(draft, now, ids)),
            Action::Cancel { account, ago } => {
                Command::Cancel { account: self.asks(*account, order_id(ago)), order_id: order_id(ago) }
            }
            Action::CancelAll { account, instrument, side } => Command::CancelAll(CancelAll {
                account: AccountId(*account),
                instrument: instrument.map(InstrumentId),
                side: *side,
            }),
            Action::Replace { account, ago, quantity, price, trigger } => {
                // Whose grid it is must not matter to whether a stream can be made; most orders are of the first instrument.
                let spec = self.spec_of(order_id(ago));
                Command::Replace(Replace {
                    request_id: None,
                    account: self.asks(*account, order_id(ago)),
                    order_id: order_id(ago),
                    quantity: quantity.map(|amount| amount.of(spec.lot_size)),
                    price: price.map(|amount| amount.of(spec.tick_size)),
                    trigger_price: trigger.map(|amount| amount.of(spec.tick_size)),
                })
            }
            Action::CancelAfter { account, timeout } => {
                Command::CancelAfter { account: AccountId(*account), timeout_ns: *timeout }
            }
            Action::Quote { exchange, instrument, bid, ask } => {
                let spec = &self.instruments[*instrument as usize];
                let price = |side: &Option<(Amount, Option<Amount>)>| side.map(|(price, _)| price.of(spec.tick_size));
                let size = |side: &Option<(Amount, Option<Amount>)>| Some(side.as_ref()?.1?.of(spec.lot_size));
                Command::Quote(Quote {
                    exchange: exchange_name(*exchange),
                    instrument: InstrumentId(*instrument),
                    bid: price(bid),
                    bid_size: size(bid),
                    ask: price(ask),
                    ask_size: size(ask),
                })
            }
            Action::Withdraw { exchange, instrument } => Command::WithdrawQuotes {
                exchange: exchange_name(*exchange),
                instrument: instrument.map(InstrumentId),
                // Between one that others follow and the last of them nobody looks, nor is a state saved.
                more: false,
            },
            Action::Halt(instrument) => Command::Halt(InstrumentId(*instrument)),
            Action::Resume(instrument) => Command::Resume(InstrumentId(*instrument)),
            Action::Deposit { account, asset, amount } => Command::Deposit(Deposit {
                account: AccountId(*account),
                request_id: None,
                asset: AssetName::parse(asset).unwrap(),
                amount: Money::from_units(i128::from(*amount) * 100_000_000_000_000_000),
            }),
            Action::Redefine { instrument, maker, taker, most_open } => {
                let old = &self.instruments[*instrument as usize];
                Command::DefineInstrument(Box::new(InstrumentSpec {
                    maker_fee: rate(maker),
                    taker_fee: rate(taker),
                    max_open_orders: *most_open,
                    ..old.clone()
                }))
            }
            Action::Tick => Command::Tick,
        }
    }

    fn draft_of(&self, id: OrderId) -> Option<&Draft> {
        let mut drafts = self.steps.iter().filter_map(|step| match &step.action {
            Action::Place(draft) => Some(draft),
            _ => None,
        });
        drafts.nth((id.0 as usize).checked_sub(1)?)
    }

    /// The rules of the instrument that the order with this id was drafted for.
    fn spec_of(&self, id: OrderId) -> &InstrumentSpec {
        &self.instruments[self.draft_of(id).and_then(|draft| draft.instrument).unwrap_or(0) as usize]
    }

    /// Who asks for a change of an order: an account, or the order's owner.
    fn asks(&self, account: u32, id: OrderId) -> AccountId {
        let owner = self.draft_of(id).map_or(0, |draft| draft.account);
        AccountId(if account == OWNER { owner } else { account })
    }

    fn place(&self, draft: &Draft, now: i64, id: u64) -> Place {
        let spec = &self.instruments[draft.instrument.unwrap_or(0) as usize];
        let Draft { order_type, time_in_force, .. } = *draft;
        let is_stop = matches!(order_type, OrderType::StopLoss | OrderType::StopLimit);
        let has_price = matches!(order_type, OrderType::Limit | OrderType::StopLimit);
        let time_in_force = if order_type == OrderType::Market { TimeInForce::Ioc } else { time_in_force };
        let rests = !matches!(time_in_force, TimeInForce::Ioc | TimeInForce::Fok);
        Place {
            account: AccountId(draft.account),
            client_order_id: draft.named.then(|| ClientOrderId::parse(&format!("c{id}")).unwrap()),
            symbol: if draft.instrument.is_some() { spec.symbol } else { Symbol::parse("DOGE/USD").unwrap() },
            instrument: draft.instrument.map(InstrumentId),
            side: draft.side,
            order_type,
            time_in_force,
            expire_at: (time_in_force == TimeInForce::Gtd).then_some(Nanos(now + draft.ends)),
            quantity: draft.quantity.of(spec.lot_size),
            price: has_price.then(|| draft.price.of(spec.tick_size)),
            trigger_price: is_stop.then(|| draft.trigger.of(spec.tick_size)),
            trigger_by: draft.trigger_by.filter(|_| is_stop),
            post_only: draft.post_only && has_price && rests,
            stp: draft.stp,
        }
    }
}

impl Amount {
    fn of(self, step: Decimal) -> Decimal {
        let on = Decimal::new(step.mantissa() * self.steps, step.scale()).unwrap();
        if !self.beside {
            return on;
        }
        Decimal::new(on.mantissa() * 10i64.pow(u32::from(step.scale() - on.scale())) * 10 + 3, step.scale() + 1).unwrap()
    }
}

pub(crate) fn exchange_name(number: usize) -> ExchangeName {
    ExchangeName::parse(EXCHANGES[number]).unwrap()
}

fn rate(bps: &str) -> FeeRate {
    FeeRate::from_bps(Decimal::parse(bps).unwrap()).unwrap()
}

// What may come.

/// A venue of up to three instruments and four accounts, and up to `length` steps.
pub(crate) fn streams(length: usize) -> impl Strategy<Value = Stream> {
    let instruments = (instrument("BTC/USD"), instrument("ETH/USD"), instrument("BTC/ETH"));
    let kept = prop_oneof![4 => Just(1_000_000usize), 1 => 0..6usize];
    (instruments, vec(step(), 1..length), kept).prop_map(|((first, second, third), steps, closed_kept)| Stream {
        closed_kept,
        accounts: accounts(&first),
        instruments: vec![first, second, third],
        steps,
    })
}

/// One with enough of everything, two with little, one unchecked. Amounts are in the first instrument's steps.
fn accounts(spec: &InstrumentSpec) -> Vec<AccountSpec> {
    let rules = Instrument::new(InstrumentId(0), spec.clone()).unwrap();
    let owns = |value: i128, lots: i64| {
        let value = rules.quote_money(value).unwrap();
        let goods = rules.base_money(Quantity::new(lots).unwrap());
        let asset = |name| AssetName::parse(name).unwrap();
        Some(vec![(asset("BTC"), goods), (asset("ETH"), value), (asset("USD"), value)])
    };
    let account = |name, balances| AccountSpec { name: AccountName::parse(name).unwrap(), balances };
    vec![
        account("ample", owns(1_000_000_000, 1_000_000)),
        account("poor", owns(4_000, 40)),
        account("poorer", owns(1_000, 10)),
        account("unchecked", None),
    ]
}

fn instrument(symbol: &'static str) -> impl Strategy<Value = InstrumentSpec> {
    let decimal = |text| Decimal::parse(text).unwrap();
    let grid = select(vec![("1", "1"), ("0.5", "0.1"), ("0.00000001", "0.0000000007"), ("5", "3"), ("0.000000003", "1")]);
    let fee = || select(vec!["0", "0", "10", "2.5", "0.0001", "33.3333", "10000"]);
    let limits = (0..3i64, prop_oneof![3 => Just(0i64), 1 => 8..20i64], prop_oneof![3 => Just(0i64), 1 => 100..500i64]);
    let rules = (
        select(vec!["0", "0", "0", "3", "0.7"]),
        prop_oneof![3 => Just(1_000_000u32), 1 => 2..5u32],
        prop_oneof![4 => Just(Unmarketable::Rest), 1 => Just(Unmarketable::Reject)],
        select(FeeAsset::ALL),
        0..3usize,
        select(vec![0, 3_600_000_000_000]),
    );
    (grid, fee(), fee(), limits, rules).prop_map(move |((tick, lot), maker, taker, limits, rules)| {
        let (tick_size, lot_size) = (decimal(tick), decimal(lot));
        let (least, most, worth) = limits;
        let (band, max_open_orders, unmarketable, fee_asset, quoted, day_end) = rules;
        let lots = |count: i64| Amount { steps: count, beside: false }.of(lot_size);
        let value = tick_size.mantissa() * lot_size.mantissa() * worth;
        InstrumentSpec {
            symbol: Symbol::parse(symbol).unwrap(),
            tick_size,
            lot_size,
            min_quantity: lots(least),
            max_quantity: lots(most),
            min_notional: Decimal::new(value, tick_size.scale() + lot_size.scale()).unwrap(),
            price_band: decimal(band),
            max_open_orders,
            unmarketable,
            sources: Sources::new([vec![], vec![exchange_name(0)], vec![exchange_name(2)]][quoted].clone()),
            reference_price: (quoted == 2).then(|| Amount { steps: 100, beside: false }.of(tick_size)),
            maker_fee: rate(maker),
            taker_fee: rate(taker),
            fee_asset,
            day_end,
        }
    })
}

fn step() -> impl Strategy<Value = Step> {
    // The clock may be set back; the venue's time does not go back.
    let after = prop_oneof![
        1 => Just(-5i64),
        6 => Just(0i64),
        6 => 1..20i64,
        1 => Just(1_000_000_000i64),
        1 => Just(3_600_000_000_000i64),
    ];
    (after, action()).prop_map(|(after, action)| Step { after, action })
}

fn action() -> impl Strategy<Value = Action> {
    let account = || 0..4u32;
    // The first instrument sees most of what happens.
    let instrument = || prop_oneof![8 => Just(0u32), 2 => Just(1u32), 1 => Just(2u32)];
    let ago = || 0..12u64;
    let asks = || prop_oneof![3 => Just(OWNER), 1 => 0..4u32];
    let side = || select(Side::ALL);
    let quoted = || option::weighted(0.9, (quoted_prices(), option::weighted(0.7, sizes())));
    let changes = (option::of(quantities()), option::of(prices()), option::weighted(0.2, prices()));
    prop_oneof![
        40 => draft().prop_map(Action::Place),
        8 => (asks(), ago()).prop_map(|(account, ago)| Action::Cancel { account, ago }),
        2 => (account(), option::of(instrument()), option::of(side()))
            .prop_map(|(account, instrument, side)| Action::CancelAll { account, instrument, side }),
        12 => (asks(), ago(), changes).prop_map(|(account, ago, (quantity, price, trigger))| {
            Action::Replace { account, ago, quantity, price, trigger }
        }),
        1 => (account(), select(vec![0, 1, 15, 1_000_000_000]))
            .prop_map(|(account, timeout)| Action::CancelAfter { account, timeout }),
        14 => (0..3usize, instrument(), quoted(), quoted())
            .prop_map(|(exchange, instrument, bid, ask)| Action::Quote { exchange, instrument, bid, ask }),
        2 => (0..3usize, option::of(instrument()))
            .prop_map(|(exchange, instrument)| Action::Withdraw { exchange, instrument }),
        1 => instrument().prop_map(Action::Halt),
        2 => instrument().prop_map(Action::Resume),
        2 => (account(), select(&ASSETS[..]), -50..100i64)
            .prop_map(|(account, asset, amount)| Action::Deposit { account, asset, amount }),
        1 => (instrument(), select(vec!["0", "10", "0.0001"]), select(vec!["0", "25"]), select(vec![1_000_000, 3]))
            .prop_map(|(instrument, maker, taker, most_open)| Action::Redefine { instrument, maker, taker, most_open }),
        2 => Just(Action::Tick),
    ]
}

fn draft() -> impl Strategy<Value = Draft> {
    let who = (
        0..4u32,
        prop_oneof![40 => Just(Some(0u32)), 10 => Just(Some(1)), 5 => Just(Some(2)), 1 => Just(None)],
        select(Side::ALL),
        any::<bool>(),
    );
    let how = (
        prop_oneof![
            12 => Just(OrderType::Limit),
            3 => Just(OrderType::Market),
            3 => Just(OrderType::StopLoss),
            3 => Just(OrderType::StopLimit),
        ],
        prop_oneof![
            10 => Just(TimeInForce::Gtc),
            2 => Just(TimeInForce::Ioc),
            2 => Just(TimeInForce::Fok),
            2 => Just(TimeInForce::Gtd),
            1 => Just(TimeInForce::Day),
        ],
        prop_oneof![20 => 1..40i64, 1 => Just(0i64), 1 => Just(2_000_000_000i64)],
        option::of(select(TriggerBy::ALL)),
        prop::bool::weighted(0.1),
        prop_oneof![3 => Just(SelfTradePrevention::None), 2 => select(SelfTradePrevention::ALL)],
    );
    (who, how, quantities(), prices(), prices()).prop_map(|(who, how, quantity, price, trigger)| {
        let (account, instrument, side, named) = who;
        let (order_type, time_in_force, ends, trigger_by, post_only, stp) = how;
        Draft {
            account,
            instrument,
            side,
            order_type,
            time_in_force,
            ends,
            quantity,
            price,
            trigger,
            trigger_by,
            post_only,
            stp,
            named,
        }
    })
}

fn prices() -> impl Strategy<Value = Amount> {
    let beside = prop::bool::weighted(0.04);
    // Most near each other, some far off, so that the market has gaps.
    (prop_oneof![9 => 95..106i64, 1 => 60..140i64], beside).prop_map(|(steps, beside)| Amount { steps, beside })
}

fn quantities() -> impl Strategy<Value = Amount> {
    let beside = prop::bool::weighted(0.01);
    (1..13i64, beside).prop_map(|(steps, beside)| Amount { steps, beside })
}

/// Where an exchange quotes: often where it did before, so that only the size is another.
fn quoted_prices() -> impl Strategy<Value = Amount> {
    prop_oneof![2 => prices(), 1 => (99..102i64).prop_map(|steps| Amount { steps, beside: false })]
}

/// A quote may be of nothing at all.
fn sizes() -> impl Strategy<Value = Amount> {
    let beside = prop::bool::weighted(0.05);
    (prop_oneof![1 => Just(0i64), 3 => 1..13i64], beside).prop_map(|(steps, beside)| Amount { steps, beside })
}
