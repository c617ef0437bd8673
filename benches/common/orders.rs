//! The orders of every load: market orders for BTC/USDT at the default configuration's reference price, each with a client
//! id of its own, so that each is executed at once, in two executions (`accepted`, `filled`).

use std::fmt::Write as _;

/// How many executions an order comes to.
pub(crate) const EXECUTIONS: u64 = 2;

/// One connection's orders: every other connection sells what the others buy, so that no account runs dry.
#[derive(Debug)]
pub(crate) struct Orders {
    connection: usize,
    sent: u64,
    body: String,
    request: Vec<u8>,
}

impl Orders {
    /// The orders of a connection.
    pub(crate) fn new(connection: usize) -> Self {
        Self { connection, sent: 0, body: String::new(), request: Vec::new() }
    }

    /// The next orders: one by `POST /orders`, more by `POST /orders/batch`.
    pub(crate) fn next(&mut self, count: usize) -> &[u8] {
        self.body.clear();
        if count == 1 {
            self.push_order();
            return self.post("/orders");
        }
        for n in 0..count {
            self.body.push(if n == 0 { '[' } else { ',' });
            self.push_order();
        }
        self.body.push(']');
        self.post("/orders/batch")
    }

    /// The next order as a message of a socket; its `id` is the number of the order.
    pub(crate) fn next_message(&mut self) -> &str {
        self.body.clear();
        let id = self.sent + 1;
        let written = write!(self.body, r#"{{"op":"place","id":{id},"order":"#);
        written.expect("memory does not fail to write");
        self.push_order();
        self.body.push('}');
        &self.body
    }

    fn push_order(&mut self) {
        let Self { connection, sent, body, .. } = self;
        *sent += 1;
        let side = if connection.is_multiple_of(2) { "buy" } else { "sell" };
        let terms = r#""type":"market","quantity":"0.001","time_in_force":"ioc""#;
        let written = write!(
            body,
            r#"{{"symbol":"BTC/USDT","side":"{side}",{terms},"client_order_id":"bench-{connection:04}-{sent:09}"}}"#
        );
        written.expect("memory does not fail to write");
    }

    fn post(&mut self, path: &str) -> &[u8] {
        self.request.clear();
        super::http::post(path, &self.body, &mut self.request);
        &self.request
    }
}
