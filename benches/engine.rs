//! What single operations of the engine cost: `cargo bench --bench engine`.
//!
//! The load: one instrument with fees, two checked accounts, 10,000 orders of the first resting on 100 levels of each side (100 ticks
//! from a middle of 50,000), closed orders kept as the venue keeps them, one buffer of events that is cleared before every
//! command. One thread. What is timed is [`Engine::apply`] of one or a few commands, from decimals to events; what is not:
//! making the commands, putting back what the operation took out of the book, and everything outside the engine (queue,
//! journal, streams). Throughput over a market's mix of commands, beside other engines: `benches/peers`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use openoutcry::domain::{
    AccountId, AccountName, AccountSpec, AssetName, Command, Decimal, Events, ExchangeName, FeeAsset, FeeRate,
    InstrumentId, InstrumentSpec, Money, Nanos, OrderId, OrderType, Outcome, Place, Quote, Replace, SelfTradePrevention,
    Side, Sources, Symbol, TimeInForce, TriggerBy, Unmarketable,
};
use openoutcry::engine::{Engine, Limits};

const MIDDLE: i64 = 50_000;
const LEVELS: i64 = 100;
const PER_LEVEL: i64 = 50;
/// Lots of every order that rests.
const LOTS: i64 = 10;
const MAKER: AccountId = AccountId(0);
const TAKER: AccountId = AccountId(1);

struct Venue {
    engine: Engine,
    events: Events,
    seq: u64,
    orders: u64,
}

impl Venue {
    /// A venue with a full book.
    fn new() -> Self {
        let mut venue = Self { engine: Engine::new(Limits::default()), events: Events::default(), seq: 0, orders: 0 };
        venue.apply(&Command::DefineInstrument(Box::new(instrument())));
        for name in ["maker", "taker"] {
            let balances = ["BTC", "USD"].map(|asset| (name_of(asset), Money::from(whole(1_000_000_000_000_000))));
            let name = AccountName::parse(name).expect("a name");
            venue.apply(&Command::OpenAccount(Box::new(AccountSpec { name, balances: Some(balances.to_vec()) })));
        }
        for _ in 0..PER_LEVEL {
            for distance in 1..=LEVELS {
                venue.place(limit(MAKER, Side::Buy, MIDDLE - distance, LOTS));
                venue.place(limit(MAKER, Side::Sell, MIDDLE + distance, LOTS));
            }
        }
        venue
    }

    fn apply(&mut self, command: &Command) -> Outcome {
        self.seq += 1;
        self.events.clear();
        self.engine.apply(self.seq, Nanos(1_000_000_000), command, &mut self.events)
    }

    fn place(&mut self, place: Place) -> OrderId {
        self.orders += 1;
        assert_eq!(self.apply(&Command::Place(place)), Outcome::Placed(OrderId(self.orders)));
        OrderId(self.orders)
    }

    /// Applies a command and says how long that took.
    fn time(&mut self, command: &Command) -> Duration {
        self.orders += u64::from(matches!(command, Command::Place(_)));
        self.seq += 1;
        self.events.clear();
        let start = Instant::now();
        black_box(self.engine.apply(self.seq, Nanos(1_000_000_000), command, &mut self.events));
        start.elapsed()
    }

    fn cancel(&mut self, order_id: OrderId) {
        self.apply(&Command::Cancel { account: MAKER, order_id });
    }
}

/// Times one operation; `step` does it, puts the book back, and answers what the operation alone took.
fn operation(criterion: &mut Criterion, name: &str, mut step: impl FnMut(&mut Venue) -> Duration) {
    criterion.bench_function(name, |bencher| {
        let mut venue = Venue::new();
        bencher.iter_custom(|count| (0..count).map(|_| step(&mut venue)).sum());
    });
}

