//! Order entry, the same for REST and for sockets: a request is submitted, in order, and finished when its answer comes.
//!
//! Submitting asks the admission table, then the queue. Whatever came of an order, the client learns it from here: the
//! order, or a problem that says whether it was accepted.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use axum::http::StatusCode;
use tokio::{
    sync::oneshot::{self, error::TryRecvError},
    time::{Instant, error::Elapsed},
};

use super::{Problem, State, lookup, problem::RequestOutcome, request::Terms};
use crate::domain::{
    AccountId, AccountName, CancelAll, ClientOrderId, Code, Deposit, Order, OrderId, Place, Priority, Quote, Replace,
    Status,
};
use crate::queue::{
    Action, Answer, Became, ConnectionId, Fingerprint, InFlight, Known, NewTerms, Refusal, Reservation, ShownOrder, Target,
    Use, Verdict,
};

/// What a request came to.
#[derive(Clone, Debug)]
pub(super) enum Done {
    /// A new order.
    Placed(ShownOrder),
    /// The order of an earlier request with the same client id.
    Replayed(ShownOrder),
    /// The canceled order.
    Canceled(ShownOrder),
    /// How many orders were canceled.
    CanceledAll(u32),
    /// The order with its new terms.
    Replaced(ShownOrder, Priority),
    /// The order of an earlier replace with the same id.
    ReplacedBefore(ShownOrder, Priority),
    /// The client said who it is: its account, and the `seq` of that account's last execution.
    Known(Option<AccountName>, u64),
    /// What became of each order of a batch.
    Batch(Vec<Item>),
    /// Nothing to show.
    Applied,
    /// Nothing to show, of an earlier request with the same id.
    AppliedBefore,
}

/// What became of one order of a batch.
#[derive(Clone, Debug)]
pub(super) enum Item {
    Order(ShownOrder),
    Problem(Problem),
}

/// A submitted request.
#[derive(Debug)]
pub(super) enum Pending {
    /// It waits for the executor.
    Queued(oneshot::Receiver<Answer>, Asked),
    /// It repeats a request that is known.
    Known(AccountId, Use, Became),
    /// It repeats a request that is on its way; of a replace, this is the order that it means.
    InFlight(AccountId, Use, ClientOrderId, InFlight, Option<Target>),
}

/// What a request in the queue is about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked {
    /// A new order, which may have a client id to ask for it with.
    New(Option<ClientOrderId>),
    /// An order that there may be, and what is wrong if it has ended.
    Existing(Target, Code),
    /// Anything else.
    Other,
}

impl Asked {
    /// The id to ask for a new order with.
    pub(super) fn client_order_id(self) -> Option<ClientOrderId> {
        match self {
            Self::New(id) => id,
            Self::Existing(..) | Self::Other => None,
        }
    }
}

/// What the executor's answer means.
#[derive(Debug)]
pub(super) enum Meant {
    /// This.
    Now(Result<Done, Problem>),
    /// That the request came too late: [`late`] says for which order.
    Late(Late),
}

/// A request that was refused for the state of its order, or whose order the engine has forgotten.
#[derive(Debug)]
pub(super) struct Late {
    account: AccountId,
    order_id: OrderId,
    status: StatusCode,
    code: &'static str,
    detail: String,
    /// The order as the executor told of it.
    told: Option<Arc<Order>>,
}

/// Submits a new order.
///
/// # Errors
///
/// A problem, if nothing was queued and no earlier request answers for it.
pub(super) async fn place(state: &State, place: Box<Place>, connection: Option<ConnectionId>) -> Result<Pending, Problem> {
    let (account, client_order_id) = (place.account, place.client_order_id);
    let reservation = match client_order_id {
        None => None,
        Some(id) => match state.admission.reserve(account, Use::Order, id, Fingerprint::of(&place)) {
            Verdict::New(reservation) => Some(reservation),
            Verdict::Repeat(Known::Done(became)) => return Ok(Pending::Known(account, Use::Order, became)),
            Verdict::Repeat(Known::InFlight(known)) => return Ok(Pending::InFlight(account, Use::Order, id, known, None)),
            Verdict::Conflict => {
                let detail = "This client_order_id belongs to another order";
                return Err(Problem::refused("client_order_id_conflict", detail));
            }
        },
    };
    let asked = Asked::New(client_order_id);
    send(state, Action::Place(place), reservation, asked, connection).await
}

