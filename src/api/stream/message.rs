//! What a client says on a socket, and how it is answered.

use std::{borrow::Cow, net::IpAddr};

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::{
    Problem, State,
    access::Identity,
    batch,
    entry::{self, Done, Pending},
    extract::{self, JsonObject},
    orders,
    rate::{Client, Kind},
    request::{PlaceRequest, ReplaceRequest},
};
use super::{may, subscriptions::Wish};
use crate::domain::{AccountId, ClientOrderId, MomentText, OrderId, Scope};
use crate::queue::{ConnectionId, Target};
use crate::stream::json::{Object, Raw, Word, key};

/// The longest `id` that is echoed.
const ID_BYTES_MAX: usize = 64;

/// Every message a client can send: `op` says which fields it has.
/// It has no `Debug`: it may hold a key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message<'a> {
    #[serde(borrow)]
    op: Cow<'a, str>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    channels: Option<Vec<String>>,
    symbols: Option<Vec<String>>,
    from_seq: Option<u64>,
    #[serde(borrow)]
    order: Option<&'a RawValue>,
    #[serde(borrow)]
    orders: Option<Vec<&'a RawValue>>,
    order_id: Option<u64>,
    #[serde(borrow)]
    client_order_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    changes: Option<&'a RawValue>,
    #[serde(borrow)]
    symbol: Option<Cow<'a, str>>,
    #[serde(borrow)]
    side: Option<Cow<'a, str>>,
    timeout_ms: Option<u64>,
    #[serde(borrow)]
    api_key: Option<Cow<'a, str>>,
}

/// What most messages are: an order to place, and an `id`. Read in one pass; a message that is anything else, or wrong, is read
/// as a [`Message`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlaceMessage<'a> {
    op: PlaceOp,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    order: JsonObject<PlaceRequest<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum PlaceOp {
    Place,
}

/// Who says it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Speaker {
    /// Who it is, once it has said so.
    pub(super) identity: Option<Identity>,
    /// Where it is, if that matters.
    pub(super) address: IpAddr,
    /// By which connection.
    pub(super) connection: ConnectionId,
}

/// A message as it was understood: its id, and what it asks.
pub(super) type Said = (Option<Box<RawValue>>, Result<Asked, Problem>);

/// What a message asks of the session.
#[derive(Debug)]
pub(super) enum Asked {
    /// Follow something.
    Subscribe(Wish),
    /// Follow it no more.
    Unsubscribe(Wish),
    /// Nothing but an answer.
    Ping,
    /// To be known as this from now on.
    Auth(Identity),
    /// To be known by a key that is none.
    Denied(Problem),
    /// To wait for what this comes to, for this account.
    Order(AccountId, Pending),
    /// The same, for many orders.
    Batch(AccountId, Vec<Result<Pending, Problem>>),
}

/// Reads a message, and submits the order request that it may be. The id comes first: even a refusal echoes it.
pub(super) async fn read(state: &State, speaker: Speaker, text: &str) -> Said {
    if let Err(problem) = extract::check_depth(state, text.as_bytes()) {
        return (None, Err(problem));
    }
    if let Ok(JsonObject(PlaceMessage { op: PlaceOp::Place, id, order })) = serde_json::from_str(text) {
        return match echoed(id) {
            Ok(id) => (id, place(state, speaker, &order.0).await),
            Err(problem) => (None, Err(problem)),
        };
    }
    let message: Message<'_> = match extract::parse(text.as_bytes()) {
        Ok(message) => message,
        Err(problem) => return (id_of(text), Err(problem)),
    };
    match echoed(message.id) {
        Ok(id) => (id, asked(state, speaker, &message).await),
        Err(problem) => (None, Err(problem)),
    }
}

/// The id of a message that is wrong otherwise, to be echoed all the same.
fn id_of(text: &str) -> Option<Box<RawValue>> {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        id: Option<&'a RawValue>,
    }
    let JsonObject(Named { id }) = serde_json::from_str(text).ok()?;
    echoed(id).ok()?
}

