//! Makes command streams that look like a market: prices drift, most orders rest near the touch, some cross, some are
//! canceled, and the number of live orders stays about where it was asked to be.
//!
//! The generator matches as it goes, with a plain book of its own, so that every cancel names a live order; what that book
//! traded is the oracle that every engine is held against. The random numbers are drawn in one fixed order: the same plan
//! gives the same stream for ever.

use std::collections::{BTreeMap, VecDeque};

use crate::command::{Command, Commands, Kind, Side};
use crate::tape::Tape;

/// The price that every book starts around.
const MID: u32 = 50_000;

/// What to generate.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many commands.
    pub count: usize,
    /// Over how many books.
    pub symbols: usize,
    /// How many orders should be live in each; the first `symbols × live` commands only rest.
    pub live: usize,
    /// Where the random numbers start.
    pub seed: u64,
    /// Nothing but orders that rest, whatever `live` says.
    pub only_rest: bool,
    /// Cancels name orders that came lately, instead of any live order.
    pub recent: bool,
}

/// Among how many of the latest orders a recent cancel chooses.
const RECENT: u64 = 1_000;

impl Plan {
    /// A plan of mixed commands.
    pub fn new(count: usize, symbols: usize, live: usize, seed: u64) -> Self {
        Self { count, symbols, live, seed, only_rest: false, recent: false }
    }

    /// The same plan without a cancel or a trade: a book that only fills.
    pub fn only_rest(self) -> Self {
        Self { only_rest: true, ..self }
    }

    /// The same plan with cancels of recent orders: those are in the processor's caches, however deep the book.
    pub fn recent(self) -> Self {
        Self { recent: true, ..self }
    }

    /// The commands, and what must come of them.
    pub fn run(self) -> (Commands, Tape) {
        let mut generator = Generator {
            plan: self,
            random: Random(self.seed),
            books: (0..self.symbols).map(|_| Book::default()).collect(),
            orders: vec![Order::default()],
            tape: Tape::default(),
        };
        let list = (0..self.count).map(|at| generator.next(at)).collect();
        let symbols = u32::try_from(self.symbols).expect("symbols are counted in u16");
        (Commands { symbols, id_max: generator.orders.len() as u64 - 1, list }, generator.tape)
    }
}

struct Generator {
    plan: Plan,
    random: Random,
    books: Vec<Book>,
    /// Every order there ever was, by id; 0 is nobody.
    orders: Vec<Order>,
    tape: Tape,
}

impl Generator {
    fn next(&mut self, at: usize) -> Command {
        let Plan { symbols, live: target, only_rest, .. } = self.plan;
        let symbol = if symbols == 1 { 0 } else { self.random.below(symbols as u64) as usize };
        if self.random.below(16) == 0 && !only_rest {
            let book = &mut self.books[symbol];
            book.mid = if self.random.next() & 1 == 0 { book.mid + 1 } else { book.mid - 1 };
        }
        let live = self.books[symbol].live.len();
        let warming = at < symbols * target || only_rest;
        let mut choice = self.random.below(100);
        if warming {
            choice = 0;
        } else if live * 10 > target * 12 && choice < 51 {
            choice = 80;
        } else if live * 10 < target * 8 && choice >= 60 && self.random.next() & 1 == 0 {
            choice = 0;
        }
        match choice {
            70.. if live > 0 => self.cancel(symbol),
            60..70 => self.market(symbol),
            _ => self.limit(symbol, warming),
        }
    }

    fn limit(&mut self, symbol: usize, warming: bool) -> Command {
        let side = self.random.side();
        let quantity = 1 + self.random.below(100) as u32;
        let crossing = !warming && self.random.below(100) < 15;
        let distance = if crossing { 1 + self.random.below(5) as u32 } else { self.random.distance() };
        let mid = self.books[symbol].mid;
        let price = if (side == Side::Buy) != crossing { mid - distance } else { mid + distance };
        let id = self.take(symbol, side, Some(price), quantity);
        if self.orders[id as usize].left > 0 {
            self.books[symbol].rest(id, &mut self.orders);
        }
        Command { id, price, quantity, kind: Kind::Limit, side, symbol: symbol as u16 }
    }

    fn market(&mut self, symbol: usize) -> Command {
        let side = self.random.side();
        let quantity = 1 + self.random.below(140) as u32;
        let id = self.take(symbol, side, None, quantity);
        Command { id, price: 0, quantity, kind: Kind::Market, side, symbol: symbol as u16 }
    }

