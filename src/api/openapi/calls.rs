//! The calls, in the order of the router.

use serde_json::{Value, json};

use super::operation::{Operation, array_of, call, schema, whole, with_default};
use crate::domain::Code;

/// Every call that clients trade with, and look with.
pub(super) fn all() -> Vec<Operation> {
    let mut all = place();
    all.extend(by_id("/orders/{order_id}", "order_id", ""));
    all.extend(by_id("/orders/by-client-id/{client_order_id}", "client_order_id", "ByClientId"));
    all.extend(account());
    all.extend(market());
    all.extend(admin());
    all.extend(venue());
    all
}

/// An order that the venue refuses is a problem with one of these.
fn refusals() -> Vec<&'static str> {
    Code::ALL.iter().map(|code| code.as_str()).collect()
}

fn order(more: Value) -> Value {
    let mut order = json!({ "symbol": "BTC/USDT", "side": "buy", "type": "limit", "quantity": "0.5", "price": "41000" });
    if let (Some(order), Value::Object(more)) = (order.as_object_mut(), more) {
        order.extend(more);
    }
    order
}

fn order_examples() -> Value {
    json!({
        "limit": { "summary": "Rests at 41000 until canceled", "value": order(json!({ "client_order_id": "my-1" })) },
        "market": {
            "summary": "Takes what there is at any price",
            "value": { "symbol": "BTC/USDT", "side": "buy", "type": "market", "quantity": 0.5 },
        },
        "stop": {
            "summary": "Sells once the market falls to 40000",
            "value": { "symbol": "BTC/USDT", "side": "sell", "type": "stop_loss", "quantity": "0.5", "trigger_price": "40000" },
        },
        "until": {
            "summary": "Rests at 41000 until a moment, and never takes",
            "value": order(json!({ "time_in_force": "gtd", "expire_at": "2100-01-01T00:00:00Z", "post_only": true })),
        },
    })
}

fn place() -> Vec<Operation> {
    let cancel_all = cancel_all_query(call("delete", "/orders", "cancelOrders", "Orders", "Cancel all orders that match"));
    vec![
        call("post", "/orders", "placeOrder", "Orders", "Place an order")
            .about(
                "Answered once it is kept and executed as far as it goes at once. The same `client_order_id` never executes \
twice: the same order again is answered 200 as it is now, another order of that id is refused.",
            )
            .needs("trade")
            .takes_shared("IdempotencyKey")
            .takes_shared("Prefer")
            .body(schema("PlaceRequest"), order_examples())
            .answers(201, "The order is in", schema("Order"))
            .header(201, "Location")
            .links(201, "order_id", &["getOrder", "cancelOrder", "replaceOrder"])
            .links(201, "client_order_id", &["getOrderByClientId", "cancelOrderByClientId", "replaceOrderByClientId"])
            .answers(200, "This order was placed before, and is so now", schema("Order"))
            .header(200, "Idempotent-Replayed")
            .answers(202, "The order is queued, with `Prefer: respond-async`", schema("QueuedOrder"))
            .header(202, "Location")
            .header(202, "Preference-Applied")
            .problem(400, &["idempotency_key", "client_order_id_needed"])
            .problem(409, &["in_flight"])
            .problem(410, &["gap"])
            .problem(422, &["client_order_id_conflict", "rejected"])
            .problem(422, &refusals())
            .header(422, "Idempotent-Replayed")
            .problem(503, &["history_behind"])
            .queued(),
        call("get", "/orders", "listOrders", "Orders", "List orders, newest first")
            .needs("read")
            .query("status", "Which orders", json!({ "type": "string", "enum": ["open", "closed", "all"], "default": "open" }))
            .takes_shared("SymbolFilter")
            .takes_shared("Limit")
            .query("after", "The `order_id` that the page before ended with", whole())
            .answers(200, "A page of orders", array_of("Order"))
            .header(200, "Link")
            .problem(404, &["unknown_symbol"])
            .problem(410, &["gap"])
            .problem(503, &["history_behind"]),
        cancel_all.needs("trade"),
        call("post", "/orders/batch", "placeOrders", "Orders", "Place up to 1,000 orders")
            .about("Each for itself, in order: some may be taken and others refused. Each counts as one request against limits.")
            .needs("trade")
            .body(
                json!({ "type": "array", "items": schema("PlaceRequest"), "minItems": 1, "maxItems": 1_000 }),
                json!({ "two": { "value": [order(json!({})), order(json!({ "side": "sell", "price": "43000" }))] } }),
            )
            .answers(200, "What became of each, in order", array_of("BatchItem"))
            .problem(400, &["batch_size", "idempotency_key"]),
        call("post", "/orders/cancel-after", "cancelAfter", "Orders", "Set the dead man's switch")
            .needs("trade")
            .body(schema("CancelAfterRequest"), json!({ "minute": { "value": { "timeout_ms": 60_000 } } }))
            .answers(200, "The switch is set", schema("CancelAfter"))
            .queued(),
        call("post", "/orders/validate", "validateOrder", "Orders", "Check an order without placing it")
            .needs("trade")
            .body(schema("PlaceRequest"), order_examples())
            .answers(200, "Nothing is wrong with it that can be seen beforehand", schema("Validated"))
            .problem(422, &refusals()),
    ]
}

