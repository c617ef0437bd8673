//! One number for all that an execution says, to tell whether a replay came out as the original did.
//!
//! The function is fixed: a change of it, or of the order of what it covers, is a change of the engine's rules. It guards
//! against accidents, not against someone who looks for collisions.

use super::Execution;

/// The running digest: xor, multiply, fold, 64 bits at a time. Words go round four lanes, since each has to wait for the one
/// before in its lane.
struct Digest {
    lanes: [u64; 4],
}

impl Digest {
    fn words(&mut self, words: [u64; 4]) {
        for (lane, word) in self.lanes.iter_mut().zip(words) {
            let product = u128::from(*lane ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
            // Both halves of the product.
            *lane = (product >> 64) as u64 ^ (product as u64).rotate_left(29).wrapping_add(word);
        }
    }

    fn text(&mut self, text: &str) {
        for chunk in text.as_bytes().chunks(32) {
            let mut words = [0; 4];
            for (word, bytes) in words.iter_mut().zip(chunk.chunks(8)) {
                *word = bytes.iter().fold(1, |word, byte| (word << 8) | u64::from(*byte));
            }
            self.words(words);
        }
    }

    fn finish(mut self) -> u64 {
        let [a, b, c, d] = self.lanes;
        self.words([b, c, d, a]);
        self.words([c, d, a, b]);
        let [a, b, c, d] = self.lanes;
        a ^ b.rotate_left(16) ^ c.rotate_left(32) ^ d.rotate_left(48)
    }
}

impl Execution {
    /// A digest of every field. No two executions of a venue have the same `exec_id`, so a sum of digests tells which there
    /// were, in which order. What is absent counts as a value that it cannot have.
    pub fn digest(&self) -> u64 {
        let mut digest = Digest { lanes: [0x4F70, 0x656E, 0x4F75, 0x7463] };
        let wide = |value: i128| (value as u64, (value >> 64) as u64);
        let (notional, notional_high) = wide(self.cum_notional);
        let kinds = [
            self.execution_type as u8,
            self.status as u8,
            self.side as u8,
            self.order_type as u8,
            self.time_in_force as u8,
            self.code.map_or(u8::MAX, |code| code as u8),
            self.fill.map_or(u8::MAX, |fill| fill.liquidity as u8),
            self.client_order_id.map_or(0, |id| id.as_str().len() as u8),
        ];
        let account = u64::from(self.account.0) << 32 | u64::from(self.instrument.map_or(u32::MAX, |id| id.0));
        let price = |price: Option<super::Price>| price.map_or(0, |price| price.ticks().cast_unsigned());
        digest.words([self.exec_id.0, self.seq.0, self.order_id.0, account]);
        digest.words([u64::from_le_bytes(kinds), price(self.price), price(self.trigger_price), price(self.reference)]);
        let quantities = [self.quantity, self.cum_qty, self.leaves_qty].map(|quantity| quantity.lots().cast_unsigned());
        let [quantity, cum_qty, leaves_qty] = quantities;
        digest.words([quantity, cum_qty, leaves_qty, notional]);
        let expire_at = self.expire_at.map_or(i64::MAX, |end| end.0).cast_unsigned();
        digest.words([notional_high, expire_at, self.created_at.0.cast_unsigned(), self.ts.0.cast_unsigned()]);
        if let Some(fill) = self.fill {
            let (fee, fee_high) = wide(fill.fee.units());
            digest.words([fill.trade_id.0, fill.last_qty.lots().cast_unsigned(), price(Some(fill.last_price)), fee]);
            digest.words([fee_high, 0, 0, 0]);
        }
        if let Some(id) = &self.client_order_id {
            digest.text(id.as_str());
        }
        digest.finish()
    }
}
