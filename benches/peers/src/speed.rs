//! How fast, side by side: every round runs every engine once over the whole file, so that a slow moment of the machine
//! falls on all of them, and ratios are taken within a round. What counts is the time that the thread had the processor: on
//! a quiet machine that is the time that passes, on another it leaves out what others took.

use std::time::Instant;

use cpu_time::ThreadTime;

use crate::command::Commands;
use crate::engines::{Engine, Name, Visit};
use crate::statistics::{Samples, quantile};
use crate::tape::Tape;

/// One run over the file: seconds, and what came of it.
struct Run<'a>(&'a Commands);

impl Visit for Run<'_> {
    type Output = (f64, Tape);

    fn with<E: Engine>(&self) -> Self::Output {
        let mut engine = E::new(self.0);
        let mut tape = Tape::default();
        let start = ThreadTime::now();
        engine.apply_all(&self.0.list, &mut tape);
        (start.elapsed().as_secs_f64(), tape)
    }
}

/// One run with a look at the clock around every command, which is read by itself: nanoseconds each.
struct Latency<'a>(&'a Commands);

impl Visit for Latency<'_> {
    type Output = Vec<u32>;

    fn with<E: Engine>(&self) -> Self::Output {
        let mut engine = E::new(self.0);
        let mut tape = Tape::default();
        let mut times = Vec::with_capacity(self.0.list.len());
        for command in &self.0.list {
            let start = Instant::now();
            engine.read(std::slice::from_ref(command));
            engine.apply(0, command, &mut tape);
            times.push(nanoseconds(start));
        }
        assert!(tape.trades > 0, "the commands trade: {tape}");
        times
    }
}

/// Prints a table of throughput and latency; false if an engine did not do what the oracle says.
pub fn table(title: &str, commands: &Commands, oracle: Tape, engines: &[Name], rounds: usize) -> bool {
    let mut speeds = vec![Samples::default(); engines.len()];
    let mut tapes = vec![Tape::default(); engines.len()];
    for _ in 0..rounds {
        for ((name, speeds), tape) in engines.iter().zip(&mut speeds).zip(&mut tapes) {
            let (seconds, came) = name.visit(&Run(commands));
            speeds.push(commands.list.len() as f64 / seconds / 1e6);
            *tape = came;
        }
    }
    let of = |name| engines.iter().position(|engine| *engine == name).map(|at| &speeds[at]);
    let ratio = |mine: &Samples, theirs: Option<&Samples>| {
        theirs.map_or_else(|| "–".to_owned(), |theirs| format!("{:.2}", mine.over(theirs)))
    };
    println!("\n### {title}: {} commands, {rounds} rounds\n\noracle: {oracle}\n", commands.list.len());
    println!("| engine | M ops/s: median (range) | × rust_ob | × orderbook-rs | p50 / p99 / p99.9 ns | as the oracle |");
    println!("|---|---|---|---|---|---|");
    for ((name, speeds), tape) in engines.iter().zip(&speeds).zip(&tapes) {
        println!(
            "| {} | {speeds:.2} | {} | {} | {} | {} |",
            name.as_str(),
            ratio(speeds, of(Name::RustOb)),
            ratio(speeds, of(Name::OrderbookRs)),
            quantiles(name.visit(&Latency(commands))),
            if *tape == oracle { "yes".to_owned() } else { format!("**no**: {tape}") },
        );
    }
    println!("| the clock alone | | | | {} | |", quantiles(clock(commands.list.len())));
    tapes.iter().all(|tape| *tape == oracle)
}

fn quantiles(mut times: Vec<u32>) -> String {
    times.sort_unstable();
    format!("{} / {} / {}", quantile(&times, 0.5), quantile(&times, 0.99), quantile(&times, 0.999))
}

/// What the latencies of nothing at all look like: it is in all the others.
fn clock(count: usize) -> Vec<u32> {
    (0..count).map(|_| nanoseconds(Instant::now())).collect()
}

fn nanoseconds(start: Instant) -> u32 {
    u32::try_from(start.elapsed().as_nanos()).unwrap_or(u32::MAX)
}
