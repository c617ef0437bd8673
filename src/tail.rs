//! `openoutcry tail`: follows a venue's stream from the command line, a line a message.

use std::{io::Write, net::SocketAddr};

use anyhow::{Context, anyhow, ensure};
use futures_util::StreamExt;
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest, protocol::frame::coding::CloseCode},
};

use crate::key::Secret;

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
    /// The key to follow with, where the venue asks for one. The environment is safer: other users see command lines.
    #[arg(long, env = "OPENOUTCRY_KEY", hide_env_values = true)]
    pub key: Option<Secret>,
}

/// Writes what the venue on `addr` sends to `out`, until it closes the stream.
///
/// # Errors
///
/// If it cannot be reached, refuses, closes the stream for another reason than its own end, or the stream or `out` breaks.
pub async fn run(addr: SocketAddr, wish: &Wish, out: &mut impl Write) -> anyhow::Result<()> {
    let mut url = format!("ws://{addr}/stream?channels={}", wish.channels);
    if let Some(symbols) = &wish.symbols {
        url.push_str(&format!("&symbols={symbols}"));
    }
    if let Some(from_seq) = wish.from_seq {
        url.push_str(&format!("&from_seq={from_seq}"));
    }
    let mut request = url.as_str().into_client_request().with_context(|| format!("{url} is no address"))?;
    if let Some(key) = &wish.key {
        let value = key.authorization().parse().ok().context("the key has characters that no key has")?;
        request.headers_mut().insert("authorization", value);
    }
    let (mut stream, _) = connect_async(request).await.map_err(|error| anyhow!("cannot follow {url}: {}", why(error)))?;
    while let Some(message) = stream.next().await {
        match message.context("the stream broke")? {
            Message::Text(text) => {
                writeln!(out, "{text}")?;
                out.flush()?;
            }
            Message::Close(frame) => {
                let is_end = frame.as_ref().is_none_or(|frame| matches!(frame.code, CloseCode::Away | CloseCode::Normal));
                let said = frame.map_or_else(String::new, |frame| format!(" with {}: {}", frame.code, frame.reason));
                // A script that follows must learn of a gap, and that it was too slow.
                ensure!(is_end, "the venue closed the stream{said}");
                tracing::info!("the venue closed the stream{said}");
                break;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Why the venue cannot be followed: what it answers, or what is between.
fn why(error: Error) -> String {
    match error {
        Error::Http(answer) => {
            let problem = answer.body().as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            format!("{} {problem}", answer.status())
        }
        error => error.to_string(),
    }
}
