//! Bytes per resting order: how much a process grows by while an engine's book fills with a million orders.
//!
//! Each engine fills in a process of its own, and what is counted is what the system has given that process (`/proc`), so
//! that no counting allocator slows anyone down and whatever an allocator wastes counts too.

use std::process::Command as Process;

use crate::command::Commands;
use crate::engines::{Engine, Name, Visit};
use crate::generate::Plan;
use crate::tape::Tape;

/// How many orders rest in the end.
const ORDERS: usize = 1_000_000;
/// As the kernel counts resident memory, in bytes.
const PAGE: u64 = 4096;

struct Fill<'a>(&'a Commands);

impl Visit for Fill<'_> {
    type Output = u64;

    fn with<E: Engine>(&self) -> u64 {
        let before = resident();
        let mut engine = E::new(self.0);
        let mut tape = Tape::default();
        engine.apply_all(&self.0.list, &mut tape);
        let after = resident();
        assert!(tape == Tape::default(), "nothing trades while the book fills");
        drop(engine);
        after.saturating_sub(before)
    }
}

/// Fills one engine and prints the bytes per order: what the process that [`table`] starts does.
pub fn child(name: Name) {
    let (commands, _) = Plan::new(ORDERS, 1, 0, 42).only_rest().run();
    println!("{}", name.visit(&Fill(&commands)) / ORDERS as u64);
}

/// Prints the table.
pub fn table(engines: &[Name]) {
    println!("\n### Memory: {ORDERS} orders resting in one book\n\n| engine | bytes per resting order |\n|---|---|");
    let program = std::env::current_exe().expect("the path of this program");
    for name in engines {
        let output = Process::new(&program).args(["fill", name.as_str()]).output().expect("this program runs");
        println!("| {} | {} |", name.as_str(), String::from_utf8_lossy(&output.stdout).trim());
    }
}

/// Resident memory of this process, in bytes; 0 where there is no `/proc`.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or_default() * PAGE
}
