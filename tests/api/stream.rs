//! `/stream`: what is sent, in which order, and from where on.

use std::collections::BTreeMap;

use futures_util::future::{join, join_all};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::Instant};

use crate::socket::Socket;
use crate::venue::{PATIENCE, Venue, limit, market, with};

const EMPTY_BOOK: &str = r#"
[[instruments]]
symbol = "BTC/USDT"
tick_size = "0.01"
lot_size = "0.00001"
"#;

/// The `seq` of a frame.
fn seq(frame: &Value) -> u64 {
    frame["seq"].as_u64().unwrap_or_else(|| panic!("no seq: {frame}"))
}

#[tokio::test]
async fn hello_tells_who_and_where_then_accepted_and_filled_follow_with_consecutive_seq() {
    let venue = Venue::spawn("").await;
    let mut socket = Socket::connect(venue.addr, "").await;
    let hello = socket.next().await;
    assert_eq!((&hello["channel"], &hello["type"]), (&json!("status"), &json!("hello")));
    assert_eq!((&hello["account"], &hello["last_seq"]), (&json!("default"), &json!(0)));
    assert!(hello["epoch"].as_str().is_some_and(|epoch| !epoch.is_empty()), "{hello}");
    let order = venue.placed(&with(market("buy", "0.5"), json!({ "client_order_id": "my-1" }))).await;
    let (accepted, filled) = (socket.news().await, socket.news().await);
    assert_eq!((seq(&accepted), &accepted["type"]), (1, &json!("accepted")));
    assert_eq!((seq(&filled), &filled["type"]), (2, &json!("filled")));
    for field in [
        "order_id",
        "client_order_id",
        "account",
        "symbol",
        "side",
        "quantity",
        "avg_price",
        "status",
        "cum_qty",
        "leaves_qty",
    ] {
        assert_eq!(filled[field], order[field], "{field}");
    }
    let later = Socket::connect(venue.addr, "").await.next().await;
    assert_eq!((&later["last_seq"], &later["epoch"]), (&json!(2), &hello["epoch"]));
}

