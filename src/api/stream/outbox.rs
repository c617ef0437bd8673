//! What is on its way out of one socket: runs of whole frames, written as far as the socket takes them.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    time::Duration,
};

use bytes::Bytes;
use tokio::net::tcp::OwnedWriteHalf;

use crate::api::connections::bound_send_buffer;
use crate::stream::close_frame;

/// How many runs one write may gather.
const SLICES_MAX: usize = 64;
/// How long a socket that is being closed may take to accept the close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(super) struct Outbox {
    socket: OwnedWriteHalf,
    /// Runs of whole frames. What goes in is bounded by who puts it in: logs are read only when nothing is left.
    runs: VecDeque<Bytes>,
    /// How much of the first run is written.
    written: usize,
    /// How much of all runs is not.
    left: usize,
}

impl Outbox {
    /// An empty one; what the system holds of it is at most about `send_buffer`, if that is not 0.
    pub(super) fn new(socket: OwnedWriteHalf, send_buffer: usize) -> Self {
        bound_send_buffer(socket.as_ref(), send_buffer);
        Self { socket, runs: VecDeque::new(), written: 0, left: 0 }
    }

    /// How many bytes wait.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// How many runs wait.
    pub(super) fn runs(&self) -> usize {
        self.runs.len()
    }

    /// Appends a run of whole frames.
    pub(super) fn push(&mut self, run: Bytes) {
        if !run.is_empty() {
            self.left += run.len();
            self.runs.push_back(run);
        }
    }

    /// Lets `fill` append runs; says whether it did.
    pub(super) fn fill<T>(&mut self, fill: impl FnOnce(&mut VecDeque<Bytes>) -> T) -> T {
        let result = fill(&mut self.runs);
        self.left = self.runs.iter().map(Bytes::len).sum::<usize>() - self.written;
        result
    }

    /// Writes once, as much as the socket takes. Waits until it takes anything; dropping the future loses nothing.
    pub(super) async fn write(&mut self) -> io::Result<()> {
        loop {
            self.socket.writable().await?;
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let mut skip = self.written;
            for (slice, run) in slices.iter_mut().zip(&self.runs) {
                *slice = IoSlice::new(run.get(skip..).unwrap_or_default());
                skip = 0;
            }
            match self.socket.try_write_vectored(&slices) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(length) => {
                    self.advance(length);
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn advance(&mut self, length: usize) {
        self.left -= length;
        self.written += length;
        while let Some(first) = self.runs.front()
            && first.len() <= self.written
        {
            self.written -= first.len();
            self.runs.pop_front();
        }
    }

    /// Ends the stream: finishes everything that waits if `finish`, else only the frame that is half out, then closes.
    pub(super) async fn close(mut self, code: u16, reason: &str, finish: Finish) {
        if finish == Finish::Frame {
            self.cut();
        }
        self.push(close_frame(code, reason));
        let written = async {
            while self.left > 0 {
                self.write().await?;
            }
            tokio::io::AsyncWriteExt::shutdown(&mut self.socket).await
        };
        // A peer that is gone or takes nothing more has nothing to be told.
        match tokio::time::timeout(CLOSE_TIMEOUT, written).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "a socket broke while closing"),
            Err(_) => tracing::debug!("a socket did not take its close frame in time"),
        }
    }

    /// Drops what waits behind the frame that is half out.
    fn cut(&mut self) {
        let Some(first) = self.runs.pop_front() else { return };
        self.runs.clear();
        let mut end = 0;
        for frame in crate::stream::frames(&first) {
            if end >= self.written {
                break;
            }
            let header = match frame.len() {
                0..=125 => 2,
                126..=65_535 => 4,
                _ => 10,
            };
            end += header + frame.len();
        }
        self.left = end - self.written;
        if self.left > 0 {
            self.runs.push_back(first.slice(..end));
        } else {
            self.written = 0;
        }
    }
}

/// How much a closing socket still sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finish {
    /// All that waits.
    All,
    /// Only the frame that is half out.
    Frame,
}
