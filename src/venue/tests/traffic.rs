//! What clients ask: new orders of every kind, retries, cancels, replaces, quotes, deposits, several at a time.

use tokio::{sync::oneshot, time::timeout};

use super::told::{Fact, Told};
use super::*;
use crate::domain::{
    AssetName, CancelAll, ClientOrderId, Decimal, Deposit, ExchangeName, InstrumentId, Money, OrderId, OrderType, Place,
    Quote, SelfTradePrevention, Side, Status, TimeInForce,
};
use crate::queue::{Action, Answer, Fingerprint, Known, NewTerms, ShownOrder, Target, Use, Verdict};

/// The clients, all of them.
#[derive(Default)]
pub(super) struct Traffic {
    ids: u64,
    /// Orders with an id, to be sent again.
    sent: Vec<Place>,
    /// Those of which nothing was heard.
    unheard: Vec<Place>,
    /// Every deposit, to be sent again.
    pub(super) deposits: Vec<Deposit>,
}

/// What was asked, and where the answer comes.
struct Asked {
    action: Action,
    answer: oneshot::Receiver<Answer>,
}

fn decimal(hundredths: u64) -> Decimal {
    Decimal::new(i64::try_from(hundredths).unwrap(), 2).unwrap()
}

fn pick<T: Copy>(random: &mut Random, from: &[T]) -> T {
    from[random.below(from.len() as u64) as usize]
}

impl Traffic {
    /// Asks several things at once and waits for all answers; whether there were any.
    pub(super) async fn step(&mut self, venue: &Venue, random: &mut Random, told: &mut Told) -> bool {
        let mut asked = Vec::new();
        for _ in 0..1 + random.below(8) {
            let action = self.action(venue, random, told);
            let Some(reservation) = self.reserve(venue, &action, told) else { continue };
            let claim = reservation.as_ref().map(queue::Reservation::claim);
            let answer = venue.intake.send_claiming(action.clone(), claim, None).await.unwrap();
            if let Some(reservation) = reservation {
                reservation.queued();
            }
            asked.push(Asked { action, answer });
        }
        let mut all_told = true;
        for Asked { action, answer } in asked {
            match timeout(PATIENCE, answer).await.expect("an answer or none should have come") {
                Ok(answer) => told.answered(&action, &answer),
                Err(_) => {
                    all_told = false;
                    if let Action::Place(place) = action {
                        self.unheard.extend(place.client_order_id.is_some().then_some(*place));
                    }
                }
            }
        }
        all_told
    }