#[tokio::test]
async fn a_resume_from_any_seq_gives_the_same_bytes_and_goes_live_without_a_seam() {
    let venue = Venue::spawn("").await;
    let mut live = venue.stream("").await;
    for n in 0..20 {
        venue.placed(&if n % 3 == 0 { limit("buy", "0.1", "41000") } else { market("buy", "0.1") }).await;
    }
    let last_seq = venue.get("/executions?limit=1000").await.body["next_seq"].as_u64().unwrap() - 1;
    let mut first = Vec::new();
    while first.len() < last_seq as usize {
        first.push(live.text().await);
    }
    for from_seq in [1, 2, last_seq / 2, last_seq, last_seq + 1] {
        let mut resumed = venue.stream(&format!("?from_seq={from_seq}")).await;
        for expected in &first[from_seq as usize - 1..] {
            assert_eq!(resumed.text().await, *expected, "from {from_seq}");
        }
        venue.placed(&market("buy", "0.1")).await;
        assert_eq!((resumed.text().await, resumed.text().await), (live.text().await, live.text().await), "and on");
        first.clear();
        let mut all = venue.stream("?from_seq=1").await;
        let end = venue.get("/executions?limit=1000").await.body["next_seq"].as_u64().unwrap();
        while first.len() < end as usize - 1 {
            first.push(all.text().await);
        }
    }
    let page = venue.get("/executions?from_seq=3&limit=4").await.text;
    assert_eq!(page, format!(r#"{{"executions":[{}],"next_seq":7}}"#, first[2..6].join(",")), "the same bytes by REST");
}

#[tokio::test]
async fn what_is_not_kept_or_does_not_exist_yet_is_a_gap_and_closes_4010() {
    let venue = Venue::spawn("[stream]\nring = 4").await;
    for _ in 0..200 {
        venue.placed(&market("buy", "0.001")).await;
    }
    let oldest = venue.get("/executions?from_seq=1").await;
    oldest.is_problem(410, "gap");
    let oldest_seq = oldest.body["oldest_seq"].as_u64().unwrap();
    assert!(oldest_seq > 1 && oldest_seq <= 397, "{oldest_seq}");
    for from_seq in [0, 1, oldest_seq - 1, 402, u64::MAX] {
        let mut socket = venue.stream(&format!("?from_seq={from_seq}")).await;
        let (code, _, texts) = socket.closed().await;
        assert_eq!(code, 4010, "from {from_seq}");
        let gap: Value = serde_json::from_str(&texts[0]).unwrap();
        let expected = json!({ "channel": "status", "type": "gap", "oldest_seq": oldest_seq, "last_seq": 400 });
        assert_eq!((&gap, texts.len()), (&expected, 1), "from {from_seq}");
    }
    let mut kept = venue.stream(&format!("?from_seq={oldest_seq}")).await;
    for expected in oldest_seq..=400 {
        assert_eq!(seq(&kept.news().await), expected);
    }
}

#[tokio::test]
async fn the_gap_of_a_subscription_on_an_open_socket_closes_it_too() {
    let venue = Venue::spawn("").await;
    let mut socket = venue.stream("?channels=status").await;
    socket.send(&json!({"op":"subscribe","id":1,"channels":["executions"],"from_seq":2})).await;
    let (code, _, texts) = socket.closed().await;
    assert_eq!(code, 4010, "{texts:?}");
    assert!(texts.iter().any(|text| text.contains(r#""type":"gap""#)), "{texts:?}");
}

#[tokio::test]
async fn channels_are_followed_and_left_as_asked() {
    let venue = Venue::spawn("").await;
    let mut socket = venue.stream("?channels=status").await;
    let subscribe =
        |op: &str, id: Value, channels: Value| json!({"op":op,"id":id,"channels":channels,"symbols":["BTC-USDT"]});
    venue.placed(&market("buy", "1")).await;
    let reply = socket.ask(&subscribe("subscribe", json!(1), json!(["trades"]))).await;
    assert_eq!(reply, json!({ "channel": "reply", "id": 1, "ok": true }));
    venue.placed(&market("buy", "2")).await;
    venue.placed(&with(market("buy", "3"), json!({ "symbol": "ETH/USDT" }))).await;
    let trade = socket.news().await;
    assert_eq!((&trade["channel"], &trade["quantity"]), (&json!("trades"), &json!("2")), "not what was before, not ETH");
    let reply = socket.ask(&subscribe("unsubscribe", json!("two"), json!(["trades"]))).await;
    assert_eq!(reply["id"], "two");
    venue.placed(&market("buy", "4")).await;
    socket.send(&json!({"op":"subscribe","id":3,"channels":["executions"],"from_seq":1})).await;
    let first = socket.until(|frame| frame["channel"] != "reply" && frame["channel"] != "status").await;
    assert_eq!((&first["channel"], seq(&first)), (&json!("executions"), 1), "no trade came between");
    socket.send(&json!({"op":"unsubscribe","id":4,"channels":["executions"]})).await;
    socket.until(|frame| frame["id"] == 4).await;
    venue.placed(&market("buy", "5")).await;
    socket.send(&json!({"op":"ping","id":5})).await;
    assert_eq!(socket.news().await, json!({ "channel": "reply", "id": 5, "ok": true }), "nothing came between");
}

#[tokio::test]
async fn public_trades_name_no_account_and_agree_with_get_trades() {
    let venue = Venue::spawn("").await;
    let mut socket = venue.stream("?channels=trades&symbols=BTC-USDT").await;
    venue.placed(&market("sell", "0.5")).await;
    venue.placed(&market("buy", "0.25")).await;
    let trades = [socket.news().await, socket.news().await];
    let listed = venue.get("/trades/BTC-USDT").await.body;
    for (trade, listed) in trades.iter().zip([&listed[1], &listed[0]]) {
        for field in ["trade_id", "price", "quantity", "taker_side", "ts"] {
            assert_eq!(trade[field], listed[field], "{field}: {trade} {listed}");
        }
        assert!(trade.get("account").is_none() && trade.get("order_id").is_none(), "{trade}");
    }
    assert_eq!(venue.get("/trades/BTC-USDT?limit=1").await.body.as_array().unwrap().len(), 1);
}

/// A book that is kept by the stream's frames alone.
#[derive(Debug, Default)]
struct Book {
    seq: u64,
    levels: BTreeMap<(String, String), Value>,
}

impl Book {
    fn apply(&mut self, frame: &Value) {
        assert_eq!(frame["channel"], "book");
        if frame["type"] == "snapshot" {
            *self = Self::default();
        } else {
            assert_eq!((&frame["type"], frame["prev"].as_u64()), (&json!("delta"), Some(self.seq)), "{frame}");
            assert_eq!(seq(frame), self.seq + 1);
        }
        self.seq = seq(frame);
        for side in ["bids", "asks"] {
            for level in frame[side].as_array().unwrap() {
                let key = (side.to_owned(), level[0].as_str().unwrap().to_owned());
                if level[1] == "0" {
                    assert!(self.levels.remove(&key).is_some(), "a level that was not there is taken away: {frame}");
                } else {
                    self.levels.insert(key, level[1].clone());
                }
            }
        }
    }

    /// As `GET /book` shows it: best first.
    fn side(&self, side: &str) -> Value {
        let levels = self.levels.iter().filter(|((of, _), _)| of == side);
        let mut levels: Vec<(f64, Value)> =
            levels.map(|((_, price), size)| (price.parse().unwrap(), json!([price, size]))).collect();
        levels.sort_by(|(a, _), (b, _)| if side == "bids" { b.total_cmp(a) } else { a.total_cmp(b) });
        levels.into_iter().map(|(_, level)| level).collect()
    }
}

#[tokio::test]
async fn a_book_rebuilt_from_its_snapshot_and_deltas_is_the_book() {
    let venue = Venue::spawn(EMPTY_BOOK).await;
    venue.placed(&limit("buy", "1", "90")).await;
    let mut socket = venue.stream("?channels=book&symbols=BTC-USDT").await;
    let mut book = Book::default();
    let snapshot = socket.news().await;
    assert_eq!((&snapshot["type"], snapshot.get("prev")), (&json!("snapshot"), None), "{snapshot}");
    book.apply(&snapshot);
    for n in 0..60u64 {
        let (side, price) = if n % 2 == 0 { ("buy", 80 + n * 7 % 19) } else { ("sell", 96 + n * 5 % 17) };
        venue.placed(&limit(side, "1.5", &price.to_string())).await;
        if n % 5 == 0 {
            venue
                .quote(
                    &json!({"exchange":"x","symbol":"BTC/USDT","bid":(85 + n % 7).to_string(),"bid_size":"2","ask":"99.5"}),
                )
                .await;
        }
        if n % 4 == 3 {
            venue.placed(&market(side, "2")).await;
        }
        if n % 6 == 5 {
            venue.delete(&format!("/orders?side={side}")).await;
        }
    }
    let shown = venue.get("/book/BTC-USDT?depth=1000").await.body;
    while book.seq < seq(&shown) {
        book.apply(&socket.news().await);
    }
    assert_eq!((book.side("bids"), book.side("asks")), (shown["bids"].clone(), shown["asks"].clone()));
    assert!(!shown["bids"].as_array().unwrap().is_empty() && !shown["asks"].as_array().unwrap().is_empty(), "{shown}");
    assert!(book.levels.values().any(Value::is_null), "unlimited size is null: {shown}");

    let mut late = Book::default();
    late.apply(&venue.stream("?channels=book&symbols=BTC-USDT").await.news().await);
    assert_eq!((late.seq, late.levels), (book.seq, book.levels), "a late snapshot is the same book");
    let best = venue.get("/book/BTC-USDT?depth=1").await.body;
    assert_eq!((&best["bids"][0], &best["asks"][0]), (&shown["bids"][0], &shown["asks"][0]));
    assert_eq!(best["bids"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn quotes_by_hand_are_told_on_their_channel_and_listed_with_the_best() {
    let venue = Venue::spawn("").await;
    let mut socket = venue.stream("?channels=quotes").await;
    venue.quote(&json!({"exchange":"x","symbol":"BTC/USDT","bid":"41990","bid_size":"2","ask":"42010"})).await;
    let quote = socket.news().await;
    assert_eq!(
        (&quote["channel"], &quote["exchange"], &quote["symbol"]),
        (&json!("quotes"), &json!("x"), &json!("BTC/USDT"))
    );
    assert_eq!((&quote["bid"], &quote["bid_size"], &quote["ask_size"]), (&json!("41990"), &json!("2"), &Value::Null));
    let rows = venue.get("/quotes").await.body;
    let row = rows.as_array().unwrap().iter().find(|row| row["symbol"] == "BTC/USDT").unwrap();
    assert_eq!((&row["best"]["bid"], &row["best"]["bid_exchange"]), (&json!("42000"), &json!("static")));
    assert_eq!(row["exchanges"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quotes_by_hand_at_once_end_on_the_board_as_in_the_book_though_who_sent_them_has_left() {
    let venue = Venue::spawn("").await;
    for round in 0..20 {
        let quote = |number: u32| {
            let bid = 43_000 + round * 10 + number;
            json!({"exchange":"x","symbol":"BTC/USDT","bid":bid.to_string(),"ask":(bid + 1_000).to_string()})
        };
        let staying = (0..6).map(|number| {
            let quote = quote(number);
            let venue = &venue;
            async move { venue.quote(&quote).await }
        });
        let leaving = (6..9).map(|number| {
            let body = quote(number).to_string();
            let head = format!("POST /quotes HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n", venue.addr, body.len());
            let request = format!("{head}content-type: application/json\r\n\r\n{body}");
            async move { TcpStream::connect(venue.addr).await.unwrap().write_all(request.as_bytes()).await.unwrap() }
        });
        join(join_all(staying), join_all(leaving)).await;
        let same = async || {
            let (rows, book) = (venue.get("/quotes").await.body, venue.get("/book/BTC-USDT?depth=1").await.body);
            let exchanges = rows[0]["exchanges"].as_array().unwrap();
            let shown = exchanges.iter().find(|row| row["exchange"] == "x").unwrap();
            shown["bid"] == book["bids"][0][0]
        };
        // Those who left may be executed yet, or never were taken in: it is to stay the same.
        let (mut looks, deadline) = (0, Instant::now() + PATIENCE);
        while looks < 10 {
            looks = if same().await { looks + 1 } else { 0 };
            assert!(Instant::now() < deadline, "the board shows what is in the book");
        }
    }
}

#[tokio::test]
async fn best_and_queue_are_sent_each_second() {
    let venue = Venue::spawn("").await;
    let mut socket = venue.stream("?channels=best,queue").await;
    let best = socket.until(|frame| frame["channel"] == "best").await;
    let symbols: Vec<&str> = best["quotes"].as_array().unwrap().iter().map(|row| row["symbol"].as_str().unwrap()).collect();
    assert_eq!(symbols, ["BTC/USDT", "ETH/USDT"]);
    let queue = socket.until(|frame| frame["channel"] == "queue").await;
    for lane in ["orders", "cancels", "quotes"] {
        for field in ["capacity", "depth", "sent", "received", "dropped"] {
            assert!(queue[lane].get(field).is_some(), "{lane}.{field}: {queue}");
        }
    }
}

#[tokio::test]
async fn a_heartbeat_tells_the_last_seq_to_who_hears_nothing_else() {
    let venue = Venue::spawn("").await;
    let mut socket = venue.stream("?channels=status").await;
    venue.placed(&market("buy", "1")).await;
    let beat = socket.next().await;
    assert_eq!((&beat["channel"], &beat["type"], &beat["last_seq"]), (&json!("status"), &json!("heartbeat"), &json!(2)));
}

#[tokio::test]
async fn simulated_feeds_quote_on_the_stream_and_move_the_books_of_their_instruments() {
    let venue = Venue::spawn(
        r#"
[[instruments]]
symbol = "BTC/USD"
tick_size = "0.01"
lot_size = "0.00001"
sources = ["binance"]
[[feeds]]
exchange = "binance"
kind = "simulated"
symbols = { "BTC/USD" = "BTCUSDT" }
mid = "42000"
interval = "10ms"
"#,
    )
    .await;
    let mut socket = venue.stream("?channels=quotes,book").await;
    let quote = socket.until(|frame| frame["channel"] == "quotes").await;
    assert_eq!((&quote["exchange"], &quote["exchange_symbol"]), (&json!("binance"), &json!("BTCUSDT")));
    socket.until(|frame| frame["channel"] == "book" && frame["type"] == "delta").await;
    let order = venue.placed(&json!({"symbol":"BTC/USD","side":"buy","type":"market","quantity":"0.001"})).await;
    assert_eq!(order["status"], "filled");
    let by_hand = json!({"exchange":"x","symbol":"BTC/USD","bid":"1","ask":"2"});
    venue.post("/quotes", &by_hand).await.is_problem(422, "not_a_source");
}
