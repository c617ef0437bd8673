//! What is remembered of a client id for ever, in 24 bytes, in memory as in a file.
//!
//! ```text
//! key 12: the first 96 bits of SipHash-2-4-128 of account, use and id, keyed with the venue's secret
//! value 12: order_id 47 bits, priority 1 bit, fingerprint 47 bits, 1 bit unused
//! ```
//!
//! The id itself is not kept. Two ids of a billion share a key with a chance of 1 in 10^11, and without the secret nobody can
//! look for such a pair. Another body under a known id passes for the same one with a chance of 1 in 10^14.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use siphasher::sip128::{Hasher128, SipHasher24};

use super::admission::{Became, Fingerprint, Use};
use crate::domain::{AccountId, ClientOrderId, OrderId, Priority};

/// The bits of a fingerprint.
pub(super) const FINGERPRINT: u64 = (1 << 47) - 1;
/// What keys are made with; the same for the life of a venue's data.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret([u8; 16]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// A new one.
    pub fn random() -> Self {
        let half = || RandomState::new().build_hasher().finish().to_le_bytes();
        let (one, other) = (half(), half());
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(one.into_iter().chain(other)).for_each(|(to, from)| *to = from);
        Self(bytes)
    }

    /// One that was kept.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// To keep it.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// The key of an account's id.
    pub(super) fn key(&self, account: AccountId, of: Use, id: &ClientOrderId) -> Key {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(&account.0.to_le_bytes());
        hasher.write(&[of as u8]);
        hasher.write(id.as_bytes());
        let bytes = hasher.finish128().as_bytes();
        let mut key = [0; 12];
        key.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        Key(key)
    }
}

/// What an id is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key([u8; 12]);

impl Key {
    /// Which of so many parts of the table it is in: by bits that place it nowhere within.
    pub(super) fn shard(&self, shards: usize) -> usize {
        let [.., last] = self.0;
        usize::from(last) % shards
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        state.write_u64(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    }
}

/// A client id that a request holds, as what becomes of the request will be kept under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    pub(super) key: Key,
    pub(super) asked: Fingerprint,
}

impl Claim {
    /// The claim of a request on an account's id.
    pub fn of(secret: Secret, account: AccountId, of: Use, id: &ClientOrderId, asked: Fingerprint) -> Self {
        Self { key: secret.key(account, of, id), asked }
    }

    /// What is remembered, once the request became something.
    pub fn became(self, became: Became) -> Entry {
        Entry { key: self.key, value: Value::new(self.asked, became) }
    }
}

/// Takes a [`Key`] for the hash that it is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AsIs(u64);

impl BuildHasher for AsIs {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        *self
    }
}

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// What is known under a key. The highest bit of what holds the order's id is free in a file; in memory it says that the entry
/// is in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Value([u32; 3]);

impl Value {
    const SAVED: u32 = 1 << 31;

    fn new(asked: Fingerprint, became: Became) -> Self {
        let lost = u32::from(became.priority == Priority::Lost);
        // An order's id has 47 bits: at a million orders a second, four years.
        let [low, high] = halves(became.order_id.0);
        let [asked_low, asked_high] = halves(asked.0);
        Self([low, asked_low, (high & 0x7FFF) << 16 | lost << 15 | (asked_high & 0x7FFF)])
    }

    pub(super) fn fingerprint(self) -> Fingerprint {
        let Self([_, low, high]) = self;
        Fingerprint(u64::from(high & 0x7FFF) << 32 | u64::from(low))
    }

    pub(super) fn became(self) -> Became {
        let Self([low, _, high]) = self;
        let priority = if high & 1 << 15 == 0 { Priority::Kept } else { Priority::Lost };
        Became { order_id: OrderId(u64::from(high >> 16 & 0x7FFF) << 32 | u64::from(low)), priority }
    }

    pub(super) fn is_saved(self) -> bool {
        let Self([.., high]) = self;
        high & Self::SAVED != 0
    }

    pub(super) fn set_saved(&mut self) {
        let Self([.., high]) = self;
        *high |= Self::SAVED;
    }
}

fn halves(number: u64) -> [u32; 2] {
    // Both halves of it.
    [number as u32, (number >> 32) as u32]
}

/// All that is remembered of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub(super) key: Key,
    pub(super) value: Value,
}

impl Entry {
    /// Bytes of one.
    pub const BYTES: usize = 24;

    /// As it stands in a file.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let Value([one, two, three]) = self.value;
        let words = [one, two, three & !Value::SAVED].map(u32::to_le_bytes);
        let all = self.key.0.into_iter().chain(words.into_iter().flatten());
        bytes.iter_mut().zip(all).for_each(|(to, from)| *to = from);
        bytes
    }

    /// One that stood in a file.
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let (key, words) = bytes.split_first_chunk().expect("24 bytes are more than 12");
        let mut words = words.chunks_exact(4).map(|word| word.try_into().map_or(0, u32::from_le_bytes));
        let mut word = || words.next().unwrap_or_default();
        Self { key: Key(*key), value: Value([word(), word(), word()]) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_an_entry_reads_back() {
        let id = ClientOrderId::parse("my-1").unwrap();
        for order_id in [1, 0x7FFF_FFFF_FFFF, 0x5555_1234_5678] {
            for priority in [Priority::Kept, Priority::Lost] {
                for asked in [0, FINGERPRINT, 0x2AAA_0000_FFFF] {
                    let became = Became { order_id: OrderId(order_id), priority };
                    let claim = Claim::of(Secret::random(), AccountId(3), Use::Order, &id, Fingerprint(asked));
                    let mut entry = claim.became(became);
                    assert_eq!((entry.value.became(), entry.value.fingerprint()), (became, Fingerprint(asked)));
                    assert_eq!(Entry::from_bytes(&entry.to_bytes()), entry);
                    let bytes = entry.to_bytes();
                    entry.value.set_saved();
                    assert!(entry.value.is_saved());
                    assert_eq!((entry.value.became(), entry.to_bytes()), (became, bytes));
                }
            }
        }
    }

    #[test]
    fn keys_are_fixed_by_the_secret_and_differ_by_account_use_and_id() {
        let secret = Secret::from_bytes([7; 16]);
        let id = ClientOrderId::parse("my-1").unwrap();
        let key = secret.key(AccountId(0), Use::Order, &id);
        assert_eq!(key.0, KEY, "the function is that of the files");
        assert_ne!(secret.key(AccountId(1), Use::Order, &id), key);
        assert_ne!(secret.key(AccountId(0), Use::Replace, &id), key);
        assert_ne!(secret.key(AccountId(0), Use::Order, &ClientOrderId::parse("my-2").unwrap()), key);
        assert_ne!(Secret::random().key(AccountId(0), Use::Order, &id), key);
    }

    const KEY: [u8; 12] = [37, 203, 3, 65, 178, 226, 169, 183, 79, 8, 83, 162];
}