/// Submits a cancel.
///
/// # Errors
///
/// As [`place`]; an order that was never the account's is one too.
pub(super) async fn cancel(
    state: &State,
    account: AccountId,
    target: Target,
    connection: Option<ConnectionId>,
) -> Result<Pending, Problem> {
    known(state, account, target)?;
    send(state, Action::Cancel { account, target }, None, Asked::Existing(target, Code::NotCancelable), connection).await
}

/// Submits a replace, which may have an id of its own.
///
/// # Errors
///
/// As [`cancel`].
pub(super) async fn replace(
    state: &State,
    account: AccountId,
    target: Target,
    terms: Terms,
    request_id: Option<ClientOrderId>,
    connection: Option<ConnectionId>,
) -> Result<Pending, Problem> {
    known(state, account, target)?;
    let Terms { quantity, price, trigger_price } = terms;
    let new_terms = NewTerms { request_id, quantity, price, trigger_price };
    let action = Action::Replace { account, target, terms: Box::new(new_terms) };
    let existing = Asked::Existing(target, Code::NotReplaceable);
    let Some(id) = request_id else { return send(state, action, None, existing, connection).await };
    // Of a target whose order is in flight itself, the number is not known yet: only the terms tell requests apart.
    let order_id = order_id(state, account, target);
    let (request_id, of) = (request_id, order_id.unwrap_or_default());
    let asked = Fingerprint::of_replace(&Replace { account, order_id: of, request_id, quantity, price, trigger_price });
    let reservation = match state.admission.reserve(account, Use::Replace, id, asked) {
        Verdict::New(reservation) => reservation,
        Verdict::Repeat(Known::Done(became)) if order_id == Some(became.order_id) => {
            return Ok(Pending::Known(account, Use::Replace, became));
        }
        Verdict::Repeat(Known::InFlight(known)) => {
            return Ok(Pending::InFlight(account, Use::Replace, id, known, Some(target)));
        }
        Verdict::Repeat(Known::Done(_)) | Verdict::Conflict => return Err(Problem::idempotency_conflict()),
    };
    send(state, action, Some(reservation), existing, connection).await
}

/// The order that is meant, as far as its number is known.
fn order_id(state: &State, account: AccountId, target: Target) -> Option<OrderId> {
    match target {
        Target::OrderId(order_id) => Some(order_id),
        Target::ClientOrderId(id) => state.admission.order_id(account, id),
    }
}

/// Submits a cancel of many.
///
/// # Errors
///
/// As [`place`].
pub(super) async fn cancel_all(
    state: &State,
    cancel_all: CancelAll,
    connection: Option<ConnectionId>,
) -> Result<Pending, Problem> {
    send(state, Action::CancelAll(cancel_all), None, Asked::Other, connection).await
}

/// Submits a new deadline for the account's dead man's switch.
///
/// # Errors
///
/// As [`place`].
pub(super) async fn cancel_after(
    state: &State,
    account: AccountId,
    timeout_ns: i64,
    connection: Option<ConnectionId>,
) -> Result<Pending, Problem> {
    send(state, Action::CancelAfter { account, timeout_ns }, None, Asked::Other, connection).await
}

/// Submits a quote by hand.
///
/// # Errors
///
/// As [`place`].
pub(super) async fn quote(state: &State, quote: Quote) -> Result<Pending, Problem> {
    send(state, Action::Quote(Box::new(quote)), None, Asked::Other, None).await
}

/// Submits an amount for a balance, which may have an id of its own.
///
/// # Errors
///
/// As [`place`].
pub(super) async fn deposit(state: &State, deposit: Deposit) -> Result<Pending, Problem> {
    let (account, asked) = (deposit.account, Fingerprint::of_deposit(&deposit));
    let reservation = match deposit.request_id {
        None => None,
        Some(id) => match state.admission.reserve(account, Use::Deposit, id, asked) {
            Verdict::New(reservation) => Some(reservation),
            Verdict::Repeat(Known::Done(became)) => return Ok(Pending::Known(account, Use::Deposit, became)),
            Verdict::Repeat(Known::InFlight(known)) => {
                return Ok(Pending::InFlight(account, Use::Deposit, id, known, None));
            }
            Verdict::Conflict => return Err(Problem::idempotency_conflict()),
        },
    };
    send(state, Action::Deposit(Box::new(deposit)), reservation, Asked::Other, None).await
}