/// The id that an answer echoes.
fn echoed(id: Option<&RawValue>) -> Result<Option<Box<RawValue>>, Problem> {
    match id {
        Some(id)
            if id.get().len() > ID_BYTES_MAX || !matches!(id.get().as_bytes().first(), Some(b'"' | b'-' | b'0'..=b'9')) =>
        {
            let detail = format!("id must be a number or a string of at most {ID_BYTES_MAX} bytes");
            Err(Problem::bad_request("invalid_request", detail))
        }
        id => Ok(id.map(ToOwned::to_owned)),
    }
}

async fn place(state: &State, speaker: Speaker, order: &PlaceRequest<'_>) -> Result<Asked, Problem> {
    charge(state, speaker, Kind::Orders, 1).await?;
    let account = may(speaker.identity, Scope::Trade)?;
    let place = order.check(account, state.instrument_id())?;
    entry::place(state, place, Some(speaker.connection)).await.map(|pending| Asked::Order(account, pending))
}

/// What a message asks for.
#[derive(Clone, Copy)]
enum Op {
    Auth,
    Subscribe,
    Unsubscribe,
    Ping,
    Place,
    Batch,
    Cancel,
    Replace,
    CancelAll,
    CancelAfter,
}

impl Op {
    /// Each by its word, with the fields that its messages may have.
    const ALL: [(&str, Self, &[&str]); 10] = [
        ("auth", Self::Auth, &["api_key"]),
        ("subscribe", Self::Subscribe, &["channels", "symbols", "from_seq"]),
        ("unsubscribe", Self::Unsubscribe, &["channels", "symbols"]),
        ("ping", Self::Ping, &[]),
        ("place", Self::Place, &["order"]),
        ("batch", Self::Batch, &["orders"]),
        ("cancel", Self::Cancel, &["order_id", "client_order_id"]),
        ("replace", Self::Replace, &["order_id", "client_order_id", "changes"]),
        ("cancel_all", Self::CancelAll, &["symbol", "side"]),
        ("cancel_after", Self::CancelAfter, &["timeout_ms"]),
    ];

    /// The op of a word, and its fields.
    fn parse(text: &str) -> Option<(Self, &'static [&'static str])> {
        Self::ALL.iter().find(|(word, ..)| *word == text).map(|(_, op, fields)| (*op, *fields))
    }
}

async fn asked(state: &State, speaker: Speaker, message: &Message<'_>) -> Result<Asked, Problem> {
    let known = Op::parse(&message.op);
    if let Some((kind, cost)) = message.cost(known.map(|(op, _)| op)) {
        charge(state, speaker, kind, cost).await?;
    }
    let Speaker { identity, connection, .. } = speaker;
    let trader = || may(identity, Scope::Trade);
    let (op, fields) = known.ok_or_else(unknown_op)?;
    message.check_fields(fields)?;
    let (account, pending) = match op {
        Op::Ping => return Ok(Asked::Ping),
        Op::Auth => {
            return match message.auth(state, identity) {
                Err(problem) if problem.status() == StatusCode::UNAUTHORIZED => Ok(Asked::Denied(problem)),
                known => known.map(Asked::Auth),
            };
        }
        Op::Subscribe => {
            let wish = message.wish(state)?;
            if wish.is_private() {
                may(identity, Scope::Read)?;
            }
            return Ok(Asked::Subscribe(wish));
        }
        Op::Unsubscribe => return message.wish(state).map(Asked::Unsubscribe),
        Op::Batch => {
            let account = trader()?;
            let orders = batch::each(message.orders.as_deref().ok_or_else(|| missing("orders"))?)?;
            return Ok(Asked::Batch(account, batch::submit(state, account, orders, Some(connection)).await));
        }
        Op::Place => {
            let account = trader()?;
            let order = message.order.ok_or_else(|| missing("order"))?;
            let place =
                extract::parse::<PlaceRequest<'_>>(order.get().as_bytes())?.check(account, state.instrument_id())?;
            (account, entry::place(state, place, Some(connection)).await?)
        }
        Op::Cancel => {
            let account = trader()?;
            (account, entry::cancel(state, account, message.target()?, Some(connection)).await?)
        }
        Op::Replace => {
            let account = trader()?;
            let changes = message.changes.ok_or_else(|| missing("changes"))?;
            let terms = extract::parse::<ReplaceRequest<'_>>(changes.get().as_bytes())?.check()?;
            (account, entry::replace(state, account, message.target()?, terms, None, Some(connection)).await?)
        }
        Op::CancelAll => {
            let account = trader()?;
            let (symbol, side) = (message.symbol.as_deref(), message.side.as_deref());
            let all = orders::all_that_match(state, account, symbol, side, "invalid_request")?;
            (account, entry::cancel_all(state, all, Some(connection)).await?)
        }
        Op::CancelAfter => {
            let account = trader()?;
            let timeout_ns = orders::cancel_after_ns(message.timeout_ms.ok_or_else(|| missing("timeout_ms"))?)?;
            (account, entry::cancel_after(state, account, timeout_ns, Some(connection)).await?)
        }
    };
    Ok(Asked::Order(account, pending))
}

