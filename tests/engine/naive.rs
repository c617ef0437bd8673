//! The engine a second time, written to be obviously right and nothing else.
//!
//! A reading of the rules of its own: orders stand in one list, every question is a scan over it, and what an account has
//! free is what it owns less what its open orders hold, worked out anew each time. It shares the engine's words, and the
//! conversions of [`Instrument`], but none of its structures.

use std::collections::BTreeMap;

use openoutcry::domain::*;

const DAY_NS: i64 = 86_400_000_000_000;

/// An order that has been accepted, and is live or recently ended.
#[derive(Clone, Debug)]
pub(crate) struct NaiveOrder {
    pub(crate) id: OrderId,
    pub(crate) place: Place,
    pub(crate) instrument: usize,
    pub(crate) status: Status,
    pub(crate) expire_at: Option<Nanos>,
    pub(crate) trigger_by: TriggerBy,
    /// In lots and ticks.
    pub(crate) quantity: i64,
    pub(crate) price: Option<i64>,
    pub(crate) trigger: Option<i64>,
    pub(crate) traded: i64,
    pub(crate) notional: i128,
    /// What self-trade prevention took.
    pub(crate) prevented: i64,
    pub(crate) created_at: Nanos,
    /// Smaller came first: its place in its level, or among stops.
    rank: u64,
    /// The rules by which it still holds, while those of its instrument are changing.
    held_by: Option<Instrument>,
}

impl NaiveOrder {
    pub(crate) fn leaves(&self) -> i64 {
        if self.status.is_terminal() { 0 } else { self.quantity - self.traded - self.prevented }
    }

    fn rests(&self) -> bool {
        matches!(self.status, Status::Open | Status::PartiallyFilled)
    }

    /// Whether it trades at any price, now or once it fires.
    fn is_market(&self) -> bool {
        matches!(self.place.order_type, OrderType::Market | OrderType::StopLoss)
    }
}

/// One side of one exchange's quote.
#[derive(Clone, Debug)]
struct Standing {
    exchange: usize,
    instrument: usize,
    side: Side,
    price: i64,
    /// As quoted; `None` is any amount.
    quoted: Option<i64>,
    left: Option<i64>,
    rank: u64,
}

pub(crate) struct NaiveAccount {
    pub(crate) spec: AccountSpec,
    pub(crate) owns: BTreeMap<String, i128>,
    cancel_at: Option<Nanos>,
    seq: u64,
}

pub(crate) struct NaiveInstrument {
    pub(crate) rules: Instrument,
    pub(crate) halted: bool,
    pub(crate) last: Option<i64>,
}

/// Who is the best on a side.
#[derive(Clone, Copy)]
enum Best {
    Order(usize),
    Standing(usize),
}

#[derive(Default)]
pub(crate) struct Naive {
    pub(crate) instruments: Vec<NaiveInstrument>,
    pub(crate) accounts: Vec<NaiveAccount>,
    exchanges: Vec<ExchangeName>,
    pub(crate) orders: Vec<NaiveOrder>,
    /// Orders that have ended, in that order; only the last so many are still known.
    ended: Vec<usize>,
    closed_kept: usize,
    standings: Vec<Standing>,
    ids: u64,
    executions: u64,
    trades: u64,
    ranks: u64,
    now: Nanos,
    /// Stops that have been reached during this command, in the order in which they will trade.
    latched: Vec<usize>,
    pub(crate) out: Events,
}

impl Naive {
    /// A venue that knows nothing yet, and so many ended orders at most.
    pub(crate) fn new(closed_kept: usize) -> Self {
        Self { closed_kept, ..Self::default() }
    }

    /// Does what the command asks; what happened is in `out`, which is emptied first.
    pub(crate) fn apply(&mut self, now: Nanos, command: &Command) -> Outcome {
        self.out.clear();
        self.now = self.now.max(now);
        self.let_time_pass();
        match command {
            Command::DefineInstrument(spec) => self.define(spec),
            Command::OpenAccount(spec) => self.open(spec),
            Command::Deposit(Deposit { account, asset, amount, .. }) => self.deposit(*account, asset, amount.units()),
            Command::Place(place) => self.place(place),
            Command::Cancel { account, order_id } => self.cancel(*account, *order_id),
            Command::CancelAll(which) => self.cancel_all(which),
            Command::Replace(terms) => self.replace(terms),
            Command::CancelAfter { account, timeout_ns } => {
                let armed = *timeout_ns > 0;
                self.accounts[account.0 as usize].cancel_at = armed.then_some(Nanos(self.now.0 + timeout_ns));
                Outcome::Done
            }
            Command::Quote(quote) => self.quote(quote),
            Command::WithdrawQuotes { exchange, instrument, more: _ } => self.withdraw(exchange, *instrument),
            Command::Halt(id) => self.halt(*id, true),
            Command::Resume(id) => self.halt(*id, false),
            Command::Tick => Outcome::Done,
        }
    }

    // What accounts own.

    /// What an order may still cost its owner, and in which asset.
    fn holds(&self, order: &NaiveOrder) -> (String, i128) {
        let rules = order.held_by.as_ref().unwrap_or(&self.instruments[order.instrument].rules);
        self.costs(rules, order, order.leaves())
    }

    fn costs(&self, rules: &Instrument, order: &NaiveOrder, lots: i64) -> (String, i128) {
        match order.place.side {
            Side::Sell => (rules.base.to_string(), base(rules, lots)),
            Side::Buy => {
                let price = if order.is_market() { order.trigger } else { order.price };
                let value = worth(rules, i128::from(price.unwrap_or(0)) * i128::from(lots));
                (rules.quote.to_string(), value + self.quote_fee(rules, value))
            }
        }
    }

