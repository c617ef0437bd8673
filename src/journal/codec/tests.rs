//! Every command reads back, and nothing else reads as one.

use proptest::prelude::*;

use super::*;
use crate::domain::*;

fn name<T: std::fmt::Debug>(pattern: &'static str, parse: impl Fn(&str) -> T) -> impl Strategy<Value = T> {
    pattern.prop_map(move |text| parse(&text))
}

fn symbol() -> impl Strategy<Value = Symbol> {
    name("[A-Za-z0-9._/-]{1,31}", |text| Symbol::parse(text).unwrap())
}

fn asset() -> impl Strategy<Value = AssetName> {
    name("[A-Za-z0-9._]{1,15}", |text| AssetName::parse(text).unwrap())
}

fn exchange() -> impl Strategy<Value = ExchangeName> {
    name("[A-Za-z0-9._-]{1,31}", |text| ExchangeName::parse(text).unwrap())
}

fn client_order_id() -> impl Strategy<Value = ClientOrderId> {
    name("[A-Za-z0-9._:-]{1,64}", |text| ClientOrderId::parse(text).unwrap())
}

fn decimal() -> impl Strategy<Value = Decimal> {
    (any::<i64>(), 0..=18u8).prop_map(|(mantissa, scale)| Decimal::new(mantissa, scale).unwrap())
}

fn maybe<T: std::fmt::Debug>(of: impl Strategy<Value = T>) -> impl Strategy<Value = Option<T>> {
    prop::option::of(of)
}

fn account() -> impl Strategy<Value = AccountId> {
    any::<u32>().prop_map(AccountId)
}

fn instrument() -> impl Strategy<Value = InstrumentId> {
    any::<u32>().prop_map(InstrumentId)
}

fn money() -> impl Strategy<Value = Money> {
    any::<i128>().prop_map(Money::from_units)
}

fn fee() -> impl Strategy<Value = FeeRate> {
    (0..=100_000_000i64).prop_map(|units| FeeRate::from_bps(Decimal::new(units, 4).unwrap()).unwrap())
}

fn word<T: Copy + std::fmt::Debug>(all: &'static [T]) -> impl Strategy<Value = T> {
    prop::sample::select(all)
}

fn place() -> impl Strategy<Value = Place> {
    let who = (account(), maybe(client_order_id()), symbol(), maybe(instrument()));
    let how = (word(Side::ALL), word(OrderType::ALL), word(TimeInForce::ALL), word(SelfTradePrevention::ALL));
    let terms = (decimal(), maybe(decimal()), maybe(decimal()));
    let more = (maybe(any::<i64>().prop_map(Nanos)), maybe(word(TriggerBy::ALL)), any::<bool>());
    (who, how, terms, more).prop_map(|(who, how, terms, more)| Place {
        account: who.0,
        client_order_id: who.1,
        symbol: who.2,
        instrument: who.3,
        side: how.0,
        order_type: how.1,
        time_in_force: how.2,
        stp: how.3,
        quantity: terms.0,
        price: terms.1,
        trigger_price: terms.2,
        expire_at: more.0,
        trigger_by: more.1,
        post_only: more.2,
    })
}

fn define_instrument() -> impl Strategy<Value = InstrumentSpec> {
    let words = (word(Unmarketable::ALL), word(FeeAsset::ALL), fee(), fee());
    let values = (symbol(), prop::array::uniform6(decimal()), maybe(decimal()));
    let more = (any::<u32>(), any::<i64>(), prop::collection::vec(exchange(), 0..5));
    (words, values, more).prop_map(|(words, (symbol, values, reference_price), more)| InstrumentSpec {
        symbol,
        tick_size: values[0],
        lot_size: values[1],
        min_quantity: values[2],
        max_quantity: values[3],
        min_notional: values[4],
        price_band: values[5],
        max_open_orders: more.0,
        unmarketable: words.0,
        sources: Sources::new(more.2),
        reference_price,
        maker_fee: words.2,
        taker_fee: words.3,
        fee_asset: words.1,
        day_end: more.1,
    })
}

fn open_account() -> impl Strategy<Value = AccountSpec> {
    let account_name = name("[A-Za-z0-9._-]{1,31}", |text| AccountName::parse(text).unwrap());
    let balances = maybe(prop::collection::vec((asset(), money()), 0..5));
    (account_name, balances).prop_map(|(name, balances)| AccountSpec { name, balances })
}

fn quote() -> impl Strategy<Value = Quote> {
    let prices = (maybe(decimal()), maybe(decimal()), maybe(decimal()), maybe(decimal()));
    (exchange(), instrument(), prices).prop_map(|(exchange, instrument, (bid, bid_size, ask, ask_size))| Quote {
        exchange,
        instrument,
        bid,
        bid_size,
        ask,
        ask_size,
    })
}

