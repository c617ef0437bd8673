//! Snapshots: what a start needs not to replay, in files of their own. What is in them is others' business.
//!
//! In: bytes that stand for everything up to a record of the journal. Out: the same bytes, checked. Two kinds of files, both named
//! by that record in 20 digits: `….snapshot`, of which the newest and the one that it was made of are kept, and `….ids`, each of
//! which has what is new since the one before that it names.
//!
//! ```text
//! 0 magic 8 · 8 format u32 · 12 rules u32 · 16 epoch u64 · 24 number u64 · 32 stamp i64 · 40 hash u64 · 48 secret 16
//! 64 length u64 · 72 payload crc u32 · 76 crc u32 · 80 payload
//! ```
//!
//! Numbers are little-endian, checksums CRC-32C. **Magic, format and the header's checksum stand here in every format.** A file is
//! written under another name, synced, renamed, and its folder synced: what has a snapshot's name was once whole, and a crash at any
//! moment leaves what there was before.

use std::{io, sync::Arc};

use crc32c::crc32c;

use super::{Damage, JournalError};
use crate::disk::{Disk, write_all};
use crate::domain::Nanos;

/// The version of the header and of what follows it.
const FORMAT: u32 = 1;
/// The first bytes of either kind.
const MAGIC: [u8; 8] = [0xF5, b'o', b'o', b's', b'n', b'a', b'p', 0xFA];
/// Bytes of a header, and of its part under the checksum.
const HEADER: usize = 80;
const SUMMED: usize = 76;
/// How much is written in one call.
const CHUNK: usize = 16 * 1024 * 1024;
/// A file in the making.
const SPARE: &str = "next.tmp";

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Snapshot,
    Ids,
}

impl Kind {
    const fn extension(self) -> &'static str {
        match self {
            Self::Snapshot => ".snapshot",
            Self::Ids => ".ids",
        }
    }

    fn name(self, number: u64) -> String {
        format!("{number:020}{}", self.extension())
    }

    /// The number of the file called `name`; `None` if that is no name of this kind.
    fn number(self, name: &str) -> Option<u64> {
        let digits = name.strip_suffix(self.extension())?;
        let is_number = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse().ok())?
    }
}

/// Everything up to a record of the journal, or the ids that are new since another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The version of the rules by which the records up to it were executed.
    pub rules: u32,
    /// The random number of the venue's data.
    pub epoch: u64,
    /// The last record that is in it.
    pub number: u64,
    /// That record's stamp.
    pub stamp: Nanos,
    /// Of a snapshot, the hash of its state; of ids, the number of the file before, or 0.
    pub hash: u64,
    /// What keys of ids are made with.
    pub secret: [u8; 16],
    /// What is in it.
    pub payload: Vec<u8>,
}

/// A folder of snapshots.
#[derive(Clone, Debug)]
pub struct Snapshots {
    disk: Arc<dyn Disk>,
}

impl Snapshots {
    /// The snapshots in a folder, which need not be there.
    pub fn new(disk: Arc<dyn Disk>) -> Self {
        Self { disk }
    }

    /// The numbers of all snapshots, the newest first.
    ///
    /// # Errors
    ///
    /// [`JournalError::Io`] if the folder cannot be read.
    pub fn list(&self) -> Result<Vec<u64>, JournalError> {
        self.list_of(Kind::Snapshot)
    }

    /// The snapshot of a number.
    ///
    /// # Errors
    ///
    /// [`JournalError`] if it is not what was written, or of another format.
    pub fn read(&self, number: u64) -> Result<Snapshot, JournalError> {
        self.read_file(Kind::Snapshot, number)
    }

    /// The ids in the file of a number.
    ///
    /// # Errors
    ///
    /// As [`Snapshots::read`].
    pub fn read_ids(&self, number: u64) -> Result<Snapshot, JournalError> {
        self.read_file(Kind::Ids, number)
    }