    /// The larger of the two fees on `value`, for a buyer who pays it in the quote asset.
    fn quote_fee(&self, rules: &Instrument, value: i128) -> i128 {
        match rules.spec.fee_asset {
            FeeAsset::Quote => fee(value, rules.spec.maker_fee.max(rules.spec.taker_fee)),
            FeeAsset::Received => 0,
        }
    }

    /// The sum that the account's open orders hold of an asset, `but` for one of them.
    pub(crate) fn held(&self, account: AccountId, asset: &str, but: Option<OrderId>) -> i128 {
        let open = self.orders.iter().filter(|order| order.place.account == account && !order.status.is_terminal());
        open.filter(|order| Some(order.id) != but)
            .map(|order| self.holds(order))
            .filter(|(held, _)| held == asset)
            .map(|(_, amount)| amount)
            .sum()
    }

    /// What the account has of the asset, beyond what its other open orders hold; no end to it for an unchecked account.
    pub(crate) fn free(&self, account: AccountId, asset: &str, but: Option<OrderId>) -> i128 {
        let owner = &self.accounts[account.0 as usize];
        if owner.spec.balances.is_none() {
            return i128::MAX;
        }
        owner.owns.get(asset).copied().unwrap_or(0) - self.held(account, asset, but)
    }

    fn pay(&mut self, account: AccountId, asset: &str, amount: i128) {
        let owner = &mut self.accounts[account.0 as usize];
        if owner.spec.balances.is_some() {
            *owner.owns.entry(asset.to_owned()).or_default() += amount;
        }
    }

    // Telling.

    fn tell(&mut self, at: usize, execution_type: ExecutionType, code: Option<Code>) {
        self.tell_more(at, execution_type, None, code, None);
    }

    fn tell_more(
        &mut self,
        at: usize,
        execution_type: ExecutionType,
        fill: Option<Fill>,
        code: Option<Code>,
        reference: Option<i64>,
    ) {
        let order = &self.orders[at];
        let account = order.place.account;
        self.executions += 1;
        self.accounts[account.0 as usize].seq += 1;
        self.out.executions.push(Execution {
            exec_id: ExecId(self.executions),
            seq: Seq(self.accounts[account.0 as usize].seq),
            account,
            instrument: (order.instrument != usize::MAX).then_some(InstrumentId(order.instrument as u32)),
            order_id: order.id,
            client_order_id: order.place.client_order_id,
            execution_type,
            status: order.status,
            side: order.place.side,
            order_type: order.place.order_type,
            time_in_force: order.place.time_in_force,
            expire_at: order.expire_at,
            quantity: lots(order.quantity),
            price: order.price.and_then(Price::new),
            trigger_price: order.trigger.and_then(Price::new),
            cum_qty: lots(order.traded),
            leaves_qty: lots(order.leaves()),
            cum_notional: order.notional,
            fill,
            code,
            reference: reference.and_then(Price::new),
            created_at: order.created_at,
            ts: self.now,
        });
    }

    fn end(&mut self, at: usize, status: Status, code: Option<Code>) {
        self.orders[at].status = status;
        self.ended.push(at);
        let execution_type = if status == Status::Expired { ExecutionType::Expired } else { ExecutionType::Canceled };
        self.tell(at, execution_type, code);
    }

    // Time.

    fn let_time_pass(&mut self) {
        loop {
            let order = (0..self.orders.len())
                .filter(|at| !self.orders[*at].status.is_terminal())
                .filter_map(|at| Some((self.orders[at].expire_at?, self.orders[at].id, at)))
                .min();
            let account = (0..self.accounts.len()).filter_map(|at| Some((self.accounts[at].cancel_at?, at))).min();
            let due = [order.map(|due| due.0), account.map(|due| due.0)].into_iter().flatten().min();
            let Some(due) = due.filter(|due| *due <= self.now) else { return };
            match (order, account) {
                (Some((at, _, order)), _) if at == due => self.end(order, Status::Expired, Some(Code::TimeInForce)),
                (_, Some((_, account))) => {
                    self.accounts[account].cancel_at = None;
                    for order in self.open_orders(AccountId(account as u32)) {
                        self.end(order, Status::Canceled, Some(Code::CancelAfter));
                    }
                }
                _ => unreachable!("one of them is due"),
            }
        }
    }

    fn open_orders(&self, account: AccountId) -> Vec<usize> {
        let mine = |at: &usize| self.orders[*at].place.account == account && !self.orders[*at].status.is_terminal();
        (0..self.orders.len()).filter(mine).collect()
    }

    // Orders.

    fn place(&mut self, place: &Place) -> Outcome {
        self.ids += 1;
        let id = OrderId(self.ids);
        let at = match self.judge(id, place) {
            Ok(order) => {
                self.orders.push(order);
                self.orders.len() - 1
            }
            Err((code, reference)) => {
                self.reject(id, place, code, reference);
                return Outcome::Placed(id);
            }
        };
        if self.orders[at].trigger.is_some() {
            self.orders[at].status = Status::Untriggered;
        }
        self.tell(at, ExecutionType::Accepted, None);
        if self.orders[at].trigger.is_some() {
            self.latch(self.orders[at].instrument, self.orders[at].trigger_by);
        } else {
            self.trade(at);
        }
        self.fire_stops();
        Outcome::Placed(id)
    }

