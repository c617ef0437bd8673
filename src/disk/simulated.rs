//! A disk in memory that does what disks do: it forgets what was not synced, in any order, and fails when told to.
//!
//! What a failed sync did not write is never written: the system takes it for clean, and shows it until the machine ends.

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{ALIGNMENT, Disk, DiskFile};

/// Numbers that a seed decides (splitmix64).
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) fn coin(&mut self) -> bool {
        self.below(2) == 0
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A sync fails; some of what it should have written is.
    Sync,
    /// A write stops in the middle.
    ShortWrite,
    /// A write finds no room.
    Full,
    /// The process ends in the middle of a write or before a sync: nothing reaches this disk or those beside it any more.
    End,
}

#[derive(Clone, Debug)]
pub(crate) struct SimulatedDisk {
    state: Arc<Mutex<State>>,
    /// Set when the process that writes has ended; that of the disks beside it too.
    ended: Arc<AtomicBool>,
}

#[derive(Debug)]
struct State {
    random: Random,
    files: Vec<File>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// Changes of names since the folder was synced.
    renamings: Vec<Renaming>,
    /// Files that were removed, by their last names.
    removed: BTreeMap<String, usize>,
    /// How many bytes were read.
    read: u64,
    /// After so many more calls that it could hit, this happens.
    fault: Option<(u64, Fault)>,
}

#[derive(Debug, Default)]
struct File {
    /// What the system shows.
    current: Vec<u8>,
    /// What survives the loss of power.
    durable: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

#[derive(Clone, Debug)]
enum Renaming {
    Create(String, usize),
    Rename(String, String),
    Remove(String),
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Write(offset, bytes) => {
                let end = offset + bytes.len();
                if to.len() < end {
                    to.resize(end, 0);
                }
                to[*offset..end].copy_from_slice(bytes);
            }
            Self::Truncate(length) => to.truncate(*length),
        }
    }
}

impl Renaming {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Create(name, file) => drop(names.insert(name.clone(), *file)),
            Self::Rename(from, to) => {
                // What a failed sync of the folder did not keep cannot be found later.
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
            Self::Remove(name) => drop(names.remove(name)),
        }
    }
}

impl File {
    /// Each block of each unsynced change is kept or lost on its own.
    fn crash(&mut self, random: &mut Random) {
        let block = [1, 16, 512, 4096][random.below(4) as usize];
        for change in std::mem::take(&mut self.unsynced) {
            match change {
                Change::Write(offset, bytes) => {
                    for (index, part) in bytes.chunks(block).enumerate() {
                        if random.coin() {
                            Change::Write(offset + index * block, part.to_vec()).apply(&mut self.durable);
                        }
                    }
                }
                truncate => {
                    if random.coin() {
                        truncate.apply(&mut self.durable);
                    }
                }
            }
        }
    }
}

impl SimulatedDisk {
    pub(crate) fn new(seed: u64) -> Self {
        let state = State {
            random: Random(seed),
            files: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            renamings: Vec::new(),
            removed: BTreeMap::new(),
            read: 0,
            fault: None,
        };
        Self { state: Arc::new(Mutex::new(state)), ended: Arc::default() }
    }

    /// Another disk of the same process.
    pub(crate) fn beside(&self, seed: u64) -> Self {
        Self { ended: self.ended.clone(), ..Self::new(seed) }
    }

    /// Ends the process: nothing changes on its disks any more.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
    }

    /// Whether the process has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// Lets another process use the disks.
    pub(crate) fn restart(&self) {
        self.ended.store(false, Ordering::SeqCst);
    }

    fn check(&self) -> io::Result<()> {
        if self.has_ended() { Err(io::Error::other("the process has ended")) } else { Ok(()) }
    }

    /// A disk with the same content, everything synced.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::new(0);
        for name in self.list().unwrap() {
            copy.put(&name, self.bytes(&name));
        }
        copy
    }

    /// A disk with the same content, and with what was removed.
    pub(crate) fn copy_with_removed(&self) -> Self {
        let copy = self.copy();
        let state = self.state.lock().unwrap();
        for (name, file) in state.removed.iter().filter(|(name, _)| !state.names.contains_key(*name)) {
            copy.put(name, state.files[*file].current.clone());
        }
        copy
    }

    /// Keeps nothing of what was removed so far.
    pub(crate) fn forget_removed(&self) {
        self.state.lock().unwrap().removed.clear();
    }

    pub(crate) fn fail_next(&self, fault: Fault) {
        self.fail_after(0, fault);
    }

    /// Makes the call fail that comes after `calls` others which the fault could have hit.
    pub(crate) fn fail_after(&self, calls: u64, fault: Fault) {
        self.state.lock().unwrap().fault = Some((calls, fault));
    }

    pub(crate) fn heal(&self) {
        self.state.lock().unwrap().fault = None;
    }

    /// The machine loses its power.
    pub(crate) fn crash(&self) {
        let mut state = self.state.lock().unwrap();
        let State { random, files, names, durable_names, renamings, .. } = &mut *state;
        for file in files {
            file.crash(random);
            file.current.clone_from(&file.durable);
        }
        let kept = random.below(renamings.len() as u64 + 1) as usize;
        renamings.drain(..).take(kept).for_each(|renaming| renaming.apply(durable_names));
        names.clone_from(durable_names);
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        let state = self.state.lock().unwrap();
        state.files[state.names[name]].current.clone()
    }

    pub(crate) fn put(&self, name: &str, bytes: Vec<u8>) {
        let mut state = self.state.lock().unwrap();
        let file = state.files.len();
        state.files.push(File { current: bytes.clone(), durable: bytes, unsynced: Vec::new() });
        state.names.insert(name.to_owned(), file);
        state.durable_names.insert(name.to_owned(), file);
    }

    /// How many bytes were read so far.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.state.lock().unwrap().read
    }

    /// The names of segments, in order.
    pub(crate) fn segments(&self) -> Vec<String> {
        self.list().unwrap().into_iter().filter(|name| name.ends_with(".log")).collect()
    }

    fn ends_by(&self, fault: Fault) {
        if fault == Fault::End {
            self.end();
        }
    }

    fn create_file(&self, name: &str, is_direct: bool) -> io::Result<Handle> {
        self.check()?;
        let file = {
            let mut state = self.state.lock().unwrap();
            state.files.push(File::default());
            state.files.len() - 1
        };
        self.rename_by(Renaming::Create(name.to_owned(), file));
        Ok(Handle { disk: self.clone(), file, is_direct })
    }

    fn rename_by(&self, renaming: Renaming) {
        let mut state = self.state.lock().unwrap();
        if let Renaming::Remove(name) = &renaming
            && let Some(file) = state.names.get(name).copied()
        {
            state.removed.insert(name.clone(), file);
        }
        renaming.apply(&mut state.names);
        state.renamings.push(renaming);
    }
}

