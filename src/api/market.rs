//! The calls that show the market: instruments, books, trades, quotes; and the one that moves a book by hand.

use axum::{Json, extract::State as Shared, response::Response};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{Mutex, oneshot},
    time::{Duration, Instant, timeout_at},
};

use super::{
    Problem, State,
    access::Administers,
    entry,
    extract::{self, JsonBody, PathOf, QueryOf},
    orders::respond,
    request::QuoteRequest,
    view::{BookView, InstrumentView, TradeView},
};
use crate::domain::{Decimal, ExchangeName, Nanos, Symbol};
use crate::market::{Row, Update};
use crate::stream::Hub;

/// The most levels of a side, and how many where nobody says.
const DEPTH: (usize, usize) = (1_000, 20);
/// The most trades, and how many where nobody says.
const TRADES: (usize, usize) = (1_000, 100);
/// How long the executor may take for a queued quote to be shown: longer than any queue is.
const EXECUTED_WITHIN: Duration = Duration::from_secs(24 * 60 * 60);

/// `GET /instruments`
pub(super) async fn instruments(Shared(state): Shared<State>) -> Json<Vec<InstrumentView>> {
    let instruments = state.read.instruments().iter();
    Json(instruments.map(|instrument| InstrumentView::of(&state, instrument)).collect())
}

/// `GET /instruments/{symbol}`
pub(super) async fn instrument(
    Shared(state): Shared<State>,
    PathOf(symbol): PathOf,
) -> Result<Json<InstrumentView>, Problem> {
    extract::instrument(&state, &symbol).map(|instrument| Json(InstrumentView::of(&state, instrument)))
}

/// The query of `GET /book/{symbol}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DepthQuery {
    #[serde(default, deserialize_with = "extract::count")]
    depth: Option<usize>,
}

/// `GET /book/{symbol}`
pub(super) async fn book(
    Shared(state): Shared<State>,
    PathOf(symbol): PathOf,
    QueryOf(query): QueryOf<DepthQuery>,
) -> Result<Json<BookView>, Problem> {
    let instrument = extract::instrument(&state, &symbol)?;
    let book = state.read.book(instrument, query.depth.unwrap_or(DEPTH.1).clamp(1, DEPTH.0));
    Ok(Json(BookView { symbol: instrument.spec.symbol, seq: book.seq, bids: book.bids, asks: book.asks }))
}

/// The query of `GET /trades/{symbol}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TradesQuery {
    #[serde(default, deserialize_with = "extract::count")]
    limit: Option<usize>,
}

/// `GET /trades/{symbol}`, newest first.
pub(super) async fn trades(
    Shared(state): Shared<State>,
    PathOf(symbol): PathOf,
    QueryOf(query): QueryOf<TradesQuery>,
) -> Result<Json<Vec<TradeView>>, Problem> {
    let instrument = extract::instrument(&state, &symbol)?;
    let trades = state.read.trades(instrument.id, query.limit.unwrap_or(TRADES.1).clamp(1, TRADES.0));
    Ok(Json(trades.into_iter().map(TradeView::from).collect()))
}

/// `GET /quotes`
pub(super) async fn quotes(Shared(state): Shared<State>) -> Json<Vec<Row>> {
    Json(state.board.rows((state.now)()))
}

/// Quotes by hand on their way: each is on the board after those that were queued before it, as it is in the books.
#[derive(Debug, Default)]
pub struct QuotesByHand {
    /// Ends once the last of them is on the board, or refused.
    last: Mutex<Option<oneshot::Receiver<()>>>,
}

/// `POST /quotes`
pub(super) async fn post_quote(
    Shared(state): Shared<State>,
    Administers(account): Administers,
    body: JsonBody,
) -> Result<Response, Problem> {
    let request: QuoteRequest<'_> = body.parse()?;
    let (instrument, quote) = request.check(|symbol| state.read.instrument(symbol))?;
    let (symbol, deadline) = (instrument.spec.symbol, Instant::now() + state.request_timeout);
    let (done, is_done) = oneshot::channel::<()>();
    let mut before = None;
    let queueing = async {
        let mut last = state.by_hand.last.lock().await;
        let pending = entry::quote(&state, quote.clone()).await?;
        before = last.replace(is_done);
        Ok(pending)
    };
    let pending = entry::by(&state, deadline, queueing).await?;
    // Who asked may leave, or be told that it takes too long: what moves the book is shown all the same.
    let shown = tokio::spawn(async move {
        let finished = entry::finish_by(&state, account, pending, || Instant::now() + EXECUTED_WITHIN).await;
        if let Some(before) = before {
            // Its sender never says anything, it is dropped.
            before.await.ok();
        }
        if finished.is_ok() {
            show(&state, &Update::from_quote(&quote, symbol, (state.now)()));
        }
        drop(done);
        finished
    });
    let shown = timeout_at(deadline, shown).await.map_err(|_| Problem::timeout(None))?;
    shown.map_err(|_| Problem::internal())?.map(respond)
}

fn show(state: &State, update: &Update) {
    if let Err(full) = state.board.record(update) {
        tracing::warn!(%full, "a quote by hand moved the book and is not shown among the quotes");
    }
    publish_quote(&state.hub, update);
}

/// A price update, as the `quotes` channel sends it.
#[derive(Serialize)]
struct QuoteFrame<'a> {
    exchange: ExchangeName,
    symbol: Symbol,
    exchange_symbol: &'a str,
    bid: Option<Decimal>,
    bid_size: Option<Decimal>,
    ask: Option<Decimal>,
    ask_size: Option<Decimal>,
    ts: Nanos,
}

/// Publishes a price update on the `quotes` channel.
pub(crate) fn publish_quote(hub: &Hub, update: &Update) {
    // Beyond the symbols that a hub keeps logs of, a price is on the board only.
    let Some(log) = hub.quotes(update.symbol) else { return };
    let frame = QuoteFrame {
        exchange: update.exchange,
        symbol: update.symbol,
        exchange_symbol: &update.exchange_symbol,
        bid: update.bid,
        bid_size: update.bid_size,
        ask: update.ask,
        ask_size: update.ask_size,
        ts: update.received_at,
    };
    hub.publish_frame(&log, "quotes", &frame);
}
