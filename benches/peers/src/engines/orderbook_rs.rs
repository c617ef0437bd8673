//! `orderbook-rs`: concurrent levels, many order types; the richest of the peers.

use orderbook_rs::prelude::{Id, OrderBook, Side, TimeInForce};

use super::Engine;
use crate::command::{self, Command, Commands, Kind};
use crate::tape::Tape;

/// A book a symbol.
pub struct Driver(Vec<OrderBook<()>>);

impl Engine for Driver {
    fn new(commands: &Commands) -> Self {
        Self((0..commands.symbols).map(|symbol| OrderBook::new(&symbol.to_string())).collect())
    }

    #[inline]
    fn apply(&mut self, _at: usize, command: &Command, tape: &mut Tape) {
        let book = &self.0[usize::from(command.symbol)];
        let id = Id::Sequential(command.id);
        let side = match command.side {
            command::Side::Buy => Side::Buy,
            command::Side::Sell => Side::Sell,
        };
        let (price, quantity) = (u128::from(command.price), u64::from(command.quantity));
        let result = match command.kind {
            Kind::Limit => book
                .add_limit_order_with_result(id, price, quantity, side, TimeInForce::Gtc, None)
                .ok()
                .and_then(|(_, result)| result)
                .map(|result| result.match_result),
            Kind::Market => book.submit_market_order(id, quantity, side).ok(),
            Kind::Cancel => {
                tape.cancel(matches!(book.cancel_order(id), Ok(Some(_))));
                return;
            }
        };
        for trade in result.iter().flat_map(|result| result.trades().as_vec()) {
            let Id::Sequential(maker) = trade.maker_order_id() else { continue };
            tape.trade(maker, command.id, trade.price().as_u128() as u64, trade.quantity().as_u64());
        }
    }
}
