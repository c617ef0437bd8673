//! One connection: it reads requests, writes answers and everything its cursors come upon, until one side has enough.

mod end;

use std::{future::Future, pin::Pin, sync::atomic::Ordering::Relaxed, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::{
    net::TcpStream,
    sync::watch,
    task::unconstrained,
    time::{Instant, MissedTickBehavior},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Utf8Bytes,
        protocol::{Message, Role, WebSocketConfig},
    },
};

use super::super::{Problem, State, access::Identity, entry::Done, rate::Rates};
use super::{
    answers::{Answered, Answers, RequestId},
    cancel_all,
    duplex::Duplex,
    message::{self, Asked, Said, Speaker},
    outbox::Outbox,
    pulse::{Pulse, Silence},
    seats::Seat,
    status::Status,
    subscriptions::{Lost, Subscriptions, Wish},
};
use crate::domain::{AccountId, AccountName, MomentText, Scope};
use crate::stream::TextFrames;
use end::End;

/// How much is read from a socket at once. tungstenite keeps and clears this much for every connection, at every read.
const READ_BUFFER: usize = 8 * 1024;
/// How much tungstenite may write before the session takes it: pongs, and the answer to a close.
const WRITE_BUFFER: usize = 64 * 1024;
/// While so many bytes wait to go out, no requests are read.
const OUT_BYTES_MAX: usize = 512 * 1024;
/// The same for so many runs: of a pong, what holds it takes more than itself.
const OUT_RUNS_MAX: usize = 1_024;
/// How long a closing connection may take to take what is left for it.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// A ping frame, as a server writes it: final, unmasked, empty.
const PING: &[u8] = &[0x89, 0];
/// How often a heartbeat is sent.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// See the module.
pub(super) struct Session {
    state: State,
    speaker: Speaker,
    /// Whether the account's orders are canceled when the connection ends.
    pub(super) cancels: bool,
    /// The account's place among its sockets, once the account is known.
    seat: Option<Seat>,
    /// Changes when the account has a new execution.
    news: Option<watch::Receiver<u64>>,
    inbound: WebSocketStream<Duplex>,
    outbox: Outbox,
    subscriptions: Subscriptions,
    answers: Answers,
    /// A request that waits for its turn: it holds up those behind it, and nothing that goes out.
    held: Option<Held>,
    /// Answers in the making, and what writes their moments.
    replies: TextFrames,
    moments: MomentText,
}

/// A message on its way to being understood.
type Held = Pin<Box<dyn Future<Output = Said> + Send>>;

impl Session {
    /// A session on an upgraded stream; `early` is what was read beyond the handshake.
    pub(super) async fn new(state: State, speaker: Speaker, socket: TcpStream, early: Bytes) -> Self {
        let (read, write) = socket.into_split();
        let config = WebSocketConfig::default()
            .max_message_size(Some(state.limits.message_bytes))
            .max_frame_size(Some(state.limits.message_bytes))
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_write_buffer_size(WRITE_BUFFER);
        let inbound = WebSocketStream::from_raw_socket(Duplex::new(read, early), Role::Server, Some(config)).await;
        let subscriptions = Subscriptions::new(state.stream.lag_limit);
        let outbox = Outbox::new(write, state.stream.send_buffer);
        Self {
            state,
            speaker,
            cancels: false,
            seat: None,
            news: None,
            inbound,
            outbox,
            subscriptions,
            answers: Answers::default(),
            held: None,
            replies: TextFrames::default(),
            moments: MomentText::default(),
        }
    }

    /// Acts for `identity` from now on, if its account may have another socket.
    fn identify(&mut self, identity: Identity) -> Result<(), End> {
        let account = identity.account;
        if self.seat.as_ref().is_none_or(|seat| seat.account != account) {
            let most = self.state.limits.sockets_per_account;
            self.seat = self.state.seats.take(account, most);
            if self.seat.is_none() {
                self.state.metrics.limit("sockets_per_account");
                return Err(End::Closed(4009, format!("an account has at most {most} connections")));
            }
        }
        self.speaker.identity = Some(identity);
        self.news = self.state.hub.executions(account).map(|log| log.watch());
        Ok(())
    }

