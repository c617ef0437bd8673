//! What stands in a segment file: a header, frames, zeros.
//!
//! All numbers are little-endian, all checksums CRC-32C. A segment is named by the number of its first record, in 20 digits:
//! `00000000000000000001.log`. It is filled with zeros before it is used, so that a sync need not write the file's length,
//! and a frame that was never written reads as zeros. One that is not yet in use is named `next.tmp`.
//!
//! Magic numbers have bytes above 127, which no name has: no frame can be forged inside a record.

use crc32c::crc32c;

use crate::domain::Nanos;

/// The version of everything in this file and in the codec.
pub(super) const FORMAT: u32 = 4;
/// The oldest version that is read.
pub(super) const FORMAT_OLDEST: u32 = 1;
/// A segment in the making.
pub(super) const SPARE: &str = "next.tmp";
/// The first bytes of a segment.
const SEGMENT_MAGIC: [u8; 8] = [0xF5, b'o', b'o', b'j', b'r', b'n', b'l', 0xFA];
/// The first bytes of a frame.
pub(super) const FRAME_MAGIC: [u8; 4] = [0xF6, 0xA7, 0xFB, 0x99];
/// How a segment's name ends.
const EXTENSION: &str = ".log";
/// Digits of the largest record number.
const NAME_DIGITS: usize = 20;

/// The name of the segment that starts with record `first`.
pub(super) fn segment_name(first: u64) -> String {
    format!("{first:020}{EXTENSION}")
}

/// The first record of the segment called `name`; `None` if it is no segment's name.
pub(super) fn segment_first(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(EXTENSION)?;
    let is_number = digits.len() == NAME_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok())?
}

/// The first 48 bytes of a segment. **This layout is that of every format**, so that an old or new one can be told apart
/// from damage.
///
/// ```text
/// 0 magic 8 · 8 format u32 · 12 rules u32 · 16 epoch u64 · 24 first u64 · 32 stamp i64 · 40 previous u32 · 44 crc u32
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The version of the rules by which the engine executed what follows.
    pub(super) rules: u32,
    /// The random number of the venue's data.
    pub(super) epoch: u64,
    /// The number of its first record.
    pub(super) first: u64,
    /// The stamp of the record before that.
    pub(super) stamp: Nanos,
    /// The checksum of the frame before, in the segment before; of a first segment, 0.
    pub(super) previous: u32,
}

impl Header {
    pub(super) const SIZE: usize = 48;
    const SUMMED: usize = 44;

    /// The header as bytes, and its checksum.
    pub(super) fn encode(&self) -> (Vec<u8>, u32) {
        let mut bytes = Vec::with_capacity(Self::SIZE);
        bytes.extend_from_slice(&SEGMENT_MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&self.rules.to_le_bytes());
        bytes.extend_from_slice(&self.epoch.to_le_bytes());
        bytes.extend_from_slice(&self.first.to_le_bytes());
        bytes.extend_from_slice(&self.stamp.0.to_le_bytes());
        bytes.extend_from_slice(&self.previous.to_le_bytes());
        let crc = crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        (bytes, crc)
    }

    /// The format, the header and its checksum; `None` if the bytes are no header. Of another format only the first counts.
    pub(super) fn decode(bytes: &[u8]) -> Option<(u32, Self, u32)> {
        let crc = crc32c(bytes.get(..Self::SUMMED)?);
        let mut fields = Fields(bytes);
        let (magic, format) = (fields.next::<8>()?, u32::from_le_bytes(fields.next()?));
        let header = Self {
            rules: u32::from_le_bytes(fields.next()?),
            epoch: u64::from_le_bytes(fields.next()?),
            first: u64::from_le_bytes(fields.next()?),
            stamp: Nanos(i64::from_le_bytes(fields.next()?)),
            previous: u32::from_le_bytes(fields.next()?),
        };
        let whole = magic == SEGMENT_MAGIC && u32::from_le_bytes(fields.next()?) == crc;
        whole.then_some((format, header, crc))
    }
}

