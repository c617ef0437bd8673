//! What requests look like: what the venue takes, and no less.

use serde_json::{Map, Value, json};

use super::{
    operation::schema,
    schemas::{described, object, words},
};
use crate::domain::{OrderType, SelfTradePrevention, TriggerBy};

/// Every schema by name.
pub(super) fn all() -> Value {
    let decimal = |text: &str| described("DecimalInput", text);
    json!({
        "PlaceRequest": place_request(nullable(object(
            "A new order",
            json!({
                "symbol": schema("Symbol"), "side": schema("Side"), "type": schema("OrderType"),
                "quantity": decimal("How much, in the base asset; a multiple of the instrument's `lot_size`"),
            }),
            json!({
                "price": decimal("The limit, in the quote asset: of `limit` and `stop_limit` only, which need it; a multiple of `tick_size`"),
                "trigger_price": decimal("Of `stop_loss` and `stop_limit` only, which need it"),
                "trigger_by": {
                    "type": "string", "enum": words(TriggerBy::ALL, TriggerBy::as_str),
                    "description": "What a stop watches: the last trade, or the mid of the best quotes, which is the default where there are any"
                },
                "time_in_force": schema("TimeInForce"),
                "expire_at": {
                    "type": "string", "format": "date-time", "examples": ["2100-01-01T00:00:00Z"],
                    "pattern": "^(167[89]|16[89][0-9]|1[7-9][0-9]{2}|2[01][0-9]{2}|22[0-5][0-9]|226[01])-",
                    "description": "When a `gtd` order ends, RFC 3339, before 2262; needed for it, and of no other"
                },
                "client_order_id": schema("ClientOrderId"),
                "post_only": { "type": "boolean", "description": "Refused (`would_take`) rather than trade at once: of `limit` orders that may rest" },
                "stp": {
                    "type": "string", "enum": words(SelfTradePrevention::ALL, SelfTradePrevention::as_str),
                    "description": "What happens rather than that the account trades with itself; `none` unless said"
                },
            }),
        ))),
        "ReplaceRequest": nullable(json!({
            "type": "object", "additionalProperties": false, "anyOf": (["quantity", "price", "trigger_price"].map(given)),
            "description": "New terms; what is left out stays. Less quantity keeps the order's place in line, more or another price loses it",
            "properties": {
                "quantity": decimal("The new total, what has traded included; below that the rest is canceled"),
                "price": decimal("The new limit, in the quote asset"),
                "trigger_price": decimal("The new trigger, in the quote asset"),
            },
        })),
        "CancelAfterRequest": object("A dead man's switch", json!({
            "timeout_ms": {
                "type": "integer", "minimum": 0, "maximum": 86_400_000,
                "description": "All of the account's orders are canceled after so many milliseconds, unless this is sent again; 0 disarms"
            },
        }), json!({})),
        "TransferRequest": object("An amount of an asset", json!({
            "asset": { "type": "string", "pattern": "^[A-Za-z0-9._]{1,15}$", "description": "The asset, such as USDT" },
            "amount": decimal("How much of it"),
        }), json!({})),
        "QuoteRequest": nullable(object(
            "What an exchange bids and asks; it stands in the book until its next quote replaces it",
            json!({
                "exchange": { "type": "string", "pattern": "^[A-Za-z0-9._-]{1,31}$", "description": "Any name; `static` moves the reference price" },
                "symbol": schema("Symbol"),
                "bid": decimal("In the quote asset; not above `ask`"), "ask": decimal("In the quote asset"),
            }),
            json!({
                "bid_size": decimal("In the base asset; left out: any amount"),
                "ask_size": decimal("In the base asset; left out: any amount"),
            }),
        )),
    })
}

/// A new order by its type and how long it works: which fields it needs, and which of the others it may not have.
fn place_request(mut fields: Value) -> Value {
    use OrderType::{Limit, Market, StopLimit, StopLoss};
    const UNTIL: [&str; 2] = ["time_in_force", "expire_at"];
    let rests = || json!(["gtc", "day", null]);
    let until = || json!(["gtd"]);
    let variants = [
        variant(
            "market",
            Market,
            &[],
            &["price", "trigger_price", "trigger_by", "expire_at", "post_only"],
            json!(["ioc", null]),
        ),
        variant("limit", Limit, &["price"], &["trigger_price", "trigger_by", "expire_at"], rests()),
        variant(
            "limit, at once",
            Limit,
            &["price", "time_in_force"],
            &["trigger_price", "trigger_by", "expire_at", "post_only"],
            json!(["ioc", "fok"]),
        ),
        variant("limit, until", Limit, &["price", UNTIL[0], UNTIL[1]], &["trigger_price", "trigger_by"], until()),
        variant("stop_loss", StopLoss, &["trigger_price"], &["price", "expire_at", "post_only"], rests()),
        variant("stop_loss, until", StopLoss, &["trigger_price", UNTIL[0], UNTIL[1]], &["price", "post_only"], until()),
        variant(
            "stop_limit",
            StopLimit,
            &["price", "trigger_price"],
            &["expire_at", "post_only"],
            json!(["gtc", "ioc", "fok", "day", null]),
        ),
        variant("stop_limit, until", StopLimit, &["price", "trigger_price", UNTIL[0], UNTIL[1]], &["post_only"], until()),
    ];
    if let Some(fields) = fields.as_object_mut() {
        fields.insert("oneOf".to_owned(), Value::from(variants.to_vec()));
    }
    fields
}

/// That a field is there, and not null.
fn given(field: &str) -> Value {
    json!({ "required": [field], "properties": { field: { "not": { "type": "null" } } } })
}

/// A field that is left out may be null too, and `post_only` false.
fn variant(title: &str, order_type: OrderType, needs: &[&str], lacks: &[&str], times: Value) -> Value {
    let mut fields = Map::new();
    fields.extend(needs.iter().map(|name| ((*name).to_owned(), json!({ "not": { "type": "null" } }))));
    fields.extend(lacks.iter().map(|name| ((*name).to_owned(), json!({ "enum": [null, false] }))));
    fields.insert("type".to_owned(), json!({ "const": order_type.as_str() }));
    fields.insert("time_in_force".to_owned(), json!({ "enum": times }));
    json!({ "title": title, "required": needs, "properties": fields })
}

/// The same object, whose optional fields may be null too: as if they were left out.
fn nullable(mut object: Value) -> Value {
    let required: Vec<String> = object
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    let fields = object.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten();
    for (_, field) in fields.filter(|(name, _)| !required.contains(name)) {
        let description = field.as_object_mut().and_then(|field| field.remove("description"));
        *field = json!({ "anyOf": [field.take(), { "type": "null" }] });
        if let (Some(field), Some(description)) = (field.as_object_mut(), description) {
            field.insert("description".to_owned(), description);
        }
    }
    object
}
