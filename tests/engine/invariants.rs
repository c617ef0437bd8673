//! What must hold after every command, whatever the rules of matching are: told from the events alone wherever that is
//! possible, so that the naive engine cannot share a mistake with the engine.

use std::collections::BTreeMap;

use openoutcry::domain::*;
use openoutcry::engine::Engine;

/// One who reads the events and believes nothing else.
#[derive(Default)]
pub(crate) struct Watch {
    executions: u64,
    trades: u64,
    seqs: BTreeMap<u32, u64>,
    orders: BTreeMap<u64, Seen>,
    books: BTreeMap<(u32, &'static str), BTreeMap<i64, Option<i64>>>,
    accounts: u32,
    /// What fills and deposits have moved, by account and asset.
    moved: BTreeMap<(u32, String), i128>,
}

/// An order as its executions tell of it.
struct Seen {
    last: Execution,
    prevented: i64,
}

impl Watch {
    /// Reads what one command did.
    pub(crate) fn see(
        &mut self,
        engine: &Engine,
        command: &Command,
        outcome: Outcome,
        events: &Events,
    ) -> Result<(), String> {
        for execution in &events.executions {
            self.number(execution)?;
            self.follow(execution).map_err(|problem| format!("{problem}: {execution:?}"))?;
            self.settle(engine, execution);
        }
        for trade in &events.trades {
            self.trades += 1;
            check(trade.trade_id.0 == self.trades, "trades are numbered 1, 2, 3")?;
            check(!trade.quantity.is_zero(), "a trade is of something")?;
        }
        engine.audit();
        self.fold(events);
        self.books(engine)?;
        self.uncrossed(engine)?;
        self.deposit(command, outcome);
        self.money(engine)
    }

    fn number(&mut self, execution: &Execution) -> Result<(), String> {
        self.executions += 1;
        check(execution.exec_id.0 == self.executions, "executions are numbered 1, 2, 3")?;
        let seq = self.seqs.entry(execution.account.0).or_default();
        *seq += 1;
        check(execution.seq.0 == *seq, "an account's executions are numbered 1, 2, 3")
    }

    /// The order's life goes by the table, and its quantities add up.
    fn follow(&mut self, execution: &Execution) -> Result<(), String> {
        let Execution { execution_type, status, quantity, cum_qty, leaves_qty, .. } = *execution;
        let before = self.orders.get(&execution.order_id.0);
        let from = before.map_or(Status::Received, |seen| seen.last.status);
        let parked = if status == Status::Untriggered { Parked::UntilTriggered } else { Parked::No };
        check(from.after(execution_type, parked) == Some(status), "the status follows the table")?;
        if status == Status::Rejected {
            check(cum_qty.is_zero() && leaves_qty.is_zero(), "a refused order has traded nothing")?;
            self.orders.insert(execution.order_id.0, Seen { last: *execution, prevented: 0 });
            return Ok(());
        }
        let (traded, worth) = before.map_or((0, 0), |seen| (seen.last.cum_qty.lots(), seen.last.cum_notional));
        let part = execution.fill.map_or(0, |fill| fill.last_qty.lots());
        let price = execution.fill.map_or(0, |fill| fill.last_price.ticks());
        check(traded + part == cum_qty.lots(), "fills add up to cum_qty")?;
        check(worth + i128::from(part) * i128::from(price) == execution.cum_notional, "fills add up to cum_notional")?;
        let fills = matches!(execution_type, ExecutionType::PartialFill | ExecutionType::Filled);
        check(fills == execution.fill.is_some() && fills == (part > 0), "fills tell of a trade, others do not")?;
        let mut prevented = before.map_or(0, |seen| seen.prevented);
        if execution_type == ExecutionType::TradePrevented {
            prevented = quantity.lots() - cum_qty.lots() - leaves_qty.lots();
        }
        if status.is_terminal() {
            check(leaves_qty.is_zero(), "nothing is left of an ended order")?;
        } else {
            let left = quantity.lots() - cum_qty.lots() - prevented;
            check(leaves_qty.lots() == left, "quantity = cum_qty + leaves_qty + what was prevented")?;
        }
        if let (Some(limit), Some(fill)) = (execution.price, execution.fill) {
            let good = if execution.side == Side::Buy { fill.last_price <= limit } else { fill.last_price >= limit };
            check(good, "no fill is worse than the limit")?;
        }
        self.orders.insert(execution.order_id.0, Seen { last: *execution, prevented });
        Ok(())
    }

