//! The rows of lists in messages, and the checks that make what they say of them.

use serde::{Deserialize, Serialize};

use super::super::IncompleteVersion;
use super::super::side::{Put, SelectedRecord};
use super::failure::text;
use crate::id::{HASH_LEN, RecordId};
use crate::store::files::{StoreFile, StorePath};

/// A path, as far as it differs from the one before, and a length.
#[derive(Serialize, Deserialize)]
pub(super) struct FileRow {
    shared: u16,
    rest: String,
    len: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct RecordRow {
    path: String,
    len: u64,
    needs: Option<String>,
}

#[derive(Serialize, Deserialize)]
pub(super) enum FateRow {
    Arrived(String),
    Kept(String),
    Refused(String, String),
}

#[derive(Serialize, Deserialize)]
pub(super) struct VersionRow {
    artifact: String,
    version: String,
    id: [u8; HASH_LEN],
    missing_chunks: u64,
    missing_pages: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct WantedRow {
    pub(super) refs: Vec<String>,
    pub(super) all_versions: bool,
}

pub(super) fn file_rows(files: &[StoreFile]) -> Vec<FileRow> {
    let mut before = "";
    let mut rows = Vec::with_capacity(files.len());
    for StoreFile { path, len } in files {
        // Paths are ASCII, so that any byte is a boundary.
        let shared = shared(before, path.as_str());
        rows.push(FileRow { shared: shared as u16, rest: path.as_str()[shared..].to_owned(), len: *len });
        before = path.as_str();
    }
    rows
}

pub(super) fn files_of(rows: &[FileRow]) -> Option<Vec<StoreFile>> {
    let mut files: Vec<StoreFile> = Vec::with_capacity(rows.len());
    for row in rows {
        let before = files.last().map_or("", |file| file.path.as_str());
        let text = format!("{}{}", before.get(..usize::from(row.shared))?, row.rest);
        // One form for each list.
        (shared(before, &text) == usize::from(row.shared)).then_some(())?;
        files.push(StoreFile { path: StorePath::parse(&text)?, len: row.len });
    }
    Some(files)
}

fn shared(one: &str, other: &str) -> usize {
    one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count()
}

impl RecordRow {
    pub(super) fn of(record: &SelectedRecord) -> RecordRow {
        let SelectedRecord { file: StoreFile { path, len }, needs } = record;
        RecordRow { path: path.to_string(), len: *len, needs: needs.as_ref().map(ToString::to_string) }
    }

    pub(super) fn into_record(self) -> Option<SelectedRecord> {
        let needs = match self.needs {
            Some(path) => Some(StorePath::parse(&path)?),
            None => None,
        };
        Some(SelectedRecord { file: StoreFile { path: StorePath::parse(&self.path)?, len: self.len }, needs })
    }
}

impl FateRow {
    pub(super) fn of((path, put): &(StorePath, Put)) -> FateRow {
        match put {
            Put::Arrived => FateRow::Arrived(path.to_string()),
            Put::Kept => FateRow::Kept(path.to_string()),
            Put::Refused(why) => FateRow::Refused(path.to_string(), text(why)),
        }
    }

    pub(super) fn into_fate(self) -> Option<(StorePath, Put)> {
        let (path, put) = match self {
            FateRow::Arrived(path) => (path, Put::Arrived),
            FateRow::Kept(path) => (path, Put::Kept),
            FateRow::Refused(path, why) => (path, Put::Refused(why)),
        };
        Some((StorePath::parse(&path)?, put))
    }
}

impl VersionRow {
    pub(super) fn of(version: &IncompleteVersion) -> VersionRow {
        let IncompleteVersion { artifact, version, id, missing_chunks, missing_pages } = version;
        let (artifact, version, id) = (artifact.to_string(), version.clone(), *id.as_bytes());
        VersionRow { artifact, version, id, missing_chunks: *missing_chunks, missing_pages: *missing_pages }
    }

    pub(super) fn into_version(self) -> Option<IncompleteVersion> {
        let VersionRow { artifact, version, id, missing_chunks, missing_pages } = self;
        let (artifact, id) = (artifact.parse().ok()?, RecordId::from_bytes(id));
        // `v3`, or `v3.1a2b` where two have the number.
        let is_label = version.len() <= 128 && version.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
        is_label.then_some(IncompleteVersion { artifact, version, id, missing_chunks, missing_pages })
    }
}
