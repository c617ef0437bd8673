//! Open Outcry's whole engine: decimals onto the grid, filters, holds and balances of one checked account, order state, an
//! execution for every change, trades and level changes, all into one buffer that is cleared before every command.

use openoutcry::domain::{
    AccountId, AccountName, AccountSpec, AssetName, Command as Input, Decimal, Events, FeeAsset, FeeRate, InstrumentId,
    InstrumentSpec, Money, Nanos, OrderId, OrderType, Outcome, Place, SelfTradePrevention, Side, Source, Sources, Symbol,
    TimeInForce, Unmarketable,
};
use openoutcry::engine::{Engine as Venue, Limits};

use super::Engine;
use crate::command::{self, Command, Commands, Kind};
use crate::tape::Tape;

/// One venue with all symbols.
pub struct Driver {
    venue: Venue,
    seq: u64,
    events: Events,
    /// An order of each symbol, to be filled in.
    places: Vec<Input>,
}

impl Engine for Driver {
    fn new(commands: &Commands) -> Self {
        let mut driver = Self {
            venue: Venue::new(Limits::default()),
            seq: 0,
            events: Events::default(),
            places: (0..commands.symbols).map(|symbol| Input::Place(place(symbol))).collect(),
        };
        for symbol in 0..commands.symbols {
            driver.tell(&Input::DefineInstrument(Box::new(instrument(symbol))));
        }
        let assets = (0..commands.symbols).map(base).chain([asset("USD")]);
        let balances = assets.map(|asset| (asset, Money::BALANCE_MAX)).collect();
        let name = AccountName::parse("bench").expect("a name");
        driver.tell(&Input::OpenAccount(Box::new(AccountSpec { name, balances: Some(balances) })));
        driver
    }

    #[inline]
    fn apply(&mut self, command: &Command, tape: &mut Tape) {
        self.seq += 1;
        self.events.clear();
        let now = Nanos(self.seq as i64);
        if command.kind == Kind::Cancel {
            let cancel = Input::Cancel { account: AccountId(0), order_id: OrderId(command.id) };
            let outcome = self.venue.apply(self.seq, now, &cancel, &mut self.events);
            return tape.cancel(matches!(outcome, Outcome::Canceled(_)));
        }
        let input = &mut self.places[usize::from(command.symbol)];
        if let Input::Place(place) = input {
            let whole = |number: u32| Decimal::new(i64::from(number), 0).unwrap_or_default();
            place.side = match command.side {
                command::Side::Buy => Side::Buy,
                command::Side::Sell => Side::Sell,
            };
            place.quantity = whole(command.quantity);
            (place.order_type, place.time_in_force, place.price) = match command.kind {
                Kind::Limit => (OrderType::Limit, TimeInForce::Gtc, Some(whole(command.price))),
                _ => (OrderType::Market, TimeInForce::Ioc, None),
            };
        }
        self.venue.apply(self.seq, now, input, &mut self.events);
        for trade in &self.events.trades {
            let Source::Order(maker) = trade.maker else { continue };
            tape.trade(maker.0, command.id, trade.price.ticks() as u64, trade.quantity.lots() as u64);
        }
    }
}

impl Driver {
    fn tell(&mut self, input: &Input) {
        self.seq += 1;
        let outcome = self.venue.apply(self.seq, Nanos(0), input, &mut self.events);
        assert_eq!(outcome, Outcome::Done, "{input:?}");
    }
}

fn asset(name: &str) -> AssetName {
    AssetName::parse(name).expect("a name")
}

fn base(symbol: u32) -> AssetName {
    asset(&format!("B{symbol}"))
}

fn symbol(number: u32) -> Symbol {
    Symbol::parse(&format!("B{number}/USD")).expect("a symbol")
}

fn instrument(number: u32) -> InstrumentSpec {
    let one = Decimal::new(1, 0).unwrap_or_default();
    InstrumentSpec {
        symbol: symbol(number),
        tick_size: one,
        lot_size: one,
        min_quantity: Decimal::ZERO,
        max_quantity: Decimal::ZERO,
        min_notional: Decimal::ZERO,
        price_band: Decimal::ZERO,
        max_open_orders: u32::MAX,
        unmarketable: Unmarketable::Rest,
        sources: Sources::default(),
        reference_price: None,
        maker_fee: FeeRate::default(),
        taker_fee: FeeRate::default(),
        fee_asset: FeeAsset::Quote,
        day_end: 0,
    }
}

fn place(number: u32) -> Place {
    Place {
        account: AccountId(0),
        client_order_id: None,
        symbol: symbol(number),
        instrument: Some(InstrumentId(number)),
        side: Side::Buy,
        order_type: OrderType::Limit,
        time_in_force: TimeInForce::Gtc,
        expire_at: None,
        quantity: Decimal::ZERO,
        price: None,
        trigger_price: None,
        trigger_by: None,
        post_only: false,
        stp: SelfTradePrevention::None,
    }
}
