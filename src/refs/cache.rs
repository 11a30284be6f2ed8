//! The record cache: the records of a store once more, in one file of local state, so that a reader
//! opens one file and not each record. See `docs/decisions/0008-record-cache.md`.
//!
//! Which records there are is said by the directories alone: a row is asked for by the digits of a hash
//! that stand in a file's name, and one that nobody asks for is nothing. A file that is not as it was
//! written is passed over, as is a part of it.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::parallel;
use super::read::{self, read_record, record_names, subdirs};
use super::runs::{self, RUNS_DIR};
use crate::codec;
use crate::durable::Disk;
use crate::error::Result;
use crate::format::limits::RECORD_LEN_MAX;
use crate::format::record::Record;
use crate::id::{FileDigest, HASH_LEN, RecordId};
use crate::open::open_regular;

/// The file in local state.
const FILE: &str = "records";

const MAGIC: &[u8; 8] = b"artrecs1";
/// The magic, where the head lies, how long it is, and its hash.
const FIXED_LEN: usize = 8 + 8 + 8 + HASH_LEN;
/// The length of the rest, the record's id, its kind.
const ROW_HEAD_LEN: usize = 4 + HASH_LEN + 1;

/// So many records that no row covers are read from their files without much ado. With as many new
/// ones the cache is written again.
pub const UNCOVERED_MAX: u64 = 128;

/// How many folders are gathered at a time when the cache is written, and by a thread at a time.
const GATHERED_DIRS: usize = 256;
const BATCH_DIRS: usize = 4;

/// What the file holds, at its end.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    /// How many records were confirmed in this copy when it was written.
    confirmed: u64,
    parts: Vec<Part>,
}

/// The rows of the records below one folder.
#[derive(Debug, Serialize, Deserialize)]
struct Part {
    /// The folder in `refs/`, or none for all of `runs/`.
    folder: Option<String>,
    offset: u64,
    len: u64,
    hash: FileDigest,
}

/// The record cache of one copy, open for reading.
#[derive(Debug)]
pub struct RecordCache {
    file: File,
    confirmed: u64,
    parts: HashMap<Option<String>, Part>,
}

/// The rows of one part, by the first eight bytes of their ids.
#[derive(Debug, Default)]
pub(super) struct Rows {
    bytes: Vec<u8>,
    /// Where each begins and ends.
    by_prefix: HashMap<u64, (usize, usize)>,
}

impl RecordCache {
    /// Opens the cache in a folder of local state, if one is there that can be used.
    pub fn open(local: &Path) -> Option<RecordCache> {
        let file = open_regular(&local.join(FILE)).ok()?;
        let mut fixed = [0; FIXED_LEN];
        file.read_exact_at(&mut fixed, 0).ok()?;
        if fixed[..8] != MAGIC[..] {
            return None;
        }
        let (offset, len) = (number_at(&fixed, 8)?, number_at(&fixed, 16)?);
        let head = read_hashed(&file, offset, len, &fixed[24..])?;
        let Head { confirmed, parts } = codec::decode_own(&head).ok()?;
        let parts = parts.into_iter().map(|part| (part.folder.clone(), part)).collect();
        Some(RecordCache { file, confirmed, parts })
    }

    /// Reads the rows of a folder in `refs/`, or of `runs/`; none where they cannot be used.
    pub(super) fn rows(&self, folder: Option<&str>) -> Rows {
        let rows = || {
            let part = self.parts.get(&folder.map(str::to_owned))?;
            Rows::new(read_hashed(&self.file, part.offset, part.len, part.hash.as_bytes())?)
        };
        rows().unwrap_or_default()
    }
}

fn number_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|number| u64::from_le_bytes(*number))
}

/// Reads bytes that hash to what is expected. No memory is taken for more than the file holds.
fn read_hashed(file: &File, offset: u64, len: u64, hash: &[u8]) -> Option<Vec<u8>> {
    if offset.checked_add(len)? > file.metadata().ok()?.len() {
        return None;
    }
    let mut bytes = vec![0; usize::try_from(len).ok()?];
    file.read_exact_at(&mut bytes, offset).ok()?;
    (FileDigest::of(&bytes).as_bytes()[..] == *hash).then_some(bytes)
}

