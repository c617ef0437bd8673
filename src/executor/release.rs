//! What happens to a batch on its way out: it is finished while it is being kept; once it is, the read model learns of it, then the
//! stream, then those who asked. A large one is finished once it is kept, part by part: no part is made before the last is out.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::{Effects, Finished, Finisher, Pulse, Unfinished};
use crate::journal::Gate;
use crate::queue::{Admission, Answer, Reply};
use crate::read::ReadModel;
use crate::stream::Hub;

/// Who is answered, and what.
pub type Replies = Vec<(Reply, Answer)>;

/// The other side of the journal's gate. Whoever is told of an order by the stream or a reply can already read it.
#[derive(Debug)]
pub struct Release {
    /// What makes frames, orders and answers.
    pub finisher: Finisher,
    /// What counts how long that takes.
    pub pulse: Arc<Pulse>,
    /// What GETs answer from.
    pub read: Arc<ReadModel>,
    /// What subscribers read.
    pub hub: Arc<Hub>,
    /// Whose client ids are now known.
    pub admission: Admission,
    /// Where each worker's answers go, for [`answer_all`] to give them. Bounded by who waits: each answers a request that was
    /// taken in.
    pub answers: Vec<UnboundedSender<Replies>>,
    /// How many batches wait to be finished: those behind them wait, too.
    pub waiting: usize,
}

/// A batch that is finished, or waits to be.
#[derive(Debug)]
pub struct Ready {
    /// All of it.
    finished: Option<Finished>,
    rest: Unfinished,
}

/// Gives answers until none can come any more, on the worker of those who wait for them: to wake one of its tasks from another
/// thread is a system call, and so what a batch has for a worker is handed over as one.
pub async fn answer_all(mut answers: UnboundedReceiver<Replies>) {
    while let Some(replies) = answers.recv().await {
        for (reply, answer) in replies {
            reply.give(answer);
        }
    }
}

impl Gate<Effects> for Release {
    type Ready = Ready;

    fn prepare(&mut self, effects: Effects) -> Ready {
        let mut ready = Ready { finished: None, rest: Unfinished::new(effects) };
        self.waiting += 1;
        if self.waiting == 1 {
            self.catch_up(&mut ready);
        }
        ready
    }

    fn release(&mut self, ready: Ready) {
        let Ready { finished, mut rest } = ready;
        if let Some(finished) = finished {
            return self.let_out(finished);
        }
        self.waiting -= 1;
        let mut took = Duration::ZERO;
        loop {
            let started = Instant::now();
            let Some(part) = self.finisher.next_part(&mut rest) else { break };
            took += started.elapsed();
            self.let_out(part);
        }
        self.pulse.finish_ns.observe_time(took);
    }

    fn catch_up(&mut self, ready: &mut Ready) -> bool {
        if ready.finished.is_none() && !ready.rest.is_large() {
            let started = Instant::now();
            ready.finished = self.finisher.next_part(&mut ready.rest);
            self.waiting -= 1;
            self.pulse.finish_ns.observe_time(started.elapsed());
        }
        ready.finished.is_some()
    }
}

impl Release {
    fn let_out(&self, finished: Finished) {
        let replies = finished.release(&self.read, &self.hub, &self.admission);
        let mut by_worker: Vec<_> = self.answers.iter().map(|_| Replies::new()).collect();
        for (reply, answer) in replies {
            let replies =
                by_worker.get_mut(reply.worker().0).expect("every way in has a worker, and every worker a way back");
            replies.push((reply, answer));
        }
        for (worker, replies) in self.answers.iter().zip(by_worker) {
            if !replies.is_empty() {
                // Where the worker has ended, nobody waits for them.
                drop(worker.send(replies));
            }
        }
    }
}
