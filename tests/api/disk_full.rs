//! The binary on a disk that fills up under load: what it acknowledged is kept, the rest is refused in words, and with room again it
//! goes on.

use std::{collections::BTreeMap, net::SocketAddr};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    time::timeout,
};

use crate::process::Server;
use crate::venue::{Answer, PATIENCE, client, market, with};

/// How many clients send orders at once.
const CLIENTS: usize = 4;
/// Orders that are acknowledged before there is no more room.
const ACKNOWLEDGED_FIRST: usize = 40;

/// What the venue said of one client's orders.
#[derive(Default)]
struct Told {
    acknowledged: BTreeMap<String, Value>,
    /// Told that they were not accepted.
    refused: Vec<String>,
    /// Told that nobody knows, or not told anything.
    unknown: Vec<String>,
    /// How often it was 503 `journal_failed`.
    journal_failed: usize,
}

impl Told {
    #[expect(clippy::print_stdout, reason = "the figures are what a long run is for")]
    fn print(&self, last: &str) {
        let Self { acknowledged, refused, unknown, journal_failed } = self;
        let counts = [acknowledged.len(), *journal_failed, refused.len(), unknown.len()];
        let [acknowledged, journal_failed, refused, unknown] = counts;
        println!(
            "{acknowledged} acknowledged, all kept; {journal_failed} told of journal_failed; {refused} refused, none executed; \
             {unknown} unknown, each executed once after a retry; {last}"
        );
    }
}

/// Sends orders until nobody listens any more.
async fn send_until_gone(addr: SocketAddr, name: String, acknowledged: mpsc::UnboundedSender<()>) -> Told {
    let (client, mut told) = (client(), Told::default());
    for id in (0..).map(|n| format!("{name}-{n}")) {
        let order = with(market("buy", "0.01"), json!({ "client_order_id": id }));
        let Ok(answer) = client.post(format!("http://{addr}/orders")).json(&order).send().await else {
            told.unknown.push(id);
            break;
        };
        let status = answer.status().as_u16();
        let Ok(body) = answer.json::<Value>().await else {
            told.unknown.push(id);
            break;
        };
        if status == 201 {
            told.acknowledged.insert(id, body["order_id"].clone());
            // Who counts may have counted enough.
            let _counted = acknowledged.send(());
            continue;
        }
        assert_eq!(status, 503, "{body}");
        assert!(["journal_failed", "shutting_down"].contains(&body["code"].as_str().unwrap()), "{body}");
        told.journal_failed += usize::from(body["code"] == "journal_failed");
        match body["outcome"].as_str().unwrap() {
            "not_accepted" => told.refused.push(id),
            outcome => {
                assert_eq!(outcome, "unknown", "{body}");
                told.unknown.push(id);
            }
        }
    }
    told
}

/// Sends orders from several clients, and calls `fill` once some are acknowledged; ends when the venue has.
async fn load_until_gone(addr: SocketAddr, fill: impl FnOnce()) -> Told {
    let (acknowledged, mut counting) = mpsc::unbounded_channel();
    let clients =
        (0..CLIENTS).map(|number| tokio::spawn(send_until_gone(addr, format!("c{number}"), acknowledged.clone())));
    let clients: Vec<_> = clients.collect();
    for _ in 0..ACKNOWLEDGED_FIRST {
        timeout(PATIENCE, counting.recv()).await.unwrap().unwrap();
    }
    fill();
    let mut all = Told::default();
    for client in clients {
        let told = timeout(PATIENCE * 3, client).await.unwrap().unwrap();
        all.acknowledged.extend(told.acknowledged);
        all.refused.extend(told.refused);
        all.unknown.extend(told.unknown);
        all.journal_failed += told.journal_failed;
    }
    all
}

fn environment(data_dir: &str) -> [(&str, &str); 2] {
    [("OPENOUTCRY_JOURNAL__MODE", "fsync"), ("OPENOUTCRY_DATA_DIR", data_dir)]
}

/// Starts again with room: what was acknowledged is there, what was refused is not, and orders are taken.
async fn goes_on_with_room(data_dir: &str, told: &Told) {
    let server = Server::spawn(&environment(data_dir)).await;
    let get = |id: &str| Answer::of(client().get(format!("http://{}/orders/by-client-id/{id}", server.addr)));
    for (id, order_id) in &told.acknowledged {
        let order = get(id).await.body;
        assert_eq!((&order["order_id"], &order["status"]), (order_id, &json!("filled")), "{id}: {order}");
    }
    for id in &told.refused {
        get(id).await.is_problem(404, "unknown_order");
    }
    for id in &told.unknown {
        let order = with(market("buy", "0.01"), json!({ "client_order_id": id }));
        let again = Answer::of(client().post(format!("http://{}/orders", server.addr)).json(&order)).await;
        assert!([200, 201].contains(&again.status), "{}", again.text);
    }
    // Each order once: an `accepted` and a `filled` each.
    let after = with(market("buy", "0.01"), json!({ "client_order_id": "after" }));
    let after = Answer::of(client().post(format!("http://{}/orders", server.addr)).json(&after)).await;
    let orders = told.acknowledged.len() + told.unknown.len() + 1;
    assert_eq!((after.status, &after.body["order_id"]), (201, &json!(orders)), "{}", after.text);
    let executions = format!("http://{}/executions?from_seq=1&limit=1", server.addr);
    assert_eq!(Answer::of(client().get(executions)).await.body["executions"][0]["seq"], 1);
    server.signal("TERM").await;
    assert_eq!(server.ended().await, Some(0));
}

