//! Reads the records of artifacts from `refs/`; nothing is believed but what hashes to its name.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::cache::{RecordCache, Rows};
use super::parallel;
use crate::error::{Error, Result};
use crate::format::limits::RECORD_LEN_MAX;
use crate::format::record::{AliasRecord, EditRecord, Record, VersionRecord};
use crate::id::RecordId;
use crate::name::Name;
use crate::open::{entries_in, names_in, open_regular};

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

/// Records that were read from their files before, by the first eight bytes of their hashes, which stand in
/// the names of these: who reads an artifact again reads what is new.
#[derive(Debug, Default)]
pub struct Known(HashMap<u64, (RecordId, Record)>);

/// A folder of `refs/`: where records lie in it, and what the cache has of them.
struct Dir<'d> {
    name: &'d str,
    places: Vec<Place>,
    rows: Rows,
}

/// Where a record lies.
struct Place {
    path: PathBuf,
    number: u64,
    hash16: String,
    is_version: bool,
}

/// What lies at a place.
enum Found {
    Version(RecordId, Box<VersionRecord>),
    Alias(RecordId, AliasRecord),
    Edit(RecordId, Box<EditRecord>),
    Damaged(DamagedRecord),
}

/// How many records a thread reads at a time, and how many folders of artifacts it lists.
const BATCH_RECORDS: usize = 128;
const BATCH_DIRS: usize = 4;

/// Lists the artifacts of a store by name, sorted, on so many threads.
pub fn artifacts(root: &Path, threads: usize, cache: Option<&RecordCache>) -> Result<Vec<Name>> {
    let all = load_all(root, threads, cache)?;
    Ok(all.into_iter().filter(|(_, records)| !records.versions.is_empty()).map(|(name, _)| name).collect())
}

/// Lists the records of all artifacts by the digits of their hashes that stand in their names.
pub fn all_names(root: &Path) -> Result<HashSet<String>> {
    let mut all = HashSet::new();
    for folder in all_folders(root)? {
        all.extend(record_names(&root.join(folder))?.into_iter().map(|(_, _, hash16)| hash16));
    }
    Ok(all)
}

/// Lists the folders of the records of all artifacts, relative to the store.
pub(super) fn all_folders(root: &Path) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for dir in subdirs(&root.join("refs"))? {
        all.extend(folders(root, &dir)?.into_iter().map(|(folder, _)| folder));
    }
    Ok(all)
}

/// Reads every record of one artifact, on so many threads; with a cache, those that it has from there.
///
/// On a disk that folds case, or after a union with one, the records of `Model` may lie in a
/// folder `model`; the name inside a record decides which of the two it is.
pub fn load(root: &Path, artifact: &Name, threads: usize, cache: Option<&RecordCache>) -> Result<Records> {
    load_unknown(root, artifact, threads, cache, &Known::default())
}

/// Reads them from their files, but for those that are known; then all are.
pub fn load_again(root: &Path, artifact: &Name, threads: usize, known: &mut Known) -> Result<Records> {
    let records = load_unknown(root, artifact, threads, None, known)?;
    known.add(&records);
    Ok(records)
}

fn load_unknown(root: &Path, artifact: &Name, threads: usize, cache: Option<&RecordCache>, known: &Known) -> Result<Records> {
    let dirs: Vec<String> = subdirs(&root.join("refs"))?.into_iter().filter(|dir| dir.eq_ignore_ascii_case(artifact.as_str())).collect();
    let mut all = Records::default();
    for (_, found) in load_dirs(root, &dirs, threads, cache, known)? {
        if found.artifact().is_none_or(|name| name == artifact) {
            all.push(found);
        }
    }
    Ok(all)
}

