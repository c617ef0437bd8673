//! Who asks, and whether they may.
//!
//! Where `auth.mode` is `keys`, a request says `Authorization: Bearer KEY`; everywhere else it acts for one account and may do
//! everything. Handlers name what they need in their arguments: [`Reads`], [`Trades`], [`Administers`]; a handler that names
//! none is open to all.
//!
//! A key is looked up by its SHA-256, and compared in constant time: how long an answer takes tells nothing of how near a
//! guess was. Keys never leave this module, in a log or otherwise.
//!
//! Browsers send `Origin` with whatever a page makes them do. What changes something is refused to pages of other sites, since
//! without keys a browser's user has rights that the page has not. There, a page is the venue's own only if it was reached by an
//! address or as `localhost`, unless `auth.origins` names it.

use std::{collections::HashMap, net::IpAddr};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, header, request::Parts, uri::Authority},
};

use super::{Problem, State};
use crate::domain::{AccountId, KeyHash, Scope, Scopes};

/// The longest key that is looked at.
const KEY_BYTES_MAX: usize = 256;

/// Who asks, and what they may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) account: AccountId,
    pub(super) scopes: Scopes,
    /// Which key it was; 0 where there are none.
    pub(super) key: u32,
}

impl Identity {
    /// The account, if this identity may do that for it.
    ///
    /// # Errors
    ///
    /// 403 for a scope that the key has not.
    pub(super) fn may(&self, scope: Scope) -> Result<AccountId, Problem> {
        if self.scopes.has(scope) { Ok(self.account) } else { Err(Problem::missing_scope(scope)) }
    }
}

/// Who may ask.
#[derive(Debug)]
pub enum Access {
    /// Whoever can connect, for this account.
    Open(AccountId),
    /// Who has a key.
    Keys(Keyring),
}

/// Every key's hash, and what the key may do.
#[derive(Debug, Default)]
pub struct Keyring {
    /// By a part of the hash; two keys in one bucket are as likely as a guessed key.
    buckets: HashMap<u64, Vec<(KeyHash, Identity)>>,
    keys: u32,
}

impl Keyring {
    /// Adds a key.
    pub fn add(&mut self, hash: KeyHash, account: AccountId, scopes: Scopes) {
        self.keys += 1;
        let identity = Identity { account, scopes, key: self.keys };
        self.buckets.entry(hash.bucket()).or_default().push((hash, identity));
    }

    fn find(&self, key: &str) -> Option<Identity> {
        if key.len() > KEY_BYTES_MAX {
            return None;
        }
        let hash = KeyHash::of(key.as_bytes());
        let candidates = self.buckets.get(&hash.bucket()).map(Vec::as_slice).unwrap_or_default();
        candidates.iter().find(|(known, _)| known.matches(&hash)).map(|(_, identity)| *identity)
    }
}

impl Access {
    /// Whether nobody can do anything without a key.
    fn asks_for_keys(&self) -> bool {
        matches!(self, Self::Keys(_))
    }

    /// Who sent these headers; `None` if they name nobody, and somebody must be named.
    ///
    /// # Errors
    ///
    /// 401 for credentials that are none of this venue's.
    pub(super) fn identify(&self, headers: &HeaderMap) -> Result<Option<Identity>, Problem> {
        let keyring = match self {
            Self::Open(account) => return Ok(Some(open(*account))),
            Self::Keys(keyring) => keyring,
        };
        let mut given = headers.get_all(header::AUTHORIZATION).iter();
        match (given.next(), given.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => {
                let key = value.to_str().ok().and_then(bearer).ok_or_else(Problem::unknown_key)?;
                keyring.find(key).map(Some).ok_or_else(Problem::unknown_key)
            }
            (Some(_), Some(_)) => Err(Problem::unknown_key()),
        }
    }

    /// Whose key this is; where nobody is asked for one, any is as good as none.
    ///
    /// # Errors
    ///
    /// 401 for a key that is none of this venue's.
    pub(super) fn identify_key(&self, key: &str) -> Result<Identity, Problem> {
        match self {
            Self::Open(account) => Ok(open(*account)),
            Self::Keys(keyring) => keyring.find(key).ok_or_else(Problem::unknown_key),
        }
    }
}

fn open(account: AccountId) -> Identity {
    Identity { account, scopes: Scopes::ALL, key: 0 }
}

/// The key in `Bearer KEY`.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, key) = value.split_once(' ')?;
    let key = key.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !key.is_empty()).then_some(key)
}

