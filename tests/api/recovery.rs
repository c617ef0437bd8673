//! The binary with a journal: killed under load, started again, and asked what it still knows.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::process::Server;
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
    // Most of what is resumed is read from disk.
    let ring = ("OPENOUTCRY_STREAM__RING", "50");
    Server::spawn(&[("OPENOUTCRY_JOURNAL__MODE", "fsync"), ("OPENOUTCRY_DATA_DIR", data_dir), ring]).await
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

/// One life of the venue: a subscriber goes on from `next_seq`, clients send, the process is killed. The next `seq`.
async fn round(data_dir: &str, number: usize, next_seq: u64, sent: &mut Sent) -> u64 {
    let server = server(data_dir).await;
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
    let mut seq = next_seq;
    while seq < next_seq + EXECUTIONS_A_ROUND {
        let execution = stream.news().await;
        assert_eq!(execution["seq"], seq, "{execution}");
        seq += 1;
    }
    server.signal("KILL").await;
    assert_eq!(server.ended().await, None, "a killed process has no exit code");
    for client in clients {
        let of_client = timeout(PATIENCE, client).await.unwrap().unwrap();
        sent.acknowledged.extend(of_client.acknowledged);
        sent.unanswered.extend(of_client.unanswered);
    }
    seq
}

/// `OPENOUTCRY_KILL_ROUNDS=200` makes it a long one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_under_load_it_loses_and_doubles_nothing_that_it_acknowledged() {
    let rounds = std::env::var("OPENOUTCRY_KILL_ROUNDS").map_or(3, |rounds| rounds.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().to_str().unwrap();
    let (mut next_seq, mut sent) = (1, Sent::default());
    for number in 0..rounds {
        next_seq = round(data_dir, number, next_seq, &mut sent).await;
    }

    let server = server(data_dir).await;
    let get = |path: String| {
        let request = client().get(format!("http://{}{path}", server.addr));
        async move { request.send().await.unwrap().json::<Value>().await.unwrap() }
    };
    for (id, order_id) in &sent.acknowledged {
        let order = get(format!("/orders/by-client-id/{id}")).await;
        assert_eq!((&order["order_id"], &order["status"]), (&json!(order_id), &json!("filled")), "{id}: {order}");
    }
    let mut stream = Socket::connect(server.addr, "?from_seq=1").await;
    let last_seq = stream.next().await["last_seq"].as_u64().unwrap();
    let mut filled: BTreeMap<u64, String> = BTreeMap::new();
    for seq in 1..=last_seq {
        let execution = stream.news().await;
        assert_eq!(execution["seq"], seq, "{execution}");
        if execution["type"] == "filled" {
            let id = execution["client_order_id"].as_str().unwrap().to_owned();
            assert_eq!(filled.insert(execution["order_id"].as_u64().unwrap(), id), None, "{execution}");
        }
    }
    assert_eq!(last_seq, 2 * filled.len() as u64, "an `accepted` and a `filled` an order");
    let ids: std::collections::BTreeSet<&String> = filled.values().collect();
    assert_eq!(ids.len(), filled.len(), "a client's id has one order");
    let account = get("/account".to_owned()).await;
    let bitcoin = account["balances"].as_array().unwrap().iter().find(|balance| balance["asset"] == "BTC").unwrap();
    let cents = 100_000_000 + filled.len();
    let expected = format!("{}.{:02}", cents / 100, cents % 100);
    assert_eq!(bitcoin["free"], expected.trim_end_matches('0').trim_end_matches('.'));
    println!(
        "{rounds} kills, {} orders acknowledged, {} filled, none lost, none doubled",
        sent.acknowledged.len(),
        filled.len()
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
    let mut stream = Socket::connect(server.addr, "?from_seq=1").await;
    assert_eq!(place(&server, market("buy", "1")).await["status"], "filled");
    let fill = stream.until(|frame| frame["type"] == "filled").await;
    assert_eq!((&fill["fee"], &fill["seq"]), (&json!("42"), &json!(3)));
    server.signal("TERM").await;
    assert_eq!(server.ended().await, Some(0));

    let refused = start(instrument("0.05", "10")).await.err().unwrap();
    assert!(refused.contains("BTC/USDT was traded with tick_size 0.01"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_halt_and_a_deposit_outlast_a_kill_and_a_stop() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().to_str().unwrap();
    let post = |addr: std::net::SocketAddr, path: &'static str, body: Value| {
        Answer::of(client().post(format!("http://{addr}{path}")).json(&body))
    };
    let first = server(data_dir).await;
    assert_eq!(post(first.addr, "/admin/instruments/BTC-USDT/halt", json!({})).await.status, 200);
    let deposit = json!({ "asset": "BTC", "amount": "5" });
    let account = post(first.addr, "/admin/accounts/default/deposits", deposit).await.body;
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
        let refused = post(before.addr, "/orders", market("buy", "1")).await;
        assert_eq!((refused.status, &refused.body["code"]), (422, &json!("halted")), "after {signal}");
    }
}
