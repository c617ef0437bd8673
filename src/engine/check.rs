//! Checks: whether a new order may come in, and on what terms. Nothing changes here.
//!
//! In: a [`Place`]. Out: its numbers on the instrument's grid, or the first of these codes that applies: `unknown_symbol`,
//! `halted`, `tick_size`, `lot_size`, `min_quantity`, `max_quantity`, `max_notional`, `min_notional`, `price_band`, `expire_at_past`,
//! `max_open_orders`, `would_take`, `stop_not_triggered`, `price_not_reached`, `balance_limit`, `insufficient_balance`.
//!
//! An order's worth is its quantity at its limit; without one, at its trigger; of a market order, at the best opposite price.

use super::book::reaches;
use super::market::{Market, is_reached};
use super::report::Because;
use super::rules::Rules;
use super::terms::NEVER;
use super::{Engine, OPEN_ORDERS_MAX};
use crate::domain::{Code, Decimal, OrderType, Place, Quantity, Side, TimeInForce, TriggerBy};

/// A new order on its instrument's grid.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draft {
    pub(super) market: u32,
    /// In lots.
    pub(super) quantity: i64,
    /// In ticks; 0: none.
    pub(super) price: i64,
    pub(super) trigger: i64,
    pub(super) trigger_by: TriggerBy,
    pub(super) expire_at: i64,
    /// What the account must hold for it.
    pub(super) hold: i128,
}

/// A price on the grid; 0 for none.
#[inline(always)]
pub(super) fn ticks(rules: &Rules, price: Option<Decimal>) -> Result<i64, Because> {
    match price {
        Some(price) => rules.ticks(price).ok_or(Because { code: Code::TickSize, reference: 0 }),
        None => Ok(0),
    }
}

/// What `lots` are worth at a price, in tick·lots.
#[inline(always)]
pub(super) fn notional(price: i64, lots: i64) -> i128 {
    // Two factors of at most 63 bits.
    i128::from(price).wrapping_mul(i128::from(lots))
}

impl Market {
    /// The filters of quantity and worth; a worth of 0 is unknown and not checked.
    #[inline(always)]
    pub(super) fn check_size(&self, lots: i64, price: i64) -> Result<(), Because> {
        let rules = &self.rules;
        let worth = notional(price, lots);
        let code = if lots < rules.quantity_min {
            Code::MinQuantity
        } else if lots > rules.quantity_max {
            Code::MaxQuantity
        } else if worth > rules.notional_max {
            Code::MaxNotional
        } else if price > 0 && worth < rules.notional_min {
            Code::MinNotional
        } else {
            return Ok(());
        };
        Err(Because::from(code))
    }

    /// The price band.
    #[inline(always)]
    pub(super) fn check_band(&self, price: i64) -> Result<(), Because> {
        if self.rules.has_band() { self.check_in_band(price) } else { Ok(()) }
    }

    #[inline(never)]
    fn check_in_band(&self, price: i64) -> Result<(), Because> {
        let reference = self.reference();
        if price == 0 || reference == 0 || self.rules.in_band(price, reference) {
            return Ok(());
        }
        Err(Because { code: Code::PriceBand, reference })
    }

    /// Refuses what would take.
    pub(super) fn check_post_only(&self, side: Side, price: i64) -> Result<(), Because> {
        match self.book.best(side.opposite()) {
            Some(best) if price == 0 || reaches(side, best, price) => {
                Err(Because { code: Code::WouldTake, reference: best })
            }
            _ => Ok(()),
        }
    }

    /// Refuses what nothing rests or waits for: `unmarketable = "reject"`.
    fn check_marketable(&self, side: Side, price: i64, trigger: i64, by: TriggerBy) -> Result<(), Because> {
        let watched = self.watched(by);
        if trigger > 0 && !is_reached(side, watched, trigger) {
            // Rounded away from the trigger, so that the price told has not reached it either.
            let reference = match side {
                Side::Buy => watched / 2,
                Side::Sell => watched.saturating_add(1) / 2,
            };
            return Err(Because { code: Code::StopNotTriggered, reference });
        }
        let best = self.book.best(side.opposite());
        if price > 0 && !best.is_some_and(|best| reaches(side, best, price)) {
            return Err(Because { code: Code::PriceNotReached, reference: best.unwrap_or(0) });
        }
        Ok(())
    }
}

