//! Where an order is, and the one table of how it gets from there to anywhere else.

use super::ExecutionType;

/// Where an order is (FIX 39).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Read and numbered, not yet judged. Never seen outside the engine.
    Received,
    /// Live, nothing traded yet.
    Open,
    /// A stop whose trigger has not been reached.
    Untriggered,
    /// Live, and traded in part.
    PartiallyFilled,
    /// Traded in full. Terminal.
    Filled,
    /// Refused, nothing traded. Terminal.
    Rejected,
    /// Ended on request, or by self-trade prevention. Terminal.
    Canceled,
    /// Ended by its own terms: time, or nothing left to trade with. Terminal.
    Expired,
}

impl Status {
    /// Whether the order has ended; a terminal status is never left.
    #[inline(always)]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Filled | Self::Rejected | Self::Canceled | Self::Expired)
    }

    /// Every status, in the order of declaration.
    pub const ALL: [Self; 8] = [
        Self::Received,
        Self::Open,
        Self::Untriggered,
        Self::PartiallyFilled,
        Self::Filled,
        Self::Rejected,
        Self::Canceled,
        Self::Expired,
    ];

    /// The status that JSON writes as `text`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// The name as JSON writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Open => "open",
            Self::Untriggered => "untriggered",
            Self::PartiallyFilled => "partially_filled",
            Self::Filled => "filled",
            Self::Rejected => "rejected",
            Self::Canceled => "canceled",
            Self::Expired => "expired",
        }
    }

    /// The status after `event`, or `None` where the event cannot happen: a bug, not a business refusal.
    ///
    /// `parked` tells a stop that waits for its trigger from an order that is live at once; only `accepted` asks.
    #[inline(always)]
    pub const fn after(self, event: ExecutionType, parked: Parked) -> Option<Self> {
        use ExecutionType as E;
        Some(match (self, event) {
            (Self::Received, E::Accepted) => match parked {
                Parked::No => Self::Open,
                Parked::UntilTriggered => Self::Untriggered,
            },
            (Self::Received, E::Rejected) => Self::Rejected,
            (Self::Untriggered, E::Triggered) => Self::Open,
            (Self::Open | Self::PartiallyFilled, E::PartialFill) => Self::PartiallyFilled,
            (Self::Open | Self::PartiallyFilled, E::Filled) => Self::Filled,
            (Self::Open | Self::PartiallyFilled | Self::Untriggered, E::Canceled) => Self::Canceled,
            (Self::Open | Self::PartiallyFilled | Self::Untriggered, E::Expired) => Self::Expired,
            // These tell of the order and leave it where it is: a change of terms, a refused change of terms, and the part
            // that self-trade prevention took off it (what ends the order is a `canceled` of its own).
            (Self::Open | Self::PartiallyFilled | Self::Untriggered, E::Replaced | E::ReplaceRejected) => self,
            (Self::Open | Self::PartiallyFilled, E::TradePrevented) => self,
            // A cancel or replace that came too late.
            (Self::Filled | Self::Canceled | Self::Expired | Self::Rejected, E::CancelRejected | E::ReplaceRejected) => {
                self
            }
            _ => return None,
        })
    }
}

/// Whether an accepted order waits for a trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parked {
    /// It is live at once.
    No,
    /// It is a stop whose trigger has not been reached.
    UntilTriggered,
}

#[cfg(test)]
mod tests {
    use super::*;
    use ExecutionType as E;
    use Status as S;

    const EVENTS: [ExecutionType; 11] = [
        E::Accepted,
        E::Triggered,
        E::PartialFill,
        E::Filled,
        E::Rejected,
        E::Canceled,
        E::Expired,
        E::Replaced,
        E::CancelRejected,
        E::ReplaceRejected,
        E::TradePrevented,
    ];

    /// One row a status, one column an event in the order of `EVENTS`; `.` cannot happen.
    const TABLE: &str = "
        received         | open . . . rejected . . . . . .
        open             | . . partially_filled filled . canceled expired open . open open
        untriggered      | . open . . . canceled expired untriggered . untriggered .
        partially_filled | . . partially_filled filled . canceled expired partially_filled . partially_filled partially_filled
        filled           | . . . . . . . . filled filled .
        rejected         | . . . . . . . . rejected rejected .
        canceled         | . . . . . . . . canceled canceled .
        expired          | . . . . . . . . expired expired .
    ";

    #[test]
    fn every_pair_of_status_and_event_is_as_the_table_says() {
        let rows: Vec<&str> = TABLE.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        assert_eq!(rows.len(), Status::ALL.len());
        for (status, row) in Status::ALL.into_iter().zip(rows) {
            let (name, cells) = row.split_once('|').unwrap();
            assert_eq!(name.trim(), status.as_str());
            let cells: Vec<&str> = cells.split_whitespace().collect();
            assert_eq!(cells.len(), EVENTS.len());
            for (event, cell) in EVENTS.into_iter().zip(cells) {
                let after = status.after(event, Parked::No).map_or(".", Status::as_str);
                assert_eq!(after, cell, "{} + {}", status.as_str(), event.as_str());
            }
        }
        assert_eq!(S::Received.after(E::Accepted, Parked::UntilTriggered), Some(S::Untriggered));
    }
}
