//! From bytes to an engine.

use super::bytes::Bytes;
use super::{StateError, VERSION, tag};
use crate::domain::{
    AccountName, AssetName, ClientOrderId, Code, Decimal, ExchangeName, FeeAsset, FeeRate, Instrument, InstrumentId,
    InstrumentSpec, OrderType, Price, Quantity, SelfTradePrevention, Side, Sources, Status, Symbol, TimeInForce, TriggerBy,
    Unmarketable,
};
use crate::engine::book::UNLIMITED;
use crate::engine::define::INSTRUMENTS_MAX;
use crate::engine::market::{EXCHANGES_MAX, Market, Quoted, Standing};
use crate::engine::rules::Rules;
use crate::engine::table::NONE;
use crate::engine::terms::{Aside, Head, NEVER, Order, Terms};
use crate::engine::{CLOSED_KEPT_MAX, Engine, Limits, OPEN_ORDERS_MAX};

/// All statuses, in the order of their declaration.
const STATUSES: [Status; 8] = [
    Status::Received,
    Status::Open,
    Status::Untriggered,
    Status::PartiallyFilled,
    Status::Filled,
    Status::Rejected,
    Status::Canceled,
    Status::Expired,
];

/// Which of a market's queues is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Queue {
    Book,
    Stops(TriggerBy),
}

impl Engine {
    /// The engine that was saved as `bytes`.
    ///
    /// # Errors
    ///
    /// [`StateError`] if they are no engine's.
    pub fn restore(bytes: &[u8]) -> Result<Self, StateError> {
        let mut from = Bytes::new(bytes);
        let version = from.u32()?;
        if version != VERSION {
            return Err(StateError::Version(version));
        }
        let closed_kept = from.u32()?;
        if closed_kept > CLOSED_KEPT_MAX {
            return Err(StateError::Invalid("a limit"));
        }
        let mut engine = Self::new(Limits { closed_kept: closed_kept as usize });
        (engine.seq, engine.now) = (from.u64()?, from.i64()?);
        (engine.last.order, engine.last.execution, engine.last.trade) = (from.u64()?, from.u64()?, from.u64()?);
        engine.restore_ledger(&mut from)?;
        for number in 0..from.u32()? {
            let name = from.name(ExchangeName::parse)?;
            engine.exchanges.push(name);
            if engine.exchange_ids.insert(name, number).is_some() {
                return Err(StateError::Invalid("an exchange"));
            }
        }
        let mut live = Vec::new();
        for number in 0..from.u32()? {
            engine.restore_market(number, &mut from, &mut live)?;
        }
        let closed = engine.restore_closed(&mut from)?;
        if !from.is_empty() {
            return Err(StateError::TooLong);
        }
        engine.restore_index(live, closed)?;
        engine.restore_clocks();
        Ok(engine)
    }

    fn restore_ledger(&mut self, from: &mut Bytes<'_>) -> Result<(), StateError> {
        for number in 0..from.u32()? {
            let name = from.name(AssetName::parse)?;
            if self.ledger.asset(name) != Some(number) {
                return Err(StateError::Invalid("an asset"));
            }
            self.ledger.set_sums(number, [from.i128()?, from.i128()?, from.i128()?]);
        }
        for number in 0..from.u32()? {
            let name = from.name(AccountName::parse)?;
            if self.ledger.open(name, from.flag()?) != Some(number) {
                return Err(StateError::Invalid("an account"));
            }
            let account = self.ledger.account_mut(number);
            (account.seq, account.cancel_at) = (from.u64()?, from.i64()?);
            for asset in 0..from.u32()? {
                let (free, held) = (from.i128()?, from.i128()?);
                if free < 0 || held < 0 || (asset as usize) >= self.ledger.assets().len() {
                    return Err(StateError::Invalid("a balance"));
                }
                self.ledger.set_row(number, asset, free, held);
            }
        }
        Ok(())
    }

    /// Restores an instrument with its book; `live` gets its orders' ids and slots.
    fn restore_market(&mut self, number: u32, from: &mut Bytes<'_>, live: &mut Vec<(u64, u32)>) -> Result<(), StateError> {
        let spec = spec(from)?;
        let known = self.instruments.iter().any(|instrument| instrument.spec.symbol == spec.symbol);
        if known || number as usize >= INSTRUMENTS_MAX {
            return Err(StateError::Invalid("an instrument"));
        }
        let instrument = Instrument::new(InstrumentId(number), spec).map_err(|_| StateError::Invalid("an instrument"))?;
        let assets = self.ledger.asset(instrument.base).zip(self.ledger.asset(instrument.quote));
        let (base, quote) = assets.ok_or(StateError::Invalid("an asset"))?;
        let mut market = Market::new(Rules::new(&instrument, base, quote));
        market.has_sources = !instrument.spec.sources.is_empty();
        (market.halted, market.last) = (from.flag()?, from.i64()?);
        if market.last < 0 || market.last > Price::MAX.ticks() {
            return Err(StateError::Invalid("a price"));
        }
        self.restore_quotes(&mut market, from)?;
        market.refresh_mark();
        self.instruments.push(instrument);
        self.markets.push(market);
        for side in [Side::Buy, Side::Sell] {
            self.restore_queue(number, Queue::Book, side, from, live)?;
        }
        for by in [TriggerBy::Last, TriggerBy::Mark] {
            for side in [Side::Buy, Side::Sell] {
                self.restore_queue(number, Queue::Stops(by), side, from, live)?;
            }
        }
        if self.is_uncrossed(number) { Ok(()) } else { Err(StateError::Invalid("a crossed book")) }
    }

