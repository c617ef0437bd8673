//! What becomes of an order by its type and instructions, and what its account pays, through the API.

use serde_json::{Value, json};

use crate::venue::{Venue, limit, market, with};

/// An instrument that lets nothing rest.
const TUTORIAL: &str = r#"
[[instruments]]
symbol = "ETH/USDT"
tick_size = "0.01"
lot_size = "0.0001"
reference_price = "2800"
unmarketable = "reject"
"#;
/// A book that only clients and manual quotes fill.
const EMPTY_BOOK: &str = r#"
[[instruments]]
symbol = "BTC/USDT"
tick_size = "0.01"
lot_size = "0.00001"
"#;

/// The types of all executions so far.
async fn types(venue: &Venue) -> Vec<String> {
    let page = venue.get("/executions?limit=1000").await.body;
    let executions = page["executions"].as_array().unwrap().iter();
    executions.map(|execution| execution["type"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_unknown_symbol_is_refused_numbered_and_told_on_the_stream() {
    let venue = Venue::spawn("").await;
    let mut stream = venue.stream("").await;
    let answer = venue.place(&with(market("buy", "1"), json!({ "symbol": "DOGE/USDT" }))).await;
    answer.is_problem(422, "unknown_symbol");
    assert_eq!(answer.body["detail"], "Unknown symbol: DOGE/USDT");
    assert_eq!(answer.body["order"]["status"], "rejected");
    assert_eq!(answer.body["order"]["order_id"], 1);
    let execution = stream.news().await;
    assert_eq!((&execution["type"], &execution["seq"]), (&json!("rejected"), &json!(1)));
    assert_eq!((&execution["code"], &execution["reason"]), (&json!("unknown_symbol"), &json!("Unknown symbol: DOGE/USDT")));
    assert_eq!((&execution["symbol"], &execution["cum_qty"]), (&json!("DOGE/USDT"), &json!("0")));
}

#[tokio::test]
async fn where_nothing_rests_what_the_market_has_not_reached_is_refused_with_both_prices() {
    let venue = Venue::spawn(TUTORIAL).await;
    let eth = |order: Value| with(order, json!({ "symbol": "ETH/USDT" }));
    let answer = venue.place(&eth(limit("sell", "1.0", "2850"))).await;
    answer.is_problem(422, "price_not_reached");
    assert_eq!(answer.body["detail"], "Price 2800 did not reach limit 2850");
    assert_eq!(answer.body["order"]["status"], "rejected");
    let stop = json!({"symbol":"ETH/USDT","side":"sell","type":"stop_loss","quantity":"1","trigger_price":"2700"});
    venue.place(&stop).await.is_problem(422, "stop_not_triggered");
    assert_eq!(venue.placed(&eth(limit("sell", "1.0", "2750"))).await["avg_price"], "2800");
    let through = with(stop, json!({ "trigger_price": "2800" }));
    assert_eq!(venue.placed(&through).await["status"], "filled");
}

#[tokio::test]
async fn a_parked_stop_fires_when_a_quote_passes_it_and_fills_at_the_market() {
    let venue = Venue::spawn("").await;
    let mut stream = venue.stream("").await;
    let stop = json!({"symbol":"BTC/USDT","side":"sell","type":"stop_loss","quantity":"1","trigger_price":"41000"});
    let parked = venue.placed(&stop).await;
    assert_eq!(parked["status"], "untriggered");
    assert_eq!(venue.get("/account").await.body["open_orders"], 1);
    for (price, status) in [("41500", "untriggered"), ("41000.01", "untriggered"), ("40900", "filled")] {
        venue.quote(&json!({"exchange":"static","symbol":"BTC/USDT","bid":price,"ask":price})).await;
        let order = venue.get(&format!("/orders/{}", parked["order_id"])).await.body;
        assert_eq!(order["status"], status, "at {price}");
    }
    assert_eq!(stream.news().await["type"], "accepted");
    assert_eq!(stream.news().await["type"], "triggered");
    let filled = stream.news().await;
    assert_eq!((&filled["type"], &filled["last_price"]), (&json!("filled"), &json!("40900")));
}

#[tokio::test]
async fn a_stop_limit_rests_at_its_limit_once_triggered() {
    let venue = Venue::spawn("").await;
    let stop = json!({"symbol":"BTC/USDT","side":"buy","type":"stop_limit","quantity":"1","trigger_price":"43000","price":"42900"});
    let parked = venue.placed(&stop).await;
    assert_eq!(parked["status"], "untriggered");
    venue.quote(&json!({"exchange":"static","symbol":"BTC/USDT","bid":"43100","ask":"43100"})).await;
    assert_eq!(venue.get("/orders/1").await.body["status"], "open");
    assert_eq!(venue.get("/book/BTC-USDT").await.body["bids"][1], json!(["42900", "1"]));
}

#[tokio::test]
async fn instructions_decide_what_becomes_of_an_order_that_the_book_cannot_fill() {
    let venue = Venue::spawn(EMPTY_BOOK).await;
    venue.quote(&json!({"exchange":"x","symbol":"BTC/USDT","bid":"99","bid_size":"1","ask":"101","ask_size":"1"})).await;
    let too_much = |fields: Value| with(limit("buy", "2", "101"), fields);

    let killed = venue.placed(&too_much(json!({ "time_in_force": "fok" }))).await;
    assert_eq!((&killed["status"], &killed["code"]), (&json!("expired"), &json!("insufficient_liquidity")));
    assert_eq!((&killed["cum_qty"], &killed["leaves_qty"]), (&json!("0"), &json!("0")));

    venue.place(&too_much(json!({ "post_only": true }))).await.is_problem(422, "would_take");

    let immediate = venue.placed(&too_much(json!({ "time_in_force": "ioc" }))).await;
    assert_eq!((&immediate["status"], &immediate["cum_qty"]), (&json!("expired"), &json!("1")), "{immediate}");

    let swept = venue.placed(&market("buy", "1")).await;
    assert_eq!((&swept["status"], &swept["code"]), (&json!("expired"), &json!("insufficient_liquidity")), "{swept}");

    let resting = venue.placed(&too_much(json!({ "post_only": true }))).await;
    assert_eq!(resting["status"], "open", "nothing is left that it would take");
    assert_eq!(types(&venue).await[..3], ["accepted", "expired", "rejected"]);
}

#[tokio::test]
async fn a_gtd_order_ends_at_its_moment_and_one_of_the_past_is_refused() {
    let venue = Venue::spawn("").await;
    let mut stream = venue.stream("").await;
    let gtd = |moment: String| with(limit("buy", "1", "41000"), json!({ "time_in_force": "gtd", "expire_at": moment }));
    venue.place(&gtd("2020-01-01T00:00:00Z".to_owned())).await.is_problem(422, "expire_at_past");
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_millis(300);
    let order = venue.placed(&gtd(soon.to_string())).await;
    assert_eq!(order["status"], "open");
    let expired = stream.until(|frame| frame["type"] == "expired").await;
    assert_eq!((&expired["order_id"], &expired["code"]), (&order["order_id"], &json!("time_in_force")));
    let ended: jiff::Timestamp = expired["ts"].as_str().unwrap().parse().unwrap();
    assert!(ended >= soon, "{ended} is before {soon}");
    assert_eq!(venue.get("/account").await.body["open_orders"], 0);
}

#[tokio::test]
async fn self_trade_prevention_is_the_takers_choice() {
    for (stp, resting, taking, told) in [
        ("none", "filled", "filled", false),
        ("cancel_newest", "open", "canceled", true),
        ("cancel_oldest", "canceled", "open", true),
        ("cancel_both", "canceled", "canceled", true),
        ("decrement", "canceled", "canceled", true),
    ] {
        let venue = Venue::spawn(EMPTY_BOOK).await;
        venue.placed(&limit("sell", "1", "100")).await;
        let taker = venue.placed(&with(limit("buy", "1", "100"), json!({ "stp": stp }))).await;
        let maker = venue.get("/orders/1").await.body;
        assert_eq!((&maker["status"], &taker["status"]), (&json!(resting), &json!(taking)), "{stp}: {maker} {taker}");
        let types = types(&venue).await;
        assert_eq!(types.iter().any(|kind| kind == "trade_prevented"), told, "{stp}: {types:?}");
    }
}

#[tokio::test]
async fn a_replace_keeps_its_place_for_less_and_loses_it_for_more_or_another_price() {
    let venue = Venue::spawn(EMPTY_BOOK).await;
    for (changes, priority, first) in [
        (json!({ "quantity": "0.5" }), "kept", 1),
        (json!({ "quantity": "2" }), "lost", 2),
        (json!({ "price": "100.01" }), "lost", 2),
    ] {
        venue.delete("/orders").await;
        let id = venue.placed(&limit("buy", "1", "100")).await["order_id"].as_u64().unwrap();
        venue.placed(&limit("buy", "1", if first == 1 { "100" } else { "100.01" })).await;
        let changes = if first == 2 { with(changes, json!({ "price": "100.01" })) } else { changes };
        let replaced = venue.patch(&format!("/orders/{id}"), &changes).await;
        assert_eq!((replaced.status, &replaced.body["priority"]), (200, &json!(priority)), "{}", replaced.text);
        assert_eq!((&replaced.body["order_id"], &replaced.body["status"]), (&json!(id), &json!("open")));
        venue.placed(&market("sell", "0.1")).await;
        let filled = venue.get(&format!("/orders/{id}")).await.body["cum_qty"] != "0";
        assert_eq!(filled, first == 1, "{changes}");
    }
}

#[tokio::test]
async fn a_replace_below_what_has_traded_cancels_the_rest_and_a_wrong_one_changes_nothing() {
    let venue = Venue::spawn(EMPTY_BOOK).await;
    venue.placed(&limit("buy", "1", "100")).await;
    venue.placed(&market("sell", "0.4")).await;
    let before = venue.get("/orders/1").await.body;
    for (changes, code) in [
        (json!({ "price": "100.001" }), "tick_size"),
        (json!({ "quantity": "0.000001" }), "lot_size"),
        (json!({ "trigger_price": "99" }), "not_replaceable"),
    ] {
        let refused = venue.patch("/orders/1", &changes).await;
        refused.is_problem(422, code);
        assert_eq!(refused.body["order"], before, "{changes}");
        assert_eq!(venue.get("/orders/1").await.body, before);
    }
    let canceled = venue.patch("/orders/1", &json!({ "quantity": "0.3" })).await;
    assert_eq!((canceled.status, &canceled.body["status"]), (200, &json!("canceled")), "{}", canceled.text);
    assert_eq!(canceled.body["cum_qty"], "0.4");
}

#[tokio::test]
async fn cancel_all_takes_what_its_filters_name_and_no_more() {
    let venue = Venue::spawn("").await;
    for order in [
        limit("buy", "1", "41000"),
        limit("buy", "1", "40000"),
        limit("sell", "1", "43000"),
        with(limit("sell", "1", "2900"), json!({ "symbol": "ETH/USDT" })),
        json!({"symbol":"BTC/USDT","side":"sell","type":"stop_loss","quantity":"1","trigger_price":"40000"}),
    ] {
        venue.placed(&order).await;
    }
    for (query, canceled) in
        [("?symbol=BTC-USDT&side=buy", 2), ("?symbol=BTC-USDT&side=buy", 0), ("?symbol=ETH-USDT", 1), ("", 2), ("", 0)]
    {
        let answer = venue.delete(&format!("/orders{query}")).await;
        assert_eq!((answer.status, &answer.body), (200, &json!({ "canceled": canceled })), "{query}");
    }
    assert_eq!(venue.get("/orders").await.body, json!([]));
    venue.delete("/orders?side=both").await.is_problem(400, "invalid_query");
    venue.delete("/orders?symbol=DOGE-USDT").await.is_problem(404, "unknown_symbol");
}

#[tokio::test]
async fn the_dead_mans_switch_cancels_everything_unless_it_is_disarmed() {
    let venue = Venue::spawn("").await;
    let mut stream = venue.stream("").await;
    venue.placed(&limit("buy", "1", "41000")).await;
    let armed = venue.post("/orders/cancel-after", &json!({ "timeout_ms": 86_400_000 })).await;
    assert_eq!((armed.status, &armed.body), (200, &json!({ "timeout_ms": 86_400_000 })), "{}", armed.text);
    venue.post("/orders/cancel-after", &json!({ "timeout_ms": 0 })).await;
    venue.post("/orders/cancel-after", &json!({ "timeout_ms": 50 })).await;
    let canceled = stream.until(|frame| frame["type"] == "canceled").await;
    assert_eq!((&canceled["order_id"], &canceled["code"]), (&json!(1), &json!("cancel_after")));
    venue.post("/orders/cancel-after", &json!({ "timeout_ms": 86_400_001 })).await.is_problem(422, "invalid");
    venue.post("/orders/cancel-after", &json!({ "timeout_ms": -1 })).await.is_problem(400, "invalid_request");
}

const POOR: &str = r#"
[[instruments]]
symbol = "BTC/USDT"
tick_size = "0.01"
lot_size = "0.00001"
taker_fee_bps = "10"
maker_fee_bps = "5"
[[accounts]]
name = "default"
balances = { USDT = "1000", BTC = "1" }
"#;

/// What is free and held of an asset.
async fn balance(venue: &Venue, asset: &str) -> (String, String) {
    let account = venue.get("/account").await.body;
    let balances = account["balances"].as_array().unwrap();
    let balance = balances.iter().find(|balance| balance["asset"] == asset).unwrap();
    (balance["free"].as_str().unwrap().to_owned(), balance["held"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn open_orders_hold_what_they_can_cost_and_give_it_back() {
    let venue = Venue::spawn(POOR).await;
    let pair = |free: &str, held: &str| (free.to_owned(), held.to_owned());
    venue.placed(&limit("buy", "5", "100")).await;
    assert_eq!(balance(&venue, "USDT").await, pair("499.5", "500.5"), "with the larger fee");
    venue.place(&limit("buy", "5", "100")).await.is_problem(422, "insufficient_balance");
    assert_eq!(balance(&venue, "USDT").await, pair("499.5", "500.5"), "a refusal holds nothing");
    venue.delete("/orders/1").await;
    assert_eq!(balance(&venue, "USDT").await, pair("1000", "0"));

    venue.placed(&limit("sell", "0.4", "120")).await;
    assert_eq!(balance(&venue, "BTC").await, pair("0.6", "0.4"));
    venue.place(&limit("sell", "0.7", "120")).await.is_problem(422, "insufficient_balance");
    venue.quote(&json!({"exchange":"x","symbol":"BTC/USDT","bid":"120","ask":"130"})).await;
    assert_eq!(balance(&venue, "BTC").await, pair("0.6", "0"), "the quote took it");
    assert_eq!(balance(&venue, "USDT").await, pair("1047.976", "0"), "48 less 5 bps");
    venue.placed(&market("buy", "1")).await;
    assert_eq!(balance(&venue, "USDT").await, pair("917.846", "0"), "130 and 10 bps");
    assert_eq!(balance(&venue, "BTC").await, pair("1.6", "0"));
}
