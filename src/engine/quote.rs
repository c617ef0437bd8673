//! Quotes: exchanges' levels in the book, and the mark price.
//!
//! A quote replaces the exchange's last one: its old levels go, client orders it moves through fill as makers at their own
//! prices, up to its size, and the rest stands behind what is at its price. A side equal in price and size to the last changes
//! nothing, taken or not; a new size at the same price stands where the old one stood, if that was above zero. Exchanges never
//! trade together.
//! The mark price is the middle of the best prices quoted, whether or not their sizes are taken.
//!
//! Refused whole: an unknown instrument (`unknown_symbol`), a price that is none on the grid after rounding (`tick_size`), a size
//! below zero (`lot_size`), one exchange more than [`EXCHANGES_MAX`] of an instrument or [`NAMES_MAX`] of the venue
//! (`max_open_orders`).

use super::Engine;
use super::book::{Node, Owner, UNLIMITED, queue, reaches};
use super::market::{EXCHANGES_MAX, Quoted, Standing};
use super::matching::Touched;
use super::table::NONE;
use crate::domain::{
    Code, Decimal, Events, ExchangeName, Instrument, InstrumentId, Outcome, Price, Quantity, Quote, Side, TriggerBy,
};

/// Exchanges that a venue may ever hear of.
const NAMES_MAX: usize = 65_536;

/// One side of a quote on the grid; price 0: none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Offer {
    price: i64,
    size: i64,
}

impl Offer {
    const NONE: Self = Self { price: 0, size: 0 };

    fn new(instrument: &Instrument, side: Side, price: Option<Decimal>, size: Option<Decimal>) -> Result<Self, Code> {
        let Some(price) = price else { return Ok(Self::NONE) };
        let price = match side {
            Side::Buy => instrument.price_rounded_down(price),
            Side::Sell => instrument.price_rounded_up(price),
        };
        let size = match size {
            None => UNLIMITED,
            Some(size) => instrument.quantity_rounded_down(size).map(Quantity::lots).ok_or(Code::LotSize)?,
        };
        Ok(Self { price: price.map(Price::ticks).ok_or(Code::TickSize)?, size })
    }
}

impl Engine {
    /// Replaces an exchange's quote.
    #[inline(never)]
    pub(super) fn quote(&mut self, quote: &Quote, events: &mut Events) -> Outcome {
        let instrument = self.instruments.get(quote.instrument.0 as usize);
        let Some(instrument) = instrument else { return Outcome::Refused(Code::UnknownSymbol) };
        let offers = Offer::new(instrument, Side::Buy, quote.bid, quote.bid_size)
            .and_then(|bid| Ok((bid, Offer::new(instrument, Side::Sell, quote.ask, quote.ask_size)?)));
        let (bid, ask) = match offers {
            Ok(offers) => offers,
            Err(code) => return Outcome::Refused(code),
        };
        let market = quote.instrument.0;
        if (bid, ask) == (Offer::NONE, Offer::NONE) {
            return self.withdraw_quotes(&quote.exchange, Some(quote.instrument), false, events);
        }
        let Some(exchange) = self.exchange_id(quote.exchange) else { return Outcome::Refused(Code::MaxOpenOrders) };
        let quotes = &mut self.markets[market].quotes;
        if !quotes.iter().any(|quoted| quoted.exchange == exchange) {
            if quotes.len() >= EXCHANGES_MAX {
                return Outcome::Refused(Code::MaxOpenOrders);
            }
            quotes.push(Quoted::new(exchange));
        }
        self.requote(market, exchange, Side::Buy, bid, events);
        self.requote(market, exchange, Side::Sell, ask, events);
        self.remark(market, events);
        Outcome::Done
    }

    /// Takes an exchange's levels out of one book, or of all; where `more` follow, the mark price waits for them.
    #[inline(never)]
    pub(super) fn withdraw_quotes(
        &mut self,
        exchange: &ExchangeName,
        instrument: Option<InstrumentId>,
        more: bool,
        events: &mut Events,
    ) -> Outcome {
        if instrument.is_some_and(|instrument| self.market_of(instrument).is_none()) {
            return Outcome::Refused(Code::UnknownSymbol);
        }
        let Some(exchange) = self.exchange_ids.get(exchange).copied() else { return Outcome::Done };
        for market in 0..self.markets.len() {
            let concerned = instrument.is_none_or(|instrument| instrument.0 == market);
            if concerned && self.standing(market, exchange, Side::Buy).is_some() {
                self.requote(market, exchange, Side::Buy, Offer::NONE, events);
                self.requote(market, exchange, Side::Sell, Offer::NONE, events);
                self.markets[market].quotes.retain(|quoted| quoted.exchange != exchange);
                if !more {
                    self.remark(market, events);
                }
            }
        }
        Outcome::Done
    }

    /// The number of an exchange, new ones in the order in which they speak.
    fn exchange_id(&mut self, name: ExchangeName) -> Option<u32> {
        if let Some(id) = self.exchange_ids.get(&name) {
            return Some(*id);
        }
        let id = u32::try_from(self.exchanges.len()).ok().filter(|_| self.exchanges.len() < NAMES_MAX)?;
        self.exchanges.push(name);
        self.exchange_ids.insert(name, id);
        Some(id)
    }