    /// Keeps a snapshot, durably.
    ///
    /// # Errors
    ///
    /// [`JournalError::Io`] if it cannot be written; those that are kept are as they were.
    pub fn write(&self, snapshot: &Snapshot) -> Result<(), JournalError> {
        self.write_file(Kind::Snapshot, snapshot)
    }

    /// Keeps ids, durably.
    ///
    /// # Errors
    ///
    /// As [`Snapshots::write`].
    pub fn write_ids(&self, ids: &Snapshot) -> Result<(), JournalError> {
        self.write_file(Kind::Ids, ids)
    }

    /// Removes what a process that ended in the middle of writing has left.
    ///
    /// # Errors
    ///
    /// [`JournalError::Io`] if it cannot be removed.
    pub fn tidy_unfinished(&self) -> Result<(), JournalError> {
        match self.disk.remove(SPARE) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(self.failed("remove", SPARE, source)),
            _ => Ok(()),
        }
    }

    /// Removes all snapshots but these: the newest, and the one that it was made of, which could be used.
    ///
    /// # Errors
    ///
    /// [`JournalError::Io`] if one cannot be removed.
    pub fn tidy(&self, kept: [u64; 2]) -> Result<(), JournalError> {
        let unneeded = self.list()?.into_iter().filter(|number| !kept.contains(number));
        unneeded.into_iter().try_for_each(|number| self.remove(Kind::Snapshot, number))
    }

    /// Removes, durably, the snapshots of records after the last that there is, and their ids: what comes next would have their
    /// numbers. The numbers of the snapshots.
    ///
    /// # Errors
    ///
    /// [`JournalError::Io`] if one cannot be removed.
    pub fn forget_after(&self, last: u64) -> Result<Vec<u64>, JournalError> {
        let mut snapshots = self.list()?;
        snapshots.retain(|number| *number > last);
        let mut ids = self.list_ids()?;
        ids.retain(|number| *number > last);
        for number in &snapshots {
            self.remove(Kind::Snapshot, *number)?;
        }
        for number in &ids {
            self.remove(Kind::Ids, *number)?;
        }
        if !(snapshots.is_empty() && ids.is_empty()) {
            self.disk.sync_dir().map_err(|source| self.failed("sync", "", source))?;
        }
        Ok(snapshots)
    }

    /// The numbers of all files of ids.
    pub(crate) fn list_ids(&self) -> Result<Vec<u64>, JournalError> {
        self.list_of(Kind::Ids)
    }

    /// Removes all files of ids up to record `until` but those of the numbers `needed`.
    ///
    /// # Errors
    ///
    /// [`JournalError::Io`] if one cannot be removed.
    pub fn tidy_ids(&self, until: u64, needed: &[u64]) -> Result<(), JournalError> {
        let unneeded = |number: &u64| *number <= until && !needed.contains(number);
        for number in self.list_ids()?.into_iter().filter(unneeded) {
            self.remove(Kind::Ids, number)?;
        }
        Ok(())
    }

    fn list_of(&self, kind: Kind) -> Result<Vec<u64>, JournalError> {
        let names = self.disk.list().map_err(|source| self.failed("read", "", source))?;
        let mut numbers: Vec<u64> = names.iter().filter_map(|name| kind.number(name)).collect();
        numbers.sort_unstable_by(|one, other| other.cmp(one));
        Ok(numbers)
    }

    fn remove(&self, kind: Kind, number: u64) -> Result<(), JournalError> {
        let name = kind.name(number);
        self.disk.remove(&name).map_err(|source| self.failed("remove", &name, source))
    }

    fn read_file(&self, kind: Kind, number: u64) -> Result<Snapshot, JournalError> {
        let name = kind.name(number);
        let bytes = self.bytes(&name).map_err(|source| self.failed("read", &name, source))?;
        let damaged = |offset| JournalError::Damaged { file: self.disk.path(&name), offset, what: Damage::Snapshot };
        let (format, mut snapshot, length, crc) = decode(&bytes).ok_or_else(|| damaged(0))?;
        if format != FORMAT {
            let file = self.disk.path(&name);
            return Err(JournalError::Format { file, found: format, known: FORMAT });
        }
        let payload = bytes.get(HEADER..).unwrap_or_default();
        if snapshot.number != number || payload.len() as u64 != length || crc32c(payload) != crc {
            return Err(damaged(HEADER as u64));
        }
        snapshot.payload = bytes;
        snapshot.payload.drain(..HEADER);
        Ok(snapshot)
    }

    /// All bytes of a file: it is as long as it was written, and that is what fits into memory.
    fn bytes(&self, name: &str) -> io::Result<Vec<u8>> {
        let file = self.disk.open(name)?;
        let length = usize::try_from(file.length()?).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let mut bytes = vec![0; length];
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, filled as u64)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => filled += read,
            }
        }
        Ok(bytes)
    }

    fn write_file(&self, kind: Kind, snapshot: &Snapshot) -> Result<(), JournalError> {
        let name = kind.name(snapshot.number);
        self.disk.make().map_err(|source| self.failed("make", "", source))?;
        let write = || {
            let mut file = self.disk.create(SPARE)?;
            write_all(file.as_mut(), &encode(snapshot), 0)?;
            let mut offset = HEADER as u64;
            for chunk in snapshot.payload.chunks(CHUNK) {
                write_all(file.as_mut(), chunk, offset)?;
                offset += chunk.len() as u64;
            }
            file.sync_data()
        };
        if let Err(source) = write() {
            // What is half written takes the room that others need.
            let _left = self.disk.remove(SPARE);
            return Err(self.failed("write", SPARE, source));
        }
        self.disk.rename(SPARE, &name).map_err(|source| self.failed("rename", SPARE, source))?;
        self.disk.sync_dir().map_err(|source| self.failed("sync", "", source))
    }

    fn failed(&self, doing: &'static str, name: &str, source: io::Error) -> JournalError {
        JournalError::Io { doing, file: self.disk.path(name), source }
    }
}

