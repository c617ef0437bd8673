//! `GET /metrics`: a text that a scraper can read, and what it counts.

use std::collections::{BTreeMap, BTreeSet};

use crate::venue::{Venue, market};

/// The samples of an OpenMetrics text by name and labels, and the names that it types.
fn parse(text: &str) -> (BTreeMap<String, f64>, BTreeSet<String>) {
    let (mut samples, mut types) = (BTreeMap::new(), BTreeSet::new());
    let mut lines = text.lines();
    assert_eq!(lines.next_back(), Some("# EOF"));
    for line in lines {
        if let Some(comment) = line.strip_prefix("# ") {
            let words: Vec<&str> = comment.splitn(3, ' ').collect();
            assert!(matches!(words[0], "HELP" | "TYPE" | "UNIT") && words.len() == 3, "{line}");
            if words[0] == "TYPE" {
                assert!(types.insert(words[1].to_owned()), "typed twice: {line}");
            }
            continue;
        }
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
        let family = name.split('{').next().unwrap();
        let suffixes = ["", "_total", "_bucket", "_sum", "_count"];
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
    assert_eq!(answer.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
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
}
