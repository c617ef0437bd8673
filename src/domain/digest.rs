//! One number for all that an execution says, to tell whether a replay came out as the original did; and one for what a request
//! asks for, to tell a retry from another request.
//!
//! The function is fixed: a change of it, or of the order of what it covers, is a change of the engine's rules. It guards
//! against accidents, not against someone who looks for collisions.

use super::{Decimal, Deposit, Execution, Place, Replace};

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

    fn text(&mut self, text: &[u8]) {
        for chunk in text.chunks(32) {
            let mut words = [0; 4];
            for (word, bytes) in words.iter_mut().zip(chunk.chunks(8)) {
                // A 1 stands before the text; eight characters leave no room for it.
                *word = match <[u8; 8]>::try_from(bytes) {
                    Ok(whole) => u64::from_be_bytes(whole),
                    Err(_) => bytes.iter().fold(1, |word, byte| (word << 8) | u64::from(*byte)),
                };
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
        let (notional, notional_high) = wide(self.cum_notional);
        let kinds = [
            self.execution_type as u8,
            self.status as u8,
            self.side as u8,
            self.order_type as u8,
            self.time_in_force as u8,
            self.code.map_or(u8::MAX, |code| code as u8),
            self.fill.map_or(u8::MAX, |fill| fill.liquidity as u8),
            self.client_order_id.map_or(0, |id| id.as_bytes().len() as u8),
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
            digest.text(id.as_bytes());
        }
        digest.finish()
    }
}

impl Place {
    /// A digest of what the order asks for, as the client wrote it: whose it is and which instrument its symbol names are not
    /// part of that. It is kept with the client's id.
    pub fn digest(&self) -> u64 {
        let mut digest = Digest { lanes: [0x506C, 0x6163, 0x6500, 0] };
        let id = self.client_order_id.as_ref().map_or(&[][..], |id| id.as_bytes());
        let kinds = [
            self.side as u8,
            self.order_type as u8,
            self.time_in_force as u8,
            self.stp as u8,
            self.trigger_by.map_or(u8::MAX, |by| by as u8),
            u8::from(self.post_only),
            self.symbol.as_bytes().len() as u8,
            id.len() as u8,
        ];
        let expire_at = self.expire_at.map_or(i64::MAX, |end| end.0).cast_unsigned();
        let scales = [scale(Some(self.quantity)), scale(self.price), scale(self.trigger_price), 0, 0, 0, 0, 0];
        let values = [mantissa(Some(self.quantity)), mantissa(self.price), mantissa(self.trigger_price), expire_at];
        digest.words([u64::from_le_bytes(kinds), u64::from_le_bytes(scales), 0, 0]);
        digest.words(values);
        digest.text(self.symbol.as_bytes());
        digest.text(id);
        digest.finish()
    }
}

impl Replace {
    /// A digest of the new terms. It is kept with the request's id.
    pub fn digest(&self) -> u64 {
        let mut digest = Digest { lanes: [0x5265, 0x706C, 0x6163, 0x6500] };
        let terms = [self.quantity, self.price, self.trigger_price];
        let [quantity, price, trigger_price] = terms.map(scale);
        digest.words([u64::from_le_bytes([quantity, price, trigger_price, 0, 0, 0, 0, 0]), 0, 0, 0]);
        let [quantity, price, trigger_price] = terms.map(mantissa);
        digest.words([quantity, price, trigger_price, 0]);
        digest.finish()
    }
}

impl Deposit {
    /// A digest of what is moved, and which way. It is kept with the request's id.
    pub fn digest(&self) -> u64 {
        let mut digest = Digest { lanes: [0x4465, 0x706F, 0x7369, 0x7400] };
        let (amount, amount_high) = wide(self.amount.units());
        digest.words([amount, amount_high, self.asset.as_str().len() as u64, 0]);
        digest.text(self.asset.as_str().as_bytes());
        digest.finish()
    }
}

/// Both halves of a number, the lower first.
fn wide(value: i128) -> (u64, u64) {
    (value as u64, (value >> 64) as u64)
}

/// What is absent has a scale that nothing has.
fn scale(value: Option<Decimal>) -> u8 {
    value.map_or(u8::MAX, Decimal::scale)
}

fn mantissa(value: Option<Decimal>) -> u64 {
    value.map_or(0, Decimal::mantissa).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        AccountId, AssetName, ClientOrderId, Money, Nanos, OrderId, OrderType, Side, Symbol, TimeInForce, TriggerBy,
    };

    #[test]
    fn what_a_request_asks_for_is_told_from_anything_else_and_kept_for_ever() {
        let decimal = |text: &str| Decimal::parse(text).unwrap();
        let place = Place {
            account: AccountId(1),
            client_order_id: Some(ClientOrderId::parse("my-1").unwrap()),
            symbol: Symbol::parse("BTC/USDT").unwrap(),
            instrument: None,
            side: Side::Buy,
            order_type: OrderType::Limit,
            time_in_force: TimeInForce::Gtc,
            expire_at: None,
            quantity: decimal("0.5"),
            price: Some(decimal("42000")),
            trigger_price: None,
            trigger_by: None,
            post_only: false,
            stp: crate::domain::SelfTradePrevention::None,
        };
        let others = [
            Place { symbol: Symbol::parse("BTC/USD").unwrap(), ..place.clone() },
            Place { client_order_id: None, ..place.clone() },
            Place { side: Side::Sell, ..place.clone() },
            Place { order_type: OrderType::StopLimit, ..place.clone() },
            Place { time_in_force: TimeInForce::Day, ..place.clone() },
            Place { expire_at: Some(Nanos(5)), ..place.clone() },
            Place { quantity: decimal("5"), ..place.clone() },
            Place { price: Some(decimal("42000.1")), ..place.clone() },
            Place { price: None, ..place.clone() },
            Place { trigger_price: Some(decimal("42000")), ..place.clone() },
            Place { trigger_by: Some(TriggerBy::Last), ..place.clone() },
            Place { post_only: true, ..place.clone() },
            Place { stp: crate::domain::SelfTradePrevention::CancelBoth, ..place.clone() },
        ];
        let mut digests: Vec<u64> = others.iter().map(Place::digest).collect();
        digests.push(place.digest());
        let replace = |quantity: Option<&str>, price: Option<&str>| {
            let (account, order_id) = (AccountId(1), OrderId(2));
            let (quantity, price) = (quantity.map(decimal), price.map(decimal));
            Replace { account, order_id, request_id: None, quantity, price, trigger_price: None }.digest()
        };
        digests.extend([replace(Some("1"), None), replace(None, Some("1")), replace(Some("0.1"), None)]);
        let deposit = |asset: &str, units: i128| {
            let (asset, amount) = (AssetName::parse(asset).unwrap(), Money::from_units(units));
            Deposit { account: AccountId(1), request_id: None, asset, amount }.digest()
        };
        digests.extend([deposit("BTC", 1), deposit("BTC", -1), deposit("BTCB", 1), deposit("BTC", 1 << 64)]);
        let all = digests.len();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), all);
        let instrument = Some(crate::domain::InstrumentId(7));
        assert_eq!(Place { account: AccountId(3), instrument, ..place.clone() }.digest(), place.digest());
        assert_eq!(
            (place.digest(), replace(Some("1"), None), deposit("BTC", 1)),
            (5_458_089_064_372_315_342, 12_387_074_029_990_779_452, 16_029_747_672_813_121_239),
            "these stand in files"
        );
    }
}
