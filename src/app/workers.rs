//! The threads that serve connections, each with a runtime of its own.
//!
//! A connection stays with the worker it was given to, so that its socket, its timers and the answers to its requests wake no other
//! thread: one runtime of many threads would wake them, and move tasks between them, with every request. The first worker is the
//! thread that the venue's own tasks run on.

use std::{io, sync::mpsc, thread};

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};

/// The workers but the first. They end soon after this is dropped, and with them what still runs there.
#[derive(Debug)]
pub(super) struct Workers {
    /// Where each runs its tasks.
    pub runtimes: Vec<Handle>,
    _running: DropGuard,
}

impl Workers {
    /// Starts so many threads.
    ///
    /// # Errors
    ///
    /// If there can be no thread, or no runtime; those that were started end then.
    pub(super) fn start(count: usize) -> io::Result<Self> {
        let stop = CancellationToken::new();
        let running = stop.clone().drop_guard();
        let runtimes = (1..=count).map(|number| start(number, stop.clone())).collect::<Result<_, _>>()?;
        Ok(Self { runtimes, _running: running })
    }
}

/// Starts one. Its runtime is made where it may be dropped: on its own thread.
fn start(number: usize, stop: CancellationToken) -> io::Result<Handle> {
    let (made, runtime) = mpsc::channel();
    let run = move || match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            drop(made.send(Ok(runtime.handle().clone())));
            runtime.block_on(stop.cancelled());
        }
        Err(error) => drop(made.send(Err(error))),
    };
    thread::Builder::new().name(format!("worker {number}")).spawn(run)?;
    runtime.recv().map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_still_runs_on_a_worker_ends_with_it() {
        let workers = Workers::start(2).unwrap();
        let names =
            workers.runtimes.iter().map(|runtime| runtime.spawn(async { thread::current().name().map(str::to_owned) }));
        let names = futures_util::future::try_join_all(names).await.unwrap();
        assert_eq!(names, [Some("worker 1".to_owned()), Some("worker 2".to_owned())]);
        let endless =
            workers.runtimes.iter().map(|runtime| runtime.spawn(std::future::pending::<()>())).collect::<Vec<_>>();
        drop(workers);
        for task in endless {
            assert!(task.await.unwrap_err().is_cancelled());
        }
    }
}
