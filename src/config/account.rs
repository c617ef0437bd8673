//! `[[accounts]]`: who trades, and with what.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::problem::Problems;
use super::value;
use crate::domain::{AccountName, AccountSpec, AssetName, Decimal, Money};

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
    /// Keys that act for it. This version has none and refuses them, whatever is written.
    #[serde(default, skip_serializing)]
    keys: Vec<IgnoredAny>,
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
        if !self.keys.is_empty() {
            problems.push(format!("{at}.keys"), "this version has no keys: leave them out");
        }
        for (asset, amount) in self.balances.iter().flatten() {
            if *amount < Decimal::ZERO {
                problems.push(format!("{at}.balances.{asset}"), "must be zero or more");
            }
        }
    }
}
