//! How a connection ends: why, what is still said, and with which close code.

use std::borrow::Cow;

use tokio::{io::AsyncReadExt, time::timeout};

use super::super::{outbox::Finish, status::Status, subscriptions::Lost};
use super::{LAST_WORDS, Session};

/// How much of what a client still sends is read after the close frame, so that it gets to read that frame.
const LINGER_BYTES: u64 = 1024 * 1024;

/// Why a connection ends.
pub(super) enum End {
    /// The client is gone.
    Gone,
    /// The client closed it, with this code.
    Left(u16),
    /// The venue shuts down: with this code and reason.
    Shutdown(u16, &'static str),
    /// The client cannot be served any more.
    Closed(u16, String),
    /// Its key is none.
    Denied,
    /// It lost its place.
    Lost(Lost),
}

impl End {
    /// The venue's close code; `None` if it was the client that went.
    pub(super) fn code(&self) -> Option<u16> {
        self.sent().filter(|_| !matches!(self, Self::Left(_)))
    }

    /// The close code that is sent; `None` if there is nobody to send it to.
    fn sent(&self) -> Option<u16> {
        match self {
            Self::Gone => None,
            Self::Left(code) => Some(*code),
            Self::Shutdown(code, _) | Self::Closed(code, _) => Some(*code),
            Self::Denied => Some(4001),
            Self::Lost(Lost::Gap { .. }) => Some(4010),
            Self::Lost(Lost::Unreadable) => Some(1011),
            Self::Lost(Lost::Slow { .. }) => Some(4008),
        }
    }

    fn reason(&self) -> Cow<'_, str> {
        match self {
            Self::Gone | Self::Left(_) => "".into(),
            Self::Shutdown(_, reason) => (*reason).into(),
            Self::Closed(_, reason) => reason.into(),
            Self::Denied => "not authorised".into(),
            Self::Lost(Lost::Gap { .. }) => "gap".into(),
            Self::Lost(Lost::Unreadable) => "internal error".into(),
            Self::Lost(Lost::Slow { last_seq }) => format!("slow consumer, last_seq={last_seq}").into(),
        }
    }
}

impl From<Lost> for End {
    fn from(lost: Lost) -> Self {
        Self::Lost(lost)
    }
}

impl Session {
    /// Says what is left to say and why, closes, and lets the client read it.
    pub(super) async fn end(mut self, end: End) {
        let Some(code) = end.sent() else { return };
        let mut finish = Finish::All;
        // However long these take, the connection ends.
        match end {
            // What the drained queue brought is sent before the goodbye.
            End::Shutdown(..) | End::Denied => drop(timeout(LAST_WORDS, self.catch_up()).await),
            End::Lost(Lost::Slow { last_seq }) => {
                tracing::info!(connection = self.speaker.connection.0, last_seq, "closing a socket that is too slow");
                finish = Finish::Frame;
            }
            End::Gone | End::Left(_) | End::Closed(..) | End::Lost(_) => drop(timeout(LAST_WORDS, self.answer_all()).await),
        }
        match end {
            End::Shutdown(..) => self.outbox.push(Status::new("shutdown", self.last_seq()).frame()),
            End::Lost(Lost::Gap { oldest_seq, last_seq }) => {
                let gap = Status { oldest_seq: Some(oldest_seq), ..Status::new("gap", Some(last_seq)) };
                self.outbox.push(gap.frame());
            }
            _ => {}
        }
        self.outbox.close(code, &end.reason(), finish).await;
        let mut unread = self.inbound.into_inner().take(LINGER_BYTES);
        drop(timeout(LAST_WORDS, tokio::io::copy(&mut unread, &mut tokio::io::sink())).await);
    }
}
