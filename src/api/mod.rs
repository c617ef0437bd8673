//! The front door: REST and WebSocket, JSON in and out, every error a problem.
//!
//! In: HTTP requests. Out: requests into the queue, copies from the read model and from history, runs of bytes from the
//! stream's logs. It never touches the engine, the executor or the journal.
//!
//! Limits: what one client may take up is [`Limits`]; how often it may ask, [`Rates`]; pages and depths are clamped to their
//! maximum.

mod access;
mod account;
mod admin;
mod batch;
mod codes;
mod connections;
mod entry;
mod events;
mod extract;
mod limits;
mod lookup;
mod market;
mod openapi;
mod orders;
mod probes;
mod problem;
mod rate;
mod request;
mod serve;
mod stream;
mod timer;
mod view;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::State as Given,
    http::{Method, Request, StatusCode},
    middleware,
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use hyper::body::Incoming;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

pub use access::{Access, Keyring};
pub use limits::Limits;
pub use market::QuotesByHand;
pub(crate) use market::publish_quote;
pub(crate) use probes::lanes;
pub use problem::{FieldError, Problem, RequestOutcome};
pub use rate::{RateSettings, Rates, forget_idle};
pub use serve::{Worker, serve};
pub use stream::{Books, Seats, StreamLimits};

use crate::domain::{InstrumentId, Nanos, Order, Symbol};
use crate::history::History;
use crate::market::Board;
use crate::queue::{Admission, Intake, ShownOrder};
use crate::read::ReadModel;
use crate::stream::Hub;
use crate::telemetry::Metrics;

/// What handlers have. Cheap to clone.
#[derive(Clone, Debug)]
pub struct State {
    shared: Arc<Shared>,
    /// The way into the queue; the answers come to the worker that this is of.
    intake: Intake,
}

/// What handlers share.
#[derive(Debug)]
pub struct Shared {
    /// Who may ask.
    pub access: Access,
    /// Sites whose pages may use the venue, besides its own: `https://example.com`.
    pub origins: Vec<String>,
    /// Which client ids are taken.
    pub admission: Admission,
    /// How much one client may ask, if that is limited.
    pub rates: Option<Rates>,
    /// What GETs answer from.
    pub read: Arc<ReadModel>,
    /// What that has forgotten, if anything keeps it.
    pub history: Option<History>,
    /// What subscribers read.
    pub hub: Arc<Hub>,
    /// The exchanges' quotes.
    pub board: Board,
    /// Those that are on their way there by hand.
    pub by_hand: QuotesByHand,
    /// Snapshots of books for who follows one.
    pub books: Books,
    /// What is counted.
    pub metrics: Metrics,
    /// Where the time comes from.
    pub now: fn() -> Nanos,
    /// Set once the venue can keep nothing any more.
    pub journal_failed: Arc<AtomicBool>,
    /// A random id made with the venue's data: sequences of another epoch mean nothing here.
    pub epoch: String,
    /// How long an answer may take to come.
    pub request_timeout: Duration,
    /// What one client may take up.
    pub limits: Limits,
    /// When a socket is slow.
    pub stream: StreamLimits,
    /// Set once the venue drains.
    pub draining: AtomicBool,
    /// Set if it ends because something in it has failed.
    pub failed: AtomicBool,
    /// Every socket's task, so that shutting down can wait for them.
    pub sockets: TaskTracker,
    /// Canceled when sockets are to close.
    pub closing: CancellationToken,
    /// How many sockets each account has.
    pub seats: Seats,
    /// Numbers sockets.
    pub connections: AtomicU64,
}

impl std::ops::Deref for State {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

impl State {
    /// What handlers have where that is the way in.
    pub fn new(intake: Intake, shared: Shared) -> Self {
        Self { shared: Arc::new(shared), intake }
    }

    /// The same where there is another way in.
    pub fn with_intake(&self, intake: Intake) -> Self {
        Self { shared: self.shared.clone(), intake }
    }

