//! Reads the records of artifacts from `refs/`; nothing is believed but what hashes to its name.

use std::collections::HashSet;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::format::limits::RECORD_LEN_MAX;
use crate::format::record::{AliasRecord, EditRecord, Record, VersionRecord};
use crate::id::RecordId;
use crate::name::Name;
use crate::pack::reader::open_regular;

/// Digits of a record's hash that stand in its file name.
pub const HASH16: usize = 16;

/// The records of one artifact.
#[derive(Clone, Debug, Default)]
pub struct Records {
    /// Its versions, in no order.
    pub versions: Vec<(RecordId, VersionRecord)>,
    /// What was done to its aliases.
    pub aliases: Vec<(RecordId, AliasRecord)>,
    /// What was changed on it and its versions.
    pub edits: Vec<(RecordId, EditRecord)>,
    /// Files with a record's name that are not that record.
    pub damaged: Vec<DamagedRecord>,
}

/// A file with a record's name whose bytes are not that record.
#[derive(Clone, Debug)]
pub struct DamagedRecord {
    /// Where it lies, relative to the store.
    pub path: PathBuf,
    /// The number that its name begins with.
    pub number: u64,
    /// Whether it lies where versions do.
    pub is_version: bool,
    /// What is wrong.
    pub why: String,
}

/// Lists the artifacts of a store by name, sorted.
pub fn artifacts(root: &Path) -> Result<Vec<Name>> {
    let mut names = Vec::new();
    for dir in subdirs(&root.join("refs"))? {
        for (_, record) in load_dir(root, &dir)?.versions {
            if !names.contains(&record.artifact) {
                names.push(record.artifact);
            }
        }
    }
    names.sort();
    Ok(names)
}

/// Lists the records of all artifacts by the digits of their hashes that stand in their names.
pub fn all_names(root: &Path) -> Result<HashSet<String>> {
    let mut all = HashSet::new();
    for dir in subdirs(&root.join("refs"))? {
        for (folder, _) in folders(root, &dir)? {
            all.extend(record_names(&root.join(folder))?.into_iter().map(|(_, _, hash16)| hash16));
        }
    }
    Ok(all)
}

/// Reads every record of one artifact.
///
/// On a disk that folds case, or after a union with one, the records of `Model` may lie in a
/// folder `model`; the name inside a record decides which of the two it is.
pub fn load(root: &Path, artifact: &Name) -> Result<Records> {
    let mut all = Records::default();
    for dir in subdirs(&root.join("refs"))? {
        if dir.eq_ignore_ascii_case(artifact.as_str()) {
            let mut found = load_dir(root, &dir)?;
            all.versions.extend(found.versions.into_iter().filter(|(_, record)| record.artifact == *artifact));
            all.aliases.extend(found.aliases.into_iter().filter(|(_, record)| record.artifact == *artifact));
            all.edits.extend(found.edits.into_iter().filter(|(_, record)| record.artifact == *artifact));
            all.damaged.append(&mut found.damaged);
        }
    }
    Ok(all)
}

/// Reads every record of a store, grouped by artifact and sorted by name.
pub fn load_all(root: &Path) -> Result<Vec<(Name, Records)>> {
    let mut all = std::collections::BTreeMap::<Name, Records>::new();
    let mut damaged = Vec::new();
    for dir in subdirs(&root.join("refs"))? {
        let found = load_dir(root, &dir)?;
        for (id, record) in found.versions {
            all.entry(record.artifact.clone()).or_default().versions.push((id, record));
        }
        for (id, record) in found.aliases {
            all.entry(record.artifact.clone()).or_default().aliases.push((id, record));
        }
        for (id, record) in found.edits {
            all.entry(record.artifact.clone()).or_default().edits.push((id, record));
        }
        damaged.extend(found.damaged.into_iter().map(|record| (dir.clone(), record)));
    }
    for (dir, record) in damaged {
        // Whose it is cannot be read, so the folder decides.
        if let Ok(name) = dir.parse::<Name>() {
            all.entry(name).or_default().damaged.push(record);
        }
    }
    Ok(all.into_iter().collect())
}

