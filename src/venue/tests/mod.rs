//! A whole venue on simulated disks: one seed decides what is asked of it, how its clock goes, how its disks fail, how it ends, and with
//! which configuration it starts again. After every start, what was told to anyone is compared with what is there.
//!
//! What is not decided by the seed is how the venue's threads take turns; what is checked holds for every turn that they take.
//! The simulation is a unit test because the disks are one's, and so that it can look at the engine's state.

mod check;
mod parts;
mod told;
mod traffic;

use std::{cell::Cell, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::*;
use crate::disk::simulated::{Fault, Random, SimulatedDisk};
use crate::domain::AccountId;
use check::Shadow;
use told::Told;
use traffic::Traffic;

/// How long anything may take: a bound on failures, never a wait.
const PATIENCE: Duration = Duration::from_secs(30);
/// When the clock starts: 2026.
const START_NS: i64 = 1_767_225_600_000_000_000;
/// Lives of a venue.
const LIVES: usize = 8;

thread_local! {
    static NOW_NS: Cell<i64> = const { Cell::new(0) };
}

/// The virtual clock: of the one thread on which a run's executor works.
fn now() -> Nanos {
    Nanos(NOW_NS.get())
}

fn pass(seconds: u64) {
    NOW_NS.set(NOW_NS.get() + i64::try_from(seconds).unwrap() * 1_000_000_000);
}

/// How a life ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// In order.
    Stop,
    /// The process is gone, the machine goes on.
    Process,
    /// The machine loses its power.
    Machine,
}

/// The configuration, as it changes from life to life.
struct Configured {
    instruments: usize,
    accounts: usize,
    fee_bps: u64,
    mode: &'static str,
    snapshot_every: u64,
    retain: &'static str,
    retain_executions: &'static str,
}

impl Configured {
    fn new(random: &mut Random) -> Self {
        Self {
            instruments: 1,
            accounts: 2,
            fee_bps: 0,
            mode: if random.below(4) == 0 { "os" } else { "fsync" },
            snapshot_every: 10 + random.below(60),
            retain: if random.below(3) == 0 { "8KiB" } else { "all" },
            retain_executions: "all",
        }
    }

    fn change(&mut self, random: &mut Random) {
        match random.below(8) {
            0 => self.instruments = (self.instruments + 1).min(3),
            1 => self.accounts = (self.accounts + 1).min(4),
            2 => self.fee_bps = random.below(30),
            3 => self.snapshot_every = random.below(80),
            4 => self.mode = if self.mode == "os" { "fsync" } else { "os" },
            5 => self.retain_executions = if random.coin() { "32KiB" } else { "all" },
            _ => {}
        }
    }

    fn config(&self, data_dir: &std::path::Path) -> Config {
        let Self { mode, snapshot_every, retain, retain_executions, fee_bps, .. } = self;
        let mut text = format!(
            "[server]\ndata_dir = \"{}\"\n[stream]\nring = 16\nretain = \"{retain_executions}\"\n[history]\nenabled = false\n\
             [journal]\nmode = \"{mode}\"\nsnapshot_every = {snapshot_every}\nretain = \"{retain}\"\n",
            data_dir.display()
        );
        for n in 0..self.instruments {
            let fees = format!("maker_fee_bps = \"{}\"\ntaker_fee_bps = \"{fee_bps}\"", fee_bps / 2);
            text += &format!(
                "[[instruments]]\nsymbol = \"I{n}/USD\"\ntick_size = \"0.01\"\nlot_size = \"0.01\"\nreference_price = \"100\"\n{fees}\n"
            );
        }
        for name in ["default", "bob", "carol", "dave"].iter().take(self.accounts) {
            text +=
                &format!("[[accounts]]\nname = \"{name}\"\nbalances = {{ USD = \"20000\", I0 = \"200\", I1 = \"200\" }}\n");
        }
        let mut config = Config::from_text("the simulation's configuration", &text).unwrap();
        config.feeds.clear();
        config
    }
}

