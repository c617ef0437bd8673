//! HTTP/1.1 over one kept-alive connection: a request out, an answer in, nothing else.

use std::{io::Write as _, net::SocketAddr};

use anyhow::{Context, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A connection. One request at a time.
#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    /// The last answer, and nothing after it.
    answer: Vec<u8>,
}

/// An answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer<'a> {
    /// The status code.
    pub(crate) status: u16,
    /// The body.
    pub(crate) body: &'a [u8],
}

impl Client {
    /// Connects.
    pub(crate) async fn connect(addr: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, answer: Vec::with_capacity(16 * 1024) })
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn send(&mut self, request: &[u8]) -> anyhow::Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.answer.clear();
        let (head_length, length) = loop {
            ensure!(self.stream.read_buf(&mut self.answer).await? > 0, "the server closed the connection");
            if let Some(head_length) = head_length(&self.answer) {
                let head = self.answer.get(..head_length).unwrap_or_default();
                break (head_length, head_length + content_length(head)?);
            }
        };
        while self.answer.len() < length {
            ensure!(self.stream.read_buf(&mut self.answer).await? > 0, "the server broke off an answer");
        }
        ensure!(self.answer.len() == length, "the server said more than it was asked");
        // "HTTP/1.1 201 …"
        let status = std::str::from_utf8(self.answer.get(9..12).unwrap_or_default())?.parse()?;
        Ok(Answer { status, body: self.answer.get(head_length..).unwrap_or_default() })
    }

    /// Sends a request that must be answered with `status`; the body of the answer.
    pub(crate) async fn expect(&mut self, request: &[u8], status: u16) -> anyhow::Result<&[u8]> {
        let answer = self.send(request).await?;
        ensure!(answer.status == status, "{} {}", answer.status, String::from_utf8_lossy(answer.body));
        Ok(answer.body)
    }
}

/// Writes a request with a JSON body.
pub(crate) fn post(path: &str, body: &str, into: &mut Vec<u8>) {
    let length = body.len();
    let head = "Host: localhost\r\nContent-Type: application/json";
    let written = write!(into, "POST {path} HTTP/1.1\r\n{head}\r\nContent-Length: {length}\r\n\r\n{body}");
    written.expect("memory does not fail to write");
}

/// A request without a body.
pub(crate) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes()
}

/// How many orders the venue has executed.
pub(crate) async fn executed(addr: SocketAddr) -> anyhow::Result<u64> {
    let mut client = Client::connect(addr).await?;
    let queue: serde_json::Value = serde_json::from_slice(client.expect(&get("/queue"), 200).await?)?;
    let orders = queue.get("orders").and_then(|lane| lane.get("received"));
    orders.and_then(serde_json::Value::as_u64).context("the queue counts orders")
}

/// Where a head ends, once it is there.
pub(crate) fn head_length(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|start| start + 4)
}

fn content_length(head: &[u8]) -> anyhow::Result<usize> {
    const NAME: &[u8] = b"content-length: ";
    let lines = head.split(|byte| *byte == b'\n');
    let value =
        lines.filter_map(|line| line.split_at_checked(NAME.len())).find(|(name, _)| name.eq_ignore_ascii_case(NAME));
    let (_, value) = value.context("an answer without a length")?;
    Ok(std::str::from_utf8(value)?.trim_end().parse()?)
}