fn cancel_all_query(call: Operation) -> Operation {
    call.takes_shared("SymbolFilter")
        .query("side", "Only orders of this side", json!({ "type": "string", "enum": ["buy", "sell"] }))
        .answers(200, "How many were canceled", schema("Canceled"))
        .problem(404, &["unknown_symbol"])
        .queued()
}

/// What can be done with one order, by either of its ids.
fn by_id(path: &'static str, parameter: &str, suffix: &str) -> Vec<Operation> {
    let id = match parameter {
        "order_id" => whole(),
        _ => schema("ClientOrderId"),
    };
    let id = json!({ "name": parameter, "in": "path", "required": true, "schema": id });
    let call = |method, id_of: &str, summary| {
        let call = call(method, path, &format!("{id_of}{suffix}"), "Orders", summary).takes(id.clone());
        call.problem(404, &["unknown_order", "not_found"]).problem(409, &["in_flight"]).problem(410, &["gap"])
    };
    vec![
        call("get", "getOrder", "Show an order")
            .needs("read")
            .answers(200, "The order as it is now", schema("Order"))
            .problem(503, &["history_behind"]),
        call("delete", "cancelOrder", "Cancel an order")
            .needs("trade")
            .answers(200, "The order as it ended", schema("Order"))
            .problem(409, &["not_cancelable"])
            .problem(503, &["history_behind"])
            .queued(),
        call("patch", "replaceOrder", "Replace an order's terms")
            .needs("trade")
            .takes_shared("IdempotencyKey")
            .body(schema("ReplaceRequest"), json!({ "price": { "value": { "price": "41500" } } }))
            .answers(200, "The order with its new terms", schema("ReplacedOrder"))
            .header(200, "Idempotent-Replayed")
            .problem(400, &["idempotency_key"])
            .problem(409, &["not_replaceable"])
            .problem(422, &["idempotency_conflict"])
            .problem(422, &refusals())
            .problem(503, &["history_behind"])
            .queued(),
    ]
}

fn account() -> Vec<Operation> {
    let from_seq = |call: Operation, description: &str| call.query("from_seq", description, whole());
    let page = call("get", "/executions", "listExecutions", "Account", "List executions in order").needs("read");
    let events =
        call("get", "/executions/stream", "streamExecutions", "Account", "Follow executions as server-sent events");
    vec![
        from_seq(page, "The first `seq`, from 1 on; the oldest that is kept if left out")
            .takes_shared("Limit")
            .answers(200, "A page of executions", schema("ExecutionsPage"))
            .problem(410, &["gap"]),
        from_seq(events.needs("read"), "The first `seq`, from 1 on; from now on if left out")
            .about("Each event's `id` is its `seq`, its `data` an Execution: the same bytes as the WebSocket's. Never ends by itself.")
            .takes_shared("LastEventId")
            .answers_as(200, "Events without end", "text/event-stream", schema("ExecutionEvent"))
            .problem(410, &["gap"]),
        call("get", "/account", "getAccount", "Account", "Show balances")
            .needs("read")
            .answers(200, "The account", schema("Account")),
    ]
}

fn market() -> Vec<Operation> {
    let symbol = |call: Operation| call.takes_shared("Symbol").problem(404, &["unknown_symbol", "not_found"]);
    let get = |path, id, summary| call("get", path, id, "Market", summary);
    vec![
        get("/instruments", "listInstruments", "List what may be traded")
            .answers(200, "Every instrument", array_of("Instrument")),
        symbol(get("/instruments/{symbol}", "getInstrument", "Show an instrument's rules"))
            .answers(200, "The instrument", schema("Instrument")),
        symbol(get("/book/{symbol}", "getBook", "Show a book"))
            .query("depth", "Levels of each side; 1 to 1,000, and what is beyond is clamped", with_default(20))
            .answers(200, "The book", schema("Book")),
        symbol(get("/trades/{symbol}", "listTrades", "List trades, newest first"))
            .takes_shared("Limit")
            .problem(400, &["invalid_query"])
            .answers(200, "Trades", array_of("Trade")),
        get("/quotes", "listQuotes", "Show every exchange's quotes and the best of them")
            .answers(200, "One row a symbol", array_of("Quotes")),
        call("post", "/quotes", "quote", "Market", "Move a book by hand")
            .about("For instruments whose `sources` include `manual`. Answered once it is applied and kept.")
            .needs("admin")
            .body(
                schema("QuoteRequest"),
                json!({ "quote": { "value": { "exchange": "mine", "symbol": "BTC/USDT", "bid": "41990", "ask": "42010", "bid_size": "2" } } }),
            )
            .answers(200, "The book is moved", schema("Applied"))
            .problem(422, &["unknown_symbol", "not_a_source"])
            .queued(),
    ]
}