/// What every account begins with.
const FIRST_BALANCES: [(&str, i128); 3] = [("USD", 20_000), ("I0", 200), ("I1", 200)];

struct Run {
    random: Random,
    journal: SimulatedDisk,
    snapshots: SimulatedDisk,
    executions: SimulatedDisk,
    folders: Folders,
    data_dir: tempfile::TempDir,
    configured: Configured,
    traffic: Traffic,
    told: Told,
    shadow: Shadow,
    /// Whether power was lost while nothing was synced: what was told may be gone.
    lost_power: bool,
    /// Whether every execution can be read, to be compared: not where such a loss of power took the log of those that were retired.
    can_be_compared: bool,
}

impl Run {
    fn new(seed: u64) -> Self {
        NOW_NS.set(START_NS);
        let mut random = Random(seed);
        let journal = SimulatedDisk::new(seed ^ 1);
        let (snapshots, executions) = (journal.beside(seed ^ 2), journal.beside(seed ^ 3));
        let folders = Folders {
            journal: Arc::new(journal.clone()),
            snapshots: Arc::new(snapshots.clone()),
            executions: Arc::new(executions.clone()),
            segment_bytes: 1 << (11 + random.below(4)),
        };
        Self {
            configured: Configured::new(&mut random),
            random,
            journal,
            snapshots,
            executions,
            folders,
            data_dir: tempfile::tempdir().unwrap(),
            traffic: Traffic::default(),
            told: Told::default(),
            shadow: Shadow::default(),
            lost_power: false,
            can_be_compared: true,
        }
    }

    /// One life of the venue, and a look at what it left.
    async fn live(&mut self) {
        self.configured.change(&mut self.random);
        let config = self.configured.config(self.data_dir.path());
        self.set_fault();
        let settings = Settings { folders: Some(self.folders.clone()), ..Settings::default() };
        let end = match Venue::open(&config, &settings, now) {
            Ok((venue, running)) => self.trade(&venue, running).await,
            Err(error) => {
                // Nothing but a disk stands in the way of a start.
                assert!(self.journal.has_ended() || self.has_failed(&error), "{error:#}");
                End::Process
            }
        };
        self.restart(end);
        check::look(self).await;
    }

    fn has_failed(&self, error: &anyhow::Error) -> bool {
        let text = format!("{error:#}");
        ["the sync failed", "the folder's sync failed", "bytes were written", "no storage space"]
            .iter()
            .any(|said| text.contains(said))
    }

    fn set_fault(&mut self) {
        let disks = [&self.journal, &self.journal, &self.executions, &self.snapshots];
        let disk = disks[self.random.below(4) as usize];
        let fault = [Fault::Sync, Fault::ShortWrite, Fault::Full, Fault::End, Fault::End][self.random.below(5) as usize];
        if self.random.below(4) > 0 {
            let calls = self.random.below(120);
            disk.fail_after(calls, fault);
        }
    }

    /// Trades until something fails, or enough was done.
    async fn trade(&mut self, venue: &Venue, mut running: Running) -> End {
        let threads = (running.journal_ended(), running.executions_ended(), running.snapshots_ended());
        let (Some(journal), Some(executions), Some(snapshots)) = threads else { panic!("a thread is missing") };
        let drain = CancellationToken::new();
        let executor = tokio::spawn(running.run(drain.clone()));
        for _ in 0..5 + self.random.below(40) {
            let all_told = self.traffic.step(venue, &mut self.random, &mut self.told).await;
            self.told.read(venue, &mut self.random).await;
            if !all_told {
                break;
            }
            pass(self.random.below(5));
        }
        let failed = self.journal.has_ended() || venue.journal_failed.load(std::sync::atomic::Ordering::SeqCst);
        let mut end = [End::Stop, End::Process, End::Machine][self.random.below(3) as usize];
        if end == End::Stop && !failed {
            drain.cancel();
            tokio::time::timeout(PATIENCE, executor).await.unwrap().unwrap();
        } else {
            self.journal.end();
            executor.abort();
            drop(executor.await);
            end = if end == End::Stop { End::Process } else { end };
        }
        let ended = tokio::time::timeout(PATIENCE, async {
            let kept = journal.wait().await.is_ok();
            let written = executions.wait().await.is_ok();
            drop(snapshots.await);
            kept && written
        });
        let well = ended.await.expect("a thread did not end");
        if end == End::Stop && well {
            End::Stop
        } else if end == End::Machine {
            End::Machine
        } else {
            End::Process
        }
    }

