//! One account's orders and balances.

use std::{
    collections::BTreeMap,
    iter::Peekable,
    ops::Bound::{Excluded, Unbounded},
    sync::Arc,
};

use crate::domain::{AssetName, Money, Order, OrderId, Seq, Symbol};

/// How many orders a list looks at before it lets others go first: executions are not shown while one looks.
const LOOKED_AT_ONCE: usize = 1_024;

/// An amount of one asset that an account has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// Which asset.
    pub asset: AssetName,
    /// What can be spent.
    pub free: Money,
    /// What open orders may still cost.
    pub held: Money,
}

/// The answer to a look-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The order.
    Order(Arc<Order>),
    /// It may be one that closed too long ago to be kept here; the account's executions up to `through` tell of it.
    Forgotten {
        /// The last execution of any order of the account that is not kept here any more.
        through: Seq,
    },
    /// It is not the account's.
    Unknown,
}

/// Orders of an account, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Those that are kept here.
    pub orders: Vec<Arc<Order>>,
    /// Set if others, which closed too long ago to be kept here, may belong among them: as [`Found::Forgotten`].
    pub forgotten: Option<Seq>,
}

/// Which orders to list, by where they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatusFilter {
    /// Live and parked orders.
    #[default]
    Open,
    /// Ended orders.
    Closed,
    /// Both.
    All,
}

/// Which orders to list.
#[derive(Clone, Debug)]
pub struct OrdersQuery {
    /// By where they are.
    pub status: StatusFilter,
    /// Of this symbol only.
    pub symbol: Option<Symbol>,
    /// Older than this one only.
    pub after: Option<OrderId>,
    /// At most so many.
    pub limit: usize,
}

/// One account's orders and balances.
#[derive(Debug, Default)]
pub(super) struct Account {
    open: BTreeMap<OrderId, Arc<Order>>,
    closed: BTreeMap<OrderId, Arc<Order>>,
    forgotten: Option<Forgotten>,
    /// The last execution of any of its orders.
    pub(super) last_seq: Seq,
    pub(super) balances: Vec<Balance>,
}

/// What can be said of the closed orders that are not kept.
#[derive(Clone, Copy, Debug)]
struct Forgotten {
    /// The last execution of any of them.
    through: Seq,
    /// The highest id of any of them.
    newest: OrderId,
}

impl Account {
    pub(super) fn open_orders(&self) -> usize {
        self.open.len()
    }

    pub(super) fn order(&self, order_id: OrderId) -> Option<&Arc<Order>> {
        self.open.get(&order_id).or_else(|| self.closed.get(&order_id))
    }

    /// Keeps an order as it is now.
    pub(super) fn put(&mut self, order: Arc<Order>) {
        if order.status.is_terminal() {
            self.open.remove(&order.order_id);
            self.closed.insert(order.order_id, order);
        } else {
            self.open.insert(order.order_id, order);
        }
    }

    /// Forgets a closed order, whose executions go up to `seq` at most.
    pub(super) fn forget(&mut self, order_id: OrderId, seq: Seq) {
        self.closed.remove(&order_id);
        self.forgotten_through(seq, order_id);
    }

    /// Notes that closed orders up to `newest`, with executions up to `through`, are not kept.
    pub(super) fn forgotten_through(&mut self, through: Seq, newest: OrderId) {
        let before = self.forgotten.unwrap_or(Forgotten { through, newest });
        let (through, newest) = (before.through.max(through), before.newest.max(newest));
        self.forgotten = Some(Forgotten { through, newest });
    }

    /// What there is to say of an order that is not kept.
    pub(super) fn missing(&self, order_id: OrderId) -> Found {
        match self.forgotten {
            Some(forgotten) if (OrderId(1)..=forgotten.newest).contains(&order_id) => {
                Found::Forgotten { through: forgotten.through }
            }
            _ => Found::Unknown,
        }
    }

