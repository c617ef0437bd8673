//! One process at a time: a file `lock` in the data directory, held as long as the process lives.
//!
//! The system lets go of it when the process ends, however it ends: there is no stale lock to remove.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    path::Path,
};

use super::JournalError;

/// The name of the file.
const NAME: &str = "lock";

/// A data directory held against other processes, until dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes `data_dir`, which is made if there is none.
    ///
    /// # Errors
    ///
    /// [`JournalError::Locked`] if another has it, [`JournalError::Io`] if it cannot be made or locked.
    pub fn take(data_dir: &Path) -> Result<Self, JournalError> {
        let file = data_dir.join(NAME);
        let failed = |doing, file: &Path, source| JournalError::Io { doing, file: file.to_owned(), source };
        fs::create_dir_all(data_dir).map_err(|source| failed("make", data_dir, source))?;
        let open = OpenOptions::new().create(true).truncate(false).write(true).open(&file);
        let open = open.map_err(|source| failed("open", &file, source))?;
        match open.try_lock() {
            Ok(()) => Ok(Self { _file: open }),
            Err(TryLockError::WouldBlock) => Err(JournalError::Locked(data_dir.to_owned())),
            Err(TryLockError::Error(source)) => Err(failed("lock", &file, source)),
        }
    }
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
        drop(lock);
        Lock::take(&data_dir).unwrap();
    }
}
