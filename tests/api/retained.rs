//! `stream.retain`: old executions go, which everyone who asks for them is told; what is left, every number and every order stay.

use std::{fs, path::Path, time::Duration};

use openoutcry::{
    read,
    venue::{self, Folders, Settings},
};
use reqwest::{Method, header::AUTHORIZATION};
use serde_json::{Value, json};
use tokio::{
    net::TcpSocket,
    time::{interval, timeout},
};
use tokio_tungstenite::{MaybeTlsStream, client_async, tungstenite::client::IntoClientRequest};

use crate::keys::{ALICE, BOB, keyed};
use crate::process::{openoutcry, run};
use crate::socket::Socket;
use crate::venue::{Answer, Venue, market, with};

/// How long history may take: its thread has the lowest priority, and on a machine that others keep busy it gets very little.
const HISTORY_PATIENCE: Duration = Duration::from_secs(120);
/// What is kept of the log, and the usual length of its segments: one write is up to a megabyte.
const RETAIN: usize = 2 * 1024 * 1024;
const SEGMENT: usize = 512 * 1024;
/// What alice trades at a time: much more than that.
const BATCHES: usize = 12;
const EXECUTIONS: u64 = 2 * 500 * BATCHES as u64;

/// A venue that keeps little in memory and on disk.
async fn start(data_dir: &Path) -> Venue {
    let toml = format!(
        "[server]\ndata_dir = {data_dir:?}\n[journal]\nmode = \"os\"\n\
         [stream]\nring = 64\nretain = \"{}KiB\"\nsend_buffer = 16384\nstall_timeout = \"60s\"\n",
        RETAIN / 1024
    );
    let settings = Settings {
        read: read::Settings { closed_kept: 4, closed_max: 1_000_000 },
        folders: Some(Folders::of(data_dir).in_segments_of(SEGMENT as u64)),
        ..Settings::default()
    };
    Venue::spawn_with(&keyed(&toml), &settings).await
}

async fn stop(mut venue: Venue) {
    venue.shut_down();
    venue.ended().await.unwrap();
}

async fn get(venue: &Venue, key: &str, path: &str) -> Answer {
    let mut look = interval(Duration::from_millis(20));
    let asked = async {
        loop {
            look.tick().await;
            let answer = venue.with_key(key, Method::GET, path, None).await;
            if answer.body["code"] != "history_behind" {
                return answer;
            }
        }
    };
    timeout(HISTORY_PATIENCE, asked).await.unwrap()
}

/// Lets alice trade, two executions an order, until much more was written than is kept and the log is as short as it should be; her last
/// execution.
async fn trade(venue: &Venue, data_dir: &Path) -> u64 {
    let orders = Value::Array(vec![market("buy", "0.0001"); 500]);
    for _ in 0..BATCHES {
        let answer = venue.with_key(ALICE, Method::POST, "/orders/batch", Some(&orders)).await;
        assert!(answer.status == 200 && answer.body[499]["status"] == "filled", "{}", answer.text);
    }
    // Now and then: history's thread has the lowest priority, and who asks all the time leaves it nothing.
    let mut look = interval(Duration::from_millis(20));
    let short = async {
        loop {
            look.tick().await;
            let metrics = venue.get("/metrics").await.text;
            let sample = |name: &str| -> usize {
                let name = format!("openoutcry_{name} ");
                metrics.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse().unwrap()
            };
            let names = fs::read_dir(data_dir.join("executions")).unwrap().map(|entry| entry.unwrap().file_name());
            let segments = names.filter(|name| name.to_str().unwrap().ends_with(".frames")).count();
            // Some stay whatever they have.
            let short = segments <= 2 || sample("execution_log_size_bytes") <= RETAIN;
            if short && sample("execution_log_lag_executions") == 0 && sample("history_lag_executions") == 0 {
                return;
            }
        }
    };
    timeout(HISTORY_PATIENCE, short).await.expect("what history has should go");
    stream(venue, ALICE, "").await.1["last_seq"].as_u64().unwrap()
}

