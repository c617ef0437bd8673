//! Open connections: how many there may be, in all and of one address, who serves them, and what one of them is.
//!
//! A connection holds its place from being accepted until its socket is closed, whatever it has become in between: a place is
//! part of the stream. A client that takes no bytes while there are some for it loses the connection after `write_timeout`.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

use super::State;

/// Connections of one address where the configuration says 0; one on this machine may have any number then.
const PER_ADDRESS: usize = 512;

/// Which client an address is: an IPv6 network of 64 bits, the least that one customer is given (RFC 6177), counts as one.
pub(super) fn client_address(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        address => address,
    }
}

/// The places for connections.
#[derive(Debug)]
pub(super) struct Places {
    connections: usize,
    per_address: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug)]
struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
    /// How many each worker has.
    by_worker: Vec<usize>,
}

impl Places {
    /// So many in all, so many of one address where that is not 0, for so many workers.
    pub(super) fn new(connections: usize, per_address: usize, workers: usize) -> Arc<Self> {
        let taken = Mutex::new(Taken { all: 0, by_address: HashMap::new(), by_worker: vec![0; workers] });
        Arc::new(Self { connections, per_address, taken })
    }

    /// Takes a place for a connection from `peer`, with the worker that has the fewest.
    ///
    /// # Errors
    ///
    /// The name of the limit that it would exceed.
    pub(super) fn take(self: &Arc<Self>, peer: SocketAddr) -> Result<Place, &'static str> {
        let address = client_address(peer.ip());
        let per_address = match self.per_address {
            0 if peer.ip().to_canonical().is_loopback() => usize::MAX,
            0 => PER_ADDRESS,
            configured => configured,
        };
        let mut taken = self.lock();
        if taken.all >= self.connections {
            return Err("connections");
        }
        let of_address = taken.by_address.entry(address).or_default();
        if *of_address >= per_address {
            return Err("connections_per_address");
        }
        *of_address += 1;
        taken.all += 1;
        let fewest = taken.by_worker.iter_mut().enumerate().min_by_key(|(_, count)| **count);
        let worker = fewest.map_or(0, |(worker, count)| {
            *count += 1;
            worker
        });
        Ok(Place { places: self.clone(), address, worker })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one connection; free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    address: IpAddr,
    worker: usize,
}

impl Place {
    /// The number of the worker that is to serve the connection.
    pub(super) fn worker(&self) -> usize {
        self.worker
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.all -= 1;
        if let Some(count) = taken.by_worker.get_mut(self.worker) {
            *count -= 1;
        }
        if let Some(count) = taken.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                taken.by_address.remove(&self.address);
            }
        }
    }
}

/// An accepted connection and its place.
#[derive(Debug)]
pub(super) struct Accepted {
    stream: TcpStream,
    place: Place,
    state: State,
    /// Whether the client has said something since it was last answered.
    speaking: Arc<AtomicBool>,
    /// Set once what goes out is a stream: the system is then to hold little of it, which it is told with the next write.
    streaming: Arc<AtomicBool>,
    is_bounded: bool,
    /// Runs while the client takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

/// Has the system hold at most about so many bytes of what is on its way; 0: as many as it likes.
///
/// Left to itself, it lets what is on its way to one slow reader of a stream grow to megabytes, and copying that for a thousand of
/// them takes the time of all others.
pub(super) fn bound_send_buffer(stream: &TcpStream, bytes: usize) {
    if bytes > 0
        && let Err(error) = set_socket_send_buffer_size(stream, bytes)
    {
        tracing::debug!(%error, "a socket holds as much as it likes");
    }
}

impl Accepted {
    pub(super) fn new(stream: TcpStream, place: Place, state: State) -> Self {
        Self { stream, place, state, speaking: Arc::default(), streaming: Arc::default(), is_bounded: false, stalled: None }
    }