impl Engine {
    /// Checks a new order of an account that exists.
    #[inline(always)]
    pub(super) fn check(&self, place: &Place) -> Result<Draft, Because> {
        let unknown = Because::from(Code::UnknownSymbol);
        let number = place.instrument.and_then(|instrument| self.market_of(instrument)).ok_or(unknown)?;
        let market = &self.markets[number];
        if market.halted {
            return Err(Because::from(Code::Halted));
        }
        let side = place.side;
        let is_stop = matches!(place.order_type, OrderType::StopLoss | OrderType::StopLimit);
        let has_limit = matches!(place.order_type, OrderType::Limit | OrderType::StopLimit);
        let price = ticks(&market.rules, place.price.filter(|_| has_limit))?;
        let trigger = ticks(&market.rules, place.trigger_price.filter(|_| is_stop))?;
        if (has_limit && price == 0) || (is_stop && trigger == 0) {
            return Err(Because::from(Code::TickSize));
        }
        let quantity = self.whole_lots(number, place.quantity)?;
        let valued_at = if price > 0 {
            price
        } else if trigger > 0 {
            trigger
        } else {
            market.book.best(side.opposite()).unwrap_or(0)
        };
        market.check_size(quantity, valued_at)?;
        market.check_band(price)?;
        let expire_at = self.check_end(place, market)?;
        self.check_open_orders(place, market, is_stop)?;
        let by_default = if market.has_sources { TriggerBy::Mark } else { TriggerBy::Last };
        let trigger_by = place.trigger_by.unwrap_or(by_default);
        if place.post_only && !is_stop {
            market.check_post_only(side, price)?;
        }
        if market.rules.rejects_unmarketable {
            market.check_marketable(side, price, trigger, trigger_by)?;
        }
        let hold = self.check_balance(place, number, market, quantity, valued_at)?;
        Ok(Draft { market: number, quantity, price, trigger, trigger_by, expire_at, hold })
    }

    /// A quantity on the grid of a market's instrument.
    #[inline(always)]
    pub(super) fn whole_lots(&self, market: u32, quantity: Decimal) -> Result<i64, Because> {
        self.markets[market].rules.lots(quantity).ok_or_else(|| self.why_no_quantity(market, quantity))
    }

    #[cold]
    fn why_no_quantity(&self, market: u32, quantity: Decimal) -> Because {
        let instrument = self.instruments.get(market as usize);
        let rounded = instrument.and_then(|instrument| instrument.quantity_rounded_down(quantity));
        Because::from(if rounded == Some(Quantity::MAX) { Code::MaxQuantity } else { Code::LotSize })
    }

    /// When the order ends.
    #[inline(always)]
    fn check_end(&self, place: &Place, market: &Market) -> Result<i64, Because> {
        match place.time_in_force {
            TimeInForce::Gtc | TimeInForce::Ioc | TimeInForce::Fok => Ok(NEVER),
            TimeInForce::Day => Ok(market.rules.day_end_after(self.now)),
            TimeInForce::Gtd => {
                let end = place.expire_at.map_or(i64::MIN, |end| end.0);
                if end > self.now { Ok(end) } else { Err(Because::from(Code::ExpireAtPast)) }
            }
        }
    }

    /// The limits on open orders, for an order that may become one.
    #[inline(always)]
    fn check_open_orders(&self, place: &Place, market: &Market, is_stop: bool) -> Result<(), Because> {
        let open = self.ledger.account(place.account.0).open.count();
        if open < market.rules.open_orders_max && self.open_orders < OPEN_ORDERS_MAX {
            return Ok(());
        }
        let at_once =
            place.order_type == OrderType::Market || matches!(place.time_in_force, TimeInForce::Ioc | TimeInForce::Fok);
        if at_once && !is_stop { Ok(()) } else { Err(Because::from(Code::MaxOpenOrders)) }
    }

    /// What the account must hold for `lots` valued at a price, if it has that.
    #[inline(always)]
    fn check_balance(&self, place: &Place, number: u32, market: &Market, lots: i64, price: i64) -> Result<i128, Because> {
        let account = self.ledger.account(place.account.0);
        if !account.checked {
            return Ok(0);
        }
        let rules = &market.rules;
        let (pays, receives) = (rules.held_asset(place.side), rules.held_asset(place.side.opposite()));
        if account.is_full(receives) {
            return Err(Because::from(Code::BalanceLimit));
        }
        let hold = if place.order_type == OrderType::Market && place.side == Side::Buy {
            self.market_cost(place, number, lots)
        } else {
            rules.hold(place.side, notional(price, lots), lots)
        };
        if hold > account.find_row(pays).free {
            return Err(Because::from(Code::InsufficientBalance));
        }
        Ok(hold)
    }

    /// What a market buy would cost now.
    #[inline(never)]
    fn market_cost(&self, place: &Place, market: u32, lots: i64) -> i128 {
        let foreseen = self.foresee(market, Side::Buy, 0, lots, place.account.0, place.stp, 0);
        self.markets[market].rules.cost(foreseen.notional, foreseen.quantity)
    }
}
