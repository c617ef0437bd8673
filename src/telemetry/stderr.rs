//! Standard error, written by a thread of its own: who logs waits for nobody that reads.
//!
//! ```text
//! lines ─► a buffer of up to a megabyte ─► thread ─► standard error, a write a round
//! ```
//!
//! Lines come out whole and in the order in which they went in. While nobody reads, a pipe and then the buffer fill up: what does not fit
//! is dropped, a line at a time, and counted ([`dropped`]); once there is room again, a warning says how many were. What ends the
//! process is said last, by [`last_words`], which waits a second at the most.
//!
//! One a process, as standard error is. Before [`start`], and where nothing was started, lines are written at once.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    fmt::Display,
    io::{self, Write},
    mem,
    panic::{self, PanicHookInfo},
    sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::Duration,
};

/// How much waits to be written at the most.
const WAITING_BYTES_MAX: usize = 1024 * 1024;
/// How long the end of the process waits for what was said to be read.
const PATIENCE: Duration = Duration::from_secs(1);

static STDERR: OnceLock<Waiting> = OnceLock::new();

/// What waits for the thread.
#[derive(Debug, Default)]
struct Waiting {
    lines: Mutex<Lines>,
    /// Wakes the thread.
    more: Condvar,
    /// Wakes who waits for all to be written.
    written: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    bytes: Vec<u8>,
    /// Whether the thread has taken lines that it has not written yet.
    writing: bool,
    /// Lines for which there was no room.
    dropped: u64,
    /// How many of them the log has told of.
    told: u64,
    /// Whether the last line is among them.
    ended: bool,
}

/// Writes whole lines, each in one call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Writer;

impl Write for Writer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match STDERR.get() {
            Some(waiting) => waiting.push(line),
            None => io::stderr().write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Starts the thread, once; panics are said through it too.
///
/// # Errors
///
/// If the system has no thread to give.
pub(super) fn start() -> io::Result<()> {
    if STDERR.get().is_some() {
        return Ok(());
    }
    thread::Builder::new().name("log".to_owned()).spawn(|| STDERR.get_or_init(Waiting::default).write_to(io::stderr()))?;
    STDERR.get_or_init(Waiting::default);
    panic::set_hook(Box::new(say_panic));
    Ok(())
}

/// How many lines were lost because nobody read those before them.
pub fn dropped() -> u64 {
    STDERR.get().map_or(0, |waiting| waiting.lock().dropped)
}

/// Waits until all that was said is written, a second at the most: before the process ends.
pub fn flush() {
    if let Some(waiting) = STDERR.get() {
        waiting.flush();
    }
}

/// Says a line after all others, whatever is still said elsewhere, and waits for it as [`flush`] does.
pub fn last_words(line: &str) {
    let line = format!("{line}\n");
    match STDERR.get() {
        Some(waiting) => waiting.end(line.as_bytes()),
        // Where it cannot be said, nobody can be told.
        None => drop(io::stderr().write_all(line.as_bytes())),
    }
}

fn say_panic(info: &PanicHookInfo<'_>) {
    let current = thread::current();
    let name = current.name().unwrap_or("without a name");
    let backtrace = Backtrace::capture();
    let backtrace: &dyn Display = if backtrace.status() == BacktraceStatus::Captured { &backtrace } else { &"" };
    drop(Writer.write(format!("thread {name} {info}\n{backtrace}\n").as_bytes()));
}

impl Waiting {
    fn push(&self, line: &[u8]) {
        let mut lines = self.lock();
        if lines.ended {
            return;
        }
        if lines.bytes.len() + line.len() > WAITING_BYTES_MAX {
            lines.dropped += 1;
            return;
        }
        lines.bytes.extend_from_slice(line);
        self.more.notify_one();
    }

    /// Takes a last line, whether or not there is room for it, and waits until it is written.
    fn end(&self, line: &[u8]) {
        let mut lines = self.lock();
        lines.bytes.extend_from_slice(line);
        lines.ended = true;
        drop(lines);
        self.more.notify_one();
        self.flush();
    }

    fn flush(&self) {
        let busy = |lines: &mut Lines| lines.writing || !lines.bytes.is_empty();
        drop(self.written.wait_timeout_while(self.lock(), PATIENCE, busy));
    }

    /// Writes what comes, for as long as this lives.
    fn write_to(&self, mut to: impl Write) -> ! {
        let mut taken = Vec::new();
        loop {
            {
                let lines = self.more.wait_while(self.lock(), |lines| lines.bytes.is_empty());
                let mut lines = lines.unwrap_or_else(PoisonError::into_inner);
                mem::swap(&mut lines.bytes, &mut taken);
                lines.writing = true;
            }
            // Standard error may be closed: then nobody reads it.
            drop(to.write_all(&taken));
            taken.clear();
            let lost = {
                let mut lines = self.lock();
                lines.writing = false;
                let dropped = lines.dropped;
                dropped - mem::replace(&mut lines.told, dropped)
            };
            self.written.notify_all();
            if lost > 0 {
                tracing::warn!(lines = lost, "nobody read the log, so that it lost some");
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        // Nothing panics while it holds the lock.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::sync::mpsc::{Receiver, Sender, channel};

    /// Tells of each write, and ends it once it is let.
    struct Gate(Sender<String>, Receiver<()>);

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(String::from_utf8(bytes.to_vec()).unwrap()).unwrap();
            self.1.recv().map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_wait_whole_and_in_order_those_that_do_not_fit_are_counted_and_none_follows_the_last() {
        static WAITING: OnceLock<Waiting> = OnceLock::new();
        let waiting = WAITING.get_or_init(Waiting::default);
        let (says, said) = channel();
        let (lets, let_on) = channel();
        thread::spawn(move || WAITING.get_or_init(Waiting::default).write_to(Gate(says, let_on)));
        waiting.push(b"first\n");
        assert_eq!(said.recv().unwrap(), "first\n");
        // Nobody reads on.
        let mut expected = String::new();
        for number in 0..30_000 {
            let line = format!("{number:099}\n");
            waiting.push(line.as_bytes());
            if expected.len() + line.len() <= WAITING_BYTES_MAX {
                expected += &line;
            }
        }
        let dropped = 30_000 - (expected.len() / 100) as u64;
        assert_eq!(waiting.lock().dropped, dropped);
        lets.send(()).unwrap();
        assert_eq!(said.recv().unwrap(), expected);
        lets.send(()).unwrap();
        waiting.flush();
        waiting.push(b"last\n");
        assert_eq!(said.recv().unwrap(), "last\n");
        {
            let lines = waiting.lock();
            assert_eq!((lines.dropped, lines.told), (dropped, dropped));
        }
        for _ in ["last", "the end"] {
            lets.send(()).unwrap();
        }
        waiting.end(b"the end\n");
        waiting.push(b"too late\n");
        waiting.flush();
        assert_eq!(said.try_iter().collect::<Vec<_>>(), ["the end\n"]);
    }
}
