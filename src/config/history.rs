//! `[history]`: what can be asked of orders that ended long ago.

use serde::{Deserialize, Serialize};

/// What can be asked of orders that ended long ago.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryConfig {
    /// Whether they are kept in `history.sqlite`, wherever a journal is. Default `true`.
    pub enabled: bool,
}
