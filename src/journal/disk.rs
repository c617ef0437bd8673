//! What the journal asks of a file system: the seam at which tests put one that fails.
//!
//! A [`Disk`] is one folder. [`Folder`] is a real one.

use std::{
    fmt::Debug,
    fs, io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// A folder of files. Every method fails with what the system says.
pub trait Disk: Debug + Send + Sync {
    /// Makes the folder, durably, if there is none.
    fn make(&self) -> io::Result<()>;
    /// The names in the folder; none if there is no folder.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Makes an empty file, in the place of any that has this name.
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;
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

/// Writes all of `bytes`, or fails: a short write is the sign of a full disk, not an invitation to try on.
///
/// # Errors
///
/// What the system says, or [`io::ErrorKind::WriteZero`] for a short write.
pub(super) fn write_all(file: &mut dyn DiskFile, bytes: &[u8], offset: u64) -> io::Result<()> {
    let written = file.write_at(bytes, offset)?;
    if written == bytes.len() {
        return Ok(());
    }
    let message = format!("{written} of {} bytes were written", bytes.len());
    Err(io::Error::new(io::ErrorKind::WriteZero, message))
}

/// A folder of the real file system.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder `path`, which need not exist.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }
}

impl Disk for Folder {
    fn make(&self) -> io::Result<()> {
        fs::create_dir_all(&self.path)?;
        match self.path.parent() {
            Some(parent) if parent != Path::new("") => fs::File::open(parent)?.sync_all(),
            _ => fs::File::open(".")?.sync_all(),
        }
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        // A name that is no text is not one of ours.
        entries.map(|entry| Ok(entry?.file_name().into_string().unwrap_or_default())).collect()
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(true).open(self.path(name))?;
        Ok(Box::new(file))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(fs::File::open(self.path(name))?))
    }

    fn open_for_writing(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(fs::OpenOptions::new().read(true).write(true).open(self.path(name))?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn sync_dir(&self) -> io::Result<()> {
        fs::File::open(&self.path)?.sync_all()
    }

    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.path.clone() } else { self.path.join(name) }
    }
}

impl DiskFile for fs::File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, into, offset)
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync_data(&mut self) -> io::Result<()> {
        fs::File::sync_data(self)
    }
}
