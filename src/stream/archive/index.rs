//! Where an account's executions stand in a segment: in memory while the segment grows, in a file beside it afterwards.
//!
//! An entry says that a block of an account with some first sequence starts at some byte. There is one about every
//! [`EVERY`] bytes, so that what an entry is asked for is found within so many bytes after it.
//!
//! The file can be made again from its segment, but for the accounts that have nothing in it, which those around it know. Its
//! head and its accounts have a checksum; its entries have none, because whoever follows one checks the block that it leads to.

use std::{collections::BTreeMap, io};

use crc32c::crc32c;

use super::format::{BlockHead, FORMAT, Fields};
use crate::disk::DiskFile;
use crate::domain::AccountId;

/// How far apart the entries of an account are, in bytes of the segment.
pub(super) const EVERY: u64 = 64 * 1024;
/// The first bytes of an index.
const MAGIC: [u8; 8] = [0xF5, b'o', b'o', b'i', b'n', b'd', b'x', 0xFA];
/// The bytes of the head, without its checksum.
const HEAD: usize = 52;
/// The bytes of the head.
const HEAD_SIZE: usize = HEAD + 4;
/// The bytes of an account and of an entry.
const ROW: usize = 20;

/// The blocks of a segment that is being written or was just read.
#[derive(Debug, Default)]
pub(super) struct Index {
    accounts: BTreeMap<AccountId, Rows>,
}

/// An account's blocks in a segment.
#[derive(Debug)]
struct Rows {
    first_seq: u64,
    next_seq: u64,
    /// First sequences, and the bytes at which their blocks start.
    entries: Vec<(u64, u64)>,
}

/// What is known of an account's executions in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// Whose.
    pub(super) account: AccountId,
    /// The first in the segment; the next one, if it has none.
    pub(super) first_seq: u64,
    /// The one after the last in the segment.
    pub(super) next_seq: u64,
}

/// What an index file says of its segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Summary {
    /// The segment's number.
    pub(super) number: u64,
    /// The random number of the log.
    pub(super) log: u64,
    /// The segment's length.
    pub(super) length: u64,
    /// The journal's record up to which all executions stand in it and before.
    pub(super) held: u64,
    /// Every account that the log knows at its end.
    pub(super) spans: Vec<Span>,
}

impl Index {
    /// Notes a block at `offset`.
    pub(super) fn add(&mut self, head: &BlockHead, offset: u64) {
        let new = Rows { first_seq: head.first_seq, next_seq: head.first_seq, entries: Vec::new() };
        let rows = self.accounts.entry(head.account).or_insert(new);
        rows.next_seq = head.next_seq();
        if rows.entries.last().is_none_or(|(_, last)| offset >= last + EVERY) {
            rows.entries.push((head.first_seq, offset));
        }
    }

    /// A byte at which a block of the account starts, with `seq` or some before it.
    pub(super) fn find(&self, account: AccountId, seq: u64) -> Option<u64> {
        let entries = &self.accounts.get(&account)?.entries;
        let after = entries.partition_point(|(first_seq, _)| *first_seq <= seq);
        entries.get(after.checked_sub(1)?).map(|(_, offset)| *offset)
    }

    /// The execution of an account that comes next; `None` if the segment has none.
    pub(super) fn next_seq(&self, account: AccountId) -> Option<u64> {
        self.accounts.get(&account).map(|rows| rows.next_seq)
    }

    /// What is in the segment, by account.
    pub(super) fn spans(&self) -> impl Iterator<Item = Span> {
        let span = |(account, rows): (&AccountId, &Rows)| Span {
            account: *account,
            first_seq: rows.first_seq,
            next_seq: rows.next_seq,
        };
        self.accounts.iter().map(span)
    }

    /// The file that says all this.
    pub(super) fn encode(&self, summary: &Summary) -> Vec<u8> {
        let entries = self.accounts.values().map(|rows| rows.entries.len()).sum::<usize>();
        let mut bytes = Vec::with_capacity(HEAD_SIZE + ROW * (entries + summary.spans.len()));
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        let fields = [summary.spans.len() as u64, summary.number, summary.log, summary.length, summary.held];
        fields.iter().for_each(|field| bytes.extend_from_slice(&field.to_le_bytes()));
        let mut spans = Vec::with_capacity(ROW * summary.spans.len());
        for span in &summary.spans {
            row(span.account, span.first_seq, span.next_seq, &mut spans);
        }
        bytes.extend_from_slice(&crc32c::crc32c_append(crc32c(&bytes), &spans).to_le_bytes());
        bytes.append(&mut spans);
        for (account, rows) in &self.accounts {
            rows.entries.iter().for_each(|(seq, offset)| row(*account, *seq, *offset, &mut bytes));
        }
        bytes
    }
}

