//! JSON objects written by hand: what every execution and every order's answer is made of, once each, as fast as it can be.
//!
//! In: keys and values in the order in which they are to stand. Out: bytes of one JSON object. Keys and words are written as
//! they are: they have nothing to escape. What people read is escaped.

use crate::domain::{
    AccountName, AssetName, AveragePrice, ClientOrderId, Decimal, MomentText, Money, Nanos, Symbol, write_whole,
};

/// An object in the making, at the end of some bytes.
#[derive(Debug)]
pub struct Object<'a> {
    into: &'a mut Vec<u8>,
    moments: &'a mut MomentText,
}

/// A value that stands in an object.
pub trait Value {
    /// Writes it.
    fn write(self, object: &mut Object<'_>);
}

/// A word of the contract: it has nothing to escape.
#[derive(Clone, Copy, Debug)]
pub struct Word<'a>(pub &'a str);

/// The key of a field, ready to be written.
#[derive(Clone, Copy, Debug)]
pub struct Key(pub &'static str);

/// A [`Key`] from its name.
macro_rules! key {
    ($name:literal) => {
        $crate::stream::json::Key(concat!(",\"", $name, "\":"))
    };
}
pub(crate) use key;

/// A text for people.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a>(pub &'a str);

/// JSON as it is.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a>(pub &'a [u8]);

impl<'a> Object<'a> {
    /// Begins an object with its first field; `moments` writes its moments.
    pub fn begin(into: &'a mut Vec<u8>, moments: &'a mut MomentText, first: Key, value: impl Value) -> Self {
        let mut object = Self { into, moments };
        object.first(first, value);
        object
    }

    /// Begins with a first field.
    #[inline(always)]
    fn first(&mut self, key: Key, value: impl Value) {
        self.into.push(b'{');
        self.into.extend_from_slice(key.0.as_bytes().get(1..).unwrap_or_default());
        value.write(self);
    }

    /// Adds a field.
    #[inline(always)]
    pub fn field(&mut self, key: Key, value: impl Value) -> &mut Self {
        self.into.extend_from_slice(key.0.as_bytes());
        value.write(self);
        self
    }

    /// Ends the object.
    pub fn end(&mut self) {
        self.into.push(b'}');
    }
}

impl<T: Value> Value for Option<T> {
    #[inline]
    fn write(self, object: &mut Object<'_>) {
        match self {
            Some(value) => value.write(object),
            None => object.into.extend_from_slice(b"null"),
        }
    }
}

impl Value for u64 {
    #[inline]
    fn write(self, object: &mut Object<'_>) {
        write_whole(self, object.into);
    }
}

impl Value for bool {
    fn write(self, object: &mut Object<'_>) {
        object.into.extend_from_slice(if self { b"true" } else { b"false" });
    }
}

impl Value for Word<'_> {
    #[inline]
    fn write(self, object: &mut Object<'_>) {
        object.into.push(b'"');
        object.into.extend_from_slice(self.0.as_bytes());
        object.into.push(b'"');
    }
}

macro_rules! names {
    ($($name:ty),+) => {
        $(impl Value for &$name {
            #[inline]
            fn write(self, object: &mut Object<'_>) {
                object.into.push(b'"');
                self.write(object.into);
                object.into.push(b'"');
            }
        })+
    };
}

names!(AccountName, AssetName, ClientOrderId, Symbol);

impl Value for Text<'_> {
    fn write(self, object: &mut Object<'_>) {
        serde_json::to_writer(&mut *object.into, self.0).expect("memory does not fail to write");
    }
}

impl Value for Raw<'_> {
    fn write(self, object: &mut Object<'_>) {
        object.into.extend_from_slice(self.0);
    }
}

macro_rules! quoted {
    ($($number:ty),+) => {
        $(impl Value for $number {
            #[inline]
            fn write(self, object: &mut Object<'_>) {
                object.into.push(b'"');
                <$number>::write(self, object.into);
                object.into.push(b'"');
            }
        })+
    };
}

quoted!(Decimal, Money, AveragePrice);

impl Value for Nanos {
    #[inline]
    fn write(self, object: &mut Object<'_>) {
        object.into.push(b'"');
        let Object { into, moments } = object;
        into.extend_from_slice(moments.of(self));
        into.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_reads_back_as_it_was_written() {
        let (mut bytes, mut moments) = (b"before ".to_vec(), MomentText::default());
        let mut object = Object::begin(&mut bytes, &mut moments, key!("zero"), 0);
        object.field(key!("most"), u64::MAX).field(key!("none"), None::<u64>).field(key!("yes"), true);
        object.field(key!("word"), Word("buy")).field(key!("text"), Text("a \"b\"\n"));
        object.field(key!("decimal"), Decimal::parse("-0.05").unwrap()).field(key!("ts"), Nanos(1));
        object.field(key!("raw"), Raw(b"[1]"));
        object.field(key!("symbol"), &Symbol::parse("BTC/USDT").unwrap()).end();
        let read: serde_json::Value = serde_json::from_slice(&bytes[7..]).unwrap();
        let expected = serde_json::json!({
            "zero": 0, "most": u64::MAX, "none": null, "yes": true, "word": "buy", "text": "a \"b\"\n", "decimal": "-0.05",
            "ts": "1970-01-01T00:00:00.000000001Z", "raw": [1], "symbol": "BTC/USDT",
        });
        assert_eq!(read, expected);
    }
}
