//! Who may do what: keys, of which only hashes are kept, and the scopes that a key has.

use std::fmt;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::order::words;

words!(
    /// What a key lets its holder do.
    Scope {
        /// Place, change and cancel the account's orders.
        Trade = "trade",
        /// See the account's orders, executions and balances.
        Read = "read",
        /// Run the venue: move balances of any account, quote by hand, halt instruments.
        Admin = "admin",
    }
);

/// The scopes of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes {
    trade: bool,
    read: bool,
    admin: bool,
}

impl Scopes {
    /// Everything: where nobody needs a key.
    pub const ALL: Self = Self { trade: true, read: true, admin: true };

    /// Whether `scope` is one of them.
    pub const fn has(self, scope: Scope) -> bool {
        match scope {
            Scope::Trade => self.trade,
            Scope::Read => self.read,
            Scope::Admin => self.admin,
        }
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        let mut found = Self::default();
        for scope in scopes {
            match scope {
                Scope::Trade => found.trade = true,
                Scope::Read => found.read = true,
                Scope::Admin => found.admin = true,
            }
        }
        found
    }
}

/// The SHA-256 of a key: what the venue keeps of it. Keys are long and random, so a hash tells nothing of its key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// What a hash is written as, before its hexadecimal digits.
    const PREFIX: &str = "sha256:";

    /// The hash of a key.
    pub fn of(key: &[u8]) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// Reads a hash as the configuration writes it: `sha256:` and 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(Self::PREFIX)?.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let (high, low) = (pair.first()?, pair.last()?);
            *byte = nibble(*high)? << 4 | nibble(*low)?;
        }
        Some(Self(bytes))
    }

    /// Whether two hashes are equal; takes the same time wherever they differ.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    /// The first eight bytes, to find candidates by. They tell nothing of a key: nobody can choose what they come to.
    pub fn bucket(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The SHA-256 of `abc` (FIPS 180-4's example).
    const ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_hash_is_sha_256_and_is_read_as_it_is_written() {
        let hash = KeyHash::of(b"abc");
        assert_eq!(hash.to_string(), ABC);
        assert_eq!(KeyHash::parse(ABC), Some(hash));
        assert_eq!(KeyHash::parse(&ABC.to_uppercase().replace("SHA256", "sha256")), Some(hash));
        assert!(hash.matches(&KeyHash::of(b"abc")) && !hash.matches(&KeyHash::of(b"abd")));
        for text in ["", "sha256:", "ba78", &ABC[7..], &ABC[..70], &format!("{ABC}0"), &ABC.replace('b', "g")] {
            assert_eq!(KeyHash::parse(text), None, "{text}");
        }
    }

    #[test]
    fn scopes_are_those_named_and_no_others() {
        for scope in Scope::ALL {
            let one: Scopes = [*scope].into_iter().collect();
            for other in Scope::ALL {
                assert_eq!(one.has(*other), scope == other);
            }
            assert!(Scopes::ALL.has(*scope) && !Scopes::default().has(*scope));
        }
    }
}
