//! Open Outcry's matching engine beside its peers, single-threaded, over the same commands in the same run.
//!
//! ```text
//! cargo run --release --manifest-path benches/peers/Cargo.toml              all tables, in markdown
//! … -- speed [--rounds N] [--engines A,B] [FILE …]                           throughput, ratios, latency
//! … -- memory [--engines A,B]                                                bytes per resting order
//! … -- deep [--rounds N] [--engines A,B]                                    cost from a thousand to ten million orders
//! … -- generate FILE COUNT SYMBOLS LIVE SEED                                 writes a command file, prints its oracle
//! ```
//!
//! Two standard files: `s1`, one symbol with some 8,300 live orders, and `s100`, a hundred symbols with some 500 each; a
//! million commands either way: 60 % limit orders (15 % of them crossing), 10 % market orders, 30 % cancels, prices
//! drifting. Every engine must come to the same trades, in the same order, as the generator's plain book. Timing covers
//! turning a command into the engine's terms, the engine, and reading the trades it reports; not making or reading the file,
//! nor building the empty engine. Commands are turned 32 at a time, as a venue's executor takes them from its queue, and the
//! whole engine looks ahead at the orders that cancels among them name, as it does there; so does the book. Latency is a run
//! of its own, with a look at the clock around every command, which is turned by itself: all that it costs is in it.
//!
//! Leave nothing else running: ratios are taken within a round, but a busy machine still widens the ranges.

mod command;
mod deep;
mod engines;
mod generate;
mod memory;
mod speed;
mod statistics;
mod tape;

use std::path::Path;
use std::process::ExitCode;

use command::Commands;
use engines::{Engine, Name, Visit};
use generate::Plan;
use tape::Tape;

/// What the standard files come to: the generator has to make these, and every engine has to reproduce them.
const STANDARD: [(&str, Plan, Tape); 2] = [
    (
        "s1",
        Plan { count: 1_000_000, symbols: 1, live: 10_000, seed: 42, only_rest: false, recent: false },
        Tape { trades: 433_575, quantity: 11_981_315, hash: 0xbd17_fbc2_2635_c99f, cancels: 277_189 },
    ),
    (
        "s100",
        Plan { count: 1_000_000, symbols: 100, live: 500, seed: 43, only_rest: false, recent: false },
        Tape { trades: 322_220, quantity: 9_191_845, hash: 0x2f74_ddef_840a_b899, cancels: 307_958 },
    ),
];

/// What the command line asks for.
struct Options {
    engines: Vec<Name>,
    rounds: usize,
    rest: Vec<String>,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next();
    let Some(options) = options(arguments) else {
        eprintln!("see the top of benches/peers/src/main.rs for how to call this");
        return ExitCode::from(64);
    };
    let rest: Vec<&str> = options.rest.iter().map(String::as_str).collect();
    let done = match (task.as_deref(), rest.as_slice()) {
        (None, []) => {
            let as_expected = standard(&options);
            memory::table(&options.engines);
            deep::table(&options.engines, options.rounds);
            as_expected
        }
        (Some("speed"), []) => standard(&options),
        (Some("speed"), files) => files.iter().all(|file| from_file(file, &options)),
        (Some("memory"), []) => {
            memory::table(&options.engines);
            true
        }
        (Some("deep"), []) => {
            deep::table(&options.engines, options.rounds);
            true
        }
        (Some("fill"), [name]) => Name::parse(name).map(memory::child).is_some(),
        (Some("generate"), [path, numbers @ ..]) => write(path, numbers).is_some(),
        _ => false,
    };
    if done { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn options(arguments: impl Iterator<Item = String>) -> Option<Options> {
    let mut options = Options { engines: Name::ALL.to_vec(), rounds: 5, rest: Vec::new() };
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--rounds" => options.rounds = arguments.next()?.parse().ok().filter(|rounds| *rounds > 0)?,
            "--engines" => options.engines = arguments.next()?.split(',').map(Name::parse).collect::<Option<_>>()?,
            _ => options.rest.push(argument),
        }
    }
    Some(options)
}

/// The two standard files, made in memory.
fn standard(options: &Options) -> bool {
    let mut as_expected = true;
    for (name, plan, oracle) in STANDARD {
        let (commands, tape) = plan.run();
        assert_eq!(tape, oracle, "the generator makes another {name} than it used to");
        as_expected &= speed::table(name, &commands, oracle, &options.engines, options.rounds);
    }
    as_expected
}

/// A file that was generated; the first engine is the oracle.
fn from_file(path: &str, options: &Options) -> bool {
    match Commands::read(Path::new(path)) {
        Ok(commands) => {
            let oracle = options.engines.first().map(|name| name.visit(&Tally(&commands))).unwrap_or_default();
            speed::table(path, &commands, oracle, &options.engines, options.rounds)
        }
        Err(error) => {
            eprintln!("{path}: {error}");
            false
        }
    }
}

/// A run for its tape alone.
struct Tally<'a>(&'a Commands);

impl Visit for Tally<'_> {
    type Output = Tape;

    fn with<E: Engine>(&self) -> Tape {
        let (mut engine, mut tape) = (E::new(self.0), Tape::default());
        engine.apply_all(&self.0.list, &mut tape);
        tape
    }
}

fn write(path: &str, numbers: &[&str]) -> Option<()> {
    let numbers = numbers.iter().map(|number| number.parse::<u64>().ok()).collect::<Option<Vec<_>>>()?;
    let [count, symbols, live, seed] = numbers.as_slice() else { return None };
    let size = |number: u64| usize::try_from(number).ok();
    let (commands, tape) = Plan::new(size(*count)?, size(*symbols)?, size(*live)?, *seed).run();
    commands.write(Path::new(path)).map_err(|error| eprintln!("{path}: {error}")).ok()?;
    println!("{path}: {tape}");
    Some(())
}
