//! Notes, in local state, of what was put from where and what was restored to where: what
//! `art status` compares.
//!
//! Each is one small file that is replaced whole and never synced. One that is lost, damaged or
//! cannot be written costs what `status` could have told, and nothing else.

use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::put::{LinkPolicy, PutOptions};
use crate::codec;
use crate::context::Context;
use crate::durable::Draft;
use crate::error::{Error, Result};
use crate::format::path::{Bytes, EntryPath};
use crate::format::record::Time;
use crate::id::{FileDigest, HASH_LEN, PageId, RecordId};
use crate::name::Name;
use crate::open::open_regular;
use crate::store::Store;
use crate::store::resolve::Resolved;
use crate::store::session::Session;

const MAGIC: &[u8; 8] = b"artfrom1";

/// Longest note, in bytes: more than the arguments of a command can be.
const NOTE_LEN_MAX: usize = 4 << 20;

/// How many directories are known to which something was restored; beyond that the oldest notes go.
const RESTORED_MAX: usize = 256;

/// What the newest put of an artifact took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::ops) struct PutOrigin {
    pub(in crate::ops) artifact: Name,
    pub(in crate::ops) version: RecordId,
    pub(in crate::ops) noted_at: Time,
    /// As [`place`] gives them.
    pub(in crate::ops) sources: Vec<Bytes>,
    pub(in crate::ops) stream: Option<EntryPath>,
    pub(in crate::ops) at: Option<EntryPath>,
    /// The manifest of the version that it started from.
    pub(in crate::ops) base: Option<PageId>,
    pub(in crate::ops) ignore: Vec<String>,
    pub(in crate::ops) no_ignore: bool,
    pub(in crate::ops) links: LinkPolicy,
}

/// What was last restored to a directory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::ops) struct RestoreOrigin {
    pub(in crate::ops) artifact: Name,
    pub(in crate::ops) version: RecordId,
    pub(in crate::ops) noted_at: Time,
    /// As [`place`] gives it.
    pub(in crate::ops) dir: Bytes,
    /// Entries, or directories of them; none for the whole version.
    pub(in crate::ops) prefixes: Vec<EntryPath>,
}

/// A kind of note, with its folder in local state.
trait Note: Serialize + DeserializeOwned {
    const FOLDER: &'static str;

    /// What there is one note for.
    fn key(&self) -> &[u8];
}

impl Note for PutOrigin {
    const FOLDER: &'static str = "put-from";

    fn key(&self) -> &[u8] {
        self.artifact.as_str().as_bytes()
    }
}

impl Note for RestoreOrigin {
    const FOLDER: &'static str = "restored-to";

    fn key(&self) -> &[u8] {
        &self.dir.0
    }
}

/// Notes what a put has taken, once its version is recorded; a directory among it is from then on
/// what was put, and no longer what was restored.
pub(in crate::ops) fn note_put(
    session: &Session<'_>,
    context: &Context<'_>,
    options: &PutOptions,
    base: Option<PageId>,
    version: RecordId,
) -> Result<()> {
    let project = session.store().project();
    let sources: Vec<Bytes> = options.sources.iter().map(|source| place(project, source)).collect::<Result<_>>()?;
    for source in &sources {
        // Where there was none, or it cannot be removed, the newer of both notes counts.
        let _ = fs::remove_file(file_of::<RestoreOrigin>(session.local(), &source.0));
    }
    let note = PutOrigin {
        artifact: options.artifact.clone(),
        version,
        noted_at: context.now,
        sources,
        stream: options.stream.clone(),
        at: options.at.clone(),
        base,
        ignore: options.ignore.clone(),
        no_ignore: options.no_ignore,
        links: options.links,
    };
    write(session.local(), &note)
}

