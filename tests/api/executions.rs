//! Executions older than the ring in memory: from disk, the same bytes by every way out, across a kill and a rebuild.

use std::{net::SocketAddr, path::Path};

use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use tokio::time::timeout;

use crate::process::Server;
use crate::socket::Socket;
use crate::venue::{Answer, PATIENCE, Venue, client, limit, market, with};

/// How many executions are kept in memory.
const RING: &str = "64";

async fn server(data_dir: &Path, lag_limit: &str) -> Server {
    let environment = [
        ("OPENOUTCRY_JOURNAL__MODE", "os"),
        ("OPENOUTCRY_DATA_DIR", data_dir.to_str().unwrap()),
        ("OPENOUTCRY_STREAM__RING", RING),
        ("OPENOUTCRY_STREAM__LAG_LIMIT", lag_limit),
    ];
    Server::spawn(&environment).await
}

/// Places orders of every kind, a batch at a time; how many executions that makes in all.
async fn trade(addr: SocketAddr, batches: usize) -> u64 {
    for batch in 0..batches {
        let orders: Vec<Value> = (0..200)
            .map(|n| match n % 4 {
                0 => limit("buy", "0.1", "41000"),
                1 => with(market("sell", "0.001"), json!({ "client_order_id": format!("b{batch}-{n}") })),
                _ => market("buy", "0.002"),
            })
            .collect();
        let answer = client().post(format!("http://{addr}/orders/batch")).json(&orders);
        let answer = Answer::of(answer).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }
    Socket::connect(addr, "").await.next().await["last_seq"].as_u64().unwrap()
}

async fn by_socket(addr: SocketAddr, from_seq: u64, last_seq: u64) -> Vec<String> {
    let mut socket = Socket::connect(addr, &format!("?from_seq={from_seq}")).await;
    assert_eq!(socket.next().await["last_seq"], last_seq);
    let mut texts = Vec::new();
    while (texts.len() as u64) < last_seq + 1 - from_seq {
        texts.push(socket.text().await);
    }
    texts
}

async fn by_pages(addr: SocketAddr, from_seq: u64, last_seq: u64) -> Vec<String> {
    #[derive(Deserialize)]
    struct Page {
        executions: Vec<Box<RawValue>>,
        next_seq: u64,
    }
    let (mut texts, mut seq) = (Vec::new(), from_seq);
    while seq <= last_seq {
        let answer = Answer::of(client().get(format!("http://{addr}/executions?from_seq={seq}&limit=777"))).await;
        let page: Page = serde_json::from_str(&answer.text).unwrap_or_else(|error| panic!("{error}: {}", answer.text));
        assert_eq!(page.next_seq, seq + page.executions.len() as u64);
        assert!(page.next_seq > seq, "a page in the middle is not empty");
        texts.extend(page.executions.iter().map(|execution| execution.get().to_owned()));
        seq = page.next_seq;
    }
    texts
}

async fn by_events(addr: SocketAddr, from_seq: u64, last_seq: u64) -> Vec<String> {
    let request = client().get(format!("http://{addr}/executions/stream"));
    let request = request.header("Last-Event-ID", (from_seq - 1).to_string());
    let mut response = timeout(PATIENCE, request.send()).await.unwrap().unwrap();
    let (mut texts, mut rest) = (Vec::new(), Vec::new());
    while (texts.len() as u64) < last_seq + 1 - from_seq {
        rest.extend_from_slice(&timeout(PATIENCE, response.chunk()).await.unwrap().unwrap().expect("the stream ended"));
        while let Some(end) = rest.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = rest.drain(..end + 2).collect();
            let event = String::from_utf8(event).unwrap();
            let id = format!("id: {}\ndata: ", from_seq + texts.len() as u64);
            let Some(text) = event.strip_prefix(&id) else { panic!("{id:?} should begin {event}") };
            texts.push(text.trim_end().to_owned());
        }
    }
    texts
}

