//! One account's orders and balances.

use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Unbounded},
    sync::Arc,
};

use crate::domain::{AssetName, Money, Order, OrderId, Symbol};

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
    /// It may have been the account's, and closed too long ago to be kept.
    Gone,
    /// It is not the account's.
    Unknown,
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
    pub(super) balances: Vec<Balance>,
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

    pub(super) fn forget(&mut self, order_id: OrderId) {
        self.closed.remove(&order_id);
    }

    pub(super) fn orders(&self, query: &OrdersQuery) -> Vec<Arc<Order>> {
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
