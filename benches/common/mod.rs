//! What the benches share: servers as processes of their own, a client that costs little, and figures that compare.
//!
//! Every load is bounded in time or count, stays on 127.0.0.1, and comes from one thread. What is compared runs in the same
//! run, in alternation; only ratios of the same round mean anything, since a machine's other load moves all of them.

#![allow(dead_code, reason = "each bench uses a part of it")]

pub(crate) mod figures;
pub(crate) mod http;
pub(crate) mod keep;
pub(crate) mod orders;
pub(crate) mod server;
pub(crate) mod socket;

use std::time::Duration;

/// How often everything is measured: `BENCH_ROUNDS`, or 5 times.
pub(crate) fn rounds() -> usize {
    let rounds = std::env::var("BENCH_ROUNDS").ok();
    rounds.and_then(|rounds| rounds.parse().ok()).unwrap_or(5)
}

/// How long anything may take before the bench gives up: far more than any of it needs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a bench on this thread alone.
pub(crate) fn run(bench: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, bench)
}

/// Prints a line of the result.
#[expect(clippy::print_stdout, reason = "the result is what a bench is run for")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}
