//! The end of the queue that the executor drains, and the discipline that says which request is next.

use std::{
    collections::{HashMap, VecDeque},
    time::Instant,
};

use tokio::sync::mpsc;

use super::{Action, ConnectionId, Discipline, Intake, Request, Target};
use crate::domain::{Command, OrderId};

/// How many market orders may overtake in a row while another order waits.
const OVERTAKES_MAX: u32 = 16;

/// The end that the executor drains.
#[derive(Debug)]
pub struct Outlet {
    intake: Intake,
    orders: mpsc::Receiver<Request>,
    cancels: mpsc::Receiver<Request>,
    is_closed: bool,
    staged: Staged,
}

impl Outlet {
    pub(super) fn new(
        intake: Intake,
        orders: mpsc::Receiver<Request>,
        cancels: mpsc::Receiver<Request>,
        discipline: Discipline,
    ) -> Self {
        Self { intake, orders, cancels, is_closed: false, staged: Staged::new(discipline) }
    }

    /// Refuses whatever is sent from now on; [`Outlet::ready`] still waits for what was sent before.
    pub fn close(&mut self) {
        self.is_closed = true;
        self.intake.close();
        self.orders.close();
        self.cancels.close();
    }

    /// Waits until something can be executed. False once the queue is closed and empty.
    ///
    /// Dropping the future loses nothing.
    pub async fn ready(&mut self) -> bool {
        loop {
            self.stage();
            if !self.staged.is_empty() || !self.intake.quotes().is_empty() {
                return true;
            }
            if self.is_closed {
                return self.last().await;
            }
            self.intake.rung().await;
        }
    }

    /// Waits for one of the requests that were being sent when the lanes were closed. False if there are none.
    async fn last(&mut self) -> bool {
        let last = match self.cancels.recv().await {
            Some(request) => Some(request),
            None => self.orders.recv().await,
        };
        last.map(|request| self.staged.push(request)).is_some()
    }

    /// The next request by the discipline, its place in the lane given back at this moment. It must be executed.
    pub fn take(&mut self, now: Instant) -> Option<Request> {
        // What arrives now is no older than what waits of its connection: only a discipline that lets it overtake has to know at once.
        if self.staged.is_empty() || self.staged.discipline == Discipline::MarketFirst {
            self.stage();
        }
        let request = self.staged.pop()?;
        self.intake.executed(&request, now);
        Some(request)
    }

    /// The orders that cancels and replaces among about the next so many requests name by the venue's id: a hint, which may miss some.
    pub fn coming(&self, requests: usize) -> impl Iterator<Item = OrderId> + '_ {
        let first = self.staged.fronts().into_iter().min().unwrap_or(u64::MAX);
        let end = first.saturating_add(requests as u64);
        let cancels = self.staged.cancels.iter().take_while(move |request| request.ticket < end);
        cancels.filter_map(|request| match request.action {
            Action::Cancel { target: Target::OrderId(id), .. } | Action::Replace { target: Target::OrderId(id), .. } => {
                Some(id)
            }
            _ => None,
        })
    }

    /// Takes all quotes that wait.
    pub fn take_quotes(&mut self, into: &mut Vec<Command>) {
        self.intake.quotes().take(into);
    }

    /// Moves what has arrived to where the discipline can see it. The lanes' places bound how much that is.
    ///
    /// It looks until there is nothing in either lane: what came while it looked at the other one may be older, and of the same
    /// connection, as what it found there.
    fn stage(&mut self) {
        let mut found = true;
        while found {
            found = false;
            for lane in [&mut self.cancels, &mut self.orders] {
                while let Ok(request) = lane.try_recv() {
                    self.staged.push(request);
                    found = true;
                }
            }
        }
    }
}

/// Requests taken from the lanes, not yet executed.
#[derive(Debug)]
struct Staged {
    discipline: Discipline,
    cancels: VecDeque<Request>,
    orders: VecDeque<Request>,
    /// Market orders that may overtake; always empty under `Fifo`.
    markets: VecDeque<Request>,
    /// How many requests of a connection wait in `orders`: its market orders wait behind them.
    behind: HashMap<ConnectionId, usize>,
    overtakes: u32,
}

impl Staged {
    fn new(discipline: Discipline) -> Self {
        Self {
            discipline,
            cancels: VecDeque::new(),
            orders: VecDeque::new(),
            markets: VecDeque::new(),
            behind: HashMap::new(),
            overtakes: 0,
        }
    }

    fn is_empty(&self) -> bool {
        self.cancels.is_empty() && self.orders.is_empty() && self.markets.is_empty()
    }

    fn push(&mut self, request: Request) {
        if request.action.is_for_cancels() {
            return self.cancels.push_back(request);
        }
        let waits_behind_its_own = request.connection.is_some_and(|connection| self.behind.contains_key(&connection));
        if self.discipline == Discipline::MarketFirst && request.action.is_market_order() && !waits_behind_its_own {
            return self.markets.push_back(request);
        }
        if let (Discipline::MarketFirst, Some(connection)) = (self.discipline, request.connection) {
            *self.behind.entry(connection).or_default() += 1;
        }
        self.orders.push_back(request);
    }

    /// The tickets of the first cancel, order and market order; the last there can be for none.
    fn fronts(&self) -> [u64; 3] {
        let ticket = |queue: &VecDeque<Request>| queue.front().map_or(u64::MAX, |request| request.ticket);
        [ticket(&self.cancels), ticket(&self.orders), ticket(&self.markets)]
    }

    fn pop(&mut self) -> Option<Request> {
        let [cancel, order, market] = self.fronts();
        if order < market && market < cancel && self.overtakes < OVERTAKES_MAX {
            self.overtakes += 1;
            return self.markets.pop_front();
        }
        let first = cancel.min(order).min(market);
        if first == market && market != u64::MAX {
            return self.markets.pop_front();
        }
        if first == cancel && cancel != u64::MAX {
            return self.cancels.pop_front();
        }
        self.overtakes = 0;
        let request = self.orders.pop_front()?;
        if let Some(connection) = request.connection
            && let Some(count) = self.behind.get_mut(&connection)
        {
            *count -= 1;
            if *count == 0 {
                self.behind.remove(&connection);
            }
        }
        Some(request)
    }
}

#[cfg(test)]
mod tests;
