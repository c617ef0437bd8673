//! A WebSocket client that waits for what it is told to expect.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest, http::HeaderName},
};

use crate::venue::PATIENCE;

pub(crate) struct Socket(pub(crate) WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub(crate) async fn connect(addr: SocketAddr, query: &str) -> Self {
        let (stream, _) = timeout(PATIENCE, connect_async(format!("ws://{addr}/stream{query}"))).await.unwrap().unwrap();
        Self(stream)
    }

    /// Connects with one more header; the status of the answer if that is no socket.
    pub(crate) async fn connect_with(addr: SocketAddr, query: &str, header: (&str, &str)) -> Result<Self, u16> {
        let mut request = format!("ws://{addr}/stream{query}").into_client_request().unwrap();
        let name: HeaderName = header.0.parse().unwrap();
        request.headers_mut().insert(name, header.1.parse().unwrap());
        match timeout(PATIENCE, connect_async(request)).await.unwrap() {
            Ok((stream, _)) => Ok(Self(stream)),
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) async fn message(&mut self) -> Message {
        let message = timeout(PATIENCE, self.0.next()).await.expect("a message should have come by now");
        message.expect("the stream ended").unwrap()
    }

    /// The next text.
    pub(crate) async fn text(&mut self) -> String {
        match self.message().await {
            Message::Text(text) => text.to_string(),
            other => panic!("not a text: {other:?}"),
        }
    }

    /// The next frame.
    pub(crate) async fn next(&mut self) -> Value {
        let text = self.text().await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The next frame that is no heartbeat.
    pub(crate) async fn news(&mut self) -> Value {
        self.until(|frame| frame["type"] != "heartbeat").await
    }

    /// The first frame to come that is wanted; what comes before it is dropped.
    pub(crate) async fn until(&mut self, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        let mut dropped = Vec::new();
        // Heartbeats come for ever, so the wait has a bound as a whole.
        let found = timeout(PATIENCE, async {
            loop {
                let frame = self.next().await;
                if wanted(&frame) {
                    return frame;
                }
                dropped.push(frame);
            }
        });
        match found.await {
            Ok(frame) => frame,
            Err(_) => panic!("what is wanted has not come; this has: {dropped:#?}"),
        }
    }

    /// The next reply.
    pub(crate) async fn reply(&mut self) -> Value {
        self.until(|frame| frame["channel"] == "reply").await
    }

    pub(crate) async fn send(&mut self, message: &Value) {
        self.say(Message::text(message.to_string())).await;
    }

    pub(crate) async fn say(&mut self, message: Message) {
        timeout(PATIENCE, self.0.send(message)).await.unwrap().unwrap();
    }

    /// Sends a message and waits for its reply.
    pub(crate) async fn ask(&mut self, message: &Value) -> Value {
        self.send(message).await;
        self.reply().await
    }

    /// Reads to the close; its code and reason, and the texts before it.
    pub(crate) async fn closed(&mut self) -> (u16, String, Vec<String>) {
        let mut texts = Vec::new();
        let closed = timeout(PATIENCE, async {
            loop {
                match self.message().await {
                    Message::Text(text) => texts.push(text.to_string()),
                    Message::Close(Some(frame)) => return (frame.code.into(), frame.reason.to_string()),
                    Message::Close(None) => panic!("closed without a code"),
                    _ => {}
                }
            }
        });
        let (code, reason) = closed.await.expect("it should have been closed by now");
        (code, reason, texts)
    }
}
