//! Records in the words of the contract.

use serde_json::{Map, Value, json};

use crate::domain::{
    AccountId, AccountName, AccountSpec, CancelAll, Command, Deposit, InstrumentId, InstrumentSpec, Place, Quote, Replace,
    Symbol,
};
use crate::journal::Record;

/// The names that numbers stand for, as far as the journal tells.
#[derive(Debug)]
pub(super) struct Names {
    /// Whether it is read from its first record on: only then is every name known.
    complete: bool,
    accounts: Vec<AccountName>,
    instruments: Vec<Symbol>,
}

impl Names {
    /// No names yet, of a journal whose oldest record is this one.
    pub(super) fn new(oldest: u64) -> Self {
        Self { complete: oldest == 1, accounts: Vec::new(), instruments: Vec::new() }
    }

    /// Learns the names that a command gives.
    pub(super) fn learn(&mut self, command: &Command) {
        match command {
            Command::DefineInstrument(spec) if self.complete && !self.instruments.contains(&spec.symbol) => {
                self.instruments.push(spec.symbol);
            }
            Command::OpenAccount(spec) if self.complete && !self.accounts.contains(&spec.name) => {
                self.accounts.push(spec.name);
            }
            _ => {}
        }
    }

    /// A record as one object; what it does not have is left out.
    pub(super) fn line(&self, record: &Record) -> Value {
        let (command, fields) = self.command(&record.command);
        let mut line = Map::new();
        line.insert("number".to_owned(), json!(record.number));
        line.insert("stamp".to_owned(), json!(record.stamp));
        line.insert("command".to_owned(), json!(command));
        if let Value::Object(fields) = fields {
            line.extend(fields.into_iter().filter(|(_, value)| !value.is_null()));
        }
        Value::Object(line)
    }

    fn account(&self, id: AccountId) -> Value {
        self.accounts.get(id.0 as usize).map_or_else(|| json!(id.0), |name| json!(name))
    }

    fn instrument(&self, id: InstrumentId) -> Value {
        self.instruments.get(id.0 as usize).map_or_else(|| json!(id.0), |symbol| json!(symbol))
    }

    fn command(&self, command: &Command) -> (&'static str, Value) {
        match command {
            Command::DefineInstrument(spec) => ("define_instrument", define_instrument(spec)),
            Command::OpenAccount(spec) => ("open_account", open_account(spec)),
            Command::Deposit(Deposit { account, request_id, asset, amount }) => {
                let account = self.account(*account);
                let what = json!({ "account": account, "idempotency_key": request_id, "asset": asset, "amount": amount });
                ("deposit", what)
            }
            Command::Place(order) => ("place", self.place(order)),
            Command::Cancel { account, order_id } => {
                ("cancel", json!({ "account": self.account(*account), "order_id": order_id }))
            }
            Command::CancelAll(CancelAll { account, instrument, side }) => {
                let symbol = instrument.map(|id| self.instrument(id));
                ("cancel_all", json!({ "account": self.account(*account), "symbol": symbol, "side": side }))
            }
            Command::Replace(terms) => ("replace", self.replace(terms)),
            Command::CancelAfter { account, timeout_ns } => {
                ("cancel_after", json!({ "account": self.account(*account), "timeout_ns": timeout_ns }))
            }
            Command::Quote(quote) => ("quote", self.quote(quote)),
            Command::WithdrawQuotes { exchange, instrument, more } => {
                let symbol = instrument.map(|id| self.instrument(id));
                ("withdraw_quotes", json!({ "exchange": exchange, "symbol": symbol, "more": more }))
            }
            Command::Halt(instrument) => ("halt", json!({ "symbol": self.instrument(*instrument) })),
            Command::Resume(instrument) => ("resume", json!({ "symbol": self.instrument(*instrument) })),
            Command::Tick => ("tick", Value::Null),
        }
    }

    fn place(&self, order: &Place) -> Value {
        json!({
            "account": self.account(order.account),
            "client_order_id": order.client_order_id,
            "symbol": order.symbol,
            "side": order.side,
            "type": order.order_type,
            "time_in_force": order.time_in_force,
            "expire_at": order.expire_at,
            "quantity": order.quantity,
            "price": order.price,
            "trigger_price": order.trigger_price,
            "trigger_by": order.trigger_by,
            "post_only": order.post_only,
            "stp": order.stp,
        })
    }

    fn replace(&self, terms: &Replace) -> Value {
        json!({
            "account": self.account(terms.account),
            "order_id": terms.order_id,
            "idempotency_key": terms.request_id,
            "quantity": terms.quantity,
            "price": terms.price,
            "trigger_price": terms.trigger_price,
        })
    }

    fn quote(&self, quote: &Quote) -> Value {
        json!({
            "exchange": quote.exchange,
            "symbol": self.instrument(quote.instrument),
            "bid": quote.bid,
            "bid_size": quote.bid_size,
            "ask": quote.ask,
            "ask_size": quote.ask_size,
        })
    }
}

fn define_instrument(spec: &InstrumentSpec) -> Value {
    json!({
        "symbol": spec.symbol,
        "tick_size": spec.tick_size,
        "lot_size": spec.lot_size,
        "min_quantity": spec.min_quantity,
        "max_quantity": spec.max_quantity,
        "min_notional": spec.min_notional,
        "price_band": spec.price_band,
        "max_open_orders": spec.max_open_orders,
        "unmarketable": spec.unmarketable,
        "sources": spec.sources.names(),
        "reference_price": spec.reference_price,
        "maker_fee_bps": spec.maker_fee.bps(),
        "taker_fee_bps": spec.taker_fee.bps(),
        "fee_asset": spec.fee_asset,
        "day_end_ns": spec.day_end,
    })
}

fn open_account(spec: &AccountSpec) -> Value {
    let balances = spec.balances.as_ref().map(|balances| {
        let balances = balances.iter().map(|(asset, amount)| (asset.as_str().to_owned(), json!(amount)));
        balances.collect::<Map<String, Value>>()
    });
    json!({ "name": spec.name, "balances": balances })
}