    fn reject(&mut self, id: OrderId, place: &Place, code: Code, reference: Option<i64>) {
        let instrument = place.instrument.map_or(usize::MAX, |id| id.0 as usize);
        let received = self.received(id, place, instrument);
        self.orders.push(NaiveOrder { status: Status::Rejected, ..received });
        let at = self.orders.len() - 1;
        self.tell_more(at, ExecutionType::Rejected, None, Some(code), reference);
        self.ended.push(at);
    }

    fn received(&mut self, id: OrderId, place: &Place, instrument: usize) -> NaiveOrder {
        self.ranks += 1;
        NaiveOrder {
            id,
            place: place.clone(),
            instrument,
            status: Status::Open,
            expire_at: place.expire_at,
            trigger_by: TriggerBy::Last,
            quantity: 0,
            price: None,
            trigger: None,
            traded: 0,
            notional: 0,
            prevented: 0,
            created_at: self.now,
            rank: self.ranks,
            held_by: None,
        }
    }

    /// The order, if nothing speaks against it; else the first thing that does.
    fn judge(&mut self, id: OrderId, place: &Place) -> Result<NaiveOrder, (Code, Option<i64>)> {
        let number = place.instrument.ok_or((Code::UnknownSymbol, None))?.0 as usize;
        let mut order = self.received(id, place, number);
        let NaiveInstrument { rules, halted, .. } = &self.instruments[number];
        if *halted {
            return Err((Code::Halted, None));
        }
        let ticks = |price: Option<Decimal>| match price.map(|price| rules.price(price)) {
            Some(None) => Err((Code::TickSize, None)),
            price => Ok(price.flatten().map(Price::ticks)),
        };
        order.price = ticks(place.price)?;
        order.trigger = ticks(place.trigger_price)?;
        order.quantity = self.grid(rules, place.quantity).map_err(|code| (code, None))?;
        order.trigger_by = place.trigger_by.unwrap_or(match rules.spec.sources.is_empty() {
            true => TriggerBy::Last,
            false => TriggerBy::Mark,
        });
        if place.time_in_force == TimeInForce::Day {
            let today = self.now.0 - self.now.0.rem_euclid(DAY_NS) + rules.spec.day_end;
            order.expire_at = Some(Nanos(if today > self.now.0 { today } else { today + DAY_NS }));
        }
        self.filter_size(&order)?;
        self.filter_price(&order)?;
        if order.expire_at.is_some_and(|end| end <= self.now) {
            return Err((Code::ExpireAtPast, None));
        }
        let open = self.open_orders(place.account).len();
        let at_once = matches!(order.place.time_in_force, TimeInForce::Ioc | TimeInForce::Fok) && order.trigger.is_none();
        if !at_once && open >= rules.spec.max_open_orders as usize {
            return Err((Code::MaxOpenOrders, None));
        }
        if order.trigger.is_none() {
            self.judge_post_only(&order)?;
        }
        self.judge_market(&order)?;
        self.judge_balance(&order)?;
        Ok(order)
    }

    fn grid(&self, rules: &Instrument, quantity: Decimal) -> Result<i64, Code> {
        let (whole, lot) = (quantity.to_units(18).unwrap(), rules.spec.lot_size.to_units(18).unwrap());
        if whole / lot >= i128::from(Quantity::MAX.lots()) && whole != lot * i128::from(Quantity::MAX.lots()) {
            return Err(Code::MaxQuantity);
        }
        if whole % lot == 0 { Ok((whole / lot) as i64) } else { Err(Code::LotSize) }
    }

    /// How much the order may be for, and what it may be worth.
    fn filter_size(&self, order: &NaiveOrder) -> Result<(), (Code, Option<i64>)> {
        let rules = &self.instruments[order.instrument].rules;
        let quantity = rules.quantity_decimal(lots(order.quantity));
        if quantity < rules.spec.min_quantity || order.quantity == 0 {
            return Err((Code::MinQuantity, None));
        }
        let most = rules.spec.max_quantity;
        let countable = base(rules, order.quantity) <= Money::NOTIONAL_MAX.units();
        if (most != Decimal::ZERO && quantity > most) || !countable {
            return Err((Code::MaxQuantity, None));
        }
        let touch = || self.best(order.instrument, order.place.side.opposite(), None).map(|best| self.price_of(best));
        let Some(price) = order.price.or(order.trigger).or_else(touch) else { return Ok(()) };
        let value = worth(rules, i128::from(price).saturating_mul(i128::from(order.quantity)));
        if value > Money::NOTIONAL_MAX.units() {
            return Err((Code::MaxNotional, None));
        }
        if value < Money::from(rules.spec.min_notional).units() {
            return Err((Code::MinNotional, None));
        }
        Ok(())
    }

    /// How far from the market a limit may be.
    fn filter_price(&self, order: &NaiveOrder) -> Result<(), (Code, Option<i64>)> {
        let band = self.instruments[order.instrument].rules.spec.price_band.to_units(18).unwrap();
        let mark = self.watched(order.instrument, TriggerBy::Mark).map(|twice| (twice / 2) as i64);
        let (Some(limit), Some(reference)) = (order.price, mark.or(self.instruments[order.instrument].last)) else {
            return Ok(());
        };
        let away = i128::from(limit.abs_diff(reference));
        if band > 0 && away * 100 * 1_000_000_000_000_000_000 > i128::from(reference) * band {
            return Err((Code::PriceBand, Some(reference)));
        }
        Ok(())
    }

    fn judge_post_only(&self, order: &NaiveOrder) -> Result<(), (Code, Option<i64>)> {
        let (Some(limit), true) = (order.price, order.place.post_only) else { return Ok(()) };
        let best = self.best(order.instrument, order.place.side.opposite(), None).map(|best| self.price_of(best));
        match best {
            Some(best) if crosses(order.place.side, limit, best) => Err((Code::WouldTake, Some(best))),
            _ => Ok(()),
        }
    }