impl Rows {
    /// Takes the rows apart.
    fn new(bytes: Vec<u8>) -> Option<Rows> {
        let mut by_prefix = HashMap::with_capacity(bytes.len() / 512);
        let mut at = 0;
        while at < bytes.len() {
            let len = u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?) as usize;
            let end = at.checked_add(ROW_HEAD_LEN)?.checked_add(len).filter(|end| *end <= bytes.len())?;
            by_prefix.insert(u64::from_be_bytes(*bytes[at + 4..].first_chunk()?), (at, end));
            at = end;
        }
        Some(Rows { bytes, by_prefix })
    }

    /// Finds the record whose hash begins with the digits that stand in a file's name.
    pub(super) fn record(&self, hash16: &str) -> Option<(RecordId, Record)> {
        let row = self.row(hash16)?;
        let id = RecordId::from_bytes(row[4..4 + HASH_LEN].try_into().ok()?);
        let (kind, json) = row[4 + HASH_LEN..].split_first()?;
        let record = match kind {
            0 => serde_json::from_slice(json).map(Record::Version),
            1 => serde_json::from_slice(json).map(Record::Alias),
            2 => serde_json::from_slice(json).map(Record::Edit),
            3 => serde_json::from_slice(json).map(Record::Run),
            _ => return None,
        };
        Some((id, record.ok()?))
    }

    fn row(&self, hash16: &str) -> Option<&[u8]> {
        let &(at, end) = self.by_prefix.get(&u64::from_str_radix(hash16, 16).ok()?)?;
        Some(&self.bytes[at..end])
    }
}

/// Writes a row: the record without its kind as JSON, which reads back as it was and needs no check of
/// its form. None for a kind that is not kept.
fn encode_row(id: RecordId, record: &Record) -> Option<Vec<u8>> {
    let (kind, json) = match record {
        Record::Version(record) => (0, serde_json::to_vec(record)),
        Record::Alias(record) => (1, serde_json::to_vec(record)),
        Record::Edit(record) => (2, serde_json::to_vec(record)),
        Record::Run(record) => (3, serde_json::to_vec(record)),
        Record::Condemn(_) | Record::Lift(_) => return None,
    };
    let json = json.ok().filter(|json| json.len() <= 2 * RECORD_LEN_MAX)?;
    Some([&(json.len() as u32).to_le_bytes()[..], id.as_bytes(), &[kind], &json].concat())
}

/// Writes the cache of a store anew if it is due, on so many threads: with as many records as are worth
/// it since it was written, or in all where there is none.
///
/// Two writers at once both write one, each of them right, and the later stays.
pub fn save(root: &Path, disk: &Disk, local: &Path, threads: usize) -> Result<()> {
    let confirmed = disk.count_confirmed(&[Path::new("refs"), Path::new(RUNS_DIR)]);
    let old = RecordCache::open(local);
    if old.as_ref().is_some_and(|old| confirmed.abs_diff(old.confirmed) < UNCOVERED_MAX) {
        return Ok(());
    }
    if old.is_none() && count(root)? < UNCOVERED_MAX {
        return Ok(());
    }
    let mut draft = disk.draft()?;
    draft.write_all(&[0; FIXED_LEN])?;
    let mut head = Head { confirmed, parts: Vec::new() };
    let mut offset = FIXED_LEN as u64;
    let folders: Vec<Option<String>> = subdirs(&root.join("refs"))?.into_iter().map(Some).chain([None]).collect();
    for some in folders.chunks(GATHERED_DIRS) {
        let gathered = parallel::map(some, BATCH_DIRS, threads, |folder| Ok((folder, gather(root, folder.as_deref(), old.as_ref())?)))?;
        for (folder, bytes) in gathered.into_iter().filter(|(_, bytes)| !bytes.is_empty()) {
            draft.write_all(&bytes)?;
            let len = bytes.len() as u64;
            head.parts.push(Part { folder: folder.clone(), offset, len, hash: FileDigest::of(&bytes) });
            offset += len;
        }
    }
    let head = codec::encode(&head);
    draft.write_all(&head)?;
    let fixed = [MAGIC, &offset.to_le_bytes()[..], &(head.len() as u64).to_le_bytes(), FileDigest::of(&head).as_bytes()].concat();
    draft.write_at(&fixed, 0)?;
    draft.replace_local(&local.join(FILE))
}

