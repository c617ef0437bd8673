//! The configuration: one struct a section, one file a struct; each field says its meaning, unit, range and default.
//!
//! The defaults themselves are written in `config/default.toml`, which is compiled in and has every key of every
//! section; a user's file and the environment are laid over it. [`Config::load`] gives a configuration that is right in
//! itself, or says in one line a problem what is wrong, in which file, on which line. What the command line may still
//! change is checked last, by [`Config::check`].

mod account;
mod auth;
mod execution;
mod feed;
mod history;
mod instrument;
mod journal;
mod key;
mod limits;
mod load;
mod log;
mod problem;
mod queue;
mod rate_limit;
mod retain;
mod server;
mod stream;
#[cfg(test)]
mod tests;
mod value;
mod written;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;

use serde::{Deserialize, Serialize};

use self::problem::Problems;
use self::written::Written;
use crate::domain::Sources;

pub use self::account::AccountConfig;
pub use self::auth::{AuthConfig, AuthMode};
pub use self::execution::ExecutionConfig;
pub use self::feed::{FeedConfig, FeedKind};
pub use self::history::HistoryConfig;
pub use self::instrument::InstrumentConfig;
pub use self::journal::{JournalConfig, JournalMode};
pub use self::key::KeyConfig;
pub use self::limits::LimitsConfig;
pub use self::log::{LogConfig, LogFormat};
pub use self::problem::ConfigError;
pub use self::queue::{Discipline, OnFull, QueueConfig};
pub use self::rate_limit::{OverLimit, RateLimitConfig};
pub use self::retain::Retain;
pub use self::server::ServerConfig;
pub use self::stream::StreamConfig;
pub use self::value::TimeOfDay;

/// All that a venue is told at its start.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the venue listens and keeps things.
    pub server: ServerConfig,
    /// What the process says about itself.
    pub log: LogConfig,
    /// The lanes between the requests and the executor.
    pub queue: QueueConfig,
    /// The executor.
    pub execution: ExecutionConfig,
    /// What survives the process.
    pub journal: JournalConfig,
    /// What can be asked of orders that ended long ago.
    pub history: HistoryConfig,
    /// Who may ask.
    pub auth: AuthConfig,
    /// How much one client may ask.
    pub rate_limit: RateLimitConfig,
    /// The log of executions that connections read.
    pub stream: StreamConfig,
    /// What one client may take up.
    pub limits: LimitsConfig,
    /// What is traded, 1 to 10,000.
    pub instruments: Vec<InstrumentConfig>,
    /// Who trades, 1 to 100,000; where no keys are asked for, requests act for `default`.
    pub accounts: Vec<AccountConfig>,
    /// Where prices come from, up to 64.
    pub feeds: Vec<FeedConfig>,
    #[serde(skip)]
    written: Written,
}

/// The most instruments of one venue.
const INSTRUMENTS_MAX: usize = 10_000;
/// The most accounts of one venue.
const ACCOUNTS_MAX: usize = 100_000;
/// The most feeds of one venue.
const FEEDS_MAX: usize = 64;
/// The account that requests act for where no keys are asked for.
pub(crate) const DEFAULT_ACCOUNT: &str = "default";

impl Config {
    /// Loads the defaults, `file` laid over them, and `OPENOUTCRY_SECTION__KEY` variables over both.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names what is wrong, and where.
    pub fn load(file: Option<&Path>, environment: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let Some(path) = file else { return load::load(None, environment) };
        let text = load::read(path)?;
        load::load(Some(load::Source { name: &path.display().to_string(), text: &text }), environment)
    }

    /// Loads the defaults with `text` laid over them, which errors call `name`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names what is wrong, and where.
    pub fn from_text(name: &str, text: &str) -> Result<Self, ConfigError> {
        load::load(Some(load::Source { name, text }), std::iter::empty())
    }

    /// The variables of this process's environment; what is no text in them is replaced by `\u{FFFD}`.
    pub fn environment() -> impl Iterator<Item = (String, String)> {
        std::env::vars_os().map(|(name, value)| (name.to_string_lossy().into(), value.to_string_lossy().into()))
    }

