//! `GET /openapi.json` and `GET /docs`: what they promise is what the server does.

use jsonschema::Validator;
use reqwest::Method;
use serde_json::{Value, json};

use crate::venue::{Answer, Venue, limit, market, with};

/// A document, and what it says of answers.
struct Document(Value);

impl Document {
    async fn of(venue: &Venue) -> Self {
        let answer = venue.get("/openapi.json").await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
        assert_eq!(answer.body["openapi"], "3.1.0");
        Self(answer.body)
    }

    /// Every call: its path, method and what is said of it.
    fn calls(&self) -> impl Iterator<Item = (&str, &str, &Value)> {
        let paths = self.0["paths"].as_object().unwrap().iter();
        paths.flat_map(|(path, calls)| {
            calls.as_object().unwrap().iter().map(move |(method, call)| (path.as_str(), method.as_str(), call))
        })
    }

    /// Checks that an answer is one that the document has.
    #[track_caller]
    fn check(&self, method: &str, path: &str, answer: &Answer) {
        let documented = &self.0["paths"][path][method]["responses"][answer.status.to_string()];
        assert!(documented.is_object(), "{method} {path} answered {}: {}", answer.status, answer.text);
        let content_type = answer.header("content-type").unwrap_or_default();
        let essence = content_type.split(';').next().unwrap();
        let content = documented["content"].as_object().unwrap();
        let (_, content) = content.iter().find(|(name, _)| name.starts_with(essence)).expect(content_type);
        let mut schema = json!({ "components": self.0["components"] });
        schema["allOf"] = json!([content["schema"]]);
        let validator: Validator = jsonschema::draft202012::new(&schema).unwrap();
        let faults: Vec<String> =
            validator.iter_errors(&answer.body).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
        assert!(faults.is_empty(), "{method} {path}: {faults:?} in {}", answer.text);
        if essence == "application/problem+json" {
            let codes = documented["x-codes"].as_array().unwrap();
            assert!(codes.contains(&answer.body["code"]), "{method} {path}: {}", answer.text);
        }
    }
}

/// A path with something in its parameters.
fn filled(path: &str) -> String {
    path.replace("{symbol}", "BTC-USDT")
        .replace("{name}", "default")
        .replace("{order_id}", "1")
        .replace("{client_order_id}", "my-1")
}

#[tokio::test]
async fn paths_have_the_methods_that_the_document_says() {
    let venue = Venue::spawn("").await;
    let document = Document::of(&venue).await;
    for (path, calls) in document.0["paths"].as_object().unwrap() {
        let answer = Answer::of(venue.request(Method::PUT, &filled(path))).await;
        answer.is_problem(405, "method_not_allowed");
        let allow = answer.header("allow").unwrap_or_else(|| panic!("{path}"));
        let mut allowed: Vec<String> =
            allow.split(',').map(|name| name.trim().to_lowercase()).filter(|name| name != "head").collect();
        allowed.sort();
        let documented: Vec<&String> = calls.as_object().unwrap().keys().collect();
        assert_eq!(allowed.iter().collect::<Vec<_>>(), documented, "{path}");
    }
}

#[tokio::test]
async fn every_example_is_accepted_and_answered_as_the_document_says() {
    let venue = Venue::spawn("").await;
    let document = Document::of(&venue).await;
    venue.placed(&limit("buy", "1", "41000")).await;
    venue.placed(&with(limit("buy", "1", "41000"), json!({ "client_order_id": "other" }))).await;
    let mut examples = 0;
    for (path, method, call) in document.calls() {
        for (name, example) in
            call["requestBody"]["content"]["application/json"]["examples"].as_object().into_iter().flatten()
        {
            let path_filled = filled(path).replace("my-1", "other");
            let request = venue.request(method.to_uppercase().parse().unwrap(), &path_filled);
            let answer = Answer::of(request.json(&example["value"])).await;
            assert!((200..300).contains(&answer.status), "{method} {path} {name}: {}", answer.text);
            document.check(method, path, &answer);
            examples += 1;
        }
    }
    assert!(examples >= 15, "{examples}");
}

#[tokio::test]
async fn answers_fit_their_schemas() {
    let venue = Venue::spawn("").await;
    let document = Document::of(&venue).await;
    let place = async |order: Value| document.check("post", "/orders", &venue.place(&order).await);
    place(with(limit("buy", "1", "41000"), json!({ "client_order_id": "my-1" }))).await;
    place(with(limit("buy", "1", "41000"), json!({ "client_order_id": "my-1" }))).await;
    place(with(limit("buy", "2", "41000"), json!({ "client_order_id": "my-1" }))).await;
    place(market("sell", "0.25")).await;
    place(with(limit("sell", "1", "43000"), json!({ "time_in_force": "day" }))).await;
    place(with(market("buy", "1"), json!({ "symbol": "DOGE/USDT" }))).await;
    place(limit("hold", "0", "x")).await;
    place(json!({ "colour": "red" })).await;
    let asynchronous = with(limit("buy", "1", "41000"), json!({ "client_order_id": "later" }));
    let asynchronous = venue.request(Method::POST, "/orders").header("prefer", "respond-async").json(&asynchronous);
    document.check("post", "/orders", &Answer::of(asynchronous).await);
    let batch = json!([limit("buy", "1", "40000"), limit("buy", "-1", "40000"), market("buy", "1000000000")]);
    document.check("post", "/orders/batch", &venue.post("/orders/batch", &batch).await);
    let (order, by_client_id) = ("/orders/{order_id}", "/orders/by-client-id/{client_order_id}");
    for terms in [json!({ "quantity": "0.5" }), json!({ "price": "0.001" }), json!({})] {
        document.check("patch", order, &venue.patch("/orders/1", &terms).await);
    }
    for _ in 0..2 {
        document.check("delete", by_client_id, &venue.delete("/orders/by-client-id/my-1").await);
        document.check("patch", by_client_id, &venue.patch("/orders/by-client-id/my-1", &json!({ "price": "1" })).await);
    }
    document.check("delete", order, &venue.delete("/orders/99").await);
    document.check("post", "/quotes", &venue.post("/quotes", &json!({ "exchange": "x" })).await);
    for path in [
        "/orders?status=all",
        "/orders?status=no",
        "/executions?from_seq=1",
        "/executions?limit=x",
        "/executions?from_seq=999",
    ] {
        document.check("get", path.split('?').next().unwrap(), &venue.get(path).await);
    }
    document.check("get", "/book/{symbol}", &venue.get("/book/DOGE-USDT").await);
    document.check("get", "/stream", &venue.get("/stream").await);
    // What a call without a body and without an end answers as it is.
    for (path, method, _) in document.calls().filter(|(path, ..)| !["/executions/stream", "/stream"].contains(path)) {
        if method != "get" {
            continue;
        }
        let answer = venue.get(&filled(path)).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        if answer.header("content-type") == Some("application/json") {
            document.check(method, path, &answer);
        }
    }
    document.check("delete", "/orders", &venue.delete("/orders?side=buy").await);
    document.check("delete", "/orders", &venue.delete("/orders?side=both").await);
}

