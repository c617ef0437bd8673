//! A key of an account: `"sha256:…"`, or `{ hash = "sha256:…", scopes = ["read"] }`.

use std::fmt;

use serde::de::{Deserializer, Error, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Serialize, Serializer};

use super::problem::Problems;
use super::value::{self, Text};
use crate::domain::{KeyHash, Scope};

/// One key: its hash, and what it may be used for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyConfig {
    /// The SHA-256 of the key, as `openoutcry key new` prints it.
    #[serde(serialize_with = "write_hash")]
    pub hash: KeyHash,
    /// What it may be used for: one or more of `trade`, `read`, `admin`. A key that is written as its hash alone has `trade` and `read`.
    pub scopes: Vec<Scope>,
}

impl KeyConfig {
    pub(super) fn check(&self, at: &str, problems: &mut Problems) {
        problems.count(format!("{at}.scopes"), self.scopes.len(), 1, Scope::ALL.len());
    }
}

fn write_hash<S: Serializer>(hash: &KeyHash, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(hash)
}

impl<'de> Deserialize<'de> for KeyConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KeyVisitor)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = KeyConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, or a table of hash and scopes", KeyHash::MUST_BE)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<KeyConfig, E> {
        let hash = KeyHash::read(text).map_err(E::custom)?;
        Ok(KeyConfig { hash, scopes: vec![Scope::Trade, Scope::Read] })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<KeyConfig, A::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            #[serde(deserialize_with = "value::one")]
            hash: KeyHash,
            #[serde(deserialize_with = "value::list")]
            scopes: Vec<Scope>,
        }
        let Table { hash, scopes } = Table::deserialize(MapAccessDeserializer::new(map))?;
        Ok(KeyConfig { hash, scopes })
    }
}