    fn restore_quotes(&self, market: &mut Market, from: &mut Bytes<'_>) -> Result<(), StateError> {
        for _ in 0..from.u32()? {
            let exchange = from.u32()?;
            let mut standing = || {
                let standing = Standing { price: from.i64()?, size: from.i64()?, since: from.u64()?, slot: NONE };
                let possible = (0..=Price::MAX.ticks()).contains(&standing.price) && standing.size >= 0;
                if possible { Ok(standing) } else { Err(StateError::Invalid("a quote")) }
            };
            let quoted = Quoted { exchange, bid: standing()?, ask: standing()? };
            let known = market.quotes.iter().any(|known| known.exchange == exchange);
            if known || exchange as usize >= self.exchanges.len() || market.quotes.len() >= EXCHANGES_MAX {
                return Err(StateError::Invalid("a quote"));
            }
            market.quotes.push(quoted);
        }
        Ok(())
    }

    fn restore_queue(
        &mut self,
        market: u32,
        queue: Queue,
        side: Side,
        from: &mut Bytes<'_>,
        live: &mut Vec<(u64, u32)>,
    ) -> Result<(), StateError> {
        loop {
            let tag = match from.u8()? {
                tag::END => return Ok(()),
                tag::QUOTE if queue == Queue::Book => {
                    self.restore_standing(market, side, from)?;
                    continue;
                }
                tag @ (tag::PLAIN | tag::MORE) => tag,
                _ => return Err(StateError::Invalid("an entry")),
            };
            let order = self.read_order(from, market, side, tag)?;
            self.check_live(&order, queue)?;
            let Order { head, terms, client_order_id } = order;
            let slot = self.orders.put_back(&head, terms, client_order_id, tag == tag::MORE);
            match queue {
                Queue::Book => drop(self.markets[market].book.rest(&mut self.orders.nodes, slot, head.price)),
                Queue::Stops(by) => {
                    self.markets[market].stops.park(&mut self.orders.nodes, slot, by, terms.trigger);
                }
            }
            live.push((head.id, slot));
        }
    }

    /// Restores what is left of a quote in the book.
    fn restore_standing(&mut self, market: u32, side: Side, from: &mut Bytes<'_>) -> Result<(), StateError> {
        let (exchange, leaves) = (from.u32()?, from.i64()?);
        let quoted = self.markets[market].quotes.iter().position(|quoted| quoted.exchange == exchange);
        let invalid = StateError::Invalid("a quote");
        let at = quoted.ok_or(invalid)?;
        let standing = self.markets[market].quotes.get(at).map(|quoted| *quoted.side(side)).ok_or(invalid)?;
        if standing.price == 0 || standing.slot != NONE || leaves <= 0 || leaves > standing.size {
            return Err(invalid);
        }
        let slot = self.orders.insert_quote(exchange, market, side, standing.price, leaves);
        let book = &mut self.markets[market].book;
        book.rest(&mut self.orders.nodes, slot, standing.price);
        if let Some(quoted) = self.markets[market].quotes.get_mut(at) {
            quoted.side_mut(side).slot = slot;
        }
        Ok(())
    }

    /// Reads an order, without judging where it may stand.
    fn read_order(&self, from: &mut Bytes<'_>, market: u32, side: Side, tag: u8) -> Result<Order, StateError> {
        let (id, account) = (from.u64()?, from.u32()?);
        let (price, leaves, created_at) = (from.i64()?, from.i64()?, from.i64()?);
        let mut terms = Terms {
            quantity: leaves,
            cum: 0,
            created_at,
            updated_at: created_at,
            notional: 0,
            order_type: from.word(OrderType::ALL)?,
            time_in_force: from.word(TimeInForce::ALL)?,
            stp: from.word(SelfTradePrevention::ALL)?,
            status: from.word(&STATUSES)?,
            trigger: 0,
            expire_at: NEVER,
            aside: Aside::NOTHING,
            trigger_by: TriggerBy::Last,
            code: None,
            post_only: false,
        };
        let mut client_order_id = None;
        if tag != tag::PLAIN {
            (terms.quantity, terms.cum, terms.updated_at) = (from.i64()?, from.i64()?, from.i64()?);
            terms.notional = from.i128()?;
        }
        if tag == tag::MORE {
            (terms.trigger, terms.expire_at) = (from.i64()?, from.i64()?);
            (terms.trigger_by, terms.post_only) = (from.word(TriggerBy::ALL)?, from.flag()?);
            let text = from.text()?;
            if !text.is_empty() {
                client_order_id = Some(ClientOrderId::parse(text).map_err(|_| StateError::Invalid("a name"))?);
            }
        }
        let prices = 0..=Price::MAX.ticks();
        let lots = 0..=Quantity::MAX.lots();
        let possible = (1..=self.last.order).contains(&id)
            && self.ledger.contains(account)
            && prices.contains(&price)
            && prices.contains(&terms.trigger)
            && [leaves, terms.quantity, terms.cum].iter().all(|value| lots.contains(value))
            && leaves <= terms.quantity.saturating_sub(terms.cum);
        let head = Head { id, account, instrument: market, side, price, leaves };
        if possible { Ok(Order { head, terms, client_order_id }) } else { Err(StateError::Invalid("an order")) }
    }

