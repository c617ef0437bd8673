//! What is there when the log is opened: closed segments by their indexes, the last one by its marks.
//!
//! A closed segment is whole, or damaged. What follows the last mark of the last segment was being written when the
//! process or the machine ended; it may also be what a loss of power left of it, in any order. It is cut, and comes again
//! when the journal is replayed. So is whatever the journal itself has lost.
//!
//! A start never writes to a segment of an earlier one: so a place in the log means the same for ever, or is seen to be gone.

use std::{path::PathBuf, sync::Arc};

use super::error::{Damage, Fault};
use super::format::{BlockHead, FORMAT, Head, Header, index_name, index_number, segment_name, segment_number};
use super::index::{Index, Summary};
use super::retire::remove;
use super::scan::Scan;
use super::state::State;
use super::writer::SPARE;
use super::{ArchiveError, Settings};
use crate::disk::{Disk, DiskFile, write_again, write_all};

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) state: State,
    /// The random number of the log; `None` if there is none.
    pub(super) log: Option<u64>,
    /// Where it was cut, if it was.
    pub(super) cut: Option<Cut>,
}

/// The end of a log that was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The segment.
    pub file: PathBuf,
    /// Where it ends now.
    pub offset: u64,
    /// How many bytes it had after that.
    pub bytes: u64,
}

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at byte {}, {} bytes", self.file.display(), self.offset, self.bytes)
    }
}

struct Opening<'a> {
    disk: &'a Arc<dyn Disk>,
    settings: &'a Settings,
    found: Found,
}

/// Reads what there is of the log, and cuts what is not complete or not in the journal.
pub(super) fn open(disk: &Arc<dyn Disk>, settings: &Settings) -> Result<Found, ArchiveError> {
    let failed = |doing, source| ArchiveError::Io { doing, file: disk.path(""), source };
    disk.make().map_err(|source| failed("make", source))?;
    let names = disk.list().map_err(|source| failed("read", source))?;
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| segment_number(name)).collect();
    numbers.sort_unstable();
    for (number, due) in numbers.iter().zip(numbers.first().copied().unwrap_or(1)..) {
        if *number != due {
            return Err(ArchiveError::Missing(disk.path(&segment_name(due))));
        }
    }
    let mut opening = Opening { disk, settings, found: Found::default() };
    while let Some(last) = numbers.pop() {
        // Segments that begin beyond the journal's end are gone as a whole.
        if opening.begins_within(last)? {
            numbers.push(last);
            break;
        }
        opening.remove(last)?;
    }
    for name in names.iter().filter(|name| index_number(name).is_some_and(|number| !numbers.contains(&number))) {
        // Its segment was retired, or has just been removed.
        remove(disk, name).map_err(|source| opening.io("remove", name, source))?;
    }
    let last = numbers.last().copied();
    for number in numbers {
        opening.segment(number, if Some(number) == last { Place::Last } else { Place::Before })?;
    }
    Ok(opening.found)
}

/// Where a segment stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Before,
    Last,
}

