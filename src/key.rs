//! `openoutcry key new`: makes a key, and the line of the configuration that lets it in.

use std::fmt::{self, Write};

use anyhow::{Context, anyhow};

use crate::domain::KeyHash;

/// How many random bytes a key has.
const KEY_BYTES: usize = 32;
/// What every key begins with, so that people and scanners know it for one.
const PREFIX: &str = "oo_";

/// A key, as a command is given it: it never shows itself.
#[derive(Clone)]
pub struct Secret(String);

impl From<String> for Secret {
    fn from(key: String) -> Self {
        Self(key)
    }
}

impl Secret {
    /// The header that says it.
    pub(crate) fn authorization(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Makes a key and says what to do with it; the one time that it is shown.
///
/// # Errors
///
/// If the system has no randomness to give.
pub fn new(account: &str) -> anyhow::Result<String> {
    let mut random = [0; KEY_BYTES];
    getrandom::fill(&mut random).map_err(|error| anyhow!("there is no randomness for a key: {error}"))?;
    let mut key = PREFIX.to_owned();
    for byte in random {
        write!(key, "{byte:02x}").context("cannot write the key")?;
    }
    let hash = KeyHash::of(key.as_bytes());
    Ok(format!(
        "{key}\n\n\
         # The key is shown this once. The venue keeps only its hash; with auth.mode = \"keys\", in its configuration:\n\
         [[accounts]]\n\
         name = \"{account}\"\n\
         keys = [\"{hash}\"]"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_long_differ_and_go_with_the_hash_beside_them() {
        let (one, two) = (new("alice").unwrap(), new("alice").unwrap());
        let key = one.lines().next().unwrap();
        assert_eq!(key.len(), PREFIX.len() + 2 * KEY_BYTES);
        assert_ne!(key, two.lines().next().unwrap());
        assert!(one.ends_with(&format!("name = \"alice\"\nkeys = [\"{}\"]", KeyHash::of(key.as_bytes()))), "{one}");
    }

    #[test]
    fn a_secret_never_shows_itself() {
        assert_eq!(format!("{:?}", Secret::from("oo_x".to_owned())), "Secret(…)");
    }
}
