//! The book alone, driven directly, against a list of orders that is searched from one end to the other.

use std::collections::BTreeMap;

use openoutcry::domain::Side;
use openoutcry::engine::NONE;
use openoutcry::engine::book::{Book, Match, Node, Nodes, Place, UNLIMITED, UNLIMITED_SHARE, queue, reaches};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::same::cases;

/// What is done to the book; orders are named by how many rest before them in the list.
#[derive(Clone, Debug)]
enum Act {
    Rest { side: Side, price: i64, leaves: i64 },
    RestBefore { at: usize, leaves: i64 },
    Take { side: Side, limit: Option<i64>, quantity: i64 },
    Remove(usize),
    Resize { at: usize, leaves: i64 },
}

/// An order as the list keeps it, in the order of arrival at its price.
#[derive(Clone, Copy, Debug)]
struct Listed {
    id: u64,
    slot: u32,
    side: Side,
    price: i64,
    leaves: i64,
}

#[derive(Default)]
struct Pair {
    book: Book,
    nodes: Nodes,
    list: Vec<Listed>,
    ids: u64,
}

impl Pair {
    fn act(&mut self, act: &Act) {
        match *act {
            Act::Rest { side, price, leaves } => self.rest(side, price, leaves, None),
            Act::RestBefore { at, leaves } => {
                let Some(younger) = self.at(at) else { return };
                let Listed { side, price, .. } = self.list[younger];
                self.rest(side, price, leaves, Some(younger));
            }
            Act::Take { side, limit, quantity } => self.take(side, limit, quantity),
            Act::Remove(at) => {
                let Some(at) = self.at(at) else { return };
                let gone = self.list.remove(at);
                let total = self.book.remove(&mut self.nodes, gone.slot);
                assert_eq!(self.nodes[gone.slot].place, Place::Nowhere);
                self.nodes.free(gone.slot);
                assert_eq!(total, self.total(gone.side, gone.price));
            }
            Act::Resize { at, leaves } => {
                let Some(at) = self.at(at) else { return };
                self.list[at].leaves = leaves;
                let Listed { slot, side, price, .. } = self.list[at];
                let total = self.book.resize(&mut self.nodes, slot, leaves);
                assert_eq!(total, self.total(side, price));
            }
        }
    }

    fn at(&self, at: usize) -> Option<usize> {
        at.checked_rem(self.list.len())
    }

    fn rest(&mut self, side: Side, price: i64, leaves: i64, younger: Option<usize>) {
        self.ids += 1;
        let slot = self.nodes.insert(Node::order(self.ids, side, leaves), ()).unwrap();
        let listed = Listed { id: self.ids, slot, side, price, leaves };
        let total = match younger {
            Some(younger) => {
                let before = self.list[younger].slot;
                self.list.insert(younger, listed);
                self.book.rest_before(&mut self.nodes, slot, price, before)
            }
            None if self.ids.is_multiple_of(2) => {
                self.list.push(listed);
                self.book.rest_before(&mut self.nodes, slot, price, NONE)
            }
            None => {
                self.list.push(listed);
                self.book.rest(&mut self.nodes, slot, price)
            }
        };
        assert_eq!(self.nodes[slot].place, Place::Book);
        assert_eq!(total, self.total(side, price));
    }

    fn take(&mut self, side: Side, limit: Option<i64>, quantity: i64) {
        let mut expected = Vec::new();
        let mut left = quantity;
        while left > 0 {
            let Some(best) = self.best(side.opposite()) else { break };
            let Listed { id, slot, price, leaves, .. } = self.list[best];
            if limit.is_some_and(|limit| if side == Side::Buy { price > limit } else { price < limit }) {
                break;
            }
            let part = left.min(leaves);
            expected.push(Match { maker: id, slot, price, quantity: part });
            left -= part;
            if leaves == part {
                self.list.remove(best);
            } else if leaves != UNLIMITED {
                self.list[best].leaves -= part;
            }
        }
        let mut real = Vec::new();
        let rest = self.book.take(&mut self.nodes, side, limit, quantity, |traded| real.push(traded));
        assert_eq!((real, rest), (expected, left));
    }

    /// The oldest at the best price of a side.
    fn best(&self, side: Side) -> Option<usize> {
        let all = (0..self.list.len()).filter(|at| self.list[*at].side == side);
        all.min_by_key(|at| if side == Side::Buy { -self.list[*at].price } else { self.list[*at].price })
    }

    fn total(&self, side: Side, price: i64) -> i128 {
        let here = self.list.iter().filter(|listed| (listed.side, listed.price) == (side, price));
        here.map(|listed| if listed.leaves == UNLIMITED { UNLIMITED_SHARE } else { i128::from(listed.leaves) }).sum()
    }

