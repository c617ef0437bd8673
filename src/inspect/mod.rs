//! `openoutcry journal` and `openoutcry replay`: what a stopped venue's data directory holds, and whether it is what was executed.
//!
//! In: a data directory that no venue has open. Out: text, and an error for what is damaged or comes out differently. Nothing in
//! the directory is changed.

mod json;
mod replay;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, ensure};
use clap::Args;

use crate::disk::{Disk, Folder};
use crate::journal::{self, Lock, Reader, segments};
use json::Names;
pub use replay::{Replayed, replay};

/// What to print of a journal.
#[derive(Clone, Debug, Args)]
pub struct Wish {
    /// The data directory of a stopped venue.
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// The first record to print.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub from: u64,
    /// Check every record and print none.
    #[arg(long)]
    pub verify: bool,
}

/// A data directory that nobody else has.
struct Held {
    _lock: Lock,
    journal: Arc<dyn Disk>,
}

fn hold(dir: &Path) -> anyhow::Result<Held> {
    let journal = dir.join(journal::FOLDER);
    ensure!(journal.is_dir(), "{} is no data directory: it has no folder {}", dir.display(), journal::FOLDER);
    Ok(Held { _lock: Lock::take_to_read(dir)?, journal: Arc::new(Folder::new(journal)) })
}

/// Prints a journal's records, a line of JSON each, or checks them all and says how many there are.
///
/// # Errors
///
/// If the directory is in use, or something in the journal is not what was written: then file and byte are named.
pub fn journal(wish: &Wish, out: &mut impl Write) -> anyhow::Result<()> {
    match print(wish, out) {
        // Who reads has seen enough.
        Err(error) if error.downcast_ref().is_some_and(|error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe) => {
            Ok(())
        }
        done => done,
    }
}

fn print(wish: &Wish, out: &mut impl Write) -> anyhow::Result<()> {
    let Held { _lock, journal } = hold(&wish.dir)?;
    // From the oldest, so that accounts and instruments have names.
    let mut reader = Reader::open_oldest(journal.clone()).context("cannot read the journal")?;
    let oldest = reader.oldest();
    let mut out = io::BufWriter::new(out);
    let (mut names, mut records, mut count) = (Names::new(oldest), Vec::new(), 0u64);
    while reader.next(&mut records).context("cannot read the journal")?.is_some() {
        for record in &records {
            count += 1;
            names.learn(&record.command);
            if !wish.verify && record.number >= wish.from {
                serde_json::to_writer(&mut out, &names.line(record)).map_err(io::Error::from)?;
                out.write_all(b"\n")?;
            }
        }
    }
    let end = reader.finish().context("cannot read the journal")?;
    if wish.verify {
        writeln!(out, "segments  {}", segments(journal.as_ref())?)?;
        writeln!(out, "records   {count}, from {oldest} to {}", end.last_number)?;
        match &end.torn {
            None => writeln!(out, "torn tail none")?,
            Some(torn) => writeln!(out, "torn tail {torn}: the next start cuts it")?,
        }
    }
    out.flush()?;
    Ok(())
}
