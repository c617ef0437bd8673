//! The one task that executes: it takes requests from the queue, numbers and stamps them, applies them to the engine, and
//! hands the journal each batch with what it did.
//!
//! In: the queue's [`Outlet`]. Out: records and [`Effects`]. It alone owns the engine, so no lock guards an order. Beyond it, at the
//! journal's gate, a [`Finisher`] makes of the effects what people see, and [`Release`] lets that out.
//!
//! - **Batches.** Everything that waits is executed together, up to [`BATCH_MAX`] requests, and becomes visible together; where
//!   one came to many thousands of executions, a part after the other.
//! - **Stamps** never go back: `max(last stamp, clock)`. What is executed together has one stamp.
//! - **Deadlines** of the engine (expiry, cancel-after) wake it with a tick.
//! - **Draining.** Once told to, it closes the queue, executes what is left without simulated delay, and ends.

mod effects;
mod finish;
mod pulse;
mod release;
mod replay;
mod replica;

use std::{
    future::poll_fn,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

pub use effects::{Effects, Names};
pub use finish::{Finished, Finisher, Unfinished};
pub use pulse::Pulse;
pub use release::{Ready, Release, Replies, answer_all};
pub use replay::{Differs, entries, replay};
pub use replica::{Public, Replica, ReplicaError, shown};

use crate::domain::{AccountId, ClientOrderId, Command, Deposit, Nanos, OrderId, Outcome, Place, Priority, Replace};
use crate::engine::{AHEAD_MAX, Engine};
use crate::journal::{Journal, Record};
use crate::queue::{
    Action, Admission, Answer, Became, Claim, Entry, Fingerprint, NewTerms, Outlet, Reply, Request, Secret, Target, Use,
};
use effects::Batch;

/// How far behind the clock may be without a word.
const FAR_BEHIND_NS: i64 = 1_000_000_000;
/// The most requests that are executed before they go to the journal: enough to share the cost of a sync, and few, so that the
/// journal writes, and clients read, while the next are executed.
pub const BATCH_MAX: usize = 64;

/// Where the time comes from.
pub type Clock = Arc<dyn Fn() -> Nanos + Send + Sync>;

/// What an executor is made of.
#[expect(missing_debug_implementations, reason = "a clock has nothing to show")]
pub struct Parts {
    /// The engine, which only the executor touches.
    pub engine: Engine,
    /// Client ids, to follow an order by its client's name for it.
    pub admission: Admission,
    /// Where the time comes from.
    pub clock: Clock,
    /// Simulated time that each request takes.
    pub delay: Duration,
}

/// The executor; see the module.
pub struct Executor {
    parts: Parts,
    /// The number of the last input.
    number: u64,
    /// Its stamp.
    stamp: Nanos,
    /// When that was, by a clock that nobody sets.
    stamped: Instant,
    /// Whether the clock is known to be far behind.
    is_behind: bool,
    batch: Batch,
    quotes: Vec<Command>,
    pulse: Arc<Pulse>,
}

impl std::fmt::Debug for Executor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Executor").field("number", &self.number).field("stamp", &self.stamp).finish_non_exhaustive()
    }
}

impl Executor {
    /// An executor that has executed nothing yet.
    pub fn new(parts: Parts) -> Self {
        let batch = Batch::new(&parts.engine);
        Self {
            parts,
            number: 0,
            stamp: Nanos(0),
            stamped: Instant::now(),
            is_behind: false,
            batch,
            quotes: Vec::new(),
            pulse: Arc::default(),
        }
    }

    /// An executor that goes on where a replica ends.
    pub fn resume(replica: Replica, admission: Admission, clock: Clock, delay: Duration) -> Self {
        let Replica { engine, number, stamp, .. } = replica;
        let mut executor = Self::new(Parts { engine, admission, clock, delay });
        (executor.number, executor.stamp) = (number, stamp);
        executor
    }

    /// What it has come to, between two batches. What was shown of it is not known here: see [`Replica::show`].
    pub fn into_replica(self) -> Replica {
        Replica::of(self.parts.engine, self.number, self.stamp, Vec::new())
    }

    /// The engine, to look at.
    pub fn engine(&self) -> &Engine {
        &self.parts.engine
    }

    /// How its batches go.
    pub fn pulse(&self) -> Arc<Pulse> {
        self.pulse.clone()
    }

    /// Applies the venue's configuration, which is commands like any other: a batch of its own. `reply` gets [`Answer::Done`].
    pub fn configure(&mut self, commands: Vec<Command>, reply: Option<Reply>) -> (Vec<Record>, Effects) {
        self.look_at_the_clock();
        for command in commands {
            self.apply(command);
        }
        self.answer(reply, Answer::Done);
        self.finish_batch()
    }