/// Whether a site is an address, or this machine: any other name may have been made to lead here by whose page it is (DNS rebinding).
fn is_lasting(site: &str) -> bool {
    let Ok(authority) = site.parse::<Authority>() else { return false };
    let host = authority.host();
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    address.parse::<IpAddr>().is_ok() || host.eq_ignore_ascii_case("localhost")
}

/// Refuses what a page of another site makes a browser do.
///
/// # Errors
///
/// 403 for an `Origin` that is neither this venue's own nor configured.
pub(super) fn check_origin(state: &State, headers: &HeaderMap) -> Result<(), Problem> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let origin = origin.to_str().unwrap_or_default();
    let site = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    let is_host = |site: &str| text(header::HOST).is_some_and(|host| host.eq_ignore_ascii_case(site));
    let own = site.is_some_and(|site| is_host(site) && (state.access.asks_for_keys() || is_lasting(site)));
    if own || state.origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin)) {
        return Ok(());
    }
    Err(Problem::foreign_origin())
}

fn allowed(parts: &Parts, state: &State, scope: Scope) -> Result<AccountId, Problem> {
    let identity = match parts.extensions.get::<Identity>() {
        // Who counted the request knows already.
        Some(identity) => *identity,
        None => state.access.identify(&parts.headers)?.ok_or_else(Problem::key_needed)?,
    };
    identity.may(scope)
}

/// The account of one who may see its orders, executions and balances.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reads(pub(super) AccountId);

impl FromRequestParts<State> for Reads {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Problem> {
        allowed(parts, state, Scope::Read).map(Self)
    }
}

/// The account of one who may place, change and cancel its orders.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trades(pub(super) AccountId);

impl FromRequestParts<State> for Trades {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Problem> {
        check_origin(state, &parts.headers)?;
        allowed(parts, state, Scope::Trade).map(Self)
    }
}

/// One who may run the venue, and their account.
#[derive(Clone, Copy, Debug)]
pub(super) struct Administers(pub(super) AccountId);

impl FromRequestParts<State> for Administers {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Problem> {
        check_origin(state, &parts.headers)?;
        allowed(parts, state, Scope::Admin).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (header::AUTHORIZATION, value.parse().unwrap())).collect()
    }

    fn access() -> Access {
        let mut keyring = Keyring::default();
        keyring.add(KeyHash::of(b"alice's"), AccountId(1), [Scope::Trade].into_iter().collect());
        keyring.add(KeyHash::of(b"bob's"), AccountId(2), [Scope::Read].into_iter().collect());
        Access::Keys(keyring)
    }

    #[test]
    fn a_key_names_its_account_and_scopes() {
        let access = access();
        for value in ["Bearer bob's", "bearer bob's", "Bearer   bob's "] {
            let bob = access.identify(&headers(&[value])).unwrap().unwrap();
            assert_eq!((bob.account, bob.key), (AccountId(2), 2), "{value}");
            assert_eq!(bob.may(Scope::Read).unwrap(), AccountId(2));
            assert_eq!(bob.may(Scope::Trade).unwrap_err().status(), 403);
        }
        assert_eq!(access.identify_key("alice's").unwrap().account, AccountId(1));
        assert_eq!(access.identify(&headers(&[])).unwrap(), None);
    }

    #[test]
    fn whatever_is_no_key_is_401_and_two_are_one_too_many() {
        let access = access();
        let long = format!("Bearer {}", "x".repeat(KEY_BYTES_MAX + 1));
        for values in [
            &["Bearer "][..],
            &["Bearer"],
            &["bob's"],
            &["Basic bob's"],
            &["Bearer bob"],
            &["Bearer bob's x"],
            &["Bearer Bob's"],
            &[&long],
            &["Bearer bob's", "Bearer bob's"],
        ] {
            assert_eq!(access.identify(&headers(values)).unwrap_err().status(), 401, "{values:?}");
        }
        assert_eq!(access.identify_key("").unwrap_err().status(), 401);
    }

    #[test]
    fn where_nobody_needs_a_key_everyone_may_do_everything_for_one_account() {
        let access = Access::Open(AccountId(7));
        for values in [&[][..], &["Bearer whatever"]] {
            let anyone = access.identify(&headers(values)).unwrap().unwrap();
            assert!(Scope::ALL.iter().all(|scope| anyone.may(*scope).is_ok_and(|account| account == AccountId(7))));
        }
    }
}
