//! `openoutcry tail`: follows a venue's stream from the command line, a line a message.

use std::{io::Write, net::SocketAddr};

use anyhow::Context;
use futures_util::StreamExt;
use tokio_tungstenite::{connect_async, tungstenite::Message};

/// What to follow, as in the query of `GET /stream`.
#[derive(Debug, clap::Args)]
pub struct Wish {
    /// Channels, such as `executions,trades,book,quotes,best,queue`.
    #[arg(long, default_value = "executions")]
    pub channels: String,
    /// Symbols of public channels, such as `BTC-USDT`; all if left out.
    #[arg(long)]
    pub symbols: Option<String>,
    /// Executions from this number on; those to come if left out.
    #[arg(long)]
    pub from_seq: Option<u64>,
}

/// Writes what the venue on `addr` sends to `out`, until it closes the stream.
///
/// # Errors
///
/// If it cannot be reached, refuses, or the stream or `out` breaks.
pub async fn run(addr: SocketAddr, wish: &Wish, out: &mut impl Write) -> anyhow::Result<()> {
    let mut url = format!("ws://{addr}/stream?channels={}", wish.channels);
    if let Some(symbols) = &wish.symbols {
        url.push_str(&format!("&symbols={symbols}"));
    }
    if let Some(from_seq) = wish.from_seq {
        url.push_str(&format!("&from_seq={from_seq}"));
    }
    let (mut stream, _) = connect_async(&url).await.with_context(|| format!("cannot follow {url}"))?;
    while let Some(message) = stream.next().await {
        match message.context("the stream broke")? {
            Message::Text(text) => {
                writeln!(out, "{text}")?;
                out.flush()?;
            }
            Message::Close(frame) => {
                let said = frame.map_or_else(String::new, |frame| format!(" with {}: {}", frame.code, frame.reason));
                tracing::info!("the venue closed the stream{said}");
                break;
            }
            _ => {}
        }
    }
    Ok(())
}
