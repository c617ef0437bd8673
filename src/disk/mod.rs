//! What is asked of a file system by all who keep files: the seam at which tests put one that fails.
//!
//! A [`Disk`] is one folder. [`Folder`] is a real one; in unit tests, `simulated::SimulatedDisk` is one in memory, which
//! forgets what was not synced, and fails when told to.

mod aligned;
mod folder;
#[cfg(test)]
pub(crate) mod simulated;

use std::{fmt::Debug, io, path::PathBuf};

pub use aligned::{ALIGNMENT, Aligned};
pub use folder::Folder;

/// A folder of files. Every method fails with what the system says.
pub trait Disk: Debug + Send + Sync {
    /// Makes the folder, durably, if there is none.
    fn make(&self) -> io::Result<()>;
    /// The names in the folder; none if there is no folder.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Makes an empty file, in the place of any that has this name.
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;
    /// The same for a file that is written past the system's memory, where the file system can do that: nobody is about to read it, and
    /// what is written is not to take anyone's place there. Each write starts and ends at a multiple of [`ALIGNMENT`], as [`Aligned`]
    /// bytes do. Also whether the file system can.
    fn create_direct(&self, name: &str) -> io::Result<(Box<dyn DiskFile>, bool)>;
    /// Opens a file to read it.
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;
    /// Opens a file to change it too.
    fn open_for_writing(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;
    /// Gives a file another name, in the place of any that has it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes names durable: what was created, renamed, removed.
    fn sync_dir(&self) -> io::Result<()>;
    /// Where a file is, for messages; of the empty name, where the folder is.
    fn path(&self, name: &str) -> PathBuf;
}

/// An open file. Every method fails with what the system says.
pub trait DiskFile: Debug + Send {
    /// Its length in bytes.
    fn length(&self) -> io::Result<u64>;
    /// Reads up to all of `into`; how many bytes were there, 0 at the end.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes up to all of `bytes`; how many were.
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// Cuts it to `length` bytes.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
    /// Makes what was written durable, with what it takes to find it again.
    fn sync_data(&mut self) -> io::Result<()>;
}

/// So much is written in one call: Linux takes no more than 2 GiB.
const WRITE_MAX: usize = 64 * 1024 * 1024;
/// How much of a file is in memory while it is written again.
const AGAIN_BYTES: usize = 1024 * 1024;

/// Writes all of `bytes`, or fails: a short write is the sign of a full disk. The rest is tried only to learn why it was short.
///
/// # Errors
///
/// What the system says, or [`io::ErrorKind::WriteZero`] for a short write that it says nothing about.
pub fn write_all(file: &mut dyn DiskFile, bytes: &[u8], offset: u64) -> io::Result<()> {
    let offsets = (offset..).step_by(WRITE_MAX);
    bytes.chunks(WRITE_MAX).zip(offsets).try_for_each(|(piece, offset)| write_piece(file, piece, offset))
}

/// Writes the first `length` bytes of a file over themselves: after a write that failed, the system may show what never reached the disk,
/// and a sync takes it for written.
///
/// # Errors
///
/// As [`write_all`]; also if the file is shorter.
pub fn write_again(file: &mut dyn DiskFile, length: u64) -> io::Result<()> {
    let (mut piece, mut at) = (vec![0; AGAIN_BYTES], 0);
    while at < length {
        let wanted = usize::try_from(length - at).unwrap_or(usize::MAX).min(AGAIN_BYTES);
        let read = file.read_at(piece.get_mut(..wanted).unwrap_or_default(), at)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        write_all(file, piece.get(..read).unwrap_or_default(), at)?;
        at += read as u64;
    }
    Ok(())
}

fn write_piece(file: &mut dyn DiskFile, bytes: &[u8], offset: u64) -> io::Result<()> {
    let written = file.write_at(bytes, offset)?;
    if written == bytes.len() {
        return Ok(());
    }
    let short = format!("{written} of {} bytes were written", bytes.len());
    let rest = bytes.get(written..).unwrap_or_default();
    Err(match file.write_at(rest, offset + written as u64) {
        Ok(_) => io::Error::new(io::ErrorKind::WriteZero, short),
        Err(error) => io::Error::new(error.kind(), format!("{short}: {error}")),
    })
}