    /// What the market says to any order of an instrument that lets nothing rest.
    fn judge_market(&self, order: &NaiveOrder) -> Result<(), (Code, Option<i64>)> {
        if self.instruments[order.instrument].rules.spec.unmarketable == Unmarketable::Rest {
            return Ok(());
        }
        let side = order.place.side;
        if order.trigger.is_some() && !self.has_reached(order) {
            // Rounded so that the price that is told has not reached the trigger either.
            let up = i128::from(side == Side::Sell);
            let watched = self.watched(order.instrument, order.trigger_by).map(|twice| ((twice + up) / 2) as i64);
            return Err((Code::StopNotTriggered, watched));
        }
        let touch = self.best(order.instrument, side.opposite(), None).map(|best| self.price_of(best));
        match order.price {
            Some(limit) if !touch.is_some_and(|touch| crosses(side, limit, touch)) => Err((Code::PriceNotReached, touch)),
            _ => Ok(()),
        }
    }

    /// Whether the account can pay.
    fn judge_balance(&self, order: &NaiveOrder) -> Result<(), (Code, Option<i64>)> {
        let rules = &self.instruments[order.instrument].rules;
        let (asset, amount) = match (order.place.order_type, order.place.side) {
            (OrderType::Market, Side::Buy) => (rules.quote.to_string(), self.walk(order)),
            _ => self.costs(rules, order, order.leaves()),
        };
        if amount > self.free(order.place.account, &asset, Some(order.id)) {
            return Err((Code::InsufficientBalance, None));
        }
        Ok(())
    }

    /// What a market buy would cost in the quote asset, were it to trade now.
    fn walk(&self, order: &NaiveOrder) -> i128 {
        use SelfTradePrevention as S;
        let rules = &self.instruments[order.instrument].rules;
        let mut left = order.leaves();
        let mut tick_lots = 0;
        for best in self.ranked(order.instrument, order.place.side.opposite()) {
            let part = self.left_of(best).map_or(left, |there| there.min(left));
            let own = matches!(best, Best::Order(at) if self.orders[at].place.account == order.place.account);
            match order.place.stp {
                S::CancelOldest if own => continue,
                S::CancelNewest | S::CancelBoth if own => break,
                S::Decrement if own => {}
                _ => tick_lots += i128::from(self.price_of(best)) * i128::from(part),
            }
            left -= part;
        }
        self.taker_cost(rules, tick_lots)
    }

    fn taker_cost(&self, rules: &Instrument, tick_lots: i128) -> i128 {
        let value = worth(rules, tick_lots);
        value + if rules.spec.fee_asset == FeeAsset::Quote { fee(value, rules.spec.taker_fee) } else { 0 }
    }

    // The market.

    fn standing_here(&self, instrument: usize, side: Side) -> impl Iterator<Item = usize> {
        (0..self.standings.len()).filter(move |at| {
            let standing = &self.standings[*at];
            standing.instrument == instrument && standing.side == side && standing.left != Some(0)
        })
    }

    /// Everyone on a side, best first.
    fn ranked(&self, instrument: usize, side: Side) -> Vec<Best> {
        let orders = (0..self.orders.len()).filter(|at| {
            let order = &self.orders[*at];
            order.instrument == instrument && order.place.side == side && order.rests() && order.price.is_some()
        });
        let mut all: Vec<Best> =
            orders.map(Best::Order).chain(self.standing_here(instrument, side).map(Best::Standing)).collect();
        all.sort_by_key(|best| (better(side, self.price_of(*best)), self.rank_of(*best)));
        all
    }

    fn best(&self, instrument: usize, side: Side, but: Option<usize>) -> Option<Best> {
        self.ranked(instrument, side).into_iter().find(|best| !matches!(best, Best::Order(at) if Some(*at) == but))
    }

    fn price_of(&self, best: Best) -> i64 {
        match best {
            Best::Order(at) => self.orders[at].price.unwrap(),
            Best::Standing(at) => self.standings[at].price,
        }
    }

    fn rank_of(&self, best: Best) -> u64 {
        match best {
            Best::Order(at) => self.orders[at].rank,
            Best::Standing(at) => self.standings[at].rank,
        }
    }

    /// How much there is; `None` is any amount.
    fn left_of(&self, best: Best) -> Option<i64> {
        match best {
            Best::Order(at) => Some(self.orders[at].leaves()),
            Best::Standing(at) => self.standings[at].left,
        }
    }

    /// All that stands on a side, best price first, the quantity unless it has no end.
    pub(crate) fn levels(&self, instrument: usize, side: Side) -> Vec<(i64, Option<i64>)> {
        let mut levels: Vec<(i64, Option<i64>)> = Vec::new();
        for best in self.ranked(instrument, side) {
            let (price, left) = (self.price_of(best), self.left_of(best));
            match levels.last_mut().filter(|level| level.0 == price) {
                Some(level) => level.1 = level.1.zip(left).map(|(one, other)| (one + other).min(Quantity::MAX.lots())),
                None => levels.push((price, left)),
            }
        }
        levels
    }

    /// Best bid and ask over the exchanges' quotes.
    pub(crate) fn quoted(&self, instrument: usize, side: Side) -> Option<i64> {
        // What is quoted counts, taken or not.
        let here = |standing: &&Standing| standing.instrument == instrument && standing.side == side;
        let prices = self.standings.iter().filter(here).map(|standing| standing.price);
        prices.min_by_key(|price| better(side, *price))
    }

