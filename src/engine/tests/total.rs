//! The engine answers whatever it is told.

use super::{Play, spec};
use crate::domain::*;
use crate::engine::Limits;

/// Numbers that look for an edge.
const EXTREMES: [i64; 9] =
    [0, 1, -1, 2, 999_999_999_999_999_999, -999_999_999_999_999_999, i64::MAX, i64::MIN, 1_000_000_000];

/// A generator of numbers without any pattern to speak of (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        ((mixed ^ (mixed >> 27)) as usize) % sides
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())]
    }

    fn decimal(&mut self) -> Decimal {
        let scale = self.pick(&[0, 0, 0, 1, 9, 18]);
        Decimal::new(self.pick(&EXTREMES), scale).unwrap_or_default()
    }

    fn maybe<T>(&mut self, value: T) -> Option<T> {
        (self.roll(3) > 0).then_some(value)
    }

    fn command(&mut self) -> Command {
        let account = AccountId(self.pick(&[0, 1, 2, 7, u32::MAX]));
        let instrument = InstrumentId(self.pick(&[0, 0, 1, 9, u32::MAX]));
        let order_id = OrderId(self.pick(&[0, 1, 2, 3, 5, 8, 13, 21, 34, 55, u64::MAX]));
        match self.roll(12) {
            0..=4 => Command::Place(self.place(account, instrument)),
            5 => Command::Cancel { account, order_id },
            6 => {
                let side = self.pick(&[None, Some(Side::Buy), Some(Side::Sell)]);
                Command::CancelAll(CancelAll { account, instrument: self.maybe(instrument), side })
            }
            7 => {
                let (quantity, price, trigger) = (self.decimal(), self.decimal(), self.decimal());
                Command::Replace(Replace {
                    request_id: None,
                    account,
                    order_id,
                    quantity: self.maybe(quantity),
                    price: self.maybe(price),
                    trigger_price: self.maybe(trigger),
                })
            }
            8 => Command::CancelAfter { account, timeout_ns: self.pick(&EXTREMES) },
            9 => {
                let exchange = ExchangeName::parse(self.pick(&["x", "y", "static"])).unwrap();
                let numbers = [self.decimal(), self.decimal(), self.decimal(), self.decimal()];
                let [bid, bid_size, ask, ask_size] = numbers.map(|number| self.maybe(number));
                Command::Quote(Quote { exchange, instrument, bid, bid_size, ask, ask_size })
            }
            10 => {
                let amount = i128::from(self.pick(&EXTREMES)) * i128::from(self.pick(&EXTREMES));
                let asset = AssetName::parse(self.pick(&["BTC", "USD", "X"])).unwrap();
                Command::Deposit(Deposit { account, request_id: None, asset, amount: Money::from_units(amount) })
            }
            _ => {
                let exchange = ExchangeName::parse("x").unwrap();
                let withdraw = Command::WithdrawQuotes {
                    exchange,
                    instrument: self.maybe(instrument),
                    more: self.pick(&[true, false]),
                };
                let halt = self.pick(&[true, false]);
                let mut redefined = spec();
                redefined.maker_fee = FeeRate::from_bps(Decimal::new(self.pick(&[0, 1, 10_000]), 0).unwrap()).unwrap();
                let redefine = Command::DefineInstrument(Box::new(redefined));
                let halting = if halt { Command::Halt(instrument) } else { Command::Resume(instrument) };
                let choices = [withdraw, redefine, halting, Command::Resume(InstrumentId(0)), Command::Tick];
                choices.into_iter().nth(self.roll(5)).unwrap()
            }
        }
    }

    fn place(&mut self, account: AccountId, instrument: InstrumentId) -> Place {
        let (price, trigger) = (self.decimal(), self.decimal());
        Place {
            account,
            client_order_id: self.maybe(ClientOrderId::parse("x").unwrap()),
            symbol: spec().symbol,
            instrument: self.maybe(instrument),
            side: self.pick(Side::ALL),
            order_type: self.pick(OrderType::ALL),
            time_in_force: self.pick(TimeInForce::ALL),
            expire_at: Some(Nanos(self.pick(&EXTREMES))),
            quantity: self.decimal(),
            price: self.maybe(price),
            trigger_price: self.maybe(trigger),
            trigger_by: self.pick(&[None, Some(TriggerBy::Last), Some(TriggerBy::Mark)]),
            post_only: self.roll(8) == 0,
            stp: self.pick(SelfTradePrevention::ALL),
        }
    }
}

#[test]
fn extreme_commands_are_answered_and_leave_the_state_sound() {
    for seed in 0..40 {
        let mut dice = Dice(seed);
        let mut play = Play::new(Limits { closed_kept: 5 });
        for line in ["instrument", "account a USD=1000000000000 BTC=1000000000000", "account b USD=5 BTC=5", "account c"] {
            play.line(line);
        }
        for _ in 0..400 {
            let command = dice.command();
            play.now = play.now.max(dice.pick(&EXTREMES).min(2_000_000_000));
            play.apply(command);
        }
    }
}

#[test]
fn the_same_commands_give_the_same_state_and_the_same_events() {
    let run = || {
        let mut dice = Dice(99);
        let mut play = Play::new(Limits { closed_kept: 5 });
        for line in ["instrument", "account a USD=1000000000000 BTC=1000000000000", "account b", "account c"] {
            play.line(line);
        }
        let told: Vec<_> = (0..500).map(|_| (play.apply(dice.command()), play.engine.state_hash())).collect();
        told
    };
    let (one, other) = (run(), run());
    assert!(one == other);
    let hashes: std::collections::BTreeSet<u64> = one.iter().map(|(_, hash)| *hash).collect();
    assert_eq!(hashes.len(), 500, "every command moves the hash, for it counts them");
}
