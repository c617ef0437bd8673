//! A connection's timer, which all of its waits share, one after the other.
//!
//! A timer that is set and canceled with each request has to be entered where all the runtime's timers are, and taken out
//! again. This one stays there: it goes off no later than it must, and is moved then to where the wait of that time ends. To a
//! connection in use that happens once in as long as it may wait.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use hyper::rt::{Sleep, Timer};

type Shared = Arc<Mutex<Pin<Box<tokio::time::Sleep>>>>;

/// The timer of a connection. Of its waits, only the last one made may be waited for.
#[derive(Clone, Debug)]
pub(super) struct ConnectionTimer(Shared);

impl ConnectionTimer {
    /// A timer for waits of about so long.
    pub(super) fn new(about: Duration) -> Self {
        Self(Arc::new(Mutex::new(Box::pin(tokio::time::sleep(about)))))
    }
}

impl Timer for ConnectionTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Wait { deadline: deadline.into(), timer: self.0.clone() })
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

#[derive(Debug)]
struct Wait {
    deadline: tokio::time::Instant,
    timer: Shared,
}

impl Sleep for Wait {}

impl Future for Wait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut timer = self.timer.lock().unwrap_or_else(PoisonError::into_inner);
        if timer.deadline() > self.deadline {
            timer.as_mut().reset(self.deadline);
        }
        loop {
            ready!(timer.as_mut().poll(context));
            if timer.deadline() == self.deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(self.deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_wait_ends_when_it_should_whatever_the_one_before_it_was() {
        let timer = ConnectionTimer::new(Duration::from_secs(10));
        let waited = async |of: Duration, at_most: Duration| {
            let begin = tokio::time::Instant::now();
            let ended = tokio::time::timeout(at_most, timer.sleep(of)).await.is_ok();
            (ended, begin.elapsed())
        };
        let seconds = Duration::from_secs;
        for (of, at_most, elapsed) in [(10, 4, 4), (10, 9, 9), (10, 20, 10), (3, 20, 3), (60, 5, 5), (1, 20, 1), (0, 1, 0)]
        {
            let (ended, after) = waited(seconds(of), seconds(at_most)).await;
            assert_eq!((ended, after.as_secs()), (of < at_most, elapsed), "{of} s, at most {at_most} s");
        }
    }
}
