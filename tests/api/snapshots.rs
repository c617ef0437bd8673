//! A start from a snapshot: what can be read after it is what could be read before, whatever became of the files since.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use openoutcry::{
    disk::Folder,
    engine::RULES,
    journal::{self, Durability, Journal, Reader, Settings},
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::process::{Server, openoutcry, run};
use crate::socket::Socket;
use crate::venue::{Answer, PATIENCE, client, limit, market, with};

/// Records from one snapshot to the next.
const EVERY: u64 = 100;

async fn try_start(data_dir: &Path, retain: &str) -> Result<Server, String> {
    let every = EVERY.to_string();
    let environment = [
        ("OPENOUTCRY_JOURNAL__MODE", "os"),
        ("OPENOUTCRY_JOURNAL__SNAPSHOT_EVERY", every.as_str()),
        ("OPENOUTCRY_JOURNAL__RETAIN", retain),
        ("OPENOUTCRY_DATA_DIR", data_dir.to_str().unwrap()),
        ("OPENOUTCRY_CONFIG", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/quiet.toml")),
    ];
    Server::try_spawn(&environment).await
}

async fn start(data_dir: &Path) -> Server {
    try_start(data_dir, "all").await.unwrap()
}

async fn stop(server: Server) {
    server.signal("TERM").await;
    assert_eq!(server.ended().await, Some(0));
}

async fn send(server: &Server, method: Method, path: &str, body: &Value) -> Answer {
    Answer::of(client().request(method, format!("http://{}{path}", server.addr)).json(body)).await
}

/// Orders that rest, trade, wait, expire and are changed; as many as there are rounds, `name` in their ids.
async fn trade(server: &Server, name: &str, rounds: usize) {
    for round in 0..rounds {
        let id = |of: &str| json!({ "client_order_id": format!("{name}-{round}-{of}") });
        let price = (40_000 + round % 50).to_string();
        let mut stop = with(market("sell", "0.1"), json!({ "type": "stop_loss", "trigger_price": "30000" }));
        stop = with(stop, id("stop"));
        let gtd = json!({ "time_in_force": "gtd", "expire_at": "2200-01-01T00:00:00Z" });
        let orders = json!([
            with(limit("buy", "0.2", &price), id("bid")),
            with(with(limit("buy", "0.1", &price), gtd), id("gtd")),
            with(limit("sell", "0.3", "43000"), id("ask")),
            stop,
            with(market("buy", "0.05"), id("market")),
            with(limit("buy", "1000000", "1000000"), id("too-much")),
        ]);
        assert_eq!(send(server, Method::POST, "/orders/batch", &orders).await.status, 200);
        let path = format!("/orders/by-client-id/{name}-{round}-bid");
        assert_eq!(send(server, Method::PATCH, &path, &json!({ "quantity": "0.1" })).await.status, 200);
        if round % 3 == 0 {
            assert_eq!(send(server, Method::DELETE, &path, &json!({})).await.status, 200);
        }
        let quote = json!({ "exchange": "somewhere", "symbol": "BTC/USDT", "bid": price, "ask": "42999.99", "bid_size": "0.15", "ask_size": "1" });
        assert_eq!(send(server, Method::POST, "/quotes", &quote).await.status, 200);
    }
}

/// Everything that can be read.
async fn everything(server: &Server) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for path in ["/orders?limit=1000", "/account", "/book/BTC-USDT?depth=1000", "/trades/BTC-USDT?limit=1000"] {
        let answer = send(server, Method::GET, path, &Value::Null).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        all.push((path.to_owned(), answer.body));
    }
    let mut seq = 1;
    loop {
        let path = format!("/executions?from_seq={seq}&limit=1000");
        let answer = send(server, Method::GET, &path, &Value::Null).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let next = answer.body["next_seq"].as_u64().unwrap();
        all.push((path, answer.body));
        if next == seq {
            return all;
        }
        seq = next;
    }
}