    /// Twice the price that stops watch.
    fn watched(&self, instrument: usize, by: TriggerBy) -> Option<i128> {
        match by {
            TriggerBy::Last => self.instruments[instrument].last.map(|last| 2 * i128::from(last)),
            TriggerBy::Mark => {
                let (bid, ask) = (self.quoted(instrument, Side::Buy)?, self.quoted(instrument, Side::Sell)?);
                Some(i128::from(bid) + i128::from(ask))
            }
        }
    }

    // Stops.

    fn has_reached(&self, order: &NaiveOrder) -> bool {
        let trigger = 2 * i128::from(order.trigger.unwrap());
        self.watched(order.instrument, order.trigger_by).is_some_and(|watched| match order.place.side {
            Side::Sell => watched <= trigger,
            Side::Buy => watched >= trigger,
        })
    }

    /// Lines up the stops that the market has reached just now, the nearest trigger first, then the oldest.
    fn latch(&mut self, instrument: usize, by: TriggerBy) {
        let mut reached: Vec<usize> = (0..self.orders.len())
            .filter(|at| {
                let order = &self.orders[*at];
                let waits = order.status == Status::Untriggered && !self.latched.contains(at);
                (order.instrument, order.trigger_by) == (instrument, by) && waits && self.has_reached(order)
            })
            .collect();
        reached.sort_by_key(|at| {
            let order = &self.orders[*at];
            let trigger = order.trigger.unwrap();
            // A falling price meets the highest sell stop first, a rising one the lowest buy stop.
            let distance = if order.place.side == Side::Sell { -trigger } else { trigger };
            (order.place.side == Side::Sell, distance, order.rank)
        });
        self.latched.extend(reached);
    }

    /// Lets the stops trade that have been reached, and those that these bring about.
    fn fire_stops(&mut self) {
        while !self.latched.is_empty() {
            let at = self.latched.remove(0);
            self.orders[at].status = Status::Open;
            self.tell(at, ExecutionType::Triggered, None);
            if self.judge_post_only(&self.orders[at]).is_err() {
                self.end(at, Status::Expired, Some(Code::WouldTake));
            } else {
                self.trade(at);
            }
        }
    }

    // Matching.

    /// Lets a live order take what it can, and rest or end.
    fn trade(&mut self, at: usize) {
        self.ranks += 1;
        self.orders[at].rank = self.ranks;
        let tif = self.orders[at].place.time_in_force;
        if tif == TimeInForce::Fok && !self.fills_whole(at) {
            return self.end(at, Status::Expired, Some(Code::InsufficientLiquidity));
        }
        while self.orders[at].leaves() > 0 {
            let Some(maker) = self.meets(at) else { break };
            if let Best::Order(maker) = maker
                && self.is_own(at, maker)
            {
                self.prevent(at, maker);
                continue;
            }
            let Some(part) = self.affordable(at, maker) else {
                return self.end(at, Status::Expired, Some(Code::InsufficientBalance));
            };
            self.cross(at, maker, part);
        }
        let order = &self.orders[at];
        if order.status == Status::Filled {
            self.ended.push(at);
        } else if order.leaves() > 0 {
            let rests = !order.is_market() && tif != TimeInForce::Ioc;
            let may_rest = self.instruments[order.instrument].rules.spec.unmarketable == Unmarketable::Rest;
            if !rests || !may_rest {
                self.end(at, Status::Expired, Some(Code::InsufficientLiquidity));
            }
        }
    }

    /// The best on the other side, if the order's limit reaches it.
    fn meets(&self, at: usize) -> Option<Best> {
        let order = &self.orders[at];
        let best = self.best(order.instrument, order.place.side.opposite(), Some(at))?;
        let limit = if order.is_market() { None } else { order.price };
        limit.is_none_or(|limit| crosses(order.place.side, limit, self.price_of(best))).then_some(best)
    }

    fn is_own(&self, taker: usize, maker: usize) -> bool {
        let (taker, maker) = (&self.orders[taker], &self.orders[maker]);
        taker.place.stp != SelfTradePrevention::None && taker.place.account == maker.place.account
    }

    fn prevent(&mut self, taker: usize, maker: usize) {
        use SelfTradePrevention as S;
        let stp = self.orders[taker].place.stp;
        if stp == S::Decrement {
            let part = self.orders[taker].leaves().min(self.orders[maker].leaves());
            self.orders[taker].prevented += part;
            self.orders[maker].prevented += part;
        }
        // Who loses something is told so, the taker first; then who ends by it, the resting one first.
        if stp != S::CancelOldest {
            self.tell(taker, ExecutionType::TradePrevented, Some(Code::SelfTrade));
        }
        if stp != S::CancelNewest {
            self.tell(maker, ExecutionType::TradePrevented, Some(Code::SelfTrade));
        }
        let done = |naive: &Self, at: usize| stp == S::Decrement && naive.orders[at].leaves() == 0;
        if matches!(stp, S::CancelOldest | S::CancelBoth) || done(self, maker) {
            self.end(maker, Status::Canceled, Some(Code::SelfTrade));
        }
        if matches!(stp, S::CancelNewest | S::CancelBoth) || done(self, taker) {
            self.end(taker, Status::Canceled, Some(Code::SelfTrade));
        }
    }