#[tokio::test]
async fn an_order_fits_its_schema_exactly_where_the_venue_finds_no_fault_with_its_fields() {
    let venue = Venue::spawn("").await;
    let document = Document::of(&venue).await.0;
    let schema =
        |name: &str| json!({ "components": document["components"], "$ref": format!("#/components/schemas/{name}") });
    let [place, replace] =
        ["PlaceRequest", "ReplaceRequest"].map(|name| jsonschema::draft202012::new(&schema(name)).unwrap());
    let more = [
        json!({}),
        json!({ "time_in_force": null, "post_only": false, "trigger_by": null }),
        json!({ "time_in_force": "gtc" }),
        json!({ "time_in_force": "ioc", "post_only": true }),
        json!({ "time_in_force": "fok" }),
        json!({ "time_in_force": "day", "post_only": true }),
        json!({ "time_in_force": "gtd" }),
        json!({ "expire_at": "2100-01-01T00:00:00Z" }),
        json!({ "time_in_force": "gtd", "expire_at": "2100-01-01T00:00:00Z", "post_only": true }),
        json!({ "time_in_force": "gtd", "expire_at": "2500-01-01T00:00:00Z" }),
        json!({ "post_only": true }),
        json!({ "trigger_by": "last" }),
        json!({ "price": "41000" }),
        json!({ "price": "0" }),
        json!({ "price": "4.1e4", "trigger_price": 41_000 }),
        json!({ "trigger_price": "41000.0" }),
        json!({ "trigger_price": "41000", "price": null }),
    ];
    let mut fits = 0;
    for order_type in ["market", "limit", "stop_loss", "stop_limit"] {
        for (first, second) in more.iter().flat_map(|first| more.iter().map(move |second| (first, second))) {
            let order = with(with(market("buy", "1"), first.clone()), second.clone());
            let order = with(order, json!({ "type": order_type }));
            let answer = venue.post("/orders/validate", &order).await;
            assert!(answer.status == 200 || answer.body["code"] == "invalid", "{order}: {}", answer.text);
            assert_eq!(place.is_valid(&order), answer.status == 200, "{order}: {}", answer.text);
            fits += usize::from(answer.status == 200);
        }
    }
    assert!(fits > 50, "{fits}");
    let order = venue.placed(&limit("buy", "1", "41000")).await;
    for terms in more.iter().filter(|terms| terms["time_in_force"].is_null() && terms["expire_at"].is_null()) {
        let answer = venue.patch(&format!("/orders/{}", order["order_id"]), terms).await;
        let faulty = answer.status == 400 || answer.body["code"] == "invalid";
        assert_eq!(replace.is_valid(terms), !faulty, "{terms}: {}", answer.text);
    }
}

#[tokio::test]
async fn whole_numbers_and_the_first_execution_may_be_written_in_more_ways_than_one() {
    let venue = Venue::spawn("").await;
    for (text, ms) in [("1000", 1_000), ("1000.0", 1_000), ("1e3", 1_000), ("0.0", 0)] {
        let request = venue.request(Method::POST, "/orders/cancel-after").header("content-type", "application/json");
        let answer = Answer::of(request.body(format!(r#"{{"timeout_ms":{text}}}"#))).await;
        assert_eq!((answer.status, &answer.body["timeout_ms"]), (200, &json!(ms)), "{}", answer.text);
    }
    for text in [json!(1.5), json!("1000"), json!(-1), json!(null)] {
        venue.post("/orders/cancel-after", &json!({ "timeout_ms": text })).await.is_problem(400, "invalid_request");
    }
    venue.placed(&market("buy", "1")).await;
    assert_eq!(venue.get("/executions?from_seq=0").await.text, venue.get("/executions?from_seq=1").await.text);
    let mut stream = venue.stream("?from_seq=0").await;
    assert_eq!(stream.next().await["seq"], 1);
}

#[tokio::test]
async fn the_page_asks_nobody_else_for_anything() {
    let venue = Venue::spawn("").await;
    let page = venue.get("/docs").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
    for elsewhere in ["http://", "https://", "src=\"//", "href=\"//"] {
        assert!(!page.text.contains(elsewhere), "{elsewhere}");
    }
}
