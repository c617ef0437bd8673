//! What stands in a segment file: a header, then blocks and marks.
//!
//! All numbers are little-endian, all checksums CRC-32C. Segments are numbered 1, 2, 3, … and named by their number in 20
//! digits: `00000000000000000001.frames`; beside a closed one stands its index, `00000000000000000001.index`.
//!
//! A **block** is a run of whole WebSocket frames of one account. A **mark** says that every execution of the journal's
//! records up to a number stands before it: what follows the last mark is not complete, and is not counted.

use crc32c::crc32c;

use crate::domain::AccountId;

/// The version of everything in this file and in the index.
pub(super) const FORMAT: u32 = 1;
/// A block's frames are about this long at the most; a single frame that is longer has a block of its own.
pub(super) const BLOCK_BYTES: usize = 64 * 1024;
/// No block is longer: what says it is, is damaged.
pub(super) const LENGTH_MAX: u32 = 16 * 1024 * 1024;
/// The first bytes of a segment.
const SEGMENT_MAGIC: [u8; 8] = [0xF5, b'o', b'o', b'e', b'x', b'e', b'c', 0xFA];
/// The first bytes of a block.
const BLOCK_MAGIC: [u8; 4] = [0xF6, 0xA7, 0xFB, 0xB1];
/// The first bytes of a mark.
const MARK_MAGIC: [u8; 4] = [0xF6, 0xA7, 0xFB, 0xA2];
/// How a segment's name ends.
const EXTENSION: &str = ".frames";
/// How an index's name ends.
const INDEX_EXTENSION: &str = ".index";
/// Digits of the largest segment number.
const NAME_DIGITS: usize = 20;

/// The name of segment `number`.
pub(super) fn segment_name(number: u64) -> String {
    format!("{number:020}{EXTENSION}")
}

/// The name of the index of segment `number`.
pub(super) fn index_name(number: u64) -> String {
    format!("{number:020}{INDEX_EXTENSION}")
}

/// The number of the segment called `name`; `None` if it is no segment's name.
pub(super) fn segment_number(name: &str) -> Option<u64> {
    number(name.strip_suffix(EXTENSION)?)
}

/// The number of the segment whose index is called `name`; `None` if it is no index's name.
pub(super) fn index_number(name: &str) -> Option<u64> {
    number(name.strip_suffix(INDEX_EXTENSION)?)
}

fn number(digits: &str) -> Option<u64> {
    let is_number = digits.len() == NAME_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok())?.filter(|number| *number > 0)
}

/// The first 48 bytes of a segment. **This layout is that of every format**, so that an old or new one can be told apart
/// from damage.
///
/// ```text
/// 0 magic 8 · 8 format u32 · 12 epoch u64 · 20 log u64 · 28 number u64 · 36 held u64 · 44 crc u32
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The random number of the venue's data.
    pub(super) epoch: u64,
    /// The random number of this log: one that is made anew has another.
    pub(super) log: u64,
    /// The segment's own number.
    pub(super) number: u64,
    /// The journal's record up to which all executions stand in the segments before.
    pub(super) held: u64,
}

impl Header {
    pub(super) const SIZE: usize = 48;
    const SUMMED: usize = 44;

    /// The header as bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::SIZE);
        bytes.extend_from_slice(&SEGMENT_MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        for field in [self.epoch, self.log, self.number, self.held] {
            bytes.extend_from_slice(&field.to_le_bytes());
        }
        bytes.extend_from_slice(&crc32c(&bytes).to_le_bytes());
        bytes
    }

    /// The format and the header; `None` if the bytes are no header. Of another format only the first counts.
    pub(super) fn decode(bytes: &[u8]) -> Option<(u32, Self)> {
        let crc = crc32c(bytes.get(..Self::SUMMED)?);
        let mut fields = Fields(bytes);
        let (magic, format) = (fields.next::<8>()?, fields.u32()?);
        let header = Self { epoch: fields.u64()?, log: fields.u64()?, number: fields.u64()?, held: fields.u64()? };
        let whole = magic == SEGMENT_MAGIC && fields.u32()? == crc;
        whole.then_some((format, header))
    }
}

