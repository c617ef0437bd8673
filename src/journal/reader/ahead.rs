//! A reader on a thread of its own, some frames ahead of who executes them.

use std::{
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::{self, JoinHandle},
};

use super::{Frame, JournalError, Reader, Record, Recovered};

/// How many records are handed over together, so that handing them over costs nothing; a last frame may have more.
const RECORDS_AT_ONCE: usize = 1_024;
/// How many such parts are read ahead: some thousand records, a few megabytes.
const PARTS_AHEAD: usize = 4;

/// A frame with its records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Framed {
    /// What is said of them.
    pub frame: Frame,
    /// The number of the last of them.
    pub last_number: u64,
    /// They themselves.
    pub records: Vec<Record>,
}

type Part = Result<Vec<Framed>, JournalError>;

/// Frames that are read while others are executed. Dropping it ends the thread.
#[derive(Debug)]
pub struct ReadAhead {
    parts: Receiver<Part>,
    thread: JoinHandle<Reader>,
}

impl ReadAhead {
    /// Reads on where `reader` is.
    ///
    /// # Errors
    ///
    /// [`JournalError::Io`] if there can be no thread.
    pub fn start(reader: Reader) -> Result<Self, JournalError> {
        let folder = reader.disk.path("");
        let (to_execute, parts) = sync_channel(PARTS_AHEAD);
        let thread = thread::Builder::new().name("journal reader".to_owned()).spawn(|| read(reader, to_execute));
        let thread = thread.map_err(|source| JournalError::Io { doing: "start a thread for", file: folder, source })?;
        Ok(Self { parts, thread })
    }

    /// The next frames; none after the last.
    ///
    /// # Errors
    ///
    /// As [`Reader::next`].
    pub fn more(&mut self) -> Result<Vec<Framed>, JournalError> {
        // A thread that panicked is told of in the end.
        self.parts.recv().unwrap_or(Ok(Vec::new()))
    }

    /// Where the journal ends. Reads what is still to read.
    ///
    /// # Errors
    ///
    /// As [`Reader::finish`]; [`JournalError::Panicked`] if the thread did.
    pub fn finish(self) -> Result<Recovered, JournalError> {
        drop(self.parts);
        self.thread.join().map_err(|_| JournalError::Panicked)?.finish()
    }
}

/// Reads until the end, an error, or nobody wants more.
fn read(mut reader: Reader, to_execute: SyncSender<Part>) -> Reader {
    loop {
        let part = next_part(&mut reader);
        let is_last = part.as_ref().map_or(true, Vec::is_empty);
        if to_execute.send(part).is_err() || is_last {
            return reader;
        }
    }
}

fn next_part(reader: &mut Reader) -> Part {
    let (mut part, mut count) = (Vec::new(), 0);
    while count < RECORDS_AT_ONCE {
        let mut records = Vec::new();
        let Some(frame) = reader.next(&mut records)? else { break };
        count += records.len();
        part.push(Framed { frame, last_number: reader.last_number(), records });
    }
    Ok(part)
}
