//! What second names are names of, told by the files themselves.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use walkdir::{DirEntryExt, WalkDir};

use super::RECORDS;
use crate::durable::{is_as_named, is_hash_named};
use crate::error::{Error, Result};
use crate::format::limits::{PACK_LEN_MAX, RECORD_LEN_MAX};
use crate::format::pack::{HEADER_LEN, Header};
use crate::format::record::Record;
use crate::id::{PackId, RecordId};
use crate::open::{look_at, open_regular};
use crate::refs::condemned;
use crate::refs::read::parse_record_name;
use crate::store::files::StorePath;

/// What helps where one cannot be read for good.
const UNREAD_HINT: &str = "if it stays so, move that file out of the store: `art pull DIR` brings it from a copy that has it";

/// A second name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kept {
    /// What the file is, by its place in the store.
    pub(crate) path: StorePath,
    /// Where the second name is.
    pub(crate) at: PathBuf,
}

impl Kept {
    /// Reads the record that it is.
    pub(crate) fn record(&self) -> Option<Record> {
        let bytes = read_start(&self.at, RECORD_LEN_MAX as u64 + 1).ok()??;
        Record::decode(&bytes).ok()
    }

    /// Reads the pack that it is; none if it is not what its name says.
    pub(crate) fn whole_pack(&self) -> Option<Vec<u8>> {
        let pack = read_start(&self.at, PACK_LEN_MAX).ok()??;
        is_hash_named(blake3::hash(&pack), &self.at).then_some(pack)
    }
}

/// Whether the bytes of a second name are what it says; one that somebody has removed meanwhile is not damaged.
pub(super) fn is_whole(at: &Path) -> Result<bool> {
    match is_as_named(at) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(true),
        whole => whole.map_err(|e| Error::io("read", at, e).hint(UNREAD_HINT)),
    }
}

/// Whether a file with this name is a pack or a record, if it is what it says.
pub(super) fn is_name(name: &str) -> bool {
    name.parse::<PackId>().is_ok() || parse_record_name(name).is_some() || condemned::is_name(name)
}

/// Lists the records of some stores by their names and inodes: there are file systems that give all files one, or
/// count them. What cannot be listed is looked into.
pub(super) fn records_in(stores: &[PathBuf]) -> HashSet<(String, u64)> {
    let entries = stores.iter().flat_map(|store| RECORDS.iter().flat_map(|dir| WalkDir::new(store.join(dir))));
    let files = entries.flatten().filter(|entry| entry.file_type().is_file());
    files.filter_map(|entry| Some((entry.file_name().to_str()?.to_owned(), entry.ino()))).collect()
}

/// Whether a file is in its place in one of some stores.
pub(super) fn is_in(stores: &[PathBuf], path: &StorePath) -> bool {
    stores.iter().any(|store| fs::symlink_metadata(store.join(path.as_path())).is_ok())
}

/// Tells a file's place by what is in it; none if it is none of a store.
pub(super) fn kept(at: &Path) -> Result<Option<Kept>> {
    let name = name_of(at);
    let id = name.parse::<PackId>().ok();
    let len = if id.is_some() { HEADER_LEN as u64 } else { RECORD_LEN_MAX as u64 + 1 };
    let Some(bytes) = read_start(at, len)? else { return Ok(None) };
    let path = match id {
        Some(id) => Header::decode(&bytes).ok().map(|header| StorePath::of_pack(header.class, id)),
        None => Record::decode(&bytes).ok().map(|record| StorePath::of_record(&record, RecordId::of(&bytes))),
    };
    Ok(path.filter(|path| path.name() == name).map(|path| Kept { path, at: at.to_owned() }))
}

/// Returns the last part of a path; empty where it is no text.
pub(super) fn name_of(at: &Path) -> &str {
    at.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// Reads what a file begins with; none if there is no regular file. One that cannot be read may be the only
/// one of something stored, and is never taken for none.
fn read_start(at: &Path, len: u64) -> Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    match open_regular(at).and_then(|file| file.take(len).read_to_end(&mut bytes)) {
        Ok(_) => Ok(Some(bytes)),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput) => Ok(None),
        Err(e) => Err(Error::io("read", at, e).hint(UNREAD_HINT)),
    }
}

/// Returns how many names a file has: one that has no other is the last of its file, or a copy. None if there is
/// no regular file.
pub(super) fn links(at: &Path) -> Result<Option<u64>> {
    Ok(look_at(at)?.filter(Metadata::is_file).map(|meta| meta.nlink()))
}