    /// Whether the client has said something since it was last answered: tells one that is idle from one that is slow.
    pub(super) fn speaking(&self) -> Arc<AtomicBool> {
        self.speaking.clone()
    }

    /// To be set once an answer is a stream that may go on for ever.
    pub(super) fn streaming(&self) -> Arc<AtomicBool> {
        self.streaming.clone()
    }

    /// Before a write.
    fn bound(&mut self) {
        if !self.is_bounded && self.streaming.load(Relaxed) {
            self.is_bounded = true;
            bound_send_buffer(&self.stream, self.state.stream.send_buffer);
        }
    }

    /// The stream, for who minds slow clients in another way, and the place to hold on to.
    pub(super) fn into_parts(self) -> (TcpStream, Place) {
        (self.stream, self.place)
    }

    fn write_timeout(&self) -> Duration {
        self.state.limits.write_timeout
    }

    /// Turns a write that cannot go on into an error, once it has not for too long.
    fn progress(&mut self, context: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.speaking.store(false, Relaxed);
            self.stalled = None;
            return written;
        }
        let timeout = self.write_timeout();
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(timeout)));
        if stalled.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        self.state.metrics.limit("write_timeout");
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Accepted {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, into);
        if read.is_ready() {
            self.speaking.store(true, Relaxed);
        }
        read
    }
}

/// One piece at a time: what an answer has is little, and copied behind its head sooner than the system takes two pieces.
impl AsyncWrite for Accepted {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.bound();
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.progress(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(connections: usize, per_address: usize) -> Arc<Places> {
        Places::new(connections, per_address, 2)
    }

    fn peer(address: &str) -> SocketAddr {
        SocketAddr::new(address.parse().unwrap(), 1)
    }

    #[test]
    fn places_are_counted_in_all_and_by_address_and_given_back() {
        let places = places(3, 2);
        let first = places.take(peer("10.0.0.1")).unwrap();
        let _second = places.take(peer("::ffff:10.0.0.1")).unwrap();
        assert_eq!(places.take(peer("10.0.0.1")).unwrap_err(), "connections_per_address");
        let _third = places.take(peer("127.0.0.1")).unwrap();
        assert_eq!(places.take(peer("10.0.0.2")).unwrap_err(), "connections");
        drop(first);
        assert!(places.take(peer("10.0.0.1")).is_ok());
        let taken = places.lock();
        assert_eq!((taken.all, taken.by_address.len()), (2, 2), "a place that was dropped is free");
        drop(taken);
    }

    #[test]
    fn a_connection_is_given_to_the_worker_that_has_the_fewest() {
        let places = places(10, 0);
        let take = || places.take(peer("127.0.0.1")).unwrap();
        let (first, second, third) = (take(), take(), take());
        assert_eq!([first.worker(), second.worker(), third.worker()], [0, 1, 0]);
        drop((first, third));
        let (fourth, fifth) = (take(), take());
        assert_eq!([fourth.worker(), fifth.worker()], [0, 0]);
    }

    #[test]
    fn this_machine_may_have_any_number_unless_it_is_limited_too() {
        let open = places(10_000, 0);
        let from = |address: &str| (0..600).filter_map(|_| open.take(peer(address)).ok()).collect::<Vec<_>>();
        let (here, there) = (from("127.0.0.1"), from("10.0.0.1"));
        assert_eq!((here.len(), there.len()), (600, PER_ADDRESS));
        let limited = places(10, 1);
        let _one = limited.take(peer("::1")).unwrap();
        assert_eq!(limited.take(peer("::1")).unwrap_err(), "connections_per_address");
    }

    #[test]
    fn addresses_of_one_network_are_one_client() {
        let client = |text: &str| client_address(text.parse().unwrap());
        assert_eq!(client("::ffff:10.0.0.1"), client("10.0.0.1"));
        assert_ne!(client("10.0.0.2"), client("10.0.0.1"));
        assert_eq!(client("2001:db8::1"), client("2001:db8::ffff:1"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
    }
}
