//! Servers to be compared with, each this bench started again: what everyone writes, and the least that can be done.
//!
//! `POST /publish/{batch}` with a number has them send so many messages to whoever is connected to `/stream`, giving way to the
//! readers after each `batch` of them.

use std::{
    fmt::Write as _,
    io::{self, IoSlice},
    sync::{Arc, PoisonError, RwLock},
};

use anyhow::Context;
use axum::{
    Router,
    extract::{
        Path, State,
        ws::{Message, Utf8Bytes, WebSocketUpgrade},
    },
    http::StatusCode,
    response::Response,
    routing::{get, post},
};
use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{broadcast, watch},
};

use crate::common::{
    http::head_length,
    server::{YARDSTICK_WORKERS, announce, serve_yardstick},
    socket::EXECUTION,
};

/// The argument, with the bytes of a message after it, that makes this bench the server that everyone writes.
pub(crate) const BROADCAST: &str = "--broadcast=";
/// The argument that makes it one log of bytes, written from as far as each socket takes it.
pub(crate) const CURSORS: &str = "--cursors=";
/// More messages than any case has.
const MESSAGES_MAX: usize = 1 << 17;
/// How many blocks one write may gather.
const SLICES_MAX: usize = 64;

/// Serves what the arguments ask for; `None`: they ask for no yardstick.
pub(crate) fn serve() -> Option<anyhow::Result<()>> {
    std::env::args().find_map(|argument| {
        let bytes = |name| argument.strip_prefix(name).map(|bytes| bytes.parse::<usize>().context("bytes of a message"));
        let broadcast = bytes(BROADCAST).map(|bytes| serve_yardstick(YARDSTICK_WORKERS, router(bytes?)));
        broadcast.or_else(|| bytes(CURSORS).map(|bytes| serve_cursors(bytes?)))
    })
}

/// The text of a message: as an execution starts, then filled up to `bytes`.
pub(crate) fn message(seq: u64, bytes: usize) -> String {
    let mut text = String::from_utf8_lossy(EXECUTION).into_owned();
    write!(text, "{seq},\"filler\":\"").expect("memory does not fail to write");
    let filler = bytes.saturating_sub(text.len() + 2);
    write!(text, "{:x<filler$}\"}}", "").expect("memory does not fail to write");
    text
}

type Broadcast = Arc<(broadcast::Sender<Utf8Bytes>, usize)>;

/// axum's own WebSocket with a `tokio::sync::broadcast` that holds everything.
fn router(bytes: usize) -> Router {
    let shared: Broadcast = Arc::new((broadcast::Sender::new(MESSAGES_MAX), bytes));
    Router::new().route("/publish/{batch}", post(publish)).route("/stream", get(subscribe)).with_state(shared)
}

async fn publish(State(shared): State<Broadcast>, Path(batch): Path<u64>, messages: String) -> Result<(), StatusCode> {
    let messages: u64 = messages.parse().map_err(|_| StatusCode::BAD_REQUEST)?;
    tokio::spawn(async move {
        let (sender, bytes) = &*shared;
        for seq in 1..=messages {
            // Fails only if nobody listens, and then nobody waits for it.
            drop(sender.send(message(seq, *bytes).into()));
            if seq.is_multiple_of(batch) {
                tokio::task::yield_now().await;
            }
        }
    });
    Ok(())
}

async fn subscribe(State(shared): State<Broadcast>, upgrade: WebSocketUpgrade) -> Response {
    let mut messages = shared.0.subscribe();
    upgrade.on_upgrade(async move |mut socket| {
        // The channel holds everything that is sent, so nobody lags.
        while let Ok(message) = messages.recv().await {
            if socket.send(Message::Text(message)).await.is_err() {
                return;
            }
        }
    })
}

/// One log of finished frames, in blocks; who has read it to its end waits for it to grow.
#[derive(Debug, Default)]
struct Log {
    blocks: RwLock<Vec<Bytes>>,
    count: watch::Sender<usize>,
}

impl Log {
    fn append(&self, block: Vec<u8>) {
        let mut blocks = self.blocks.write().unwrap_or_else(PoisonError::into_inner);
        blocks.push(block.into());
        self.count.send_replace(blocks.len());
    }

    /// The next blocks, as many as one write gathers.
    fn from(&self, first: usize) -> Vec<Bytes> {
        let blocks = self.blocks.read().unwrap_or_else(PoisonError::into_inner);
        blocks.iter().skip(first).take(SLICES_MAX).cloned().collect()
    }
}

/// No HTTP but a head's first line, no WebSocket but finished frames: what a cursor costs, and nothing else.
fn serve_cursors(bytes: usize) -> anyhow::Result<()> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(2).enable_all().build()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        announce(listener.local_addr()?);
        let log = Arc::new(Log::default());
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(connection(stream, log.clone(), bytes));
        }
    })
}

async fn connection(mut stream: TcpStream, log: Arc<Log>, bytes: usize) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut request = Vec::new();
    let head = loop {
        stream.read_buf(&mut request).await?;
        if let Some(length) = head_length(&request) {
            break String::from_utf8(request.drain(..length).collect())?;
        }
    };
    let path = head.split(' ').nth(1).context("a request has a path")?;
    let Some(batch) = path.strip_prefix("/publish/") else {
        stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n").await?;
        return follow(&stream, &log).await;
    };
    let (batch, messages): (u64, u64) = (batch.parse()?, String::from_utf8(request)?.parse()?);
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await?;
    for first in (1..=messages).step_by(usize::try_from(batch)?) {
        let mut block = Vec::new();
        for seq in first..(first + batch).min(messages + 1) {
            let text = message(seq, bytes);
            block.extend_from_slice(&[0x81, 126]);
            block.extend_from_slice(&u16::try_from(text.len())?.to_be_bytes());
            block.extend_from_slice(text.as_bytes());
        }
        log.append(block);
        tokio::task::yield_now().await;
    }
    Ok(())
}

async fn follow(stream: &TcpStream, log: &Log) -> anyhow::Result<()> {
    let (mut count, mut next, mut written) = (log.count.subscribe(), 0, 0);
    loop {
        let blocks = log.from(next);
        if blocks.is_empty() {
            count.changed().await?;
            continue;
        }
        let mut slices: Vec<IoSlice<'_>> = blocks.iter().map(|block| IoSlice::new(block)).collect();
        let mut left: &mut [IoSlice<'_>] = &mut slices;
        IoSlice::advance_slices(&mut left, written);
        stream.writable().await?;
        match stream.try_write_vectored(left) {
            Ok(length) => written += length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        for block in &blocks {
            if written < block.len() {
                break;
            }
            written -= block.len();
            next += 1;
        }
    }
}