/// Submits what an administrator asks for.
///
/// # Errors
///
/// As [`place`].
pub(super) async fn administer(state: &State, action: Action) -> Result<Pending, Problem> {
    send(state, action, None, Asked::Other, None).await
}

async fn send(
    state: &State,
    action: Action,
    reservation: Option<Reservation<'_>>,
    asked: Asked,
    connection: Option<ConnectionId>,
) -> Result<Pending, Problem> {
    if state.journal_failed.load(Relaxed) {
        return Err(Problem::journal_failed());
    }
    let claim = reservation.as_ref().map(Reservation::claim);
    let sent = state.intake.send_claiming(action, claim, connection).await;
    let answer = sent.map_err(|refusal| Problem::not_queued(refusal, state.intake.retry_after()))?;
    if let Some(reservation) = reservation {
        reservation.queued();
    }
    Ok(Pending::Queued(answer, asked))
}

/// Submits what may wait for a place among the orders, and gives it up at a moment.
///
/// # Errors
///
/// Those of `submitting`, and `queue_full` if it is given up: nothing is queued then.
pub(super) async fn by(
    state: &State,
    until: Instant,
    submitting: impl Future<Output = Result<Pending, Problem>>,
) -> Result<Pending, Problem> {
    tokio::time::timeout_at(until, submitting).await.unwrap_or_else(|_| {
        state.intake.gave_up();
        Err(Problem::not_queued(Refusal::Full, state.intake.retry_after()))
    })
}

/// Refuses a client id that no order ever had, without troubling the queue.
fn known(state: &State, account: AccountId, target: Target) -> Result<(), Problem> {
    match target {
        Target::ClientOrderId(id) if state.admission.find(account, Use::Order, id).is_none() => {
            Err(Problem::unknown_order())
        }
        _ => Ok(()),
    }
}

/// Waits for what a submitted request comes to.
///
/// # Errors
///
/// The problem that the venue answers with, or 504 if it does not answer in time.
pub(super) async fn finish(state: &State, account: AccountId, pending: Pending) -> Result<Done, Problem> {
    finish_by(state, account, pending, || Instant::now() + state.request_timeout).await
}

/// The same, waiting until the moment that `until` says, once there is something to wait for.
pub(super) async fn finish_by(
    state: &State,
    account: AccountId,
    pending: Pending,
    until: impl FnOnce() -> Instant,
) -> Result<Done, Problem> {
    match pending {
        Pending::Known(account, of, became) => replay(state, account, of, became).await,
        Pending::InFlight(account, of, id, known, target) => {
            // Either end of the wait means the same: look again.
            let _ended = tokio::time::timeout_at(until(), known).await;
            match state.admission.find(account, of, id) {
                Some(Known::Done(became))
                    if target.is_some_and(|target| order_id(state, account, target) != Some(became.order_id)) =>
                {
                    Err(Problem::idempotency_conflict())
                }
                Some(Known::Done(became)) => replay(state, account, of, became).await,
                _ => Err(Problem::in_flight()),
            }
        }
        Pending::Queued(mut answer, asked) => match awaited(&mut answer, until).await {
            Ok(answer) => match answered(state, account, asked, answer) {
                Meant::Now(answer) => answer,
                Meant::Late(request) => Err(late(state, request).await),
            },
            Err(_) => Err(Problem::timeout(asked.client_order_id())),
        },
    }
}

/// The executor's answer; `None` if there will be none. One that is there costs no timer.
async fn awaited(
    answer: &mut oneshot::Receiver<Answer>,
    until: impl FnOnce() -> Instant,
) -> Result<Option<Answer>, Elapsed> {
    match answer.try_recv() {
        Ok(answer) => Ok(Some(answer)),
        Err(TryRecvError::Closed) => Ok(None),
        Err(TryRecvError::Empty) => tokio::time::timeout_at(until(), answer).await.map(Result::ok),
    }
}

