//! Where inputs are kept before anything that depends on them may be seen.
//!
//! In: batches of numbered, stamped commands, each with what it will show to the world. Out: the latter, released in order
//! once the former are kept; and, after a restart, the former again.
//!
//! ```text
//! append ─┬► records ─► writer: everything waiting ─► one frame, one write, one sync ─┐
//!         └► effects ─► made ready meanwhile ─────────────────────────────────────────┴► released, in order
//! Reader ─► every record kept, checked ─► Recovered ─► the next writer
//! ```
//!
//! Reading order: `codec` (a command as bytes), `format` (segments and frames), [`disk`](crate::disk) (what is asked of a file system),
//! `segments` and `log` (frames into segments), `gate` (what effects go through), `writer` (the threads), [`reader`] (all of it back), [`lock`] (one process at a time),
//! [`snapshots`] (what makes old records unnecessary), `mend` (what a loss of power leaves where nothing is synced).
//!
//! **Invariant: kept, then released.** Nothing is released before its batch is kept as the [`Durability`] says, and batches
//! are released in the order in which they were appended.
//!
//! **Invariant: at most one frame is not synced.** So whatever follows a damaged frame proves that it was once whole, and
//! only the very last may be torn. Without syncs the same goes for the end of a process; a loss of power
//! may leave any of it, and what stands behind the first hole is set aside ([`mend()`]).
//!
//! **Invariant: fail stop.** After a failed or short write or a failed sync nothing is released any more: the batches that
//! wait are dropped with their effects, [`Health`] says so at once, and the threads end, with the error.
//!
//! **Limits.** [`UNRELEASED_MAX`] batches wait to be kept and released, then there is no room for another, and who would append one
//! waits for it. A record takes about 60 bytes, a journal grows until its segments are retired from outside.
//!
//! Deliberately absent: what is in a snapshot, what executions looked like (only a hash of them is kept), and any interpretation of
//! the commands. [`Memory`] keeps nothing, so it releases at once.

mod codec;
mod error;
mod format;
mod gate;
mod log;
mod pulse;
mod segments;
mod writer;

pub mod reader;

pub mod lock;

mod retire;
pub mod snapshots;

mod memory;
mod mend;
#[cfg(test)]
mod tests;

pub use codec::{Fault, decode, encode};
pub use error::{Damage, JournalError};
pub use gate::Gate;
pub use lock::Lock;
pub use log::{Durability, SEGMENT_BYTES, Settings, make_durable, sync_all};
pub use memory::Memory;
pub use mend::{Lost, mend, unsynced_from};
pub use pulse::Pulse;
pub use reader::{Frame, Framed, ReadAhead, Reader, Recovered, Torn, find_end};
pub use retire::{retire, segments};
pub use snapshots::{Snapshot, Snapshots};
pub use writer::{Ended, File, Health, Started, UNRELEASED_MAX, start};

use std::task::{Context, Poll};

use crate::domain::{Command, Nanos};

/// The usual folder, in the data directory.
pub const FOLDER: &str = "journal";
/// The usual folder of snapshots, beside it.
pub const SNAPSHOTS_FOLDER: &str = "snapshots";

/// One input, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number: 1, 2, 3, …
    pub number: u64,
    /// When it was stamped; never before the record before it.
    pub stamp: Nanos,
    /// What was applied.
    pub command: Command,
}

/// A log of inputs, and the gate that their effects wait behind.
pub trait Journal<E>: Send {
    /// Whether there is room for another batch; if not, the task is woken once there may be. One task asks.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Keeps a batch, and releases its effects once it is kept: before returning, or later from another thread.
    ///
    /// Where there is no room, it may block until there is. A batch without records is kept once all before it are. `executions_hash` is the wrapping sum of a hash of each
    /// execution that the batch produced, each including its number: batches that are kept together are added up.
    fn append(&mut self, records: Vec<Record>, executions_hash: u64, effects: E);
}