/// A stream, and its hello.
async fn stream(venue: &Venue, key: &str, query: &str) -> (Socket, Value) {
    let mut socket = Socket::connect_with(venue.addr, query, ("authorization", &format!("Bearer {key}"))).await.unwrap();
    let hello = socket.next().await;
    (socket, hello)
}

/// A stream of all executions from the first on that nobody reads, and for which the system holds little.
async fn unread(venue: &Venue) -> Socket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let connection = socket.connect(venue.addr).await.unwrap();
    let mut request = format!("ws://{}/stream?from_seq=1", venue.addr).into_client_request().unwrap();
    request.headers_mut().insert(AUTHORIZATION, format!("Bearer {ALICE}").parse().unwrap());
    let (stream, _) = client_async(request, MaybeTlsStream::Plain(connection)).await.unwrap();
    Socket(stream)
}

/// Checks that an old execution is a gap by every way out; the oldest that is kept.
async fn is_gone(venue: &Venue, key: &str, from_seq: u64, last_seq: u64) -> u64 {
    let page = get(venue, key, &format!("/executions?from_seq={from_seq}")).await;
    page.is_problem(410, "gap");
    let oldest_seq = page.body["oldest_seq"].as_u64().unwrap();
    assert!(from_seq < oldest_seq && oldest_seq <= last_seq + 1);
    let events = venue.request(Method::GET, "/executions/stream").bearer_auth(key);
    let events = Answer::of(events.header("last-event-id", (from_seq - 1).to_string())).await;
    events.is_problem(410, "gap");
    assert_eq!(events.body["oldest_seq"], oldest_seq);
    let (mut socket, hello) = stream(venue, key, &format!("?from_seq={from_seq}")).await;
    assert_eq!(hello["last_seq"], last_seq);
    let (code, reason, texts) = socket.closed().await;
    let gap: Value = serde_json::from_str(texts.last().unwrap()).unwrap();
    assert_eq!((code, reason.as_str(), texts.len()), (4010, "gap", 1));
    assert_eq!((&gap["channel"], &gap["type"]), (&json!("status"), &json!("gap")), "{gap}");
    assert_eq!((&gap["oldest_seq"], &gap["last_seq"]), (&json!(oldest_seq), &json!(last_seq)), "{gap}");
    oldest_seq
}

