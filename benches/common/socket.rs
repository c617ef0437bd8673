//! A subscriber that does as little as one can: it reads the socket in large pieces and counts executions by their frames'
//! headers, which is what keeps it from being the limit of what it measures.

use std::{cell::RefCell, io, net::SocketAddr, rc::Rc};

use anyhow::{Context, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::http::head_length;

/// How much is read at once.
const READ_BYTES: usize = 256 * 1024;
/// How the frames start that are counted; others (hello, heartbeats, replies) are read over.
pub(crate) const EXECUTION: &[u8] = b"{\"channel\":\"executions\",\"seq\":";

/// The first byte of a close frame.
const CLOSE: u8 = 0x88;

/// The memory that all subscribers of a thread read into, one at a time.
pub(crate) type Scratch = Rc<RefCell<Vec<u8>>>;

/// Memory for any number of subscribers on this thread.
pub(crate) fn scratch() -> Scratch {
    Rc::new(RefCell::new(vec![0; READ_BYTES]))
}

/// A subscriber.
#[derive(Debug)]
pub(crate) struct Subscriber {
    stream: TcpStream,
    scratch: Scratch,
    /// The start of a frame whose rest has not come.
    rest: Vec<u8>,
    /// The reason of a close.
    last_words: String,
    /// How many executions came.
    pub(crate) executions: u64,
    /// How many bytes their frames had.
    pub(crate) bytes: u64,
    /// The sequence of the last one.
    pub(crate) last_seq: u64,
}

impl Subscriber {
    /// Shakes hands on `/stream`, following nothing yet where the server lets a client choose.
    pub(crate) async fn connect(addr: SocketAddr, scratch: &Scratch) -> anyhow::Result<Self> {
        let (stream, rest) = connect(addr).await?;
        Ok(Self { stream, scratch: scratch.clone(), rest, last_words: String::new(), executions: 0, bytes: 0, last_seq: 0 })
    }

    /// Asks for all executions, from the first one on.
    pub(crate) async fn subscribe(&mut self) -> anyhow::Result<()> {
        self.say(r#"{"op":"subscribe","channels":["executions"],"from_seq":1}"#).await
    }

    /// Says that it is there: it answers no pings, and who is silent for a minute is closed.
    pub(crate) async fn beat(&mut self) -> anyhow::Result<()> {
        self.say(r#"{"op":"ping"}"#).await
    }

    async fn say(&mut self, text: &str) -> anyhow::Result<()> {
        let mut frame = Vec::new();
        push_text(text, &mut frame)?;
        Ok(self.stream.write_all(&frame).await?)
    }

    /// Reads until execution `seq` has come; every one before it must have come too, once.
    pub(crate) async fn read_to(&mut self, seq: u64) -> anyhow::Result<()> {
        while self.last_seq < seq {
            self.read().await?;
        }
        ensure!(self.executions == seq, "{} executions came, the last of them numbered {seq}", self.executions);
        Ok(())
    }

    /// Reads once, whatever is there.
    pub(crate) async fn read(&mut self) -> anyhow::Result<()> {
        loop {
            self.stream.readable().await?;
            let scratch = self.scratch.clone();
            let mut scratch = scratch.borrow_mut();
            let start = self.rest.len();
            scratch.get_mut(..start).context("a frame is smaller than a read")?.copy_from_slice(&self.rest);
            match self.stream.try_read(scratch.get_mut(start..).unwrap_or_default()) {
                Ok(0) => anyhow::bail!(
                    "the server closed a subscriber after {} executions: {}",
                    self.executions,
                    self.last_words
                ),
                Ok(length) => {
                    let bytes = scratch.get(..start + length).unwrap_or_default();
                    let counted = self.count(bytes);
                    self.rest.clear();
                    self.rest.extend_from_slice(bytes.get(counted..).unwrap_or_default());
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Counts whole frames; how many bytes they had.
    fn count(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        let mut last: &[u8] = &[];
        while let Some((header, length)) = frame(bytes.get(at..).unwrap_or_default()) {
            let Some(payload) = bytes.get(at + header..at + header + length) else { break };
            if bytes.get(at) == Some(&CLOSE) {
                self.last_words = String::from_utf8_lossy(payload.get(2..).unwrap_or_default()).into_owned();
            }
            // The first letter of the channel's name tells them apart.
            if payload.get(12) == Some(&b'e') {
                self.executions += 1;
                self.bytes += (header + length) as u64;
                last = payload;
            }
            at += header + length;
        }
        if let Some(digits) = last.strip_prefix(EXECUTION) {
            let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
            self.last_seq = digits.fold(0, |seq, digit| seq * 10 + u64::from(digit - b'0'));
        }
        at
    }
}

/// Shakes hands on `/stream`, following nothing yet where the server lets a client choose. The stream, and what came after
/// the handshake.
pub(crate) async fn connect(addr: SocketAddr) -> anyhow::Result<(TcpStream, Vec<u8>)> {
    let mut stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    let request = "GET /stream?channels=status HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).await?;
    let mut rest = Vec::new();
    let head_length = loop {
        ensure!(stream.read_buf(&mut rest).await? > 0, "the server closed the connection");
        if let Some(length) = head_length(&rest) {
            break length;
        }
    };
    ensure!(rest.starts_with(b"HTTP/1.1 101"), "no upgrade: {}", String::from_utf8_lossy(&rest));
    rest.drain(..head_length);
    Ok((stream, rest))
}

/// Appends a client's text frame. Its frames are masked (RFC 6455, section 5.3); a mask of zeros leaves the text as it is.
pub(crate) fn push_text(text: &str, into: &mut Vec<u8>) -> anyhow::Result<()> {
    let length = u16::try_from(text.len()).context("a text of one frame")?;
    into.push(0x81);
    match u8::try_from(length) {
        Ok(short) if short < 126 => into.push(0x80 | short),
        _ => {
            into.push(0x80 | 126);
            into.extend_from_slice(&length.to_be_bytes());
        }
    }
    into.extend_from_slice(&[0; 4]);
    into.extend_from_slice(text.as_bytes());
    Ok(())
}

/// The lengths of the header and the payload of the frame that starts here, if so much of it is here.
pub(crate) fn frame(bytes: &[u8]) -> Option<(usize, usize)> {
    match *bytes.get(1)? {
        126 => Some((4, bytes.get(2..4)?.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))),
        127 => Some((10, bytes.get(2..10)?.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))),
        short => Some((2, usize::from(short))),
    }
}