/// The first 32 bytes of a block, whose frames follow, or the whole of a mark.
///
/// ```text
/// block: 0 magic 4 · 4 account u32 · 8 first_seq u64 · 16 count u32 · 20 length u32 · 24 frames crc u32 · 28 crc u32
/// mark:  0 magic 4 · 4 zero u32    · 8 number u64    · 16 zero 12                                      · 28 crc u32
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// A run of frames.
    Block(BlockHead),
    /// All executions up to this record of the journal stand before it.
    Mark(u64),
}

/// What a block says of its frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockHead {
    /// Whose executions they are.
    pub(super) account: AccountId,
    /// The sequence of the first.
    pub(super) first_seq: u64,
    /// How many there are, at least one.
    pub(super) count: u32,
    /// How many bytes they have.
    pub(super) length: u32,
    /// Their checksum.
    pub(super) crc: u32,
}

impl BlockHead {
    /// The sequence after the last frame.
    pub(super) fn next_seq(&self) -> u64 {
        self.first_seq.saturating_add(u64::from(self.count))
    }
}

impl Head {
    pub(super) const SIZE: usize = 32;
    const SUMMED: usize = 28;

    /// The bytes from its start to the start of what follows.
    pub(super) fn length(&self) -> u64 {
        let frames = match self {
            Self::Block(block) => u64::from(block.length),
            Self::Mark(_) => 0,
        };
        Self::SIZE as u64 + frames
    }

    /// It as bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::SIZE);
        match self {
            Self::Block(block) => {
                bytes.extend_from_slice(&BLOCK_MAGIC);
                bytes.extend_from_slice(&block.account.0.to_le_bytes());
                bytes.extend_from_slice(&block.first_seq.to_le_bytes());
                bytes.extend_from_slice(&block.count.to_le_bytes());
                bytes.extend_from_slice(&block.length.to_le_bytes());
                bytes.extend_from_slice(&block.crc.to_le_bytes());
            }
            Self::Mark(number) => {
                bytes.extend_from_slice(&MARK_MAGIC);
                bytes.extend_from_slice(&[0; 4]);
                bytes.extend_from_slice(&number.to_le_bytes());
                bytes.extend_from_slice(&[0; 12]);
            }
        }
        bytes.extend_from_slice(&crc32c(&bytes).to_le_bytes());
        bytes
    }

    /// What the bytes say; `None` if they are neither.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let crc = crc32c(bytes.get(..Self::SUMMED)?);
        let mut fields = Fields(bytes);
        let magic = fields.next::<4>()?;
        let account = AccountId(fields.u32()?);
        let first_seq = fields.u64()?;
        let block = BlockHead { account, first_seq, count: fields.u32()?, length: fields.u32()?, crc: fields.u32()? };
        if fields.u32()? != crc {
            return None;
        }
        match magic {
            BLOCK_MAGIC if block.count > 0 && first_seq > 0 && block.length <= LENGTH_MAX => Some(Self::Block(block)),
            MARK_MAGIC => Some(Self::Mark(first_seq)),
            _ => None,
        }
    }
}

/// Takes fields off bytes, one after the other.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    pub(super) fn next<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.next().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.next().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_read_back_and_no_flipped_bit_passes() {
        let header = Header { epoch: u64::MAX - 1, log: 7, number: 12, held: 99 };
        let bytes = header.encode();
        assert_eq!(bytes.len(), Header::SIZE);
        assert_eq!(Header::decode(&bytes), Some((FORMAT, header)));
        for bit in 0..Header::SIZE * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(&flipped), None, "bit {bit}");
        }
        let block = BlockHead { account: AccountId(1), first_seq: 2, count: 3, length: 4, crc: 5 };
        for head in [Head::Block(block), Head::Mark(u64::MAX)] {
            let bytes = head.encode();
            assert_eq!((bytes.len(), Head::decode(&bytes)), (Head::SIZE, Some(head)));
            for bit in 0..Head::SIZE * 8 {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(Head::decode(&flipped), None, "bit {bit}");
            }
            assert_eq!(Head::decode(&bytes[..Head::SIZE - 1]), None);
        }
    }

    #[test]
    fn segments_are_named_by_their_number() {
        assert_eq!(segment_name(1), "00000000000000000001.frames");
        assert_eq!(segment_number(&segment_name(u64::MAX)), Some(u64::MAX));
        assert_eq!((index_number(&index_name(7)), index_number(&segment_name(7))), (Some(7), None));
        for name in ["1.frames", "00000000000000000000.frames", "00000000000000000001.index", "next.tmp"] {
            assert_eq!(segment_number(name), None, "{name}");
        }
    }
}