/// A book's number counts changes, and those of commands that were kept together are one.
fn without_book_seq(mut all: Vec<(String, Value)>) -> Vec<(String, Value)> {
    all.iter_mut().filter(|(path, _)| path.starts_with("/book")).for_each(|(_, book)| book["seq"] = Value::Null);
    all
}

/// Sends an order again until history is not behind.
async fn known(server: &Server, order: &Value) -> Answer {
    let asked = async {
        loop {
            let answer = send(server, Method::POST, "/orders", order).await;
            if answer.status != 503 {
                return answer;
            }
            assert_eq!(answer.body["code"], "history_behind", "{}", answer.text);
        }
    };
    timeout(PATIENCE, asked).await.unwrap()
}

/// Ids that were used are still used, for the same.
async fn repeats(server: &Server, name: &str, rounds: usize) {
    for round in (0..rounds).step_by(7) {
        let order = with(market("buy", "0.05"), json!({ "client_order_id": format!("{name}-{round}-market") }));
        let other = with(market("buy", "0.06"), json!({ "client_order_id": format!("{name}-{round}-market") }));
        let bid = with(
            limit("buy", "0.2", &(40_000 + round % 50).to_string()),
            json!({ "client_order_id": format!("{name}-{round}-bid") }),
        );
        assert_eq!(known(server, &order).await.status, 200);
        assert_eq!(send(server, Method::POST, "/orders", &other).await.body["code"], "client_order_id_conflict");
        assert_eq!(known(server, &bid).await.status, 200);
    }
}

