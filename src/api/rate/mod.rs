//! How much one client may ask: so many requests a second with a burst, orders and reads apart.
//!
//! A client is a key, or an address where there is none (an IPv6 network of 64 bits counts as one). A request above the limit
//! is refused with 429 and the time to wait, or waits for its turn first: in line, so that no later request of the same client
//! overtakes it, and never longer than `max_wait`.
//!
//! Every answer says how much is left, as draft-ietf-httpapi-ratelimit-headers has it: `RateLimit-Policy: "orders";q=10;w=1`
//! is 10 requests a second, `RateLimit: "orders";r=3;t=1` is 3 of them left, all of them in a second.
//!
//! Limits: a client costs about 100 bytes, until its quota is whole again and [`forget_idle`] comes by. Where no limit is set,
//! none of this is there. Costs: one lock and one look-up a request.

mod clock;
mod layer;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    net::IpAddr,
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::http::HeaderValue;
use governor::{Quota, RateLimiter, clock::Clock, middleware::StateInformationMiddleware, state::keyed::HashMapStateStore};
use tokio::time::{Instant, MissedTickBehavior, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{Problem, State, access::Identity, connections::client_address};
use clock::RuntimeClock;

pub(super) use layer::{Peer, limit, limited};

/// How often clients that ask no more are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(10);

/// How much one client may ask.
#[derive(Clone, Copy, Debug)]
pub struct RateSettings {
    /// Requests a second.
    pub per_second: NonZeroU32,
    /// Requests at once.
    pub burst: NonZeroU32,
    /// How long a request above the limit may wait; zero: not at all.
    pub max_wait: Duration,
}

/// What is limited apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// What changes something.
    Orders,
    /// What only looks.
    Reads,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Reads => "reads",
        }
    }
}

/// Whose requests are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Client {
    /// The holder of a key.
    Key(u32),
    /// Whoever asks from there without one.
    Address(IpAddr),
}

impl Client {
    /// Who asks, from where.
    pub(super) fn new(identity: Option<Identity>, address: IpAddr) -> Self {
        match identity.filter(|identity| identity.key != 0) {
            Some(identity) => Self::Key(identity.key),
            None => Self::Address(client_address(address)),
        }
    }
}

/// What is left to a client after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    kind: Kind,
    requests: u32,
    /// Until all of the quota is there again, or, if nothing is left, the next of it.
    wait: Duration,
}

impl Left {
    /// The value of `RateLimit`.
    fn header(self) -> Option<HeaderValue> {
        let Self { kind, requests, wait } = self;
        let seconds = wait.as_secs_f64().ceil() as u64;
        HeaderValue::from_str(&format!("\"{}\";r={requests};t={seconds}", kind.as_str())).ok()
    }
}

type Limiter = RateLimiter<Client, HashMapStateStore<Client>, RuntimeClock, StateInformationMiddleware>;
/// One request at a time waits for its turn; the others wait for it, in order.
type Line = Arc<tokio::sync::Mutex<()>>;

/// The limits of a venue, and how far each client is from them.
#[derive(Debug)]
pub struct Rates {
    settings: RateSettings,
    orders: Limiter,
    reads: Limiter,
    lines: Mutex<HashMap<(Kind, Client), Line>>,
}

impl Rates {
    /// Limits that nobody has used yet.
    pub fn new(settings: RateSettings) -> Self {
        let quota = Quota::per_second(settings.per_second).allow_burst(settings.burst);
        let limiter = || RateLimiter::hashmap_with_clock(quota, RuntimeClock).with_middleware();
        Self { settings, orders: limiter(), reads: limiter(), lines: Mutex::default() }
    }

    /// Whether a request may have to wait for its turn.
    pub(super) fn may_wait(&self) -> bool {
        !self.settings.max_wait.is_zero()
    }

    /// What is still to be paid for so many requests in one, of which one is paid for.
    pub(super) fn rest_of(&self, requests: usize) -> u32 {
        let cost = u32::try_from(requests).unwrap_or(u32::MAX).min(self.settings.burst.get());
        cost.saturating_sub(1)
    }

    /// The value of `RateLimit-Policy`.
    fn policy(&self, kind: Kind) -> Option<HeaderValue> {
        let RateSettings { per_second, burst, .. } = self.settings;
        let window = burst.get().div_ceil(per_second.get());
        HeaderValue::from_str(&format!("\"{}\";q={burst};w={window}", kind.as_str())).ok()
    }

    /// Counts a request that is worth `cost` of them, but never more than a whole burst; waits for its turn if it must and may.
    ///
    /// # Errors
    ///
    /// What is left, if it may not pass.
    async fn pass(&self, kind: Kind, client: Client, cost: u32) -> Result<Left, Left> {
        if !self.may_wait() {
            return self.check(kind, client, cost);
        }
        let deadline = Instant::now() + self.settings.max_wait;
        let line = self.lock().entry((kind, client)).or_default().clone();
        let Ok(_turn) = timeout_at(deadline, line.lock()).await else {
            return Err(Left { kind, requests: 0, wait: self.settings.max_wait });
        };
        loop {
            match self.check(kind, client, cost) {
                Err(left) if Instant::now() + left.wait <= deadline => sleep(left.wait).await,
                passed => return passed,
            }
        }
    }

    fn check(&self, kind: Kind, client: Client, cost: u32) -> Result<Left, Left> {
        let RateSettings { per_second, burst, .. } = self.settings;
        let limiter = match kind {
            Kind::Orders => &self.orders,
            Kind::Reads => &self.reads,
        };
        let cost = NonZeroU32::new(cost).map_or(NonZeroU32::MIN, |cost| cost.min(burst));
        match limiter.check_key_n(&client, cost) {
            Ok(Ok(state)) => {
                let requests = state.remaining_burst_capacity();
                let used = burst.get().saturating_sub(requests);
                Ok(Left { kind, requests, wait: Duration::from_secs(u64::from(used.div_ceil(per_second.get()))) })
            }
            Ok(Err(until)) => Err(Left { kind, requests: 0, wait: until.wait_time_from(RuntimeClock.now()) }),
            // No cost is above the burst.
            Err(_) => Err(Left { kind, requests: 0, wait: self.settings.max_wait }),
        }
    }

    /// Forgets whoever has their whole quota, and waits for nothing.
    fn forget(&self) {
        for limiter in [&self.orders, &self.reads] {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
        let mut lines = self.lock();
        lines.retain(|_, line| Arc::strong_count(line) > 1);
        lines.shrink_to_fit();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(Kind, Client), Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Counts a request of a client, and waits for its turn if it must; nothing is left to say where there are no limits.
    ///
    /// # Errors
    ///
    /// 429 for one too many.
    pub(super) async fn charge(
        &self,
        kind: Kind,
        client: Client,
        cost: u32,
    ) -> Result<Option<Left>, (Problem, Option<Left>)> {
        let Some(rates) = &self.rates else { return Ok(None) };
        let passed = tokio::select! {
            biased;
            passed = rates.pass(kind, client, cost) => passed,
            () = self.closing.cancelled() => return Err((self.ending(), None)),
        };
        passed.map(Some).map_err(|left| {
            self.metrics.limit("rate_limit");
            (Problem::rate_limited(left.wait), Some(left))
        })
    }
}

/// Forgets clients that ask no more, until `stop` is canceled.
pub async fn forget_idle(state: State, stop: CancellationToken) {
    let Some(rates) = &state.rates else { return stop.cancelled().await };
    let mut ticks = tokio::time::interval_at(Instant::now() + FORGET_EVERY, FORGET_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => rates.forget(),
        }
    }
}
