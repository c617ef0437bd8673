//! `rust_ob`: one tree of orders a side, shared orders, `Decimal` prices. It reports a trade's worth, not its price.

use rust_ob::{Decimal, OrderBook, OrderMatch, Side};

use super::Engine;
use crate::command::{self, Command, Commands, Kind};
use crate::tape::Tape;

/// A book a symbol.
pub struct Driver(Vec<OrderBook<u64>>);

impl Engine for Driver {
    fn new(commands: &Commands) -> Self {
        Self((0..commands.symbols).map(|_| OrderBook::new()).collect())
    }

    #[inline]
    fn apply(&mut self, _at: usize, command: &Command, tape: &mut Tape) {
        let book = &mut self.0[usize::from(command.symbol)];
        let side = match command.side {
            command::Side::Buy => Side::Buy,
            command::Side::Sell => Side::Sell,
        };
        let quantity = Decimal::from(command.quantity);
        let matches = match command.kind {
            Kind::Limit => book.process_limit_order(command.id, side, Decimal::from(command.price), quantity).ok(),
            Kind::Market => book.process_market_order(command.id, side, quantity).ok(),
            Kind::Cancel => {
                tape.cancel(book.cancel_order(command.id).is_ok());
                return;
            }
        };
        // The last match is the incoming order's own sum.
        let Some((_, makers)) = matches.as_deref().and_then(<[_]>::split_last) else { return };
        for OrderMatch { order, quantity, cost } in makers {
            let lots = quantity.mantissa() as u64;
            tape.trade(*order, command.id, cost.mantissa().unsigned_abs() as u64 / lots, lots);
        }
    }
}