/// Reads every record of a store, on so many threads, grouped by artifact and sorted by name; with a
/// cache, those that it has from there.
pub fn load_all(root: &Path, threads: usize, cache: Option<&RecordCache>) -> Result<Vec<(Name, Records)>> {
    let dirs = subdirs(&root.join("refs"))?;
    let mut all = BTreeMap::<Name, Records>::new();
    let mut damaged = Vec::new();
    for (dir, found) in load_dirs(root, &dirs, threads, cache, &Known::default())? {
        match found.artifact() {
            Some(name) => match all.get_mut(name) {
                Some(records) => records.push(found),
                None => all.entry(name.clone()).or_default().push(found),
            },
            None => damaged.push((dir, found)),
        }
    }
    for (dir, found) in damaged {
        // Whose it is cannot be read, so the folder decides.
        if let Ok(name) = dir.parse::<Name>() {
            all.entry(name).or_default().push(found);
        }
    }
    Ok(all.into_iter().collect())
}

impl Found {
    /// Returns whose record it is, if that can be read.
    fn artifact(&self) -> Option<&Name> {
        match self {
            Found::Version(_, record) => Some(&record.artifact),
            Found::Alias(_, record) => Some(&record.artifact),
            Found::Edit(_, record) => Some(&record.artifact),
            Found::Damaged(_) => None,
        }
    }
}

impl Known {
    /// Makes records known that were read.
    fn add(&mut self, records: &Records) {
        let prefix = |id: &RecordId| id.as_bytes().first_chunk().map_or(0, |prefix| u64::from_be_bytes(*prefix));
        for (id, record) in &records.versions {
            self.0.entry(prefix(id)).or_insert_with(|| (*id, Record::Version(Box::new(record.clone()))));
        }
        for (id, record) in &records.aliases {
            self.0.entry(prefix(id)).or_insert_with(|| (*id, Record::Alias(record.clone())));
        }
        for (id, record) in &records.edits {
            self.0.entry(prefix(id)).or_insert_with(|| (*id, Record::Edit(Box::new(record.clone()))));
        }
    }

    /// Finds the record whose hash begins with the digits that stand in a file's name.
    fn record(&self, hash16: &str) -> Option<(RecordId, Record)> {
        self.0.get(&u64::from_str_radix(hash16, 16).ok()?).cloned()
    }
}

impl Records {
    fn push(&mut self, found: Found) {
        match found {
            Found::Version(id, record) => self.versions.push((id, *record)),
            Found::Alias(id, record) => self.aliases.push((id, record)),
            Found::Edit(id, record) => self.edits.push((id, *record)),
            Found::Damaged(record) => self.damaged.push(record),
        }
    }
}

/// Lists the folders of records in one folder of `refs/`, and whether they are those of versions.
pub(super) fn folders(root: &Path, dir: &str) -> Result<Vec<(PathBuf, bool)>> {
    let base = Path::new("refs").join(dir);
    let mut folders = vec![(base.join("versions"), true), (base.join("edits"), false)];
    folders.extend(subdirs(&root.join(&base).join("aliases"))?.into_iter().map(|alias| (base.join("aliases").join(alias), false)));
    Ok(folders)
}

/// Reads the records in some folders of `refs/`, each with its folder, in the order of the folders.
fn load_dirs<'d>(
    root: &Path,
    dirs: &'d [String],
    threads: usize,
    cache: Option<&RecordCache>,
    known: &Known,
) -> Result<Vec<(&'d str, Found)>> {
    let look = |name: &'d String| {
        let rows = cache.map(|cache| cache.rows(Some(name))).unwrap_or_default();
        Ok(Dir { name, places: places(root, name)?, rows })
    };
    let dirs = parallel::map(dirs, BATCH_DIRS, threads, look)?;
    let places: Vec<(&Dir<'d>, &Place)> = dirs.iter().flat_map(|dir| dir.places.iter().map(move |place| (dir, place))).collect();
    parallel::map(&places, BATCH_RECORDS, threads, |(dir, place)| Ok((dir.name, find_place(root, dir, place, known)?)))
}

