//! The commands that every engine is given, and the file they are kept in.
//!
//! The file: `OPS1`, symbols u32, largest id u64, count u64, then 24 bytes a command, all little endian: id u64, price u32
//! (ticks), quantity u32 (lots), kind u8 (0 limit, 1 market, 2 cancel), side u8 (0 buy, 1 sell), symbol u16, padding u32.

use std::fs;
use std::io;
use std::path::Path;

const MAGIC: &[u8; 4] = b"OPS1";
const HEADER: usize = 24;
const RECORD: usize = 24;

/// What a command asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Trade at `price` or better, rest what is left.
    Limit,
    /// Trade at any price, forget what is left.
    Market,
    /// Take the order `id` out of the book.
    Cancel,
}

/// Which side of the book a command speaks of; of a cancel it means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Bids.
    Buy,
    /// Asks.
    Sell,
}

/// One command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// The order's id: 1, 2, 3, … as orders come in; of a cancel, the order that it names.
    pub id: u64,
    /// Ticks; 0 for what has no price.
    pub price: u32,
    /// Lots; 0 for a cancel.
    pub quantity: u32,
    /// What it asks for.
    pub kind: Kind,
    /// Buy or sell.
    pub side: Side,
    /// The book, from 0.
    pub symbol: u16,
}

/// A stream of commands over some books.
#[derive(Clone, Debug, Default)]
pub struct Commands {
    /// How many books.
    pub symbols: u32,
    /// The largest id of any order.
    pub id_max: u64,
    /// In order.
    pub list: Vec<Command>,
}

impl Commands {
    /// Writes the file.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(HEADER + RECORD * self.list.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.symbols.to_le_bytes());
        bytes.extend_from_slice(&self.id_max.to_le_bytes());
        bytes.extend_from_slice(&(self.list.len() as u64).to_le_bytes());
        for command in &self.list {
            bytes.extend_from_slice(&command.id.to_le_bytes());
            bytes.extend_from_slice(&command.price.to_le_bytes());
            bytes.extend_from_slice(&command.quantity.to_le_bytes());
            bytes.extend_from_slice(&[command.kind as u8, command.side as u8]);
            bytes.extend_from_slice(&command.symbol.to_le_bytes());
            bytes.extend_from_slice(&[0; 4]);
        }
        fs::write(path, bytes)
    }

    /// Reads the file.
    pub fn read(path: &Path) -> io::Result<Self> {
        let bytes = fs::read(path)?;
        Self::parse(&bytes).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not a command file"))
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (header, records) = bytes.split_at_checked(HEADER)?;
        let symbols = u32_at(header, 4)?;
        let count = usize::try_from(u64_at(header, 16)?).ok()?;
        if !header.starts_with(MAGIC) || records.len() != count.checked_mul(RECORD)? {
            return None;
        }
        let list = records.chunks_exact(RECORD).map(command).collect::<Option<Vec<_>>>()?;
        Some(Self { symbols, id_max: u64_at(header, 8)?, list })
    }
}

fn command(record: &[u8]) -> Option<Command> {
    Some(Command {
        id: u64_at(record, 0)?,
        price: u32_at(record, 8)?,
        quantity: u32_at(record, 12)?,
        kind: match record[16] {
            0 => Kind::Limit,
            1 => Kind::Market,
            2 => Kind::Cancel,
            _ => return None,
        },
        side: if record[17] == 0 { Side::Buy } else { Side::Sell },
        symbol: u16::from_le_bytes([record[18], record[19]]),
    })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_reads_back_as_it_was_written() {
        let commands = crate::generate::Plan::new(5_000, 3, 100, 7).run().0;
        let path = std::env::temp_dir().join(format!("openoutcry-peers-{}.bin", std::process::id()));
        commands.write(&path).unwrap();
        let read = Commands::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!((read.symbols, read.id_max), (commands.symbols, commands.id_max));
        assert_eq!(read.list, commands.list);
    }
}
