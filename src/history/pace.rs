//! The pace of the thread that writes: it rests where it would take a processor from who trades, and nowhere else.
//!
//! Linux counts how long a thread was ready to run and had to wait for a processor. Where that is next to nothing, there are
//! processors enough, and history keeps up with whatever comes. Where others were busy, the thread leaves them alone for a long while.

use std::time::Duration;

/// How many times as long as a transaction took the thread rests where others want the processor: a fortieth of one.
const RESTS_BUSY: u32 = 39;
/// But no longer than this: a slow transaction is not to be followed by a rest as much slower.
const REST_MAX: Duration = Duration::from_secs(1);
/// The same where nobody counts who waits.
const RESTS_UNKNOWN: u32 = 4;
/// A processor was free if the thread waited for less than this part of the time that a transaction took.
const FREE: u32 = 8;

/// What the thread has waited for a processor until the last look.
#[derive(Debug)]
pub(super) struct Pace {
    waited: Option<Duration>,
}

impl Pace {
    /// The pace of this thread.
    pub(super) fn new() -> Self {
        Self { waited: waited() }
    }

    /// How long to rest after a transaction that took so long, while more is there.
    pub(super) fn rest_after(&mut self, took: Duration) -> Duration {
        let now = waited();
        let before = std::mem::replace(&mut self.waited, now);
        rest(took, now.zip(before).map(|(now, before)| now.saturating_sub(before)))
    }
}

fn rest(took: Duration, waited: Option<Duration>) -> Duration {
    match waited {
        None => took * RESTS_UNKNOWN,
        Some(waited) if waited * FREE < took => Duration::ZERO,
        Some(_) => (took * RESTS_BUSY).min(REST_MAX),
    }
}

/// How long this thread has waited for a processor so far: the second number of its `schedstat`, in nanoseconds.
fn waited() -> Option<Duration> {
    let counts = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    counts.split_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_in_nobodys_way_does_not_rest() {
        let ms = Duration::from_millis;
        assert_eq!(rest(ms(10), Some(ms(1))), ms(0));
        assert_eq!(rest(ms(10), Some(ms(2))), ms(390));
        assert_eq!(rest(ms(100), Some(ms(20))), REST_MAX);
        assert_eq!(rest(ms(10), None), ms(40));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_says_how_long_a_thread_has_waited() {
        assert!(waited().is_some());
    }
}
