//! One venue: queue, executor, engine, journal, stream and reads behind a handle. No globals, so a process can host many.
//!
//! ```text
//! intake ─► queue ─► executor(engine) ─► journal ─► release ─► read model
//!                                                          ├─► stream
//!                                                          └─► replies
//! ```

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, OnFull as ConfigOnFull};
use crate::domain::{AccountName, Command, ExchangeName, Instrument, InstrumentId, Nanos, Quote, Sources};
use crate::engine::{Engine, Limits};
use crate::executor::{Effects, Executor, Parts, Release};
use crate::journal::{Journal, Memory};
use crate::queue::{self, Admission, Discipline, Intake, OnFull, Outlet};
use crate::read::ReadModel;
use crate::stream::Hub;

/// A handle on a venue. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Venue {
    /// The way in.
    pub intake: Intake,
    /// Which client ids are taken.
    pub admission: Admission,
    /// What can be read.
    pub read: Arc<ReadModel>,
    /// What can be followed.
    pub hub: Arc<Hub>,
    /// A random id made with the venue's data.
    pub epoch: String,
}

/// The part of a venue that runs: one task drives it.
#[expect(missing_debug_implementations, reason = "a journal has nothing to show")]
pub struct Running {
    executor: Executor,
    outlet: Outlet,
    journal: Box<dyn Journal<Effects>>,
}

impl Running {
    /// Executes until `drain` is canceled and the queue is empty.
    pub async fn run(self, drain: CancellationToken) {
        self.executor.run(self.outlet, self.journal, drain).await;
    }
}

impl Venue {
    /// Opens a venue as configured: its instruments, accounts and reference prices are its first commands.
    ///
    /// # Errors
    ///
    /// If the configuration has an instrument that cannot be traded; loading it checks that.
    pub fn open(config: &Config, now: fn() -> Nanos) -> anyhow::Result<(Self, Running)> {
        let (intake, outlet) = queue::queue(queue_settings(config));
        let admission = Admission::default();
        let engine = Engine::new(Limits::default());
        let parts = Parts { engine, admission: admission.clone(), clock: Arc::new(now), delay: config.execution.delay };
        let mut executor = Executor::new(parts);
        let (records, effects) = executor.configure(genesis(config)?);

        let mut read = ReadModel::default();
        let accounts: Vec<AccountName> = executor.engine().accounts().map(|account| account.name).collect();
        let mut hub = Hub::new(config.stream.ring as u64);
        hub.define(accounts.len(), executor.engine().instruments().len());
        read.define(executor.engine().instruments(), accounts);
        let (read, hub) = (Arc::new(read), Arc::new(hub));

        let release = Release { read: read.clone(), hub: hub.clone(), admission: admission.clone() };
        let mut journal = Box::new(Memory::new(move |effects| release.release(effects)));
        journal.append(records, effects);
        let epoch = format!("{:016x}", RandomState::new().build_hasher().finish());
        Ok((Self { intake, admission, read, hub, epoch }, Running { executor, outlet, journal }))
    }
}

/// The configuration as commands: what the engine depends on is an input like any other.
fn genesis(config: &Config) -> anyhow::Result<Vec<Command>> {
    let instruments = config.instruments.iter().zip(0..).map(|(instrument, id)| {
        let spec = instrument.spec();
        let symbol = spec.symbol;
        Instrument::new(InstrumentId(id), spec).with_context(|| format!("instrument {symbol}"))
    });
    let instruments: Vec<Instrument> = instruments.collect::<anyhow::Result<_>>()?;
    let quotes = static_quotes(&instruments)?.into_iter().map(Command::Quote);
    let define = instruments.into_iter().map(|instrument| Command::DefineInstrument(Box::new(instrument.spec)));
    let open = config.accounts.iter().map(|account| Command::OpenAccount(Box::new(account.spec())));
    Ok(define.chain(open).chain(quotes).collect())
}

/// Each reference price as what it is: a quote without size of the exchange named `static`.
///
/// # Errors
///
/// None that can happen: the name is one.
pub fn static_quotes(instruments: &[Instrument]) -> anyhow::Result<Vec<Quote>> {
    let exchange = ExchangeName::parse(Sources::STATIC)?;
    let quoted = instruments.iter().filter(|instrument| instrument.spec.sources.contains(Sources::STATIC));
    let quotes = quoted.filter(|instrument| instrument.spec.reference_price.is_some()).map(|instrument| Quote {
        exchange,
        instrument: instrument.id,
        bid: instrument.spec.reference_price,
        bid_size: None,
        ask: instrument.spec.reference_price,
        ask_size: None,
    });
    Ok(quotes.collect())
}

fn queue_settings(config: &Config) -> queue::Settings {
    let queue = &config.queue;
    queue::Settings {
        orders_capacity: queue.orders_capacity,
        cancels_capacity: queue.cancels_capacity,
        discipline: match queue.discipline {
            crate::config::Discipline::Fifo => Discipline::Fifo,
            crate::config::Discipline::MarketFirst => Discipline::MarketFirst,
        },
        on_full: match queue.on_full {
            ConfigOnFull::Reject => OnFull::Reject,
            ConfigOnFull::Wait => OnFull::Wait(queue.enqueue_timeout),
        },
    }
}

/// The wall clock.
pub fn system_clock() -> Nanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
