//! Writes past the system's memory: of whole blocks of the disk, from where they start in memory, too.

use std::io;

use super::{DiskFile, write_all};

/// What such a write starts and ends at a multiple of, in the file and in memory: as much as any usual disk asks for.
pub const ALIGNMENT: usize = 4096;
/// How much is written in one call: what others ask of the disk meanwhile waits no longer than that takes.
const WRITE_BYTES: usize = 256 * 1024;

/// A buffer that starts at a multiple of [`ALIGNMENT`] in memory.
#[derive(Debug, Default)]
pub struct Aligned {
    bytes: Vec<u8>,
    /// Where in them the buffer starts.
    start: usize,
}

impl Aligned {
    /// What is in it.
    fn as_slice(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// How many bytes that is.
    pub fn length(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Appends `more`.
    pub fn push(&mut self, more: &[u8]) {
        if self.bytes.capacity() - self.bytes.len() < more.len() {
            self.move_to((self.length() + more.len()).next_power_of_two());
        }
        self.bytes.extend_from_slice(more);
    }

    /// Writes all of it, and zeros up to the end of a block, to `offset`, where one starts. What does not fill a block stays in it, to be
    /// written once more with what is pushed after it.
    ///
    /// # Errors
    ///
    /// As [`write_all`].
    pub fn write(&mut self, file: &mut dyn DiskFile, offset: u64) -> io::Result<()> {
        let length = self.length();
        self.pad();
        let mut at = offset;
        for piece in self.as_slice().chunks(WRITE_BYTES) {
            write_all(file, piece, at)?;
            at += piece.len() as u64;
        }
        self.keep(length - length % ALIGNMENT, length);
        Ok(())
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.keep(0, 0);
    }

    /// Appends zeros up to a multiple of [`ALIGNMENT`].
    fn pad(&mut self) {
        const ZEROS: [u8; ALIGNMENT] = [0; ALIGNMENT];
        let missing = self.length().next_multiple_of(ALIGNMENT) - self.length();
        self.push(ZEROS.get(..missing).unwrap_or_default());
    }

    /// Drops all but what is from `from` up to `to`.
    fn keep(&mut self, from: usize, to: usize) {
        self.bytes.truncate(self.start + to);
        self.bytes.drain(self.start..self.start + from);
    }

    /// Gives back memory, but for so many bytes.
    pub fn shrink_to(&mut self, capacity: usize) {
        if self.bytes.capacity() > capacity + ALIGNMENT {
            self.move_to(capacity);
        }
    }

    /// Moves to where there is room for so many bytes.
    fn move_to(&mut self, capacity: usize) {
        let mut bytes: Vec<u8> = Vec::with_capacity(capacity.max(self.length()) + ALIGNMENT);
        let start = bytes.as_ptr().align_offset(ALIGNMENT);
        bytes.resize(start, 0);
        bytes.extend_from_slice(self.as_slice());
        *self = Self { bytes, start };
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Disk, Folder, simulated::SimulatedDisk};
    use super::*;

    #[test]
    fn it_starts_at_a_multiple_however_it_grows_and_shrinks() {
        let folder = tempfile::tempdir().unwrap();
        is_written_as_it_was_pushed(&Folder::new(folder.path()));
        is_written_as_it_was_pushed(&SimulatedDisk::new(1));
    }

    fn is_written_as_it_was_pushed(disk: &dyn Disk) {
        let mut aligned = Aligned::default();
        let mut expected: Vec<u8> = Vec::new();
        let check = |aligned: &Aligned, expected: &[u8]| {
            assert_eq!((aligned.as_slice(), aligned.length()), (expected, expected.len()));
            assert!(expected.is_empty() || aligned.as_slice().as_ptr().align_offset(ALIGNMENT) == 0);
        };
        check(&aligned, &expected);
        let (mut file, _) = disk.create_direct("file").unwrap();
        let reading = disk.open("file").unwrap();
        let mut written = 0;
        for round in 0..200_usize {
            let more: Vec<u8> = (0..round * 37).map(|byte| byte as u8).collect();
            aligned.push(&more);
            expected.extend(&more);
            check(&aligned, &expected);
            let length = expected.len();
            aligned.write(file.as_mut(), written).unwrap();
            let mut found = vec![0; length.next_multiple_of(ALIGNMENT)];
            assert_eq!(reading.length().unwrap(), written + found.len() as u64);
            assert_eq!(reading.read_at(&mut found, written).unwrap(), found.len());
            assert!(found[..length] == expected && found[length..].iter().all(|byte| *byte == 0));
            let whole = length - length % ALIGNMENT;
            expected.drain(..whole);
            written += whole as u64;
            check(&aligned, &expected);
            if round % 50 == 0 {
                aligned.shrink_to(2 * ALIGNMENT);
                check(&aligned, &expected);
            }
        }
    }
}