    /// Looks at some more orders, newest first, and adds those that a query asks for to `found`: where to look on, or `None` once
    /// there are enough, or no more.
    pub(super) fn look(&self, query: &OrdersQuery, after: Option<OrderId>, found: &mut Vec<Arc<Order>>) -> Option<OrderId> {
        let mut open = newest(&self.open, after, query.status != StatusFilter::Closed);
        let mut closed = newest(&self.closed, after, query.status != StatusFilter::Open);
        let mut looked_at = None;
        for _ in 0..LOOKED_AT_ONCE {
            let is_open_newer = open.peek().map(|(id, _)| *id) > closed.peek().map(|(id, _)| *id);
            let newer = if is_open_newer { open.next() } else { closed.next() };
            let (id, order) = newer.filter(|_| found.len() < query.limit)?;
            if query.symbol.is_none_or(|symbol| order.symbol == symbol) {
                found.push(order.clone());
            }
            looked_at = Some(*id);
        }
        looked_at
    }

    /// What was found, and whether others belong among it.
    pub(super) fn listed(&self, query: &OrdersQuery, orders: Vec<Arc<Order>>) -> Listed {
        let forgotten = self.forgotten.filter(|forgotten| {
            // A full page leaves no room for older ones.
            let full = orders.len() >= query.limit;
            let newer = full && orders.last().is_some_and(|last| last.order_id > forgotten.newest);
            query.status != StatusFilter::Open && !newer
        });
        Listed { orders, forgotten: forgotten.map(|forgotten| forgotten.through) }
    }
}

/// Orders that are older than one, newest first; none if none are wanted.
fn newest(
    orders: &BTreeMap<OrderId, Arc<Order>>,
    after: Option<OrderId>,
    wanted: bool,
) -> Peekable<impl Iterator<Item = (&OrderId, &Arc<Order>)>> {
    let older = wanted.then(|| orders.range((Unbounded, after.map_or(Unbounded, Excluded))).rev());
    older.into_iter().flatten().peekable()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AccountId, Decimal, Nanos, OrderType, Side, Status, TimeInForce};

    fn order(id: u64) -> Arc<Order> {
        let symbol = Symbol::parse(if id.is_multiple_of(700) { "BTC/USDT" } else { "ETH/USDT" }).unwrap();
        let status = if id.is_multiple_of(3) { Status::Canceled } else { Status::Open };
        let one = Decimal::new(1, 0).unwrap();
        Arc::new(Order {
            order_id: OrderId(id),
            client_order_id: None,
            account: AccountId(0),
            symbol,
            side: Side::Buy,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Gtc,
            expire_at: None,
            quantity: one,
            price: Some(one),
            trigger_price: None,
            status,
            cum_qty: Decimal::ZERO,
            leaves_qty: Decimal::ZERO,
            avg_price: None,
            code: None,
            reason: None,
            created_at: Nanos(0),
            updated_at: Nanos(0),
        })
    }

    #[test]
    fn a_list_has_the_same_orders_however_often_it_lets_others_go_first() {
        const ORDERS: u64 = 4 * LOOKED_AT_ONCE as u64;
        let mut account = Account::default();
        (1..=ORDERS).for_each(|id| account.put(order(id)));
        for status in [StatusFilter::Open, StatusFilter::Closed, StatusFilter::All] {
            for symbol in [None, Symbol::parse("BTC/USDT").ok(), Symbol::parse("XRP/USDT").ok()] {
                for (after, limit) in [(None, 1), (None, 3_000), (Some(2_100), 2), (Some(2_100), 10_000), (Some(1), 9)] {
                    let query = OrdersQuery { status, symbol, after: after.map(OrderId), limit };
                    let (mut found, mut next, mut looks) = (Vec::new(), query.after, 0);
                    loop {
                        next = account.look(&query, next, &mut found);
                        looks += 1;
                        if next.is_none() {
                            break;
                        }
                    }
                    let wanted = |order: &Arc<Order>| {
                        let of_status = match status {
                            StatusFilter::Open => !order.status.is_terminal(),
                            StatusFilter::Closed => order.status.is_terminal(),
                            StatusFilter::All => true,
                        };
                        of_status && symbol.is_none_or(|symbol| order.symbol == symbol)
                    };
                    let expected: Vec<_> =
                        (1..after.unwrap_or(ORDERS + 1)).rev().map(order).filter(wanted).take(limit).collect();
                    assert_eq!(found, expected, "{query:?}");
                    let looked_at = found.last().filter(|_| found.len() == limit).map_or(0, |last| last.order_id.0);
                    assert!(looks <= (ORDERS - looked_at) as usize / LOOKED_AT_ONCE + 1, "{query:?}");
                }
            }
        }
    }
}