    /// Both tell the same of everything that can be asked.
    fn compare(&self) {
        for side in [Side::Buy, Side::Sell] {
            let best = self.best(side).map(|at| self.list[at]);
            assert_eq!(self.book.best(side), best.map(|best| best.price));
            assert_eq!(self.book.front(side), best.map(|best| (best.price, best.slot)));
            let mut prices: BTreeMap<i64, Vec<u64>> = BTreeMap::new();
            for listed in self.list.iter().filter(|listed| listed.side == side) {
                prices.entry(listed.price).or_default().push(listed.id);
            }
            let mut expected: Vec<_> = prices.into_iter().collect();
            if side == Side::Buy {
                expected.reverse();
            }
            let ids = |slot| queue(&self.nodes, slot).map(|slot| self.nodes[slot].id).collect::<Vec<_>>();
            let levels: Vec<_> = self.book.levels(side).collect();
            let real: Vec<_> = levels.iter().map(|level| (level.price, ids(level.oldest))).collect();
            assert_eq!(real, expected);
            for (at, level) in levels.iter().enumerate() {
                assert_eq!(level.total, self.total(side, level.price));
                assert_eq!(self.book.behind(side, level.price).as_ref(), levels.get(at + 1));
            }
            for price in PRICES {
                assert_eq!(self.book.total(side, price), self.total(side, price));
                let oldest = levels.iter().find(|level| level.price == price).map(|level| level.oldest);
                assert_eq!(self.book.oldest(side, price), oldest);
            }
        }
    }
}

/// Near each other, and as far apart as prices can be.
const PRICES: [i64; 14] = [1, 2, 95, 96, 97, 98, 99, 100, 101, 102, 5_000, 5_001, 1_000_000_007, 1_000_000_000_000_000_000];

fn acts() -> impl Strategy<Value = Act> {
    let side = || select(Side::ALL);
    let price = || select(&PRICES[..]);
    let leaves = || prop_oneof![12 => 1..9i64, 1 => Just(UNLIMITED)];
    prop_oneof![
        8 => (side(), price(), leaves()).prop_map(|(side, price, leaves)| Act::Rest { side, price, leaves }),
        2 => (any::<usize>(), leaves()).prop_map(|(at, leaves)| Act::RestBefore { at, leaves }),
        4 => (side(), proptest::option::of(price()), 1..30i64)
            .prop_map(|(side, limit, quantity)| Act::Take { side, limit, quantity }),
        3 => any::<usize>().prop_map(Act::Remove),
        2 => (any::<usize>(), leaves()).prop_map(|(at, leaves)| Act::Resize { at, leaves }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases(200)) })]

    #[test]
    fn the_book_is_what_a_list_of_orders_is(acts in vec(acts(), 1..150)) {
        let mut pair = Pair::default();
        for act in &acts {
            pair.act(act);
            pair.compare();
        }
    }
}

#[test]
fn a_ladder_of_thousands_of_levels_stays_in_order() {
    let mut pair = Pair::default();
    // Every 7th price modulo a prime: each price once, in an order that is neither up nor down.
    for step in 1..2_003i64 {
        pair.act(&Act::Rest { side: Side::Sell, price: 1_000 + step * 7 % 2_003, leaves: 1 + step % 3 });
        pair.act(&Act::Rest { side: Side::Buy, price: 1 + step * 11 % 997, leaves: 2 });
    }
    pair.compare();
    for step in 0..800 {
        pair.act(&Act::Remove(step * 37));
    }
    pair.compare();
    pair.act(&Act::Take { side: Side::Buy, limit: Some(2_000), quantity: 5_000 });
    pair.act(&Act::Take { side: Side::Sell, limit: None, quantity: 700 });
    pair.compare();
    pair.act(&Act::Take { side: Side::Buy, limit: None, quantity: 1_000_000 });
    pair.act(&Act::Take { side: Side::Sell, limit: None, quantity: 1_000_000 });
    assert!(pair.list.is_empty());
    pair.compare();
}

#[test]
fn a_price_reaches_a_limit_from_its_own_side() {
    for (side, price, limit, reached) in
        [(Side::Buy, 9, 10, true), (Side::Buy, 10, 10, true), (Side::Buy, 11, 10, false), (Side::Sell, 9, 10, false)]
    {
        assert_eq!(reaches(side, price, limit), reached, "{side:?} {price} {limit}");
    }
    assert!(reaches(Side::Sell, 10, 10) && reaches(Side::Sell, 11, 10));
}