    /// The configuration as a file that would give just this one, every key written out.
    ///
    /// # Errors
    ///
    /// If a path in it is no text, which a configuration that came from a file cannot have.
    pub fn effective_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }

    /// Listens there, as the command line says.
    pub fn set_listen(&mut self, listen: SocketAddr) {
        self.server.listen = listen;
        self.written.set("server.listen", "--listen or OPENOUTCRY_LISTEN");
    }

    /// That a `key` which is right in itself cannot be used, and where it was written. Lists are counted from 0: `instruments[0].tick_size`.
    pub fn refusal(&self, key: &str, message: &str) -> ConfigError {
        vec![self.written.problem(key, message)].into()
    }

    /// Checks what the command line can still change after [`Config::load`]: that a venue which answers without keys
    /// is not reachable from other machines unless that is asked for.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] says what to set.
    pub fn check(&self) -> Result<(), ConfigError> {
        let listen = self.server.listen;
        if self.auth.mode != AuthMode::Local || listen.ip().to_canonical().is_loopback() {
            return Ok(());
        }
        let message = format!(
            "{listen} can be reached from other machines, and auth.mode = \"local\" is for this one: \
             listen on 127.0.0.1 or [::1], or set auth.mode = \"keys\" to ask for keys, or \"open\" to answer anyone"
        );
        Err(self.refusal("server.listen", &message))
    }

    /// Finds what the types let through.
    fn check_values(&self, problems: &mut Problems) {
        self.server.check("server", problems);
        self.log.check("log", problems);
        self.queue.check("queue", problems);
        self.rate_limit.check("rate_limit", problems);
        self.stream.check("stream", problems);
        self.limits.check("limits", problems);
        self.check_instruments(problems);
        self.check_accounts(problems);
        self.check_keys(problems);
        self.check_feeds(problems);
    }

    fn check_instruments(&self, problems: &mut Problems) {
        problems.count("instruments", self.instruments.len(), 1, INSTRUMENTS_MAX);
        let mut seen = BTreeSet::new();
        for (index, instrument) in self.instruments.iter().enumerate() {
            let at = format!("instruments[{index}]");
            instrument.check(&at, problems);
            if !seen.insert(instrument.symbol) {
                problems.push(format!("{at}.symbol"), format!("there are two instruments {}", instrument.symbol));
            }
            for (index, source) in instrument.sources.iter().enumerate() {
                let own = [Sources::STATIC, Sources::MANUAL].contains(&source.as_str());
                let quotes = |feed: &FeedConfig| feed.exchange == *source && feed.symbols.contains_key(&instrument.symbol);
                if !own && !self.feeds.iter().any(quotes) {
                    let message = format!("no feed of {source} has {} among its symbols", instrument.symbol);
                    problems.push(format!("{at}.sources[{index}]"), message);
                }
            }
        }
    }

    fn check_accounts(&self, problems: &mut Problems) {
        problems.count("accounts", self.accounts.len(), 1, ACCOUNTS_MAX);
        let mut seen = BTreeSet::new();
        for (index, account) in self.accounts.iter().enumerate() {
            let at = format!("accounts[{index}]");
            account.check(&at, problems);
            if !seen.insert(account.name) {
                problems.push(format!("{at}.name"), format!("there are two accounts {}", account.name));
            }
        }
        let by_default = self.auth.mode != AuthMode::Keys && !self.accounts.is_empty();
        if by_default && !seen.iter().any(|name| name.as_str() == DEFAULT_ACCOUNT) {
            problems.push("accounts", "one must be named \"default\": requests without a key act for it");
        }
    }

    /// A key acts for one account; and keys that are set must be asked for, wherever others than this machine can ask.
    fn check_keys(&self, problems: &mut Problems) {
        let mut seen = BTreeSet::new();
        for (account, config) in self.accounts.iter().enumerate() {
            for (key, config) in config.keys.iter().enumerate() {
                if !seen.insert(config.hash) {
                    problems.push(format!("accounts[{account}].keys[{key}]"), "another key has this hash already");
                }
            }
        }
        let message = match (self.auth.mode, seen.is_empty()) {
            (AuthMode::Keys, true) => {
                "no account has keys, so that nobody could ask: make one with `openoutcry key new`, and add its hash to \
                 the keys of an account"
            }
            (AuthMode::Open, false) => "accounts have keys, which \"open\" never asks for: set auth.mode = \"keys\"",
            _ => return,
        };
        problems.push("auth.mode", message);
    }

    fn check_feeds(&self, problems: &mut Problems) {
        problems.count("feeds", self.feeds.len(), 0, FEEDS_MAX);
        let mut seen = BTreeSet::new();
        for (index, feed) in self.feeds.iter().enumerate() {
            let at = format!("feeds[{index}]");
            feed.check(&at, problems);
            for symbol in feed.symbols.keys() {
                if !seen.insert((feed.exchange, *symbol)) {
                    let message = format!("another feed of {} has it already", feed.exchange);
                    problems.push(format!("{at}.symbols.{symbol}"), message);
                }
            }
        }
    }
}
