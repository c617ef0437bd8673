//! Views: what can be seen of the state from outside. Nothing changes here.

use super::Engine;
use super::market::Standing;
use super::orders::Found;
use super::report::{lots, shown};
use super::table::NONE;
use super::terms::{Head, NEVER, Order};
use crate::domain::{
    AccountId, AccountName, AssetName, ClientOrderId, Code, ExchangeId, ExchangeName, Instrument, InstrumentId, Money,
    Nanos, OrderId, OrderType, Price, Quantity, Quote, SelfTradePrevention, Seq, Side, Status, TimeInForce, TriggerBy,
};

/// An account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountView {
    /// Its number.
    pub id: AccountId,
    /// Its name.
    pub name: AccountName,
    /// Whether its orders must be paid for.
    pub checked: bool,
    /// How many orders it has in books and waiting.
    pub open_orders: u32,
    /// The number of its last execution.
    pub last_seq: Seq,
}

/// What an account has of one asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// Of what.
    pub asset: AssetName,
    /// What it may spend.
    pub free: Money,
    /// What its open orders may cost.
    pub held: Money,
}

/// An instrument's prices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prices {
    /// The last trade's.
    pub last: Option<Price>,
    /// The middle of the best external quotes, in half ticks: the sum of bid and ask. `None` unless both sides are quoted.
    pub mark_half_ticks: Option<i64>,
}

/// An order as the engine keeps it. Of one that was refused, only the ids, side, type, times, status and code are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderView {
    /// The order's id.
    pub order_id: OrderId,
    /// The client's id for it.
    pub client_order_id: Option<ClientOrderId>,
    /// Whose order.
    pub account: AccountId,
    /// Of which instrument; `None` only for an unknown symbol.
    pub instrument: Option<InstrumentId>,
    /// Bid or ask.
    pub side: Side,
    /// As placed.
    pub order_type: OrderType,
    /// How long it lives.
    pub time_in_force: TimeInForce,
    /// When a `gtd` or `day` order ends.
    pub expire_at: Option<Nanos>,
    /// The total.
    pub quantity: Quantity,
    /// The limit.
    pub price: Option<Price>,
    /// The trigger.
    pub trigger_price: Option<Price>,
    /// Which price a stop watches.
    pub trigger_by: Option<TriggerBy>,
    /// Whether it may never take.
    pub post_only: bool,
    /// What happens when it meets an order of its own account.
    pub stp: SelfTradePrevention,
    /// Where it is.
    pub status: Status,
    /// Traded so far.
    pub cum_qty: Quantity,
    /// Still to trade.
    pub leaves_qty: Quantity,
    /// What has traded so far was worth, in tick·lots.
    pub cum_notional: i128,
    /// Why it ended, where that was not its owner's wish.
    pub code: Option<Code>,
    /// When it was numbered.
    pub created_at: Nanos,
    /// When it last changed; of an ended order, when it was numbered: the other is not kept.
    pub updated_at: Nanos,
}

impl Engine {
    /// All instruments, by id.
    pub fn instruments(&self) -> &[Instrument] {
        &self.instruments
    }

    /// An instrument.
    pub fn instrument(&self, id: InstrumentId) -> Option<&Instrument> {
        self.instruments.get(id.0 as usize)
    }

    /// Whether an instrument takes no new orders.
    pub fn is_halted(&self, instrument: InstrumentId) -> bool {
        self.markets.find(instrument.0).is_some_and(|market| market.halted)
    }

