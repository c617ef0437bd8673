//! A log of frames: appended to in order, read by any number of cursors.

use std::{
    collections::VecDeque,
    ops::Range,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::{Bytes, BytesMut};
use tokio::sync::watch;

use super::{Block, BlockBuilder};

/// So many blocks at the end may be small; then they are copied into one, once, so that a late reader gets few long runs.
const SMALL_BLOCKS_MAX: usize = 64;
/// A block of this many bytes is not small.
const LARGE_BYTES: usize = 16 * 1024;

/// A log that keeps its newest frames.
#[derive(Debug)]
pub struct Log {
    /// How many frames are kept at the least, once there are that many.
    frames_kept: u64,
    /// The last frame that is kept elsewhere too: those after it are kept here, however many they are.
    kept_elsewhere: Option<Arc<AtomicU64>>,
    blocks: RwLock<Blocks>,
    /// The sequence of the last frame, a moment after it can be read: wakes who waits for more.
    last_seq: watch::Sender<u64>,
}

#[derive(Debug)]
struct Blocks {
    blocks: VecDeque<Block>,
    /// The sequence of the oldest frame that is kept.
    oldest_seq: u64,
    next_seq: u64,
    /// How many blocks at the end have not been merged.
    small: usize,
    /// Frames that came at once and are many, of which some are kept; oldest first. Each with the batch that brought it.
    bursts: VecDeque<(u64, Range<u64>)>,
}

/// What a log had for a reader.
#[derive(Debug, PartialEq, Eq)]
pub enum Read {
    /// Whole frames, up to but without `next_seq`; none if the reader is at the end.
    Frames {
        /// Where to read on.
        next_seq: u64,
    },
    /// The frame asked for is not kept any more.
    Gone {
        /// The oldest that is.
        oldest_seq: u64,
    },
}

impl Log {
    /// An empty log whose first frame will have `first_seq`, keeping at least `frames_kept`.
    pub fn new(first_seq: u64, frames_kept: u64) -> Self {
        let blocks = Blocks {
            blocks: VecDeque::new(),
            oldest_seq: first_seq,
            next_seq: first_seq,
            small: 0,
            bursts: VecDeque::new(),
        };
        let last_seq = watch::Sender::new(first_seq - 1);
        Self { frames_kept, kept_elsewhere: None, blocks: RwLock::new(blocks), last_seq }
    }

    /// The same, but it forgets no frame after the one that `kept_elsewhere` says.
    pub fn before(first_seq: u64, frames_kept: u64, kept_elsewhere: Arc<AtomicU64>) -> Self {
        Self { kept_elsewhere: Some(kept_elsewhere), ..Self::new(first_seq, frames_kept) }
    }

    /// Appends a block.
    ///
    /// # Panics
    ///
    /// If the block does not follow on the last one: a sequence would be skipped or repeated.
    pub fn append(&self, block: Block) {
        self.append_part(block, 0);
    }

    /// The same of a batch, which may come in parts: a number that others have not.
    ///
    /// # Panics
    ///
    /// As [`Log::append`].
    pub fn append_part(&self, block: Block, batch: u64) {
        let dense = |next_seq| {
            assert_eq!(block.first_seq, next_seq, "a log's sequence is dense");
            block
        };
        self.append_with(dense, batch);
    }

    /// Appends one frame, whose payload `write` makes.
    pub fn push(&self, write: impl FnOnce(&mut Vec<u8>)) {
        let one = |next_seq| {
            let mut block = BlockBuilder::new(next_seq);
            block.push(write);
            block.build()
        };
        self.append_with(one, 0);
    }

    fn append_with(&self, block: impl FnOnce(u64) -> Block, batch: u64) {
        let last_seq = {
            let mut blocks = self.blocks.write().unwrap_or_else(PoisonError::into_inner);
            let block = block(blocks.next_seq);
            blocks.note_burst(&block, batch);
            let kept_elsewhere = self.kept_elsewhere.as_ref().map_or(u64::MAX, |seq| seq.load(Ordering::Acquire));
            blocks.append(block, self.frames_kept, kept_elsewhere);
            blocks.next_seq - 1
        };
        // Two writers may come here in either order; the sequence never goes back.
        self.last_seq.send_if_modified(|last| {
            let grown = last_seq > *last;
            *last = last_seq.max(*last);
            grown
        });
    }

    /// The sequence of the last frame that can be read; one less than the first that will be, if there is none.
    pub fn last_seq(&self) -> u64 {
        self.read_blocks().next_seq - 1
    }

    /// The sequence of the oldest frame that is kept.
    pub fn oldest_seq(&self) -> u64 {
        self.read_blocks().oldest_seq
    }

    /// Whether it is one batch that makes more than `limit` frames of those from `seq` on, and alone brought most of as many: the
    /// sequence after its last.
    pub fn burst_beyond(&self, seq: u64, limit: u64) -> Option<u64> {
        let blocks = self.read_blocks();
        let lag = blocks.next_seq.saturating_sub(seq);
        let explains = |burst: &Range<u64>| {
            let left = burst.end.saturating_sub(burst.start.max(seq));
            left > 0 && (burst.end - burst.start) * 2 > limit && lag - left <= limit
        };
        blocks.bursts.iter().map(|(_, burst)| burst).find(|burst| explains(burst)).map(|burst| burst.end)
    }

    /// A receiver that changes whenever there is more.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.last_seq.subscribe()
    }

    /// Puts the frames from `seq` on into `into`, as shared runs of bytes: at least one frame if there is one, and no more
    /// than `bytes_max` beyond that.
    pub fn read(&self, seq: u64, bytes_max: usize, into: &mut VecDeque<Bytes>) -> Read {
        let blocks = self.read_blocks();
        if seq < blocks.oldest_seq {
            return Read::Gone { oldest_seq: blocks.oldest_seq };
        }
        let mut next_seq = seq;
        let mut left = bytes_max;
        let first = blocks.blocks.partition_point(|block| block.next_seq() <= seq);
        for block in blocks.blocks.range(first..) {
            let (run, run_next_seq) = block.run(next_seq, left, next_seq == seq);
            if run.is_empty() {
                break;
            }
            left = left.saturating_sub(run.len());
            next_seq = run_next_seq;
            into.push_back(run);
            if next_seq < block.next_seq() {
                // The next block's frames may be smaller and fit, but it is not their turn.
                break;
            }
        }
        Read::Frames { next_seq }
    }

    fn read_blocks(&self) -> RwLockReadGuard<'_, Blocks> {
        // A panic while appending ends the process; until then what is there is whole.
        self.blocks.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Blocks {
    fn append(&mut self, block: Block, frames_kept: u64, kept_elsewhere: u64) {
        self.next_seq = block.next_seq();
        self.small = if block.bytes.len() >= LARGE_BYTES { 0 } else { self.small + 1 };
        self.blocks.push_back(block);
        if self.small == SMALL_BLOCKS_MAX {
            self.merge_small();
        }
        while let Some(oldest) = self.blocks.front()
            && self.next_seq - oldest.next_seq() >= frames_kept
            && oldest.next_seq() - 1 <= kept_elsewhere
        {
            self.oldest_seq = oldest.next_seq();
            self.blocks.pop_front();
        }
    }

    fn note_burst(&mut self, block: &Block, batch: u64) {
        match self.bursts.back_mut() {
            Some((of, burst)) if *of == batch && batch > 0 => burst.end = block.next_seq(),
            _ if block.bytes.len() >= LARGE_BYTES => self.bursts.push_back((batch, block.first_seq..block.next_seq())),
            _ => {}
        }
        while self.bursts.pop_front_if(|(_, burst)| burst.end <= self.oldest_seq).is_some() {}
    }

    fn merge_small(&mut self) {
        // The oldest of them may have been forgotten since.
        let small = self.blocks.split_off(self.blocks.len().saturating_sub(self.small));
        self.small = 0;
        let Some(first_seq) = small.front().map(Block::first_seq) else { return };
        let mut bytes = BytesMut::with_capacity(small.iter().map(|block| block.bytes.len()).sum());
        let mut ends = Vec::with_capacity(small.iter().map(|block| block.ends.len()).sum());
        for block in small {
            let start = u32::try_from(bytes.len()).expect("64 small blocks are at most a megabyte");
            ends.extend(block.ends.iter().map(|end| start + end));
            bytes.extend_from_slice(&block.bytes);
        }
        self.blocks.push_back(Block { first_seq, ends: ends.into(), bytes: bytes.freeze() });
    }
}

impl Block {
    /// The frames from `seq` on that fit into `bytes_max`, and the sequence after them; with `at_least_one`, the first of
    /// them whatever its size.
    fn run(&self, seq: u64, bytes_max: usize, at_least_one: bool) -> (Bytes, u64) {
        let skipped = usize::try_from(seq.saturating_sub(self.first_seq)).unwrap_or(usize::MAX);
        let start = match skipped.checked_sub(1) {
            None => 0,
            Some(before) => self.ends.get(before).map_or(self.bytes.len(), |end| *end as usize),
        };
        let fitting = self.ends.partition_point(|end| *end as usize - start.min(*end as usize) <= bytes_max);
        let last = if at_least_one { fitting.max(skipped + 1) } else { fitting.max(skipped) }.min(self.ends.len());
        if last <= skipped {
            return (Bytes::new(), seq);
        }
        let end = self.ends.get(last - 1).map_or(start, |end| *end as usize);
        (self.bytes.slice(start..end), self.first_seq + last as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::frames;

    fn block(first_seq: u64, frames: u64) -> Block {
        let mut block = BlockBuilder::new(first_seq);
        for seq in first_seq..first_seq + frames {
            block.push(|into| into.extend_from_slice(format!("{seq:06}").as_bytes()));
        }
        block.build()
    }

    /// Reads on from `seq` in runs of `bytes_max` until the end; what came, as the numbers in the frames.
    fn read_all(log: &Log, mut seq: u64, bytes_max: usize) -> Vec<u64> {
        let mut found = Vec::new();
        loop {
            let mut runs = VecDeque::new();
            let Read::Frames { next_seq } = log.read(seq, bytes_max, &mut runs) else { panic!("gone") };
            for frame in runs.iter().flat_map(frames) {
                found.push(std::str::from_utf8(frame).unwrap().parse().unwrap());
            }
            if next_seq == seq {
                return found;
            }
            seq = next_seq;
        }
    }

    #[test]
    fn every_frame_comes_once_and_in_order_whatever_the_blocks_and_runs() {
        let log = Log::new(1, 10_000);
        let mut next = 1;
        for frames in (1..=90).map(|n| n % 7 + 1) {
            log.append(block(next, frames));
            next += frames;
        }
        assert_eq!(log.last_seq(), next - 1);
        for from in [1, 2, 63, 64, 65, 100, next - 1, next] {
            for bytes_max in [1, 8, 9, 100, 1_000_000] {
                assert_eq!(read_all(&log, from, bytes_max), (from..next).collect::<Vec<_>>(), "{from} by {bytes_max}");
            }
        }
    }

    #[test]
    fn a_small_frame_does_not_overtake_a_large_one_that_does_not_fit() {
        let log = Log::new(1, 10_000);
        for (seq, zeros) in [(1, 10), (2, 100), (3, 0)] {
            let mut frames = BlockBuilder::new(seq * 2 - 1);
            for seq in [seq * 2 - 1, seq * 2] {
                frames.push(|into| into.extend_from_slice(format!("{seq:00$}", zeros + 6).as_bytes()));
            }
            log.append(frames.build());
        }
        for bytes_max in 1..300 {
            assert_eq!(read_all(&log, 1, bytes_max), [1, 2, 3, 4, 5, 6], "by {bytes_max}");
        }
    }

    #[test]
    fn the_newest_frames_are_kept_and_older_ones_are_said_to_be_gone() {
        let log = Log::new(1, 100);
        for n in 0..1_000 {
            log.append(block(1 + n * 3, 3));
        }
        let oldest_seq = log.oldest_seq();
        assert!((2_700..=2_901).contains(&oldest_seq), "{oldest_seq}");
        assert_eq!(log.read(oldest_seq - 1, 100, &mut VecDeque::new()), Read::Gone { oldest_seq });
        assert_eq!(read_all(&log, oldest_seq, 64), (oldest_seq..3_001).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_not_kept_elsewhere_is_not_forgotten() {
        let elsewhere = Arc::new(AtomicU64::new(0));
        let log = Log::before(1, 10, elsewhere.clone());
        for n in 0..100 {
            log.append(block(1 + n * 3, 3));
        }
        assert_eq!(log.oldest_seq(), 1);
        // The 300 frames before are two merged blocks of 192, and the small ones after them.
        for (kept, oldest_seq) in [(191, 1), (192, 193), (200, 199), (303, 295)] {
            elsewhere.store(kept, Ordering::Release);
            log.append(block(log.last_seq() + 1, 1));
            assert_eq!(log.oldest_seq(), oldest_seq, "{kept} are kept elsewhere");
        }
    }

    #[test]
    fn a_batch_that_brought_most_of_the_lag_is_told_whatever_its_parts() {
        let many = LARGE_BYTES as u64 / 6;
        let log = Log::new(1, 30_000);
        log.append(block(1, 3));
        for part in 0..3 {
            log.append_part(block(4 + part * many, many), 7);
        }
        let end = 4 + 3 * many;
        log.append_part(block(end, 5), 8);
        let limit = 2 * many;
        assert_eq!(
            [1, 4, 4 + many, end - 1, end].map(|seq| log.burst_beyond(seq, limit)),
            [Some(end), Some(end), Some(end), Some(end), None]
        );
        // Too little to be what makes it so much, or too much beside it.
        assert_eq!(log.burst_beyond(4, 6 * many), None);
        assert_eq!(log.burst_beyond(1, 7), None);
        assert_eq!(log.burst_beyond(1, 8), Some(end));
        for number in 0..40 {
            log.append_part(block(end + 5 + number * many, many), 9 + number);
        }
        // Many batches together are no burst.
        assert_eq!(log.burst_beyond(log.last_seq() - 9 * many, 4 * many), None);
        let bursts = log.read_blocks().bursts.len() as u64;
        assert!((30_000 / many..30_000 / many + 3).contains(&bursts), "those that are kept: {bursts}");
    }

    #[tokio::test]
    async fn readers_at_the_end_are_woken() {
        let log = Log::new(1, 100);
        let mut watch = log.watch();
        assert_eq!(*watch.borrow_and_update(), 0);
        log.append(block(1, 2));
        watch.changed().await.unwrap();
        assert_eq!(*watch.borrow_and_update(), 2);
    }
}