    fn account(&self) -> Option<AccountId> {
        self.speaker.identity.map(|identity| identity.account)
    }

    fn account_name(&self) -> Option<AccountName> {
        self.account().and_then(|account| self.state.read.account_name(account)).copied()
    }

    /// The number of the account's last execution; none where the account is not known.
    fn last_seq(&self) -> Option<u64> {
        self.account().and_then(|account| self.state.hub.executions(account)).map(|log| log.last_seq())
    }

    /// Serves the connection to its end.
    pub(super) async fn run(mut self, wish: Wish) {
        self.state.metrics.sockets.inc();
        let known = self.speaker.identity.map_or(Ok(()), |identity| self.identify(identity));
        let greeted = known.and_then(|()| self.hello(&wish));
        // A connection that never was one has nothing to take back when it ends.
        self.cancels &= greeted.is_ok();
        let end = match greeted {
            Ok(()) => self.serve().await,
            Err(end) => end,
        };
        self.state.metrics.sockets.dec();
        self.state.metrics.socket_closed(end.code());
        if !matches!(end, End::Shutdown(..)) {
            // What waits for its turn is not done any more: nothing comes behind the end.
            self.held = None;
        }
        if let Some(account) = self.speaker.identity.and_then(|identity| identity.may(Scope::Trade).ok())
            && self.cancels
            && !matches!(end, End::Shutdown(..))
        {
            self.state.sockets.spawn(cancel_all(self.state.clone(), account, self.speaker.connection));
        }
        self.end(end).await;
    }

    /// Says that the connection lives, and notes how far it is behind.
    fn beat(&mut self) {
        if let Some(lag) = self.subscriptions.lag() {
            self.state.metrics.lag(lag);
        }
        let beat = Status::new("heartbeat", self.last_seq());
        self.outbox.push(Status { ts: Some((self.state.now)()), ..beat }.frame());
    }

    /// How the venue's end is told.
    fn shutdown(&self) -> End {
        match (self.state.journal_failed.load(Relaxed), self.state.failed.load(Relaxed)) {
            (true, _) => End::Shutdown(1011, "the journal failed"),
            (false, true) => End::Shutdown(1011, "internal error"),
            (false, false) => End::Shutdown(1001, "shutting down"),
        }
    }

    fn hello(&mut self, wish: &Wish) -> Result<(), End> {
        let last_seq = self.last_seq();
        let hello = Status {
            account: self.account_name(),
            epoch: Some(self.state.epoch.clone()),
            ..Status::new("hello", last_seq)
        };
        self.outbox.push(hello.frame());
        // What is followed from now on goes on where the hello says that it ends.
        Ok(self.subscribe(&wish.clone().starting_after(last_seq))?)
    }

    fn subscribe(&mut self, wish: &Wish) -> Result<(), Lost> {
        let account = self.account();
        let Self { state, subscriptions, outbox, .. } = self;
        outbox.fill(|out| subscriptions.add(state, account, wish, out))
    }