/// The first 40 bytes of a frame; its records follow, `count` of them in `length` bytes.
///
/// ```text
/// 0 magic 4 · 4 length u32 · 8 first u64 · 16 count u32 · 20 payload crc u32 · 24 executions u64 · 32 previous u32 · 36 crc u32
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHeader {
    /// Bytes of records after the header.
    pub(super) length: u32,
    /// The number of its first record; the others follow densely.
    pub(super) first: u64,
    /// How many records it has, at least one.
    pub(super) count: u32,
    /// The checksum of the records.
    pub(super) payload_crc: u32,
    /// The wrapping sum of a hash of each execution that the records produced.
    pub(super) executions_hash: u64,
    /// The header's checksum of the frame before; of a segment's first frame, that of the segment's header.
    pub(super) previous: u32,
}

impl FrameHeader {
    pub(super) const SIZE: usize = 40;
    const SUMMED: usize = 36;

    /// Writes the header over the first bytes of `frame` and gives its checksum.
    pub(super) fn write(&self, frame: &mut [u8]) -> u32 {
        let mut bytes = Vec::with_capacity(Self::SIZE);
        bytes.extend_from_slice(&FRAME_MAGIC);
        bytes.extend_from_slice(&self.length.to_le_bytes());
        bytes.extend_from_slice(&self.first.to_le_bytes());
        bytes.extend_from_slice(&self.count.to_le_bytes());
        bytes.extend_from_slice(&self.payload_crc.to_le_bytes());
        bytes.extend_from_slice(&self.executions_hash.to_le_bytes());
        bytes.extend_from_slice(&self.previous.to_le_bytes());
        let crc = crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        for (to, from) in frame.iter_mut().zip(bytes) {
            *to = from;
        }
        crc
    }

    /// The header and its checksum; `None` if the bytes are no header.
    pub(super) fn decode(bytes: &[u8]) -> Option<(Self, u32)> {
        let mut fields = Fields(bytes);
        if fields.next::<4>()? != FRAME_MAGIC {
            return None;
        }
        let header = Self {
            length: u32::from_le_bytes(fields.next()?),
            first: u64::from_le_bytes(fields.next()?),
            count: u32::from_le_bytes(fields.next()?),
            payload_crc: u32::from_le_bytes(fields.next()?),
            executions_hash: u64::from_le_bytes(fields.next()?),
            previous: u32::from_le_bytes(fields.next()?),
        };
        let crc = crc32c(bytes.get(..Self::SUMMED)?);
        (u32::from_le_bytes(fields.next()?) == crc).then_some((header, crc))
    }
}

/// Takes fields off bytes, one after the other.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn next<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_read_back_and_no_flipped_bit_passes() {
        let header = Header { rules: 7, epoch: u64::MAX - 1, first: 12, stamp: Nanos(-5), previous: 99 };
        let (bytes, _) = header.encode();
        assert_eq!(bytes.len(), Header::SIZE);
        assert_eq!(Header::decode(&bytes).unwrap().1, header);
        let frame = FrameHeader { length: 1, first: 2, count: 3, payload_crc: 4, executions_hash: u64::MAX, previous: 6 };
        let mut written = vec![0; FrameHeader::SIZE];
        let crc = frame.write(&mut written);
        assert_eq!(FrameHeader::decode(&written), Some((frame, crc)));
        for bit in 0..Header::SIZE * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Header::decode(&flipped).is_none(), "bit {bit}");
        }
        for bit in 0..FrameHeader::SIZE * 8 {
            let mut flipped = written.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(FrameHeader::decode(&flipped).is_none(), "bit {bit}");
        }
        for length in 0..Header::SIZE {
            assert!(Header::decode(&bytes[..length]).is_none());
            assert!(FrameHeader::decode(&written[..length.min(FrameHeader::SIZE - 1)]).is_none());
        }
    }

    #[test]
    fn segments_are_named_by_their_first_record() {
        assert_eq!(segment_name(1), "00000000000000000001.log");
        assert_eq!(segment_first(&segment_name(u64::MAX)), Some(u64::MAX));
        for name in ["1.log", "00000000000000000001.tmp", "+0000000000000000001.log", "99999999999999999999.log", SPARE] {
            assert_eq!(segment_first(name), None, "{name}");
        }
    }
}
