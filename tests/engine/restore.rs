//! An engine that was saved and restored, at any moment, is the engine that never stopped.

use openoutcry::domain::*;
use openoutcry::engine::{Engine, Limits, StateError};
use openoutcry::executor::Replica;
use openoutcry::journal::Record;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use crate::random::{Stream, streams};
use crate::same::cases;

fn saved(engine: &Engine) -> Vec<u8> {
    let mut bytes = Vec::new();
    engine.save(&mut bytes);
    bytes
}

/// Runs the first `steps` commands of a stream.
fn run(stream: &Stream, steps: usize) -> Engine {
    let mut engine = Engine::new(Limits { closed_kept: stream.closed_kept });
    let mut events = Events::default();
    for (at, (now, command)) in stream.commands().iter().take(steps).enumerate() {
        engine.apply(at as u64 + 1, *now, command, &mut events);
    }
    engine
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::with_cases(cases(300))
    })]

    #[test]
    fn a_restored_engine_has_the_same_hash_and_the_same_future(stream in streams(200), at in any::<prop::sample::Index>()) {
        let commands = stream.commands();
        let at = at.index(commands.len());
        let mut engine = run(&stream, at);
        let bytes = saved(&engine);
        let mut restored = Engine::restore(&bytes).unwrap();
        prop_assert_eq!(restored.state_hash(), engine.state_hash());
        prop_assert_eq!(saved(&restored), bytes);
        prop_assert_eq!(restored.next_deadline(), engine.next_deadline());
        restored.audit();
        let (mut mine, mut theirs) = (Events::default(), Events::default());
        for (number, (now, command)) in commands.iter().enumerate().skip(at) {
            mine.clear();
            theirs.clear();
            let outcome = engine.apply(number as u64 + 1, *now, command, &mut mine);
            prop_assert_eq!(restored.apply(number as u64 + 1, *now, command, &mut theirs), outcome);
            prop_assert_eq!(&theirs.executions, &mine.executions);
            prop_assert_eq!(&theirs.trades, &mine.trades);
            prop_assert_eq!(&theirs.levels, &mine.levels);
            prop_assert_eq!(restored.state_hash(), engine.state_hash(), "after {:?}", command);
        }
        restored.audit();
    }

    #[test]
    fn a_replica_goes_on_from_what_it_saved(stream in streams(200), frame in 1..20usize, at in any::<prop::sample::Index>()) {
        let limits = Limits { closed_kept: stream.closed_kept };
        let records: Vec<Record> = stream.commands().into_iter().zip(1..)
            .map(|((stamp, command), number)| Record { number, stamp, command }).collect();
        let frames: Vec<&[Record]> = records.chunks(frame).collect();
        let at = at.index(frames.len());
        let (mut replica, mut outcomes) = (Replica::new(limits), Vec::new());
        for frame in frames.iter().take(at) {
            replica.replay(frame, &mut outcomes);
        }
        let payload = replica.save(5);
        let (mut restored, newest_ids) = Replica::restore(&payload, replica.number(), replica.stamp()).unwrap();
        prop_assert_eq!(newest_ids, 5);
        let mut other_outcomes = outcomes.clone();
        for frame in frames.iter().skip(at) {
            let hash = replica.replay(frame, &mut outcomes);
            prop_assert_eq!(restored.replay(frame, &mut other_outcomes), hash);
        }
        prop_assert_eq!(restored.engine().state_hash(), replica.engine().state_hash());
        prop_assert_eq!((restored.public(), restored.number()), (replica.public(), replica.number()));
        prop_assert_eq!(other_outcomes, outcomes);
        for length in 0..payload.len().min(64) {
            prop_assert!(Replica::restore(&payload[..length], 1, Nanos(0)).is_err());
        }
    }

    #[test]
    fn any_bytes_are_refused_or_are_an_engine(
        stream in streams(80),
        noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        length in any::<prop::sample::Index>(),
    ) {
        let engine = run(&stream, usize::MAX);
        let mut bytes = saved(&engine);
        prop_assert!(Engine::restore(&bytes[..length.index(bytes.len())]).is_err());
        for (at, byte) in noise {
            *at.get_mut(&mut bytes) = byte;
        }
        if let Ok(other) = Engine::restore(&bytes) {
            // Whatever it is, it can be looked at.
            other.state_hash();
            prop_assert_eq!(Engine::restore(&saved(&other)).unwrap().state_hash(), other.state_hash());
        }
    }
}

#[test]
fn other_versions_are_refused_in_words() {
    let mut bytes = saved(&Engine::new(Limits::default()));
    bytes.push(0);
    assert_eq!(Engine::restore(&bytes).unwrap_err(), StateError::TooLong);
    bytes[0] = 9;
    let refused = Engine::restore(&bytes).unwrap_err();
    assert_eq!(refused.to_string(), "the state has format 9, and this version reads format 1 only");
}
