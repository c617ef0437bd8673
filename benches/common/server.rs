//! Servers under load: the venue, and the yardsticks, which are this very bench started again with an argument.

use std::{
    net::SocketAddr,
    os::unix::fs::MetadataExt,
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
    process::{Child, Command},
};

use super::PATIENCE;

/// What a server's log says before its address.
const ADDR: &str = "\"addr\":\"";
/// The configuration's file, in the data directory.
const CONFIG: &str = "venue.toml";
/// The unit of a file's blocks, on any file system.
const BLOCK_BYTES: u64 = 512;
/// The threads that a yardstick usually serves with; the venue takes one per core.
pub(crate) const YARDSTICK_WORKERS: usize = 2;

/// A server in a process of its own, which ends with this.
#[derive(Debug)]
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) addr: SocketAddr,
    child: Child,
    /// Empty at the start, gone at the end.
    data: TempDir,
}

impl Server {
    /// `openoutcry serve` with its default configuration, and what the environment of this bench changes in it:
    /// `OPENOUTCRY_SERVER__WORKERS=1 cargo bench …` measures one worker.
    pub(crate) async fn venue() -> anyhow::Result<Self> {
        Self::start_venue("", None).await
    }

    /// Kills it and starts it again on what it kept; how long that took until it listened.
    pub(crate) async fn restart(mut self) -> anyhow::Result<(Self, Duration)> {
        self.child.start_kill()?;
        self.child.wait().await?;
        let started = Instant::now();
        let again = Self::start_venue_in(self.data, None).await?;
        Ok((again, started.elapsed()))
    }

    /// [`Server::venue`], in memory alone.
    pub(crate) async fn venue_in_memory() -> anyhow::Result<Self> {
        Self::start_venue("", Some("none")).await
    }

    /// [`Server::venue`] with this configuration over the default one.
    pub(crate) async fn venue_of(toml: &str) -> anyhow::Result<Self> {
        Self::start_venue(toml, None).await
    }

    async fn start_venue(toml: &str, mode: Option<&str>) -> anyhow::Result<Self> {
        // In the working directory: what is temporary may be in memory.
        let data = tempfile::tempdir_in(".")?;
        std::fs::write(data.path().join(CONFIG), toml)?;
        Self::start_venue_in(data, mode).await
    }

    async fn start_venue_in(data: TempDir, mode: Option<&str>) -> anyhow::Result<Self> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_openoutcry"));
        command.arg("serve").args(["--listen", "127.0.0.1:0", "--data-dir"]).arg(data.path());
        command.arg("--config").arg(data.path().join(CONFIG));
        command.env("OPENOUTCRY_LOG__FORMAT", "json").env("RUST_LOG", "info");
        if let Some(mode) = mode {
            command.env("OPENOUTCRY_JOURNAL__MODE", mode);
        }
        Self::start(command, data).await
    }

    /// This bench as the server that its `main` makes of `argument`.
    pub(crate) async fn yardstick(argument: &str) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(argument);
        Self::start(command, tempfile::tempdir()?).await
    }

    async fn start(mut command: Command, data: TempDir) -> anyhow::Result<Self> {
        command.stdin(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let mut log = BufReader::new(child.stderr.take().context("the log is piped")?).lines();
        let listening = async {
            while let Some(line) = log.next_line().await? {
                if let Some((_, rest)) = line.split_once(ADDR) {
                    return rest.split('"').next().unwrap_or_default().parse().map_err(anyhow::Error::from);
                }
            }
            Err(anyhow!("a server ended before it listened"))
        };
        let addr = tokio::time::timeout(PATIENCE, listening).await??;
        // Whatever else it has to say is a warning that the figures are not what they seem.
        tokio::task::spawn_local(async move {
            while let Ok(Some(line)) = log.next_line().await {
                if !line.contains("\"level\":\"INFO\"") {
                    super::say(&format!("server: {line}"));
                }
            }
        });
        Ok(Self { addr, child, data })
    }

    /// The processor time that it has used so far, of all its threads.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let id = self.child.id().context("it runs")?;
        let threads = std::fs::read_dir(format!("/proc/{id}/task"))?;
        // The first number of a thread's schedstat is how many nanoseconds it ran.
        let ran = threads.map(|thread| -> anyhow::Result<u64> {
            let stat = std::fs::read_to_string(thread?.path().join("schedstat"))?;
            Ok(stat.split(' ').next().unwrap_or_default().parse()?)
        });
        Ok(Duration::from_nanos(ran.sum::<anyhow::Result<u64>>()?))
    }

    /// The bytes of memory that it has in use.
    pub(crate) fn memory(&self) -> anyhow::Result<u64> {
        let id = self.child.id().context("it runs")?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        Ok(resident.context("its resident memory")?.parse::<u64>()? * 1024)
    }

    /// The bytes of disk that what it keeps under this name takes: a folder, or files that begin with it.
    pub(crate) fn disk(&self, name: &str) -> anyhow::Result<u64> {
        let folder = self.data.path().join(name);
        let (folder, prefix) = if folder.is_dir() { (folder.as_path(), "") } else { (self.data.path(), name) };
        let mut blocks = 0;
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(prefix) {
                // It may be removed meanwhile.
                blocks += entry.metadata().map_or(0, |metadata| metadata.blocks());
            }
        }
        Ok(blocks * BLOCK_BYTES)
    }

    /// Ends it now.
    pub(crate) async fn end(mut self) -> anyhow::Result<ExitStatus> {
        self.child.start_kill()?;
        Ok(self.child.wait().await?)
    }
}

/// Serves a yardstick on a free port, with so many threads, until the process is killed.
pub(crate) fn serve_yardstick(workers: usize, router: axum::Router) -> anyhow::Result<()> {
    let mut runtime = match workers {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    if workers > 1 {
        runtime.worker_threads(workers);
    }
    runtime.enable_all().build()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        announce(listener.local_addr()?);
        Ok(axum::serve(listener, router).await?)
    })
}

#[expect(clippy::print_stderr, reason = "the log line that the bench waits for")]
pub(crate) fn announce(addr: SocketAddr) {
    eprintln!("{{\"level\":\"INFO\",{ADDR}{addr}\"}}");
}