impl Opening<'_> {
    /// Whether a last segment has anything that the journal has too.
    fn begins_within(&self, number: u64) -> Result<bool, ArchiveError> {
        let name = segment_name(number);
        let file = self.disk.open(&name).map_err(|source| self.io("open", &name, source))?;
        // A header that is not whole was never synced: the segment had only begun.
        let header = self.header(file.as_ref(), number)?;
        if header.is_none() && self.summary(number)?.is_some() {
            return Err(Fault::Damage(0, Damage::Header).of(self.disk.path(&name)));
        }
        let journal_end = self.settings.journal_end;
        if let Some(header) = header.as_ref().filter(|header| header.held >= journal_end && self.settings.journal_is_whole)
        {
            if header.held > journal_end {
                return Err(self.beyond(&name, header.held));
            }
            self.has_nothing_beyond(file, header, &name)?;
        }
        Ok(header.is_some_and(|header| header.held < journal_end || header.held == 0))
    }

    /// Looks whether a segment that was begun at the journal's end has anything of a record after it.
    fn has_nothing_beyond(&self, file: Box<dyn DiskFile>, header: &Header, name: &str) -> Result<(), ArchiveError> {
        let length = file.length().map_err(|source| self.io("read", name, source))?;
        let mut scanned = Scanned::begin(header);
        let mut scan = Scan::new(file, Header::SIZE as u64, length);
        loop {
            match scanned.next(&mut scan, self.settings.journal_end) {
                Ok(Step::On) => {}
                Ok(Step::Beyond(number)) => return Err(self.beyond(name, number)),
                // What is not whole was never marked.
                Ok(Step::End) | Err(Fault::Damage(..)) => return Ok(()),
                Err(Fault::Io(source)) => return Err(self.io("read", name, source)),
            }
        }
    }

    fn beyond(&self, name: &str, number: u64) -> ArchiveError {
        ArchiveError::Beyond { file: self.disk.path(name), number, journal_end: self.settings.journal_end }
    }

    fn segment(&mut self, number: u64, place: Place) -> Result<(), ArchiveError> {
        let name = segment_name(number);
        let file = self.disk.open(&name).map_err(|source| self.io("open", &name, source))?;
        let length = file.length().map_err(|source| self.io("read", &name, source))?;
        let Some(header) = self.header(file.as_ref(), number)? else {
            return Err(Fault::Damage(0, Damage::Header).of(self.disk.path(&name)));
        };
        let log = *self.found.log.get_or_insert(header.log);
        if header.log != log {
            return Err(Fault::Damage(0, Damage::Header).of(self.disk.path(&name)));
        }
        let known = self.summary(number)?.filter(|known| {
            (known.number, known.log, known.length) == (number, log, length) && known.held <= self.settings.journal_end
        });
        let summary = match known {
            Some(summary) => summary,
            None => self.scan(file, &header, length, place)?,
        };
        self.found.state.add(&summary).map_err(|(span, expected)| {
            let what = Damage::Seq { account: span.account, found: span.first_seq, expected };
            Fault::Damage(Header::SIZE as u64, what).of(self.disk.path(&name))
        })
    }

    /// Reads a segment that has no index, or another one, and writes the index.
    fn scan(
        &mut self,
        file: Box<dyn DiskFile>,
        header: &Header,
        length: u64,
        place: Place,
    ) -> Result<Summary, ArchiveError> {
        let name = segment_name(header.number);
        let mut scanned = Scanned::begin(header);
        let mut scan = Scan::new(file, Header::SIZE as u64, length);
        let fault = loop {
            match scanned.next(&mut scan, self.settings.journal_end) {
                Ok(Step::On) => {}
                Ok(Step::End) if scanned.end == length => break None,
                Ok(Step::Beyond(number)) if self.settings.journal_is_whole => return Err(self.beyond(&name, number)),
                Ok(Step::End | Step::Beyond(_)) => break Some((scanned.end, Damage::End)),
                Err(Fault::Damage(offset, what)) => break Some((offset, what)),
                Err(Fault::Io(source)) => return Err(self.io("read", &name, source)),
            }
        };
        if let Some((offset, what)) = fault {
            if place == Place::Before {
                return Err(Fault::Damage(offset, what).of(self.disk.path(&name)));
            }
            let file = self.disk.path(&name);
            if !scan.is_padding(scanned.end).map_err(|fault| fault.of(file.clone()))? {
                self.found.cut = Some(Cut { file, offset: scanned.end, bytes: length - scanned.end });
            }
        }
        let Scanned { end: length, held, index, .. } = scanned;
        let spans = self.found.state.spans_with(&index);
        let summary = Summary { number: header.number, log: header.log, length, held, spans };
        self.settle(&name, &index.encode(&summary), &summary)?;
        Ok(summary)
    }

    /// Makes a scanned segment as durable as a closed one.
    fn settle(&self, name: &str, index: &[u8], summary: &Summary) -> Result<(), ArchiveError> {
        let settle = || {
            let mut file = self.disk.open_for_writing(name)?;
            file.truncate(summary.length)?;
            write_again(file.as_mut(), summary.length)?;
            file.sync_data()?;
            let name = index_name(summary.number);
            let mut file = self.disk.create(SPARE)?;
            write_all(file.as_mut(), index, 0)?;
            file.sync_data()?;
            self.disk.rename(SPARE, &name)?;
            self.disk.sync_dir()
        };
        settle().map_err(|source| self.io("cut", name, source))
    }

    fn remove(&mut self, number: u64) -> Result<(), ArchiveError> {
        let (name, index) = (segment_name(number), index_name(number));
        let remove = || {
            let bytes = self.disk.open(&name)?.length()?;
            self.disk.remove(&name)?;
            remove(self.disk, &index)?;
            self.disk.sync_dir()?;
            Ok(bytes)
        };
        let bytes = remove().map_err(|source| self.io("remove", &name, source))?;
        self.found.cut = Some(Cut { file: self.disk.path(&name), offset: 0, bytes });
        Ok(())
    }

    /// The header of a segment; `None` if it is none.
    fn header(&self, file: &dyn DiskFile, number: u64) -> Result<Option<Header>, ArchiveError> {
        let path = self.disk.path(&segment_name(number));
        let mut bytes = [0; Header::SIZE];
        let read = file.read_at(&mut bytes, 0).map_err(|source| Fault::Io(source).of(path.clone()))?;
        match Header::decode(bytes.get(..read).unwrap_or_default()) {
            None => Ok(None),
            Some((FORMAT, header)) if header.epoch != self.settings.epoch => {
                let expected = self.settings.epoch;
                Err(ArchiveError::Epoch { file: path, found: header.epoch, expected })
            }
            Some((FORMAT, header)) => Ok(Some(header).filter(|header| header.number == number)),
            Some((found, _)) => Err(ArchiveError::Format { file: path, found, known: FORMAT }),
        }
    }

    fn summary(&self, number: u64) -> Result<Option<Summary>, ArchiveError> {
        let name = index_name(number);
        match self.disk.open(&name) {
            Ok(file) => Summary::read(file.as_ref()).map_err(|source| self.io("read", &name, source)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(self.io("open", &name, source)),
        }
    }

    fn io(&self, doing: &'static str, name: &str, source: std::io::Error) -> ArchiveError {
        ArchiveError::Io { doing, file: self.disk.path(name), source }
    }
}

