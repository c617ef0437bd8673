//! One account's executions, from the oldest on disk to the newest in memory, without a seam.

use std::{collections::VecDeque, future::Future, io, sync::Arc};

use bytes::Bytes;
use tokio::sync::watch;

use super::archive::{Archive, ArchiveError};
use super::{Block, Log, Read};
use crate::domain::AccountId;

/// A handle on an account's executions. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Executions {
    account: AccountId,
    /// The newest.
    ring: Arc<Log>,
    /// All but perhaps the newest; `None`: what the ring forgets is gone.
    archive: Option<Arc<Archive>>,
}

/// What was read from disk: runs of whole frames, and what became of the reading.
pub type Older = Result<(VecDeque<Bytes>, Read), ArchiveError>;

impl Executions {
    /// The executions of an account, of which the ring will have those from `first_seq` on, and keep the newest `frames_kept`
    /// and whatever is not on disk yet.
    pub(super) fn new(account: AccountId, first_seq: u64, frames_kept: u64, archive: Option<Arc<Archive>>) -> Self {
        let ring = match &archive {
            Some(archive) => Log::before(first_seq, frames_kept, archive.watermark(account)),
            None => Log::new(first_seq, frames_kept),
        };
        Self { account, ring: Arc::new(ring), archive }
    }

    /// Appends what a batch brought, or a part of that.
    pub(super) fn append(&self, block: Block, batch: u64) {
        self.ring.append_part(block, batch);
    }

    /// Whether one batch brought most of the executions from `seq` on: see [`Log::burst_beyond`].
    pub fn burst_beyond(&self, seq: u64, limit: u64) -> Option<u64> {
        self.ring.burst_beyond(seq, limit)
    }

    /// The last there is; 0 if there is none.
    pub fn last_seq(&self) -> u64 {
        self.ring.last_seq()
    }

    /// The oldest that is kept, in memory or on disk.
    pub fn oldest_seq(&self) -> u64 {
        let in_memory = self.ring.oldest_seq();
        let on_disk = self.archive.as_ref().and_then(|archive| archive.oldest_seq(self.account));
        on_disk.map_or(in_memory, |on_disk| on_disk.min(in_memory))
    }

