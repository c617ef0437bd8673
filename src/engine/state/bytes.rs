//! Bytes out and in: the same few kinds of values both ways.

use super::StateError;
use crate::domain::Decimal;

pub(super) fn put_u32(number: u32, into: &mut Vec<u8>) {
    into.extend_from_slice(&number.to_le_bytes());
}

pub(super) fn put_u64(number: u64, into: &mut Vec<u8>) {
    into.extend_from_slice(&number.to_le_bytes());
}

pub(super) fn put_i64(number: i64, into: &mut Vec<u8>) {
    into.extend_from_slice(&number.to_le_bytes());
}

pub(super) fn put_i128(number: i128, into: &mut Vec<u8>) {
    into.extend_from_slice(&number.to_le_bytes());
}

/// A name; the empty text stands for none.
pub(super) fn put_name(name: &str, into: &mut Vec<u8>) {
    // No name is longer than 64.
    into.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
    into.extend_from_slice(name.as_bytes());
}

pub(super) fn put_decimal(value: Decimal, into: &mut Vec<u8>) {
    into.push(value.scale());
    put_i64(value.mantissa(), into);
}

/// How many there are of something; there are fewer than 2^32 of anything.
pub(super) fn put_count(count: usize, into: &mut Vec<u8>) {
    put_u32(u32::try_from(count).unwrap_or(u32::MAX), into);
}

/// Takes values off bytes, one after the other.
#[derive(Debug)]
pub(super) struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], StateError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(StateError::Truncated)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, StateError> {
        self.take().map(u8::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, StateError> {
        self.take().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, StateError> {
        self.take().map(u64::from_le_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64, StateError> {
        self.take().map(i64::from_le_bytes)
    }

    pub(super) fn i128(&mut self) -> Result<i128, StateError> {
        self.take().map(i128::from_le_bytes)
    }

    pub(super) fn flag(&mut self) -> Result<bool, StateError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(StateError::Invalid("a flag")),
        }
    }

    pub(super) fn text(&mut self) -> Result<&'a str, StateError> {
        let length = usize::from(self.u8()?);
        let (text, rest) = self.0.split_at_checked(length).ok_or(StateError::Truncated)?;
        self.0 = rest;
        std::str::from_utf8(text).map_err(|_| StateError::Invalid("a name"))
    }

    pub(super) fn name<T, E>(&mut self, parse: impl FnOnce(&str) -> Result<T, E>) -> Result<T, StateError> {
        parse(self.text()?).map_err(|_| StateError::Invalid("a name"))
    }

    pub(super) fn decimal(&mut self) -> Result<Decimal, StateError> {
        let scale = self.u8()?;
        Decimal::new(self.i64()?, scale).map_err(|_| StateError::Invalid("a decimal"))
    }

    /// The word at a place in the list of its kind.
    pub(super) fn word<T: Copy>(&mut self, all: &[T]) -> Result<T, StateError> {
        all.get(usize::from(self.u8()?)).copied().ok_or(StateError::Invalid("a word"))
    }
}
