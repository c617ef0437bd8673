//! A market: all that changes of one instrument. Its book, its waiting stops, its exchanges' quotes, its prices.

use super::book::{Book, Ladder, Nodes, Place};
use super::rules::Rules;
use super::table::NONE;
use crate::domain::{Side, TriggerBy};

/// Exchanges that may quote one instrument at a time: what a walk through a level may have to step over.
pub(super) const EXCHANGES_MAX: usize = 64;

/// One instrument, live. What every order needs comes first.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Market {
    /// The last trade's price in ticks; 0: none yet.
    pub(super) last: i64,
    /// The sum of the best quoted bid and ask, so the mark price in half ticks; 0: none.
    pub(super) mark: i64,
    pub(super) halted: bool,
    /// Whether stops watch the mark price unless they say otherwise.
    pub(super) has_sources: bool,
    pub(super) stops: Stops,
    pub(super) book: Book,
    pub(super) rules: Rules,
    /// What each exchange last said, at most [`EXCHANGES_MAX`].
    pub(super) quotes: Vec<Quoted>,
}

/// What an exchange last said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quoted {
    pub(super) exchange: u32,
    pub(super) bid: Standing,
    pub(super) ask: Standing,
}

/// One side of a quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// In ticks; 0: no quote.
    pub(super) price: i64,
    /// As quoted, in lots; [`super::book::UNLIMITED`]: any amount.
    pub(super) size: i64,
    /// The input that brought the price.
    pub(super) since: u64,
    /// Its node in the book; [`NONE`] once all is taken.
    pub(super) slot: u32,
}

impl Standing {
    /// No quote.
    pub(super) const NOTHING: Self = Self { price: 0, size: 0, since: 0, slot: NONE };
}

impl Quoted {
    /// An exchange that has said nothing.
    pub(super) const fn new(exchange: u32) -> Self {
        Self { exchange, bid: Standing::NOTHING, ask: Standing::NOTHING }
    }

    pub(super) const fn side(&self, side: Side) -> &Standing {
        match side {
            Side::Buy => &self.bid,
            Side::Sell => &self.ask,
        }
    }

    pub(super) const fn side_mut(&mut self, side: Side) -> &mut Standing {
        match side {
            Side::Buy => &mut self.bid,
            Side::Sell => &mut self.ask,
        }
    }
}

impl Market {
    /// A market where nothing has happened.
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            last: 0,
            mark: 0,
            halted: false,
            has_sources: false,
            stops: Stops::default(),
            book: Book::new(),
            rules,
            quotes: Vec::new(),
        }
    }

    /// Whether an order that may rest does so at once: it reaches nothing.
    #[inline(always)]
    pub(super) fn rests(&self, side: Side, price: i64) -> bool {
        !self.book.is_reached(side, price) && !self.rules.rejects_unmarketable
    }

    /// The price that stops of this kind watch, in half ticks; 0: none.
    pub(super) const fn watched(&self, by: TriggerBy) -> i64 {
        match by {
            // At most 10^18.
            TriggerBy::Last => self.last.saturating_mul(2),
            TriggerBy::Mark => self.mark,
        }
    }

    /// The price that a price band is around, in ticks: the mark, rounded down, or else the last trade's; 0: none.
    pub(super) const fn reference(&self) -> i64 {
        if self.mark > 0 { self.mark / 2 } else { self.last }
    }

    /// Works the mark price out again.
    pub(super) fn refresh_mark(&mut self) {
        let bid = self.quotes.iter().map(|quoted| quoted.bid.price).max().unwrap_or(0);
        let ask = self.quotes.iter().map(|quoted| quoted.ask.price).filter(|price| *price > 0).min().unwrap_or(0);
        self.mark = if bid > 0 && ask > 0 { bid.saturating_add(ask) } else { 0 };
    }
}

/// Whether a stop's trigger is reached, both prices in half ticks; no price reaches none.
pub(super) const fn is_reached(side: Side, watched: i64, trigger: i64) -> bool {
    watched > 0
        && match side {
            Side::Buy => watched >= trigger.saturating_mul(2),
            Side::Sell => watched <= trigger.saturating_mul(2),
        }
}