/// Notes to which directory a version was restored, where there is local state and it can be
/// written: a reader makes none, lest its owner keep out who comes to write.
pub(in crate::ops) fn note_restore(
    store: &Store,
    context: &Context<'_>,
    found: &Resolved,
    dest: &Path,
    prefixes: &[EntryPath],
) -> Result<()> {
    let Some(local) = store.local() else { return Ok(()) };
    let version = &found.version;
    let mut note = RestoreOrigin {
        artifact: version.record.artifact.clone(),
        version: version.id,
        noted_at: context.now,
        dir: place(store.project(), dest)?,
        prefixes: prefixes.to_vec(),
    };
    let before = read::<RestoreOrigin>(&file_of::<RestoreOrigin>(&local, &note.dir.0));
    if let Some(before) = before.filter(|before| before.version == note.version) {
        // A version may come in parts.
        let is_whole = before.prefixes.is_empty() || note.prefixes.is_empty();
        note.prefixes.extend(before.prefixes);
        note.prefixes.retain(|_| !is_whole);
        note.prefixes.sort();
        note.prefixes.dedup();
    }
    write(&local, &note)?;
    forget_oldest(&local, store.project());
    Ok(())
}

/// Reads what is noted of puts, by artifact.
pub(in crate::ops) fn puts(local: &Path) -> Vec<PutOrigin> {
    let mut all: Vec<PutOrigin> = read_all(local);
    all.sort_by(|a, b| a.artifact.cmp(&b.artifact));
    all
}

/// Reads what is noted of restores, by directory.
pub(in crate::ops) fn restores(local: &Path) -> Vec<RestoreOrigin> {
    let mut all: Vec<RestoreOrigin> = read_all(local);
    all.sort_by(|a, b| a.dir.0.cmp(&b.dir.0));
    all
}

/// Names a file or directory so that it is found again: relative to the project where it lies in
/// it, which may be moved as a whole, else as an absolute path. Links in its path are resolved, but
/// for the last part, after which a file's entry is called.
pub(in crate::ops) fn place(project: &Path, path: &Path) -> Result<Bytes> {
    let real = |path: &Path| path.canonicalize().map_err(|e| Error::io("read", path, e));
    let full = match (path.file_name(), path.parent()) {
        (Some(name), Some(parent)) if parent.as_os_str().is_empty() => real(Path::new("."))?.join(name),
        (Some(name), Some(parent)) => real(parent)?.join(name),
        _ => real(path)?,
    };
    let below = full.strip_prefix(real(project)?).unwrap_or(&full);
    let named = if below.as_os_str().is_empty() { Path::new(".") } else { below };
    Ok(Bytes(named.as_os_str().as_bytes().to_vec()))
}

/// Returns the path of a place.
pub(in crate::ops) fn path_of(project: &Path, place: &Bytes) -> PathBuf {
    project.join(std::ffi::OsStr::from_bytes(&place.0))
}

fn file_of<N: Note>(local: &Path, key: &[u8]) -> PathBuf {
    local.join(N::FOLDER).join(FileDigest::of(key).short(32))
}

fn write<N: Note>(local: &Path, note: &N) -> Result<()> {
    let (path, body) = (file_of::<N>(local, note.key()), codec::encode(note));
    let head = [&MAGIC[..], FileDigest::of(&body).as_bytes()].concat();
    let tmp = local.join("tmp");
    for dir in [Some(&*tmp), path.parent()].into_iter().flatten() {
        fs::create_dir_all(dir).map_err(|e| Error::io("create", dir, e))?;
    }
    if head.len() + body.len() > NOTE_LEN_MAX {
        return fs::remove_file(&path)
            .or_else(|e| if e.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(e) })
            .map_err(|e| Error::io("remove", &path, e));
    }
    let mut draft = Draft::in_dir(&tmp)?;
    draft.write_all(&head)?;
    draft.write_all(&body)?;
    draft.replace_local(&path)
}

fn read_all<N: Note>(local: &Path) -> Vec<N> {
    let entries = fs::read_dir(local.join(N::FOLDER)).into_iter().flatten().flatten();
    entries.filter_map(|entry| read(&entry.path())).collect()
}

