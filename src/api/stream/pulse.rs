//! Whether the other side is still there: who is silent is asked with a ping, and given up if it stays so.

use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior};

/// In how many parts the time that a client may be silent is counted.
const PARTS: u32 = 4;
/// After how many silent parts it is asked.
const ASK_AFTER: u32 = 2;

/// Counts how long a client has been silent.
#[derive(Debug)]
pub(super) struct Pulse {
    ticks: Interval,
    heard: bool,
    silent: u32,
}

/// What to do about a silent client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// Nothing yet.
    Fine,
    /// Ask whether it is there.
    Ask,
    /// Give it up.
    Over,
}

impl Pulse {
    /// A client that may be silent for `idle_timeout`.
    pub(super) fn new(idle_timeout: Duration) -> Self {
        let part = (idle_timeout / PARTS).max(Duration::from_millis(1));
        let mut ticks = tokio::time::interval_at(Instant::now() + part, part);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { ticks, heard: false, silent: 0 }
    }

    /// Notes a sign of life.
    pub(super) fn heard(&mut self) {
        self.heard = true;
    }

    /// Waits for the next time to look; dropping the future loses nothing.
    pub(super) async fn look(&mut self) -> Silence {
        self.ticks.tick().await;
        self.silent = if self.heard { 0 } else { self.silent + 1 };
        self.heard = false;
        match self.silent {
            PARTS.. => Silence::Over,
            ASK_AFTER => Silence::Ask,
            _ => Silence::Fine,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_is_silent_is_asked_then_given_up_and_any_sign_of_life_counts() {
        let started = Instant::now();
        let mut pulse = Pulse::new(Duration::from_secs(60));
        pulse.heard();
        let mut looks = Vec::new();
        for _ in 0..5 {
            looks.push(pulse.look().await);
        }
        assert_eq!(looks, [Silence::Fine, Silence::Fine, Silence::Ask, Silence::Fine, Silence::Over]);
        assert_eq!(started.elapsed(), Duration::from_secs(75), "a minute after the part in which it was heard");
        pulse.heard();
        assert_eq!(pulse.look().await, Silence::Fine);
    }
}
