//! `[[accounts]]`: who trades, and with what.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::key::KeyConfig;
use super::problem::Problems;
use super::value;
use crate::domain::{AccountName, AccountSpec, AssetName, Decimal, Money};

/// The most keys of one account.
const KEYS_MAX: usize = 64;

/// One account.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountConfig {
    /// Its name, unique.
    #[serde(deserialize_with = "value::one")]
    pub name: AccountName,
    /// What it starts with, by asset, zero or more. Left out, its orders are not checked against balances.
    #[serde(default, deserialize_with = "value::optional_map", skip_serializing_if = "Option::is_none")]
    pub balances: Option<BTreeMap<AssetName, Decimal>>,
    /// Keys that act for it where `auth.mode = "keys"`, up to 64. Default none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<KeyConfig>,
}

impl AccountConfig {
    /// What the engine is told.
    pub fn spec(&self) -> AccountSpec {
        let money = |balances: &BTreeMap<AssetName, Decimal>| {
            balances.iter().map(|(asset, amount)| (*asset, Money::from(*amount))).collect()
        };
        AccountSpec { name: self.name, balances: self.balances.as_ref().map(money) }
    }

    pub(super) fn check(&self, at: &str, problems: &mut Problems) {
        problems.count(format!("{at}.keys"), self.keys.len(), 0, KEYS_MAX);
        for (index, key) in self.keys.iter().enumerate() {
            key.check(&format!("{at}.keys[{index}]"), problems);
        }
        for (asset, amount) in self.balances.iter().flatten() {
            if *amount < Decimal::ZERO {
                problems.push(format!("{at}.balances.{asset}"), "must be zero or more");
            }
        }
    }
}
