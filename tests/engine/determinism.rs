//! The same commands come to the same bytes: again, in another process, and however they are cut into batches.

use std::process::Command as Process;

use openoutcry::domain::*;
use openoutcry::engine::{Engine, Limits, RULES};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::random::{Stream, streams};
use crate::same::cases;

/// What a run came to: the state's hash after every command, and everything that was said.
#[derive(Debug, PartialEq)]
struct Run {
    hashes: Vec<u64>,
    executions: Vec<Execution>,
    trades: Vec<Trade>,
    levels: Vec<LevelChange>,
}

/// Runs a stream; the events are taken away and cleared after every so many commands.
fn run(stream: &Stream, batch: usize) -> Run {
    let mut engine = Engine::new(Limits { closed_kept: stream.closed_kept });
    let mut run = Run { hashes: Vec::new(), executions: Vec::new(), trades: Vec::new(), levels: Vec::new() };
    let mut events = Events::default();
    for batch in stream.commands().chunks(batch) {
        for (now, command) in batch {
            engine.apply(run.hashes.len() as u64 + 1, *now, command, &mut events);
            run.hashes.push(engine.state_hash());
        }
        run.executions.append(&mut events.executions);
        run.trades.append(&mut events.trades);
        run.levels.append(&mut events.levels);
        events.clear();
    }
    run
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases(60)) })]

    #[test]
    fn a_stream_comes_to_the_same_however_it_is_cut(stream in streams(150), batch in 2..40usize) {
        let one_by_one = run(&stream, 1);
        prop_assert_eq!(&run(&stream, 1), &one_by_one);
        prop_assert_eq!(&run(&stream, batch), &one_by_one);
        prop_assert_eq!(&run(&stream, usize::MAX), &one_by_one);
    }
}

/// Long streams, the same in every process.
fn fixed_streams() -> impl Iterator<Item = Stream> {
    let mut runner = TestRunner::deterministic();
    (0..12).map(move |_| streams(600).new_tree(&mut runner).unwrap().current())
}

fn fingerprint() -> String {
    let runs = fixed_streams().map(|stream| run(&stream, 64));
    let lines = runs.map(|run| {
        let Run { hashes, executions, trades, levels } = run;
        let said = format!("{executions:?}{trades:?}{levels:?}");
        let said = said
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        format!("fingerprint {} commands {:016x} {said:016x}\n", hashes.len(), hashes.last().unwrap())
    });
    lines.collect()
}

/// What the rules make of the fixed streams: the last state's hash of each, summed. Journals record such hashes, so what changes
/// this needs new [`RULES`]; only other streams (another `proptest`) do not.
const PINNED: (u32, u64) = (4, 0xf60b_186f_b18b_2b02);

#[test]
fn rules_of_one_version_come_to_what_they_always_came_to() {
    let last = fixed_streams().map(|stream| *run(&stream, 64).hashes.last().unwrap());
    let sum = last.fold(0, u64::wrapping_add);
    assert_eq!((RULES, sum), PINNED, "{sum:#018x}");
}

#[test]
fn prints_the_fingerprint_of_fixed_streams() {
    let fingerprint = fingerprint();
    print!("\n{fingerprint}");
    assert_eq!(fingerprint.lines().count(), 12);
}

#[test]
fn another_process_comes_to_the_same() {
    let this = std::env::current_exe().unwrap();
    let output = Process::new(this)
        .args(["determinism::prints_the_fingerprint_of_fixed_streams", "--exact", "--nocapture"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let theirs: String =
        text.lines().filter(|line| line.starts_with("fingerprint")).map(|line| format!("{line}\n")).collect();
    assert_eq!(theirs, fingerprint());
    assert_eq!(theirs.lines().count(), 12);
}
