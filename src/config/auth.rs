//! `[auth]`: who may ask.

use serde::{Deserialize, Serialize};

use super::value::{self, readable_words};
use crate::domain::words;

words!(
    /// Who may ask.
    AuthMode {
        /// Whoever is on this machine; the venue does not listen beyond loopback.
        Local = "local",
        /// Who has a key; market data is open to all.
        Keys = "keys",
        /// Anyone who can connect.
        Open = "open",
    }
);
readable_words!(AuthMode);

/// Who may ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthConfig {
    /// Who may ask. Default `local`.
    #[serde(deserialize_with = "value::one")]
    pub mode: AuthMode,
    /// Sites whose pages may place orders and open streams, besides the venue's own: as browsers send it in `Origin`, such
    /// as `https://desk.example.com`. Default none.
    pub origins: Vec<String>,
}
