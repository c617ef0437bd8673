//! Orders that the venue's memory has forgotten, asked for again.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use openoutcry::{
    domain::AccountId,
    history::Source,
    read,
    stream::archive::{ArchiveError, Entry, Position},
    venue::Settings,
};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::process::{Server, openoutcry, run};
use crate::venue::{Answer, PATIENCE, Venue, client, limit, market, with};

/// Settings under which memory keeps so many closed orders, and more while history is behind, up to `closed_max`.
fn kept(closed_kept: usize, closed_max: usize) -> Settings {
    Settings { read: read::Settings { closed_kept, closed_max }, ..Settings::default() }
}

/// A venue whose data is in `data_dir`, with a book that only clients and manual quotes fill besides the usual ones.
fn durable(data_dir: &Path) -> String {
    format!("[server]\ndata_dir = {data_dir:?}\n[journal]\nmode = \"os\"\n{INSTRUMENTS}")
}

const INSTRUMENTS: &str = r#"
[[instruments]]
symbol = "BTC/USDT"
tick_size = "0.01"
lot_size = "0.00001"
reference_price = "42000"

[[instruments]]
symbol = "ETH/USDT"
tick_size = "0.01"
lot_size = "0.0001"

[[instruments]]
symbol = "SOL/USDT"
tick_size = "0.01"
lot_size = "1"
reference_price = "200"
unmarketable = "reject"
"#;

async fn stop(mut venue: Venue) {
    venue.shut_down();
    venue.ended().await.unwrap();
}

/// Asks until the answer is no 503.
async fn reached(venue: &Venue, path: &str) -> Answer {
    let asked = async {
        loop {
            let answer = venue.get(path).await;
            if answer.status != 503 {
                return answer;
            }
            assert_eq!((&answer.body["code"], answer.header("retry-after")), (&json!("history_behind"), Some("1")));
        }
    };
    timeout(PATIENCE, asked).await.unwrap()
}

/// All pages of a listing, from the first on, as texts; checks that they follow on each other.
async fn pages(venue: &Venue, query: &str) -> (Vec<String>, Vec<Value>) {
    let (mut path, mut texts, mut orders) = (format!("/orders?{query}"), Vec::new(), Vec::<Value>::new());
    loop {
        let page = reached(venue, &path).await;
        assert_eq!(page.status, 200, "{}", page.text);
        orders.extend(page.body.as_array().unwrap().iter().cloned());
        let next = page.header("link").map(|link| {
            let (target, rel) = link.split_once(';').unwrap();
            assert_eq!(rel, " rel=\"next\"");
            target.trim_matches(['<', '>']).to_owned()
        });
        texts.push(page.text);
        match next {
            Some(next) => path = next,
            None => return (texts, orders),
        }
    }
}

