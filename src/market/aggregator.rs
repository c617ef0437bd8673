//! The aggregator: one task that takes what all feeds say, keeps the board, and tells who wants to know.
//!
//! In: [`Update`]s from one bounded channel, in the order of arrival. Out: calls of [`Outputs`], each of which must return
//! at once, for this is the one place that all prices pass. A feed that is silent for its `stale_after` is reported
//! within [`CHECK_EVERY`]; it is back with its next update.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{self, Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::{Board, Clock, Row, Update};
use crate::domain::{ExchangeName, Nanos, Symbol};

/// How often the best prices are told.
const BEST_EVERY: Duration = Duration::from_secs(1);
/// How often silent feeds are looked for.
const CHECK_EVERY: Duration = Duration::from_millis(100);
/// Updates taken from the channel at once; the rest wait while timers are served.
const BATCH_MAX: usize = 256;

/// Who hears what the market does. Calls come from one task and must not block.
pub trait Outputs: Send {
    /// An exchange has a new quote: for the `quotes` channel, and for the venue where the exchange is a source.
    fn update(&mut self, update: &Update);

    /// An exchange has gone stale for a symbol: its levels are to be withdrawn from the venue.
    fn withdraw(&mut self, exchange: ExchangeName, symbol: Symbol);

    /// The rows of all symbols, each second: for the `best` channel.
    fn best(&mut self, now: Nanos, rows: Vec<Row>);
}

/// The one consumer of all feeds.
pub struct Aggregator<O> {
    /// What the feeds say; they hold the senders.
    pub updates: mpsc::Receiver<Update>,
    /// What is kept; the API holds clones.
    pub board: Board,
    /// The time.
    pub clock: Clock,
    /// Who hears of it.
    pub outputs: O,
}

impl<O> std::fmt::Debug for Aggregator<O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Aggregator").field("board", &self.board).finish_non_exhaustive()
    }
}

impl<O: Outputs> Aggregator<O> {
    /// Runs until `stop`; without feeds too, because quotes also come from elsewhere.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut best = ticks(BEST_EVERY);
        let mut check = ticks(CHECK_EVERY);
        let mut batch = Vec::with_capacity(BATCH_MAX);
        let mut feeds_speak = true;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = check.tick() => self.withdraw_stale(),
                _ = best.tick() => {
                    let now = (self.clock)();
                    self.outputs.best(now, self.board.rows(now));
                }
                count = self.updates.recv_many(&mut batch, BATCH_MAX), if feeds_speak => {
                    feeds_speak = count > 0;
                    for update in batch.drain(..) {
                        self.take(&update);
                    }
                }
            }
        }
    }

    fn take(&mut self, update: &Update) {
        // What the board cannot show must not move the venue either.
        match self.board.record(update) {
            Ok(()) => self.outputs.update(update),
            Err(error) => tracing::debug!(exchange = %update.exchange, symbol = %update.symbol, %error, "quote dropped"),
        }
    }

    fn withdraw_stale(&mut self) {
        for (exchange, symbol) in self.board.take_stale((self.clock)()) {
            tracing::warn!(%exchange, %symbol, "no quote for too long, its levels are withdrawn");
            self.outputs.withdraw(exchange, symbol);
        }
    }
}

fn ticks(every: Duration) -> time::Interval {
    let mut ticks = time::interval_at(Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Decimal;
    use std::sync::Arc;

    /// What the aggregator did, one word each, with the milliseconds of its clock.
    struct Heard {
        words: mpsc::UnboundedSender<String>,
    }

    impl Outputs for Heard {
        fn update(&mut self, update: &Update) {
            self.words.send(format!("update {} {}", update.exchange, update.bid.unwrap())).unwrap();
        }

        fn withdraw(&mut self, exchange: ExchangeName, symbol: Symbol) {
            self.words.send(format!("withdraw {exchange} {symbol}")).unwrap();
        }

        fn best(&mut self, now: Nanos, rows: Vec<Row>) {
            let bids: Vec<String> =
                rows.iter().map(|row| row.best.bid.map_or("-".to_owned(), |bid| bid.to_string())).collect();
            self.words.send(format!("best {} {}", now.0 / 1_000_000, bids.join(" "))).unwrap();
        }
    }

    struct Running {
        updates: mpsc::Sender<Update>,
        heard: mpsc::UnboundedReceiver<String>,
        clock: Clock,
        stop: CancellationToken,
        task: tokio::task::JoinHandle<()>,
    }

    fn start() -> Running {
        let started = Instant::now();
        let clock: Clock = Arc::new(move || Nanos(i64::try_from(started.elapsed().as_nanos()).unwrap()));
        let (updates, receiver) = mpsc::channel(4);
        let (words, heard) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let outputs = Heard { words };
        let aggregator = Aggregator { updates: receiver, board: Board::default(), clock: clock.clone(), outputs };
        let task = tokio::spawn(aggregator.run(stop.clone()));
        Running { updates, heard, clock, stop, task }
    }

    impl Running {
        async fn say(&self, exchange: &str, bid: &str) {
            let update = Update {
                exchange: ExchangeName::parse(exchange).unwrap(),
                symbol: Symbol::parse("BTC/USD").unwrap(),
                exchange_symbol: "BTC-USD".into(),
                bid: Some(Decimal::parse(bid).unwrap()),
                bid_size: None,
                ask: None,
                ask_size: None,
                received_at: (self.clock)(),
                stale_after: Some(Duration::from_millis(1_500)),
            };
            self.updates.send(update).await.unwrap();
        }

        async fn hears(&mut self, expected: &str) {
            assert_eq!(self.heard.recv().await.unwrap(), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn updates_go_out_as_they_come_and_the_best_each_second() {
        let mut running = start();
        running.say("a", "100").await;
        running.say("b", "101").await;
        for word in ["update a 100", "update b 101", "best 1000 101"] {
            running.hears(word).await;
        }
        running.say("b", "99").await;
        for word in ["update b 99", "withdraw a BTC/USD", "best 2000 99", "withdraw b BTC/USD", "best 3000 -"] {
            running.hears(word).await;
        }
        running.say("a", "102").await;
        running.hears("update a 102").await;
        running.hears("best 4000 102").await;
    }

    #[tokio::test(start_paused = true)]
    async fn it_goes_on_without_feeds_and_ends_when_told() {
        let mut running = start();
        running.updates = mpsc::channel(1).0;
        running.hears("best 1000 ").await;
        running.hears("best 2000 ").await;
        running.stop.cancel();
        running.task.await.unwrap();
        assert!(running.heard.recv().await.is_none());
    }
}
