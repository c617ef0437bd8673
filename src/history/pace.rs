//! The pace of the thread that writes: it rests where it would take a processor from who trades, and nowhere else.
//!
//! Linux counts how long each thread was ready to run and had to wait for a processor. Where the venue's threads hardly waited,
//! there are processors enough, and history keeps up with whatever comes. Where they did, it leaves them alone for a long while: a
//! processor that idles for a moment is wanted back at once, and memory and caches are shared all along.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

/// How many times as long as a transaction took the thread rests where others want the processor: a fortieth of one.
const RESTS_BUSY: u32 = 39;
/// But no longer than this: a slow transaction is not to be followed by a rest as much slower.
const REST_MAX: Duration = Duration::from_secs(1);
/// The same where nobody counts who waits.
const RESTS_UNKNOWN: u32 = 4;
/// Processors were free if all threads together waited for less than this part of the time that passed.
const FREE: u32 = 2;

/// What the venue's threads had waited for a processor at the last look.
#[derive(Debug)]
pub(super) struct Pace {
    looked: Instant,
    waited: Option<Duration>,
}

impl Pace {
    /// The pace from now on.
    pub(super) fn new() -> Self {
        Self { looked: Instant::now(), waited: waited() }
    }

    /// How long to rest after a transaction that took so long, while more is there.
    pub(super) fn rest_after(&mut self, took: Duration) -> Duration {
        let before = std::mem::replace(self, Self::new());
        let waited = self.waited.zip(before.waited).map(|(now, before)| now.saturating_sub(before));
        rest(took, self.looked - before.looked, waited)
    }
}

/// How long to rest after a transaction that `took` so long, where all threads together `waited` so long in the time that `passed`.
fn rest(took: Duration, passed: Duration, waited: Option<Duration>) -> Duration {
    match waited {
        None => took * RESTS_UNKNOWN,
        Some(waited) if waited * FREE < passed => Duration::ZERO,
        Some(_) => (took * RESTS_BUSY).min(REST_MAX),
    }
}

/// How long all threads together have waited for a processor so far: the second number of their `schedstat`, in nanoseconds.
fn waited() -> Option<Duration> {
    let threads = fs::read_dir("/proc/self/task").ok()?;
    // One that ends meanwhile has nothing more to say; this one has, where anybody counts.
    let of_this = waited_by(Path::new("/proc/thread-self"));
    of_this.map(|_| threads.filter_map(|thread| waited_by(&thread.ok()?.path())).sum())
}

fn waited_by(thread: &Path) -> Option<Duration> {
    let counts = fs::read_to_string(thread.join("schedstat")).ok()?;
    counts.split_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_in_nobodys_way_does_not_rest() {
        let ms = Duration::from_millis;
        assert_eq!(rest(ms(10), ms(20), Some(ms(9))), ms(0));
        assert_eq!(rest(ms(10), ms(20), Some(ms(10))), ms(390));
        assert_eq!(rest(ms(100), ms(100), Some(ms(90))), REST_MAX);
        assert_eq!(rest(ms(10), ms(20), None), ms(40));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_says_how_long_a_thread_has_waited() {
        assert!(waited().is_some());
    }
}
