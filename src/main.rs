//! The command line: reads it and the configuration, starts the log, runs, and turns the end into an exit code.

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use mimalloc::MiMalloc;
use openoutcry::{
    app::{self, App},
    config::{Config, ConfigError},
    demo,
    domain::AccountName,
    health,
    history::Summary,
    inspect, key, tail, telemetry, venue,
};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Requests and executions are many small allocations, made by one thread and freed by another: what it is good at.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The exit code for a command line or a configuration that cannot be used (`EX_USAGE` of sysexits.h).
const BAD_USAGE: u8 = 64;
/// What a shell adds to the number of a signal that ended a process, and this one where a second signal did.
const SIGNALED: i32 = 128;

/// An order-execution venue in one binary.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Option<Verb>,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Serve a venue; also what happens without a command.
    Serve,
    /// Run three exchanges and two strategies against a venue in this process, and print what became of their orders.
    Demo,
    /// Check a configuration and print what it comes to.
    Check,
    /// Follow a running venue's stream, a line a message.
    Tail(tail::Wish),
    /// Print what the journal in a stopped venue's data directory has, a line of JSON a record, or check it.
    Journal(inspect::Wish),
    /// Execute all that a stopped venue's journal has once more, and compare it with what was recorded.
    Replay {
        /// The data directory of a stopped venue.
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },
    /// Ask the venue that this configuration describes whether it is ready; exit 0 if so.
    Health,
    /// Say what is in the history of a data directory, or make it anew from the log of executions.
    History {
        /// The data directory.
        #[arg(value_name = "DIR")]
        dir: PathBuf,
        /// Make it anew; the venue must be stopped.
        #[arg(long)]
        rebuild: bool,
    },
    /// Make keys.
    #[command(subcommand)]
    Key(KeyVerb),
}

#[derive(Debug, Subcommand)]
enum KeyVerb {
    /// Make a key: print it, once, and the line of the configuration that lets it in.
    New {
        /// The account that it acts for.
        #[arg(long, default_value = "default", value_name = "NAME", value_parser = AccountName::parse)]
        account: AccountName,
    },
}

#[derive(Debug, Args)]
struct Options {
    /// A TOML file that is laid over the defaults.
    #[arg(long, global = true, env = "OPENOUTCRY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The address and port to serve on.
    #[arg(long, global = true, env = "OPENOUTCRY_LISTEN", value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// The folder of what the venue keeps.
    #[arg(long, global = true, env = "OPENOUTCRY_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Who has closed the pipe has seen enough.
            error.print().ok();
            return if error.use_stderr() { ExitCode::from(BAD_USAGE) } else { ExitCode::SUCCESS };
        }
    };
    match run(cli) {
        Ok(()) => {
            telemetry::stderr::flush();
            ExitCode::SUCCESS
        }
        Err(error) => {
            let code = if error.is::<ConfigError>() { BAD_USAGE } else { 1 };
            say_error(&error);
            ExitCode::from(code)
        }
    }
}

/// Says why the process ends, after all that it logged.
fn say_error(error: &anyhow::Error) {
    telemetry::stderr::last_words(&format!("openoutcry: {error:#}"));
}

/// Prints what was asked for; who has closed the pipe has seen enough.
fn say(text: &str) -> anyhow::Result<()> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        said => said.context("cannot write to standard output"),
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    if let Some(Verb::Key(KeyVerb::New { account })) = &cli.command {
        return say(&key::new(account.as_str())?);
    }
    if let Some(Verb::History { dir, rebuild }) = &cli.command {
        let summary = if *rebuild { venue::history::rebuild(dir)? } else { venue::history::summary(dir)? };
        let Summary { epoch, orders, executions } = summary;
        return say(&format!("epoch {epoch}, {orders} orders, {executions} executions"));
    }
    let mut config = configuration(&cli.options)?;
    match cli.command.unwrap_or(Verb::Serve) {
        Verb::Serve => {
            telemetry::logging::init(&config.log)?;
            config.limits.connections = app::raise_limit(config.limits.connections, config.server.workers());
            runtime()?.block_on(serve(&config))
        }
        Verb::Demo => {
            let summary = runtime()?.block_on(demo::run())?;
            say(&summary)
        }
        Verb::Check => {
            config.check()?;
            say(&config.effective_toml()?)
        }
        Verb::Tail(wish) => {
            telemetry::logging::init(&config.log)?;
            runtime()?.block_on(tail::run(config.server.listen, &wish, &mut io::stdout()))
        }
        Verb::Journal(wish) => inspect::journal(&wish, &mut io::stdout()),
        Verb::Replay { dir } => say(&inspect::replay(&dir)?.to_string()),
        Verb::Health => {
            let listen = config.server.listen;
            runtime()?.block_on(health::ready(listen, config.server.request_timeout))?;
            say("ready")
        }
        // These need no configuration, so that they are done by now.
        Verb::Key(_) | Verb::History { .. } => Ok(()),
    }
}

fn configuration(options: &Options) -> Result<Config, ConfigError> {
    let mut config = Config::load(options.config.as_deref(), Config::environment())?;
    if let Some(listen) = options.listen {
        config.set_listen(listen);
    }
    if let Some(data_dir) = &options.data_dir {
        config.server.data_dir.clone_from(data_dir);
    }
    Ok(config)
}

/// A runtime of this thread alone; `serve` has workers besides.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start the runtime")
}

async fn serve(config: &Config) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let app = App::build(config).await?;
    app.run(async move {
        signals.next().await;
        // A second signal does not wait for anything.
        tokio::spawn(async move {
            let signal = signals.next().await;
            tracing::warn!("a second signal: ending at once");
            telemetry::stderr::flush();
            std::process::exit(SIGNALED + signal.as_raw_value());
        });
    })
    .await
}

/// Ctrl-C and SIGTERM.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// A file beyond the size that a process may write. Nobody waits for it, but with it the write fails and says so; without, the
    /// process would end without a word.
    _too_large: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
        let terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let too_large = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
        let _too_large = signal(too_large).context("cannot listen for SIGXFSZ")?;
        Ok(Self { interrupt, terminate, _too_large })
    }

    async fn next(&mut self) -> SignalKind {
        tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.terminate.recv() => SignalKind::terminate(),
        }
    }
}