    /// Whether a fill-or-kill order would find all it wants.
    fn fills_whole(&self, at: usize) -> bool {
        use SelfTradePrevention as S;
        let order = &self.orders[at];
        let limit = if order.is_market() { None } else { order.price };
        let mut wanted = order.leaves();
        for best in self.ranked(order.instrument, order.place.side.opposite()) {
            if limit.is_some_and(|limit| !crosses(order.place.side, limit, self.price_of(best))) {
                return false;
            }
            match best {
                Best::Order(maker) if self.is_own(at, maker) => match order.place.stp {
                    S::CancelOldest => continue,
                    _ => return false,
                },
                _ => wanted -= self.left_of(best).map_or(wanted, |left| left.min(wanted)),
            }
            if wanted == 0 {
                return self.pays_for(order);
            }
        }
        false
    }

    /// Whether the owner of a buy at any price can pay for what it would trade.
    fn pays_for(&self, order: &NaiveOrder) -> bool {
        let quote = self.instruments[order.instrument].rules.quote;
        let is_bound = order.is_market() && order.place.side == Side::Buy;
        !is_bound || self.walk(order) <= self.free(order.place.account, quote.as_str(), Some(order.id))
    }

    /// How much of the maker's quantity the order takes; `None` if its owner cannot pay for that any more.
    fn affordable(&self, at: usize, maker: Best) -> Option<i64> {
        let order = &self.orders[at];
        let part = self.left_of(maker).map_or(order.leaves(), |left| left.min(order.leaves()));
        if !order.is_market() || order.place.side == Side::Sell {
            return Some(part);
        }
        let rules = &self.instruments[order.instrument].rules;
        let free = self.free(order.place.account, rules.quote.as_str(), Some(order.id));
        let cost = |lots: i64| self.taker_cost(rules, i128::from(self.price_of(maker)) * i128::from(lots));
        (1..=part).rev().find(|lots| cost(*lots) <= free)
    }

    fn cross(&mut self, taker: usize, maker: Best, part: i64) {
        let (price, instrument, side) =
            (self.price_of(maker), self.orders[taker].instrument, self.orders[taker].place.side);
        let source = match maker {
            Best::Order(at) => Source::Order(self.orders[at].id),
            Best::Standing(at) => {
                let standing = &mut self.standings[at];
                standing.left = standing.left.map(|left| left - part);
                Source::Exchange(ExchangeId(standing.exchange as u32))
            }
        };
        let trade_id = self.print(instrument, price, part, side, source, Source::Order(self.orders[taker].id));
        self.fill(taker, trade_id, price, part, Liquidity::Taker);
        if let Best::Order(maker) = maker {
            self.fill(maker, trade_id, price, part, Liquidity::Maker);
        }
        self.latch(instrument, TriggerBy::Last);
    }

    fn print(
        &mut self,
        instrument: usize,
        price: i64,
        part: i64,
        taker_side: Side,
        maker: Source,
        taker: Source,
    ) -> TradeId {
        self.trades += 1;
        let trade_id = TradeId(self.trades);
        self.instruments[instrument].last = Some(price);
        self.out.trades.push(Trade {
            trade_id,
            instrument: InstrumentId(instrument as u32),
            price: Price::new(price).unwrap(),
            quantity: lots(part),
            taker_side,
            maker,
            taker,
            ts: self.now,
        });
        trade_id
    }

    fn fill(&mut self, at: usize, trade_id: TradeId, price: i64, part: i64, liquidity: Liquidity) {
        let order = &mut self.orders[at];
        order.traded += part;
        order.notional += i128::from(price) * i128::from(part);
        let done = order.leaves() == 0;
        order.status = if done { Status::Filled } else { Status::PartiallyFilled };
        let (account, side) = (order.place.account, order.place.side);
        let rules = self.instruments[order.instrument].rules.clone();
        let rate = if liquidity == Liquidity::Maker { rules.spec.maker_fee } else { rules.spec.taker_fee };
        let (goods, value) = (base(&rules, part), worth(&rules, i128::from(price) * i128::from(part)));
        let fee_asset = rules.fee_asset(side);
        let mut fee = fee(if fee_asset == rules.base { goods } else { value }, rate);
        if side == Side::Buy && fee_asset == rules.quote {
            // Many small fees can round up to more than was held for one large one: the venue takes what there is.
            let order = &self.orders[at];
            let but = order.is_market().then_some(order.id);
            fee = fee.min(self.free(account, rules.quote.as_str(), but) - value);
        }
        let (goods, value) = if side == Side::Buy { (goods, -value) } else { (-goods, value) };
        self.pay(account, rules.base.as_str(), goods);
        self.pay(account, rules.quote.as_str(), value);
        self.pay(account, fee_asset.as_str(), -fee);
        let fill = Fill {
            trade_id,
            last_qty: lots(part),
            last_price: Price::new(price).unwrap(),
            liquidity,
            fee: Money::from_units(fee),
        };
        let execution_type = if done { ExecutionType::Filled } else { ExecutionType::PartialFill };
        self.tell_more(at, execution_type, Some(fill), None, None);
        if done && liquidity == Liquidity::Maker {
            self.ended.push(at);
        }
    }
}

impl Naive {
    // Requests.

    fn find(&self, account: AccountId, id: OrderId) -> Option<usize> {
        let known = &self.ended[self.ended.len().saturating_sub(self.closed_kept)..];
        let is_known = |at: &usize| !self.orders[*at].status.is_terminal() || known.contains(at);
        // Who wrote an unknown symbol has an order, but none that a request can find.
        let is_it =
            |order: &NaiveOrder| order.id == id && order.place.account == account && order.place.instrument.is_some();
        self.orders.iter().position(is_it).filter(is_known)
    }

    fn cancel(&mut self, account: AccountId, id: OrderId) -> Outcome {
        let Some(at) = self.find(account, id) else { return Outcome::NotFound };
        if self.orders[at].status.is_terminal() {
            self.tell(at, ExecutionType::CancelRejected, Some(Code::NotCancelable));
            return Outcome::TooLate(id);
        }
        self.end(at, Status::Canceled, None);
        Outcome::Canceled(id)
    }

