//! Names: short texts of a fixed alphabet, stored inline so that they copy without allocating.

use std::{fmt, hash, str};

use serde::{Serialize, Serializer};

/// Why a text is not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {max} characters of {alphabet}")]
pub struct NameError {
    /// The most characters this kind of name may have.
    pub max: usize,
    /// The characters it may have, as people write such a set.
    pub alphabet: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $max:literal, $alphabet:literal, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name {
            bytes: [u8; $max],
            length: u8,
        }

        impl $name {
            /// The most characters it may have.
            pub const MAX: usize = $max;

            /// Reads a name.
            ///
            /// # Errors
            ///
            /// [`NameError`] if the text is empty, too long, or has a character outside the alphabet.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                let error = NameError { max: $max, alphabet: $alphabet };
                let allowed: fn(u8) -> bool = $allowed;
                if text.is_empty() || !text.bytes().all(allowed) {
                    return Err(error);
                }
                let mut bytes = [0; $max];
                bytes.get_mut(..text.len()).ok_or(error)?.copy_from_slice(text.as_bytes());
                let length = u8::try_from(text.len()).map_err(|_| error)?;
                Ok(Self { bytes, length })
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                str::from_utf8(self.as_bytes()).unwrap_or_default()
            }

            /// The name as bytes of ASCII.
            #[inline]
            pub fn as_bytes(&self) -> &[u8] {
                self.bytes.get(..usize::from(self.length)).unwrap_or_default()
            }

            /// Appends the name: a copy of a fixed length, cut to the name's, which is the fastest there is.
            #[inline]
            pub fn write(&self, into: &mut Vec<u8>) {
                let end = into.len().saturating_add(usize::from(self.length));
                into.extend_from_slice(&self.bytes);
                into.truncate(end);
            }
        }

        impl hash::Hash for $name {
            fn hash<H: hash::Hasher>(&self, state: &mut H) {
                self.bytes.get(..usize::from(self.length)).hash(state);
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}

name!(
    /// An instrument's name, such as `BTC/USDT` (FIX 55).
    Symbol, 31, "A-Z a-z 0-9 . _ / -",
    |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'/' | b'-')
);
name!(
    /// An asset's name, such as `USDT`.
    AssetName, 15, "A-Z a-z 0-9 . _",
    |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_')
);
name!(
    /// An account's name, such as `default`.
    AccountName, 31, "A-Z a-z 0-9 . _ -",
    |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
);
name!(
    /// The name of an exchange that quotes come from, such as `binance`.
    ExchangeName, 31, "A-Z a-z 0-9 . _ -",
    |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
);
name!(
    /// A client's own id for an order, unique in its account for ever (FIX 11).
    ClientOrderId, 64, "A-Z a-z 0-9 . _ : -",
    |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'-')
);

impl Symbol {
    /// Reads a symbol as paths and queries write it, `BTC-USDT` for `BTC/USDT`. Configured symbols have no dash.
    ///
    /// # Errors
    ///
    /// As [`Symbol::parse`].
    pub fn parse_path(text: &str) -> Result<Self, NameError> {
        Self::parse(&text.replace('-', "/"))
    }

    /// Base and quote asset, the parts around the slash.
    pub fn assets(&self) -> Option<(AssetName, AssetName)> {
        let (base, quote) = self.as_str().split_once('/')?;
        Some((AssetName::parse(base).ok()?, AssetName::parse(quote).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_to_their_alphabet_and_length() {
        assert_eq!(ClientOrderId::parse("my-1:a.b_C").unwrap().as_str(), "my-1:a.b_C");
        assert_eq!(ClientOrderId::parse(&"x".repeat(64)).unwrap().as_str().len(), 64);
        for text in ["", "a b", "é", "a/b", &"x".repeat(65)] {
            assert!(ClientOrderId::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_symbol_names_its_assets() {
        let symbol = Symbol::parse_path("BTC-USDT").unwrap();
        assert_eq!(symbol.as_str(), "BTC/USDT");
        let (base, quote) = symbol.assets().unwrap();
        assert_eq!((base.as_str(), quote.as_str()), ("BTC", "USDT"));
        assert!(Symbol::parse("BTC").unwrap().assets().is_none());
    }
}