    /// Executes until `drain` is canceled and the queue is empty; gives itself back as it then is.
    pub async fn run(
        mut self,
        mut outlet: Outlet,
        mut journal: Box<dyn Journal<Effects>>,
        drain: CancellationToken,
    ) -> Self {
        let mut draining = false;
        loop {
            let due = tokio::select! {
                biased;
                () = drain.cancelled(), if !draining => {
                    draining = true;
                    outlet.close();
                    continue;
                }
                due = async {
                    // What the journal has no room for stays in the queue.
                    poll_fn(|cx| journal.poll_room(cx)).await;
                    tokio::select! {
                        biased;
                        ready = outlet.ready() => Some(ready),
                        () = passed(self.time_left()) => None,
                    }
                } => due,
            };
            match due {
                Some(true) => {}
                Some(false) => return self,
                None => {
                    self.look_at_the_clock();
                    self.apply(Command::Tick);
                }
            }
            let mut requests_max = BATCH_MAX;
            if !self.parts.delay.is_zero() && !draining {
                // What the wait is for is chosen after it: the discipline holds at the moment of execution.
                tokio::select! {
                    () = tokio::time::sleep(self.parts.delay) => {}
                    () = drain.cancelled() => {}
                }
                requests_max = 1;
            }
            let (started, first) = (Instant::now(), self.number);
            self.execute_batch(&mut outlet, requests_max, started);
            let executed = Instant::now();
            let (records, effects) = self.finish_batch();
            self.pulse.beat(self.number - first, executed - started, started.elapsed());
            if !records.is_empty() || effects.has_replies() {
                journal.append(records, effects.executions_hash, effects);
            }
            // Lets those run who were answered, and those who fill the next batch.
            tokio::task::yield_now().await;
        }
    }

    /// How long until the engine's next deadline, if there is one.
    fn time_left(&self) -> Option<Duration> {
        let left_ns = self.parts.engine.next_deadline()?.0.saturating_sub(self.time().0);
        Some(Duration::from_nanos(left_ns.max(0).unsigned_abs()))
    }

    /// What is applied from now on is stamped with the moment that it is.
    fn look_at_the_clock(&mut self) {
        let (clock, time) = ((self.parts.clock)(), self.time());
        let was_behind = std::mem::replace(&mut self.is_behind, time.0 - clock.0 > FAR_BEHIND_NS);
        if self.is_behind && !was_behind {
            let behind_ms = (time.0 - clock.0) / 1_000_000;
            tracing::warn!(behind_ms, "the clock is behind the last input: time goes on from there");
        }
        (self.stamp, self.stamped) = (time, Instant::now());
    }

    /// What time it is: what the clock says, if that is not behind the last stamp and what has passed since. Where it was set back, time
    /// goes on, so that what waits for a moment need not wait for the clock; a little slower, so that the clock gets to be right again.
    fn time(&self) -> Nanos {
        let passed_ns = i64::try_from(self.stamped.elapsed().as_nanos()).unwrap_or(i64::MAX);
        let at_least = self.stamp.0.saturating_add(passed_ns / 10 * 9);
        Nanos(at_least.max((self.parts.clock)().0))
    }

    fn execute_batch(&mut self, outlet: &mut Outlet, requests_max: usize, started: Instant) {
        self.look_at_the_clock();
        let mut quotes = std::mem::take(&mut self.quotes);
        outlet.take_quotes(&mut quotes);
        for quote in quotes.drain(..) {
            self.apply(quote);
        }
        self.quotes = quotes;
        for taken in 0..requests_max {
            if taken % AHEAD_MAX == 0 {
                self.parts.engine.look_ahead(outlet.coming(AHEAD_MAX));
            }
            let Some(request) = outlet.take(started) else { break };
            self.execute(request);
        }
    }

    fn execute(&mut self, request: Request) {
        if let Action::Deposit(deposit) = &request.action
            && self.parts.engine.account(deposit.account).is_some_and(|account| !account.checked)
        {
            if let Some(id) = deposit.request_id {
                self.parts.admission.release(deposit.account, Use::Deposit, id);
            }
            return self.answer(request.reply, Answer::Unchecked);
        }
        let Some(command) = self.command(request.action) else {
            return self.answer(request.reply, Answer::NotFound);
        };
        self.apply_claiming(command, request.claim, request.reply);
    }

