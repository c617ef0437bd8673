//! `lobster`: a tree of levels a side, each a vector of indices into an arena. It does not say whether a cancel found its
//! order, so every cancel counts as one that did.

use lobster::{OrderBook, OrderEvent, OrderType, Side};

use super::Engine;
use crate::command::{self, Command, Commands, Kind};
use crate::tape::Tape;

/// A book a symbol.
pub struct Driver(Vec<OrderBook>);

impl Engine for Driver {
    fn new(commands: &Commands) -> Self {
        Self((0..commands.symbols).map(|_| OrderBook::default()).collect())
    }

    #[inline]
    fn apply(&mut self, _at: usize, command: &Command, tape: &mut Tape) {
        let book = &mut self.0[usize::from(command.symbol)];
        let id = u128::from(command.id);
        let side = match command.side {
            command::Side::Buy => Side::Bid,
            command::Side::Sell => Side::Ask,
        };
        let (price, qty) = (u64::from(command.price), u64::from(command.quantity));
        let event = book.execute(match command.kind {
            Kind::Limit => OrderType::Limit { id, side, qty, price },
            Kind::Market => OrderType::Market { id, side, qty },
            Kind::Cancel => OrderType::Cancel { id },
        });
        match event {
            OrderEvent::Filled { fills, .. } | OrderEvent::PartiallyFilled { fills, .. } => {
                for fill in fills {
                    tape.trade(fill.order_2 as u64, command.id, fill.price, fill.qty);
                }
            }
            OrderEvent::Canceled { .. } => tape.cancel(true),
            OrderEvent::Placed { .. } | OrderEvent::Unfilled { .. } => {}
        }
    }
}
