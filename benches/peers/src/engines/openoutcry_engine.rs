//! Open Outcry's whole engine: decimals onto the grid, filters, holds and balances of one checked account, order state, an
//! execution for every change, trades and level changes, all into one buffer that is cleared before every command.

use std::hint::select_unpredictable;

use openoutcry::domain::{
    AccountId, AccountName, AccountSpec, AssetName, Command as Input, Decimal, Events, FeeAsset, FeeRate, InstrumentId,
    InstrumentSpec, Money, Nanos, OrderId, OrderType, Outcome, Place, SelfTradePrevention, Side, Source, Sources, Symbol,
    TimeInForce, Unmarketable,
};
use openoutcry::engine::{Engine as Venue, Limits};

use super::{BATCH, Engine};
use crate::command::{self, Command, Commands, Kind};
use crate::tape::Tape;

/// One venue with all symbols.
pub struct Driver {
    venue: Venue,
    seq: u64,
    events: Events,
    /// What has been read ahead: an order of each command, though of a cancel it means nothing, so that reading does not have to
    /// guess which it is.
    orders: Vec<Input>,
    /// The orders that the cancels among them name.
    canceled: Vec<OrderId>,
}

impl Engine for Driver {
    fn new(commands: &Commands) -> Self {
        let mut driver = Self {
            venue: Venue::new(Limits::default()),
            seq: 0,
            events: Events::default(),
            orders: vec![Input::Place(place()); BATCH],
            canceled: vec![OrderId(0); BATCH],
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
    fn read(&mut self, batch: &[Command]) {
        let mut count = 0;
        for (order, command) in self.orders.iter_mut().zip(batch) {
            if let Input::Place(place) = order {
                fill(place, command);
            }
            self.canceled[count] = OrderId(command.id);
            count += usize::from(command.kind == Kind::Cancel);
        }
        self.venue.look_ahead(self.canceled[..count].iter().copied());
    }

    #[inline]
    fn apply(&mut self, at: usize, command: &Command, tape: &mut Tape) {
        self.seq += 1;
        self.events.clear();
        let now = Nanos(self.seq as i64);
        if command.kind == Kind::Cancel {
            let cancel = Input::Cancel { account: AccountId(0), order_id: OrderId(command.id) };
            let outcome = self.venue.apply(self.seq, now, &cancel, &mut self.events);
            return tape.cancel(matches!(outcome, Outcome::Canceled(_)));
        }
        self.venue.apply(self.seq, now, &self.orders[at], &mut self.events);
        for trade in &self.events.trades {
            let Source::Order(maker) = trade.maker else { continue };
            tape.trade(maker.0, command.id, trade.price.ticks() as u64, trade.quantity.lots() as u64);
        }
    }
}

/// Makes an order of a command, in the place of an earlier one.
fn fill(place: &mut Place, command: &Command) {
    let whole = |number: u32| Decimal::new(i64::from(number), 0).unwrap_or_default();
    place.instrument = Some(InstrumentId(u32::from(command.symbol)));
    place.side = match command.side {
        command::Side::Buy => Side::Buy,
        command::Side::Sell => Side::Sell,
    };
    place.quantity = whole(command.quantity);
    let is_limit = command.kind == Kind::Limit;
    place.order_type = select_unpredictable(is_limit, OrderType::Limit, OrderType::Market);
    place.time_in_force = select_unpredictable(is_limit, TimeInForce::Gtc, TimeInForce::Ioc);
    place.price = Some(whole(command.price)).filter(|_| is_limit);
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

fn place() -> Place {
    Place {
        account: AccountId(0),
        client_order_id: None,
        // The instrument is looked up at intake; the symbol is what a refusal would show.
        symbol: symbol(0),
        instrument: None,
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