    /// Answers a request for which there is nothing to apply.
    fn answer(&mut self, reply: Option<Reply>, answer: Answer) {
        self.batch.effects.replies.extend(reply.map(|reply| (reply, answer)));
    }

    /// The command that an action is, or `None` if it names an order that never was.
    fn command(&self, action: Action) -> Option<Command> {
        Some(match action {
            Action::Place(place) => Command::Place(*place),
            Action::Cancel { account, target } => Command::Cancel { account, order_id: self.order_id(account, target)? },
            Action::Replace { account, target, terms } => {
                let NewTerms { request_id, quantity, price, trigger_price } = *terms;
                let Some(order_id) = self.order_id(account, target) else {
                    if let Some(id) = request_id {
                        self.parts.admission.release(account, Use::Replace, id);
                    }
                    return None;
                };
                Command::Replace(Replace { account, order_id, request_id, quantity, price, trigger_price })
            }
            Action::CancelAll(cancel_all) => Command::CancelAll(cancel_all),
            Action::CancelAfter { account, timeout_ns } => Command::CancelAfter { account, timeout_ns },
            Action::Quote(quote) => Command::Quote(*quote),
            Action::Deposit(deposit) => Command::Deposit(*deposit),
            Action::Halt(instrument) => Command::Halt(instrument),
            Action::Resume(instrument) => Command::Resume(instrument),
        })
    }

    fn order_id(&self, account: AccountId, target: Target) -> Option<OrderId> {
        match target {
            Target::OrderId(order_id) => Some(order_id),
            Target::ClientOrderId(id) => self.parts.admission.order_id(account, id),
        }
    }

    /// Applies inputs again, as they were numbered and stamped: all that were kept together. What they show is what it was
    /// then, if the hash of its executions is.
    pub fn replay(&mut self, records: &mut Vec<Record>) -> Effects {
        for Record { number, stamp, command } in records.drain(..) {
            (self.number, self.stamp) = (number, stamp);
            self.apply_stamped(command, None, None);
        }
        self.finish_batch().1
    }

    /// Numbers and applies a command; `reply` gets its answer.
    fn apply_claiming(&mut self, command: Command, claim: Option<Claim>, reply: Option<Reply>) {
        self.number += 1;
        self.apply_stamped(command, claim, reply);
    }

    /// The same, for a command that nobody waits for and that holds no client id.
    fn apply(&mut self, command: Command) {
        self.apply_claiming(command, None, None);
    }

    /// Applies a command; a `claim` is worked out if it is not given and needed.
    fn apply_stamped(&mut self, command: Command, claim: Option<Claim>, reply: Option<Reply>) {
        let events = &mut self.batch.effects.events;
        let first = events.executions.len();
        let outcome = self.parts.engine.apply(self.number, self.stamp, &command, events);
        let admission = &self.parts.admission;
        let entry = entry_of(admission.secret(), &command, claim, outcome);
        if let Some(entry) = &entry {
            admission.executed(entry);
        } else if let Some((account, of, id)) = request_of(&command) {
            // It changed nothing: to try again is no second time.
            admission.release(account, of, id);
        }
        let record = Record { number: self.number, stamp: self.stamp, command };
        self.batch.applied(record, outcome, first, entry, reply);
    }

    /// Completes the batch: what is to be kept, and what it did.
    fn finish_batch(&mut self) -> (Vec<Record>, Effects) {
        self.batch.finish(&self.parts.engine, self.number)
    }
}

/// What is remembered of a command that came with a client's id, if it had an effect.
fn entry_of(secret: Secret, command: &Command, claim: Option<Claim>, outcome: Outcome) -> Option<Entry> {
    match (command, outcome) {
        (Command::Place(place @ Place { account, client_order_id: Some(id), .. }), Outcome::Placed(order_id)) => {
            let claim = claim.unwrap_or_else(|| Claim::of(secret, *account, Use::Order, id, Fingerprint::of(place)));
            Some(claim.became(Became { order_id, priority: Priority::Kept }))
        }
        (
            Command::Replace(replace @ Replace { account, request_id: Some(id), .. }),
            Outcome::Replaced(order_id, priority),
        ) => {
            let asked = || Fingerprint::of_replace(replace);
            let claim = claim.unwrap_or_else(|| Claim::of(secret, *account, Use::Replace, id, asked()));
            Some(claim.became(Became { order_id, priority }))
        }
        (Command::Deposit(deposit @ Deposit { account, request_id: Some(id), .. }), Outcome::Done) => {
            let asked = || Fingerprint::of_deposit(deposit);
            let claim = claim.unwrap_or_else(|| Claim::of(secret, *account, Use::Deposit, id, asked()));
            Some(claim.became(Became { order_id: OrderId(0), priority: Priority::Kept }))
        }
        _ => None,
    }
}

