//! Where a venue keeps things: the folders of its data directory.

use std::{path::Path, sync::Arc};

use crate::disk::{Disk, Folder};
use crate::journal::SEGMENT_BYTES;

/// The folder of the journal, in the data directory.
pub(super) const JOURNAL: &str = "journal";
/// The folder of snapshots.
const SNAPSHOTS: &str = "snapshots";
/// The folder of the log of executions.
const EXECUTIONS: &str = "executions";

/// The folders, and how long the files in them are; in tests, disks that fail.
#[derive(Clone, Debug)]
pub struct Folders {
    pub(super) journal: Arc<dyn Disk>,
    pub(super) snapshots: Arc<dyn Disk>,
    pub(super) executions: Arc<dyn Disk>,
    /// The usual length of a segment, of the journal and of the log of executions.
    pub(super) segment_bytes: u64,
}

impl Folders {
    /// Those of a data directory.
    pub fn of(data_dir: &Path) -> Self {
        let folder = |name| -> Arc<dyn Disk> { Arc::new(Folder::new(data_dir.join(name))) };
        Self {
            journal: folder(JOURNAL),
            snapshots: folder(SNAPSHOTS),
            executions: folder(EXECUTIONS),
            segment_bytes: SEGMENT_BYTES,
        }
    }

    /// The same, with segments of about so many bytes.
    #[must_use]
    pub fn in_segments_of(self, segment_bytes: u64) -> Self {
        Self { segment_bytes, ..self }
    }
}
