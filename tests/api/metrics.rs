//! `GET /metrics`: a text that a scraper can read, and what it counts.

use std::collections::{BTreeMap, BTreeSet};

use crate::venue::{Venue, market};

/// The samples of Prometheus' text by name and labels, and the names that it types.
fn parse(text: &str) -> (BTreeMap<String, f64>, BTreeSet<String>) {
    let (mut samples, mut types) = (BTreeMap::new(), BTreeSet::new());
    let mut helped = None;
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let words: Vec<&str> = comment.splitn(3, ' ').collect();
            assert!(matches!(words[0], "HELP" | "TYPE") && words.len() == 3, "{line}");
            if words[0] == "HELP" {
                helped = Some(words[1]);
                continue;
            }
            assert_eq!(helped.take(), Some(words[1]), "typed without help: {line}");
            assert_eq!(words[1].ends_with("_total"), words[2] == "counter", "{line}");
            assert!(types.insert(words[1].to_owned()), "typed twice: {line}");
            continue;
        }
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
        let family = name.split('{').next().unwrap();
        let suffixes = ["", "_bucket", "_sum", "_count"];
        let typed = suffixes.iter().any(|suffix| family.strip_suffix(suffix).is_some_and(|family| types.contains(family)));
        assert!(typed, "a sample without a type before it: {line}");
        assert!(samples.insert(name.to_owned(), value.parse().unwrap()).is_none(), "sampled twice: {line}");
    }
    (samples, types)
}

#[tokio::test]
async fn metrics_can_be_read_and_count_lanes_requests_and_sockets() {
    let venue = Venue::spawn("").await;
    let _socket = venue.stream("").await;
    for _ in 0..3 {
        venue.placed(&market("buy", "1")).await;
    }
    venue.get("/nowhere/at/all").await;
    let answer = venue.get("/metrics").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let (samples, _) = parse(&answer.text);
    let sample = |name: &str| *samples.get(name).unwrap_or_else(|| panic!("no {name}: {}", answer.text));
    for lane in ["orders", "cancels", "quotes"] {
        for family in ["queue_capacity", "queue_depth", "queue_sent_total", "queue_received_total", "queue_dropped_total"] {
            sample(&format!("openoutcry_{family}{{lane=\"{lane}\"}}"));
        }
    }
    assert_eq!(sample("openoutcry_queue_capacity{lane=\"orders\"}"), 4096.0);
    assert_eq!(sample("openoutcry_queue_sent_total{lane=\"orders\"}"), 3.0);
    assert_eq!(sample("openoutcry_queue_received_total{lane=\"orders\"}"), 3.0);
    assert_eq!(sample("openoutcry_stream_connections"), 1.0);
    assert_eq!(sample("openoutcry_http_requests_total{method=\"POST\",route=\"/orders\",status=\"201\"}"), 3.0);
    assert_eq!(sample("openoutcry_http_requests_total{method=\"GET\",route=\"unmatched\",status=\"404\"}"), 1.0);
    assert_eq!(sample("openoutcry_http_request_duration_seconds_count{route=\"/orders\"}"), 3.0);
    assert_eq!(sample("openoutcry_queue_wait_seconds_count{lane=\"orders\"}"), 3.0);
    assert_eq!(sample("openoutcry_queue_wait_seconds_bucket{le=\"+Inf\",lane=\"orders\"}"), 3.0);
    // What the venue was configured with was executed before it ran.
    assert_eq!(sample("openoutcry_executor_batch_commands_sum"), 3.0);
    assert!(sample("openoutcry_engine_batch_duration_seconds_sum") > 0.0);
    assert!(
        sample("openoutcry_executor_batch_duration_seconds_sum")
            >= sample("openoutcry_executor_batch_duration_seconds_max")
    );
    assert_eq!(sample("openoutcry_stream_event_streams"), 0.0);
    assert_eq!(sample("openoutcry_stream_lag_executions_count"), 0.0);
    assert_eq!(sample("openoutcry_executions_total"), 6.0);
    assert_eq!(sample("openoutcry_quote_stale{exchange=\"static\",symbol=\"BTC/USDT\"}"), 0.0);
    for process in ["cpu_seconds_total", "open_fds", "resident_memory_bytes", "start_time_seconds"] {
        assert!(sample(&format!("process_{process}")) >= 0.0);
    }
}

#[tokio::test]
async fn a_venue_that_keeps_a_journal_says_how_that_goes() {
    let dir = tempfile::tempdir().unwrap();
    let toml = format!("[server]\ndata_dir = {:?}\n[journal]\nmode = \"os\"\n", dir.path());
    let venue = Venue::spawn(&toml).await;
    venue.placed(&market("buy", "1")).await;
    let (samples, _) = parse(&venue.get("/metrics").await.text);
    let sample = |name: &str| *samples.get(name).unwrap_or_else(|| panic!("no {name}"));
    // One frame is what the venue was configured with.
    assert!(sample("openoutcry_journal_commit_duration_seconds_count") >= 1.0);
    assert!(sample("openoutcry_journal_frame_bytes_sum") >= 100.0);
    assert_eq!(sample("openoutcry_snapshots_total"), 0.0);
    assert!(sample("openoutcry_execution_log_size_bytes") >= 0.0);
    assert!(sample("openoutcry_execution_log_lag_executions") <= sample("openoutcry_executions_total"));
    assert!(sample("openoutcry_history_lag_executions") <= sample("openoutcry_executions_total"));
}