    /// All accounts, by id.
    pub fn accounts(&self) -> impl Iterator<Item = AccountView> + '_ {
        (0..).map_while(|account| self.account(AccountId(account)))
    }

    /// An account.
    pub fn account(&self, account: AccountId) -> Option<AccountView> {
        let found = self.ledger.find(account.0)?;
        Some(AccountView {
            id: account,
            name: found.name,
            checked: found.checked,
            open_orders: found.open.count(),
            last_seq: Seq(found.seq),
        })
    }

    /// What an account has, by asset in the order in which assets were first named.
    pub fn balances(&self, account: AccountId) -> impl Iterator<Item = Balance> + '_ {
        let rows = self.ledger.rows(account.0).iter();
        self.ledger.assets().iter().zip(rows).map(|(asset, row)| Balance {
            asset: *asset,
            free: Money::from_units(row.free),
            held: Money::from_units(row.held),
        })
    }

    /// What the venue took in fees, by asset.
    pub fn fees(&self) -> impl Iterator<Item = (AssetName, Money)> + '_ {
        (0..).zip(self.ledger.assets()).map(|(number, asset)| (*asset, Money::from_units(self.ledger.fees(number))))
    }

    /// The last order that was numbered; 0 if none was.
    pub fn last_order(&self) -> OrderId {
        OrderId(self.last.order)
    }

    /// An exchange's name.
    pub fn exchange(&self, id: ExchangeId) -> Option<ExchangeName> {
        self.exchanges.get(id.0 as usize).copied()
    }

    /// What each exchange last said of each instrument, on its grid, whether or not its sizes are taken.
    pub fn quotes(&self) -> impl Iterator<Item = Quote> + '_ {
        self.instruments.iter().flat_map(move |instrument| {
            let quoted = self.markets.find(instrument.id.0).into_iter().flat_map(|market| &market.quotes);
            quoted.filter_map(move |quoted| {
                let price = |side: Standing| Price::new(side.price).map(|price| instrument.price_decimal(price));
                // A size that is none is any amount.
                let size = |side: Standing| Quantity::new(side.size).map(|size| instrument.quantity_decimal(size));
                Some(Quote {
                    exchange: self.exchange(ExchangeId(quoted.exchange))?,
                    instrument: instrument.id,
                    bid: price(quoted.bid),
                    bid_size: price(quoted.bid).and_then(|_| size(quoted.bid)),
                    ask: price(quoted.ask),
                    ask_size: price(quoted.ask).and_then(|_| size(quoted.ask)),
                })
            })
        })
    }

    /// What stands in one side of a book, best first: clients' orders and exchanges' quotes; `None` is any amount.
    pub fn levels(&self, instrument: InstrumentId, side: Side) -> impl Iterator<Item = (Price, Option<Quantity>)> + '_ {
        let market = self.markets.find(instrument.0);
        market
            .into_iter()
            .flat_map(move |market| market.book.levels(side))
            .filter_map(|level| Some((Price::new(level.price)?, shown(level.total))))
    }

    /// An instrument's prices.
    pub fn prices(&self, instrument: InstrumentId) -> Prices {
        self.markets.find(instrument.0).map_or_else(Prices::default, |market| Prices {
            last: Price::new(market.last),
            mark_half_ticks: Some(market.mark).filter(|mark| *mark > 0),
        })
    }

    /// An order that is open, or ended lately.
    pub fn order(&self, order_id: OrderId) -> Option<OrderView> {
        match self.orders.find_any(order_id.0)? {
            Found::Live(slot) => Some(view(&self.orders.live(slot))),
            Found::Closed(place) => Some(view(&self.orders.closed(place))),
        }
    }

    /// The orders in books and those that wait for a trigger, by id.
    pub fn open_orders(&self) -> impl Iterator<Item = OrderView> + '_ {
        self.orders.live_slots().map(|slot| view(&self.orders.live(slot)))
    }
}

fn view(order: &Order) -> OrderView {
    let Order { head: Head { id, account, instrument, side, price, leaves }, terms, client_order_id } = *order;
    OrderView {
        order_id: OrderId(id),
        client_order_id,
        account: AccountId(account),
        instrument: Some(InstrumentId(instrument)).filter(|instrument| instrument.0 != NONE),
        side,
        order_type: terms.order_type,
        time_in_force: terms.time_in_force,
        expire_at: Some(Nanos(terms.expire_at)).filter(|end| end.0 != NEVER),
        quantity: lots(terms.quantity),
        price: Price::new(price),
        trigger_price: Price::new(terms.trigger),
        trigger_by: Some(terms.trigger_by).filter(|_| terms.is_stop()),
        post_only: terms.post_only,
        stp: terms.stp,
        status: terms.status,
        cum_qty: lots(terms.cum),
        leaves_qty: lots(leaves),
        cum_notional: terms.notional,
        code: terms.code,
        created_at: Nanos(terms.created_at),
        updated_at: Nanos(terms.updated_at),
    }
}