/// Lets orders end in every way there is; how many there are.
async fn every_ending(venue: &Venue) -> u64 {
    let eth = |order: Value| with(order, json!({ "symbol": "ETH/USDT" }));
    let sol = |order: Value| with(order, json!({ "symbol": "SOL/USDT" }));
    // At once: filled, expired, refused.
    venue.placed(&with(market("buy", "0.5"), json!({ "client_order_id": "filled" }))).await;
    venue.placed(&eth(market("buy", "1"))).await;
    venue.placed(&eth(with(limit("buy", "1", "2800"), json!({ "time_in_force": "fok" })))).await;
    for refused in [
        with(market("buy", "1"), json!({ "symbol": "DOGE/USDT", "client_order_id": "refused" })),
        limit("buy", "1", "41000.001"),
        limit("buy", "1000000000", "41000"),
        with(limit("buy", "1", "43000"), json!({ "post_only": true })),
        sol(limit("sell", "1", "210.5")),
        sol(json!({ "side": "sell", "type": "stop_loss", "quantity": "1", "trigger_price": "150" })),
        eth(with(limit("buy", "1", "9"), json!({ "time_in_force": "gtd", "expire_at": "2020-01-01T00:00:00Z" }))),
    ] {
        assert_eq!(venue.place(&refused).await.status, 422, "{refused}");
    }
    // Canceled, as it was placed and after a change of terms, one by one and all at once.
    let order = venue.placed(&eth(limit("buy", "1.5", "2500"))).await;
    venue.delete(&format!("/orders/{}", order["order_id"])).await;
    let order = venue.placed(&eth(with(limit("buy", "2", "2500"), json!({ "client_order_id": "changed" })))).await;
    let path = format!("/orders/{}", order["order_id"]);
    assert_eq!(venue.patch(&path, &json!({ "quantity": "1.25" })).await.body["priority"], "kept");
    assert_eq!(venue.patch(&path, &json!({ "price": "2501.5", "quantity": "3" })).await.body["priority"], "lost");
    venue.delete(&path).await;
    venue.placed(&with(limit("buy", "1", "41000"), json!({ "time_in_force": "day" }))).await;
    venue
        .placed(&eth(
            json!({ "side": "buy", "type": "stop_limit", "quantity": "1", "price": "3200", "trigger_price": "3100" }),
        ))
        .await;
    assert_eq!(venue.delete("/orders").await.body["canceled"], 2);
    // Traded in part, replaced, traded again; what is left canceled, or not.
    let order = venue.placed(&eth(limit("sell", "3", "2600"))).await;
    venue.placed(&eth(limit("buy", "1", "2600"))).await;
    let path = format!("/orders/{}", order["order_id"]);
    venue.patch(&path, &json!({ "price": "2610.01" })).await;
    venue.placed(&eth(limit("buy", "0.3333", "2620"))).await;
    venue.patch(&path, &json!({ "quantity": "0.1" })).await;
    let order = venue.placed(&eth(limit("sell", "2", "2600"))).await;
    venue.patch(&format!("/orders/{}", order["order_id"]), &json!({ "quantity": "1" })).await;
    venue.placed(&eth(limit("buy", "1", "2600"))).await;
    // Self-trade prevention.
    for stp in ["cancel_newest", "cancel_oldest", "cancel_both", "decrement"] {
        venue.placed(&eth(limit("sell", "1", "2700"))).await;
        venue.placed(&eth(with(limit("buy", "0.4", "2700"), json!({ "stp": stp })))).await;
        venue.delete("/orders").await;
    }
    // Stops: fired and filled, changed before that.
    let stop = json!({
        "symbol": "BTC/USDT", "side": "sell", "type": "stop_loss", "quantity": "2", "trigger_price": "30000"
    });
    let path = format!("/orders/{}", venue.placed(&stop).await["order_id"]);
    venue.patch(&path, &json!({ "trigger_price": "31000", "quantity": "1" })).await;
    venue.placed(&json!({
        "symbol": "BTC/USDT", "side": "sell", "type": "stop_limit", "quantity": "2", "trigger_price": "30500", "price": "30400"
    })).await;
    venue.quote(&json!({ "exchange": "static", "symbol": "BTC/USDT", "bid": "30450", "ask": "30450" })).await;
    // By the clock.
    let mut stream = venue.stream("").await;
    let soon = jiff::Timestamp::now() + Duration::from_millis(200);
    let gtd = json!({ "time_in_force": "gtd", "expire_at": soon.to_string() });
    venue.placed(&eth(with(limit("buy", "1", "2000"), gtd))).await;
    stream.until(|frame| frame["type"] == "expired").await;
    venue.placed(&eth(limit("buy", "1", "2000"))).await;
    venue.post("/orders/cancel-after", &json!({ "timeout_ms": 1 })).await;
    let last = stream.until(|frame| frame["type"] == "canceled").await;
    last["order_id"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_became_of_an_order_history_shows_it_as_memory_did() {
    let folder = tempfile::tempdir().unwrap();
    let toml = durable(folder.path());
    let venue = Venue::spawn(&toml).await;
    let count = every_ending(&venue).await;
    let mut shown = Vec::new();
    for id in 1..=count {
        let answer = venue.get(&format!("/orders/{id}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        shown.push(answer);
    }
    let statuses: std::collections::BTreeSet<_> = shown.iter().map(|order| order.body["status"].as_str()).collect();
    assert_eq!(statuses, ["canceled", "expired", "filled", "rejected"].map(Some).into());
    let queries = ["status=closed&limit=7", "status=all&limit=1000", "status=closed&symbol=ETH-USDT&limit=3"];
    let mut listed = Vec::new();
    for query in queries {
        listed.push(pages(&venue, query).await.0);
    }
    stop(venue).await;

    let venue = Venue::spawn_with(&toml, &kept(0, 0)).await;
    for order in &shown {
        let path = format!("/orders/{}", order.body["order_id"]);
        assert_eq!(reached(&venue, &path).await.text, order.text);
        let canceled = venue.delete(&path).await;
        canceled.is_problem(409, "not_cancelable");
        assert_eq!(canceled.body["order"], order.body);
        if let Some(id) = order.body["client_order_id"].as_str() {
            assert_eq!(venue.get(&format!("/orders/by-client-id/{id}")).await.text, order.text);
        }
    }
    for (query, before) in queries.iter().zip(listed) {
        assert_eq!(pages(&venue, query).await.0, before, "{query}");
    }
    venue.get(&format!("/orders/{}", count + 1)).await.is_problem(404, "unknown_order");
    let again = venue.place(&with(market("buy", "0.5"), json!({ "client_order_id": "filled" }))).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (200, Some("true")));
    assert_eq!(again.text, shown[0].text);
    let refused = with(market("buy", "1"), json!({ "symbol": "DOGE/USDT", "client_order_id": "refused" }));
    venue.place(&refused).await.is_problem(422, "unknown_symbol");
    stop(venue).await;

    // The control: it was not memory that answered.
    let venue = Venue::spawn_with(&format!("{toml}\n[history]\nenabled = false\n"), &kept(0, 0)).await;
    venue.get("/orders/1").await.is_problem(410, "gap");
    venue.get("/orders?status=closed").await.is_problem(410, "gap");
    stop(venue).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_over_thousands_of_orders_have_no_seam_while_more_come_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let venue = Venue::spawn_with(&durable(folder.path()), &kept(64, 1_000_000)).await;
    let order = |n: u32| match n % 3 {
        0 => market("buy", "0.001"),
        1 => with(limit("buy", "1", "2500"), json!({ "symbol": "ETH/USDT", "time_in_force": "ioc" })),
        // These stay open until the end, so that orders do not close in the order of their ids.
        _ => limit("buy", "0.001", "41000"),
    };
    for batch in 0..12 {
        let orders: Vec<Value> = (0..250).map(|n| order(batch * 250 + n)).collect();
        assert_eq!(venue.post("/orders/batch", &json!(orders)).await.status, 200);
    }
    let (closed, open) = tokio::join!(pages(&venue, "status=closed&limit=97"), pages(&venue, "status=open&limit=1000"));
    let ids = |orders: &[Value]| -> Vec<u64> { orders.iter().map(|order| order["order_id"].as_u64().unwrap()).collect() };
    let (closed, open) = (ids(&closed.1), ids(&open.1));
    let newest_first = |wanted: &dyn Fn(u64) -> bool| (1..=3_000).rev().filter(|id| wanted(*id)).collect::<Vec<u64>>();
    assert_eq!(closed, newest_first(&|id| (id - 1) % 3 != 2));
    assert_eq!(open, newest_first(&|id| (id - 1) % 3 == 2));

    let (canceled, all) = tokio::join!(venue.delete("/orders?side=buy"), pages(&venue, "status=all&limit=61"));
    assert_eq!(canceled.body["canceled"], 1_000);
    assert_eq!(ids(&all.1), newest_first(&|_| true));
    let of_symbol = pages(&venue, "status=closed&symbol=BTC-USDT&limit=333").await.1;
    assert_eq!(ids(&of_symbol), newest_first(&|id| (id - 1) % 3 != 1));
    for order in of_symbol {
        let expected = if (order["order_id"].as_u64().unwrap() - 1) % 3 == 0 { "filled" } else { "canceled" };
        assert_eq!(order["status"], expected, "{order}");
    }
    stop(venue).await;
}

/// Holds entries back until it is opened.
#[derive(Debug)]
struct Gate {
    source: Box<dyn Source>,
    open: Arc<AtomicBool>,
}

impl Source for Gate {
    fn execution(&self, account: AccountId, seq: u64) -> Result<Option<Vec<u8>>, ArchiveError> {
        self.source.execution(account, seq)
    }

    fn is_growing(&mut self) -> bool {
        false
    }

    fn oldest_seqs(&self) -> Vec<(AccountId, u64)> {
        self.source.oldest_seqs()
    }

    fn passed(&mut self, position: Position) {
        self.source.passed(position);
    }

    fn id(&self) -> u64 {
        self.source.id()
    }

    fn seek(&mut self, position: Position) -> Result<(), ArchiveError> {
        self.source.seek(position)
    }

    fn next(&mut self) -> Result<Option<Entry>, ArchiveError> {
        if self.open.load(SeqCst) { self.source.next() } else { Ok(None) }
    }

    fn wait(&mut self, at_most: Duration) {
        self.source.wait(at_most);
    }
}

/// Settings with a gate, and what opens it.
fn gated(closed_kept: usize, closed_max: usize) -> (Settings, Arc<AtomicBool>) {
    let open = Arc::new(AtomicBool::new(false));
    let gate = open.clone();
    let wrap = move |source| -> Box<dyn Source> { Box::new(Gate { source, open: gate.clone() }) };
    (Settings { history_source: Some(Arc::new(wrap)), ..kept(closed_kept, closed_max) }, open)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_history_has_not_reached_is_503_and_never_404() {
    let folder = tempfile::tempdir().unwrap();
    let (settings, gate) = gated(4, 8);
    let venue = Venue::spawn_with(&durable(folder.path()), &settings).await;
    let mut shown = Vec::new();
    for n in 1..=20 {
        let order = with(market("buy", "0.001"), json!({ "client_order_id": format!("c{n}") }));
        shown.push(venue.placed(&order).await);
    }
    // Memory has the last eight.
    for path in
        ["/orders/1", "/orders/12", "/orders/by-client-id/c12", "/orders?status=closed", "/orders?status=all&limit=9"]
    {
        let answer = venue.get(path).await;
        answer.is_problem(503, "history_behind");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    for (path, expected) in
        [("/orders/13", json!(shown[12])), ("/orders?status=closed&limit=2", json!([shown[19], shown[18]]))]
    {
        assert_eq!(venue.get(path).await.body, expected, "{path}");
    }
    assert_eq!(venue.get("/orders").await.body, json!([]), "no open order is ever forgotten");
    venue.get("/orders/21").await.is_problem(404, "unknown_order");
    venue.get("/orders/by-client-id/c21").await.is_problem(404, "unknown_order");
    let again = venue.place(&with(market("buy", "0.001"), json!({ "client_order_id": "c1" }))).await;
    again.is_problem_with(503, "history_behind", "unknown");
    let lag = |metrics: &str| {
        metrics.lines().find_map(|line| line.strip_prefix("openoutcry_history_lag_executions ")?.parse().ok())
    };
    assert_eq!(lag(&venue.get("/metrics").await.text), Some(40u64));

    gate.store(true, SeqCst);
    assert_eq!(reached(&venue, "/orders/12").await.body, shown[11]);
    assert_eq!(pages(&venue, "status=closed&limit=3").await.1.len(), 20);
    assert_eq!(venue.get("/orders/by-client-id/c1").await.body, shown[0]);
    let caught_up = async { while lag(&venue.get("/metrics").await.text) != Some(0) {} };
    timeout(PATIENCE, caught_up).await.unwrap();
    stop(venue).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_kill_and_without_its_file_history_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().to_str().unwrap();
    let file = folder.path().join("history.sqlite");
    let server = Server::spawn(&[("OPENOUTCRY_JOURNAL__MODE", "fsync"), ("OPENOUTCRY_DATA_DIR", data_dir)]).await;
    let mut shown = Vec::new();
    for n in 0..5 {
        let orders: Vec<Value> = (0..100).map(|order| market("buy", &format!("0.{:03}", n * 100 + order + 1))).collect();
        let request = client().post(format!("http://{}/orders/batch", server.addr)).json(&orders);
        shown.extend(Answer::of(request).await.body.as_array().unwrap().iter().cloned());
    }
    shown.reverse();
    let (code, _, stderr) = run(&mut openoutcry(&["history", data_dir, "--rebuild"])).await;
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains(data_dir), "{stderr}");
    server.signal("KILL").await;
    assert_eq!(server.ended().await, None);

    let toml = format!("[server]\ndata_dir = {data_dir:?}\n[journal]\nmode = \"fsync\"\n");
    for broken in [false, true] {
        if broken {
            std::fs::remove_file(&file).unwrap();
        }
        let venue = Venue::spawn_with(&toml, &kept(0, 0)).await;
        assert_eq!(pages(&venue, "status=closed&limit=50").await.1, shown, "without its file: {broken}");
        stop(venue).await;
    }

    std::fs::write(&file, "no database").unwrap();
    let (code, printed, stderr) = run(&mut openoutcry(&["history", data_dir])).await;
    assert_eq!((code, printed.as_str()), (Some(1), ""), "{stderr}");
    let (code, rebuilt, stderr) = run(&mut openoutcry(&["history", data_dir, "--rebuild"])).await;
    assert_eq!(code, Some(0), "{stderr}");
    assert!(rebuilt.ends_with(", 500 orders, 1000 executions\n"), "{rebuilt}");
    let (code, printed, _) = run(&mut openoutcry(&["history", data_dir])).await;
    assert_eq!((code, printed), (Some(0), rebuilt));
    let venue = Venue::spawn_with(&toml, &kept(0, 0)).await;
    assert_eq!(pages(&venue, "status=closed&limit=1000").await.1, shown);
    stop(venue).await;
}