impl State {
    /// Whether the fault that was asked for strikes now.
    fn strikes(&mut self, kinds: &[Fault]) -> Option<Fault> {
        let (calls, fault) = self.fault.as_mut().filter(|(_, fault)| kinds.contains(fault))?;
        if *calls > 0 {
            *calls -= 1;
            return None;
        }
        let fault = *fault;
        self.fault = None;
        Some(fault)
    }
}

impl Disk for SimulatedDisk {
    fn make(&self) -> io::Result<()> {
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.state.lock().unwrap().names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(self.create_file(name, false)?))
    }

    fn create_direct(&self, name: &str) -> io::Result<(Box<dyn DiskFile>, bool)> {
        Ok((Box::new(self.create_file(name, true)?), true))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = *self.state.lock().unwrap().names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Handle { disk: self.clone(), file, is_direct: false }))
    }

    fn open_for_writing(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.open(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.check()?;
        self.rename_by(Renaming::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.check()?;
        self.rename_by(Renaming::Remove(name.to_owned()));
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.check()?;
        let mut state = self.state.lock().unwrap();
        let State { random, names, durable_names, renamings, .. } = &mut *state;
        let kept = random.below(renamings.len() as u64 + 1) as usize;
        if renamings.is_empty() {
            return Ok(());
        }
        renamings.drain(..).take(kept).for_each(|renaming| renaming.apply(durable_names));
        let shown = names.clone();
        if let Some(fault) = state.strikes(&[Fault::Sync, Fault::End]) {
            self.ends_by(fault);
            return Err(io::Error::other("the folder's sync failed"));
        }
        state.durable_names = shown;
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from("simulated").join(name)
    }
}

#[derive(Debug)]
struct Handle {
    disk: SimulatedDisk,
    file: usize,
    /// Whether it is written past the system's memory.
    is_direct: bool,
}

impl DiskFile for Handle {
    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.state.lock().unwrap().files[self.file].current.len() as u64)
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.state.lock().unwrap();
        let rest = state.files[self.file].current.get(offset as usize..).unwrap_or_default();
        let length = rest.len().min(into.len());
        into[..length].copy_from_slice(&rest[..length]);
        state.read += length as u64;
        Ok(length)
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let is_aligned = offset.is_multiple_of(ALIGNMENT as u64)
            && bytes.len().is_multiple_of(ALIGNMENT)
            && bytes.as_ptr().align_offset(ALIGNMENT) == 0;
        if self.is_direct && !is_aligned {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut state = self.disk.state.lock().unwrap();
        self.disk.check()?;
        let fault = state.strikes(&[Fault::ShortWrite, Fault::Full, Fault::End]);
        fault.into_iter().for_each(|fault| self.disk.ends_by(fault));
        let written = match fault {
            Some(_) => state.random.below(bytes.len() as u64) as usize,
            None => bytes.len(),
        };
        let change = Change::Write(offset as usize, bytes[..written].to_vec());
        let file = &mut state.files[self.file];
        change.apply(&mut file.current);
        file.unsynced.push(change);
        match fault {
            Some(Fault::Full) => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(written),
        }
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.disk.check()?;
        let mut state = self.disk.state.lock().unwrap();
        let file = &mut state.files[self.file];
        let change = Change::Truncate(length as usize);
        change.apply(&mut file.current);
        file.unsynced.push(change);
        Ok(())
    }

    fn sync_data(&mut self) -> io::Result<()> {
        let mut state = self.disk.state.lock().unwrap();
        self.disk.check()?;
        let fault = state.strikes(&[Fault::Sync, Fault::End]);
        let State { random, files, .. } = &mut *state;
        let file = &mut files[self.file];
        if fault == Some(Fault::End) {
            self.disk.end();
            return Err(io::Error::other("the process has ended"));
        }
        if fault.is_some() {
            file.crash(random);
            return Err(io::Error::other("the sync failed"));
        }
        for change in file.unsynced.drain(..) {
            change.apply(&mut file.durable);
        }
        Ok(())
    }
}