    fn cancel(&mut self, symbol: usize) -> Command {
        let book = &mut self.books[symbol];
        let live = book.live.len();
        let place = if self.plan.recent {
            live - 1 - self.random.below(RECENT.min(live as u64)) as usize
        } else {
            self.random.below(live as u64) as usize
        };
        let id = book.live[place];
        book.cancel(id, &mut self.orders);
        self.tape.cancel(true);
        Command { id, price: 0, quantity: 0, kind: Kind::Cancel, side: Side::Buy, symbol: symbol as u16 }
    }

    /// Numbers an order and lets it trade.
    fn take(&mut self, symbol: usize, side: Side, limit: Option<u32>, quantity: u32) -> u64 {
        let id = self.orders.len() as u64;
        self.orders.push(Order { side: Some(side), price: limit.unwrap_or(0), left: quantity, place: 0 });
        self.books[symbol].take(id, side, limit, &mut self.orders, &mut self.tape);
        id
    }
}

#[derive(Clone, Copy, Default)]
struct Order {
    side: Option<Side>,
    price: u32,
    /// Lots that have neither traded nor been canceled.
    left: u32,
    /// Where it stands in [`Book::live`].
    place: usize,
}

/// Orders at one price. Canceled ones stay in the queue with nothing left, until they come to its front.
#[derive(Default)]
struct Level {
    queue: VecDeque<u64>,
    live: usize,
}

struct Book {
    bids: BTreeMap<u32, Level>,
    asks: BTreeMap<u32, Level>,
    live: Vec<u64>,
    mid: u32,
}

impl Default for Book {
    fn default() -> Self {
        Self { bids: BTreeMap::new(), asks: BTreeMap::new(), live: Vec::new(), mid: MID }
    }
}

impl Book {
    fn side(&mut self, side: Side) -> &mut BTreeMap<u32, Level> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    fn take(&mut self, id: u64, side: Side, limit: Option<u32>, orders: &mut [Order], tape: &mut Tape) {
        while orders[id as usize].left > 0 {
            let best = match side {
                Side::Buy => self.asks.first_entry().filter(|level| limit.is_none_or(|limit| *level.key() <= limit)),
                Side::Sell => self.bids.last_entry().filter(|level| limit.is_none_or(|limit| *level.key() >= limit)),
            };
            let Some(mut best) = best else { break };
            let price = *best.key();
            let level = best.get_mut();
            let maker = *level.queue.front().expect("a level without orders is removed");
            let traded = orders[id as usize].left.min(orders[maker as usize].left);
            orders[id as usize].left -= traded;
            orders[maker as usize].left -= traded;
            if traded > 0 {
                tape.trade(maker, id, u64::from(price), u64::from(traded));
            }
            if orders[maker as usize].left == 0 {
                level.queue.pop_front();
                // Nothing traded: it had been canceled, and counted out then.
                if traded > 0 {
                    level.live -= 1;
                    if level.live == 0 {
                        best.remove();
                    }
                    self.forget(maker, orders);
                }
            }
        }
    }

    fn rest(&mut self, id: u64, orders: &mut [Order]) {
        let order = &mut orders[id as usize];
        order.place = self.live.len();
        let (side, price) = (order.side.expect("only orders rest"), order.price);
        self.live.push(id);
        let level = self.side(side).entry(price).or_default();
        level.queue.push_back(id);
        level.live += 1;
    }

    fn cancel(&mut self, id: u64, orders: &mut [Order]) {
        let order = &mut orders[id as usize];
        order.left = 0;
        let (side, price) = (order.side.expect("only orders rest"), order.price);
        let levels = self.side(side);
        let level = levels.get_mut(&price).expect("a live order has a level");
        level.live -= 1;
        if level.live == 0 {
            levels.remove(&price);
        }
        self.forget(id, orders);
    }

    fn forget(&mut self, id: u64, orders: &mut [Order]) {
        let place = orders[id as usize].place;
        self.live.swap_remove(place);
        if let Some(moved) = self.live.get(place) {
            orders[*moved as usize].place = place;
        }
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn side(&mut self) -> Side {
        if self.next() & 1 == 0 { Side::Buy } else { Side::Sell }
    }

    /// How far from the middle an order rests: half of them within 16 ticks, half of the others within 32, and so on.
    fn distance(&mut self) -> u32 {
        let bits = self.next();
        let band = (bits >> 32).trailing_zeros().min(20);
        1 + (bits & 15) as u32 + 16 * band
    }
}