/// What the executor's answer means; without one, what it was to come from is gone.
pub(super) fn answered(state: &State, account: AccountId, asked: Asked, answer: Option<Answer>) -> Meant {
    let Some(answer) = answer else {
        // What cannot be kept is answered by nobody; whether it reached the disk is not known.
        let failed = state.journal_failed.load(Relaxed);
        let problem = if failed { Problem::journal_failed() } else { Problem::internal() };
        return Meant::Now(Err(problem.with_outcome(RequestOutcome::Unknown)));
    };
    match (answer, asked) {
        (Answer::TooLate(report), _) => {
            let ended = report.order.status.is_terminal();
            let status = if ended { StatusCode::CONFLICT } else { StatusCode::UNPROCESSABLE_ENTITY };
            let code = report.code.map_or("not_cancelable", |code| code.as_str());
            let detail = report.reason.unwrap_or_default();
            let (order_id, told) = (report.order.order_id, Some(Arc::new(report.order)));
            Meant::Late(Late { account, order_id, status, code, detail, told })
        }
        // An order that waits for a place in its lane is overtaken by what asks for it.
        (Answer::NotFound, Asked::Existing(Target::ClientOrderId(id), _))
            if matches!(state.admission.find(account, Use::Order, id), Some(Known::InFlight(_))) =>
        {
            Meant::Now(Err(Problem::in_flight()))
        }
        (Answer::NotFound, Asked::Existing(target, code)) => match order_id(state, account, target) {
            None => Meant::Now(Err(Problem::unknown_order())),
            Some(order_id) => {
                let (status, detail) = (StatusCode::CONFLICT, "The order has ended".to_owned());
                Meant::Late(Late { account, order_id, status, code: code.as_str(), detail, told: None })
            }
        },
        (answer, _) => Meant::Now(done(account, answer)),
    }
}

/// The answer to a request that came too late: the order as it is, not as it was told of, since a refused request does not
/// touch it. Where the engine knows no such order there may still have been one, which ended longer ago than it remembers.
pub(super) async fn late(state: &State, late: Late) -> Problem {
    let Late { account, order_id, status, code, detail, told } = late;
    let order = match (lookup::order(state, account, order_id).await, told) {
        (Ok(order), Some(_)) => order,
        (Ok(order), None) if order.status.is_terminal() => order,
        // It came after the request.
        (Ok(_), None) => return Problem::in_flight(),
        (Err(_), Some(told)) => told,
        (Err(problem), None) => return problem,
    };
    Problem::new(status, code, detail).with_order(state.view(&order))
}

fn done(account: AccountId, answer: Answer) -> Result<Done, Problem> {
    match answer {
        Answer::Placed(shown) if shown.order.status == Status::Rejected => Err(refused(shown)),
        Answer::Placed(shown) => Ok(Done::Placed(shown)),
        Answer::Canceled(shown) => Ok(Done::Canceled(shown)),
        Answer::CanceledAll(count) => Ok(Done::CanceledAll(count)),
        Answer::Replaced(shown, priority) => Ok(Done::Replaced(shown, priority)),
        // Both are answered before, where they can come.
        Answer::TooLate(_) => Err(Problem::internal()),
        Answer::NotFound => Err(Problem::unknown_order()),
        Answer::Done => Ok(Done::Applied),
        Answer::Unchecked => {
            let detail = "This account has no balances: its orders are not checked against any";
            Err(Problem::new(StatusCode::CONFLICT, "unchecked_account", detail))
        }
        Answer::Refused(code) => {
            tracing::debug!(account = account.0, code = code.as_str(), "a command was refused");
            let detail = match code {
                Code::InsufficientBalance => "The account has less than that free",
                Code::BalanceLimit => "The account would have more of the asset than the venue can count",
                _ => "The venue refused it",
            };
            Err(Problem::refused(code.as_str(), detail))
        }
    }
}

fn refused(shown: ShownOrder) -> Problem {
    let code = shown.order.code.map_or("rejected", |code| code.as_str());
    let detail = shown.order.reason.clone().unwrap_or_default();
    Problem::refused(code, detail).with_order(shown)
}

/// The answer to a request that came before: its order, if it is about one, as it is now.
async fn replay(state: &State, account: AccountId, of: Use, became: Became) -> Result<Done, Problem> {
    if of == Use::Deposit {
        return Ok(Done::AppliedBefore);
    }
    // An order that cannot be shown may have been refused.
    let outcome = if of == Use::Order { RequestOutcome::Unknown } else { RequestOutcome::Accepted };
    let order = lookup::order(state, account, became.order_id).await;
    let order = order.map_err(|problem| problem.with_outcome(outcome))?;
    match of {
        Use::Order if order.status == Status::Rejected => Err(refused(state.view(&order)).replayed()),
        Use::Order => Ok(Done::Replayed(state.view(&order))),
        Use::Replace | Use::Deposit => Ok(Done::ReplacedBefore(state.view(&order), became.priority)),
    }
}