fn snapshots(data_dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(data_dir.join("snapshots")).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|kind| kind == "snapshot")).collect();
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_clean_stop_nothing_is_replayed_and_everything_is_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let mut before = Vec::new();
    for life in 0..3 {
        let mut server = start(&data_dir).await;
        if life > 0 {
            let recovered = server.said("recovered").await;
            assert_eq!(recovered["records"], 0, "{recovered}");
            assert_eq!(everything(&server).await, before);
            for life in 0..life {
                repeats(&server, &life.to_string(), 8).await;
            }
        }
        trade(&server, &life.to_string(), 8).await;
        before = everything(&server).await;
        stop(server).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_after_snapshots_it_goes_on_from_the_newest_that_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let mut server = start(&data_dir).await;
    for snapshot in 0..3 {
        trade(&server, &snapshot.to_string(), 14).await;
        let kept = server.said("kept a snapshot").await;
        assert!(kept["number"].as_u64().unwrap() > snapshot * EVERY, "{kept}");
    }
    trade(&server, "3", 3).await;
    let before = without_book_seq(everything(&server).await);
    server.signal("KILL").await;
    server.ended().await;

    let found = snapshots(&data_dir);
    let [older, newer] = found.as_slice() else { panic!("{found:?}") };
    let bytes = fs::read(newer).unwrap();
    for damage in ["none", "flipped", "gone"] {
        match damage {
            "flipped" => {
                let mut flipped = bytes.clone();
                flipped[bytes.len() / 2] ^= 1;
                fs::write(newer, flipped).unwrap();
            }
            "gone" => fs::remove_file(newer).unwrap(),
            _ => {}
        }
        let mut server = start(&data_dir).await;
        let from = if damage == "none" { newer } else { older };
        let number = server.said("starting from a snapshot").await["number"].as_u64().unwrap();
        assert!(from.display().to_string().ends_with(&format!("{number:020}.snapshot")), "{damage}: {number}");
        assert_eq!(without_book_seq(everything(&server).await), before, "{damage}");
        for name in 0..3 {
            repeats(&server, &name.to_string(), 14).await;
        }
        repeats(&server, "3", 3).await;
        server.signal("KILL").await;
        server.ended().await;
    }

    // One that could not be used is not one of the two that are kept.
    fs::write(newer, &bytes[..bytes.len() / 2]).unwrap();
    let mut server = start(&data_dir).await;
    trade(&server, "4", 14).await;
    let kept = server.said("kept a snapshot").await["number"].as_u64().unwrap();
    server.signal("TERM").await;
    assert_eq!(server.ended().await, Some(0));
    // There was enough for another, which may have been made before the stop.
    assert!(snapshots(&data_dir)[0].file_name().unwrap().to_str().unwrap() >= format!("{kept:020}.snapshot").as_str());
    assert!(!newer.exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_segments_are_retired_and_a_start_does_without_them() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let mut before = Vec::new();
    for life in 0..4 {
        let server = try_start(&data_dir, "0KiB").await.unwrap();
        if life > 0 {
            assert_eq!(everything(&server).await, before);
        }
        trade(&server, &life.to_string(), 2).await;
        before = everything(&server).await;
        stop(server).await;
    }
    let disk: Arc<Folder> = Arc::new(Folder::new(data_dir.join("journal")));
    let oldest = Reader::open_oldest(disk).unwrap().oldest();
    assert!(oldest > 1, "no segment was retired");
    let dir = data_dir.to_str().unwrap();
    let (code, replayed, _) = run(&mut openoutcry(&["replay", dir])).await;
    assert_eq!(code, Some(0), "{replayed}");
    // Without the log of executions, what the journal still has is shown again, and what is before is said to be gone.
    fs::remove_dir_all(data_dir.join("executions")).unwrap();
    let server = start(&data_dir).await;
    let executions = send(&server, Method::GET, "/executions?from_seq=1", &Value::Null).await;
    executions.is_problem(410, "gap");
    assert_eq!(send(&server, Method::GET, "/account", &Value::Null).await.body, before[1].1);
    // Without snapshots, there is nothing to start from.
    stop(server).await;
    fs::remove_dir_all(data_dir.join("snapshots")).unwrap();
    let refused = start_refused(&data_dir).await;
    assert!(refused.contains(&format!("begins with record {oldest}, and there is no snapshot")), "{refused}");
    assert!(refused.contains("put back the files of the snapshots"), "{refused}");
}

async fn start_refused(data_dir: &Path) -> String {
    try_start(data_dir, "all").await.err().unwrap()
}

/// Writes the journal again as if other rules had executed it.
fn under_other_rules(from: &Path, to: &Path) {
    let mut reader = Reader::open(Arc::new(Folder::new(from.join("journal"))), 1).unwrap();
    let disk: Arc<Folder> = Arc::new(Folder::new(to.join("journal")));
    let empty = Reader::open(disk.clone(), 1).unwrap().finish().unwrap();
    let (mut all, mut records) = (Vec::new(), Vec::new());
    while reader.next(&mut records).unwrap().is_some() {
        all.append(&mut records);
    }
    let new_epoch = reader.finish().unwrap().epoch.unwrap();
    let settings = Settings { durability: Durability::Os, segment_bytes: 1 << 20, rules: RULES + 1, new_epoch };
    let mut started = journal::start(disk, empty, &settings, |()| {}).unwrap();
    started.journal.append(all, 0, ());
    drop(started.journal);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(started.ended.wait()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_other_rules_executed_is_started_from_a_snapshot_at_its_end_and_from_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (data_dir, other) = (folder.path().join("data"), folder.path().join("other"));
    let server = start(&data_dir).await;
    trade(&server, "a", 2).await;
    let before = everything(&server).await;
    stop(server).await;
    let (from, to) = (data_dir.clone(), other.clone());
    tokio::task::spawn_blocking(move || under_other_rules(&from, &to)).await.unwrap();
    let refused = start_refused(&other).await;
    let words = format!("was executed by rules {}, and this version has rules {RULES}", RULES + 1);
    assert!(refused.contains(&words), "{refused}");
    for kept in ["snapshots", "executions"] {
        fs::remove_dir_all(other.join(kept)).ok();
        fs::rename(data_dir.join(kept), other.join(kept)).unwrap();
    }
    let server = start(&other).await;
    assert_eq!(everything(&server).await, before);
    repeats(&server, "a", 2).await;
    let mut stream = Socket::connect(server.addr, "").await;
    let last_seq = stream.next().await["last_seq"].as_u64().unwrap();
    assert_eq!(send(&server, Method::POST, "/orders", &market("buy", "1")).await.status, 201);
    assert_eq!(stream.news().await["seq"], last_seq + 1);
    server.signal("KILL").await;
    server.ended().await;
    // What these rules have executed since is replayed by them.
    stop(start(&other).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_venue_is_printed_checked_and_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let dir = data_dir.to_str().unwrap();
    let mut server = start(&data_dir).await;
    let (code, _, refused) = run(&mut openoutcry(&["replay", dir])).await;
    assert!(code == Some(1) && refused.contains("is in use by another process"), "{refused}");
    trade(&server, "a", 20).await;
    server.said("kept a snapshot").await;
    server.signal("KILL").await;
    server.ended().await;
    let server = start(&data_dir).await;
    let order = with(market("buy", "1"), json!({ "client_order_id": "the-last" }));
    assert_eq!(send(&server, Method::POST, "/orders", &order).await.status, 201);
    let executions = Socket::connect(server.addr, "").await.next().await["last_seq"].clone();
    stop(server).await;

    let (code, printed, _) = run(&mut openoutcry(&["journal", dir])).await;
    assert_eq!(code, Some(0));
    let lines: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().zip(1..).all(|(line, number)| line["number"] == number));
    assert_eq!((&lines[0]["command"], &lines[0]["tick_size"]), (&json!("define_instrument"), &json!("0.01")));
    let last = lines.last().unwrap();
    let stamp = last["stamp"].as_str().unwrap();
    let expected = json!({
        "number": lines.len(), "stamp": stamp, "command": "place", "account": "default", "client_order_id": "the-last",
        "symbol": "BTC/USDT", "side": "buy", "type": "market", "time_in_force": "ioc", "quantity": "1",
        "post_only": false, "stp": "none",
    });
    assert_eq!(*last, expected);
    let from = lines.len().to_string();
    let (_, tail, _) = run(&mut openoutcry(&["journal", dir, "--from", &from])).await;
    assert_eq!(serde_json::from_str::<Value>(&tail).unwrap(), expected);

    let (code, verified, _) = run(&mut openoutcry(&["journal", dir, "--verify"])).await;
    assert_eq!(code, Some(0), "{verified}");
    assert!(verified.contains(&format!("records   {0}, from 1 to {0}\n", lines.len())), "{verified}");
    assert!(verified.contains("segments  2\n") && verified.contains("torn tail none"), "{verified}");

    let (code, replayed, said) = run(&mut openoutcry(&["replay", dir])).await;
    assert_eq!(code, Some(0), "{replayed}{said}");
    for line in [format!("records    {0}, from 1 to {0}", lines.len()), format!("executions {executions}, as recorded")] {
        assert!(replayed.contains(&line), "{replayed}");
    }
    assert!(replayed.contains("snapshots  2, as recorded\n"), "{replayed}");
    assert!(
        replayed.contains(&format!("log        {executions} executions in 2 segments, as written\nstate hash ")),
        "{replayed}"
    );

    let log = data_dir.join("executions/00000000000000000001.frames");
    let whole = fs::read(&log).unwrap();
    let mut bytes = whole.clone();
    bytes[300] ^= 1;
    fs::write(&log, bytes).unwrap();
    let (code, _, said) = run(&mut openoutcry(&["replay", dir])).await;
    assert!(code == Some(1) && said.contains("00000000000000000001.frames is damaged at byte 48"), "{said}");
    fs::write(&log, whole).unwrap();

    let segment = data_dir.join("journal/00000000000000000001.log");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[300] ^= 1;
    fs::write(&segment, bytes).unwrap();
    for arguments in [["journal", dir, "--verify"].as_slice(), &["replay", dir]] {
        let (code, _, said) = run(&mut openoutcry(arguments)).await;
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("00000000000000000001.log is damaged at byte 48"), "{said}");
    }
    let (code, _, said) = run(&mut openoutcry(&["journal", "/nowhere"])).await;
    assert!(code == Some(1) && said.contains("/nowhere is no data directory"), "{said}");
}
