//! The binary with a journal: killed under load, started again, and asked what it still knows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::process::{Server, openoutcry, run};
use crate::socket::Socket;
use crate::venue::{Answer, PATIENCE, client, limit, market, with};

/// How many executions of a round are seen before the kill.
const EXECUTIONS_A_ROUND: u64 = 120;
/// How many clients send orders at once.
const CLIENTS: usize = 4;

/// Orders by their client's ids: what the venue acknowledged, and what it never answered.
#[derive(Default)]
struct Sent {
    acknowledged: BTreeMap<String, u64>,
    unanswered: Vec<String>,
}

async fn server(data_dir: &str) -> Server {
    // Most of what is resumed is read from disk, and most starts begin with a snapshot.
    let small = [("OPENOUTCRY_STREAM__RING", "50"), ("OPENOUTCRY_JOURNAL__SNAPSHOT_EVERY", "40")];
    let [ring, snapshots] = small;
    Server::spawn(&[("OPENOUTCRY_JOURNAL__MODE", "fsync"), ("OPENOUTCRY_DATA_DIR", data_dir), ring, snapshots]).await
}

/// Sends what was never answered again, then new orders, until the venue is gone.
async fn send_until_killed(addr: std::net::SocketAddr, name: String, retries: Vec<String>) -> Sent {
    let client = client();
    let mut sent = Sent::default();
    let new = (0..).map(|n| format!("{name}-{n}"));
    for id in retries.into_iter().chain(new) {
        let order = with(market("buy", "0.01"), json!({ "client_order_id": id }));
        let answer = client.post(format!("http://{addr}/orders")).json(&order).send().await;
        let body = match answer {
            Ok(answer) if matches!(answer.status().as_u16(), 200 | 201) => answer.json::<Value>().await.ok(),
            _ => None,
        };
        let Some(body) = body else {
            sent.unanswered.push(id);
            return sent;
        };
        sent.acknowledged.insert(id, body["order_id"].as_u64().unwrap());
    }
    unreachable!("names never end")
}

/// One life of the venue: a subscriber goes on after what it has `seen`, clients send, the process is killed.
async fn round(data_dir: &str, number: usize, seen: &mut Vec<String>, sent: &mut Sent) {
    let server = server(data_dir).await;
    let next_seq = seen.len() as u64 + 1;
    let mut stream = Socket::connect(server.addr, &format!("?from_seq={next_seq}")).await;
    assert!(stream.next().await["last_seq"].as_u64().unwrap() + 1 >= next_seq, "executions that were seen are gone");
    let mut retries = std::mem::take(&mut sent.unanswered);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let retries = retries.split_off(retries.len().saturating_sub(1));
            tokio::spawn(send_until_killed(server.addr, format!("{number}-{client}"), retries))
        })
        .collect();
    sent.unanswered = retries;
    for seq in next_seq..next_seq + EXECUTIONS_A_ROUND {
        seen.push(execution(&mut stream, seq).await);
    }
    server.signal("KILL").await;
    assert_eq!(server.ended().await, None, "a killed process has no exit code");
    for client in clients {
        let of_client = timeout(PATIENCE, client).await.unwrap().unwrap();
        sent.acknowledged.extend(of_client.acknowledged);
        sent.unanswered.extend(of_client.unanswered);
    }
}

/// The next execution on a stream, which must be this one, as it was sent.
async fn execution(stream: &mut Socket, seq: u64) -> String {
    loop {
        let text = stream.text().await;
        let frame: Value = serde_json::from_str(&text).unwrap();
        if frame["type"] != "heartbeat" {
            assert_eq!(frame["seq"], seq, "{frame}");
            return text;
        }
    }
}

/// Executes a stopped venue's journal once more: how many snapshots were met, and the hash of the state.
async fn replayed(data_dir: &str) -> (usize, String) {
    let (code, printed, said) = run(&mut openoutcry(&["replay", data_dir])).await;
    assert_eq!(code, Some(0), "{said}");
    let word = |name: &str| {
        let line = printed.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_start().split(',').next().unwrap().to_owned()
    };
    (word("snapshots").parse().unwrap(), word("state hash"))
}

