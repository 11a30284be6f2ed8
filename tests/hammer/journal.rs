//! What a process was told, line by line: what it begins, and how that ended. A line that a kill
//! has cut off was not written.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use artstore::id::RecordId;
use serde::{Deserialize, Serialize};

use crate::driver::{Recipe, Stored};

/// One line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Event {
    /// A put begins.
    Putting { artifact: String, recipe: Recipe },
    /// It was acknowledged; `unchanged` says that the version was there before.
    Put { version: Stored, unchanged: bool },
    /// A deletion begins.
    Removing { id: RecordId },
    /// It was acknowledged.
    Removed { id: RecordId },
    /// Bringing a version back begins.
    Undeleting { id: RecordId },
    /// It was acknowledged.
    Undeleted { id: RecordId },
    /// An alias was set.
    Aliased { artifact: String, alias: String, id: RecordId },
    /// A version could not be restored, as may be if somebody has begun to delete it.
    Gone { id: RecordId, why: String },
    /// An operation was refused as it may be.
    Refused { what: String, why: String },
    /// Something that must not happen.
    Wrong { what: String },
    /// An operation ended, whatever its end.
    Ran { what: String },
}

/// The journal of one place among the processes: if its process is killed, the next goes on.
pub(crate) struct Journal(File);

impl Journal {
    pub(crate) fn open(dir: &Path, slot: usize) -> Journal {
        let path = path(dir, slot);
        let file = OpenOptions::new().create(true).append(true).open(&path).unwrap();
        file.set_len(whole_lines(&path).len() as u64).unwrap();
        Journal(file)
    }

    pub(crate) fn note(&mut self, event: &Event) {
        let line = serde_json::to_string(event).unwrap() + "\n";
        self.0.write_all(line.as_bytes()).unwrap();
    }
}

/// Reads what the processes of a place have noted.
pub(crate) fn read(dir: &Path, slot: usize) -> Vec<Event> {
    whole_lines(&path(dir, slot)).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn whole_lines(path: &Path) -> String {
    let mut text = std::fs::read_to_string(path).unwrap_or_default();
    text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
    text
}

fn path(dir: &Path, slot: usize) -> PathBuf {
    dir.join(format!("journal-{slot}"))
}