    async fn serve(&mut self) -> End {
        let closing = self.state.closing.clone();
        let mut public = self.state.hub.watch_public();
        let mut heartbeat = tokio::time::interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut pulse = Pulse::new(self.state.limits.idle_timeout);
        let mut progress = Instant::now();
        let mut full = false;
        loop {
            let was_full = std::mem::replace(&mut full, self.answers.len() >= self.state.limits.in_flight);
            if full && !was_full {
                self.state.metrics.limit("in_flight");
            }
            let read_on = self.reads_on();
            let Self { state, subscriptions, outbox, .. } = self;
            let filled = if outbox.left() == 0 {
                progress = Instant::now();
                outbox.fill(|out| subscriptions.fill(state, out))
            } else {
                subscriptions.check_lag()
            };
            if let Err(lost) = filled {
                return lost.into();
            }
            let waiting = self.outbox.left() > 0;
            let reading = self.subscriptions.is_reading();
            tokio::select! {
                biased;
                () = closing.cancelled() => return self.shutdown(),
                written = self.outbox.write(), if waiting => match written {
                    Ok(()) => progress = Instant::now(),
                    Err(_) => return End::Gone,
                },
                older = self.subscriptions.read(), if reading => match older {
                    Ok(runs) => runs.into_iter().for_each(|run| self.outbox.push(run)),
                    Err(lost) => return lost.into(),
                },
                Some(answer) = self.answers.next(&self.state), if !self.answers.is_empty() => self.answer(answer),
                said = said(&mut self.held), if self.held.is_some() => {
                    self.held = None;
                    if let Err(end) = self.obey(said) {
                        return end;
                    }
                }
                message = self.inbound.next(), if read_on => {
                    pulse.heard();
                    if let Err(end) = self.receive_all(message) {
                        return end;
                    }
                }
                // Who has not taken what is old is not woken by what is new.
                () = news(&mut self.news), if !waiting => {}
                changed = public.changed(), if !waiting && self.subscriptions.follows_public() => if changed.is_err() { return self.shutdown() },
                _ = heartbeat.tick() => {
                    self.beat();
                }
                silence = pulse.look() => match silence {
                    // Who is not read cannot be heard.
                    _ if !read_on => pulse.heard(),
                    Silence::Fine => {}
                    Silence::Ask => self.outbox.push(Bytes::from_static(PING)),
                    Silence::Over => {
                        self.state.metrics.limit("idle_timeout");
                        return End::Closed(4008, "silent for too long".to_owned());
                    }
                },
                () = tokio::time::sleep_until(progress + self.state.stream.stall_timeout), if waiting => {
                    return End::Lost(Lost::Slow { last_seq: self.last_seq().unwrap_or(0) });
                }
            }
        }
    }

    /// Whether there is room for another request: for its answer, and none before it is held.
    fn reads_on(&self) -> bool {
        let room = self.outbox.left() < OUT_BYTES_MAX && self.outbox.runs() < OUT_RUNS_MAX;
        room && self.answers.len() < self.state.limits.in_flight && self.held.is_none()
    }

    /// Sends every answer, and everything up to the ends of the logs.
    async fn catch_up(&mut self) {
        if let Some(held) = self.held.take() {
            // At the end nobody waits for a turn: it is refused. Whatever else it asks for comes too late.
            let _ended = self.obey(held.await).is_err();
        }
        self.answer_all().await;
        loop {
            let Self { state, subscriptions, outbox, .. } = self;
            if outbox.left() == 0 && outbox.fill(|out| subscriptions.fill(state, out)).is_err() {
                return;
            }
            if subscriptions.is_reading() {
                let Ok(runs) = subscriptions.read().await else { return };
                runs.into_iter().for_each(|run| outbox.push(run));
            }
            if outbox.left() == 0 || outbox.write().await.is_err() {
                return;
            }
        }
    }

    /// Answers everything that was asked.
    async fn answer_all(&mut self) {
        while let Some(answer) = self.answers.next(&self.state).await {
            self.answer(answer);
        }
    }

    /// Writes an answer, and all others that are there too.
    fn answer(&mut self, first: (RequestId, Answered)) {
        let mut next = Some(first);
        while let Some((id, answer)) = next {
            self.replies.push(|into| message::reply(id.as_deref(), &answer, &mut self.moments, into));
            next = self.answers.try_next(&self.state);
        }
        self.outbox.push(self.replies.take());
    }

    /// Takes in a message, and all others that are there too.
    fn receive_all(&mut self, first: Option<Result<Message, Error>>) -> Result<(), End> {
        let mut next = Some(first);
        while let Some(message) = next {
            self.receive(message)?;
            next = if self.reads_on() { self.inbound.next().now_or_never() } else { None };
        }
        Ok(())
    }