/// Counts the records of a store, as far as it matters.
fn count(root: &Path) -> Result<u64> {
    let mut count = 0;
    for folder in read::all_folders(root)?.into_iter().chain(runs::folders(root)?) {
        count += record_names(&root.join(folder))?.len() as u64;
        if count >= UNCOVERED_MAX {
            break;
        }
    }
    Ok(count)
}

/// Gathers the rows of a folder in `refs/`, or of `runs/`: those that the old cache has, as they are, and
/// those of files that are whole.
fn gather(root: &Path, folder: Option<&str>, old: Option<&RecordCache>) -> Result<Vec<u8>> {
    let known = old.map(|old| old.rows(folder)).unwrap_or_default();
    let folders = match folder {
        Some(dir) => read::folders(root, dir)?.into_iter().map(|(folder, _)| folder).collect(),
        None => runs::folders(root)?,
    };
    let mut bytes = Vec::with_capacity(known.bytes.len());
    for folder in folders {
        for (name, _, hash16) in record_names(&root.join(&folder))? {
            if let Some(row) = known.row(&hash16) {
                bytes.extend_from_slice(row);
            } else if let Ok((id, record)) = read_record(&root.join(&folder).join(name), &hash16)? {
                bytes.extend(encode_row(id, &record).unwrap_or_default());
            }
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;
    use crate::format::record::{AliasRecord, Time};
    use crate::name::Name;
    use crate::refs::read::{Records, load_all};
    use crate::refs::write::{record_path, write};

    /// A store of so many records of each of some artifacts, and its local state.
    struct Fixture {
        dir: tempfile::TempDir,
        disk: Disk,
        local: PathBuf,
    }

    fn record(artifact: &str, seq: u64) -> Record {
        let created_at = Time(jiff::Timestamp::from_second(seq as i64).unwrap());
        let artifact: Name = artifact.parse().unwrap();
        let target = Some(RecordId::from_bytes([seq as u8; HASH_LEN]));
        Record::Alias(AliasRecord { alias: "best".parse().unwrap(), artifact, created_at, replaces: Vec::new(), seq, target })
    }

    impl Fixture {
        fn new(artifacts: &[&str], count: u64) -> Fixture {
            let dir = tempfile::tempdir().unwrap();
            let local = dir.path().join("local");
            fs::create_dir(&local).unwrap();
            let disk = Disk::new(dir.path(), &local).unwrap();
            let fixture = Fixture { dir, disk, local };
            artifacts.iter().for_each(|name| fixture.add(name, 0..count));
            fixture
        }

        fn add(&self, artifact: &str, seqs: std::ops::Range<u64>) {
            for seq in seqs {
                write(&self.disk, &record(artifact, seq)).unwrap();
            }
        }

        fn path(&self, artifact: &str, seq: u64) -> PathBuf {
            let record = record(artifact, seq);
            self.dir.path().join(record_path(&record, record.encode().unwrap().0))
        }

        fn save(&self) {
            save(self.dir.path(), &self.disk, &self.local, 2).unwrap();
        }

        fn open(&self) -> Option<RecordCache> {
            RecordCache::open(&self.local)
        }

        fn told(&self, cache: Option<&RecordCache>) -> String {
            let sorted = |(name, mut records): (Name, Records)| {
                records.aliases.sort_by_key(|(id, _)| *id);
                (name, records)
            };
            format!("{:?}", load_all(self.dir.path(), 2, cache).unwrap().into_iter().map(sorted).collect::<Vec<_>>())
        }
    }

    #[test]
    fn it_is_written_once_it_is_worth_it_and_again_with_as_many_new_records() {
        let fixture = Fixture::new(&["a"], UNCOVERED_MAX - 1);
        fixture.save();
        assert!(fixture.open().is_none());
        fixture.add("b", 0..1);
        fixture.save();
        let rows = |name| fixture.open().unwrap().rows(Some(name)).by_prefix.len() as u64;
        assert_eq!((rows("a"), rows("b"), rows("c")), (UNCOVERED_MAX - 1, 1, 0));
        fixture.add("b", 1..UNCOVERED_MAX);
        fixture.save();
        assert_eq!(rows("b"), 1);
        fixture.add("b", UNCOVERED_MAX..UNCOVERED_MAX + 1);
        fixture.save();
        assert_eq!((rows("a"), rows("b")), (UNCOVERED_MAX - 1, UNCOVERED_MAX + 1));
    }

    #[test]
    fn a_cache_that_is_turned_or_cut_anywhere_is_passed_over_where_it_is() {
        let fixture = Fixture::new(&["a", "b"], 64);
        fixture.save();
        let (path, told) = (fixture.local.join(FILE), fixture.told(None));
        assert_eq!(fixture.told(fixture.open().as_ref()), told);
        let bytes = fs::read(&path).unwrap();
        let put = |bytes: &[u8]| {
            fs::remove_file(&path).unwrap();
            fs::write(&path, bytes).unwrap();
        };
        let parts: Vec<_> = fixture.open().unwrap().parts.into_values().map(|part| (part.offset, part.len, part.folder)).collect();
        for at in 0..bytes.len() {
            let mut turned = bytes.clone();
            turned[at] ^= 1 << (at % 8);
            put(&turned);
            let hit = parts.iter().find(|(offset, len, _)| (*offset..offset + len).contains(&(at as u64)));
            match (fixture.open(), hit) {
                (Some(cache), Some((_, _, folder))) => assert!(cache.rows(folder.as_deref()).by_prefix.is_empty(), "byte {at}"),
                (opened, _) => assert!(opened.is_none(), "byte {at}"),
            }
            if at % 997 == 0 {
                assert_eq!(fixture.told(fixture.open().as_ref()), told, "byte {at}");
            }
        }
        for len in 0..bytes.len() {
            put(&bytes[..len]);
            assert!(fixture.open().is_none(), "cut at {len}");
        }
        // What can be opened and has no end, or lies about lengths.
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert!(fixture.open().is_none());
        let mut lying = bytes;
        lying[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
        put(&lying);
        assert!(fixture.open().is_none());
    }

    #[test]
    fn rows_of_any_bytes_are_taken_apart_or_refused() {
        let (id, line) = record("a", 7).encode().unwrap();
        let row = encode_row(id, &record("a", 7)).unwrap();
        assert_eq!(Rows::new(row.clone()).unwrap().record(&id.short(read::HASH16)), Some((id, record("a", 7))));
        for len in 1..row.len() {
            assert!(Rows::new(row[..len].to_vec()).is_none(), "cut at {len}");
        }
        let mut other_kind = row;
        other_kind[4 + HASH_LEN] = 2;
        assert_eq!(Rows::new(other_kind).unwrap().record(&id.short(read::HASH16)), None);
        assert!(Record::decode(&line).is_ok());
    }

    #[test]
    fn the_directories_say_which_records_there_are() {
        let fixture = Fixture::new(&["a", "b"], 70);
        fixture.save();
        let cache = fixture.open().unwrap();
        fs::remove_file(fixture.path("a", 3)).unwrap();
        fs::remove_dir_all(fixture.dir.path().join("refs/b")).unwrap();
        fixture.add("a", 70..72);
        assert_eq!(fixture.told(Some(&cache)), fixture.told(None));
        // One that lies under another's name is not the one that its name says, though its row is there.
        let (good, named) = (fixture.path("a", 5), fixture.path("a", 5).file_name().unwrap().to_str().unwrap().replacen('5', "9", 1));
        fs::rename(&good, good.with_file_name(named)).unwrap();
        assert_eq!(fixture.told(Some(&cache)), fixture.told(None));
        assert!(fixture.told(Some(&cache)).contains("it is not the record that its name says"));
    }

    #[test]
    fn a_record_that_was_damaged_before_it_was_kept_stays_damaged() {
        let fixture = Fixture::new(&["a"], 200);
        fs::remove_file(fixture.path("a", 9)).unwrap();
        fs::write(fixture.path("a", 9), b"{}\n").unwrap();
        fixture.save();
        assert_eq!(fixture.told(fixture.open().as_ref()), fixture.told(None));
        assert!(fixture.told(fixture.open().as_ref()).contains("DamagedRecord"));
    }
}