/// `OPENOUTCRY_KILL_ROUNDS=200` makes it a long one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_under_load_it_loses_and_doubles_nothing_that_it_acknowledged() {
    let rounds = std::env::var("OPENOUTCRY_KILL_ROUNDS").map_or(3, |rounds| rounds.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().to_str().unwrap();
    let (mut seen, mut sent) = (Vec::new(), Sent::default());
    for number in 0..rounds {
        round(data_dir, number, &mut seen, &mut sent).await;
    }

    let mut server = server(data_dir).await;
    let recovered = server.said("recovered").await["state_hash"].as_str().unwrap().to_owned();
    let get = |path: String| {
        let request = client().get(format!("http://{}{path}", server.addr));
        async move { request.send().await.unwrap().json::<Value>().await.unwrap() }
    };
    let mut lost = Vec::new();
    for (id, order_id) in &sent.acknowledged {
        // History may have been killed before it had come so far: then it says so, and goes on.
        let known = async {
            loop {
                let order = get(format!("/orders/by-client-id/{id}")).await;
                if order["code"] != "history_behind" {
                    return order;
                }
            }
        };
        let order = timeout(PATIENCE, known).await.unwrap();
        if (&order["order_id"], &order["status"]) != (&json!(order_id), &json!("filled")) {
            lost.push(order);
        }
    }
    assert!(lost.is_empty(), "lost: {lost:?}");
    let mut stream = Socket::connect(server.addr, "?from_seq=1").await;
    let last_seq = stream.next().await["last_seq"].as_u64().unwrap();
    let (mut filled, mut ids) = (BTreeMap::new(), BTreeSet::new());
    for seq in 1..=last_seq {
        let text = execution(&mut stream, seq).await;
        assert!(seen.get(seq as usize - 1).is_none_or(|seen| *seen == text), "it was sent before as another: {text}");
        let execution: Value = serde_json::from_str(&text).unwrap();
        if execution["type"] == "filled" {
            let order_id = execution["order_id"].as_u64().unwrap();
            assert_eq!(filled.insert(order_id, seq), None, "an order was filled again: {execution}");
            let id = execution["client_order_id"].as_str().unwrap().to_owned();
            assert!(ids.insert(id), "a client's id has two orders: {execution}");
        }
    }
    assert_eq!(last_seq, 2 * filled.len() as u64, "an `accepted` and a `filled` an order");
    let account = get("/account".to_owned()).await;
    let bitcoin = account["balances"].as_array().unwrap().iter().find(|balance| balance["asset"] == "BTC").unwrap();
    let cents = 100_000_000 + filled.len();
    let expected = format!("{}.{:02}", cents / 100, cents % 100);
    assert_eq!(bitcoin["free"], expected.trim_end_matches('0').trim_end_matches('.'));
    server.signal("TERM").await;
    assert_eq!(server.ended().await, Some(0));
    let (snapshots, hash) = replayed(data_dir).await;
    assert!(snapshots > 0, "the last one is of the stop");
    assert_eq!(hash, recovered, "the state is not that of a run which was never interrupted");
    println!(
        "{rounds} kills, {} orders acknowledged, 0 lost, 0 doubled, {} filled; one subscriber saw {} executions, each once, the \
         last seq is {last_seq}; balances right; state hash {hash}, as replayed from the first record, {snapshots} snapshots the same",
        sent.acknowledged.len(),
        filled.len(),
        seen.len(),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_knows_open_orders_and_takes_a_changed_configuration_but_no_changed_grid() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let instrument = |tick_size: &str, fee: &str| {
        format!(
            "[[instruments]]\nsymbol = \"BTC/USDT\"\ntick_size = \"{tick_size}\"\nlot_size = \"0.00001\"\n\
             reference_price = \"42000\"\ntaker_fee_bps = \"{fee}\"\n"
        )
    };
    let start = async |text: String| {
        let file = folder.path().join("venue.toml");
        std::fs::write(&file, text).unwrap();
        let environment = [
            ("OPENOUTCRY_JOURNAL__MODE", "os"),
            ("OPENOUTCRY_DATA_DIR", data_dir.to_str().unwrap()),
            ("OPENOUTCRY_CONFIG", file.to_str().unwrap()),
        ];
        Server::try_spawn(&environment).await
    };
    let http = client();
    let place = async |server: &Server, order: Value| {
        let answer = http.post(format!("http://{}/orders", server.addr)).json(&order).send().await.unwrap();
        answer.json::<Value>().await.unwrap()
    };

    let server = start(instrument("0.01", "0")).await.unwrap();
    let resting = place(&server, limit("buy", "1", "41000")).await;
    assert_eq!(resting["status"], "open");
    server.signal("TERM").await;
    assert_eq!(server.ended().await, Some(0));

    let server = start(instrument("0.01", "10")).await.unwrap();
    let path = format!("http://{}/orders/{}", server.addr, resting["order_id"]);
    assert_eq!(http.get(path).send().await.unwrap().json::<Value>().await.unwrap(), resting);
    let instrument_path = format!("http://{}/instruments/BTC-USDT", server.addr);
    let shown = http.get(instrument_path).send().await.unwrap().json::<Value>().await.unwrap();
    assert_eq!(shown["taker_fee_bps"], "10", "the rules that are shown are those in force");
    let mut stream = Socket::connect(server.addr, "?from_seq=1").await;
    assert_eq!(place(&server, market("buy", "1")).await["status"], "filled");
    let fill = stream.until(|frame| frame["type"] == "filled").await;
    assert_eq!((&fill["fee"], &fill["seq"]), (&json!("42"), &json!(3)));
    server.signal("TERM").await;
    assert_eq!(server.ended().await, Some(0));

    // What was quoted by hand goes once that is no source any more.
    let by_hand = start(instrument("0.01", "10") + "sources = [\"static\", \"manual\"]\n").await.unwrap();
    let quote = json!({ "exchange": "by_hand", "symbol": "BTC/USDT", "bid": "50000", "ask": "50001" });
    let quoted = Answer::of(http.post(format!("http://{}/quotes", by_hand.addr)).json(&quote)).await;
    assert_eq!(quoted.status, 200, "{}", quoted.text);
    by_hand.signal("TERM").await;
    assert_eq!(by_hand.ended().await, Some(0));
    let server = start(instrument("0.01", "10") + "sources = [\"static\"]\n").await.unwrap();
    let book = Answer::of(http.get(format!("http://{}/book/BTC-USDT", server.addr))).await.body;
    assert_eq!((&book["bids"][0][0], &book["asks"][0][0]), (&json!("42000"), &json!("42000")), "{book}");
    let quotes = Answer::of(http.get(format!("http://{}/quotes", server.addr))).await.text;
    assert!(!quotes.contains("by_hand"), "{quotes}");
    server.signal("TERM").await;
    assert_eq!(server.ended().await, Some(0));

    let refused = start(instrument("0.05", "10")).await.err().unwrap();
    assert!(refused.contains("tick_size: BTC/USDT was traded with 0.01"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_halt_a_deposit_and_quotes_outlast_a_kill_and_a_stop_and_mode_none_says_that_it_reads_none_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().to_str().unwrap();
    let post = |addr: std::net::SocketAddr, path: &'static str, body: Value| {
        Answer::of(client().post(format!("http://{addr}{path}")).json(&body))
    };
    let first = server(data_dir).await;
    assert_eq!(post(first.addr, "/admin/instruments/BTC-USDT/halt", json!({})).await.status, 200);
    let deposit = json!({ "asset": "BTC", "amount": "5" });
    let account = post(first.addr, "/admin/accounts/default/deposits", deposit).await.body;
    for exchange in ["by_hand", "manual"] {
        let quote =
            json!({ "exchange": exchange, "symbol": "BTC/USDT", "bid": "42000.5", "bid_size": "3", "ask": "42001" });
        assert_eq!(post(first.addr, "/quotes", quote).await.status, 200);
    }
    let moved = json!({ "exchange": "static", "symbol": "ETH/USDT", "bid": "2900", "ask": "2900" });
    assert_eq!(post(first.addr, "/quotes", moved).await.status, 200);
    let quotes = async |addr| {
        let mut quotes = Answer::of(client().get(format!("http://{addr}/quotes"))).await.body;
        for exchange in quotes.as_array_mut().unwrap().iter_mut().flat_map(|row| row["exchanges"].as_array_mut().unwrap()) {
            exchange.as_object_mut().unwrap().remove("age_ms");
        }
        // Simulated exchanges speak anew.
        quotes.as_array_mut().unwrap().retain(|row| row["symbol"] == "BTC/USDT" || row["symbol"] == "ETH/USDT");
        quotes
    };
    let quoted = quotes(first.addr).await;
    let free = &account["balances"][0];
    assert_eq!((&free["asset"], &free["free"]), (&json!("BTC"), &json!("1000005")));
    // A kill leaves the journal, a stop a snapshot too.
    let (mut before, signals) = (first, ["KILL", "TERM"]);
    for signal in signals {
        before.signal(signal).await;
        before.ended().await;
        before = server(data_dir).await;
        let get = |path: &str| Answer::of(client().get(format!("http://{}{path}", before.addr)));
        assert_eq!(get("/instruments/BTC-USDT").await.body["halted"], true, "after {signal}");
        assert_eq!(get("/instruments/ETH-USDT").await.body["halted"], false, "after {signal}");
        assert_eq!(get("/account").await.body, account, "after {signal}");
        assert_eq!(quotes(before.addr).await, quoted, "after {signal}");
        let refused = post(before.addr, "/orders", market("buy", "1")).await;
        assert_eq!((refused.status, &refused.body["code"]), (422, &json!("halted")), "after {signal}");
    }
    before.signal("TERM").await;
    before.ended().await;
    let mut in_memory = Server::spawn(&[("OPENOUTCRY_DATA_DIR", data_dir)]).await;
    let warned = in_memory.said("journal.mode is none: what is kept there is neither read nor added to").await;
    assert_eq!(warned["folder"].as_str().unwrap(), folder.path().join("journal").to_str().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_books_numbers_do_not_go_back_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().to_str().unwrap();
    let start = async || Server::spawn(&[("OPENOUTCRY_JOURNAL__MODE", "fsync"), ("OPENOUTCRY_DATA_DIR", data_dir)]).await;
    let book = async |server: &Server| {
        Answer::of(client().get(format!("http://{}/book/BTC-USDT?depth=1000", server.addr))).await.body
    };
    let first = start().await;
    // Many at once, so that the journal keeps several batches in one frame.
    let addr = first.addr;
    let clients = (0..8).map(|number| {
        tokio::spawn(async move {
            let client = client();
            for order in 0..40 {
                let order = limit("buy", "0.1", &format!("41{number}{order:02}"));
                let answer = Answer::of(client.post(format!("http://{addr}/orders")).json(&order)).await;
                assert_eq!(answer.status, 201, "{}", answer.text);
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        timeout(PATIENCE, client).await.unwrap().unwrap();
    }
    let mut before = book(&first).await;
    first.signal("KILL").await;
    first.ended().await;
    let again = start().await;
    let after = book(&again).await;
    assert!(after["seq"].as_u64() >= before["seq"].as_u64(), "{} and then {}", before["seq"], after["seq"]);
    before["seq"] = after["seq"].clone();
    assert_eq!(after, before);
    // The stream goes on from there.
    let mut socket = Socket::connect(again.addr, "?channels=book&symbols=BTC-USDT").await;
    let snapshot = socket.until(|frame| frame["type"] == "snapshot").await;
    assert_eq!(snapshot["seq"], after["seq"]);
    let order = limit("buy", "0.1", "41999");
    assert_eq!(Answer::of(client().post(format!("http://{}/orders", again.addr)).json(&order)).await.status, 201);
    let change = socket.until(|frame| frame["channel"] == "book").await;
    let next = after["seq"].as_u64().unwrap() + 1;
    assert_eq!((&change["seq"], &change["prev"]), (&json!(next), &after["seq"]), "{change}");
}

/// A folder's files, by their names.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap());
    files.map(|file| (file.file_name().into_string().unwrap(), std::fs::read(file.path()).unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_that_lost_what_a_snapshot_has_is_refused_and_gone_on_with_only_where_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().to_str().unwrap();
    let start = async |mode: &str| {
        Server::try_spawn(&[("OPENOUTCRY_JOURNAL__MODE", mode), ("OPENOUTCRY_DATA_DIR", data_dir)]).await
    };
    let place = async |server: &Server, id: &str| {
        let order = with(limit("buy", "0.1", "41000"), json!({ "client_order_id": id }));
        Answer::of(client().post(format!("http://{}/orders", server.addr)).json(&order)).await
    };
    let files = |name: &str| files(&folder.path().join(name));

    let server = start("os").await.unwrap();
    assert_eq!(place(&server, "a").await.status, 201);
    server.signal("KILL").await;
    server.ended().await;
    let journal = files("journal");
    let server = start("os").await.unwrap();
    assert_eq!(place(&server, "b").await.status, 201);
    server.signal("TERM").await;
    assert_eq!(server.ended().await, Some(0));
    let snapshots = files("snapshots");

    // The machine lost its power, and the journal what was not synced: snapshots and executions were.
    std::fs::remove_dir_all(folder.path().join("journal")).unwrap();
    std::fs::create_dir(folder.path().join("journal")).unwrap();
    for (name, bytes) in &journal {
        std::fs::write(folder.path().join("journal").join(name), bytes).unwrap();
    }
    let executions = files("executions");
    for _ in 0..2 {
        let refused = start("fsync").await.err().unwrap();
        assert!(refused.contains("there is a snapshot of record"), "{refused}");
        assert!(refused.contains("start once with journal.mode = \"os\""), "{refused}");
        assert_eq!((files("snapshots"), files("executions")), (snapshots.clone(), executions.clone()), "all is as it was");
    }
    let (code, _, said) = run(&mut openoutcry(&["replay", data_dir])).await;
    assert!(code == Some(1) && said.contains("there is a snapshot of record"), "{said}");

    // What it has instead has the same numbers, and is believed from then on.
    let server = start("os").await.unwrap();
    assert_eq!((place(&server, "a").await.status, place(&server, "c").await.status), (200, 201));
    server.signal("KILL").await;
    server.ended().await;
    let server = start("fsync").await.unwrap();
    assert_eq!((place(&server, "c").await.status, place(&server, "b").await.status), (200, 201));
    let open = Answer::of(client().get(format!("http://{}/orders", server.addr))).await.body;
    let ids: Vec<&str> = open.as_array().unwrap().iter().map(|order| order["client_order_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["b", "c", "a"]);
    server.signal("TERM").await;
    assert_eq!(server.ended().await, Some(0));
    let (code, _, said) = run(&mut openoutcry(&["replay", data_dir])).await;
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_loss_of_power_left_without_syncs_is_gone_on_with_once_that_is_asked_for() {
    // How many starts, each of which begins a segment, come after the one with the hole: the end of a journal is looked at first.
    for after in [0, 3] {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().to_str().unwrap();
        let start = async |mode: &str| {
            Server::try_spawn(&[("OPENOUTCRY_JOURNAL__MODE", mode), ("OPENOUTCRY_DATA_DIR", data_dir)]).await
        };
        let place = async |server: &Server, id: &str| {
            let order = with(limit("buy", "0.1", "41000"), json!({ "client_order_id": id }));
            Answer::of(client().post(format!("http://{}/orders", server.addr)).json(&order)).await.status
        };
        let kill = async |server: Server| {
            server.signal("KILL").await;
            server.ended().await;
        };
        let server = start("os").await.unwrap();
        for id in ["first", "second", "third"] {
            assert_eq!(place(&server, id).await, 201);
        }
        kill(server).await;
        for number in 0..after {
            let server = start("os").await.unwrap();
            assert_eq!(place(&server, &format!("after-{number}")).await, 201);
            kill(server).await;
        }
        let segment = folder.path().join("journal/00000000000000000001.log");
        let mut bytes = std::fs::read(&segment).unwrap();
        let hole = bytes.windows(6).position(|window| window == b"second").unwrap();
        bytes[hole..hole + 6].fill(0);
        std::fs::write(&segment, bytes).unwrap();

        for _ in 0..2 {
            let refused = start("fsync").await.err().unwrap();
            for said in ["was not synced from record 1 on", "journal.mode = \"os\"", "00000000000000000001.log is damaged"]
            {
                assert!(refused.contains(said), "{refused}");
            }
        }
        let server = start("os").await.unwrap();
        for (id, status) in [("first", 200), ("second", 201), ("third", 201), ("after-0", 201)] {
            assert_eq!(place(&server, id).await, status, "{id}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nothing_is_left_to_begin_with_a_start_changes_nothing_in_either_mode() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().to_str().unwrap();
    let start = async |mode: &str| {
        let retain = ("OPENOUTCRY_JOURNAL__RETAIN", "0KiB");
        Server::try_spawn(&[("OPENOUTCRY_JOURNAL__MODE", mode), ("OPENOUTCRY_DATA_DIR", data_dir), retain]).await
    };
    let files = |name: &str| files(&folder.path().join(name));
    for _ in 0..4 {
        let server = start("fsync").await.unwrap();
        let sent = client().post(format!("http://{}/orders", server.addr)).json(&market("buy", "1"));
        assert_eq!(Answer::of(sent).await.status, 201);
        server.signal("TERM").await;
        assert_eq!(server.ended().await, Some(0));
    }
    let segments: Vec<String> = files("journal").into_keys().filter(|name| name.ends_with(".log")).collect();
    let (oldest, newer) = segments.split_first().unwrap();
    assert!(*oldest > format!("{:020}.log", 1) && !newer.is_empty(), "{segments:?}");
    std::fs::create_dir(folder.path().join("away")).unwrap();
    let path = |folder_name: &str, name: &String| folder.path().join(folder_name).join(name);
    newer.iter().for_each(|name| std::fs::rename(path("journal", name), path("away", name)).unwrap());
    // All but the newest snapshot, which is beyond what is left.
    let mut snapshots: Vec<String> = files("snapshots").into_keys().filter(|name| name.ends_with(".snapshot")).collect();
    snapshots.pop().unwrap();
    snapshots.iter().for_each(|name| std::fs::remove_file(path("snapshots", name)).unwrap());
    let kept = (files("executions"), files("snapshots"));
    for mode in ["fsync", "os"] {
        let refused = start(mode).await.err().unwrap();
        assert!(refused.contains("put back the files") && !refused.contains("start once"), "{refused}");
        assert_eq!((files("executions"), files("snapshots")), kept);
    }
    newer.iter().for_each(|name| std::fs::rename(path("away", name), path("journal", name)).unwrap());
    start("fsync").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_synced_journal_that_lost_what_was_executed_is_refused_and_nothing_is_cut() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().to_str().unwrap();
    let environment = [("OPENOUTCRY_JOURNAL__MODE", "fsync"), ("OPENOUTCRY_DATA_DIR", data_dir)];
    // Each begins a segment of both.
    for _ in 0..2 {
        let server = Server::spawn(&environment).await;
        for _ in 0..3 {
            let sent = client().post(format!("http://{}/orders", server.addr)).json(&market("buy", "1"));
            assert_eq!(Answer::of(sent).await.status, 201);
        }
        server.signal("TERM").await;
        server.ended().await;
        std::fs::remove_dir_all(folder.path().join("snapshots")).unwrap();
    }
    let only = |name: &str, extension: &str| {
        let files = std::fs::read_dir(folder.path().join(name)).unwrap().map(|file| file.unwrap().path());
        files.filter(|file| file.extension().is_some_and(|of| of == extension)).max().unwrap()
    };
    // Its last frame is gone, and nothing follows: that looks as what a crash leaves.
    let (journal, frames) = (only("journal", "log"), only("executions", "frames"));
    let mut bytes = std::fs::read(&journal).unwrap();
    let last = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[last - 20..=last].fill(0);
    std::fs::write(&journal, &bytes).unwrap();
    let before = std::fs::read(&frames).unwrap();
    for newest_is_there in [true, false] {
        if !newest_is_there {
            std::fs::remove_file(&journal).unwrap();
        }
        let refused = Server::try_spawn(&environment).await.err().unwrap();
        let said = ["has the executions of record", "what was acknowledged is gone"].map(|said| refused.contains(said));
        assert_eq!(said, [true, true], "{refused}");
        let (code, _, said) = run(&mut openoutcry(&["history", data_dir, "--rebuild"])).await;
        assert!(code == Some(1) && said.contains("has the executions of record"), "{said}");
        assert_eq!(std::fs::read(&frames).unwrap(), before);
        assert!(!newest_is_there || std::fs::read(&journal).unwrap() == bytes, "what is left of the last frame is gone");
    }
}