    fn cancel_all(&mut self, which: &CancelAll) -> Outcome {
        let CancelAll { account, instrument, side } = *which;
        let mut count = 0;
        for at in self.open_orders(account) {
            let order = &self.orders[at];
            let here = instrument.is_none_or(|id| id.0 as usize == order.instrument);
            if here && side.is_none_or(|side| side == order.place.side) {
                self.end(at, Status::Canceled, None);
                count += 1;
            }
        }
        Outcome::CanceledAll(count)
    }

    fn replace(&mut self, terms: &Replace) -> Outcome {
        let Some(at) = self.find(terms.account, terms.order_id) else { return Outcome::NotFound };
        let new = match self.judge_replace(at, terms) {
            Ok(new) => new,
            Err((code, reference)) => {
                self.tell_more(at, ExecutionType::ReplaceRejected, None, Some(code), reference);
                return Outcome::TooLate(terms.order_id);
            }
        };
        let old = &self.orders[at];
        let moved = new.price != old.price || new.trigger != old.trigger;
        let lost = new.leaves() > 0 && (new.quantity > old.quantity || moved);
        if new.leaves() <= 0 {
            self.end(at, Status::Canceled, None);
        } else {
            self.orders[at] = new;
            self.tell(at, ExecutionType::Replaced, None);
        }
        if lost && self.orders[at].status == Status::Untriggered {
            self.ranks += 1;
            self.orders[at].rank = self.ranks;
            self.latch(self.orders[at].instrument, self.orders[at].trigger_by);
        } else if lost {
            self.trade(at);
        }
        self.fire_stops();
        Outcome::Replaced(terms.order_id, if lost { Priority::Lost } else { Priority::Kept })
    }

    /// The order with its new terms.
    fn judge_replace(&self, at: usize, terms: &Replace) -> Result<NaiveOrder, (Code, Option<i64>)> {
        let mut new = self.orders[at].clone();
        let old = &self.orders[at];
        let NaiveInstrument { rules, halted, .. } =
            self.instruments.get(new.instrument).ok_or((Code::NotReplaceable, None))?;
        let no_price = terms.price.is_some() && new.price.is_none();
        let no_trigger = terms.trigger_price.is_some() && new.status != Status::Untriggered;
        if new.status.is_terminal() || no_price || no_trigger {
            return Err((Code::NotReplaceable, None));
        }
        if *halted {
            return Err((Code::Halted, None));
        }
        let ticks = |price: Decimal| rules.price(price).map(Price::ticks).ok_or((Code::TickSize, None));
        if let Some(price) = terms.price {
            new.price = Some(ticks(price)?);
        }
        if let Some(trigger) = terms.trigger_price {
            new.trigger = Some(ticks(trigger)?);
        }
        if let Some(quantity) = terms.quantity {
            new.quantity = self.grid(rules, quantity).map_err(|code| (code, None))?;
        }
        if new.leaves() <= 0 {
            return Ok(new);
        }
        if (new.quantity, new.price, new.trigger) != (old.quantity, old.price, old.trigger) {
            self.filter_size(&new)?;
        }
        if new.price != old.price {
            self.filter_price(&new)?;
            if new.status != Status::Untriggered {
                self.judge_post_only(&new)?;
            }
        }
        self.judge_balance(&new)?;
        Ok(new)
    }

    // Quotes.

    fn exchange(&mut self, name: &ExchangeName) -> usize {
        self.exchanges.iter().position(|known| known == name).unwrap_or_else(|| {
            self.exchanges.push(*name);
            self.exchanges.len() - 1
        })
    }

    fn quote(&mut self, quote: &Quote) -> Outcome {
        let instrument = quote.instrument.0 as usize;
        let rules = &self.instruments[instrument].rules;
        let size = |size: Option<Decimal>| size.map(|size| rules.quantity_rounded_down(size).unwrap().lots());
        let bid = quote.bid.map(|bid| rules.price_rounded_down(bid));
        let ask = quote.ask.map(|ask| rules.price_rounded_up(ask));
        if bid == Some(None) || ask == Some(None) {
            return Outcome::Refused(Code::TickSize);
        }
        let new = [
            (Side::Buy, bid.flatten().map(|bid| (bid.ticks(), size(quote.bid_size)))),
            (Side::Sell, ask.flatten().map(|ask| (ask.ticks(), size(quote.ask_size)))),
        ];
        if bid.is_none() && ask.is_none() {
            return self.withdraw(&quote.exchange, Some(quote.instrument));
        }
        let exchange = self.exchange(&quote.exchange);
        for (side, new) in new {
            self.stand(exchange, instrument, side, new);
        }
        for (side, _) in new {
            self.sweep(exchange, instrument, side);
        }
        self.latch(instrument, TriggerBy::Mark);
        self.fire_stops();
        Outcome::Done
    }

    /// Puts one side of a quote in the place of the one before.
    fn stand(&mut self, exchange: usize, instrument: usize, side: Side, new: Option<(i64, Option<i64>)>) {
        let old = self
            .standings
            .iter()
            .position(|standing| (standing.exchange, standing.instrument, standing.side) == (exchange, instrument, side));
        let old = old.map(|at| self.standings.remove(at));
        let Some((price, size)) = new else { return };
        let (left, rank) = match old {
            Some(old) if (old.price, old.quoted) == (price, size) => (old.left, old.rank),
            Some(old) if old.price == price && old.quoted != Some(0) => (size, old.rank),
            _ => {
                self.ranks += 1;
                (size, self.ranks)
            }
        };
        self.standings.push(Standing { exchange, instrument, side, price, quoted: size, left, rank });
    }