/// A life in which no file may grow beyond so many bytes once orders are acknowledged; its last words.
async fn limited_to(file_bytes_max: u64) -> (Told, String) {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().to_str().unwrap();
    let server = Server::spawn(&environment(data_dir)).await;
    let process = Pid::from_raw(server.id().try_into().unwrap());
    let told = load_until_gone(server.addr, || {
        let limit = Rlimit { current: Some(file_bytes_max), maximum: Some(file_bytes_max) };
        prlimit(process, Resource::Fsize, limit).unwrap();
    })
    .await;
    let last = last_words(server).await;
    assert!(last.contains(data_dir), "{last}");
    goes_on_with_room(data_dir, &told).await;
    told.print(&last);
    (told, last)
}

/// What a venue says of its end that ends because it cannot keep anything; history may have something to say after that.
async fn last_words(server: Server) -> String {
    let (code, said) = server.last_words().await;
    assert_eq!(code, Some(1), "{said:?}");
    let last = said.iter().rfind(|line| line.starts_with("openoutcry: the task `"));
    last.unwrap_or_else(|| panic!("{said:?}")).clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_that_may_not_grow_acknowledges_nothing_more_and_ends_in_words() {
    // Less than the journal has by then, and usually than the log of executions: either may be the first to write.
    let (told, last) = limited_to(1_024).await;
    if last.starts_with("openoutcry: the task `journal` failed: cannot write") {
        assert!(told.journal_failed > 0, "who waited was not told");
    } else {
        // Its first block alone is longer.
        assert!(last.starts_with("openoutcry: the task `executions` failed: cannot "), "{last}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_of_executions_that_may_not_grow_ends_in_words_and_loses_nothing() {
    // More than the journal has by then: what is longer is the log of executions.
    let (_, last) = limited_to(64 * 1_024).await;
    assert!(last.starts_with("openoutcry: the task `executions` failed: cannot write"), "{last}");
}

/// Sends the head of a request to place `order`, and waits until the venue waits for its body.
async fn begin(addr: SocketAddr, order: &Value) -> TcpStream {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let length = order.to_string().len();
    let head = format!(
        "POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         Expect: 100-continue\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    timeout(PATIENCE, stream.read_exact(&mut go_on)).await.unwrap().unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn once_the_journal_has_failed_an_order_is_refused_with_journal_failed_and_never_executed() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().to_str().unwrap();
    let server = Server::spawn(&environment(data_dir)).await;
    let order = |id: String| with(market("buy", "0.01"), json!({ "client_order_id": id }));
    let late = order("late".to_owned());
    let mut stream = begin(server.addr, &late).await;
    let mut told = Told::default();
    // What the start itself brought is in the log of executions: a header and a mark. It has nothing to write then but what the journal
    // lets out.
    let metrics = async || Answer::of(client().get(format!("http://{}/metrics", server.addr))).await.text;
    let is_written = async || metrics().await.contains("\nopenoutcry_execution_log_size_bytes 80\n");
    timeout(PATIENCE, async { while !is_written().await {} }).await.unwrap();
    // More than nothing, and less than the journal has: its next write fails, before the log of executions has any.
    let limit = Rlimit { current: Some(256), maximum: Some(256) };
    prlimit(Pid::from_raw(server.id().try_into().unwrap()), Resource::Fsize, limit).unwrap();
    for n in 0.. {
        let id = format!("early-{n}");
        let answer = Answer::of(client().post(format!("http://{}/orders", server.addr)).json(&order(id.clone()))).await;
        if answer.status == 201 {
            told.acknowledged.insert(id, answer.body["order_id"].clone());
            continue;
        }
        let (code, outcome) = (&answer.body["code"], &answer.body["outcome"]);
        assert_eq!((answer.status, code, outcome), (503, &json!("journal_failed"), &json!("unknown")), "{}", answer.text);
        told.unknown.push(id);
        break;
    }
    // The venue ends, and answers what it has begun to read.
    stream.write_all(late.to_string().as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("\"code\":\"journal_failed\"") && answer.contains("\"outcome\":\"not_accepted\""), "{answer}");
    assert!(answer.to_lowercase().contains("\r\nretry-after: "), "{answer}");
    told.refused.push("late".to_owned());
    let last = last_words(server).await;
    assert!(last.starts_with("openoutcry: the task `journal` failed: cannot write"), "{last}");
    goes_on_with_room(data_dir, &told).await;
}

/// `OPENOUTCRY_SMALL_DISK=DIR`, a folder on a file system of about 66 MiB, makes it run there; see the README.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_file_system_acknowledges_nothing_more_and_ends_in_words() {
    let Ok(small) = std::env::var("OPENOUTCRY_SMALL_DISK") else { return };
    let folder = tempfile::tempdir_in(small).unwrap();
    let data_dir = folder.path().to_str().unwrap();
    let server = Server::spawn(&environment(data_dir)).await;
    let rest = folder.path().join("rest");
    let told = load_until_gone(server.addr, || {
        let mut rest = std::fs::File::create(&rest).unwrap();
        let full = std::io::copy(&mut std::io::repeat(1), &mut rest).unwrap_err();
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    })
    .await;
    let last = last_words(server).await;
    assert!(last.contains("No space left on device") || last.contains("bytes were written"), "{last}");
    std::fs::remove_file(&rest).unwrap();
    // Room for the next segment of the journal: somewhere else.
    let roomy = tempfile::tempdir().unwrap();
    let copied = std::process::Command::new("cp").arg("-a").arg(folder.path()).arg(roomy.path()).status().unwrap();
    assert!(copied.success());
    let data_dir = roomy.path().join(folder.path().file_name().unwrap());
    goes_on_with_room(data_dir.to_str().unwrap(), &told).await;
    told.print(&last);
}