fn unknown_op() -> Problem {
    let words: Vec<&str> = Op::ALL.iter().map(|(word, ..)| *word).collect();
    Problem::bad_request("unknown_op", format!("op must be one of {}", words.join(", ")))
}

async fn charge(state: &State, speaker: Speaker, kind: Kind, cost: usize) -> Result<(), Problem> {
    if state.rates.is_none() {
        return Ok(());
    }
    let client = Client::new(speaker.identity, speaker.address);
    let charged = state.charge(kind, client, u32::try_from(cost).unwrap_or(u32::MAX)).await;
    charged.map(drop).map_err(|(problem, _)| problem)
}

fn missing(field: &str) -> Problem {
    Problem::bad_request("invalid_request", format!("missing field `{field}`"))
}

impl Message<'_> {
    /// What the message counts as, which is what the same request by REST would; a ping costs nothing.
    fn cost(&self, op: Option<Op>) -> Option<(Kind, usize)> {
        match op {
            Some(Op::Ping) => None,
            Some(Op::Batch) => Some((Kind::Orders, self.orders.as_ref().map_or(1, Vec::len))),
            Some(Op::Place | Op::Cancel | Op::Replace | Op::CancelAll | Op::CancelAfter) => Some((Kind::Orders, 1)),
            Some(Op::Auth | Op::Subscribe | Op::Unsubscribe) | None => Some((Kind::Reads, 1)),
        }
    }

    /// Checks that it has no field of another op, which would otherwise not mean what it seems to.
    fn check_fields(&self, known: &[&str]) -> Result<(), Problem> {
        let fields = [
            ("api_key", self.api_key.is_some()),
            ("channels", self.channels.is_some()),
            ("symbols", self.symbols.is_some()),
            ("from_seq", self.from_seq.is_some()),
            ("order", self.order.is_some()),
            ("orders", self.orders.is_some()),
            ("order_id", self.order_id.is_some()),
            ("client_order_id", self.client_order_id.is_some()),
            ("changes", self.changes.is_some()),
            ("symbol", self.symbol.is_some()),
            ("side", self.side.is_some()),
            ("timeout_ms", self.timeout_ms.is_some()),
        ];
        let Some((name, _)) = fields.iter().find(|(name, is_there)| *is_there && !known.contains(name)) else {
            return Ok(());
        };
        let known = known.iter().map(|name| format!(", `{name}`")).collect::<String>();
        let detail = format!("unknown field `{name}`, expected one of `op`, `id`{known}");
        Err(Problem::bad_request("invalid_request", detail))
    }

    fn wish(&self, state: &State) -> Result<Wish, Problem> {
        let channels = self.channels.as_deref().ok_or_else(|| missing("channels"))?;
        Wish::parse(state, channels, self.symbols.as_deref(), self.from_seq)
    }

    /// Who the key says the client is. A connection keeps the account that it has.
    fn auth(&self, state: &State, known: Option<Identity>) -> Result<Identity, Problem> {
        let key = self.api_key.as_deref().ok_or_else(|| missing("api_key"))?;
        let identity = state.access.identify_key(key)?;
        if known.is_some_and(|known| known.account != identity.account) {
            let detail = "This connection acts for another account: open one of its own for this key";
            return Err(Problem::new(StatusCode::CONFLICT, "other_account", detail));
        }
        Ok(identity)
    }

    fn target(&self) -> Result<Target, Problem> {
        match (self.order_id, self.client_order_id.as_deref()) {
            (Some(order_id), None) => Ok(Target::OrderId(OrderId(order_id))),
            (None, Some(id)) => ClientOrderId::parse(id).map(Target::ClientOrderId).map_err(|_| Problem::unknown_order()),
            _ => Err(Problem::bad_request("invalid_request", "either order_id or client_order_id is needed")),
        }
    }
}

