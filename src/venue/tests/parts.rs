//! A batch of several parts, and those behind it: what is read and told between two of them.

use std::collections::VecDeque;

use super::*;
use crate::domain::{
    CancelAll, ClientOrderId, Command, Decimal, InstrumentId, OrderId, OrderType, Place, SelfTradePrevention, Side, Symbol,
    TimeInForce,
};
use crate::engine::{Engine, Limits};
use crate::executor::{Effects, Parts, Unfinished};
use crate::journal::Record;
use crate::queue::{Known, Use};
use crate::read::Found;

const A: AccountId = AccountId(0);
const B: AccountId = AccountId(1);
const CONFIG: &str = r#"
journal.mode = "none"
accounts = [{ name = "default" }, { name = "other" }]
instruments = [{ symbol = "BTC/USD", tick_size = "1", lot_size = "1" }]
"#;

/// What makes effects, and what shows them.
struct Scene {
    executor: Executor,
    release: Release,
    number: u64,
}

impl Scene {
    fn new(closed_kept: usize) -> Self {
        let mut config = Config::from_text("test", CONFIG).unwrap();
        config.feeds.clear();
        let admission = Admission::default();
        let (engine, clock) = (Engine::new(Limits::default()), Arc::new(|| Nanos(START_NS)));
        let parts = Parts { engine, admission: admission.clone(), clock, delay: Duration::ZERO };
        let mut executor = Executor::new(parts);
        let (records, effects) = executor.configure(genesis::difference(&config, executor.engine()).unwrap(), None);
        let mut read = ReadModel::new(read::Settings { closed_kept, closed_max: closed_kept }, None);
        let mut hub = Hub::new(1_024);
        hub.define(effects.names.accounts.len(), 1);
        read.define(&effects.names.instruments, effects.names.accounts.clone());
        let release = Release {
            finisher: Finisher::default(),
            pulse: Arc::default(),
            read: Arc::new(read),
            hub: Arc::new(hub),
            admission,
            answers: Vec::new(),
            waiting: 0,
        };
        let mut scene = Self { executor, release, number: records.len() as u64 };
        scene.show(effects);
        scene
    }

    /// What a batch of these did.
    fn effects(&mut self, commands: Vec<Command>) -> Effects {
        let records = commands.into_iter().map(|command| {
            self.number += 1;
            Record { number: self.number, stamp: Nanos(START_NS), command }
        });
        let mut records: Vec<Record> = records.collect();
        self.executor.replay(&mut records)
    }

    fn show(&mut self, effects: Effects) {
        let ready = self.release.prepare(effects);
        self.release.release(ready);
    }

    fn run(&mut self, commands: Vec<Command>) {
        let effects = self.effects(commands);
        self.show(effects);
    }
}

fn order(account: AccountId, side: Side, quantity: i64, price: Option<i64>) -> Place {
    let whole = |number| Decimal::new(number, 0).unwrap();
    Place {
        account,
        client_order_id: None,
        symbol: Symbol::parse("BTC/USD").unwrap(),
        instrument: Some(InstrumentId(0)),
        side,
        order_type: if price.is_some() { OrderType::Limit } else { OrderType::Market },
        time_in_force: if price.is_some() { TimeInForce::Gtc } else { TimeInForce::Ioc },
        expire_at: None,
        quantity: whole(quantity),
        price: price.map(whole),
        trigger_price: None,
        trigger_by: None,
        post_only: false,
        stp: SelfTradePrevention::None,
    }
}

fn limit(account: AccountId, side: Side, price: i64) -> Command {
    Command::Place(order(account, side, 1, Some(price)))
}

fn cancel_all(account: AccountId) -> Command {
    Command::CancelAll(CancelAll { account, instrument: None, side: None })
}

#[test]
fn who_is_told_of_an_order_can_read_it_by_either_id_though_more_of_its_batch_is_to_come() {
    let mine = ClientOrderId::parse("mine").unwrap();
    let with_id = |order: Place| Command::Place(Place { client_order_id: Some(mine), ..order });
    // Before a command that is told in parts, and that command itself.
    let before = vec![with_id(order(B, Side::Buy, 1, Some(1))), cancel_all(A)];
    for commands in [before, vec![with_id(order(B, Side::Sell, 7, None))]] {
        let mut scene = Scene::new(100);
        scene.run((1..=7).map(|price| limit(A, Side::Buy, price)).collect());
        let mut batch = Unfinished::new(scene.effects(commands));
        let Release { finisher, read, hub, admission, .. } = &mut scene.release;
        let mut parts = 0;
        while let Some(part) = finisher.next_part(&mut batch) {
            drop(part.release(read, hub, admission));
            parts += 1;
            assert!(hub.executions(B).unwrap().last_seq() > 0);
            assert!(matches!(admission.find(B, Use::Order, mine), Some(Known::Done(_))), "part {parts}");
            assert!(matches!(read.order(B, OrderId(8)), Found::Order(_)), "part {parts}");
        }
        assert!(parts > 1);
    }
}

#[test]
fn once_a_large_batch_is_out_those_behind_it_are_finished_while_they_are_kept_again() {
    let mut scene = Scene::new(100);
    scene.run((1..=7).map(|price| limit(A, Side::Buy, price)).collect());
    let large = scene.effects(vec![cancel_all(A)]);
    let small: Vec<Effects> = (0..20).map(|_| scene.effects(vec![limit(B, Side::Buy, 1)])).collect();
    let mut ready = VecDeque::from([scene.release.prepare(large)]);
    // As under load: there is always a batch that is being kept.
    for effects in small {
        ready.push_back(scene.release.prepare(effects));
        let kept = ready.pop_front().unwrap();
        scene.release.release(kept);
        assert!(ready.iter_mut().all(|ready| scene.release.catch_up(ready)));
        assert_eq!(scene.release.waiting, 0);
    }
    assert_eq!(scene.release.hub.executions(B).unwrap().last_seq(), 19);
}

#[test]
fn a_closed_order_takes_one_place_of_those_that_are_kept_however_many_parts_tell_of_it() {
    // Six makers and a taker: room for all that closed.
    let mut scene = Scene::new(7);
    scene.run((1..=6).map(|_| limit(B, Side::Sell, 5)).collect());
    scene.run(vec![Command::Place(order(A, Side::Buy, 6, None))]);
    for id in 1..=6 {
        assert!(matches!(scene.release.read.order(B, OrderId(id)), Found::Order(_)), "{id}");
    }
    let Found::Order(taker) = scene.release.read.order(A, OrderId(7)) else { panic!("the taker is there") };
    assert!(taker.status.is_terminal());
}
