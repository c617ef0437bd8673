//! One number for all that an execution says, to tell whether a replay came out as the original did; and one for what a request
//! asks for, to tell a retry from another request.
//!
//! The function is fixed: a change of it, or of the order of what it covers, is a change of the engine's rules. It guards
//! against accidents, not against someone who looks for collisions.

use super::{Decimal, Execution, Fill, Place, Replace};

/// The running digest: xor, multiply, fold, 64 bits at a time.
struct Digest(u64);

impl Digest {
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

    /// What may be absent: a word for that, then the value.
    fn option<T>(&mut self, value: Option<T>, add: impl FnOnce(&mut Self, T)) {
        self.word(u64::from(value.is_some()));
        if let Some(value) = value {
            add(self, value);
        }
    }

    fn text(&mut self, text: &str) {
        self.word(text.len() as u64);
        for chunk in text.as_bytes().chunks(8) {
            self.word(chunk.iter().fold(0, |word, byte| (word << 8) | u64::from(*byte)));
        }
    }

    fn decimal(&mut self, value: Decimal) {
        self.signed(value.mantissa());
        self.word(u64::from(value.scale()));
    }

    fn fill(&mut self, fill: Fill) {
        let Fill { trade_id, last_qty, last_price, liquidity, fee } = fill;
        self.word(trade_id.0);
        self.signed(last_qty.lots());
        self.signed(last_price.ticks());
        self.word(liquidity as u64);
        self.wide(fee.units());
    }
}

impl Execution {
    /// A digest of every field. No two executions of a venue have the same `exec_id`, so a sum of digests tells which there
    /// were, in which order.
    pub fn digest(&self) -> u64 {
        let mut digest = Digest(0x4F70_656E_4F75_7463);
        digest.word(self.exec_id.0);
        digest.word(self.seq.0);
        digest.word(u64::from(self.account.0));
        digest.option(self.instrument, |digest, id| digest.word(u64::from(id.0)));
        digest.word(self.order_id.0);
        digest.option(self.client_order_id, |digest, id| digest.text(id.as_str()));
        for word in [
            self.execution_type as u64,
            self.status as u64,
            self.side as u64,
            self.order_type as u64,
            self.time_in_force as u64,
        ] {
            digest.word(word);
        }
        digest.option(self.expire_at, |digest, at| digest.signed(at.0));
        digest.signed(self.quantity.lots());
        digest.option(self.price, |digest, price| digest.signed(price.ticks()));
        digest.option(self.trigger_price, |digest, price| digest.signed(price.ticks()));
        digest.signed(self.cum_qty.lots());
        digest.signed(self.leaves_qty.lots());
        digest.wide(self.cum_notional);
        digest.option(self.fill, Digest::fill);
        digest.option(self.code, |digest, code| digest.word(code as u64));
        digest.option(self.reference, |digest, price| digest.signed(price.ticks()));
        digest.signed(self.created_at.0);
        digest.signed(self.ts.0);
        digest.0
    }
}

impl Place {
    /// A digest of what the order asks for, as the client wrote it: whose it is and which instrument its symbol names are not
    /// part of that. It is kept with the client's id.
    pub fn digest(&self) -> u64 {
        let mut digest = Digest(0x506C_6163_6500_0000);
        digest.option(self.client_order_id, |digest, id| digest.text(id.as_str()));
        digest.text(self.symbol.as_str());
        for word in [self.side as u64, self.order_type as u64, self.time_in_force as u64, self.stp as u64] {
            digest.word(word);
        }
        digest.option(self.expire_at, |digest, at| digest.signed(at.0));
        digest.decimal(self.quantity);
        digest.option(self.price, Digest::decimal);
        digest.option(self.trigger_price, Digest::decimal);
        digest.option(self.trigger_by, |digest, by| digest.word(by as u64));
        digest.word(u64::from(self.post_only));
        digest.0
    }
}

impl Replace {
    /// A digest of the new terms. It is kept with the request's id.
    pub fn digest(&self) -> u64 {
        let mut digest = Digest(0x5265_706C_6163_6500);
        for term in [self.quantity, self.price, self.trigger_price] {
            digest.option(term, Digest::decimal);
        }
        digest.0
    }
}
