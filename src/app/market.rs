//! The market's wiring: feeds into the aggregator, the aggregator to the board, the stream and the venue's books.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use serde::Serialize;
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

use super::tasks::Tasks;
use crate::api::{lanes, publish_quote};
use crate::config::{Config, FeedConfig};
use crate::domain::{Command, ExchangeName, Instrument, InstrumentId, Nanos, Quote, Symbol};
use crate::market::{Aggregator, Board, Outputs, Row, SimulatedSpec, Update, feed::run_simulated};
use crate::queue::Intake;
use crate::read::ReadModel;
use crate::stream::Hub;
use crate::venue::{Venue, system_clock};

/// How many updates of all feeds may wait for the aggregator; a feed that finds no place waits.
const UPDATES_MAX: usize = 1_024;
/// How often the queue's counters are published.
const QUEUE_EVERY: Duration = Duration::from_secs(1);

/// The market of a venue, ready to start.
#[derive(Debug)]
pub(crate) struct Market {
    pub(crate) board: Board,
    feeds: Vec<SimulatedSpec>,
    outputs: ToVenue,
}

impl Market {
    /// The feeds as configured; what stands in the venue's books is on the board at once.
    pub(crate) fn build(config: &Config, venue: &Venue, quotes: Vec<Quote>) -> anyhow::Result<Self> {
        let board = Board::default();
        let instruments = venue.read.instruments();
        for quote in quotes {
            let symbol = instruments.get(quote.instrument.0 as usize).context("a quote of an instrument")?.spec.symbol;
            if let Err(full) = board.record(&Update::from_quote(&quote, symbol, system_clock())) {
                tracing::warn!(%full, exchange = %quote.exchange, %symbol, "a quote that stands in a book is not shown among the quotes");
            }
        }
        let feeds = config.feeds.iter().filter_map(FeedConfig::simulated).collect();
        let outputs = ToVenue { intake: venue.intake.clone(), read: venue.read.clone(), hub: venue.hub.clone() };
        Ok(Self { board, feeds, outputs })
    }

    /// Starts the feeds, the aggregator, and the task that publishes the queue's counters.
    pub(crate) fn spawn(self, tasks: &mut Tasks, stop: &CancellationToken) {
        let (updates, receiver) = mpsc::channel(UPDATES_MAX);
        for spec in self.feeds {
            let name = format!("feed {}", spec.exchange);
            let feed = run_simulated(spec, Arc::new(system_clock), updates.clone(), stop.clone());
            tasks.spawn(name, async {
                if let Err(error) = feed.await {
                    tracing::error!(%error, "a simulated feed cannot start");
                }
            });
        }
        tasks.spawn("queue counters", publish_queue(self.outputs.intake.clone(), self.outputs.hub.clone(), stop.clone()));
        let clock = Arc::new(system_clock);
        let aggregator = Aggregator { updates: receiver, board: self.board, clock, outputs: self.outputs };
        tasks.spawn("aggregator", aggregator.run(stop.clone()));
    }
}

/// Publishes the queue's counters each second.
async fn publish_queue(intake: Intake, hub: Arc<Hub>, stop: CancellationToken) {
    #[derive(Serialize)]
    struct Counters<T> {
        ts: Nanos,
        #[serde(flatten)]
        lanes: T,
    }
    let mut ticks = tokio::time::interval_at(Instant::now() + QUEUE_EVERY, QUEUE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let counters = Counters { ts: system_clock(), lanes: lanes(&intake.counts()) };
        hub.publish_frame(hub.queue(), "queue", &counters);
    }
}

/// Where the aggregator's news goes.
#[derive(Debug)]
struct ToVenue {
    intake: Intake,
    read: Arc<ReadModel>,
    hub: Arc<Hub>,
}

impl ToVenue {
    /// The instrument of a symbol, if the exchange's quotes stand in its book.
    fn instrument(&self, exchange: ExchangeName, symbol: Symbol) -> Option<InstrumentId> {
        let instrument: &Instrument = self.read.instrument(&symbol)?;
        instrument.spec.sources.contains(exchange.as_str()).then_some(instrument.id)
    }
}

impl Outputs for ToVenue {
    fn update(&mut self, update: &Update) {
        if let Some(instrument) = self.instrument(update.exchange, update.symbol) {
            self.intake.put_quote((update.exchange, instrument), Command::Quote(update.quote(instrument)));
        }
        publish_quote(&self.hub, update);
    }

    fn withdraw(&mut self, exchange: ExchangeName, symbol: Symbol) {
        if let Some(instrument) = self.instrument(exchange, symbol) {
            let command = Command::WithdrawQuotes { exchange, instrument: Some(instrument), more: false };
            self.intake.put_quote((exchange, instrument), command);
        }
    }

    fn best(&mut self, ts: Nanos, quotes: Vec<Row>) {
        #[derive(Serialize)]
        struct Best {
            ts: Nanos,
            quotes: Vec<Row>,
        }
        self.hub.publish_frame(self.hub.best(), "best", &Best { ts, quotes });
    }
}
