//! One call of the API, put together piece by piece.

use serde_json::{Map, Value, json};

/// A call: a method of a path, what it takes and what it answers.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) path: &'static str,
    pub(super) method: &'static str,
    value: Map<String, Value>,
}

/// Whether callers need keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keys {
    Needed,
    NotNeeded,
}

/// A call that nobody needs a key for.
pub(super) fn call(method: &'static str, path: &'static str, id: &str, tag: &str, summary: &str) -> Operation {
    let Value::Object(value) = json!({
        "operationId": id, "tags": [tag], "summary": summary, "parameters": [], "responses": {}, "security": []
    }) else {
        unreachable!("that is an object")
    };
    let operation = Operation { path, method, value };
    // Any path and query may be too long, and any server may fail.
    let operation = operation.problem(414, &["url_too_long"]).problem(500, &["internal"]).problem(429, &["rate_limited"]);
    if method == "get" { operation } else { operation.problem(403, &["foreign_origin"]) }
}

/// The schema of that name.
pub(super) fn schema(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// An array of what the schema of that name describes.
pub(super) fn array_of(name: &str) -> Value {
    json!({ "type": "array", "items": schema(name) })
}

/// A whole number, as queries and paths have it.
pub(super) fn whole() -> Value {
    json!({ "type": "integer", "format": "uint64", "minimum": 0, "maximum": u64::MAX })
}

/// A count that need not be said: one that is too large is as good as the largest.
pub(super) fn with_default(default: u64) -> Value {
    json!({ "type": "integer", "minimum": 0, "default": default })
}

impl Operation {
    /// The call as the document has it.
    pub(super) fn into_value(mut self, keys: Keys) -> Value {
        if keys == Keys::NotNeeded {
            self.value.insert("security".to_owned(), json!([]));
        }
        Value::Object(self.value)
    }

    pub(super) fn about(mut self, description: &str) -> Self {
        self.value.insert("description".to_owned(), description.into());
        self
    }

    /// In `keys` mode the caller's key must have this scope.
    pub(super) fn needs(mut self, scope: &str) -> Self {
        self.value.insert("security".to_owned(), json!([{ "key": [] }]));
        self.value.insert("x-scope".to_owned(), scope.into());
        self.problem(401, &["unauthorized"]).problem(403, &["missing_scope"])
    }

    /// A parameter by a reference to those that are shared, or in full.
    pub(super) fn takes(mut self, parameter: Value) -> Self {
        if let Some(Value::Array(parameters)) = self.value.get_mut("parameters") {
            parameters.push(parameter);
        }
        self
    }

    /// A parameter that several calls have.
    pub(super) fn takes_shared(self, name: &str) -> Self {
        self.takes(json!({ "$ref": format!("#/components/parameters/{name}") }))
    }

    /// A query parameter; some are wrong, and none may be unknown.
    pub(super) fn query(self, name: &str, description: &str, schema: Value) -> Self {
        self.takes(json!({ "name": name, "in": "query", "description": description, "schema": schema }))
            .problem(400, &["invalid_query"])
    }

    /// A JSON body with examples that a venue of default settings accepts.
    pub(super) fn body(mut self, schema: Value, examples: Value) -> Self {
        self.value.insert(
            "requestBody".to_owned(),
            json!({ "required": true, "content": { "application/json": { "schema": schema, "examples": examples } } }),
        );
        self.problem(400, &["invalid_json", "invalid_request", "broken_body"])
            .problem(408, &["body_timeout"])
            .problem(413, &["too_large"])
            .problem(415, &["unsupported_media_type"])
            .problem(422, &["invalid"])
    }

    /// A good answer in JSON.
    pub(super) fn answers(self, status: u16, description: &str, schema: Value) -> Self {
        self.answers_as(status, description, "application/json", schema)
    }

    /// A good answer of another type.
    pub(super) fn answers_as(mut self, status: u16, description: &str, content_type: &str, schema: Value) -> Self {
        let mut content = Map::new();
        content.insert(content_type.to_owned(), json!({ "schema": schema }));
        let answer = json!({ "description": description, "headers": limit_headers(), "content": content });
        self.responses().insert(status.to_string(), answer);
        self
    }

    /// A good answer without a body.
    pub(super) fn answers_nothing(mut self, status: u16, description: &str) -> Self {
        self.responses().insert(status.to_string(), json!({ "description": description }));
        self
    }

    /// A header of the answers of that status.
    pub(super) fn header(mut self, status: u16, name: &str) -> Self {
        if let Some(answer) = self.responses().get_mut(&status.to_string()).and_then(Value::as_object_mut)
            && let Some(headers) = answer.entry("headers").or_insert_with(|| json!({})).as_object_mut()
        {
            headers.insert(name.to_owned(), header(name));
        }
        self
    }

    /// The calls that take a field of that answer's body as their parameter of the same name.
    pub(super) fn links(mut self, status: u16, field: &str, calls: &[&str]) -> Self {
        if let Some(answer) = self.responses().get_mut(&status.to_string()).and_then(Value::as_object_mut)
            && let Some(links) = answer.entry("links").or_insert_with(|| json!({})).as_object_mut()
        {
            let parameter = json!({ field: format!("$response.body#/{field}") });
            let link = |call: &&str| ((*call).to_owned(), json!({ "operationId": call, "parameters": parameter }));
            links.extend(calls.iter().map(link));
        }
        self
    }

    /// Problems of that status, by their codes; those of several calls add up.
    pub(super) fn problem(mut self, status: u16, codes: &[&str]) -> Self {
        let answer = self.responses().entry(status.to_string()).or_insert_with(|| {
            let mut headers = limit_headers();
            let more: &[&str] = match status {
                401 | 403 => &["WWW-Authenticate"],
                429 | 503 => &["Retry-After"],
                _ => &[],
            };
            if let Some(headers) = headers.as_object_mut() {
                headers.extend(more.iter().map(|name| ((*name).to_owned(), header(name))));
            }
            json!({
                "description": "", "headers": headers, "x-codes": [],
                "content": { "application/problem+json": { "schema": schema("Problem") } },
            })
        });
        if let Some(known) = answer.get_mut("x-codes").and_then(Value::as_array_mut) {
            known.extend(codes.iter().map(|code| Value::from(*code)));
            let all: Vec<&str> = known.iter().filter_map(Value::as_str).collect();
            let description = format!("A problem with the code {}", all.join(", "));
            if let Some(answer) = answer.as_object_mut() {
                answer.insert("description".to_owned(), description.into());
            }
        }
        self
    }

    /// The answers of what goes through the queue.
    pub(super) fn queued(self) -> Self {
        self.problem(503, &["queue_full", "shutting_down", "journal_failed"]).problem(504, &["timeout"])
    }

    fn responses(&mut self) -> &mut Map<String, Value> {
        let responses = self.value.entry("responses").or_insert_with(|| json!({}));
        responses.as_object_mut().expect("it is made as an object, and nothing else replaces it")
    }
}

fn header(name: &str) -> Value {
    json!({ "$ref": format!("#/components/headers/{name}") })
}

fn limit_headers() -> Value {
    json!({ "RateLimit": header("RateLimit"), "RateLimit-Policy": header("RateLimit-Policy") })
}