fn encode(snapshot: &Snapshot) -> Vec<u8> {
    let Snapshot { rules, epoch, number, stamp, hash, secret, payload } = snapshot;
    let mut bytes = Vec::with_capacity(HEADER);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    bytes.extend_from_slice(&rules.to_le_bytes());
    bytes.extend_from_slice(&epoch.to_le_bytes());
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.extend_from_slice(&stamp.0.to_le_bytes());
    bytes.extend_from_slice(&hash.to_le_bytes());
    bytes.extend_from_slice(secret);
    bytes.extend_from_slice(&(payload.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&crc32c(payload).to_le_bytes());
    let crc = crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

/// The format, the header, the payload's length and its checksum; `None` if the bytes do not start with a header.
fn decode(bytes: &[u8]) -> Option<(u32, Snapshot, u64, u32)> {
    let crc = crc32c(bytes.get(..SUMMED)?);
    let mut rest = bytes;
    fn next<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
        let (field, after) = rest.split_first_chunk()?;
        *rest = after;
        Some(*field)
    }
    let (magic, format) = (next::<8>(&mut rest)?, u32::from_le_bytes(next(&mut rest)?));
    let snapshot = Snapshot {
        rules: u32::from_le_bytes(next(&mut rest)?),
        epoch: u64::from_le_bytes(next(&mut rest)?),
        number: u64::from_le_bytes(next(&mut rest)?),
        stamp: Nanos(i64::from_le_bytes(next(&mut rest)?)),
        hash: u64::from_le_bytes(next(&mut rest)?),
        secret: next(&mut rest)?,
        payload: Vec::new(),
    };
    let (length, payload_crc) = (u64::from_le_bytes(next(&mut rest)?), u32::from_le_bytes(next(&mut rest)?));
    let whole = magic == MAGIC && u32::from_le_bytes(next(&mut rest)?) == crc;
    whole.then_some((format, snapshot, length, payload_crc))
}
