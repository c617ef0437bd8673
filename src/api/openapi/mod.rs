//! What the API is, for tools: an OpenAPI 3.1 document, and a page that shows it without asking anyone else for anything.
//!
//! The document is made once, from the code's own lists of words and codes. Requests are read from borrowed text and answers
//! are written by hand, so no derived schema could follow them; that it is true is checked against the running server: every
//! route is in it and nothing else, its examples are accepted, and answers fit their schemas.

mod calls;
mod operation;
mod requests;
mod schemas;

use std::sync::LazyLock;

use axum::{
    extract::State as Shared,
    http::header,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::{Access, State};
use operation::{Keys, whole, with_default};

/// The type of `GET /metrics`.
pub(super) const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// The page may run its own script and style, ask this venue, and no one else.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'sha256-kZLOEkmdgT83b+cn00ee2lkuDBWM0mP50TuUuqPymgo='; \
style-src 'sha256-Wdy0g8HM1TVUReUE8tvZ5CJHkTqr92ttn+pL0s++Lzo='; connect-src 'self'; img-src data:; \
base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static WITH_KEYS: LazyLock<Bytes> = LazyLock::new(|| document(Keys::Needed).to_string().into());
static WITHOUT_KEYS: LazyLock<Bytes> = LazyLock::new(|| document(Keys::NotNeeded).to_string().into());

/// `GET /openapi.json`
pub(super) async fn json(Shared(state): Shared<State>) -> Response {
    let document = match state.access {
        Access::Open(_) => &WITHOUT_KEYS,
        Access::Keys(_) => &WITH_KEYS,
    };
    ([(header::CONTENT_TYPE, "application/json")], Bytes::clone(document)).into_response()
}

/// `GET /docs`
pub(super) async fn page() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, PAGE_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, include_str!("page.html")).into_response()
}

/// The document of a venue that asks for keys, or does not.
fn document(keys: Keys) -> Value {
    let mut paths = Map::new();
    for call in calls::all() {
        let path = paths.entry(call.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(call.method.to_owned(), call.into_value(keys));
        }
    }
    let tag = |name: &str, description: &str| json!({ "name": name, "description": description });
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Open Outcry",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
            "description": "An order-execution venue. Decimals are text and exact; numbers are taken too. Moments are RFC 3339 in \
    UTC. Every error is a problem (RFC 9457) with a `code` for programs and an `outcome` that says whether the request was \
    accepted. A query parameter or JSON field that is not named here is an error.",
        },
        "servers": [{ "url": "/" }],
        "tags": [
            tag("Orders", "Place, change, cancel and show orders"),
            tag("Account", "Balances and executions"),
            tag("Market", "Instruments, books, trades, quotes"),
            tag("Admin", "Run the venue: with keys, of the scope `admin`"),
            tag("Venue", "How the venue is"),
        ],
        "paths": paths,
        "components": {
            "schemas": schemas::all(),
            "parameters": parameters(),
            "headers": headers(),
            "securitySchemes": { "key": {
                "type": "http", "scheme": "bearer",
                "description": "A key of an account, where `auth.mode` is `keys`; elsewhere none is asked for. Scopes: trade, read, admin",
            } },
        },
    })
}

fn parameters() -> Value {
    let symbol = json!({ "type": "string", "pattern": "^[A-Za-z0-9._-]{1,31}$" });
    let id = json!({ "$ref": "#/components/schemas/ClientOrderId" });
    json!({
        "Symbol": { "name": "symbol", "in": "path", "required": true, "example": "BTC-USDT", "schema": symbol },
        "SymbolFilter": { "name": "symbol", "in": "query", "description": "Only of this symbol, written BTC-USDT", "schema": symbol },
        "Symbols": {
            "name": "symbols", "in": "query", "description": "Symbols with commas between, written BTC-USDT; all if left out",
            "schema": { "type": "string" },
        },
        "Limit": {
            "name": "limit", "in": "query", "description": "How many; 1 to 1,000, and what is beyond is clamped",
            "schema": with_default(100),
        },
        "IdempotencyKey": {
            "name": "Idempotency-Key", "in": "header", "schema": id,
            "description": "The request's own name, so that sending it again does it once; of a new order, the same as `client_order_id`",
        },
        "Prefer": {
            "name": "Prefer", "in": "header", "schema": { "type": "string" },
            "description": "`respond-async`: answer 202 once the order is queued, and no more; needs a `client_order_id`",
        },
        "LastEventId": {
            "name": "Last-Event-ID", "in": "header", "schema": whole(),
            "description": "The `seq` of the last event that was seen; goes before `from_seq`",
        },
    })
}

fn headers() -> Value {
    let text = |description: &str| json!({ "description": description, "schema": { "type": "string" } });
    json!({
        "Location": text("Where the order is"),
        "Link": text("`rel=\"next\"`: the next page, if there is one"),
        "Idempotent-Replayed": text("`true`: this is the answer to an earlier request of the same id"),
        "Preference-Applied": text("`respond-async`"),
        "RateLimit": text("Where requests are limited: how many are left, and in how many seconds more are"),
        "RateLimit-Policy": text("Where requests are limited: how many, in a window of how many seconds"),
        "Retry-After": { "description": "When to ask again, in seconds", "schema": { "type": "integer", "minimum": 0 } },
        "WWW-Authenticate": text("Which credentials would do (RFC 6750)"),
        "Upgrade": text("`websocket`"),
    })
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn the_document_has_every_route_of_the_router_and_no_other() {
        let source = include_str!("../mod.rs");
        let routes = source.split(".route(\"").skip(1).map(|rest| rest.split('"').next().unwrap());
        let mut routes: Vec<String> = routes.map(str::to_owned).collect();
        routes.sort();
        let document = document(Keys::Needed);
        let mut paths: Vec<String> = document["paths"].as_object().unwrap().keys().cloned().collect();
        paths.sort();
        assert!(routes.len() > 20);
        assert_eq!(routes, paths);
    }

    /// Standard base64 (RFC 4648, section 4).
    fn base64(bytes: &[u8]) -> String {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for chunk in bytes.chunks(3) {
            let bits = (0..3).fold(0, |bits, at| bits << 8 | u32::from(*chunk.get(at).unwrap_or(&0)));
            for at in 0..4 {
                let sextet = (bits >> (18 - 6 * at) & 63) as usize;
                text.push(if at > chunk.len() { '=' } else { char::from(alphabet[sextet]) });
            }
        }
        text
    }

    #[test]
    fn the_page_may_run_what_is_in_it() {
        let page = include_str!("page.html");
        for (tag, directive) in [("script", "script-src"), ("style", "style-src")] {
            let inside = page.split(&format!("<{tag}>")).nth(1).unwrap().split(&format!("</{tag}>")).next().unwrap();
            let hash = base64(&Sha256::digest(inside));
            let wanted = format!("{directive} 'sha256-{hash}'");
            assert!(PAGE_POLICY.contains(&wanted), "the page has changed: {wanted}");
        }
    }

    #[test]
    fn every_reference_and_every_code_of_the_document_exists() {
        let document = document(Keys::Needed);
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert!(document.pointer(reference).is_some(), "{reference}");
        }
        let answers = document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
        for answer in answers.flat_map(|call| call["responses"].as_object().unwrap().values()) {
            for code in answer["x-codes"].as_array().into_iter().flatten() {
                assert!(crate::api::codes::is_known(code.as_str().unwrap()), "{code}");
            }
        }
    }
}