fn benches(criterion: &mut Criterion) {
    operation(criterion, "place, rests at the touch", |venue| {
        let spent = venue.time(&Command::Place(limit(MAKER, Side::Buy, MIDDLE - 1, LOTS)));
        venue.cancel(OrderId(venue.orders));
        spent
    });
    operation(criterion, "cancel, from the back of a level of 50", |venue| {
        let order_id = venue.place(limit(MAKER, Side::Buy, MIDDLE - 50, LOTS));
        venue.time(&Command::Cancel { account: MAKER, order_id })
    });
    operation(criterion, "take one order whole", |venue| {
        let spent = venue.time(&Command::Place(limit(TAKER, Side::Buy, MIDDLE + 1, LOTS)));
        venue.place(limit(MAKER, Side::Sell, MIDDLE + 1, LOTS));
        spent
    });
    operation(criterion, "take ten levels of fifty orders", |venue| {
        let lots = 10 * PER_LEVEL * LOTS;
        let spent = venue.time(&Command::Place(limit(TAKER, Side::Buy, MIDDLE + 10, lots)));
        for distance in (1..=10).flat_map(|distance| (0..PER_LEVEL).map(move |_| distance)) {
            venue.place(limit(MAKER, Side::Sell, MIDDLE + distance, LOTS));
        }
        spent
    });
    operation(criterion, "replace, another price", |venue| {
        let order_id = venue.place(limit(MAKER, Side::Buy, MIDDLE - 50, LOTS));
        let price = Some(whole(MIDDLE - 51));
        let replace = Replace { account: MAKER, order_id, request_id: None, quantity: None, price, trigger_price: None };
        let spent = venue.time(&Command::Replace(replace));
        venue.cancel(order_id);
        spent
    });
    operation(criterion, "cascade of ten stops", |venue| {
        // A trade above the stops, so that they wait.
        venue.place(limit(TAKER, Side::Buy, MIDDLE + 1, LOTS));
        venue.place(limit(MAKER, Side::Sell, MIDDLE + 1, LOTS));
        for step in 0..10 {
            venue.place(stop(MIDDLE - 1 - step, PER_LEVEL * LOTS));
        }
        // The first level goes to the order that begins it; each stop takes the next.
        let spent = venue.time(&Command::Place(limit(TAKER, Side::Sell, MIDDLE - 1, PER_LEVEL * LOTS)));
        assert!(venue.events.trades.len() as i64 == 11 * PER_LEVEL, "every stop fired and took a level");
        for distance in (1..=11).flat_map(|distance| (0..PER_LEVEL).map(move |_| distance)) {
            venue.place(limit(MAKER, Side::Buy, MIDDLE - distance, LOTS));
        }
        spent
    });
    let mut bid = MIDDLE - 5;
    operation(criterion, "a quote moves by a tick", move |venue| {
        bid = 2 * MIDDLE - 9 - bid;
        venue.time(&Command::Quote(quote(bid)))
    });
}

fn whole(number: i64) -> Decimal {
    Decimal::new(number, 0).expect("a whole number")
}

fn name_of(asset: &str) -> AssetName {
    AssetName::parse(asset).expect("a name")
}

fn symbol() -> Symbol {
    Symbol::parse("BTC/USD").expect("a symbol")
}

fn instrument() -> InstrumentSpec {
    let fee = |bps| FeeRate::from_bps(whole(bps)).expect("a rate");
    InstrumentSpec {
        symbol: symbol(),
        tick_size: whole(1),
        lot_size: whole(1),
        min_quantity: Decimal::ZERO,
        max_quantity: Decimal::ZERO,
        min_notional: Decimal::ZERO,
        price_band: Decimal::ZERO,
        max_open_orders: 1_000_000,
        unmarketable: Unmarketable::Rest,
        sources: Sources::default(),
        reference_price: None,
        maker_fee: fee(1),
        taker_fee: fee(2),
        fee_asset: FeeAsset::Quote,
        day_end: 0,
    }
}

fn limit(account: AccountId, side: Side, price: i64, lots: i64) -> Place {
    Place {
        account,
        client_order_id: None,
        symbol: symbol(),
        instrument: Some(InstrumentId(0)),
        side,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        expire_at: None,
        quantity: whole(lots),
        price: Some(whole(price)),
        trigger_price: None,
        trigger_by: None,
        post_only: false,
        stp: SelfTradePrevention::None,
    }
}

fn stop(trigger: i64, lots: i64) -> Place {
    Place {
        order_type: OrderType::StopLoss,
        price: None,
        trigger_price: Some(whole(trigger)),
        trigger_by: Some(TriggerBy::Last),
        ..limit(TAKER, Side::Sell, trigger, lots)
    }
}

fn quote(bid: i64) -> Quote {
    let size = Some(whole(5));
    let exchange = ExchangeName::parse("exchange").expect("a name");
    let ask = Some(whole(bid + 200));
    Quote { exchange, instrument: InstrumentId(0), bid: Some(whole(bid)), bid_size: size, ask, ask_size: size }
}

criterion_group!(engine, benches);
criterion_main!(engine);
