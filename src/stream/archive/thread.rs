//! The thread that writes the log.

use std::{
    sync::Arc,
    thread::{self, JoinHandle},
};

use tokio::sync::oneshot;

use super::queue::{Hole, Work};
use super::writer::Writer;
use super::{Archive, ArchiveError};

/// Ends the thread when dropped: what was appended is first written and made durable.
#[derive(Debug)]
pub struct Closing(Arc<Archive>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.queue.close();
    }
}

/// The end of the log's thread.
#[derive(Debug)]
pub struct Ended {
    result: oneshot::Receiver<Result<(), ArchiveError>>,
    thread: JoinHandle<()>,
}

impl Ended {
    /// Waits until the thread has ended: all written and durable after [`Closing`] was dropped, or not.
    ///
    /// # Errors
    ///
    /// What made writing fail.
    pub async fn wait(self) -> Result<(), ArchiveError> {
        let result = self.result.await.unwrap_or(Err(ArchiveError::Panicked));
        // It has nothing left to do but end.
        self.thread.join().map_err(|_| ArchiveError::Panicked)?;
        result
    }
}

/// Lets go of whoever appends when dropped: on an error and on a panic alike.
struct Failing(Arc<Archive>);

impl Drop for Failing {
    fn drop(&mut self) {
        self.0.queue.fail();
    }
}

/// Starts the thread; `held` is let go of when it ends.
pub(super) fn start(archive: &Arc<Archive>, held: impl Send + 'static) -> Result<(Closing, Ended), ArchiveError> {
    let (ended, result) = oneshot::channel();
    let failing = Failing(archive.clone());
    let writing = archive.clone();
    let thread = thread::Builder::new().name("executions".to_owned()).spawn(move || {
        let outcome = write(&writing, Writer::new(writing.clone()));
        drop(failing);
        drop(held);
        // Who does not wait for the end need not learn of it.
        drop(ended.send(outcome));
    });
    let thread = thread.map_err(|source| archive.failed("start a thread for", "", source))?;
    Ok((Closing(archive.clone()), Ended { result, thread }))
}

fn write(archive: &Archive, mut writer: Writer) -> Result<(), ArchiveError> {
    archive.retire()?;
    loop {
        match archive.queue.take() {
            Work::Write { pieces, number } => writer.append(pieces, number)?,
            Work::Sync => writer.sync()?,
            Work::Retire => archive.retire()?,
            Work::End => return writer.close(),
            Work::Fail(hole) => return Err(hole_error(archive, hole)),
        }
    }
}

pub(super) fn hole_error(archive: &Archive, hole: Hole) -> ArchiveError {
    let Hole { account, last_seq, found } = hole;
    ArchiveError::Hole { folder: archive.disk.path(""), account, last_seq, found }
}