/// Lists the folders of records in one folder of `refs/`, and whether they are those of versions.
fn folders(root: &Path, dir: &str) -> Result<Vec<(PathBuf, bool)>> {
    let base = Path::new("refs").join(dir);
    let mut folders = vec![(base.join("versions"), true), (base.join("edits"), false)];
    folders.extend(subdirs(&root.join(&base).join("aliases"))?.into_iter().map(|alias| (base.join("aliases").join(alias), false)));
    Ok(folders)
}

/// Reads the records in one folder of `refs/`: of the artifacts whose names are the folder's but
/// for ASCII case. A record of any other lies there by mistake, and would be found by no one who
/// looks for that artifact.
fn load_dir(root: &Path, dir: &str) -> Result<Records> {
    let mut records = Records::default();
    for (folder, is_version) in folders(root, dir)? {
        for (name, number, hash16) in record_names(&root.join(&folder))? {
            let path = folder.join(name);
            let read = read_record(&root.join(&path), &hash16)?.and_then(|(id, record)| match is_at_home(&record, dir) {
                true => Ok((id, record)),
                false => Err("it lies in the folder of another artifact".to_owned()),
            });
            match read {
                Ok((id, Record::Version(record))) if is_version && record.number == number => records.versions.push((id, *record)),
                Ok((id, Record::Alias(record))) if record.seq == number => records.aliases.push((id, record)),
                Ok((id, Record::Edit(record))) if record.seq == number => records.edits.push((id, *record)),
                Ok(_) => {
                    records.damaged.push(DamagedRecord { path, number, is_version, why: "it is not the record that its name says".into() })
                }
                Err(why) => records.damaged.push(DamagedRecord { path, number, is_version, why }),
            }
        }
    }
    Ok(records)
}

fn is_at_home(record: &Record, dir: &str) -> bool {
    let artifact = match record {
        Record::Version(version) => &version.artifact,
        Record::Alias(alias) => &alias.artifact,
        Record::Edit(edit) => &edit.artifact,
        Record::Condemn(_) | Record::Lift(_) | Record::Run(_) => return false,
    };
    artifact.as_str().eq_ignore_ascii_case(dir)
}

/// Lists file names of the shape `<number>.<hash16>` in a folder; others are strangers.
pub fn record_names(folder: &Path) -> Result<Vec<(String, u64, String)>> {
    let mut names = Vec::new();
    for name in names_in(folder)? {
        if let Some((number, hash16)) = parse_record_name(&name) {
            names.push((name, number, hash16));
        }
    }
    Ok(names)
}

/// Takes apart `<number>.<hash16>`.
pub fn parse_record_name(name: &str) -> Option<(u64, String)> {
    let (number, hash) = name.split_once('.')?;
    let canonical = number.bytes().all(|b| b.is_ascii_digit()) && (number == "0" || !number.starts_with('0'));
    let is_hash = hash.len() == HASH16 && hash.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if canonical && is_hash { Some((number.parse().ok()?, hash.to_owned())) } else { None }
}

/// Reads one record; the inner error says why the bytes are not it.
pub fn read_record(path: &Path, hash16: &str) -> Result<Result<(RecordId, Record), String>> {
    let file = match open_regular(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::InvalidInput => return Ok(Err(e.to_string())),
        Err(e) => return Err(Error::io("read", path, e)),
    };
    // With one byte of room more than most records have, a single read shows the end as well.
    let mut line = Vec::with_capacity(1024);
    file.take(RECORD_LEN_MAX as u64 + 1).read_to_end(&mut line).map_err(|e| Error::io("read", path, e))?;
    let id = RecordId::of(&line);
    if !id.has_hex_prefix(hash16) {
        return Ok(Err("its bytes do not match its name".into()));
    }
    Ok(Record::decode(&line).map(|record| (id, record)).map_err(|e| e.to_string()))
}

pub(super) fn subdirs(dir: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for name in names_in(dir)? {
        if !name.starts_with('.') && is_dir(&dir.join(&name))? {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Whether a directory is there. One that cannot be looked at is an error: taken for absent, what
/// its records say would be forgotten.
pub(crate) fn is_dir(path: &Path) -> Result<bool> {
    match fs::metadata(path) {
        Ok(meta) => Ok(meta.is_dir()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(Error::io("look at", path, e)),
    }
}

pub(super) fn names_in(dir: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(Vec::new()),
        Err(e) => return Err(Error::io("list", dir, e)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|e| Error::io("list", dir, e))?;
        names.extend(entry.file_name().into_string());
    }
    Ok(names)
}