fn admin() -> Vec<Operation> {
    let name = |call: Operation| {
        let name = json!({
            "name": "name", "in": "path", "required": true, "description": "The account's name", "example": "default",
            "schema": { "type": "string", "pattern": "^[A-Za-z0-9._-]{1,31}$" },
        });
        call.takes(name).needs("admin").problem(404, &["unknown_account", "not_found"])
    };
    let transfer = |path, id, summary| {
        name(call("post", path, id, "Admin", summary))
            .body(schema("TransferRequest"), json!({ "tether": { "value": { "asset": "USDT", "amount": "100.5" } } }))
            .takes_shared("IdempotencyKey")
            .answers(200, "The account as it is then", schema("Account"))
            .header(200, "Idempotent-Replayed")
            .problem(400, &["idempotency_key"])
            .problem(409, &["unchecked_account"])
            .problem(422, &["idempotency_conflict", "insufficient_balance", "balance_limit"])
            .queued()
    };
    let switch = |path, id, summary| {
        let call = call("post", path, id, "Admin", summary).needs("admin").takes_shared("Symbol");
        call.answers(200, "The instrument as it is then", schema("Halted"))
            .problem(404, &["unknown_symbol", "not_found"])
            .queued()
    };
    vec![
        call("get", "/admin/accounts", "listAccounts", "Admin", "List accounts, the oldest first")
            .needs("admin")
            .takes_shared("Limit")
            .query("after", "The account that the page before ended with", json!({ "type": "string" }))
            .answers(200, "A page of accounts", array_of("Account"))
            .problem(404, &["unknown_account"]),
        name(call("get", "/admin/accounts/{name}", "getAccountOf", "Admin", "Show an account")).answers(
            200,
            "The account",
            schema("Account"),
        ),
        transfer("/admin/accounts/{name}/deposits", "deposit", "Add to a balance"),
        transfer("/admin/accounts/{name}/withdrawals", "withdraw", "Take from a balance"),
        cancel_all_query(name(call(
            "delete",
            "/admin/accounts/{name}/orders",
            "cancelOrdersOf",
            "Admin",
            "Cancel an account's orders",
        ))),
        switch("/admin/instruments/{symbol}/halt", "halt", "Refuse new orders; what rests stays, and can be canceled"),
        switch("/admin/instruments/{symbol}/resume", "resume", "Take orders again"),
    ]
}

fn venue() -> Vec<Operation> {
    let get = |path, id, summary| call("get", path, id, "Venue", summary);
    let text = || json!({ "type": "string" });
    vec![
        get("/queue", "getQueue", "Show the queue's counters").answers(200, "Every lane", schema("Queue")),
        get("/livez", "getLive", "Whether the process answers").answers(200, "It does", schema("Probe")),
        get("/readyz", "getReady", "Whether the venue takes orders")
            .answers(200, "It does", schema("Probe"))
            .problem(503, &["shutting_down", "journal_failed"]),
        get("/metrics", "getMetrics", "Counters for Prometheus; times in seconds, sizes in bytes").answers_as(
            200,
            "Prometheus' text",
            super::METRICS_TYPE,
            text(),
        ),
        get("/openapi.json", "getOpenapi", "Show this document").answers(200, "OpenAPI 3.1", json!({ "type": "object" })),
        get("/docs", "getDocs", "Show this document as a page").answers_as(200, "The page", "text/html", text()),
        get("/stream", "stream", "Follow the venue, and trade, over a WebSocket")
            .about(
                "Needs a key with the scope `read` in `keys` mode if it asks for a private channel. One JSON object a text \
frame; the README tells channels, requests and close codes.",
            )
            .query("channels", "Names with commas between: executions, trades, book, quotes, best, queue, status", text())
            .takes_shared("Symbols")
            .query("from_seq", "The first execution to send; from now on if left out", whole())
            .query(
                "cancel_on_disconnect",
                "Cancel all of the account's orders when the connection ends",
                json!({ "type": "boolean" }),
            )
            .answers_nothing(101, "The connection is a WebSocket from here on")
            .problem(400, &["invalid_handshake", "unknown_channel", "too_many_symbols", "too_many_subscriptions"])
            .problem(401, &["unauthorized"])
            .problem(403, &["foreign_origin", "missing_scope"])
            .problem(404, &["unknown_symbol"])
            .problem(426, &["upgrade_required"])
            .problem(503, &["shutting_down", "journal_failed"])
            .header(426, "Upgrade"),
    ]
}