    /// Fills the clients' orders that a new quote has moved through.
    fn sweep(&mut self, exchange: usize, instrument: usize, side: Side) {
        let Some(at) = self
            .standings
            .iter()
            .position(|standing| (standing.exchange, standing.instrument, standing.side) == (exchange, instrument, side))
        else {
            return;
        };
        for best in self.ranked(instrument, side.opposite()) {
            let Best::Order(order) = best else { continue };
            let Standing { price, left, .. } = self.standings[at];
            if left == Some(0) || !crosses(side, price, self.price_of(best)) {
                return;
            }
            let leaves = self.orders[order].leaves();
            let part = left.map_or(leaves, |left| left.min(leaves));
            self.standings[at].left = left.map(|left| left - part);
            let (maker, taker) = (Source::Order(self.orders[order].id), Source::Exchange(ExchangeId(exchange as u32)));
            let price = self.price_of(best);
            let trade_id = self.print(instrument, price, part, side, maker, taker);
            self.fill(order, trade_id, price, part, Liquidity::Maker);
            self.latch(instrument, TriggerBy::Last);
        }
    }

    fn withdraw(&mut self, exchange: &ExchangeName, instrument: Option<InstrumentId>) -> Outcome {
        let Some(exchange) = self.exchanges.iter().position(|known| known == exchange) else { return Outcome::Done };
        let gone = |standing: &Standing| {
            standing.exchange == exchange && instrument.is_none_or(|id| id.0 as usize == standing.instrument)
        };
        self.standings.retain(|standing| !gone(standing));
        for instrument in 0..self.instruments.len() {
            self.latch(instrument, TriggerBy::Mark);
            self.fire_stops();
        }
        Outcome::Done
    }

    fn halt(&mut self, id: InstrumentId, halted: bool) -> Outcome {
        self.instruments[id.0 as usize].halted = halted;
        Outcome::Done
    }

    // Configuration.

    fn define(&mut self, spec: &InstrumentSpec) -> Outcome {
        let known = self.instruments.iter().position(|known| known.rules.spec.symbol == spec.symbol);
        let number = known.unwrap_or(self.instruments.len());
        let rules = Instrument::new(InstrumentId(number as u32), spec.clone()).unwrap();
        let before = match known {
            Some(at) => Some(std::mem::replace(&mut self.instruments[at].rules, rules)),
            None => {
                self.instruments.push(NaiveInstrument { rules, halted: false, last: None });
                None
            }
        };
        if let Some(before) = &before {
            self.hold_again(number, before);
        }
        let price = |spec: &InstrumentSpec| spec.reference_price.filter(|_| spec.sources.contains(Sources::STATIC));
        if price(spec) != before.and_then(|before| price(&before.spec)) {
            let exchange = ExchangeName::parse(Sources::STATIC).unwrap();
            let instrument = InstrumentId(number as u32);
            let (bid, ask) = (price(spec), price(spec));
            self.quote(&Quote { exchange, instrument, bid, bid_size: None, ask, ask_size: None });
        }
        Outcome::Done
    }

    /// Fees have changed: orders hold what they need now, one after the other; who cannot pay for his any more loses it.
    fn hold_again(&mut self, instrument: usize, before: &Instrument) {
        let open = |order: &NaiveOrder| order.instrument == instrument && !order.status.is_terminal();
        let orders: Vec<usize> = (0..self.orders.len()).filter(|at| open(&self.orders[*at])).collect();
        for at in &orders {
            self.orders[*at].held_by = Some(before.clone());
        }
        for at in orders {
            self.orders[at].held_by = None;
            if self.judge_balance(&self.orders[at]).is_err() {
                self.end(at, Status::Expired, Some(Code::InsufficientBalance));
            }
        }
    }

    fn open(&mut self, spec: &AccountSpec) -> Outcome {
        let balances = spec.balances.iter().flatten();
        let owns = balances.map(|(asset, amount)| (asset.to_string(), amount.units())).collect();
        self.accounts.push(NaiveAccount { spec: spec.clone(), owns, cancel_at: None, seq: 0 });
        Outcome::Done
    }

    fn deposit(&mut self, account: AccountId, asset: &AssetName, amount: i128) -> Outcome {
        if amount < 0 && self.free(account, asset.as_str(), None) < -amount {
            return Outcome::Refused(Code::InsufficientBalance);
        }
        self.pay(account, asset.as_str(), amount);
        Outcome::Done
    }
}

/// Whether an order of `side` at `limit` trades with one that stands at `price` on the other side.
fn crosses(side: Side, limit: i64, price: i64) -> bool {
    match side {
        Side::Buy => price <= limit,
        Side::Sell => price >= limit,
    }
}

/// Sorts a side's prices best first.
fn better(side: Side, price: i64) -> i64 {
    match side {
        Side::Buy => -price,
        Side::Sell => price,
    }
}

fn lots(count: i64) -> Quantity {
    Quantity::new(count).unwrap()
}

fn base(rules: &Instrument, count: i64) -> i128 {
    rules.base_money(lots(count)).units()
}

fn worth(rules: &Instrument, tick_lots: i128) -> i128 {
    rules.quote_money(tick_lots).map_or(i128::MAX, Money::units)
}

/// A share of an amount, rounded half up.
fn fee(amount: i128, rate: FeeRate) -> i128 {
    (amount * i128::from(rate.units()) + 50_000_000) / 100_000_000
}