    /// Adds what a fill moves to the account's sums.
    fn settle(&mut self, engine: &Engine, execution: &Execution) {
        let (Some(fill), Some(id)) = (execution.fill, execution.instrument) else { return };
        let rules = engine.instrument(id).unwrap();
        let goods = rules.base_money(fill.last_qty).units();
        let value = i128::from(fill.last_price.ticks()) * i128::from(fill.last_qty.lots());
        let value = rules.quote_money(value).unwrap().units();
        let sign = if execution.side == Side::Buy { 1 } else { -1 };
        let fee_asset = rules.fee_asset(execution.side);
        for (asset, amount) in [(rules.base, sign * goods), (rules.quote, -sign * value), (fee_asset, -fill.fee.units())] {
            let moved = self.moved.entry((execution.account.0, asset.to_string())).or_default();
            *moved = moved.wrapping_add(amount);
        }
    }

    fn fold(&mut self, events: &Events) {
        for change in &events.levels {
            let book = self.books.entry((change.instrument.0, change.side.as_str())).or_default();
            match change.quantity {
                Some(Quantity::ZERO) => book.remove(&change.price.ticks()),
                quantity => book.insert(change.price.ticks(), quantity.map(Quantity::lots)),
            };
        }
    }

    /// One who only reads level changes knows the book.
    fn books(&self, engine: &Engine) -> Result<(), String> {
        for rules in engine.instruments() {
            for side in [Side::Buy, Side::Sell] {
                let mut seen: Vec<_> =
                    self.books.get(&(rules.id.0, side.as_str())).into_iter().flatten().map(|(p, q)| (*p, *q)).collect();
                if side == Side::Buy {
                    seen.reverse();
                }
                let levels = engine.levels(rules.id, side);
                let real: Vec<_> = levels.map(|(price, quantity)| (price.ticks(), quantity.map(Quantity::lots))).collect();
                check(seen == real, &format!("level changes {seen:?} make the book {real:?}"))?;
            }
        }
        Ok(())
    }

    /// No client's order stands at or beyond anything on the other side.
    fn uncrossed(&self, engine: &Engine) -> Result<(), String> {
        for seen in self.orders.values() {
            let order = &seen.last;
            let (Some(limit), Some(id)) = (order.price, order.instrument) else { continue };
            if !matches!(order.status, Status::Open | Status::PartiallyFilled) {
                continue;
            }
            let crossed = engine.levels(id, order.side.opposite()).next().is_some_and(|(best, _)| match order.side {
                Side::Buy => best <= limit,
                Side::Sell => best >= limit,
            });
            check(!crossed, &format!("no client's order crosses a level: {order:?}"))?;
        }
        Ok(())
    }

    /// Adds what a command has brought to an account; one without balances may be brought more than can be counted.
    fn deposit(&mut self, command: &Command, outcome: Outcome) {
        match command {
            _ if outcome != Outcome::Done => {}
            Command::OpenAccount(spec) => {
                for (asset, amount) in spec.balances.iter().flatten() {
                    *self.moved.entry((self.accounts, asset.to_string())).or_default() += amount.units();
                }
                self.accounts += 1;
            }
            Command::Deposit(Deposit { account, asset, amount, .. }) => {
                let moved = self.moved.entry((account.0, asset.to_string())).or_default();
                *moved = moved.wrapping_add(amount.units());
            }
            _ => {}
        }
    }

    /// What an account has is what it was given, and what its fills have moved.
    fn money(&self, engine: &Engine) -> Result<(), String> {
        for account in engine.accounts().filter(|account| account.checked) {
            for balance in engine.balances(account.id) {
                let asset = balance.asset.to_string();
                let real = balance.free.units() + balance.held.units();
                let expected = self.moved.get(&(account.id.0, asset.clone())).copied().unwrap_or(0);
                check(real == expected, &format!("{asset} of {}: {real}, not {expected}", account.name))?;
                check(balance.free.units() >= 0 && balance.held.units() >= 0, "nobody owes anything")?;
            }
        }
        Ok(())
    }
}

fn check(holds: bool, rule: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(rule.to_owned()) }
}
