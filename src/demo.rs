//! `openoutcry demo`: three exchanges and two strategies against a venue in this process, without a port.
//!
//! An aggressive trader sends three market orders, which fill. A patient one sends three limit orders above the market, to
//! an instrument where nothing rests, and is refused. What is printed comes out of the venue: its quotes, its queue's
//! counters, its orders.

use std::{fmt::Write, sync::Arc, time::Duration};

use anyhow::{Context, anyhow};
use tokio_util::sync::CancellationToken;

use crate::app::{market::Market, tasks::Tasks};
use crate::config::Config;
use crate::domain::{AccountId, Decimal, Order, OrderType, Place, SelfTradePrevention, Side, Status, Symbol, TimeInForce};
use crate::market::Row;
use crate::queue::{Action, Answer};
use crate::venue::{Settings, Venue, system_clock};

/// The demo's venue: as by default, but what the market has not reached is refused.
const CONFIG: &str = r#"
[journal]
mode = "none"

[[instruments]]
symbol = "BTC/USDT"
tick_size = "0.01"
lot_size = "0.00001"
reference_price = "42000"
unmarketable = "reject"

[[instruments]]
symbol = "ETH/USDT"
tick_size = "0.01"
lot_size = "0.0001"
reference_price = "2800"
unmarketable = "reject"
"#;
/// The symbol that the three exchanges quote.
const QUOTED: &str = "BTC/USD";
/// How many exchanges quote it.
const EXCHANGES: usize = 3;
/// How many orders each strategy sends.
const ORDERS: usize = 3;
/// How long the exchanges may take to quote.
const QUOTES_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs the demo and returns what it has to say.
///
/// # Errors
///
/// If the venue does not answer, or the exchanges do not quote.
pub async fn run() -> anyhow::Result<String> {
    let config = Config::from_text("the demo's configuration", CONFIG)?;
    let (venue, mut running) = Venue::open(&config, &Settings::default(), system_clock)?;
    let market = Market::build(&config, &venue, running.quotes())?;
    let board = market.board.clone();
    let (drain, stop) = (CancellationToken::new(), CancellationToken::new());
    let mut tasks = Tasks::default();
    tasks.spawn("executor", running.run(drain.clone()));
    market.spawn(&mut tasks, &stop);

    let aggressive = trade(&venue, order("BTC/USDT", Side::Buy, "0.1", None)?);
    let patient = trade(&venue, order("ETH/USDT", Side::Sell, "1.0", Some("2850"))?);
    let (aggressive, patient) = tokio::try_join!(aggressive, patient)?;
    let row = quotes(&venue, || board.rows(system_clock())).await?;

    drain.cancel();
    tasks.wait_for("executor").await?;
    stop.cancel();
    tasks.wait_for_all().await?;
    summary(&venue, &row, aggressive.iter().chain(&patient)).context("cannot write the summary")
}

/// A strategy: sends its orders one after the other, each when the one before is answered.
async fn trade(venue: &Venue, place: Place) -> anyhow::Result<Vec<Arc<Order>>> {
    let mut orders = Vec::new();
    for _ in 0..ORDERS {
        let instrument = venue.read.instrument(&place.symbol).map(|instrument| instrument.id);
        let answer = venue.intake.send(Action::Place(Box::new(Place { instrument, ..place.clone() })), None).await?.await?;
        match answer {
            Answer::Placed(shown) => orders.push(shown.order),
            other => return Err(anyhow!("an order was answered with {other:?}")),
        }
    }
    Ok(orders)
}

fn order(symbol: &str, side: Side, quantity: &str, price: Option<&str>) -> anyhow::Result<Place> {
    Ok(Place {
        account: AccountId(0),
        client_order_id: None,
        symbol: Symbol::parse(symbol)?,
        instrument: None,
        side,
        order_type: if price.is_some() { OrderType::Limit } else { OrderType::Market },
        time_in_force: if price.is_some() { TimeInForce::Gtc } else { TimeInForce::Ioc },
        expire_at: None,
        quantity: Decimal::parse(quantity)?,
        price: price.map(Decimal::parse).transpose()?,
        trigger_price: None,
        trigger_by: None,
        post_only: false,
        stp: SelfTradePrevention::None,
    })
}

/// Waits until every exchange has quoted.
async fn quotes(venue: &Venue, rows: impl Fn() -> Vec<Row>) -> anyhow::Result<Row> {
    let mut news = venue.hub.watch_public();
    let quoted = async {
        loop {
            let quoted = |row: &Row| row.symbol.as_str() == QUOTED && row.exchanges.len() == EXCHANGES;
            if let Some(row) = rows().into_iter().find(quoted) {
                return Ok(row);
            }
            news.changed().await?;
        }
    };
    tokio::time::timeout(QUOTES_TIMEOUT, quoted).await.context("the exchanges do not quote")?
}

fn summary<'a>(venue: &Venue, row: &Row, orders: impl Iterator<Item = &'a Arc<Order>> + Clone) -> anyhow::Result<String> {
    let or_any = |size: Option<Decimal>| size.map_or_else(|| "any".to_owned(), |size| size.to_string());
    let or_none = |price: Option<Decimal>| price.map_or_else(|| "none".to_owned(), |price| price.to_string());
    let mut text = String::new();
    writeln!(text, "Prices of {QUOTED}")?;
    for exchange in &row.exchanges {
        let (bid, ask) = (or_none(exchange.bid), or_none(exchange.ask));
        let (bid_size, ask_size) = (or_any(exchange.bid_size), or_any(exchange.ask_size));
        writeln!(text, "  {:<10} bid {bid} x {bid_size}, ask {ask} x {ask_size}", exchange.exchange.as_str())?;
    }
    let best = &row.best;
    let by = |exchange: Option<crate::domain::ExchangeName>| exchange.map_or_else(String::new, |name| format!(" ({name})"));
    writeln!(text, "  Best bid: {}{}", or_none(best.bid), by(best.bid_exchange))?;
    writeln!(text, "  Best ask: {}{}", or_none(best.ask), by(best.ask_exchange))?;
    writeln!(text, "  Spread: {}, arbitrage spread: {} bps", or_none(row.spread), row.arbitrage_bps)?;

    writeln!(text, "\nQueue")?;
    for lane in venue.intake.counts() {
        let (sent, received, depth, dropped) = (lane.sent, lane.received, lane.depth, lane.dropped);
        writeln!(text, "  {:<10} sent {sent}, received {received}, depth {depth}, dropped {dropped}", lane.lane)?;
    }

    writeln!(text, "\nOrders")?;
    for order in orders.clone() {
        let (kind, side, quantity) = (order.order_type.as_str(), order.side.as_str(), order.quantity);
        let price = order.price.map_or_else(String::new, |price| format!(" at {price}"));
        write!(text, "  {}: {kind} {side} {quantity} {}{price}: {}", order.order_id, order.symbol, order.status.as_str())?;
        if let Some(average) = order.avg_price {
            write!(text, " at {average}")?;
        }
        writeln!(text, "{}", order.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}")))?;
    }

    let count = |status| orders.clone().filter(|order| order.status == status).count();
    writeln!(text, "\nSummary")?;
    writeln!(text, "Filled: {}", count(Status::Filled))?;
    write!(text, "Rejected: {}", count(Status::Rejected))?;
    Ok(text)
}
