//! The yardsticks' journal: 100 bytes an order, everything that waits in one write and one sync, on a thread of its own.

use std::{
    fs::File,
    io::{Seek, SeekFrom, Write},
    sync::mpsc,
};

/// How long the file is, which is there before anything is kept; it is written over from the start again.
const FILE_BYTES: usize = 64 * 1024 * 1024;
/// What is kept of an order.
const RECORD: [u8; 100] = [b'x'; 100];

/// Starts the thread: each message is so many orders, and what `kept` is given once they are on the disk.
pub(crate) fn start<T: Send + 'static>(kept: impl Fn(T) + Send + 'static) -> mpsc::Sender<(usize, T)> {
    let (to_keep, waiting) = mpsc::channel();
    std::thread::spawn(move || keep(&waiting, kept).expect("the disk keeps what is written"));
    to_keep
}

fn keep<T>(waiting: &mpsc::Receiver<(usize, T)>, kept: impl Fn(T)) -> anyhow::Result<()> {
    let mut file: File = tempfile::tempfile_in(".")?;
    file.write_all(&vec![0; FILE_BYTES])?;
    file.sync_all()?;
    file.rewind()?;
    let (mut at, mut bytes) = (0, Vec::new());
    while let Ok(first) = waiting.recv() {
        let mut batches = vec![first];
        batches.extend(waiting.try_iter());
        bytes.clear();
        let orders = batches.iter().map(|(orders, _)| orders).sum();
        std::iter::repeat_n(RECORD, orders).for_each(|record| bytes.extend_from_slice(&record));
        if at + bytes.len() > FILE_BYTES {
            at = 0;
            file.seek(SeekFrom::Start(0))?;
        }
        at += bytes.len();
        file.write_all(&bytes)?;
        file.sync_data()?;
        batches.into_iter().for_each(|(_, told)| kept(told));
    }
    Ok(())
}
