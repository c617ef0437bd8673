//! What the parts of a venue count, by the names that `/metrics` shows it with.

use std::sync::{Arc, atomic::AtomicU64, atomic::Ordering::Relaxed};

use crate::market::Board;
use crate::tally::{Tallied, Tally};
use crate::telemetry::{Labelled, NS_PER_SECOND, Source, Watched, stderr};
use crate::venue::{Pulses, SnapshotsMade, Venue, system_clock};

/// All of it.
pub(super) fn all(venue: &Venue, board: &Board) -> Vec<Watched> {
    let mut all = executor(&venue.pulses);
    all.extend(journal(&venue.pulses));
    all.extend(venue.pulses.snapshots.as_ref().map(snapshots).into_iter().flatten());
    all.extend(lags(venue));
    all.extend(feeds(board));
    let help = "Lines of the log that were lost, because nobody read those before them";
    all.push(counter("log_lines_dropped", help, || stderr::dropped() as f64));
    all
}

fn gauge(name: &'static str, help: &'static str, read: impl Fn() -> f64 + Send + Sync + 'static) -> Watched {
    Watched { name, help, source: Source::Gauge(Box::new(read)) }
}

fn counter(name: &'static str, help: &'static str, read: impl Fn() -> f64 + Send + Sync + 'static) -> Watched {
    Watched { name, help, source: Source::Counter(Box::new(read)) }
}

/// Values by size, each divided by `scale`, out of what `parts` has.
fn histogram<T: Send + Sync + 'static>(
    name: &'static str,
    help: &'static str,
    scale: f64,
    parts: &Arc<T>,
    tally: fn(&T) -> &Tally,
) -> Watched {
    let parts = parts.clone();
    let read = move || -> Tallied { tally(&parts).read() };
    Watched { name, help, source: Source::Histogram(scale, Box::new(read)) }
}

fn executor(pulses: &Pulses) -> Vec<Watched> {
    let (pulse, longest) = (&pulses.executor, pulses.executor.clone());
    let seconds = NS_PER_SECOND;
    vec![
        histogram("executor_batch_commands", "Commands that were executed together", 1.0, pulse, |pulse| &pulse.commands),
        histogram("executor_batch_duration_seconds", "Time that a batch took in all", seconds, pulse, |pulse| {
            &pulse.batch_ns
        }),
        histogram(
            "engine_batch_duration_seconds",
            "Time that the engine took for a batch; its sum by the sum of executor_batch_commands is the time of a command",
            seconds,
            pulse,
            |pulse| &pulse.apply_ns,
        ),
        histogram(
            "executor_finish_duration_seconds",
            "Time to make what a batch shows, once it is executed",
            seconds,
            pulse,
            |pulse| &pulse.finish_ns,
        ),
        gauge("executor_batch_duration_seconds_max", "The longest time that a batch took", move || {
            longest.batch_ns.read().max as f64 / NS_PER_SECOND
        }),
    ]
}

fn journal(pulses: &Pulses) -> Vec<Watched> {
    let Some(pulse) = &pulses.journal else { return Vec::new() };
    let longest = pulse.clone();
    let help = "Time to write a frame and, in the mode fsync, to sync it";
    vec![
        histogram("journal_commit_duration_seconds", help, NS_PER_SECOND, pulse, |pulse| &pulse.commit_ns),
        histogram("journal_frame_bytes", "Lengths of frames; their count is that of commits", 1.0, pulse, |pulse| {
            &pulse.frame_bytes
        }),
        gauge("journal_commit_duration_seconds_max", "The longest time that a frame took", move || {
            longest.commit_ns.read().max as f64 / NS_PER_SECOND
        }),
    ]
}

fn snapshots(made: &Arc<SnapshotsMade>) -> Vec<Watched> {
    let read = |part: fn(&SnapshotsMade) -> &AtomicU64, scale: f64| {
        let made = made.clone();
        move || part(&made).load(Relaxed) as f64 / scale
    };
    vec![
        counter("snapshots", "Snapshots made", read(|made| &made.count, 1.0)),
        counter("snapshot_failures", "Snapshots that could not be made", read(|made| &made.failures, 1.0)),
        counter("snapshot_duration_seconds", "Time that snapshots took", read(|made| &made.total_ns, NS_PER_SECOND)),
        gauge(
            "snapshot_last_duration_seconds",
            "Time that the last snapshot took",
            read(|made| &made.last_ns, NS_PER_SECOND),
        ),
        gauge("snapshot_last_size_bytes", "Size of the last snapshot", read(|made| &made.last_bytes, 1.0)),
        gauge(
            "snapshot_last_timestamp_seconds",
            "When the last snapshot was made, in seconds since 1970; 0: none was since the start",
            read(|made| &made.last_at_ns, NS_PER_SECOND),
        ),
    ]
}

/// How far those who follow executions are behind, and how much is kept for them.
fn lags(venue: &Venue) -> Vec<Watched> {
    let hub = venue.hub.clone();
    let published = move || hub.last_seqs().map(|(_, seq)| seq.0).sum::<u64>();
    let mut lags = vec![counter("executions", "Executions published", {
        let published = published.clone();
        move || published() as f64
    })];
    if let Some(archive) = venue.hub.archive().cloned() {
        let (published, kept) = (published.clone(), archive.clone());
        let help = "Length of the log of executions on disk, as far as it is kept";
        lags.push(gauge("execution_log_size_bytes", help, move || kept.bytes() as f64));
        lags.push(gauge(
            "execution_log_lag_executions",
            "Published executions that are not in the log on disk yet",
            move || {
                // What is on disk is read first, so that it is never ahead.
                let held: u64 = archive.last_seqs().iter().map(|(_, seq)| seq).sum();
                published().saturating_sub(held) as f64
            },
        ));
    }
    if let Some((behind, failing)) = venue.history.clone().zip(venue.history.clone()) {
        let help = "Executions that history has not taken in yet";
        lags.push(gauge("history_lag_executions", help, move || behind.lag(published()) as f64));
        let help = "Times that history failed and tried again";
        lags.push(counter("history_failures", help, move || failing.failures() as f64));
    }
    lags
}

/// How old quotes are.
fn feeds(board: &Board) -> Vec<Watched> {
    let read = |board: &Board, value: fn(u64, bool) -> f64| -> Vec<Labelled> {
        let rows = board.rows(system_clock());
        let rows = rows.iter().flat_map(|row| row.exchanges.iter().map(move |exchange| (row.symbol, exchange)));
        let labels = |symbol: String, exchange: String| vec![("exchange", exchange), ("symbol", symbol)];
        let labelled = rows.map(|(symbol, exchange)| {
            (labels(symbol.to_string(), exchange.exchange.to_string()), value(exchange.age_ms, exchange.stale))
        });
        labelled.collect()
    };
    let (age, stale) = (board.clone(), board.clone());
    let age = Source::Gauges(Box::new(move || read(&age, |age_ms, _| age_ms as f64 / 1_000.0)));
    let stale = Source::Gauges(Box::new(move || read(&stale, |_, stale| f64::from(u8::from(stale)))));
    vec![
        Watched { name: "quote_age_seconds", help: "Time since an exchange quoted a symbol", source: age },
        Watched { name: "quote_stale", help: "1 if that is too long ago to count, else 0", source: stale },
    ]
}