    /// Lets nothing into the queue any more.
    pub fn refuse_all(&self) {
        self.intake.close();
    }

    /// Why nothing is taken any more.
    fn ending(&self) -> Problem {
        if self.journal_failed.load(Relaxed) { Problem::journal_failed() } else { Problem::shutting_down() }
    }

    /// An order as answers show it.
    fn view(&self, order: &Arc<Order>) -> ShownOrder {
        let account = self.read.account_name(order.account);
        view::shown(order, account.expect("an order's account was configured before it could place one"))
    }

    /// Looks up symbols.
    fn instrument_id(&self) -> impl Fn(&Symbol) -> Option<InstrumentId> {
        |symbol| self.read.instrument(symbol).map(|instrument| instrument.id)
    }
}

/// Every route there is.
pub fn router(state: State) -> Router {
    let routes = routes();
    // Where nothing is limited, that costs nothing.
    let limited = match &state.rates {
        Some(_) => routes.layer(middleware::from_fn_with_state(state.clone(), rate::limit)),
        None => routes,
    };
    limited.layer(middleware::from_fn_with_state(state.clone(), probes::count)).with_state(state)
}

/// Answers a request as the router would. The one that comes most often goes to its handler directly, through the same
/// layers: the router's clones and boxes would be a good part of what an order costs.
async fn answer(router: Router, state: State, request: Request<Incoming>) -> Response {
    const ORDERS: &str = "/orders";
    if request.method() == Method::POST && request.uri().path() == ORDERS {
        let place = async |request| orders::place(Given(state.clone()), request).await.into_response();
        return probes::counted(&state, ORDERS.into(), request, |request| rate::limited(&state, request, place)).await;
    }
    router.oneshot(request.map(Body::new)).await.into_response()
}

fn routes() -> Router<State> {
    let by_client_id =
        get(orders::get_by_client_id).delete(orders::cancel_by_client_id).patch(orders::replace_by_client_id);
    Router::new()
        .route("/orders", post(orders::place::<Body>).get(orders::list).delete(orders::cancel_all))
        .route("/orders/batch", post(batch::place))
        .route("/orders/cancel-after", post(orders::cancel_after))
        .route("/orders/validate", post(orders::validate))
        .route("/orders/{order_id}", get(orders::get).delete(orders::cancel).patch(orders::replace))
        .route("/orders/by-client-id/{client_order_id}", by_client_id)
        .route("/executions", get(account::executions))
        .route("/executions/stream", get(events::executions))
        .route("/account", get(account::account))
        .route("/instruments", get(market::instruments))
        .route("/instruments/{symbol}", get(market::instrument))
        .route("/book/{symbol}", get(market::book))
        .route("/trades/{symbol}", get(market::trades))
        .route("/quotes", get(market::quotes).post(market::post_quote))
        .route("/admin/accounts", get(admin::accounts))
        .route("/admin/accounts/{name}", get(admin::account))
        .route("/admin/accounts/{name}/deposits", post(admin::deposit))
        .route("/admin/accounts/{name}/withdrawals", post(admin::withdraw))
        .route("/admin/accounts/{name}/orders", delete(admin::cancel_all))
        .route("/admin/instruments/{symbol}/halt", post(admin::halt))
        .route("/admin/instruments/{symbol}/resume", post(admin::resume))
        .route("/queue", get(probes::queue))
        .route("/livez", get(probes::livez))
        .route("/readyz", get(probes::readyz))
        .route("/metrics", get(probes::metrics))
        .route("/openapi.json", get(openapi::json))
        .route("/docs", get(openapi::page))
        .route("/stream", get(stream::upgrade))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
}

async fn not_found(request: Request<Body>) -> Problem {
    Problem::not_found_at(request.uri().path())
}

async fn method_not_allowed(request: Request<Body>) -> Problem {
    let detail = format!("{} is not a method of {:.64}", request.method(), request.uri().path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
}
