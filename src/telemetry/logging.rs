//! The log: one line an event, to standard error, by way of [`stderr`].

use std::io::{self, IsTerminal as _};

use tracing_subscriber::filter::{EnvFilter, ParseError};

use super::stderr;
use crate::config::{LogConfig, LogFormat};

/// The variable whose filter takes the place of the configured one.
const VARIABLE: &str = "RUST_LOG";

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// A filter that cannot be read; the configured one is checked when it is loaded.
    #[error("{origin}: must be a level such as \"info\", or a filter")]
    Filter {
        /// Where it was set.
        origin: &'static str,
        /// What is wrong with it.
        #[source]
        source: ParseError,
    },
    /// The process has a log already.
    #[error("the log is set up already")]
    AlreadySet(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The system has no thread to give to the log.
    #[error("cannot start the thread that writes the log")]
    Thread(#[source] io::Error),
}

/// Starts the log of this process, as `log` says or `RUST_LOG` in its place. Once per process.
///
/// # Errors
///
/// [`LoggingError`] for a filter that cannot be read, for want of a thread, and for a second call.
pub fn init(log: &LogConfig) -> Result<(), LoggingError> {
    let filter = filter(std::env::var(VARIABLE).ok(), log)?;
    stderr::start().map_err(LoggingError::Thread)?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| stderr::Writer);
    match log.format {
        LogFormat::Pretty => lines.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    }
    .map_err(LoggingError::AlreadySet)
}

fn filter(variable: Option<String>, log: &LogConfig) -> Result<EnvFilter, LoggingError> {
    let (origin, text) = match &variable {
        Some(text) if !text.is_empty() => (VARIABLE, text),
        _ => ("log.filter", &log.filter),
    };
    EnvFilter::builder().parse(text).map_err(|source| LoggingError::Filter { origin, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_takes_the_place_of_the_configured_filter() {
        let log = LogConfig { format: LogFormat::Json, filter: "info".to_owned() };
        let shown = |variable: Option<&str>| filter(variable.map(str::to_owned), &log).map(|filter| filter.to_string());
        assert_eq!(shown(None).unwrap(), "info");
        assert_eq!(shown(Some("")).unwrap(), "info");
        assert_eq!(shown(Some("openoutcry=debug")).unwrap(), "openoutcry=debug");
        let error = shown(Some("x=loud")).unwrap_err().to_string();
        assert_eq!(error, "RUST_LOG: must be a level such as \"info\", or a filter");
    }
}