/// Checks that alice's executions from the oldest on are all there, by pages and by a stream.
async fn is_kept(venue: &Venue, oldest_seq: u64, last_seq: u64) {
    let first = get(venue, ALICE, "/executions?limit=1").await;
    assert_eq!(first.body["executions"][0]["seq"], oldest_seq, "where nobody says, the oldest is the first");
    let (mut socket, _) = stream(venue, ALICE, &format!("?from_seq={oldest_seq}")).await;
    let mut seq = oldest_seq;
    while seq <= last_seq {
        let page = get(venue, ALICE, &format!("/executions?from_seq={seq}&limit=1000")).await;
        for execution in page.body["executions"].as_array().unwrap() {
            assert_eq!(execution["seq"], seq);
            assert_eq!(*execution, socket.news().await);
            seq += 1;
        }
        assert_eq!(page.body["next_seq"], seq);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_executions_go_and_are_a_gap_while_numbers_and_orders_stay() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path();
    let venue = start(data_dir).await;
    let order = with(market("buy", "0.001"), json!({ "client_order_id": "bob-1" }));
    let of_bob = venue.with_key(BOB, Method::POST, "/orders", Some(&order)).await.body;
    assert_eq!(of_bob["status"], "filled");
    let mut slow = unread(&venue).await;
    let last_seq = trade(&venue, data_dir).await;
    assert_eq!(last_seq, EXECUTIONS);

    let oldest_seq = is_gone(&venue, ALICE, 1, last_seq).await;
    assert!(oldest_seq > EXECUTIONS / 3, "{oldest_seq}");
    assert_eq!(is_gone(&venue, ALICE, oldest_seq - 1, last_seq).await, oldest_seq);
    is_kept(&venue, oldest_seq, last_seq).await;
    // Memory still has bob's.
    let page = get(&venue, BOB, "/executions?from_seq=1").await;
    assert_eq!((page.status, &page.body["next_seq"]), (200, &json!(3)));
    // Who did not read gets what was on its way, without a hole, and is told.
    let (code, reason, texts) = slow.closed().await;
    assert_eq!((code, reason.as_str()), (4010, "gap"));
    let frames: Vec<Value> = texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    let seqs: Vec<u64> = frames.iter().filter_map(|frame| frame["seq"].as_u64()).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    assert!((seqs.len() as u64) < oldest_seq - 1, "{} came", seqs.len());
    assert_eq!(frames.last().map(|gap| gap["oldest_seq"].clone()), Some(json!(oldest_seq)));
    stop(venue).await;

    let venue = start(data_dir).await;
    assert_eq!(is_gone(&venue, ALICE, 1, last_seq).await, oldest_seq);
    is_kept(&venue, oldest_seq, last_seq).await;
    assert_eq!(is_gone(&venue, BOB, 1, 2).await, 3, "all of bob's are gone");
    let (mut news, _) = stream(&venue, BOB, "?from_seq=3").await;
    let again = venue.with_key(BOB, Method::POST, "/orders", Some(&order)).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (200, Some("true")));
    assert_eq!(again.body, of_bob);
    venue.with_key(BOB, Method::POST, "/orders", Some(&market("buy", "0.001"))).await;
    assert_eq!(news.news().await["seq"], 3, "numbers go on");
    for (key, path) in
        [(BOB, "/orders/by-client-id/bob-1"), (BOB, "/orders/1"), (ALICE, "/orders/2"), (ALICE, "/orders/700")]
    {
        let answer = get(&venue, key, path).await;
        assert_eq!((answer.status, &answer.body["status"]), (200, &json!("filled")), "{path}: {}", answer.text);
    }
    assert!(is_gone(&venue, ALICE, 1, trade(&venue, data_dir).await).await > oldest_seq);
    stop(venue).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_that_is_all_there_is_of_old_orders_is_never_removed() {
    let folder = tempfile::tempdir().unwrap();
    let (data_dir, file) = (folder.path(), folder.path().join("history.sqlite"));
    let venue = start(data_dir).await;
    venue.with_key(BOB, Method::POST, "/orders", Some(&market("buy", "0.001"))).await;
    trade(&venue, data_dir).await;
    stop(venue).await;

    let before = fs::read(&file).unwrap();
    let refused = venue::history::rebuild(data_dir).unwrap_err().to_string();
    assert!(refused.contains("history.sqlite may be all there is of older orders: move it away"), "{refused}");
    assert_eq!(fs::read(&file).unwrap(), before);
    let arguments = ["history", data_dir.to_str().unwrap()];
    let (code, printed, _) = run(&mut openoutcry(&arguments)).await;
    assert!(code == Some(0) && printed.ends_with(", 6001 orders, 12002 executions\n"), "{printed}");
    let (code, replayed, stderr) = run(&mut openoutcry(&["replay", data_dir.to_str().unwrap()])).await;
    assert!(code == Some(0) && replayed.contains("executions 12002, as recorded"), "{replayed} {stderr}");

    // A file that cannot be used is set aside, and what only it had is gone, not unknown.
    fs::write(&file, "no database").unwrap();
    let venue = start(data_dir).await;
    for (key, path) in [(BOB, "/orders/1"), (ALICE, "/orders/2"), (BOB, "/orders?status=closed")] {
        get(&venue, key, path).await.is_problem(410, "gap");
    }
    let last = get(&venue, ALICE, "/orders/6001").await;
    assert_eq!(last.body["status"], "filled", "{}", last.text);
    stop(venue).await;
    assert_eq!(fs::read(data_dir.join("history.sqlite.1")).unwrap(), b"no database");

    // Moved away, it is made of what the log has.
    fs::rename(&file, data_dir.join("history.sqlite.old")).unwrap();
    let summary = venue::history::rebuild(data_dir).unwrap();
    assert!(summary.executions > 100 && summary.executions < EXECUTIONS * 2 / 3, "{summary:?}");
}