/// Writes the answer to a message: `{"channel":"reply","id":3,"ok":true,"order":{…}}`, or with a problem.
pub(super) fn reply(id: Option<&RawValue>, answer: &Result<Done, Problem>, moments: &mut MomentText, into: &mut Vec<u8>) {
    let mut reply = Object::begin(into, moments, key!("channel"), Word("reply"));
    reply.field(key!("id"), id.map(|id| Raw(id.get().as_bytes()))).field(key!("ok"), answer.is_ok());
    match answer {
        Ok(Done::Placed(order) | Done::Canceled(order)) => {
            reply.field(key!("order"), Raw(&order.json));
        }
        Ok(Done::Replayed(order)) => {
            reply.field(key!("order"), Raw(&order.json)).field(key!("replayed"), true);
        }
        Ok(Done::Replaced(order, priority)) => {
            reply.field(key!("order"), Raw(&order.json)).field(key!("priority"), Word(priority.as_str()));
        }
        Ok(Done::ReplacedBefore(order, priority)) => {
            reply.field(key!("order"), Raw(&order.json)).field(key!("priority"), Word(priority.as_str()));
            reply.field(key!("replayed"), true);
        }
        Ok(Done::CanceledAll(count)) => {
            reply.field(key!("canceled"), u64::from(*count));
        }
        Ok(Done::Batch(items)) => {
            reply.field(key!("orders"), Raw(&batch::json(items)));
        }
        Ok(Done::Applied | Done::AppliedBefore) => {}
        Ok(Done::Known(account, last_seq)) => {
            if let Some(account) = account {
                reply.field(key!("account"), account);
            }
            reply.field(key!("last_seq"), *last_seq);
        }
        Err(problem) => {
            let problem = serde_json::to_vec(problem).unwrap_or_default();
            reply.field(key!("problem"), Raw(&problem));
        }
    }
    reply.end();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_in_one_pass_and_nothing_else_is_taken_for_one() {
        let is_order = |text: &str| serde_json::from_str::<JsonObject<PlaceMessage<'_>>>(text).is_ok();
        let order = r#"{"symbol":"BTC/USDT","side":"buy","type":"market","quantity":"1"}"#;
        assert!(is_order(&format!(r#"{{"op":"place","id":7,"order":{order}}}"#)));
        assert!(is_order(&format!(r#"{{"order":{order},"op":"place"}}"#)));
        let values = r#"["BTC/USDT","buy","market","1",null,null,null,null,null,null,null,null]"#;
        for text in [
            &format!(r#"{{"op":"place","id":7,"order":{values}}}"#),
            &format!(r#"["place",7,{order}]"#),
            &format!(r#"{{"op":"cancel","order":{order}}}"#),
            &format!(r#"{{"op":"place","order":{order},"side":"buy"}}"#),
            &format!(r#"{{"op":"place","order":{order},"order":{order}}}"#),
            &format!(r#"{{"op":"place","order":{order}}} "#).repeat(2),
            r#"{"op":"place"}"#,
        ] {
            assert!(!is_order(text), "{text}");
        }
    }
}
