//! Asks a venue whether it is ready: what a container's health check runs.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, bail, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The most of an answer that is read: its first line says it all.
const ANSWER_BYTES_MAX: u64 = 4 * 1024;

/// Asks the venue on `listen` for its readiness.
///
/// # Errors
///
/// If it does not answer within `timeout`, or answers that it is not ready.
pub async fn ready(listen: SocketAddr, timeout: Duration) -> anyhow::Result<()> {
    let mut addr = listen;
    if addr.ip().is_unspecified() {
        addr.set_ip(if addr.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
    }
    match tokio::time::timeout(timeout, ask(addr)).await {
        Ok(ready) => ready,
        Err(_) => bail!("no answer from {addr} within {timeout:?}"),
    }
}

async fn ask(addr: SocketAddr) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(addr).await.with_context(|| format!("cannot connect to {addr}"))?;
    stream.write_all(format!("GET /readyz HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
    let status = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
    ensure!(status == b"HTTP/1.1 200 OK", "not ready: {}", String::from_utf8_lossy(status));
    Ok(())
}