/// Lists the records in one folder of `refs/`.
fn places(root: &Path, dir: &str) -> Result<Vec<Place>> {
    let mut places = Vec::new();
    for (folder, is_version) in folders(root, dir)? {
        let mut names = record_names(&root.join(&folder))?;
        // So they need not be sorted once they are large.
        names.sort_unstable_by_key(|(_, number, _)| *number);
        places.extend(names.into_iter().map(|(name, number, hash16)| Place { path: folder.join(name), number, hash16, is_version }));
    }
    Ok(places)
}

/// Takes a record that is known or in the cache, or else reads it.
fn find_place(root: &Path, dir: &Dir<'_>, place: &Place, known: &Known) -> Result<Found> {
    let there = known.record(&place.hash16).or_else(|| dir.rows.record(&place.hash16));
    let kept = there.and_then(|(id, record)| found(id, record, dir.name, place).ok());
    kept.map_or_else(|| read_place(root, dir.name, place), Ok)
}

/// Reads a record that lies in a folder of `refs/`: of the artifacts whose names are the folder's but
/// for ASCII case. A record of any other lies there by mistake, and would be found by no one who
/// looks for that artifact.
fn read_place(root: &Path, dir: &str, place: &Place) -> Result<Found> {
    let read = read_record(&root.join(&place.path), &place.hash16)?.and_then(|(id, record)| found(id, record, dir, place));
    let damaged = |why| DamagedRecord { path: place.path.clone(), number: place.number, is_version: place.is_version, why };
    Ok(read.unwrap_or_else(|why| Found::Damaged(damaged(why))))
}

/// Whether a record belongs where it was found; the error says why not.
fn found(id: RecordId, record: Record, dir: &str, place: &Place) -> Result<Found, String> {
    if !is_at_home(&record, dir) {
        return Err("it lies in the folder of another artifact".to_owned());
    }
    match record {
        Record::Version(record) if place.is_version && record.number == place.number => Ok(Found::Version(id, record)),
        Record::Alias(record) if record.seq == place.number => Ok(Found::Alias(id, record)),
        Record::Edit(record) if record.seq == place.number => Ok(Found::Edit(id, record)),
        _ => Err("it is not the record that its name says".to_owned()),
    }
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
    for entry in entries_in(dir)? {
        let is_dir = match entry.file_type() {
            Ok(kind) if !kind.is_symlink() => kind.is_dir(),
            _ => is_dir(&entry.path())?,
        };
        names.extend(entry.file_name().into_string().ok().filter(|name| is_dir && !name.starts_with('.')));
    }
    names.sort_unstable();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::record::Time;
    use crate::refs::write::{record_path, write};

    #[test]
    fn who_reads_again_sees_what_came_and_what_went_and_reads_nothing_twice() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("local")).unwrap();
        let disk = crate::durable::Disk::new(dir.path(), &dir.path().join("local")).unwrap();
        let artifact: Name = "data".parse().unwrap();
        let place = |seq: u64| {
            let created_at = Time(jiff::Timestamp::from_second(seq as i64).unwrap());
            let alias = "best".parse().unwrap();
            let record =
                Record::Alias(AliasRecord { alias, artifact: artifact.clone(), created_at, replaces: Vec::new(), seq, target: None });
            let id = write(&disk, &record).unwrap();
            dir.path().join(record_path(&record, id))
        };
        let mut known = Known::default();
        let mut again = || {
            let records = load_again(dir.path(), &artifact, 1, &mut known).unwrap();
            let mut numbers: Vec<u64> = records.aliases.iter().map(|(_, record)| record.seq).collect();
            numbers.sort_unstable();
            (numbers, records.damaged.len())
        };
        let paths = [place(0), place(1)];
        assert_eq!(again(), (vec![0, 1], 0));
        fs::remove_file(&paths[0]).unwrap();
        place(2);
        assert_eq!(again(), (vec![1, 2], 0));
        // It is known, and so not read.
        fs::remove_file(&paths[1]).unwrap();
        fs::write(&paths[1], "").unwrap();
        assert_eq!(again(), (vec![1, 2], 0));
        assert_eq!(load(dir.path(), &artifact, 1, None).unwrap().damaged.len(), 1);
    }
}
