//! The state hash: one number over everything that decides what the engine will do.
//!
//! Independent of how the state is laid out in memory, so that an engine that was restored hashes like the one that never stopped.
//! Slots are left out, orders come by id, queues from their oldest. The function is fixed: xor, multiply, fold (as in
//! wyhash's mixing step), 64 bits at a time. It guards against accidents, not against someone who looks for collisions.

use super::Engine;
use super::book::{Node, Owner, queue};
use super::market::{Market, Quoted, Standing};
use super::table::NONE;
use super::terms::{Head, Order};
use crate::domain::{InstrumentSpec, Side, TriggerBy};

/// The running hash.
#[derive(Debug)]
struct Hash(u64);

impl Hash {
    fn word(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
        // Both halves of the product.
        self.0 = (product >> 64) as u64 ^ (product as u64).rotate_left(29).wrapping_add(word);
    }

    fn signed(&mut self, value: i64) {
        self.word(value.cast_unsigned());
    }

    fn wide(&mut self, value: i128) {
        let value = value.cast_unsigned();
        self.word(value as u64);
        self.word((value >> 64) as u64);
    }

    fn text(&mut self, text: &str) {
        self.word(text.len() as u64);
        for chunk in text.as_bytes().chunks(8) {
            self.word(chunk.iter().fold(0, |word, byte| (word << 8) | u64::from(*byte)));
        }
    }

    /// A list: its length first, so that no two lists run together.
    fn list(&mut self, words: impl Iterator<Item = u64>) {
        let mut length = 0u64;
        for word in words {
            self.word(word);
            length = length.saturating_add(1);
        }
        self.word(length);
    }
}

impl Engine {
    /// A hash of everything that decides future behaviour.
    pub fn state_hash(&self) -> u64 {
        let mut hash = Hash(0x4F70_656E_4F75_7463);
        hash.word(self.seq);
        hash.signed(self.now);
        hash.word(self.last.order);
        hash.word(self.last.execution);
        hash.word(self.last.trade);
        self.hash_accounts(&mut hash);
        for exchange in &self.exchanges {
            hash.text(exchange.as_str());
        }
        for order in self.orders.all() {
            Self::hash_order(&mut hash, &order);
        }
        hash.list(self.orders.closed_ids());
        for (number, instrument) in (0..).zip(&self.instruments) {
            Self::hash_spec(&mut hash, &instrument.spec);
            self.hash_market(&mut hash, &self.markets[number]);
        }
        hash.0
    }

    fn hash_spec(hash: &mut Hash, spec: &InstrumentSpec) {
        hash.text(spec.symbol.as_str());
        let reference = spec.reference_price.unwrap_or_default();
        for decimal in [
            spec.tick_size,
            spec.lot_size,
            spec.min_quantity,
            spec.max_quantity,
            spec.min_notional,
            spec.price_band,
            reference,
        ] {
            hash.signed(decimal.mantissa());
            hash.word(u64::from(decimal.scale()));
        }
        for source in spec.sources.names() {
            hash.text(source.as_str());
        }
        hash.word(u64::from(spec.max_open_orders));
        hash.word(u64::from(spec.maker_fee.units()));
        hash.word(u64::from(spec.taker_fee.units()));
        hash.word(spec.unmarketable as u64);
        hash.word(spec.fee_asset as u64);
        hash.signed(spec.day_end);
    }

    fn hash_accounts(&self, hash: &mut Hash) {
        for asset in self.ledger.assets() {
            hash.text(asset.as_str());
        }
        for (number, account) in (0..).zip(self.ledger.accounts()) {
            hash.text(account.name.as_str());
            hash.word(u64::from(account.checked));
            hash.word(account.seq);
            hash.signed(account.cancel_at);
            hash.word(u64::from(account.open.count()));
            for row in self.ledger.rows(number) {
                hash.wide(row.free);
                hash.wide(row.held);
            }
        }
        for (number, _) in (0..).zip(self.ledger.assets()) {
            self.ledger.sums(number).into_iter().for_each(|sum| hash.wide(sum));
        }
    }

    fn hash_order(hash: &mut Hash, order: &Order) {
        let Order { head: Head { id, account, instrument, side, price, leaves }, terms, client_order_id } = *order;
        hash.word(id);
        hash.word((u64::from(account) << 32) | u64::from(instrument));
        let times = [terms.created_at, terms.updated_at, terms.expire_at];
        for value in [price, terms.trigger, leaves, terms.quantity, terms.cum].into_iter().chain(times) {
            hash.signed(value);
        }
        hash.wide(terms.notional);
        let code = terms.code.map_or(0, |code| (code as u64).saturating_add(1));
        let small = [
            side as u64,
            terms.order_type as u64,
            terms.time_in_force as u64,
            terms.stp as u64,
            terms.trigger_by as u64,
            terms.status as u64,
            code,
            u64::from(terms.post_only),
        ];
        hash.list(small.into_iter());
        hash.text(client_order_id.as_ref().map_or("", |client| client.as_str()));
    }

    fn hash_market(&self, hash: &mut Hash, market: &Market) {
        hash.signed(market.last);
        hash.signed(market.mark);
        hash.word(u64::from(market.halted));
        for side in [Side::Buy, Side::Sell] {
            let levels = market.book.levels(side).map(|level| level.oldest);
            hash.list(levels.flat_map(|oldest| queue(&self.orders.nodes, oldest)).map(|slot| self.name_of(slot)));
            for by in [TriggerBy::Last, TriggerBy::Mark] {
                let levels = market.stops.levels(by, side);
                hash.list(levels.flat_map(|oldest| queue(&self.orders.nodes, oldest)).map(|slot| self.name_of(slot)));
            }
        }
        for Quoted { exchange, bid, ask } in &market.quotes {
            hash.word(u64::from(*exchange));
            for Standing { price, size, since, slot } in [bid, ask] {
                hash.signed(*price);
                hash.signed(*size);
                hash.word(*since);
                hash.signed(if *slot == NONE { 0 } else { self.orders.nodes[*slot].leaves });
            }
        }
    }

    /// A head in a queue: an order's id, or an exchange's from the other end.
    fn name_of(&self, slot: u32) -> u64 {
        let Node { id, owner, .. } = self.orders.nodes[slot];
        match owner {
            Owner::Client => id,
            Owner::Exchange => !id,
        }
    }
}