impl Summary {
    /// Reads an index file; `None` if it is none, or not whole.
    pub(super) fn read(file: &dyn DiskFile) -> io::Result<Option<Self>> {
        let mut head = [0; HEAD_SIZE];
        if !fill(file, &mut head, 0)? {
            return Ok(None);
        }
        let mut fields = Fields(&head);
        let mut decode = || {
            let (magic, format) = (fields.next::<8>()?, fields.u32()?);
            let numbers = [fields.u64()?, fields.u64()?, fields.u64()?, fields.u64()?, fields.u64()?];
            (magic == MAGIC && format == FORMAT).then_some((numbers, fields.u32()?))
        };
        let Some(([count, number, log, length, held], crc)) = decode() else { return Ok(None) };
        // A count that the file is too short for is not believed.
        let rows = count.checked_mul(ROW as u64).filter(|rows| file.length().is_ok_and(|length| *rows <= length));
        let Some(rows) = rows.and_then(|rows| usize::try_from(rows).ok()) else { return Ok(None) };
        let mut bytes = vec![0; rows];
        if !fill(file, &mut bytes, HEAD_SIZE as u64)?
            || crc32c::crc32c_append(crc32c(head.get(..HEAD).unwrap_or_default()), &bytes) != crc
        {
            return Ok(None);
        }
        let span = |row: &[u8]| {
            let (account, first_seq, next_seq) = unrow(row)?;
            Some(Span { account, first_seq, next_seq })
        };
        let spans = bytes.chunks_exact(ROW).filter_map(span).collect();
        Ok(Some(Self { number, log, length, held, spans }))
    }
}

/// Looks into an index file for a byte at which a block of the account starts, with `seq` or some before it. What it
/// finds is a hint: the file may be damaged.
pub(super) fn find(file: &dyn DiskFile, account: AccountId, seq: u64) -> io::Result<Option<u64>> {
    let mut head = [0; HEAD_SIZE];
    if !fill(file, &mut head, 0)? {
        return Ok(None);
    }
    let spans = head.get(12..20).and_then(|bytes| Fields(bytes).u64()).unwrap_or(0);
    let start = spans.saturating_mul(ROW as u64).saturating_add(HEAD_SIZE as u64);
    let (mut low, mut high) = (0, file.length()?.saturating_sub(start) / ROW as u64);
    let mut found = None;
    while low < high {
        let middle = low + (high - low) / 2;
        let mut bytes = [0; ROW];
        if !fill(file, &mut bytes, start + middle * ROW as u64)? {
            return Ok(None);
        }
        let Some((of, first_seq, offset)) = unrow(&bytes) else { return Ok(None) };
        if (of, first_seq) <= (account, seq) {
            found = (of == account).then_some(offset);
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(found)
}

fn row(account: AccountId, seq: u64, value: u64, into: &mut Vec<u8>) {
    into.extend_from_slice(&account.0.to_le_bytes());
    into.extend_from_slice(&seq.to_le_bytes());
    into.extend_from_slice(&value.to_le_bytes());
}

fn unrow(bytes: &[u8]) -> Option<(AccountId, u64, u64)> {
    let mut fields = Fields(bytes);
    Some((AccountId(fields.u32()?), fields.u64()?, fields.u64()?))
}

/// Reads all of `into`; `false` if the file ends before.
fn fill(file: &dyn DiskFile, into: &mut [u8], offset: u64) -> io::Result<bool> {
    let mut filled = 0;
    while let Some(rest) = into.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + filled as u64)? {
            0 => return Ok(false),
            read => filled += read,
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Disk, simulated::SimulatedDisk};

    #[test]
    fn an_index_file_says_what_the_index_in_memory_said_and_no_flipped_bit_of_its_head_passes() {
        let mut index = Index::default();
        let mut offset = 48;
        for block in 0..300_u64 {
            let account = AccountId(u32::try_from(block % 3).unwrap());
            index.add(&BlockHead { account, first_seq: block / 3 * 10 + 1, count: 10, length: 9_000, crc: 0 }, offset);
            offset += 9_000;
        }
        let mut spans: Vec<Span> = index.spans().collect();
        spans.push(Span { account: AccountId(8), first_seq: 5, next_seq: 5 });
        let summary = Summary { number: 4, log: 5, length: offset, held: 77, spans };
        let bytes = index.encode(&summary);
        let disk = SimulatedDisk::new(1);
        disk.put("index", bytes.clone());
        let file = disk.open("index").unwrap();
        assert_eq!(Summary::read(file.as_ref()).unwrap(), Some(summary.clone()));
        for account in [0, 1, 2, 3, 8].map(AccountId) {
            for seq in [0, 1, 9, 10, 11, 500, 991, 1_000, 5_000] {
                let found = find(file.as_ref(), account, seq).unwrap();
                assert_eq!(found, index.find(account, seq), "{account:?} {seq}");
                assert_eq!(found.is_some(), account.0 < 3 && seq > 0);
            }
        }
        for bit in 0..(HEAD_SIZE + ROW * summary.spans.len()) * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            disk.put("flipped", flipped);
            assert_eq!(Summary::read(disk.open("flipped").unwrap().as_ref()).unwrap(), None, "bit {bit}");
        }
        disk.put("short", bytes[..HEAD_SIZE].to_vec());
        assert_eq!(Summary::read(disk.open("short").unwrap().as_ref()).unwrap(), None);
    }
}
