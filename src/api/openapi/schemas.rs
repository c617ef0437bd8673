//! What answers look like, and what they share with requests. Words and codes are the code's own lists, so that none is missing.

use serde_json::{Map, Value, json};

use super::{
    operation::{array_of, schema},
    requests,
};
use crate::api::codes;
use crate::domain::{
    Code, ExecutionType, FeeAsset, Liquidity, OrderType, Priority, Side, Status, TimeInForce, Unmarketable,
};

/// Every schema by name.
pub(super) fn all() -> Value {
    let mut all = Map::new();
    for part in [basics(), requests::all(), orders(), executions(), market(), venue(), problems()] {
        if let Value::Object(part) = part {
            all.extend(part);
        }
    }
    Value::Object(all)
}

pub(super) fn words<T: Copy>(values: &[T], as_str: fn(T) -> &'static str) -> Vec<&'static str> {
    values.iter().map(|value| as_str(*value)).collect()
}

/// An object that has these fields and no others; those after `optional` may be missing.
pub(super) fn object(description: &str, required: Value, optional: Value) -> Value {
    let (Value::Object(mut fields), Value::Object(optional)) = (required, optional) else {
        unreachable!("fields are objects")
    };
    let names: Vec<String> = fields.keys().cloned().collect();
    fields.extend(optional);
    json!({
        "type": "object", "description": description, "properties": fields, "required": names,
        "additionalProperties": false,
    })
}

fn or_null(name: &str) -> Value {
    json!({ "anyOf": [schema(name), { "type": "null" }] })
}

/// The same schema with words of its own beside it.
pub(super) fn described(name: &str, description: &str) -> Value {
    json!({ "allOf": [schema(name)], "description": description })
}

fn count(description: &str) -> Value {
    json!({ "type": "integer", "format": "int64", "minimum": 0, "description": description })
}

fn nanoseconds(description: &str) -> Value {
    json!({ "type": "integer", "format": "int64", "minimum": 0, "description": format!("{description}, in nanoseconds") })
}

fn basics() -> Value {
    json!({
        "Decimal": {
            "type": "string", "format": "decimal", "pattern": "^-?[0-9]+(\\.[0-9]+)?$", "examples": ["42000.5"],
            "description": "An exact decimal as text, without trailing zeros: prices in the quote asset for one unit of the \
    base asset, quantities in the base asset"
        },
        "DecimalInput": {
            "description": "A decimal above zero, of at most 18 digits, and at most 18 after the point: as text, or as a JSON \
    number, which is read exactly from its text",
            "anyOf": [
                {
                    "type": "string", "format": "decimal", "maxLength": 64, "examples": ["0.5"],
                    "pattern": "^(0*[1-9][0-9]*(\\.[0-9]+)?|0+\\.0*[1-9][0-9]*)([eE][+-]?[0-9]{1,4})?$"
                },
                { "type": "number", "minimum": 1e-18, "exclusiveMaximum": 1e18 }
            ]
        },
        "Symbol": {
            "type": "string", "pattern": "^[A-Za-z0-9._/-]{1,31}$", "examples": ["BTC/USDT"],
            "description": "Base and quote asset; in paths and queries written BTC-USDT"
        },
        "ClientOrderId": {
            "type": "string", "pattern": "^[A-Za-z0-9._:-]{1,64}$", "examples": ["my-1"],
            "description": "The client's name for its order, unique in its account for the life of the journal: to send the \
    same order again never executes it twice (FIX 11)"
        },
        "Moment": {
            "type": "string", "format": "date-time", "examples": ["2026-01-01T00:00:00.000000001Z"],
            "description": "A moment in UTC, RFC 3339, to the nanosecond"
        },
        "Side": { "type": "string", "enum": words(Side::ALL, Side::as_str), "description": "FIX 54" },
        "OrderType": { "type": "string", "enum": words(OrderType::ALL, OrderType::as_str), "description": "FIX 40" },
        "TimeInForce": {
            "type": "string", "enum": words(TimeInForce::ALL, TimeInForce::as_str),
            "description": "How long an order works (FIX 59): `gtc` unless it says otherwise; a market order is always `ioc`"
        },
        "Status": { "type": "string", "enum": words(&Status::ALL, Status::as_str), "description": "Where an order is (FIX 39)" },
        "Code": {
            "type": "string", "enum": words(Code::ALL, Code::as_str),
            "description": "Why an order was refused, or ended without its owner asking"
        },
        "Outcome": {
            "type": "string", "enum": ["not_accepted", "accepted", "unknown"],
            "description": "What is certain: nothing of the request was or will be executed; it was executed as far as it could \
    be; or it may be executed yet: ask"
        },
    })
}

/// The fields of an order; `type` is `order_type` in executions.
fn orders() -> Value {
    let fields = json!({
        "order_id": count("The venue's number for it (FIX 37)"),
        "client_order_id": or_null("ClientOrderId"),
        "account": { "type": "string" },
        "symbol": schema("Symbol"), "side": schema("Side"), "type": schema("OrderType"),
        "time_in_force": schema("TimeInForce"),
        "quantity": schema("Decimal"), "price": or_null("Decimal"), "trigger_price": or_null("Decimal"),
        "status": schema("Status"),
        "cum_qty": described("Decimal", "How much has traded, in the base asset (FIX 14)"),
        "leaves_qty": described("Decimal", "How much may trade yet, in the base asset; 0 once ended (FIX 151)"),
        "avg_price": or_null("Decimal"),
        "code": or_null("Code"),
        "reason": { "type": ["string", "null"], "description": "The code as a sentence" },
        "created_at": schema("Moment"), "updated_at": schema("Moment"),
    });
    let expire_at = json!({ "expire_at": described("Moment", "Of `gtd` and `day` orders only") });
    let mut replaced = fields.clone();
    if let Some(replaced) = replaced.as_object_mut() {
        let words = words(Priority::ALL, Priority::as_str);
        replaced
            .insert("priority".to_owned(), json!({ "type": "string", "enum": words, "description": "Its place in line" }));
    }
    json!({
        "Order": object("An order as it is now", fields, expire_at.clone()),
        "ReplacedOrder": object("An order with its new terms", replaced, expire_at),
        "QueuedOrder": object("An order that is queued, and no more", json!({
            "client_order_id": schema("ClientOrderId"), "outcome": schema("Outcome"),
        }), json!({})),
        "BatchItem": { "anyOf": [schema("Order"), schema("Problem")] },
        "Validated": object("Nothing is wrong with it that can be seen beforehand", json!({ "valid": { "const": true } }), json!({})),
        "Canceled": object("How many orders were canceled", json!({ "canceled": count("Orders") }), json!({})),
        "CancelAfter": object("The switch as it is set", json!({ "timeout_ms": count("In milliseconds; 0: disarmed") }), json!({})),
    })
}

fn executions() -> Value {
    json!({
        "Execution": object(
            "One thing that happened to an order; the same bytes as the stream's",
            json!({
                "channel": { "const": "executions" },
                "seq": count("Its number in the account: 1, 2, 3, … without a gap, for ever"),
                "exec_id": count("Its number in the venue (FIX 17)"),
                "type": { "type": "string", "enum": words(ExecutionType::ALL, ExecutionType::as_str) },
                "order_id": count("FIX 37"),
                "client_order_id": or_null("ClientOrderId"), "account": { "type": "string" },
                "symbol": schema("Symbol"), "side": schema("Side"), "order_type": schema("OrderType"),
                "status": schema("Status"), "quantity": schema("Decimal"),
                "cum_qty": schema("Decimal"), "leaves_qty": schema("Decimal"), "avg_price": or_null("Decimal"),
                "last_qty": or_null("Decimal"), "last_price": or_null("Decimal"),
                "liquidity": { "anyOf": [
                    { "type": "string", "enum": words(Liquidity::ALL, Liquidity::as_str) }, { "type": "null" }
                ] },
                "trade_id": { "type": ["integer", "null"] },
                "fee": or_null("Decimal"), "fee_asset": { "type": ["string", "null"] },
                "code": or_null("Code"), "reason": { "type": ["string", "null"] }, "ts": schema("Moment"),
            }),
            json!({
                "time_in_force": schema("TimeInForce"), "price": or_null("Decimal"), "trigger_price": or_null("Decimal"),
                "expire_at": or_null("Moment"),
            }),
        ),
        "ExecutionEvent": {
            "type": "object", "required": ["id", "data"], "description": "An event of a stream of events",
            "properties": {
                "id": { "type": "string", "description": "The execution's `seq`" },
                "data": { "type": "string", "contentMediaType": "application/json", "contentSchema": schema("Execution") },
            },
        },
        "ExecutionsPage": object("Executions in order", json!({
            "executions": array_of("Execution"), "next_seq": count("Where the next page begins"),
        }), json!({})),
        "Balance": object("What an account has of an asset", json!({
            "asset": { "type": "string" },
            "free": described("Decimal", "What it may spend"),
            "held": described("Decimal", "What its open orders can cost"),
        }), json!({})),
        "Account": object("An account", json!({
            "account": { "type": ["string", "null"] }, "open_orders": count("Orders that may trade yet"),
            "balances": array_of("Balance"),
        }), json!({})),
    })
}

fn market() -> Value {
    let level = json!({
        "type": "array", "prefixItems": [schema("Decimal"), or_null("Decimal")], "minItems": 2, "maxItems": 2,
        "description": "Price and quantity; a quantity of null is any amount",
    });
    let sides = json!({ "bid": or_null("Decimal"), "bid_size": or_null("Decimal"), "ask": or_null("Decimal"), "ask_size": or_null("Decimal") });
    let (mut best, mut exchange) = (sides.clone(), sides);
    if let (Some(best), Some(exchange)) = (best.as_object_mut(), exchange.as_object_mut()) {
        best.insert("bid_exchange".to_owned(), json!({ "type": ["string", "null"] }));
        best.insert("ask_exchange".to_owned(), json!({ "type": ["string", "null"] }));
        exchange.insert("exchange".to_owned(), json!({ "type": "string" }));
        exchange.insert("age_ms".to_owned(), count("Milliseconds since it said so"));
        exchange.insert(
            "stale".to_owned(),
            json!({ "type": "boolean", "description": "Whether that is too long ago to count" }),
        );
    }
    json!({
        "Instrument": object("What may be traded, and its rules; a limit of 0 is none", json!({
            "symbol": schema("Symbol"), "base": { "type": "string" }, "quote": { "type": "string" },
            "tick_size": schema("Decimal"), "lot_size": schema("Decimal"), "min_quantity": schema("Decimal"),
            "max_quantity": schema("Decimal"), "min_notional": schema("Decimal"),
            "price_band": described("Decimal", "How far from the reference a limit may be, in percent"),
            "max_open_orders": count("Of one account"),
            "unmarketable": { "type": "string", "enum": words(Unmarketable::ALL, Unmarketable::as_str) },
            "sources": { "type": "array", "items": { "type": "string" } }, "reference_price": or_null("Decimal"),
            "maker_fee_bps": described("Decimal", "In basis points"), "taker_fee_bps": described("Decimal", "In basis points"),
            "fee_asset": { "type": "string", "enum": words(FeeAsset::ALL, FeeAsset::as_str) },
            "halted": { "type": "boolean", "description": "Whether it takes no new orders" },
        }), json!({})),
        "Level": level,
        "Book": object("Levels, best first", json!({
            "symbol": schema("Symbol"), "seq": count("The number of the book's last change"),
            "bids": array_of("Level"), "asks": array_of("Level"),
        }), json!({})),
        "Trade": object("A trade, in public", json!({
            "trade_id": count("Its number"), "price": schema("Decimal"), "quantity": schema("Decimal"),
            "taker_side": schema("Side"), "ts": schema("Moment"),
        }), json!({})),
        "BestQuote": object("The best bid and ask of all exchanges; a size of null is any amount", best, json!({})),
        "ExchangeQuote": object("What one exchange says; a size of null is any amount", exchange, json!({})),
        "Quotes": object("One symbol over all exchanges", json!({
            "symbol": schema("Symbol"), "best": schema("BestQuote"), "spread": or_null("Decimal"),
            "crossed": { "type": "boolean", "description": "Whether the best bid is above the best ask" },
            "arbitrage_bps": described("Decimal", "What buying at the best ask and selling at the best bid gains before fees, in basis points"),
            "exchanges": array_of("ExchangeQuote"),
        }), json!({})),
        "Applied": object("It is done", json!({}), json!({})),
        "Halted": object("An instrument, and whether it takes new orders", json!({
            "symbol": schema("Symbol"), "halted": { "type": "boolean" },
        }), json!({})),
    })
}

fn venue() -> Value {
    let capacity = json!({ "type": ["integer", "null"], "description": "Requests it may hold; null: only the newest of each kind waits" });
    json!({
        "Lane": object("A lane of the queue; sent = received + depth", json!({
            "capacity": capacity, "depth": count("Requests queued and not yet executed"), "sent": count("Requests queued"),
            "received": count("Requests executed"), "dropped": count("Requests refused because the lane was full"),
            "wait_ns_p50": nanoseconds("Half waited at most so long"), "wait_ns_p99": nanoseconds("99 in 100 waited at most so long"),
            "wait_ns_max": nanoseconds("The longest wait"),
        }), json!({})),
        "Queue": object("The queue by lane", json!({
            "orders": schema("Lane"), "cancels": schema("Lane"), "quotes": schema("Lane"),
        }), json!({})),
        "Probe": object("How it is", json!({ "status": { "type": "string", "enum": ["live", "ready"] } }), json!({})),
    })
}

fn problems() -> Value {
    let mut all: Vec<&str> = codes::CODES.to_vec();
    all.extend(words(Code::ALL, Code::as_str));
    all.sort_unstable();
    all.dedup();
    json!({
        "FieldError": object("One thing that is wrong", json!({
            "field": { "type": "string" }, "message": { "type": "string" },
        }), json!({})),
        "Problem": object(
            "An error (RFC 9457)",
            json!({
                "type": { "type": "string", "format": "uri", "examples": ["urn:openoutcry:problem:queue_full"] },
                "title": { "type": "string" },
                "status": { "type": "integer", "minimum": 400, "maximum": 599 }, "detail": { "type": "string" },
                "code": { "type": "string", "enum": all, "description": "What programs act on" },
                "outcome": schema("Outcome"),
            }),
            json!({
                "errors": array_of("FieldError"), "order": schema("Order"), "client_order_id": schema("ClientOrderId"),
                "oldest_seq": count("The oldest execution that is kept"),
                "last_seq": count("The last execution that there is"),
                "retry_after_ms": count("When to ask again, in milliseconds"),
            }),
        ),
    })
}
