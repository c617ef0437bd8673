//! The stream that tungstenite works on: it reads from the socket and writes into memory.
//!
//! Frames of the logs are written to the socket past tungstenite, so what tungstenite itself has to say (pongs, the answer
//! to a close) is gathered here and written by the session between two frames, never inside one.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::tcp::OwnedReadHalf,
};

/// See the module.
#[derive(Debug)]
pub(super) struct Duplex {
    /// What came with the handshake, read before anything else.
    early: Bytes,
    socket: OwnedReadHalf,
    /// What tungstenite wrote. Bounded: the session takes it after each message that makes tungstenite write.
    written: Vec<u8>,
}

impl Duplex {
    pub(super) fn new(socket: OwnedReadHalf, early: Bytes) -> Self {
        Self { early, socket, written: Vec::new() }
    }

    /// Takes what tungstenite wrote: whole frames.
    pub(super) fn take_written(&mut self) -> Bytes {
        std::mem::take(&mut self.written).into()
    }
}

impl AsyncRead for Duplex {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.early.has_remaining() {
            let length = self.early.len().min(into.remaining());
            into.put_slice(&self.early.split_to(length));
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.socket).poll_read(context, into)
    }
}

impl AsyncWrite for Duplex {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.written.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