    /// Waits until nobody has the directory: a start that failed leaves threads that are about to end, and to let go of it.
    fn wait_for_lock(&self) {
        let lock = std::fs::File::create(self.data_dir.path().join("lock")).unwrap();
        lock.lock().unwrap();
    }

    /// What the disks have for the next process.
    fn restart(&mut self, end: End) {
        self.wait_for_lock();
        for disk in [&self.journal, &self.snapshots, &self.executions] {
            disk.heal();
            if end == End::Machine {
                disk.crash();
            }
        }
        self.lost_power = end == End::Machine && self.configured.mode == "os";
        self.journal.restart();
    }
}

fn run(seed: u64) {
    println!("seed {seed}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut run = Run::new(seed);
        for _ in 0..LIVES {
            run.live().await;
            if !run.can_be_compared {
                break;
            }
        }
        println!("{}", run.told.summary(&run.shadow));
    });
}

#[test]
fn nothing_that_was_told_is_lost_doubled_or_changed_however_the_venue_ends() {
    // A longer run, when asked for one.
    let seeds = std::env::var("OPENOUTCRY_SEEDS").map_or(12, |seeds| seeds.parse().unwrap());
    let first = std::env::var("OPENOUTCRY_SEED").map_or(0, |first| first.parse().unwrap());
    for seed in first..first + seeds {
        run(seed);
    }
}

#[tokio::test]
async fn what_the_configuration_came_to_can_be_read_before_anyone_asks() {
    for seed in 0..50 {
        let run = Run::new(seed);
        let settings = Settings { folders: Some(run.folders.clone()), ..Settings::default() };
        let config = run.configured.config(run.data_dir.path());
        let (venue, mut running) = Venue::open(&config, &settings, now).unwrap();
        let (configured, drain) = (running.configured(), CancellationToken::new());
        let executor = tokio::spawn(running.run(drain.clone()));
        configured.await;
        assert!(!venue.read.account(AccountId(0)).1.is_empty());
        assert!(!venue.read.book(&venue.read.instruments()[0], 1).bids.is_empty());
        drain.cancel();
        executor.await.unwrap();
    }
}

#[tokio::test]
async fn without_syncs_a_sync_of_the_journal_that_fails_before_a_snapshot_ends_the_thread_and_makes_none() {
    let mut run = Run::new(1);
    (run.configured.mode, run.configured.snapshot_every) = ("os", 10);
    let config = run.configured.config(run.data_dir.path());
    let settings = Settings { folders: Some(run.folders.clone()), ..Settings::default() };
    let (venue, mut running) = Venue::open(&config, &settings, now).unwrap();
    let ended = running.snapshots_ended().unwrap();
    let executor = tokio::spawn(running.run(CancellationToken::new()));
    run.journal.fail_after(0, Fault::Sync);
    let Run { traffic, random, told, .. } = &mut run;
    let trading = async {
        loop {
            traffic.step(&venue, random, told).await;
        }
    };
    tokio::select! {
        ended = tokio::time::timeout(PATIENCE, ended) => drop(ended.expect("it should have ended")),
        () = trading => {}
    }
    assert_eq!(run.folders.snapshots.list().unwrap(), Vec::<String>::new());
    run.journal.end();
    executor.abort();
}