fn read<N: Note>(path: &Path) -> Option<N> {
    let mut bytes = Vec::new();
    open_regular(path).ok()?.take(NOTE_LEN_MAX as u64 + 1).read_to_end(&mut bytes).ok()?;
    let (digest, body) = bytes.strip_prefix(MAGIC)?.split_at_checked(HASH_LEN)?;
    if bytes.len() > NOTE_LEN_MAX || FileDigest::of(body).as_bytes()[..] != *digest {
        return None;
    }
    let note: N = codec::decode_own(body).ok()?;
    (file_of::<N>(Path::new(""), note.key()).file_name() == path.file_name()).then_some(note)
}

/// Drops notes of directories beyond a number: first of those that are gone, then the oldest.
fn forget_oldest(local: &Path, project: &Path) {
    let count = fs::read_dir(local.join(RestoreOrigin::FOLDER)).map_or(0, Iterator::count);
    if count <= RESTORED_MAX {
        return;
    }
    let mut all = restores(local);
    all.sort_by_key(|note| (path_of(project, &note.dir).exists(), note.noted_at));
    for note in all.iter().take(count - RESTORED_MAX) {
        let _ = fs::remove_file(file_of::<RestoreOrigin>(local, &note.dir.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn restored(dir: &str, second: i64) -> RestoreOrigin {
        RestoreOrigin {
            artifact: "data".parse().unwrap(),
            version: RecordId::from_bytes([7; HASH_LEN]),
            noted_at: Time(jiff::Timestamp::from_second(second).unwrap()),
            dir: Bytes(dir.into()),
            prefixes: vec![EntryPath::new("a/b").unwrap()],
        }
    }

    #[test]
    fn a_note_is_read_as_it_was_written_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        let note = restored("out", 1);
        write(dir.path(), &note).unwrap();
        let path = file_of::<RestoreOrigin>(dir.path(), b"out");
        assert_eq!(restores(dir.path()), [note]);
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        for at in 0..bytes.len() {
            let mut turned = bytes.clone();
            turned[at] ^= 1;
            fs::write(&path, &turned).unwrap();
            assert_eq!(restores(dir.path()), [], "a bit of byte {at}");
            fs::write(&path, &bytes[..at]).unwrap();
            assert_eq!(restores(dir.path()), [], "cut at {at}");
        }
        // One under another's name is none; nor is what would not end.
        fs::rename(&path, path.with_file_name("0".repeat(32))).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert_eq!(restores(dir.path()), []);
    }

    #[test]
    fn notes_of_restores_are_bounded() {
        let (local, project) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(project.path().join("dir-0")).unwrap();
        for number in 0..RESTORED_MAX as i64 + 3 {
            write(local.path(), &restored(&format!("dir-{number}"), number)).unwrap();
        }
        forget_oldest(local.path(), project.path());
        let left = restores(local.path());
        assert_eq!(left.len(), RESTORED_MAX);
        // The one that is there stays, though it is the oldest.
        let gone: Vec<i64> = (0..5).filter(|n| !left.iter().any(|note| note.dir.0 == format!("dir-{n}").as_bytes())).collect();
        assert_eq!(gone, [1, 2, 3]);
    }

    #[test]
    fn places_are_named_from_the_project_where_they_lie_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let project = dir.path().canonicalize().unwrap().join("project");
        fs::create_dir_all(project.join("data")).unwrap();
        std::os::unix::fs::symlink("data", project.join("link")).unwrap();
        let named = |path: &Path| String::from_utf8(place(&project, path).unwrap().0).unwrap();
        assert_eq!(named(&project.join("data")), "data");
        assert_eq!(named(&project.join("link/../data/.")), "data");
        assert_eq!(named(&project.join("link")), "link");
        assert_eq!(named(&project.join("data/..")), ".");
        assert_eq!(named(&project.join("..")), dir.path().canonicalize().unwrap().to_str().unwrap());
        assert_eq!(path_of(&project, &Bytes(b"/tmp/x".to_vec())), Path::new("/tmp/x"));
    }
}