/// How far a segment has been read.
struct Scanned {
    /// After the last mark.
    end: u64,
    /// What that mark says.
    held: u64,
    /// The blocks before it.
    index: Index,
    /// The blocks after it.
    unmarked: Vec<(BlockHead, u64)>,
}

enum Step {
    On,
    End,
    /// What comes next came of this record, which is beyond the journal's end.
    Beyond(u64),
}

impl Scanned {
    fn begin(header: &Header) -> Self {
        Self { end: Header::SIZE as u64, held: header.held, index: Index::default(), unmarked: Vec::new() }
    }

    /// Reads a block or a mark; ends before one that is beyond the journal's end.
    fn next(&mut self, scan: &mut Scan, journal_end: u64) -> Result<Step, Fault> {
        let offset = scan.offset();
        let Some(head) = scan.head()? else { return Ok(Step::End) };
        match &head {
            Head::Block(block) => {
                scan.frames(block)?;
                self.unmarked.push((*block, offset));
            }
            Head::Mark(number) if *number > journal_end => return Ok(Step::Beyond(*number)),
            Head::Mark(number) => {
                for (block, at) in self.unmarked.drain(..) {
                    let due = self.index.next_seq(block.account).unwrap_or(block.first_seq);
                    if due != block.first_seq {
                        let what = Damage::Seq { account: block.account, found: block.first_seq, expected: due };
                        return Err(Fault::Damage(at, what));
                    }
                    self.index.add(&block, at);
                }
                self.end = offset + head.length();
                self.held = *number;
            }
        }
        scan.skip(&head);
        Ok(Step::On)
    }
}