    /// A receiver that changes whenever there is more.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.ring.watch()
    }

    /// Puts the frames from `seq` on into `into`, if they are in memory, as [`Log::read`] does. `None`: they may be on disk;
    /// [`Executions::older`] says.
    pub fn newer(&self, seq: u64, bytes_max: usize, into: &mut VecDeque<Bytes>) -> Option<Read> {
        match self.ring.read(seq, bytes_max, into) {
            Read::Gone { .. } if self.archive.is_some() => None,
            read => Some(read),
        }
    }

    /// Reads the frames from `seq` on from disk, without holding up the runtime.
    pub fn older(&self, seq: u64, bytes_max: usize) -> impl Future<Output = Older> + Send + 'static {
        let this = self.clone();
        async move {
            let gone = Read::Gone { oldest_seq: this.ring.oldest_seq() };
            let Some(archive) = this.archive.clone() else { return Ok((VecDeque::new(), gone)) };
            // It is never closed. The read holds it to its end, even if nobody waits for that any more.
            let permit = archive.readers.clone().acquire_owned().await.ok();
            let (reading, account) = (archive.clone(), this.account);
            let read = tokio::task::spawn_blocking(move || {
                let _permit = permit;
                let mut runs = VecDeque::new();
                let read = reading.read(account, seq, bytes_max, &mut runs)?;
                Ok((runs, read))
            });
            let older = read.await.unwrap_or_else(|ended| {
                Err(ArchiveError::Io { doing: "read", file: archive.folder(), source: io::Error::other(ended) })
            })?;
            match older.1 {
                // Neither in memory nor on disk: from before the log on disk was begun.
                Read::Frames { next_seq } if next_seq == seq => Ok((VecDeque::new(), gone)),
                // Memory may go further back than what is kept on disk.
                Read::Gone { oldest_seq } => {
                    let oldest_seq = oldest_seq.min(this.ring.oldest_seq());
                    Ok((VecDeque::new(), Read::Gone { oldest_seq }))
                }
                Read::Frames { .. } => Ok(older),
            }
        }
    }

    /// Puts the frames from `seq` on into `into`, from wherever they are.
    ///
    /// # Errors
    ///
    /// If they are on disk and cannot be read.
    pub async fn read(&self, seq: u64, bytes_max: usize, into: &mut VecDeque<Bytes>) -> Result<Read, ArchiveError> {
        if let Some(read) = self.newer(seq, bytes_max, into) {
            return Ok(read);
        }
        let (runs, read) = self.older(seq, bytes_max).await?;
        into.extend(runs);
        Ok(read)
    }

    /// The last execution that is on disk too; `None` if none ever will be.
    #[cfg(test)]
    fn on_disk(&self) -> Option<u64> {
        self.archive.as_ref().map(|archive| archive.watermark(self.account).load(std::sync::atomic::Ordering::Acquire))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::disk::{Disk, Folder, simulated::SimulatedDisk};
    use crate::stream::{BlockBuilder, Hub, archive::Settings, frames};

    const ACCOUNT: AccountId = AccountId(1);

    fn block(seqs: std::ops::Range<u64>) -> Block {
        let mut block = BlockBuilder::new(seqs.start);
        for seq in seqs {
            block.push(|into| into.extend_from_slice(seq.to_string().as_bytes()));
        }
        block.build()
    }

    fn archive(disk: &SimulatedDisk, journal_end: u64) -> Arc<Archive> {
        let settings = Settings { patience: Duration::ZERO, ..Settings::new(7, journal_end) };
        Archive::open(Arc::new(disk.clone()), &settings).unwrap()
    }

    fn hub(ring: u64, archive: Option<&Arc<Archive>>) -> Hub {
        let mut hub = Hub::new(ring);
        if let Some(archive) = archive {
            hub.keep(archive.clone());
        }
        hub.define(2, 0);
        hub
    }

    /// Reads on from `seq` to the end: what came, and from where it was read.
    async fn read_all(executions: &Executions, mut seq: u64) -> (Vec<u64>, usize) {
        let (mut found, mut from_disk) = (Vec::new(), 0);
        loop {
            let mut runs = VecDeque::new();
            from_disk += usize::from(executions.newer(seq, 100, &mut VecDeque::new()).is_none());
            let Read::Frames { next_seq } = executions.read(seq, 100, &mut runs).await.unwrap() else { panic!("gone") };
            let texts = runs.iter().flat_map(frames).map(|frame| std::str::from_utf8(frame).unwrap().parse().unwrap());
            found.extend(texts.collect::<Vec<u64>>());
            if next_seq == seq {
                return (found, from_disk);
            }
            seq = next_seq;
        }
    }

    #[tokio::test]
    async fn disk_ring_and_what_is_on_its_way_are_one_log_and_go_on_after_a_start_from_a_snapshot() {
        let disk = SimulatedDisk::new(1);
        let kept = archive(&disk, 0);
        let live = hub(10, Some(&kept));
        let executions = live.executions(ACCOUNT).unwrap();
        // Nobody writes yet: the ring keeps all of it.
        for number in 1..=50 {
            live.publish(number, true, vec![(ACCOUNT, block(number * 4 - 3..number * 4 + 1))], Vec::new(), Vec::new());
        }
        assert_eq!(read_all(executions, 1).await, ((1..=200).collect(), 0));
        let mut appended = kept.appended();
        let (closing, ended) = kept.start(()).unwrap();
        while executions.on_disk() != Some(200) {
            appended.changed().await.unwrap();
        }
        for number in 51..=53 {
            live.publish(number, true, vec![(ACCOUNT, block(number * 4 - 3..number * 4 + 1))], Vec::new(), Vec::new());
        }
        for from in [1, 2, 50, 209, 213] {
            let (found, from_disk) = read_all(executions, from).await;
            assert_eq!(found, (from..=212).collect::<Vec<_>>());
            assert_eq!(from_disk > 0, from < 200, "from {from}");
        }
        assert_eq!((executions.oldest_seq(), executions.last_seq()), (1, 212));
        drop(closing);
        ended.wait().await.unwrap();

        let kept = archive(&disk, 53);
        let mut again = hub(10, Some(&kept));
        again.resume(ACCOUNT, 205).unwrap();
        assert!(matches!(again.resume(ACCOUNT, 214), Err(ArchiveError::Hole { last_seq: 212, found: 214, .. })));
        let executions = again.executions(ACCOUNT).unwrap();
        assert_eq!((executions.oldest_seq(), executions.last_seq()), (1, 204));
        again.publish(53, true, vec![(ACCOUNT, block(205..213))], Vec::new(), Vec::new());
        let (found, from_disk) = read_all(executions, 1).await;
        assert!(found == (1..=212).collect::<Vec<_>>() && from_disk > 0);
    }

    /// Follows an account's executions to the end, in runs of about `bytes_max`.
    async fn follow(executions: Executions, bytes_max: usize, last_seq: u64) {
        let (mut seq, mut news) = (1, executions.watch());
        while seq <= last_seq {
            let mut runs = VecDeque::new();
            let Read::Frames { next_seq } = executions.read(seq, bytes_max, &mut runs).await.unwrap() else {
                panic!("{seq} is gone");
            };
            for frame in runs.iter().flat_map(frames) {
                assert_eq!(frame, seq.to_string().as_bytes());
                seq += 1;
            }
            assert_eq!(seq, next_seq);
            if runs.is_empty() {
                news.changed().await.unwrap();
            }
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_reader_falls_between_ring_and_disk_while_both_move() {
        const BATCHES: u64 = 3_000;
        let folder = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Disk> = Arc::new(Folder::new(folder.path().join("executions")));
        let settings = Settings { segment_bytes: 20_000, patience: Duration::from_micros(200), ..Settings::new(7, 0) };
        let kept = Archive::open(disk, &settings).unwrap();
        let (closing, ended) = kept.start(()).unwrap();
        let hub = Arc::new(hub(3, Some(&kept)));
        let readers: Vec<_> = [(0, 1), (0, 300), (0, 5_000), (1, 40), (1, 100_000)]
            .map(|(account, bytes_max)| {
                let executions = hub.executions(AccountId(account)).unwrap().clone();
                tokio::spawn(follow(executions, bytes_max, if account == 0 { BATCHES * 3 } else { BATCHES / 2 }))
            })
            .into();
        let publishing = tokio::task::spawn_blocking(move || {
            for number in 1..=BATCHES {
                let mut blocks = vec![(AccountId(0), block(number * 3 - 2..number * 3 + 1))];
                if number % 2 == 0 {
                    blocks.push((AccountId(1), block(number / 2..number / 2 + 1)));
                }
                hub.publish(number, true, blocks, Vec::new(), Vec::new());
            }
        });
        publishing.await.unwrap();
        for reader in readers {
            reader.await.unwrap();
        }
        drop(closing);
        ended.wait().await.unwrap();
        assert_eq!((kept.held_number(), kept.last_seq(AccountId(0))), (BATCHES, BATCHES * 3));
    }

    #[tokio::test]
    async fn what_is_nowhere_is_gone() {
        let memory = hub(2, None);
        for seq in 1..10 {
            memory.publish(seq, true, vec![(ACCOUNT, block(seq..seq + 1))], Vec::new(), Vec::new());
        }
        let executions = memory.executions(ACCOUNT).unwrap();
        let read = executions.read(1, 100, &mut VecDeque::new()).await.unwrap();
        assert_eq!((read, executions.on_disk()), (Read::Gone { oldest_seq: 8 }, None));

        let mut begun = hub(2, Some(&archive(&SimulatedDisk::new(1), 0)));
        begun.resume(ACCOUNT, 100).unwrap();
        let executions = begun.executions(ACCOUNT).unwrap();
        assert_eq!(executions.read(99, 100, &mut VecDeque::new()).await.unwrap(), Read::Gone { oldest_seq: 100 });
        assert_eq!(executions.read(100, 100, &mut VecDeque::new()).await.unwrap(), Read::Frames { next_seq: 100 });
        assert_eq!(begun.executions(AccountId(0)).unwrap().oldest_seq(), 1);
    }
}
