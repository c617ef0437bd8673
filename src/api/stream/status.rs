//! The `status` channel: what a connection is told about itself and the venue.

use bytes::Bytes;
use serde::Serialize;

use crate::domain::{AccountName, Nanos};
use crate::stream::text_frame;

/// A frame of the channel.
#[derive(Serialize)]
pub(super) struct Status {
    pub(super) channel: &'static str,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) account: Option<AccountName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) oldest_seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) epoch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ts: Option<Nanos>,
}

impl Status {
    pub(super) fn new(kind: &'static str, last_seq: Option<u64>) -> Self {
        Self { channel: "status", kind, account: None, oldest_seq: None, last_seq, epoch: None, ts: None }
    }

    pub(super) fn frame(&self) -> Bytes {
        text_frame(&serde_json::to_vec(self).unwrap_or_default())
    }
}