fn command() -> impl Strategy<Value = Command> {
    let id = || any::<u64>().prop_map(OrderId);
    let terms = (maybe(decimal()), maybe(decimal()), maybe(decimal()));
    prop_oneof![
        define_instrument().prop_map(|spec| Command::DefineInstrument(Box::new(spec))),
        open_account().prop_map(|spec| Command::OpenAccount(Box::new(spec))),
        (account(), maybe(client_order_id()), asset(), money()).prop_map(|(account, request_id, asset, amount)| {
            Command::Deposit(Deposit { account, request_id, asset, amount })
        }),
        place().prop_map(Command::Place),
        (account(), id()).prop_map(|(account, order_id)| Command::Cancel { account, order_id }),
        (account(), maybe(instrument()), maybe(word(Side::ALL)))
            .prop_map(|(account, instrument, side)| Command::CancelAll(CancelAll { account, instrument, side })),
        (account(), id(), maybe(client_order_id()), terms).prop_map(|(account, order_id, request_id, terms)| {
            let (quantity, price, trigger_price) = terms;
            Command::Replace(Replace { account, order_id, request_id, quantity, price, trigger_price })
        }),
        (account(), any::<i64>()).prop_map(|(account, timeout_ns)| Command::CancelAfter { account, timeout_ns }),
        quote().prop_map(Command::Quote),
        (exchange(), maybe(instrument()), any::<bool>()).prop_map(|(exchange, instrument, more)| Command::WithdrawQuotes {
            exchange,
            instrument,
            more
        }),
        instrument().prop_map(Command::Halt),
        instrument().prop_map(Command::Resume),
        Just(Command::Tick),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(prop::test_runner::FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_was_encoded_is_decoded_and_no_less_will_do(stamp in any::<i64>(), command in command()) {
        let mut bytes = Vec::new();
        encode(Nanos(stamp), &command, &mut bytes);
        let mut left = bytes.as_slice();
        prop_assert_eq!(decode(&mut left), Ok((Nanos(stamp), command)));
        prop_assert!(left.is_empty());
        for length in 0..bytes.len() {
            prop_assert_eq!(decode(&mut bytes.get(..length).unwrap()), Err(Fault::Truncated));
        }
    }

    #[test]
    fn any_bytes_are_refused_or_are_what_encoding_would_write(
        command in command(),
        kind in 0..16u8,
        noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        random in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut written = Vec::new();
        encode(Nanos(0), &command, &mut written);
        for (at, byte) in noise {
            *at.get_mut(&mut written) = byte;
        }
        let mut of_kind = random.clone();
        if let Some(byte) = of_kind.get_mut(8) {
            *byte = kind;
        }
        for bytes in [written, of_kind, random] {
            let mut left = bytes.as_slice();
            if let Ok((stamp, command)) = decode(&mut left) {
                let mut again = Vec::new();
                encode(stamp, &command, &mut again);
                prop_assert_eq!(&again, bytes.get(..bytes.len() - left.len()).unwrap());
            }
        }
    }
}

#[test]
fn the_layout_is_fixed() {
    let order = Place {
        account: AccountId(1),
        client_order_id: Some(ClientOrderId::parse("strategy-7:00042").unwrap()),
        symbol: Symbol::parse("BTC/USDT").unwrap(),
        instrument: Some(InstrumentId(2)),
        side: Side::Sell,
        order_type: OrderType::StopLimit,
        time_in_force: TimeInForce::Gtd,
        expire_at: Some(Nanos(3)),
        quantity: Decimal::parse("0.5").unwrap(),
        price: Some(Decimal::parse("42000").unwrap()),
        trigger_price: None,
        trigger_by: Some(TriggerBy::Mark),
        post_only: true,
        stp: SelfTradePrevention::Decrement,
    };
    let mut bytes = Vec::new();
    encode(Nanos(0x0102), &Command::Place(order), &mut bytes);
    let expected: Vec<u8> = [
        [2, 1, 0, 0, 0, 0, 0, 0].as_slice(),   // stamp
        &[4, 0b0110_1111, 0x33, 0x43],         // kind; flags; time in force, type; self-trade, trigger_by, side
        &[1, 0, 0, 0],                         // account
        b"\x10strategy-7:00042\x08BTC/USDT",   // names
        &[2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0], // instrument, expire_at
        &[1, 5, 0, 0, 0, 0, 0, 0, 0],          // 5 × 10^-1
        &[0, 0x10, 0xA4, 0, 0, 0, 0, 0, 0],    // 42000
    ]
    .concat();
    assert_eq!(bytes, expected);
    assert!(bytes.len() <= 80, "{} bytes", bytes.len());
}

#[test]
fn a_list_that_claims_to_be_endless_allocates_no_more_than_its_bytes_justify() {
    let mut bytes = vec![0; 8];
    bytes.extend([2, 1, 1, b'a', 0xFF, 0xFF, 0xFF, 0xFF]);
    assert_eq!(decode(&mut bytes.as_slice()), Err(Fault::Truncated));
}