    /// Asks for a client's id: `None` if it was known, `Some(None)` if there is none.
    fn reserve<'a>(
        &mut self,
        venue: &'a Venue,
        action: &Action,
        told: &mut Told,
    ) -> Option<Option<queue::Reservation<'a>>> {
        if let Action::Deposit(deposit) = action {
            return reserve_deposit(venue, deposit, told);
        }
        let Action::Place(place) = action else { return Some(None) };
        let Place { account, client_order_id: Some(id), .. } = &**place else { return Some(None) };
        match venue.admission.reserve(*account, Use::Order, *id, Fingerprint::of(place)) {
            Verdict::New(reservation) => {
                assert_eq!(told.order_of(*account, *id), None, "{id} was known, and would execute again");
                if !self.sent.contains(place) {
                    self.sent.push(Place::clone(place));
                }
                Some(Some(reservation))
            }
            Verdict::Repeat(Known::Done(became)) => {
                told.repeated(*account, *id, became.order_id);
                None
            }
            Verdict::Repeat(Known::InFlight(_)) => None,
            Verdict::Conflict => panic!("the same order is another: {place:?}"),
        }
    }

    fn action(&mut self, venue: &Venue, random: &mut Random, told: &Told) -> Action {
        let account = AccountId(random.below(venue.read.accounts().len() as u64) as u32);
        let order = |random: &mut Random| {
            let orders = told.orders();
            let known = orders.len() as u64;
            // Most of them recent.
            let newest = random.below(30.min(known.max(1)));
            orders.get(known.saturating_sub(1 + newest) as usize).copied().unwrap_or((account, OrderId(1)))
        };
        match random.below(20) {
            0 | 1 if !self.unheard.is_empty() => Action::Place(Box::new(self.unheard.swap_remove(0))),
            2 if !self.sent.is_empty() => {
                Action::Place(Box::new(self.sent[random.below(self.sent.len() as u64) as usize].clone()))
            }
            3..=5 => {
                let (account, order_id) = order(random);
                Action::Cancel { account, target: Target::OrderId(order_id) }
            }
            6 | 7 => {
                let (account, order_id) = order(random);
                let (quantity, price) = (random.coin(), random.below(2) == 0);
                let terms = NewTerms {
                    request_id: None,
                    quantity: (quantity || !price).then(|| decimal(1 + random.below(600))),
                    price: price.then(|| decimal(9_000 + random.below(2_000))),
                    trigger_price: None,
                };
                Action::Replace { account, target: Target::OrderId(order_id), terms: Box::new(terms) }
            }
            8 => Action::Quote(Box::new(Self::quote(venue, random))),
            9 if random.below(4) == 0 => Action::CancelAll(CancelAll { account, instrument: None, side: None }),
            10 if random.below(4) == 0 => Action::CancelAfter { account, timeout_ns: 3_000_000_000 },
            11 => Action::Deposit(Box::new(self.deposit(random, account))),
            _ => Action::Place(Box::new(self.order(venue, random, account))),
        }
    }

    /// A new deposit, or one as before.
    fn deposit(&mut self, random: &mut Random, account: AccountId) -> Deposit {
        if !self.deposits.is_empty() && random.coin() {
            return self.deposits[random.below(self.deposits.len() as u64) as usize].clone();
        }
        self.ids += 1;
        let deposit = Deposit {
            account,
            request_id: Some(ClientOrderId::parse(&format!("c{}", self.ids)).unwrap()),
            asset: AssetName::parse("USD").unwrap(),
            amount: Money::from(decimal(1 + random.below(10_000))),
        };
        self.deposits.push(deposit.clone());
        deposit
    }

    fn quote(venue: &Venue, random: &mut Random) -> Quote {
        let instrument = InstrumentId(random.below(venue.read.instruments().len() as u64) as u32);
        let bid = 9_700 + random.below(500);
        Quote {
            exchange: ExchangeName::parse("manual").unwrap(),
            instrument,
            bid: Some(decimal(bid)),
            bid_size: Some(decimal(1 + random.below(500))),
            ask: Some(decimal(bid + 1 + random.below(50))),
            ask_size: random.coin().then(|| decimal(1 + random.below(500))),
        }
    }

    fn order(&mut self, venue: &Venue, random: &mut Random, account: AccountId) -> Place {
        let instrument = &venue.read.instruments()[random.below(venue.read.instruments().len() as u64) as usize];
        let (market, limit) = (OrderType::Market, OrderType::Limit);
        let order_type = pick(random, &[limit, limit, limit, limit, market, OrderType::StopLoss, OrderType::StopLimit]);
        let limited = matches!(order_type, OrderType::Limit | OrderType::StopLimit);
        let stop = matches!(order_type, OrderType::StopLoss | OrderType::StopLimit);
        let time_in_force = match order_type {
            OrderType::Market => TimeInForce::Ioc,
            OrderType::Limit => pick(
                random,
                &[
                    TimeInForce::Gtc,
                    TimeInForce::Gtc,
                    TimeInForce::Gtc,
                    TimeInForce::Ioc,
                    TimeInForce::Fok,
                    TimeInForce::Gtd,
                ],
            ),
            _ => TimeInForce::Gtc,
        };
        let named = random.below(4) > 0;
        self.ids += u64::from(named);
        Place {
            account,
            client_order_id: named.then(|| ClientOrderId::parse(&format!("c{}", self.ids)).unwrap()),
            symbol: instrument.spec.symbol,
            instrument: Some(instrument.id),
            side: pick(random, &[Side::Buy, Side::Sell]),
            order_type,
            time_in_force,
            expire_at: (time_in_force == TimeInForce::Gtd).then(|| Nanos(now().0 + 10_000_000_000)),
            quantity: decimal(1 + random.below(500)),
            price: limited.then(|| decimal(9_500 + random.below(1_000))),
            trigger_price: stop.then(|| decimal(9_500 + random.below(1_000))),
            trigger_by: None,
            post_only: order_type == limit && time_in_force == TimeInForce::Gtc && random.below(5) == 0,
            stp: pick(
                random,
                &[SelfTradePrevention::None, SelfTradePrevention::CancelOldest, SelfTradePrevention::Decrement],
            ),
        }
    }
}

/// Asks for the id of a deposit: `None` if it was known.
fn reserve_deposit<'a>(venue: &'a Venue, deposit: &Deposit, told: &mut Told) -> Option<Option<queue::Reservation<'a>>> {
    let id = deposit.request_id?;
    match venue.admission.reserve(deposit.account, Use::Deposit, id, Fingerprint::of_deposit(deposit)) {
        Verdict::New(reservation) => {
            assert!(!told.deposits.contains(&(deposit.account, id)), "{id} was known, and would move money again");
            Some(Some(reservation))
        }
        Verdict::Repeat(Known::Done(_)) => {
            told.deposits.insert((deposit.account, id));
            None
        }
        Verdict::Repeat(Known::InFlight(_)) => None,
        Verdict::Conflict => panic!("the same deposit is another: {deposit:?}"),
    }
}

/// What an answer says for ever.
pub(super) fn fact(action: &Action, answer: &Answer) -> Option<(AccountId, OrderId, Fact)> {
    match (action, answer) {
        (_, Answer::Placed(ShownOrder { order, .. })) => Some((order.account, order.order_id, Fact::Placed)),
        (_, Answer::Canceled(ShownOrder { order, .. })) => Some((order.account, order.order_id, Fact::Canceled)),
        // A new total below what has traded cancels the rest.
        (_, Answer::Replaced(ShownOrder { order, .. }, _)) if order.status == Status::Canceled => {
            Some((order.account, order.order_id, Fact::Canceled))
        }
        (_, Answer::Replaced(ShownOrder { order, .. }, _)) => Some((order.account, order.order_id, Fact::Replaced)),
        _ => None,
    }
}
