//! What an operation costs as the book gets deeper: the book fills with so many orders, and then a mix of limit orders,
//! market orders and cancels goes over it that keeps its depth about where it is. Only the mix is timed.
//!
//! A deep book does not fit the processor's caches, and a cancel of any live order names memory that nobody has touched for
//! long. So beside the mix stands what one such touch costs: a load from a random place in as many bytes as the
//! orders take, each depending on the one before. The second mix cancels recent orders only: what is left of the growth
//! there is less memory that is cold. The last column says how many such loads the growth of the first amounts to.

use cpu_time::ThreadTime;

use crate::command::Commands;
use crate::engines::{Engine, Name, Visit};
use crate::generate::Plan;
use crate::statistics::Samples;
use crate::tape::Tape;

/// How many orders rest before the mix begins.
const DEPTHS: [usize; 5] = [1_000, 10_000, 100_000, 1_000_000, 10_000_000];
/// How many operations the mix has.
const MIX: usize = 1_000_000;
/// About what an engine keeps of an order: what the loads are spread over.
const BYTES: usize = 64;
/// How many loads are timed.
const LOADS: usize = 2_000_000;

/// Nanoseconds per operation of the mix, which begins after so many commands.
struct Mix<'a>(&'a Commands, usize);

impl Visit for Mix<'_> {
    type Output = (f64, Tape);

    fn with<E: Engine>(&self) -> Self::Output {
        let Self(commands, depth) = *self;
        let (fill, mix) = commands.list.split_at(depth);
        let (mut engine, mut tape) = (E::new(commands), Tape::default());
        engine.apply_all(fill, &mut tape);
        let start = ThreadTime::now();
        engine.apply_all(mix, &mut tape);
        (start.elapsed().as_nanos() as f64 / mix.len() as f64, tape)
    }
}

/// Prints a table for each engine.
pub fn table(engines: &[Name], rounds: usize) {
    let mut rows = vec![Vec::new(); engines.len()];
    for depth in DEPTHS {
        let plan = Plan::new(depth + MIX, 1, depth, 44);
        let touch = touch(depth * BYTES);
        let mut cells = vec![Vec::new(); engines.len()];
        for (commands, oracle) in [plan.run(), plan.recent().run()] {
            let mut costs = vec![Samples::default(); engines.len()];
            for _ in 0..rounds {
                for (name, costs) in engines.iter().zip(&mut costs) {
                    let (cost, tape) = name.visit(&Mix(&commands, depth));
                    assert_eq!(tape, oracle, "{} at {depth}", name.as_str());
                    costs.push(cost);
                }
            }
            for (cells, costs) in cells.iter_mut().zip(costs) {
                cells.push(costs);
            }
        }
        for (rows, cells) in rows.iter_mut().zip(cells) {
            rows.push((depth, cells, touch));
        }
    }
    for (name, rows) in engines.iter().zip(rows) {
        println!("\n### Depth: {}, {rounds} rounds, {MIX} operations on top of what rests\n", name.as_str());
        println!(
            "| resting orders | ns per operation: median (range) | × | ns, recent cancels | × | ns per random load | growth in loads |"
        );
        println!("|---|---|---|---|---|---|---|");
        let first: Vec<f64> = rows[0].1.iter().map(Samples::median).collect();
        let touch_first = rows[0].2;
        for (depth, cells, touch) in &rows {
            let [any, recent] = cells.as_slice() else { continue };
            let (any_grew, recent_grew) = (any.median() / first[0], recent.median() / first[1]);
            let loads = if *touch > touch_first { (any.median() - first[0]) / (touch - touch_first) } else { 0.0 };
            println!("| {depth} | {any:.0} | {any_grew:.2} | {recent:.0} | {recent_grew:.2} | {touch:.1} | {loads:.1} |");
        }
    }
}

/// What a load from a random place in so many bytes costs, in nanoseconds, when the next place is only known after it.
fn touch(bytes: usize) -> f64 {
    let lines = (bytes / BYTES).max(2);
    // A line of 64 bytes, of which the first word says where to go on: one cycle through all of them (Sattolo).
    let mut next: Vec<[usize; BYTES / size_of::<usize>()]> = (0..lines).map(|at| [at; 8]).collect();
    let mut seed = 1u64;
    for at in (1..lines).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let other = ((seed >> 33) % at as u64) as usize;
        let (here, there) = (next[at][0], next[other][0]);
        next[at][0] = there;
        next[other][0] = here;
    }
    let mut at = 0;
    let start = ThreadTime::now();
    for _ in 0..LOADS {
        at = next[at][0];
    }
    let cost = start.elapsed().as_nanos() as f64 / LOADS as f64;
    assert!(at < lines);
    cost
}
