//! Open Outcry's book alone: prices and queues, no order state, no executions, no money. Ids are dense, so that a table of slots
//! finds the order that a cancel names; all books share one slab of nodes. Where these do not fit the fastest memory, the driver
//! looks ahead at the orders that the next cancels name.

use std::hint::black_box;

use openoutcry::domain::Side;
use openoutcry::engine::NONE;
use openoutcry::engine::book::{Book, Node, Nodes, Place};

use super::{BATCH, Engine};
use crate::command::{self, Command, Commands, Kind};
use crate::tape::Tape;

/// A book a symbol.
pub struct Driver {
    books: Vec<Book>,
    nodes: Nodes,
    /// Where each order's node is, by id.
    slots: Vec<u32>,
}

impl Engine for Driver {
    fn new(commands: &Commands) -> Self {
        let orders = usize::try_from(commands.id_max).expect("ids are counted in memory");
        Self {
            books: (0..commands.symbols).map(|_| Book::new()).collect(),
            nodes: Nodes::new(),
            slots: vec![NONE; orders + 1],
        }
    }

    #[inline]
    fn read(&mut self, batch: &[Command]) {
        if self.nodes.are_at_hand() {
            return;
        }
        let (mut slots, mut count) = ([(0, NONE); BATCH], 0);
        for command in batch {
            slots[count] = (command.symbol, self.slots[command.id as usize]);
            count += usize::from(command.kind == Kind::Cancel);
        }
        let seen = slots[..count].iter().filter(|(_, slot)| *slot != NONE).fold(0, |seen, (symbol, slot)| {
            seen ^ self.books[usize::from(*symbol)].glance(&self.nodes, &self.nodes[*slot])
        });
        black_box(seen);
    }

    #[inline]
    fn apply(&mut self, _at: usize, command: &Command, tape: &mut Tape) {
        let Command { id, kind, .. } = *command;
        let book = &mut self.books[usize::from(command.symbol)];
        if kind == Kind::Cancel {
            let slot = self.slots[id as usize];
            let found = slot != NONE && self.nodes[slot].id == id && self.nodes[slot].place == Place::Book;
            if found {
                book.remove(&mut self.nodes, slot);
                self.nodes.free(slot);
            }
            return tape.cancel(found);
        }
        let side = match command.side {
            command::Side::Buy => Side::Buy,
            command::Side::Sell => Side::Sell,
        };
        let (price, quantity) = (i64::from(command.price), i64::from(command.quantity));
        let limit = (kind == Kind::Limit).then_some(price);
        let left = book.take(&mut self.nodes, side, limit, quantity, |traded| {
            tape.trade(traded.maker, id, traded.price as u64, traded.quantity as u64);
        });
        if left > 0 && kind == Kind::Limit {
            let node = Node::order(id, side, left);
            let slot = self.nodes.insert(node, ()).expect("far fewer than 2^32 orders");
            self.slots[id as usize] = slot;
            book.rest(&mut self.nodes, slot, price);
        }
    }
}
