//! Serving: connections are accepted, bounded in how many there are and how long they may take to say what they want, and
//! ended in order.
//!
//! This is hyper's own connection builder rather than `axum::serve`, which sets no timeout for reading a request's head and
//! would let a silent connection stand for ever.

use std::{
    convert::Infallible,
    io,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{
    Router,
    http::{Request, header},
    response::IntoResponse,
};
use futures_util::FutureExt;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Problem, State, answer,
    connections::{Accepted, Place, Places},
    rate::Peer,
    router,
    timer::ConnectionTimer,
};

/// How long accepting rests when the process has no more file descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(100);
/// How many connections beyond the limit are told so at a time; more are closed at once.
const REFUSED_MAX: usize = 64;
/// How long telling one of them may take.
const REFUSED_TIMEOUT: Duration = Duration::from_secs(1);
/// How much such a client may have sent, and still get to read the answer.
const REFUSED_BYTES: u64 = 64 * 1024;

/// How long a connection whose request is answered, or never was one, may go on at the end, to take its answer.
const LAST_ANSWER: Duration = Duration::from_secs(2);

/// Marks an answer that is a stream, so that little of it is to be on its way to who does not read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Endless;

/// Who serves connections.
#[derive(Clone, Debug)]
pub struct Worker {
    runtime: Handle,
    router: Router,
    state: State,
}

impl Worker {
    /// The worker that runs its tasks there.
    pub fn new(runtime: Handle, state: State) -> Self {
        Self { runtime, router: router(state.clone()), state }
    }

    async fn serve(self, stream: TcpStream, place: Place, peer: IpAddr, stop: CancellationToken) {
        match own(stream) {
            Ok(stream) => {
                let accepted = Accepted::new(stream, place, self.state.clone());
                connection(accepted, peer, self.router, self.state, stop).await;
            }
            Err(error) => tracing::debug!(%error, "a connection broke at once"),
        }
    }
}

/// Accepts connections and has `workers`, each at the place of its number, serve them until `stop` is canceled; then each ends once
/// its request is answered. `connections` tracks those that are still open when this returns.
pub async fn serve(listener: TcpListener, workers: Vec<Worker>, connections: TaskTracker, stop: CancellationToken) {
    let Some(Worker { state, .. }) = workers.first() else { return };
    let places = Places::new(state.limits.connections, state.limits.connections_per_address, workers.len());
    let refusals = Arc::new(Semaphore::new(REFUSED_MAX));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => match places.take(peer) {
                Ok(place) => {
                    if let Some(worker) = workers.get(place.worker()) {
                        let served = worker.clone().serve(stream, place, peer.ip(), stop.clone());
                        connections.spawn_on(served, &worker.runtime);
                    }
                }
                Err(limit) => {
                    state.metrics.limit(limit);
                    if let Ok(permit) = refusals.clone().try_acquire_owned() {
                        tokio::spawn(timeout(REFUSED_TIMEOUT, refuse(stream, permit)));
                    }
                }
            },
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections at the moment");
                tokio::time::sleep(ACCEPT_REST).await;
            }
        }
    }
}

/// Whether an error of accepting tells of the connection that was accepted, not of this process.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Tells a client that there is no place for it, without reading what it wants.
async fn refuse(mut stream: TcpStream, _permit: OwnedSemaphorePermit) -> io::Result<()> {
    let problem = Problem::too_many_connections();
    let body = serde_json::to_vec(&problem)?;
    let (status, length) = (problem.status(), body.len());
    let retry_after = problem.into_response().headers().get(header::RETRY_AFTER).cloned();
    let seconds = retry_after.as_ref().and_then(|value| value.to_str().ok()).unwrap_or("1");
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/problem+json\r\ncontent-length: {length}\r\n\
         retry-after: {seconds}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(&[head.as_bytes(), &body].concat()).await?;
    stream.shutdown().await?;
    // What the client has sent is read: closing over it would break the connection before the answer is read.
    tokio::io::copy(&mut stream.take(REFUSED_BYTES), &mut tokio::io::sink()).await?;
    Ok(())
}

/// A stream that another runtime accepted, as this one's.
fn own(stream: TcpStream) -> io::Result<TcpStream> {
    // Answers are small and written whole: waiting to fill a packet would only delay them.
    stream.set_nodelay(true)?;
    TcpStream::from_std(stream.into_std()?)
}

async fn connection(stream: Accepted, peer: IpAddr, router: Router, state: State, stop: CancellationToken) {
    let (speaking, streaming) = (stream.speaking(), stream.streaming());
    let answering = AtomicBool::new(false);
    let service = service_fn(|mut request: Request<Incoming>| {
        if state.rates.is_some() {
            request.extensions_mut().insert(Peer(peer));
        }
        answering.store(true, Relaxed);
        answer(router.clone(), state.clone(), request).map(|response| {
            answering.store(false, Relaxed);
            if response.extensions().get::<Endless>().is_some() {
                streaming.store(true, Relaxed);
            }
            Ok::<_, Infallible>(response)
        })
    });
    let connection = http1::Builder::new()
        .timer(ConnectionTimer::new(state.limits.head_timeout))
        .header_read_timeout(state.limits.head_timeout)
        .max_buf_size(state.limits.head_bytes)
        .max_headers(state.limits.headers)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            loop {
                match timeout(LAST_ANSWER, connection.as_mut()).await {
                    Ok(served) => break served,
                    Err(_) if answering.load(Relaxed) => {}
                    Err(_) => return tracing::debug!("a connection that had nothing to wait for is cut"),
                }
            }
        }
    };
    if let Err(error) = served {
        if error.is_parse_too_large() {
            state.metrics.limit("head_bytes");
        } else if error.is_timeout() && speaking.load(Relaxed) {
            state.metrics.limit("head_timeout");
        }
        tracing::debug!(%error, "a connection ended badly");
    }
}
