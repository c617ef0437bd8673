//! The JSON of every answer and frame, as snapshots: a field that comes, goes or changes its type shows here.

use insta::assert_json_snapshot;
use serde_json::{Value, json};

use crate::venue::{Venue, limit, market, with};

/// Compares with `snapshots/`, all moments left out.
macro_rules! shape {
    ($name:literal, $value:expr) => {
        assert_json_snapshot!($name, $value, { ".**.ts" => "[ts]", ".**.created_at" => "[ts]", ".**.updated_at" => "[ts]" })
    };
}

#[tokio::test]
async fn orders() {
    let venue = Venue::spawn("").await;
    shape!("order_filled", venue.placed(&with(market("buy", "0.5"), json!({ "client_order_id": "my-1" }))).await);
    let gtd = json!({ "time_in_force": "gtd", "expire_at": "2100-01-01T00:00:00Z" });
    shape!("order_open", venue.placed(&with(limit("buy", "1", "41000.5"), gtd)).await);
    let stop = json!({"symbol":"BTC/USDT","side":"sell","type":"stop_limit","quantity":"1","trigger_price":"40000","price":"39999"});
    shape!("order_untriggered", venue.placed(&stop).await);
    shape!("order_replaced", venue.patch("/orders/2", &json!({ "quantity": "0.5" })).await.body);
    shape!("order_canceled", venue.delete("/orders/2").await.body);
}

#[tokio::test]
async fn problems() {
    let venue = Venue::spawn("").await;
    shape!("problem_schema", venue.place(&json!({ "colour": "red" })).await.body);
    shape!("problem_fields", venue.place(&limit("hold", "0", "x")).await.body);
    let unknown = with(market("buy", "1"), json!({ "symbol": "DOGE/USDT", "client_order_id": "my-1" }));
    shape!("problem_refused", venue.place(&unknown).await.body);
    venue.placed(&market("buy", "1")).await;
    shape!("problem_conflict", venue.delete("/orders/2").await.body);
    shape!("problem_not_found", venue.get("/orders/9").await.body);
}

#[tokio::test]
async fn executions() {
    let venue = Venue::spawn("").await;
    venue.placed(&with(market("buy", "0.5"), json!({ "client_order_id": "my-1" }))).await;
    venue.placed(&limit("sell", "1", "43000")).await;
    venue.patch("/orders/2", &json!({ "quantity": "0.4" })).await;
    venue.patch("/orders/2", &json!({ "price": "0.001" })).await;
    venue.delete("/orders/2").await;
    venue.delete("/orders/2").await;
    venue.place(&with(market("buy", "1"), json!({ "symbol": "DOGE/USDT" }))).await;
    shape!("executions", venue.get("/executions").await.body);
}

#[tokio::test]
async fn markets() {
    let venue = Venue::spawn("").await;
    venue.quote(&json!({"exchange":"x","symbol":"BTC/USDT","bid":"41990","bid_size":"2","ask":"42010"})).await;
    venue.placed(&limit("buy", "0.25", "41000")).await;
    venue.placed(&market("buy", "0.5")).await;
    shape!("book", venue.get("/book/BTC-USDT").await.body);
    shape!("trades", venue.get("/trades/BTC-USDT").await.body);
    shape!("instrument", venue.get("/instruments/BTC-USDT").await.body);
    assert_eq!(venue.get("/instruments").await.body[0], venue.get("/instruments/BTC-USDT").await.body);
    assert_json_snapshot!("quotes", venue.get("/quotes").await.body, { ".**.age_ms" => "[age]" });
}

#[tokio::test]
async fn account_and_queue() {
    let venue = Venue::spawn("").await;
    venue.placed(&limit("buy", "0.25", "41000")).await;
    venue.delete("/orders/1").await;
    venue.placed(&limit("sell", "0.25", "43000")).await;
    shape!("account", venue.get("/account").await.body);
    assert_json_snapshot!("queue", venue.get("/queue").await.body, {
        ".*.wait_ns_p50" => "[ns]", ".*.wait_ns_p99" => "[ns]", ".*.wait_ns_max" => "[ns]"
    });
    for (path, body) in [("/livez", json!({ "status": "live" })), ("/readyz", json!({ "status": "ready" }))] {
        assert_eq!(venue.get(path).await.body, body);
    }
}

#[tokio::test]
async fn frames() {
    let venue = Venue::spawn("").await;
    let mut socket = crate::socket::Socket::connect(venue.addr, "?channels=book,trades,quotes&symbols=ETH-USDT").await;
    assert_json_snapshot!("frame_hello", socket.next().await, { ".epoch" => "[epoch]" });
    let mut frames = vec![socket.next().await];
    venue.quote(&json!({"exchange":"static","symbol":"ETH/USDT","bid":"2801","ask":"2801"})).await;
    venue.placed(&with(market("buy", "0.5"), json!({ "symbol": "ETH/USDT" }))).await;
    while frames.len() < 4 {
        frames.push(socket.news().await);
    }
    // What channels are to each other is not promised.
    frames[1..].sort_by_key(|frame| frame["channel"].to_string());
    shape!("frames_of_public_channels", frames);
    let place = json!({"op":"place","id":"a","order":limit("buy","1","41000")});
    shape!("frame_reply", socket.ask(&place).await);
    let refused: Value = socket.ask(&json!({"op":"cancel","id":2,"order_id":7})).await;
    shape!("frame_reply_problem", refused);
}