    /// What an exchange has in a book on one side.
    fn standing(&self, market: u32, exchange: u32, side: Side) -> Option<Standing> {
        let quoted = self.markets[market].quotes.iter().find(|quoted| quoted.exchange == exchange)?;
        Some(*quoted.side(side))
    }

    fn set_standing(&mut self, market: u32, exchange: u32, side: Side, standing: Standing) {
        let quotes = &mut self.markets[market].quotes;
        if let Some(quoted) = quotes.iter_mut().find(|quoted| quoted.exchange == exchange) {
            *quoted.side_mut(side) = standing;
        }
    }

    /// Replaces one side of an exchange's quote.
    fn requote(&mut self, market: u32, exchange: u32, side: Side, offer: Offer, events: &mut Events) {
        let Some(old) = self.standing(market, exchange, side) else { return };
        let Offer { price, size } = offer;
        if old.price == price && old.size == size {
            return;
        }
        // What had no size stood nowhere, and orders that came since then are not behind it.
        let keeps_time = old.price == price && old.size > 0;
        if old.slot != NONE {
            let book = &mut self.markets[market].book;
            if keeps_time && size > 0 {
                let total = book.resize(&mut self.orders.nodes, old.slot, size);
                self.tell_level(market, side, price, total, events);
                return self.set_standing(market, exchange, side, Standing { size, ..old });
            }
            let total = book.remove(&mut self.orders.nodes, old.slot);
            self.tell_level(market, side, old.price, total, events);
            self.orders.free_quote(old.slot);
        }
        let since = if keeps_time { old.since } else { self.seq };
        let rest = self.sweep_with_quote(market, exchange, side, offer, events);
        let slot =
            if price > 0 && rest > 0 { self.stand(market, exchange, side, price, rest, since, events) } else { NONE };
        self.set_standing(market, exchange, side, Standing { price, size, since, slot });
    }

    /// Fills the client orders that a quote moves through. Returns what is left of its size.
    fn sweep_with_quote(&mut self, market: u32, exchange: u32, side: Side, offer: Offer, events: &mut Events) -> i64 {
        let mut left = offer.size;
        let maker_side = side.opposite();
        let mut level = self.markets[market].book.levels(maker_side).next().filter(|_| offer.price > 0);
        while let Some(at) = level.filter(|at| left > 0 && reaches(side, at.price, offer.price)) {
            let mut touched = Touched::default();
            let mut slot = at.oldest;
            while slot != NONE && left > 0 {
                let next = queue(&self.orders.nodes, slot).nth(1).unwrap_or(NONE);
                let Node { owner, leaves, .. } = self.orders.nodes[slot];
                if owner == Owner::Client {
                    let quantity = left.min(leaves);
                    if left != UNLIMITED {
                        left = left.saturating_sub(quantity);
                    }
                    let total = self.trade_with_quote(exchange, slot, at.price, quantity, events);
                    touched = Touched::new(at.price, total);
                }
                slot = next;
            }
            self.leave_level(market, maker_side, &mut touched, 0, events);
            level = self.markets[market].book.behind(maker_side, at.price);
        }
        left
    }

    /// Lets a quote stand in the book, behind what came to its price before it.
    #[expect(clippy::too_many_arguments, reason = "the fields of a level that is not there yet")]
    fn stand(
        &mut self,
        market: u32,
        exchange: u32,
        side: Side,
        price: i64,
        size: i64,
        since: u64,
        events: &mut Events,
    ) -> u32 {
        let slot = self.orders.insert_quote(exchange, market, side, price, size);
        let younger = if since == self.seq { NONE } else { self.first_younger(market, side, price, since) };
        let total = self.markets[market].book.rest_before(&mut self.orders.nodes, slot, price, younger);
        self.tell_level(market, side, price, total, events);
        slot
    }

    /// The first in the queue of a price that is younger than a quote that had been taken whole: all that was older was taken
    /// before it, so that this is a client's order, or a younger quote of the few ahead of those.
    fn first_younger(&self, market: u32, side: Side, price: i64, since: u64) -> u32 {
        let Some(oldest) = self.markets[market].book.oldest(side, price) else { return NONE };
        let is_younger = |slot: &u32| {
            let node = &self.orders.nodes[*slot];
            let exchange = u32::try_from(node.id).unwrap_or(NONE);
            node.owner == Owner::Client
                || self.standing(market, exchange, side).is_none_or(|standing| standing.since > since)
        };
        queue(&self.orders.nodes, oldest).find(is_younger).unwrap_or(NONE)
    }

    /// Notes that a quote's size is all taken.
    pub(super) fn exhaust_quote(&mut self, market: u32, slot: u32) {
        let Node { id, side, .. } = self.orders.nodes[slot];
        let exchange = u32::try_from(id).unwrap_or(NONE);
        if let Some(standing) = self.standing(market, exchange, side) {
            self.set_standing(market, exchange, side, Standing { slot: NONE, ..standing });
        }
        self.orders.free_quote(slot);
    }

    /// Works out the mark price, triggers what watches it, and ends the command.
    fn remark(&mut self, market: u32, events: &mut Events) {
        self.markets[market].refresh_mark();
        self.trigger_reached(market, TriggerBy::Mark);
        self.finish(market, events);
    }
}
