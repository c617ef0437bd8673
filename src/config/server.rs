//! `[server]`: where the venue listens and where it keeps things.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::problem::Problems;
use super::value::{self, Text};

/// Where the venue listens, how it serves, where it keeps things.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// Address and port, as `127.0.0.1:8080` or `[::1]:8080`; port 0 takes a free one. Default `127.0.0.1:8080`.
    #[serde(deserialize_with = "value::one")]
    pub listen: SocketAddr,
    /// The folder of what the venue keeps, relative to the working directory. Default `data`.
    pub data_dir: PathBuf,
    /// Threads that serve connections, 0 to 1,024; 0 is one per core. Default 0.
    pub workers: usize,
    /// How long a request may wait for its answer before 504, above zero. Default `5s`.
    #[serde(deserialize_with = "value::one", serialize_with = "value::write_duration")]
    pub request_timeout: Duration,
    /// How long a stop may take before the process ends regardless. Default `10s`.
    #[serde(deserialize_with = "value::one", serialize_with = "value::write_duration")]
    pub shutdown_grace: Duration,
}

/// More threads than this help on no machine.
const WORKERS_MAX: usize = 1_024;

impl ServerConfig {
    /// How many threads serve connections, at least one: the first is the one that everything but the disks runs on.
    pub fn workers(&self) -> usize {
        match self.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from).min(WORKERS_MAX),
            configured => configured,
        }
    }

    pub(super) fn check(&self, at: &str, problems: &mut Problems) {
        if self.data_dir.as_os_str().is_empty() {
            problems.push(format!("{at}.data_dir"), "must name a folder");
        }
        problems.range(format!("{at}.workers"), self.workers, 0, WORKERS_MAX);
        problems.above_zero(format!("{at}.request_timeout"), self.request_timeout);
    }
}

impl Text for SocketAddr {
    const MUST_BE: &str = "an IP address and a port in quotes, such as \"127.0.0.1:8080\"";

    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("must be {}", Self::MUST_BE))
    }
}
