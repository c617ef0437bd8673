//! WebSocket frames as a server writes them (RFC 6455, section 5.2): final, unmasked.

use std::sync::Arc;

use bytes::Bytes;

/// A final text frame's first byte.
const TEXT: u8 = 0x81;
/// A final close frame's first byte.
const CLOSE: u8 = 0x88;
/// As much memory as a builder keeps from one block to the next, in bytes; and a quarter of that for where frames end.
const BUILDER_BYTES: usize = 1 << 20;
/// The longest header of an unmasked frame.
const HEADER_MAX: usize = 10;

/// Frames of consecutive sequences in one piece of memory, shared by all who read them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Block {
    pub(super) first_seq: u64,
    /// Where each frame ends.
    pub(super) ends: Arc<[u32]>,
    pub(super) bytes: Bytes,
}

impl Block {
    /// The sequence of its first frame.
    pub fn first_seq(&self) -> u64 {
        self.first_seq
    }

    /// The sequence after its last frame.
    pub fn next_seq(&self) -> u64 {
        self.first_seq + self.ends.len() as u64
    }
}

/// Builds blocks, frame by frame; keeps its memory from one to the next.
#[derive(Debug)]
pub struct BlockBuilder {
    first_seq: u64,
    ends: Vec<u32>,
    bytes: Vec<u8>,
}

impl BlockBuilder {
    /// An empty block whose first frame will have `first_seq`.
    pub fn new(first_seq: u64) -> Self {
        Self { first_seq, ends: Vec::new(), bytes: Vec::new() }
    }

    /// Appends a text frame whose payload `write` makes.
    pub fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        push_text(&mut self.bytes, write);
        self.ends.push(u32::try_from(self.bytes.len()).expect("what is built at once is far below 4 GiB"));
    }

    /// Whether it has no frame.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The sequence that the next frame will have.
    pub fn next_seq(&self) -> u64 {
        self.first_seq + self.ends.len() as u64
    }

    /// The finished block, in memory of just its size. The next one will follow on it.
    pub fn build(&mut self) -> Block {
        let block = Block {
            first_seq: self.first_seq,
            ends: self.ends.as_slice().into(),
            bytes: Bytes::copy_from_slice(&self.bytes),
        };
        self.restart(self.next_seq());
        block
    }

    /// Begins an empty block whose first frame will have `first_seq`.
    pub fn restart(&mut self, first_seq: u64) {
        self.first_seq = first_seq;
        self.ends.clear();
        self.ends.shrink_to(BUILDER_BYTES / 16);
        self.bytes.clear();
        self.bytes.shrink_to(BUILDER_BYTES);
    }
}

/// Text frames of one reader, gathered to go out together.
#[derive(Debug, Default)]
pub struct TextFrames {
    bytes: Vec<u8>,
}

impl TextFrames {
    /// Appends a frame whose payload `write` makes.
    pub fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        push_text(&mut self.bytes, write);
    }

    /// All frames since the last time. The next ones are likely to be as long.
    pub fn take(&mut self) -> Bytes {
        let next = Vec::with_capacity(self.bytes.len());
        std::mem::replace(&mut self.bytes, next).into()
    }
}

/// One text frame.
pub fn text_frame(payload: &[u8]) -> Bytes {
    let mut frame = Vec::with_capacity(payload.len() + HEADER_MAX);
    header(TEXT, payload.len(), &mut frame);
    frame.extend_from_slice(payload);
    frame.into()
}

/// A close frame; the reason is cut to the 123 bytes that a close frame has room for.
pub fn close_frame(code: u16, reason: &str) -> Bytes {
    let reason = &reason[..reason.floor_char_boundary(123)];
    let mut frame = Vec::with_capacity(reason.len() + 4);
    header(CLOSE, reason.len() + 2, &mut frame);
    frame.extend_from_slice(&code.to_be_bytes());
    frame.extend_from_slice(reason.as_bytes());
    frame.into()
}

/// The payloads of a run of whole unmasked frames.
pub fn frames(run: &Bytes) -> impl Iterator<Item = &[u8]> {
    let mut rest: &[u8] = run;
    std::iter::from_fn(move || {
        let (header, length) = measure(rest)?;
        let payload = rest.get(header..header + length)?;
        rest = rest.get(header + length..)?;
        Some(payload)
    })
}

/// How long each of a run of whole unmasked frames is, its header included.
pub(super) fn frame_lengths(run: &[u8]) -> impl Iterator<Item = usize> {
    let mut rest = run;
    std::iter::from_fn(move || {
        let (header, length) = measure(rest)?;
        rest = rest.get(header + length..)?;
        Some(header + length)
    })
}

/// How long the header and the payload of the frame are that starts here.
fn measure(frame: &[u8]) -> Option<(usize, usize)> {
    Some(match *frame.get(1)? {
        126 => (4, frame.get(2..4)?.iter().fold(0, |length, byte| length << 8 | usize::from(*byte))),
        127 => (10, frame.get(2..10)?.iter().fold(0, |length, byte| length << 8 | usize::from(*byte))),
        short => (2, usize::from(short)),
    })
}

/// Appends a text frame whose payload `write` appends: most have a header of four bytes, which is filled in afterwards.
fn push_text(bytes: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = bytes.len();
    bytes.extend_from_slice(&[TEXT, 126, 0, 0]);
    write(bytes);
    let length = bytes.len() - start - 4;
    if let (Ok(middle @ 126..), Some(place)) = (u16::try_from(length), bytes.get_mut(start + 2..start + 4)) {
        place.copy_from_slice(&middle.to_be_bytes());
        return;
    }
    let payload = bytes.split_off(start + 4);
    bytes.truncate(start);
    header(TEXT, length, bytes);
    bytes.extend_from_slice(&payload);
}

fn header(first: u8, length: usize, into: &mut Vec<u8>) {
    into.push(first);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..=125), _) => into.push(short),
        (_, Ok(middle)) => {
            into.push(126);
            into.extend_from_slice(&middle.to_be_bytes());
        }
        _ => {
            into.push(127);
            into.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_of_every_header_size_come_out_as_they_went_in() {
        let mut block = BlockBuilder::new(5);
        let payloads: Vec<Vec<u8>> = [0, 1, 125, 126, 65_535, 65_536].map(|length| vec![b'x'; length]).into();
        for payload in &payloads {
            block.push(|into| into.extend_from_slice(payload));
        }
        let block = block.build();
        assert_eq!((block.first_seq(), block.next_seq()), (5, 11));
        assert_eq!(frames(&block.bytes).map(<[u8]>::to_vec).collect::<Vec<_>>(), payloads);
    }

    #[test]
    fn close_reasons_are_cut_between_characters() {
        assert_eq!(&close_frame(1001, "bye")[..], b"\x88\x05\x03\xe9bye");
        assert_eq!(close_frame(4008, &"é".repeat(100)).len(), 2 + 2 + 122);
    }
}