    fn receive(&mut self, message: Option<Result<Message, Error>>) -> Result<(), End> {
        match message {
            Some(Ok(Message::Text(text))) => self.request(text),
            Some(Ok(Message::Binary(_))) => Err(End::Closed(1003, "messages are JSON texts, not binary".to_owned())),
            Some(Ok(Message::Ping(_))) => {
                // Makes tungstenite write its pong, which goes to memory.
                if let Some(Err(_)) = self.inbound.flush().now_or_never() {
                    return Err(End::Gone);
                }
                let pong = self.inbound.get_mut().take_written();
                self.outbox.push(pong);
                Ok(())
            }
            Some(Ok(Message::Pong(_) | Message::Frame(_))) => Ok(()),
            Some(Ok(Message::Close(frame))) => Err(End::Left(frame.map_or(1000, |frame| frame.code.into()))),
            None => Err(End::Gone),
            Some(Err(Error::Capacity(_))) => {
                self.state.metrics.limit("message_bytes");
                let most = self.state.limits.message_bytes;
                Err(End::Closed(1009, format!("a message has at most {most} bytes")))
            }
            Some(Err(Error::Utf8(_))) => Err(End::Closed(1007, "a text must be UTF-8".to_owned())),
            Some(Err(Error::Protocol(error))) => Err(End::Closed(1002, error.to_string())),
            Some(Err(_)) => Err(End::Gone),
        }
    }

    fn request(&mut self, text: Utf8Bytes) -> Result<(), End> {
        // Where nothing waits for its turn, a message is understood at once.
        if !self.state.intake.may_wait() && !self.state.rates.as_ref().is_some_and(Rates::may_wait) {
            // Not even for its task's turn to be over.
            let said = unconstrained(message::read(&self.state, self.speaker, &text)).now_or_never();
            return self.obey(said.unwrap_or_else(|| (None, Err(Problem::internal()))));
        }
        let (state, speaker) = (self.state.clone(), self.speaker);
        self.held = Some(Box::pin(async move { message::read(&state, speaker, &text).await }));
        Ok(())
    }

    /// Does what a message asks, and sees to its answer.
    fn obey(&mut self, (id, asked): Said) -> Result<(), End> {
        let answer = match asked {
            Ok(Asked::Ping) => Ok(Done::Applied),
            Ok(Asked::Subscribe(wish)) => {
                let most = self.state.limits.subscriptions;
                if self.subscriptions.logs() + wish.logs(&self.state) > most {
                    self.state.metrics.limit("subscriptions");
                    Err(Problem::too_many_subscriptions(most))
                } else {
                    self.subscribe(&wish)?;
                    Ok(Done::Applied)
                }
            }
            Ok(Asked::Unsubscribe(wish)) => {
                self.subscriptions.remove(&wish);
                Ok(Done::Applied)
            }
            Ok(Asked::Auth(identity)) => match identity.may(Scope::Trade) {
                // Who relies on orders to be canceled at the end learns at once that this key could not.
                Err(problem) if self.cancels => Err(problem),
                _ => {
                    self.identify(identity)?;
                    Ok(Done::Known(self.account_name(), self.last_seq().unwrap_or(0)))
                }
            },
            Ok(Asked::Denied(problem)) => {
                self.answers.push(id, Err(problem));
                return Err(End::Denied);
            }
            Ok(Asked::Batch(account, submitted)) => {
                self.answers.push_batch(&self.state, account, id, submitted);
                return Ok(());
            }
            Ok(Asked::Order(account, pending)) => {
                self.answers.push_pending(&self.state, account, id, pending);
                return Ok(());
            }
            Err(problem) => Err(problem),
        };
        self.answers.push(id, answer);
        Ok(())
    }
}

/// Waits until a message is understood.
async fn said(held: &mut Option<Held>) -> Said {
    match held {
        Some(held) => held.await,
        None => std::future::pending().await,
    }
}

/// Waits for the account's next execution.
async fn news(executions: &mut Option<watch::Receiver<u64>>) {
    let changed = match executions {
        Some(executions) => executions.changed().await,
        None => std::future::pending().await,
    };
    if changed.is_err() {
        // The log is gone with its venue, and then the socket is about to be closed.
        std::future::pending().await
    }
}
