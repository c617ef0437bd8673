//! The answers that a connection waits for: given in the order of its requests, whatever the order in which they come.
//!
//! Only the oldest is waited for, so a batch of answers wakes the connection once.

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
};

use serde_json::value::RawValue;
use tokio::{sync::oneshot, time::Instant};

use super::super::{
    Problem, State, batch,
    entry::{self, Asked, Done, Meant, Pending},
};
use crate::domain::AccountId;
use crate::queue::Answer;

/// The `id` of a request, to be echoed.
pub(super) type RequestId = Option<Box<RawValue>>;

/// What a request came to.
pub(super) type Answered = Result<Done, Problem>;

/// See the module.
#[derive(Default)]
pub(super) struct Answers {
    waiting: VecDeque<Asking>,
    /// How many requests they are to, a batch's orders each for one.
    requests: usize,
}

struct Asking {
    id: RequestId,
    requests: usize,
    answer: Waiting,
}

/// An answer that is there or on its way.
enum Waiting {
    /// It is there.
    Now(Option<Answered>),
    /// The executor has the request.
    Queued { account: AccountId, answer: oneshot::Receiver<Answer>, asked: Asked, until: Instant },
    /// It takes more than the executor's answer.
    Later(Later),
}

/// An answer that is being looked for.
type Later = Pin<Box<dyn Future<Output = Answered> + Send>>;

impl Answers {
    /// How many are waited for; a batch counts its orders.
    pub(super) fn len(&self) -> usize {
        self.requests
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Adds an answer that is there.
    pub(super) fn push(&mut self, id: RequestId, answer: Answered) {
        self.wait_for(id, 1, Waiting::Now(Some(answer)));
    }

    fn wait_for(&mut self, id: RequestId, requests: usize, answer: Waiting) {
        self.requests += requests;
        self.waiting.push_back(Asking { id, requests, answer });
    }

    fn pop(&mut self) -> Option<RequestId> {
        let Asking { id, requests, .. } = self.waiting.pop_front()?;
        self.requests -= requests;
        Some(id)
    }

    /// Adds the answer to a request that was submitted.
    pub(super) fn push_pending(&mut self, state: &State, account: AccountId, id: RequestId, pending: Pending) {
        let until = Instant::now() + state.request_timeout;
        let waiting = match pending {
            Pending::Queued(answer, asked) => Waiting::Queued { account, answer, asked, until },
            pending => {
                let state = state.clone();
                Waiting::Later(Box::pin(async move { entry::finish_by(&state, account, pending, || until).await }))
            }
        };
        self.wait_for(id, 1, waiting);
    }

    /// Adds the answer to a batch that was submitted.
    pub(super) fn push_batch(
        &mut self,
        state: &State,
        account: AccountId,
        id: RequestId,
        submitted: Vec<Result<Pending, Problem>>,
    ) {
        let (state, until, orders) = (state.clone(), Instant::now() + state.request_timeout, submitted.len());
        let answer = async move { Ok(Done::Batch(batch::finish(&state, account, submitted, until).await)) };
        self.wait_for(id, orders, Waiting::Later(Box::pin(answer)));
    }

    /// The oldest answer, once it is there; `None` if none is waited for. Dropping the future loses nothing.
    pub(super) async fn next(&mut self, state: &State) -> Option<(RequestId, Answered)> {
        let oldest = &mut self.waiting.front_mut()?.answer;
        let answer = match oldest {
            Waiting::Queued { until, asked, .. } => {
                let (until, asked) = (*until, *asked);
                let answer = poll_fn(|context| oldest.poll(state, context));
                let timed_out = |_| Err(Problem::timeout(asked.client_order_id()));
                tokio::time::timeout_at(until, answer).await.unwrap_or_else(timed_out)
            }
            _ => poll_fn(|context| oldest.poll(state, context)).await,
        };
        Some((self.pop()?, answer))
    }

    /// The oldest answer, if it is there.
    pub(super) fn try_next(&mut self, state: &State) -> Option<(RequestId, Answered)> {
        let oldest = &mut self.waiting.front_mut()?.answer;
        let Poll::Ready(answer) = oldest.poll(state, &mut Context::from_waker(std::task::Waker::noop())) else {
            return None;
        };
        Some((self.pop()?, answer))
    }
}

impl Waiting {
    fn poll(&mut self, state: &State, context: &mut Context<'_>) -> Poll<Answered> {
        match self {
            Self::Now(answer) => Poll::Ready(answer.take().unwrap_or_else(|| Err(Problem::internal()))),
            Self::Queued { account, answer, asked, .. } => {
                let Poll::Ready(answer) = Pin::new(answer).poll(context) else { return Poll::Pending };
                match entry::answered(state, *account, *asked, answer.ok()) {
                    Meant::Now(answer) => Poll::Ready(answer),
                    Meant::Late(late) => {
                        let state = state.clone();
                        let mut answer: Later = Box::pin(async move { Err(entry::late(&state, late).await) });
                        let polled = answer.as_mut().poll(context);
                        *self = Self::Later(answer);
                        polled
                    }
                }
            }
            Self::Later(answer) => answer.as_mut().poll(context),
        }
    }
}
