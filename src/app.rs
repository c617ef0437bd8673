//! The wiring, in one place: channels, tasks, the order of shutdown.
//!
//! [`App::build`] binds and connects everything, [`App::run`] serves until told to stop. Tests, the binary and a graceful
//! shutdown are one code path.
//!
//! Threads: the one that runs [`App`] has every task of the venue, the executor first of all, and serves connections as well, as do
//! the other [`Workers`]. What keeps, makes or reads things beside that has threads of its own: the journal, what finishes its
//! batches, the log of executions, snapshots, history, the process' log.
//!
//! Shutdown, within `shutdown_grace`: new orders are refused, the queue drains, the last executions are published, sockets
//! get what is left and close with 1001, open requests are answered, the process ends. A task that ends before that ends
//! the process too, and is named.

mod descriptors;
pub(crate) mod market;
pub(crate) mod tasks;
mod watched;
mod workers;

use std::{
    future::Future,
    net::SocketAddr,
    num::NonZeroU32,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use anyhow::{Context, anyhow};
use tokio::{net::TcpListener, runtime::Handle, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::api::{
    self, Access, Books, Keyring, Limits, QuotesByHand, RateSettings, Rates, Seats, Shared, State, StreamLimits, Worker,
};
use crate::config::{AuthMode, Config, DEFAULT_ACCOUNT, LimitsConfig, OverLimit, RateLimitConfig};
use crate::read::ReadModel;
use crate::telemetry::Metrics;
use crate::venue::{self, Branch, Running, Venue, system_clock};
pub use descriptors::raise_limit;
use market::Market;
use tasks::Tasks;
use workers::Workers;

/// How long whoever asks is told that a task has failed, before connections that wait for the next question are closed: on those
/// that are closed at once, the next is lost unanswered.
const TOLD: Duration = Duration::from_millis(250);
/// How long open requests may take to be answered after a task has failed.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// How much one client may ask, as configured; `None`: as much as it can.
fn rates(config: &RateLimitConfig) -> Option<Rates> {
    let per_second = NonZeroU32::new(config.per_second)?;
    let burst = NonZeroU32::new(config.burst).unwrap_or(per_second);
    let max_wait = match config.over_limit {
        OverLimit::Reject => Duration::ZERO,
        OverLimit::Queue => config.max_wait,
    };
    Some(Rates::new(RateSettings { per_second, burst, max_wait }))
}

/// What one client may take up, as configured.
fn limits(config: &LimitsConfig) -> Limits {
    Limits {
        connections: config.connections,
        connections_per_address: config.connections_per_address,
        sockets_per_account: config.sockets_per_account,
        head_bytes: config.head_bytes,
        headers: config.headers,
        head_timeout: config.head_timeout,
        url_bytes: config.url_bytes,
        body_bytes: config.body_bytes,
        batch_body_bytes: config.batch_body_bytes,
        body_timeout: config.body_timeout,
        json_depth: config.json_depth,
        write_timeout: config.write_timeout,
        message_bytes: config.message_bytes,
        in_flight: config.in_flight,
        subscriptions: config.subscriptions,
        idle_timeout: config.idle_timeout,
    }
}

/// The name of history's thread.
const HISTORY: &str = "history";

/// Who may ask, as configured.
fn access(config: &Config, read: &ReadModel) -> anyhow::Result<Access> {
    if config.auth.mode != AuthMode::Keys {
        if config.accounts.iter().any(|account| !account.keys.is_empty()) {
            tracing::warn!("accounts have keys, and auth.mode is local: nobody is asked for one");
        }
        return read.account_id(DEFAULT_ACCOUNT).map(Access::Open).context("there is no default account");
    }
    let mut keyring = Keyring::default();
    for account in &config.accounts {
        let id = read.account_id(account.name.as_str()).context("an account was not opened")?;
        for key in &account.keys {
            keyring.add(key.hash, id, key.scopes.iter().copied().collect());
        }
    }
    Ok(Access::Keys(keyring))
}

/// Watches the threads that keep things; their names, in the order in which they end.
fn watch_threads(venue: &mut Running, tasks: &mut Tasks, drain: &CancellationToken) -> Vec<&'static str> {
    let mut names = Vec::new();
    if let Some(ended) = venue.journal_ended() {
        names.push("journal");
        tasks.spawn_fallible("journal", async { Ok(ended.wait().await?) });
    }
    if let Some(ended) = venue.executions_ended() {
        names.push("executions");
        let draining = drain.clone();
        tasks.spawn_fallible("executions", async move {
            ended.wait().await?;
            // It ends after the journal. If nobody asked for that, it is for the journal to say why.
            draining.cancelled().await;
            Ok(())
        });
    }
    if let Some(ended) = venue.history_ended() {
        names.push(HISTORY);
        tasks.spawn_fallible(HISTORY, async { ended.await.context("its thread panicked") });
    }
    if let Some(ended) = venue.snapshots_ended() {
        tasks.spawn("snapshots", async { drop(ended.await) });
    }
    names
}

/// A venue that is bound to its address and about to serve.
#[expect(missing_debug_implementations, reason = "a running venue has nothing to show")]
pub struct App {
    listener: TcpListener,
    addr: SocketAddr,
    state: State,
    venue: Running,
    market: Market,
    branches: Vec<Branch>,
    workers: Workers,
    shutdown_grace: Duration,
}

impl App {
    /// Binds the address and connects everything.
    ///
    /// # Errors
    ///
    /// If the configuration is not safe to serve, or the address cannot be had.
    pub async fn build(config: &Config) -> anyhow::Result<Self> {
        Self::build_with(config, &venue::Settings::default()).await
    }

    /// The same, with settings that nobody configures.
    ///
    /// # Errors
    ///
    /// As [`App::build`].
    pub async fn build_with(config: &Config, settings: &venue::Settings) -> anyhow::Result<Self> {
        config.check()?;
        if config.auth.mode == AuthMode::Open {
            tracing::warn!("auth.mode is open: whoever reaches the port can trade");
        }
        let listen = config.server.listen;
        let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
        let addr = listener.local_addr().context("the listener has no address")?;
        let (venue, mut running) = Venue::open(config, settings, system_clock)?;
        let market = Market::build(config, &venue, running.quotes())?;
        let metrics = Metrics::new(venue.intake.clone(), watched::all(&venue, &market.board));
        let shared = Shared {
            access: access(config, &venue.read)?,
            origins: config.auth.origins.clone(),
            rates: rates(&config.rate_limit),
            admission: venue.admission,
            read: venue.read,
            history: venue.history,
            hub: venue.hub,
            board: market.board.clone(),
            by_hand: QuotesByHand::default(),
            books: Books::default(),
            metrics,
            now: system_clock,
            journal_failed: venue.journal_failed,
            epoch: venue.epoch,
            request_timeout: config.server.request_timeout,
            limits: limits(&config.limits),
            stream: StreamLimits {
                lag_limit: config.stream.lag_limit as u64,
                stall_timeout: config.stream.stall_timeout,
                send_buffer: config.stream.send_buffer,
            },
            draining: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            sockets: TaskTracker::new(),
            closing: CancellationToken::new(),
            seats: Seats::default(),
            connections: AtomicU64::new(0),
        };
        let (state, shutdown_grace) = (State::new(venue.intake, shared), config.server.shutdown_grace);
        let branches = running.branches();
        let workers = Workers::start(branches.len()).context("cannot start the threads that serve")?;
        Ok(Self { listener, addr, state, venue: running, market, branches, workers, shutdown_grace })
    }

    /// Where it listens; tells the port that port 0 became.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Serves until `shutdown` completes, then ends in order.
    ///
    /// # Errors
    ///
    /// If a task ends before it should, or the shutdown takes longer than its grace.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        let Self { listener, addr, state, mut venue, market, branches, workers, shutdown_grace } = self;
        let (drain, stop) = (CancellationToken::new(), CancellationToken::new());
        let connections = TaskTracker::new();
        let mut tasks = Tasks::default();
        let threads = watch_threads(&mut venue, &mut tasks, &drain);
        let mut serving = vec![Worker::new(Handle::current(), state.clone())];
        let mut others = Vec::new();
        for (branch, runtime) in branches.into_iter().zip(&workers.runtimes) {
            let name = format!("worker {}", serving.len());
            serving.push(Worker::new(runtime.clone(), state.with_intake(branch.intake.clone())));
            tasks.spawn_on(runtime, &name, branch.run(drain.clone()));
            others.push(name);
        }
        let configured = venue.configured();
        tasks.spawn("executor", venue.run(drain.clone()));
        market.spawn(&mut tasks, &stop);
        if state.rates.is_some() {
            tasks.spawn("rate limits", api::forget_idle(state.clone(), stop.clone()));
        }
        let served = api::serve(listener, serving, connections.clone(), stop.clone());
        tasks.spawn("server", async {
            // Who connects before is accepted after.
            configured.await;
            served.await;
        });
        tracing::info!(%addr, "listening");

        tokio::select! {
            ended = tasks.ended() => {
                // Nothing is taken in any more; who waits is still told so.
                state.draining.store(true, Relaxed);
                state.failed.store(true, Relaxed);
                state.refuse_all();
                state.closing.cancel();
                tokio::time::sleep(TOLD).await;
                stop.cancel();
                connections.close();
                drop(tokio::time::timeout(LAST_ANSWERS, connections.wait()).await);
                return Err(ended);
            }
            () = shutdown => tracing::info!("shutting down"),
        }
        let deadline = Instant::now() + shutdown_grace;
        let in_order = async {
            state.draining.store(true, Relaxed);
            drain.cancel();
            tasks.wait_for("executor").await?;
            for thread in threads {
                if let Some(history) = state.history.as_ref().filter(|_| thread == HISTORY) {
                    // All that it could take in is written by now.
                    history.stop();
                }
                tasks.wait_for(thread).await?;
            }
            for worker in others {
                tasks.wait_for(&worker).await?;
            }
            state.closing.cancel();
            state.sockets.close();
            state.sockets.wait().await;
            stop.cancel();
            connections.close();
            connections.wait().await;
            tasks.wait_for_all().await
        };
        match tokio::time::timeout_at(deadline, in_order).await {
            Ok(ended) => ended,
            Err(_) => Err(anyhow!("the shutdown took longer than {shutdown_grace:?}")),
        }
    }
}
