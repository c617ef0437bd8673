//! `[auth]`: who may ask.

use serde::{Deserialize, Serialize};

use super::problem::Problems;
use super::value::{self, readable_words};
use crate::domain::words;

words!(
    /// Who may ask.
    AuthMode {
        /// Whoever is on this machine; the venue does not listen beyond loopback.
        Local = "local",
        /// Who has a key.
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
}

impl AuthConfig {
    pub(super) fn check(&self, at: &str, problems: &mut Problems) {
        if self.mode == AuthMode::Keys {
            let message = "this version has no keys: set auth.mode = \"local\", or \"open\" to answer on any address";
            problems.push(format!("{at}.mode"), message);
        }
    }
}
