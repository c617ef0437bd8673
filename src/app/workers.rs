//! The threads that serve connections, each with a runtime of its own.
//!
//! A connection stays with the worker it was given to, so that its socket, its timers and the answers to its requests wake no other
//! thread: one runtime of many threads would wake them, and move tasks between them, with every request. The first worker is the
//! thread that the venue's own tasks run on.

use std::{io, thread};

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};

/// The workers. They end when this is dropped, and with them what still runs there.
#[derive(Debug)]
pub(super) struct Workers {
    /// Where each but the first runs its tasks.
    pub others: Vec<Handle>,
    _running: DropGuard,
}

impl Workers {
    /// Starts the threads of so many workers, of which the one that calls this is the first.
    pub(super) fn start(count: usize) -> io::Result<Self> {
        let stop = CancellationToken::new();
        let mut others = Vec::new();
        for number in 1..count {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            others.push(runtime.handle().clone());
            let stopped = stop.clone().cancelled_owned();
            thread::Builder::new().name(format!("worker {number}")).spawn(move || runtime.block_on(stopped))?;
        }
        Ok(Self { others, _running: stop.drop_guard() })
    }
}
