//! One seed decides what is written, what fails, and how the process or the machine ends; over many ends, what was released
//! is recovered.

use super::*;
use crate::disk::simulated::{Fault, Random, SimulatedDisk};

/// How a round ends.
#[derive(Debug, PartialEq)]
enum End {
    /// The process is gone, the machine goes on.
    Process,
    /// The machine loses its power.
    Machine,
}

struct Run {
    disk: SimulatedDisk,
    random: Random,
    durability: Durability,
    /// Whether what was released survives the loss of power.
    synced: bool,
    /// What was written, as far as it may still be there.
    written: Vec<Record>,
    /// The last record of which someone was told.
    released: u64,
    round: i64,
}

impl Run {
    /// One life of the process.
    fn live(&mut self) -> Result<(), JournalError> {
        self.round += 1;
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        // Reading does not fail, whatever happened before.
        let mut reader = Reader::open(disk.clone(), 1).unwrap();
        let (mut all, mut frame) = (Vec::new(), Vec::new());
        while let Some(read) = reader.next(&mut frame).unwrap() {
            let hash = frame.iter().fold(0u64, |hash, record| hash.wrapping_add(hash_of(record)));
            assert_eq!(read.executions_hash, Some(hash));
            all.append(&mut frame);
        }
        let recovered = reader.finish().unwrap();
        let last = recovered.last_number;
        assert!(last >= self.released, "record {} was released, the journal ends with {last}", self.released);
        assert_eq!(all, self.written[..last as usize]);

        let mut settings = settings(1 << (10 + self.random.below(4)));
        settings.durability = self.durability;
        let mut log = Log::open(disk, recovered, &settings)?;
        self.synced = self.durability == Durability::Fsync;
        // What was recovered is told of from now on.
        self.released = last;
        self.written.truncate(last as usize);
        for _ in 0..self.random.below(60) {
            for _ in 0..=self.random.below(3) {
                let batch = self.batch();
                log.push(&batch, batch.iter().fold(0, |hash, record| hash.wrapping_add(hash_of(record))));
                self.written.extend(batch);
            }
            log.commit()?;
            self.released = self.written.len() as u64;
            log.keep_pace()?;
            while self.random.coin() && log.prepare()? {}
        }
        Ok(())
    }

    /// The next records; what is written again after a loss is not what was lost.
    fn batch(&mut self) -> Vec<Record> {
        let length = if self.random.below(20) == 0 { 100 } else { self.random.below(6) };
        let first = self.written.len() as u64 + 1;
        let mut batch = records(first..=first + length);
        for record in &mut batch {
            record.stamp = Nanos(self.round * 1_000_000 + record.stamp.0);
        }
        batch
    }

    fn end(&mut self) {
        let end = if self.random.coin() { End::Machine } else { End::Process };
        if end == End::Machine && self.synced {
            self.disk.crash();
        }
        self.durability = if self.random.below(4) == 0 { Durability::Os } else { Durability::Fsync };
    }
}

fn hash_of(record: &Record) -> u64 {
    record.number.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ record.stamp.0.cast_unsigned()
}

fn run(seed: u64) {
    println!("seed {seed}");
    let disk = SimulatedDisk::new(seed ^ 0xD15C);
    let (random, durability) = (Random(seed), Durability::Fsync);
    let mut run = Run { disk, random, durability, synced: true, written: Vec::new(), released: 0, round: 0 };
    for _ in 0..8 {
        let fault = [Fault::Sync, Fault::ShortWrite, Fault::Full][run.random.below(3) as usize];
        let fault_after = run.random.below(120);
        run.disk.fail_after(fault_after, fault);
        if let Err(error) = run.live() {
            assert!(matches!(error, JournalError::Io { .. }), "{error}");
        }
        run.disk.heal();
        run.end();
    }
    // Without faults all goes well.
    run.live().unwrap();
}

#[test]
fn what_was_released_is_recovered_whatever_ends_the_process() {
    // A longer run, when asked for one.
    let seeds = std::env::var("OPENOUTCRY_SEEDS").map_or(40, |seeds| seeds.parse().unwrap());
    for seed in 0..seeds {
        run(seed);
    }
}
