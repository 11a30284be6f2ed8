//! What `sync`, `push` and `pull` have moved, or would move.

use serde::Serialize;

use super::IncompleteVersion;
use crate::store::files::{FileClass, StoreFile};

/// What was moved, or would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SyncOutcome {
    /// Whether every file that was to travel was whole, and no version was held back.
    pub ok: bool,
    /// Whether nothing was moved, only told.
    pub dry_run: bool,
    /// The other copy.
    pub other: String,
    /// What came from it; none if nothing was to.
    pub pulled: Option<Moved>,
    /// What went to it; none if nothing was to.
    pub pushed: Option<Moved>,
    /// Versions whose records travelled and that lack something where these arrived.
    pub incomplete: Vec<IncompleteVersion>,
    /// Versions whose records did not travel, for something that they need could not.
    pub held_back: Vec<MovedVersion>,
    /// Files that were not what their names say, and so did not travel.
    pub damaged: Vec<DamagedFile>,
}

/// What went one way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// Data and meta packs.
    pub pack_count: u64,
    /// Records.
    pub record_count: u64,
    /// Bytes of both.
    pub size_bytes: u64,
    /// Packs that were not sent, for the other copy has removed them and nothing needs them.
    pub withheld_count: u64,
    /// The versions whose records arrived, sorted.
    pub versions: Vec<MovedVersion>,
}

/// A version whose record travels, or does not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct MovedVersion {
    /// The artifact.
    pub artifact: String,
    /// Its number.
    pub number: u64,
    /// The first 16 digits of its id.
    pub id_prefix: String,
}

/// A file that was not what its name says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DamagedFile {
    /// Where it lies, relative to the store.
    pub path: String,
    /// The copy that has it.
    pub from: String,
    /// What is wrong.
    pub message: String,
}

impl SyncOutcome {
    pub(super) fn new(other: String, dry_run: bool) -> SyncOutcome {
        SyncOutcome {
            ok: true,
            dry_run,
            other,
            pulled: None,
            pushed: None,
            incomplete: Vec::new(),
            held_back: Vec::new(),
            damaged: Vec::new(),
        }
    }
}

impl Moved {
    pub(crate) fn of(files: &[StoreFile], withheld_count: u64) -> Moved {
        let mut moved = Moved { withheld_count, ..Moved::default() };
        for file in files {
            match file.path.class() {
                FileClass::Data | FileClass::Meta => moved.pack_count += 1,
                FileClass::Feature => continue,
                _ => moved.record_count += 1,
            }
            moved.size_bytes += file.len;
            if let Some((folder, number)) = file.path.version() {
                let id_prefix = file.path.name().rsplit('.').next().unwrap_or_default().to_owned();
                moved.versions.push(MovedVersion { artifact: folder.to_owned(), number, id_prefix });
            }
        }
        moved.versions.sort();
        moved
    }

    /// Whether nothing travelled.
    pub fn is_empty(&self) -> bool {
        self.pack_count + self.record_count == 0
    }
}
