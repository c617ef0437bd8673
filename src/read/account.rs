//! One account's orders and balances.

use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Unbounded},
    sync::Arc,
};

use crate::domain::{AssetName, Money, Order, OrderId, Seq, Symbol};

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

    pub(super) fn orders(&self, query: &OrdersQuery) -> Listed {
        let orders = self.kept(query);
        let forgotten = self.forgotten.filter(|forgotten| {
            // A full page leaves no room for older ones.
            let full = orders.len() >= query.limit;
            let newer = full && orders.last().is_some_and(|last| last.order_id > forgotten.newest);
            query.status != StatusFilter::Open && !newer
        });
        Listed { orders, forgotten: forgotten.map(|forgotten| forgotten.through) }
    }

    fn kept(&self, query: &OrdersQuery) -> Vec<Arc<Order>> {
        let before = query.after.map_or(Unbounded, Excluded);
        let newest = |orders: &'_ BTreeMap<OrderId, Arc<Order>>| -> Vec<Arc<Order>> {
            let wanted = |order: &&Arc<Order>| query.symbol.is_none_or(|symbol| order.symbol == symbol);
            orders
                .range((Unbounded, before))
                .rev()
                .map(|(_, order)| order)
                .filter(wanted)
                .take(query.limit)
                .cloned()
                .collect()
        };
        match query.status {
            StatusFilter::Open => newest(&self.open),
            StatusFilter::Closed => newest(&self.closed),
            StatusFilter::All => {
                let mut all = newest(&self.open);
                all.extend(newest(&self.closed));
                all.sort_unstable_by_key(|order| std::cmp::Reverse(order.order_id));
                all.truncate(query.limit);
                all
            }
        }
    }
}