    fn check_live(&self, order: &Order, queue: Queue) -> Result<(), StateError> {
        let Order { head, terms, .. } = order;
        let stands = match queue {
            Queue::Book => head.price > 0 && matches!(terms.status, Status::Open | Status::PartiallyFilled),
            Queue::Stops(by) => {
                terms.is_stop() && terms.trigger > 0 && terms.trigger_by == by && terms.status == Status::Untriggered
            }
        };
        let possible = stands && head.leaves > 0 && head.leaves != UNLIMITED && self.open_orders < OPEN_ORDERS_MAX;
        if possible { Ok(()) } else { Err(StateError::Invalid("an open order")) }
    }

    /// Restores the orders that have ended; their ids.
    fn restore_closed(&mut self, from: &mut Bytes<'_>) -> Result<Vec<u64>, StateError> {
        let mut ids = Vec::new();
        loop {
            let tag = match from.u8()? {
                tag::END => return Ok(ids),
                tag @ (tag::ENDED | tag::MORE) => tag,
                _ => return Err(StateError::Invalid("an entry")),
            };
            let instrument = from.u32()?;
            let side = from.word(Side::ALL)?;
            let code = match from.u8()? {
                u8::MAX => None,
                number => Some(Code::ALL.get(usize::from(number)).copied().ok_or(StateError::Invalid("a code"))?),
            };
            let order = self.read_order(from, instrument, side, tag)?;
            let Order { head, mut terms, client_order_id } = order;
            terms.code = code;
            let placed = instrument == NONE || self.markets.contains(instrument);
            if !terms.status.is_terminal() || !placed || ids.len() >= self.orders.closed_kept() as usize {
                return Err(StateError::Invalid("an ended order"));
            }
            self.orders.put_back_closed(&head, terms, client_order_id, tag == tag::MORE);
            ids.push(head.id);
        }
    }

    /// Notes where each order is found, and whose open orders there are.
    fn restore_index(&mut self, mut live: Vec<(u64, u32)>, closed: Vec<u64>) -> Result<(), StateError> {
        live.sort_unstable();
        let mut closed: Vec<(u64, u32)> = closed.into_iter().zip(0..).collect();
        closed.sort_unstable();
        self.orders.reindex(self.last.order, &live, &closed).ok_or(StateError::Invalid("an order's id"))?;
        for (id, slot) in live {
            let Head { account, .. } = self.orders.head(slot);
            self.ledger.account_mut(account).open.add(id, |_| true);
            self.open_orders = self.open_orders.wrapping_add(1);
            let expire_at = self.orders.terms(slot).expire_at;
            if expire_at != NEVER {
                self.order_ends.insert((expire_at, id));
            }
        }
        Ok(())
    }

    fn restore_clocks(&mut self) {
        for (number, account) in (0..).zip(self.ledger.accounts()) {
            if account.cancel_at != NEVER {
                self.account_ends.insert((account.cancel_at, number));
            }
        }
        self.refresh_due();
    }
}

fn spec(from: &mut Bytes<'_>) -> Result<InstrumentSpec, StateError> {
    let symbol = from.name(Symbol::parse)?;
    let [tick_size, lot_size, min_quantity, max_quantity, min_notional, price_band] =
        [from.decimal()?, from.decimal()?, from.decimal()?, from.decimal()?, from.decimal()?, from.decimal()?];
    let max_open_orders = from.u32()?;
    let unmarketable = from.word(Unmarketable::ALL)?;
    let mut sources = Vec::new();
    for _ in 0..from.u32()? {
        sources.push(from.name(ExchangeName::parse)?);
    }
    let (has_reference, reference) = (from.flag()?, from.decimal()?);
    let mut fee = || {
        let bps = Decimal::new(i64::from(from.u32()?), 4).map_err(|_| StateError::Invalid("a fee"))?;
        FeeRate::from_bps(bps).ok_or(StateError::Invalid("a fee"))
    };
    let (maker_fee, taker_fee) = (fee()?, fee()?);
    Ok(InstrumentSpec {
        symbol,
        tick_size,
        lot_size,
        min_quantity,
        max_quantity,
        min_notional,
        price_band,
        max_open_orders,
        unmarketable,
        sources: Sources::new(sources),
        reference_price: has_reference.then_some(reference),
        maker_fee,
        taker_fee,
        fee_asset: from.word(FeeAsset::ALL)?,
        day_end: from.i64()?,
    })
}