/// The stops that wait, nearest trigger first, then oldest.
#[derive(Debug, Default)]
pub(super) struct Stops {
    /// How many wait, on both sides.
    by_last: u32,
    by_mark: u32,
    /// Out of the way: most orders are no stops.
    ladders: Box<Ladders>,
}

#[derive(Debug, Default)]
struct Ladders {
    last: Sides,
    mark: Sides,
}

#[derive(Debug, Default)]
struct Sides {
    buys: Ladder,
    sells: Ladder,
}

impl Stops {
    fn sides(&self, by: TriggerBy) -> &Sides {
        match by {
            TriggerBy::Last => &self.ladders.last,
            TriggerBy::Mark => &self.ladders.mark,
        }
    }

    fn sides_mut(&mut self, by: TriggerBy) -> &mut Sides {
        match by {
            TriggerBy::Last => &mut self.ladders.last,
            TriggerBy::Mark => &mut self.ladders.mark,
        }
    }

    /// How many watch this price.
    const fn waiting(&mut self, by: TriggerBy) -> &mut u32 {
        match by {
            TriggerBy::Last => &mut self.by_last,
            TriggerBy::Mark => &mut self.by_mark,
        }
    }

    /// Whether any stop watches this price.
    #[inline(always)]
    pub(super) const fn any(&self, by: TriggerBy) -> bool {
        match by {
            TriggerBy::Last => self.by_last > 0,
            TriggerBy::Mark => self.by_mark > 0,
        }
    }

    fn ladder(&self, by: TriggerBy, side: Side) -> &Ladder {
        match side {
            Side::Buy => &self.sides(by).buys,
            Side::Sell => &self.sides(by).sells,
        }
    }

    fn ladder_mut(&mut self, by: TriggerBy, side: Side) -> &mut Ladder {
        match side {
            Side::Buy => &mut self.sides_mut(by).buys,
            Side::Sell => &mut self.sides_mut(by).sells,
        }
    }

    /// A trigger as a ladder's key and back: for buys the lowest is the nearest.
    #[inline(always)]
    const fn flip(side: Side, value: i64) -> i64 {
        match side {
            Side::Buy => !value,
            Side::Sell => value,
        }
    }

    /// Lets a stop wait behind those of the same trigger.
    pub(super) fn park<T>(&mut self, nodes: &mut Nodes<T>, slot: u32, by: TriggerBy, trigger: i64) {
        let node = &mut nodes[slot];
        node.place = Place::Stops;
        let side = node.side;
        self.ladder_mut(by, side).push_back(nodes, slot, Self::flip(side, trigger));
        let waiting = self.waiting(by);
        *waiting = waiting.saturating_add(1);
    }

    /// Takes a stop out.
    pub(super) fn remove<T>(&mut self, nodes: &mut Nodes<T>, slot: u32, by: TriggerBy) {
        let node = &mut nodes[slot];
        node.place = Place::Nowhere;
        let side = node.side;
        self.ladder_mut(by, side).remove(nodes, slot);
        let waiting = self.waiting(by);
        *waiting = waiting.saturating_sub(1);
    }

    /// Changes how much a stop is for, in its place.
    pub(super) fn resize<T>(&mut self, nodes: &mut Nodes<T>, slot: u32, by: TriggerBy, leaves: i64) {
        self.ladder_mut(by, nodes[slot].side).resize(nodes, slot, leaves);
    }

    /// The next stop whose trigger is reached.
    #[inline]
    pub(super) fn reached(&self, by: TriggerBy, side: Side, watched: i64) -> Option<u32> {
        let (key, slot) = self.ladder(by, side).front()?;
        is_reached(side, watched, Self::flip(side, key)).then_some(slot)
    }

    /// All levels of one kind, nearest first: the slots of their oldest.
    pub(super) fn levels(&self, by: TriggerBy, side: Side) -> impl Iterator<Item = u32> + '_ {
        self.ladder(by, side).steps().map(|step| step.oldest)
    }
}
