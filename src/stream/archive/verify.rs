//! Every byte of a log that nobody writes to, read and checked, and nothing changed.

use std::{collections::BTreeMap, sync::Arc};

use super::ArchiveError;
use super::error::{Damage, Fault};
use super::format::{FORMAT, Head, Header, index_name, segment_name, segment_number};
use super::scan::Scan;
use crate::disk::Disk;
use crate::domain::AccountId;

/// What a log has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// How many segments.
    pub segments: usize,
    /// How many executions.
    pub executions: u64,
    /// How many bytes at the end are not whole: the next start cuts them.
    pub torn: u64,
}

/// Reads the log in a folder, which need not be there, from its first segment to its last.
///
/// # Errors
///
/// If a file cannot be read, is missing or of another format, or has something that was not written: then file and byte are named.
/// What follows the last mark may be anything.
pub fn verify(disk: &Arc<dyn Disk>) -> Result<Verified, ArchiveError> {
    let names = disk.list().map_err(|source| ArchiveError::Io { doing: "read", file: disk.path(""), source })?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| segment_number(name)).collect();
    numbers.sort_unstable();
    let mut verified = Verified { segments: numbers.len(), ..Verified::default() };
    let mut next_seqs = BTreeMap::new();
    for (number, due) in numbers.iter().zip(numbers.first().copied().unwrap_or(1)..) {
        if *number != due {
            return Err(ArchiveError::Missing(disk.path(&segment_name(due))));
        }
        // One that has an index was ended in order.
        let grew = numbers.last() == Some(number) && !names.contains(&index_name(*number));
        verified.torn = segment(disk, *number, grew, &mut next_seqs, &mut verified.executions)?;
    }
    Ok(verified)
}

/// Reads a segment; how many bytes at its end are not whole, which there may be if it still grew.
fn segment(
    disk: &Arc<dyn Disk>,
    number: u64,
    grew: bool,
    next_seqs: &mut BTreeMap<AccountId, u64>,
    executions: &mut u64,
) -> Result<u64, ArchiveError> {
    let path = disk.path(&segment_name(number));
    let of = |fault: Fault| fault.of(path.clone());
    let file = disk.open(&segment_name(number)).map_err(|source| of(source.into()))?;
    let length = file.length().map_err(|source| of(source.into()))?;
    let mut header = [0; Header::SIZE];
    let read = file.read_at(&mut header, 0).map_err(|source| of(source.into()))?;
    match Header::decode(header.get(..read).unwrap_or_default()) {
        Some((FORMAT, header)) if header.number == number => {}
        Some((found, _)) if found != FORMAT => return Err(ArchiveError::Format { file: path, found, known: FORMAT }),
        None if grew => return Ok(length),
        _ => return Err(of(Fault::Damage(0, Damage::Header))),
    }
    let mut scan = Scan::new(file, Header::SIZE as u64, length);
    // After the last mark, and what comes after it.
    let (mut end, mut unmarked) = (Header::SIZE as u64, 0);
    let fault = loop {
        match next(&mut scan, next_seqs) {
            Ok(Some(Head::Block(block))) => unmarked += u64::from(block.count),
            Ok(Some(Head::Mark(_))) => {
                *executions += std::mem::take(&mut unmarked);
                end = scan.offset();
            }
            Ok(None) if end == length => return Ok(0),
            Ok(None) => break Fault::Damage(end, Damage::End),
            Err(fault) => break fault,
        }
    };
    match fault {
        Fault::Damage(..) if grew => Ok(if scan.is_padding(end).map_err(of)? { 0 } else { length - end }),
        fault => Err(of(fault)),
    }
}

/// The next block or mark, checked.
fn next(scan: &mut Scan, next_seqs: &mut BTreeMap<AccountId, u64>) -> Result<Option<Head>, Fault> {
    let Some(head) = scan.head()? else { return Ok(None) };
    if let Head::Block(block) = &head {
        scan.frames(block)?;
        let due = *next_seqs.get(&block.account).unwrap_or(&block.first_seq);
        if block.first_seq != due {
            let what = Damage::Seq { account: block.account, found: block.first_seq, expected: due };
            return Err(Fault::Damage(scan.offset(), what));
        }
        next_seqs.insert(block.account, block.next_seq());
    }
    scan.skip(&head);
    Ok(Some(head))
}
