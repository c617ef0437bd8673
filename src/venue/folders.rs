//! Where a venue keeps things: the folders of its data directory.

use std::{path::Path, sync::Arc};

use crate::disk::{Disk, Folder};
use crate::journal::{self, SEGMENT_BYTES};
use crate::stream::archive;

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
            journal: folder(journal::FOLDER),
            snapshots: folder(journal::SNAPSHOTS_FOLDER),
            executions: folder(archive::FOLDER),
            segment_bytes: SEGMENT_BYTES,
        }
    }

    /// The same, with segments of about so many bytes.
    #[must_use]
    pub fn in_segments_of(self, segment_bytes: u64) -> Self {
        Self { segment_bytes, ..self }
    }
}
