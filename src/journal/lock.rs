//! One process at a time: a file `lock` in the data directory, held as long as the process lives, and the directory itself, so that
//! who removes the file lets nobody else in.
//!
//! The system lets go of it when the process ends, however it ends: there is no stale lock to remove.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::Path,
};

use super::JournalError;

/// The name of the file.
const NAME: &str = "lock";

/// A data directory held against other processes, until dropped.
#[derive(Debug)]
pub struct Lock {
    /// `None` where the file system locks files only.
    _folder: Option<File>,
    _file: File,
}

impl Lock {
    /// Takes `data_dir`, which is made, durably, if there is none.
    ///
    /// # Errors
    ///
    /// [`JournalError::Locked`] if another has it, [`JournalError::Io`] if it cannot be made or locked.
    pub fn take(data_dir: &Path) -> Result<Self, JournalError> {
        make(data_dir).map_err(|source| failed("make", data_dir, source))?;
        Self::of(data_dir, OpenOptions::new().create(true).truncate(false).write(true))
    }

    /// Takes `data_dir` to read it: a venue was there, and the directory need not be writable any more.
    ///
    /// # Errors
    ///
    /// As [`Lock::take`].
    pub fn take_to_read(data_dir: &Path) -> Result<Self, JournalError> {
        let is_new = !data_dir.join(NAME).exists();
        if is_new { Self::take(data_dir) } else { Self::of(data_dir, OpenOptions::new().read(true)) }
    }

    fn of(data_dir: &Path, options: &OpenOptions) -> Result<Self, JournalError> {
        let name = data_dir.join(NAME);
        let file = options.open(&name).map_err(|source| failed("open", &name, source))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(JournalError::Locked(data_dir.to_owned())),
            Err(TryLockError::Error(source)) => return Err(failed("lock", &name, source)),
        }
        let folder = File::open(data_dir).map_err(|source| failed("open", data_dir, source))?;
        let folder = match folder.try_lock() {
            Ok(()) => Some(folder),
            Err(TryLockError::WouldBlock) => return Err(JournalError::Locked(data_dir.to_owned())),
            Err(TryLockError::Error(source)) if cannot_lock_folders(&source) => None,
            Err(TryLockError::Error(source)) => return Err(failed("lock", data_dir, source)),
        };
        Ok(Self { _folder: folder, _file: file })
    }
}

/// Whether an error tells that the file system locks files only, or only what is open to be written.
fn cannot_lock_folders(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::InvalidInput)
        || error.raw_os_error() == Some(rustix::io::Errno::BADF.raw_os_error())
}

/// Makes a folder and those that it is in, where there are none, and makes their names durable.
fn make(folder: &Path) -> io::Result<()> {
    let parent =
        |folder: &Path| folder.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new(".")).to_owned();
    let missing = folder.ancestors().take_while(|folder| *folder != Path::new("") && !folder.exists());
    let parents: Vec<_> = missing.map(parent).collect();
    fs::create_dir_all(folder)?;
    parents.iter().try_for_each(|parent| File::open(parent)?.sync_all())
}

fn failed(doing: &'static str, file: &Path, source: io::Error) -> JournalError {
    JournalError::Io { doing, file: file.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_is_refused_by_name_until_the_first_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        let lock = Lock::take(&data_dir).unwrap();
        let refused = Lock::take(&data_dir).unwrap_err();
        assert!(matches!(&refused, JournalError::Locked(dir) if *dir == data_dir));
        assert!(refused.to_string().starts_with(&data_dir.display().to_string()));
        assert!(matches!(Lock::take_to_read(&data_dir), Err(JournalError::Locked(_))));
        drop(lock);
        let reader = Lock::take_to_read(&data_dir).unwrap();
        assert!(matches!(Lock::take(&data_dir), Err(JournalError::Locked(_))));
        drop(reader);
        let lock = Lock::take(&data_dir).unwrap();
        fs::remove_file(data_dir.join(NAME)).unwrap();
        assert!(matches!(Lock::take(&data_dir), Err(JournalError::Locked(_))), "the directory is held, too");
        fs::remove_file(data_dir.join(NAME)).unwrap();
        drop(lock);
        Lock::take_to_read(&data_dir).unwrap();
    }
}
