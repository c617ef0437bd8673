//! HTTP/1.1 as bytes on a TCP stream, for what a well-behaved client would not send.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::venue::PATIENCE;

/// Sends `bytes` and reads until the server closes, or breaks, the connection: all that it said.
///
/// A request in `bytes` should ask for `Connection: close`, unless the server is expected to have enough of it.
pub(crate) async fn exchange(addr: SocketAddr, bytes: &[u8]) -> String {
    let stream = TcpStream::connect(addr).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let bytes = bytes.to_owned();
    // The server may answer and close before it has read everything: then writing breaks, which is no matter.
    let writing = tokio::spawn(async move { write.write_all(&bytes).await.map(|()| write) });
    let mut said = Vec::new();
    let mut part = [0; 4096];
    let reading = async {
        while let Ok(length @ 1..) = read.read(&mut part).await {
            said.extend_from_slice(&part[..length]);
        }
    };
    timeout(PATIENCE, reading).await.expect("the server should have answered or closed by now");
    drop(writing.await);
    String::from_utf8_lossy(&said).into_owned()
}

/// A request with these header lines and this body, after whose answer the connection is closed.
pub(crate) fn request(line: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("{line} HTTP/1.1\r\nHost: venue\r\nConnection: close\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

/// The status of an answer; 0 if there was none.
pub(crate) fn status(answer: &str) -> u16 {
    answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).map_or(0, |code| code.parse().unwrap())
}

/// A WebSocket handshake with this query.
pub(crate) fn handshake(query: &str) -> String {
    format!(
        "GET /stream{query} HTTP/1.1\r\nHost: v\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}