/// The client's id for a request that is not an order, if it has one.
fn request_of(command: &Command) -> Option<(AccountId, Use, ClientOrderId)> {
    match command {
        Command::Replace(Replace { account, request_id, .. }) => Some((*account, Use::Replace, (*request_id)?)),
        Command::Deposit(Deposit { account, request_id, .. }) => Some((*account, Use::Deposit, (*request_id)?)),
        _ => None,
    }
}

/// Waits so long; for ever if there is nothing to wait for.
async fn passed(time_left: Option<Duration>) {
    match time_left {
        Some(time_left) => tokio::time::sleep(time_left).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicI64, Ordering},
        task::{Context, Poll},
    };

    use super::*;
    use crate::domain::{AccountName, AccountSpec};
    use crate::engine::Limits;
    use crate::queue::{Discipline, OnFull, Refusal, Settings, queue};

    /// A journal whose disk hangs.
    struct Hanging;

    impl Journal<Effects> for Hanging {
        fn poll_room(&mut self, _: &mut Context<'_>) -> Poll<()> {
            Poll::Pending
        }

        fn append(&mut self, _: Vec<Record>, _: u64, _: Effects) {
            panic!("there is no room");
        }
    }

    #[tokio::test]
    async fn where_the_journal_has_no_room_requests_wait_in_the_queue_and_a_stop_closes_it() {
        let settings =
            Settings { orders_capacity: 4, cancels_capacity: 2, discipline: Discipline::Fifo, on_full: OnFull::Reject };
        let (intake, outlet) = queue(settings);
        let (engine, admission) = (Engine::new(Limits::default()), Admission::default());
        let executor = Executor::new(Parts { engine, admission, clock: Arc::new(|| Nanos(1)), delay: Duration::ZERO });
        let drain = CancellationToken::new();
        let task = tokio::spawn(executor.run(outlet, Box::new(Hanging), drain.clone()));
        let cancel = Action::Cancel { account: AccountId(0), target: Target::OrderId(OrderId(1)) };
        let mut waiting = Vec::new();
        // Time for the executor to do what it must not.
        for _ in 0..100 {
            if let Ok(answer) = intake.send(cancel.clone(), None).await {
                waiting.push(answer);
            }
            tokio::task::yield_now().await;
        }
        assert_eq!(waiting.len(), 2);
        assert_eq!(intake.send(cancel.clone(), None).await.err(), Some(Refusal::Full));
        drain.cancel();
        let closed = async {
            while intake.send(cancel.clone(), None).await.err() != Some(Refusal::ShuttingDown) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), closed).await.unwrap();
        assert!(waiting.iter_mut().all(|answer| answer.try_recv().is_err()));
        task.abort();
    }

    #[test]
    fn a_clock_that_is_set_back_holds_up_nothing_that_waits_for_a_moment() {
        const THEN: i64 = 1_767_225_600_000_000_000;
        const HOUR: i64 = 3_600_000_000_000;
        const SWITCH: i64 = 20_000_000;
        let now = Arc::new(AtomicI64::new(THEN + HOUR));
        let seen = now.clone();
        let clock: Clock = Arc::new(move || Nanos(seen.load(Ordering::SeqCst)));
        let (engine, admission) = (Engine::new(Limits::default()), Admission::default());
        let mut executor = Executor::new(Parts { engine, admission, clock, delay: Duration::ZERO });
        let name = AccountName::parse("a").unwrap();
        executor.configure(vec![Command::OpenAccount(Box::new(AccountSpec { name, balances: None }))], None);
        now.store(THEN, Ordering::SeqCst);
        executor.look_at_the_clock();
        assert!(executor.stamp.0 >= THEN + HOUR && executor.is_behind);
        executor.apply(Command::CancelAfter { account: AccountId(0), timeout_ns: SWITCH });
        assert!(executor.time_left().unwrap() <= Duration::from_nanos(SWITCH.unsigned_abs()));
        while executor.time_left().is_some() {
            executor.look_at_the_clock();
            executor.apply(Command::Tick);
        }
        assert!(executor.stamp.0 >= THEN + HOUR + SWITCH);
        // It is right again once it has caught up.
        now.store(THEN + 2 * HOUR, Ordering::SeqCst);
        executor.look_at_the_clock();
        assert_eq!((executor.stamp, executor.is_behind), (Nanos(THEN + 2 * HOUR), false));
    }
}