/// Checks that every way out gives exactly `expected` from the first on, and its end from any other.
async fn all_give(addr: SocketAddr, expected: &[String]) {
    let last_seq = expected.len() as u64;
    assert_eq!(by_socket(addr, 1, last_seq).await, expected, "by WebSocket");
    assert_eq!(by_pages(addr, 1, last_seq).await, expected, "by pages");
    assert_eq!(by_events(addr, 1, last_seq).await, expected, "by events");
    for from_seq in [2, last_seq / 3, last_seq - 1, last_seq] {
        let expected = &expected[from_seq as usize - 1..];
        assert_eq!(by_socket(addr, from_seq, last_seq).await, expected, "from {from_seq}");
        assert_eq!(by_pages(addr, from_seq, last_seq).await, expected, "from {from_seq}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_executions_are_the_same_bytes_by_every_way_out_across_a_kill_and_a_rebuild() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path();

    // What is live is what all others are compared with.
    let first = server(data_dir, "100000").await;
    let mut live = Socket::connect(first.addr, "?from_seq=1").await;
    live.next().await;
    let last_seq = trade(first.addr, 10).await;
    assert!(last_seq > 3_000, "{last_seq}");
    let mut expected = Vec::new();
    while (expected.len() as u64) < last_seq {
        expected.push(live.text().await);
    }
    all_give(first.addr, &expected).await;
    first.signal("KILL").await;
    assert_eq!(first.ended().await, None);

    // What the kill left out is made again; then it goes on.
    let second = server(data_dir, "100000").await;
    all_give(second.addr, &expected).await;
    let mut resumed = Socket::connect(second.addr, &format!("?from_seq={}", last_seq - 100)).await;
    resumed.next().await;
    let last_seq = trade(second.addr, 1).await;
    expected.truncate(expected.len() - 101);
    while (expected.len() as u64) < last_seq {
        expected.push(resumed.text().await);
    }
    all_give(second.addr, &expected).await;
    second.signal("TERM").await;
    assert_eq!(second.ended().await, Some(0));
    let bytes = |segment: u64| std::fs::read(data_dir.join(format!("executions/{segment:020}.frames"))).unwrap();
    assert!(bytes(1).len() > 1_000_000);

    // Removed, it is made again from the journal.
    std::fs::remove_dir_all(data_dir.join("executions")).unwrap();
    // Who catches up is not slow, however far behind.
    let third = server(data_dir, "1").await;
    all_give(third.addr, &expected).await;
    third.signal("TERM").await;
    assert_eq!(third.ended().await, Some(0));

    // A flipped bit is not handed out.
    let path = data_dir.join("executions/00000000000000000001.frames");
    let mut damaged = bytes(1);
    damaged[5_000] ^= 1;
    std::fs::write(&path, damaged).unwrap();
    let fourth = server(data_dir, "100000").await;
    for path in ["/executions", "/executions/stream"] {
        let answer = Answer::of(client().get(format!("http://{}{path}?from_seq=1", fourth.addr))).await;
        answer.is_problem_with(500, "internal", "unknown");
    }
    let mut socket = Socket::connect(fourth.addr, "?from_seq=1").await;
    assert_eq!(socket.closed().await.0, 1011);
    fourth.signal("TERM").await;
    assert_eq!(fourth.ended().await, Some(0));
}

/// A venue in this process that keeps what happens in `data_dir`.
async fn venue(data_dir: &Path) -> Venue {
    let data_dir = data_dir.display();
    Venue::spawn(&format!("[journal]\nmode = \"os\"\n[server]\ndata_dir = \"{data_dir}\"\n[stream]\nring = {RING}\n")).await
}

async fn stop(mut venue: Venue) {
    venue.shut_down();
    venue.ended().await.unwrap();
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_journal_has_lost_is_not_shown_any_more_and_its_numbers_are_given_again() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let first = venue(&data_dir).await;
    let last_seq = trade(first.addr, 2).await;
    let expected = by_pages(first.addr, 1, last_seq).await;
    stop(first).await;
    copy(&data_dir.join("journal"), &folder.path().join("copy"));

    let second = venue(&data_dir).await;
    for _ in 0..100 {
        second.placed(&market("buy", "0.3")).await;
    }
    stop(second).await;
    std::fs::remove_dir_all(data_dir.join("journal")).unwrap();
    copy(&folder.path().join("copy"), &data_dir.join("journal"));

    let third = venue(&data_dir).await;
    all_give(third.addr, &expected).await;
    for _ in 0..100 {
        third.placed(&market("sell", "0.7")).await;
    }
    let again = by_socket(third.addr, last_seq + 1, last_seq + 200).await;
    assert!(again.iter().all(|execution| execution.contains(r#""side":"sell""#)), "{again:?}");
    stop(third).await;
    let fourth = venue(&data_dir).await;
    all_give(fourth.addr, &[expected, again].concat()).await;
    stop(fourth).await;
}

#[tokio::test]
async fn a_log_that_cannot_be_written_ends_the_process_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut venue = venue(folder.path()).await;
    // Where an index is made when the log is closed, there is a folder.
    std::fs::create_dir(folder.path().join("executions/next.tmp")).unwrap();
    venue.placed(&market("buy", "0.1")).await;
    venue.shut_down();
    let error = format!("{:#}", venue.ended().await.unwrap_err());
    assert!(error.starts_with("the task `executions` failed: cannot write "), "{error}");
}

#[tokio::test]
async fn a_log_that_belongs_to_another_journal_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let venue = venue(folder.path()).await;
    venue.placed(&market("buy", "0.1")).await;
    stop(venue).await;
    for gone in ["journal", "snapshots"] {
        std::fs::remove_dir_all(folder.path().join(gone)).unwrap();
    }
    let environment = [("OPENOUTCRY_JOURNAL__MODE", "os"), ("OPENOUTCRY_DATA_DIR", folder.path().to_str().unwrap())];
    let refused = Server::try_spawn(&environment).await.err().unwrap();
    assert!(refused.contains("belongs to another journal"), "{refused}");
}

#[tokio::test]
async fn a_number_beyond_the_next_is_a_gap_by_every_way_out() {
    let venue = Venue::spawn("").await;
    venue.placed(&market("buy", "1")).await;
    for (from_seq, status) in [(3, 200), (4, 410)] {
        for path in ["/executions", "/executions/stream"] {
            let sent = client().get(format!("http://{}{path}?from_seq={from_seq}", venue.addr)).send().await.unwrap();
            assert_eq!(sent.status(), status, "{path} from {from_seq}");
        }
    }
    let beyond = venue.get("/executions?from_seq=4").await;
    beyond.is_problem(410, "gap");
    assert_eq!((&beyond.body["oldest_seq"], &beyond.body["last_seq"]), (&json!(1), &json!(2)));
    let mut socket = venue.stream("?from_seq=4").await;
    let gap = socket.until(|frame| frame["type"] == "gap").await;
    assert_eq!((&gap["oldest_seq"], &gap["last_seq"]), (&json!(1), &json!(2)));
}
