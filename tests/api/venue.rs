//! A venue to test against: on port 0, in this process, of defaults with a few keys laid over them.

use std::{net::SocketAddr, time::Duration};

use openoutcry::{
    app::App,
    config::{Config, JournalMode},
    venue::Settings,
};
use reqwest::{
    Method, RequestBuilder,
    header::{self, HeaderMap},
};
use serde_json::{Value, json};
use tokio::{sync::oneshot, task::JoinHandle, time::timeout};

use crate::socket::Socket;

/// How long anything may take: a bound on failures, never a wait.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A venue in this process. Its server ends with the test's runtime, or in order by [`Venue::stop`].
pub(crate) struct Venue {
    pub(crate) addr: SocketAddr,
    client: reqwest::Client,
    shutdown: Option<oneshot::Sender<()>>,
    ended: JoinHandle<anyhow::Result<()>>,
}

impl Venue {
    /// Starts a venue whose configuration is `toml` over the defaults, without feeds unless `toml` names some, and in
    /// memory unless it speaks of a journal.
    pub(crate) async fn spawn(toml: &str) -> Self {
        Self::spawn_with(toml, &Settings::default()).await
    }

    /// The same, with settings that nobody configures.
    pub(crate) async fn spawn_with(toml: &str, settings: &Settings) -> Self {
        let mut config = Config::from_text("the test's configuration", toml).unwrap();
        config.server.listen = "127.0.0.1:0".parse().unwrap();
        if !toml.contains("[journal]") {
            config.journal.mode = JournalMode::None;
        }
        if !toml.contains("[[feeds]]") {
            config.feeds.clear();
        }
        let app = App::build_with(&config, settings).await.unwrap();
        let addr = app.addr();
        let (shutdown, shut_down) = oneshot::channel();
        let ended = tokio::spawn(app.run(async {
            if shut_down.await.is_err() {
                // The test did not ask for a shutdown.
                std::future::pending::<()>().await;
            }
        }));
        Self { addr, client: client(), shutdown: Some(shutdown), ended }
    }

    /// Tells the venue to shut down, without waiting for it.
    pub(crate) fn shut_down(&mut self) {
        self.shutdown.take().unwrap().send(()).unwrap();
    }

    /// Waits for the venue's end.
    pub(crate) async fn ended(self) -> anyhow::Result<()> {
        timeout(PATIENCE, self.ended).await.unwrap().unwrap()
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.addr))
    }

    /// A request with a key.
    pub(crate) async fn with_key(&self, key: &str, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let request = self.request(method, path).bearer_auth(key);
        Answer::of(match body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::DELETE, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::PATCH, path).json(body)).await
    }

    pub(crate) async fn place(&self, order: &Value) -> Answer {
        self.post("/orders", order).await
    }

    /// Places an order that the venue takes; the order as answered.
    pub(crate) async fn placed(&self, order: &Value) -> Value {
        let answer = self.place(order).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.body
    }

    /// Moves a book by hand.
    pub(crate) async fn quote(&self, quote: &Value) {
        let answer = self.post("/quotes", quote).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }

    /// Connects to `/stream`, `query` with its question mark, and takes the hello.
    pub(crate) async fn stream(&self, query: &str) -> Socket {
        let mut socket = Socket::connect(self.addr, query).await;
        let hello = socket.next().await;
        assert_eq!(hello["type"], "hello", "{hello}");
        socket
    }
}

/// An HTTP client that goes straight to its target.
pub(crate) fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap()
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    /// The body; null if it is no JSON.
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or_default();
        Self { status, headers, text, body }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Checks that this is a whole problem with this status and code, and that nothing was accepted.
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16, code: &str) {
        self.is_problem_with(status, code, "not_accepted");
    }

    #[track_caller]
    pub(crate) fn is_problem_with(&self, status: u16, code: &str, outcome: &str) {
        let found = (self.status, self.body["code"].as_str(), self.body["outcome"].as_str());
        assert_eq!(found, (status, Some(code), Some(outcome)), "{}", self.text);
        assert_eq!(self.header(header::CONTENT_TYPE.as_str()), Some("application/problem+json"));
        assert_eq!(self.body["status"], status);
        for field in ["type", "title", "detail"] {
            assert!(self.body[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {}", self.text);
        }
    }
}

/// A market order for BTC/USDT.
pub(crate) fn market(side: &str, quantity: &str) -> Value {
    json!({ "symbol": "BTC/USDT", "side": side, "type": "market", "quantity": quantity })
}

/// A limit order for BTC/USDT.
pub(crate) fn limit(side: &str, quantity: &str, price: &str) -> Value {
    json!({ "symbol": "BTC/USDT", "side": side, "type": "limit", "quantity": quantity, "price": price })
}

/// `order` with the fields of `more`.
pub(crate) fn with(mut order: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("fields are an object") };
    order.as_object_mut().unwrap().extend(more);
    order
}
