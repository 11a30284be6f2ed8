//! What a whole store says, kept to compare with what it says once it is damaged: through the
//! library, so that thousands of damages are tried in a minute.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use artstore::context::Context;
use artstore::error::{Error, ErrorKind};
use artstore::format::manifest::{Entry, EntryKind};
use artstore::format::record::Time;
use artstore::id::RecordId;
use artstore::lock::Wait;
use artstore::name::{Name, Ref};
use artstore::ops::{cat, fsck, log, ls, restore, show};
use artstore::progress::Silent;
use artstore::store::Store;

use crate::support::{Node, tree};

/// A version as it was.
#[derive(Clone)]
struct Known {
    id: RecordId,
    /// Whether no ref before it means the same version: then its content is read, once.
    is_first: bool,
    /// All that `show` tells.
    info: String,
    entries: Vec<Entry>,
    files: BTreeMap<Vec<u8>, Vec<u8>>,
    tree: Arc<BTreeMap<OsString, Node>>,
}

/// What a whole store says.
#[derive(Clone)]
pub(crate) struct Oracle {
    refs: Vec<(Ref, Known)>,
    artifacts: Vec<Name>,
    listings: String,
}

/// What was found of a damaged store.
#[derive(Default)]
pub(crate) struct Seen {
    /// What was given out and is not as it was. There must be nothing.
    pub(crate) wrong: Vec<String>,
    /// How reading failed, if it did.
    pub(crate) errors: Vec<(ErrorKind, String)>,
    /// Whether a listing names a record that cannot be read.
    pub(crate) warned: bool,
    /// Whether `fsck` found something, or could not be run.
    pub(crate) fsck: bool,
}

/// How the content of a damaged store is read.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Look {
    /// Every version restored.
    Restore,
    /// Every entry listed and every file through `cat`.
    Cat,
}

impl Seen {
    /// Whether somebody was told.
    pub(crate) fn is_detected(&self) -> bool {
        self.fsck || self.warned || !self.errors.is_empty()
    }
}

/// A context for one thread, at a time of its own.
pub(crate) fn context() -> Context<'static> {
    let now = Time("2026-11-23T00:00:00Z".parse().unwrap());
    Context { now, git: None, run: None, threads: 1, wait: Wait::Patiently, progress: &Silent }
}

impl Oracle {
    /// Takes what a whole store says of these refs.
    pub(crate) fn of(root: &Path, refs: &[&str]) -> Oracle {
        let store = Store::open(root).unwrap();
        let mut before = Vec::new();
        let mut known = |text: &&str| {
            let wanted: Ref = text.parse().unwrap();
            let found = store.resolve(&wanted).unwrap();
            let entries: Vec<Entry> = store.entries(found.version.record.manifest).unwrap().map(Result::unwrap).collect();
            let content = |entry: &Entry| {
                let mut bytes = Vec::new();
                cat::cat(&store, &wanted, entry.path.as_bytes(), &mut bytes).unwrap();
                (entry.path.as_bytes().to_vec(), bytes)
            };
            let files = entries.iter().filter(|entry| entry.file().is_some()).map(content).collect();
            let dir = tempfile::tempdir().unwrap();
            restore::restore(&store, &context(), &found, &dir.path().join("dest"), &Default::default()).unwrap();
            let tree = Arc::new(tree(&dir.path().join("dest")));
            let info = format!("{:?}", show::show(&store, &wanted).unwrap());
            let is_first = !before.contains(&found.version.id);
            before.push(found.version.id);
            (wanted, Known { id: found.version.id, is_first, info, entries, files, tree })
        };
        let refs = refs.iter().map(&mut known).collect();
        let artifacts = store.artifacts().unwrap();
        let oracle = Oracle { refs, listings: listings(&store, &artifacts).unwrap().0, artifacts };
        let seen = oracle.look(root, Look::Restore, true);
        assert!(!seen.is_detected() && seen.wrong.is_empty(), "the store is not whole: {:?} {:?}", seen.errors, seen.wrong);
        oracle
    }

    /// Reads all of a damaged store. A ref must mean what it did, unless records may be `gone`,
    /// whose absence nobody can see: then it may mean another version, but of that all is right.
    pub(crate) fn look(&self, root: &Path, look: Look, check: bool) -> Seen {
        let mut seen = Seen::default();
        let looked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.look_at(root, look, check, false)));
        match looked {
            Ok(found) => seen = found,
            Err(_) => seen.wrong.push("it panicked".to_owned()),
        }
        seen
    }

    /// The same where records are gone.
    pub(crate) fn look_without_records(&self, root: &Path) -> Seen {
        self.look_at(root, Look::Restore, true, true)
    }

    fn look_at(&self, root: &Path, look: Look, check: bool, gone: bool) -> Seen {
        let mut seen = Seen::default();
        let store = match Store::open(root) {
            Ok(store) => store,
            Err(error) => {
                seen.failed(error);
                return seen;
            }
        };
        match listings(&store, &self.artifacts) {
            Ok((listed, warned)) => {
                seen.warned = warned;
                if listed != self.listings && !warned && !gone {
                    seen.wrong.push(format!("a listing says {listed}"));
                }
            }
            Err(error) => seen.failed(error),
        }
        for (wanted, known) in &self.refs {
            self.look_at_ref(&store, wanted, known, look, gone, &mut seen);
        }
        if check {
            seen.fsck = fsck::fsck(&store, &context(), &Default::default()).map_or(true, |outcome| !outcome.ok);
        }
        seen
    }

    fn look_at_ref(&self, store: &Store, wanted: &Ref, known: &Known, look: Look, gone: bool, seen: &mut Seen) {
        let found = match store.resolve(wanted) {
            Ok(found) => found,
            Err(error) => return seen.failed(error),
        };
        let meant = self.refs.iter().map(|(_, known)| known).find(|known| known.id == found.version.id);
        let known = match meant.filter(|meant| gone || meant.id == known.id) {
            Some(known) => known,
            None => return seen.wrong.push(format!("{wanted} means another version")),
        };
        match show::show(store, wanted) {
            Ok(info) if format!("{info:?}") == known.info || gone || !found.history.damaged.is_empty() => {}
            Ok(info) => seen.wrong.push(format!("{wanted} is shown as {info:?}")),
            Err(error) => seen.failed(error),
        }
        if !known.is_first && !gone {
            return;
        }
        match look {
            Look::Cat => cat_all(store, wanted, known, seen),
            Look::Restore => {
                let dir = tempfile::tempdir().unwrap();
                match restore::restore(store, &context(), &found, &dir.path().join("dest"), &Default::default()) {
                    Ok(_) if tree(&dir.path().join("dest")) == *known.tree => {}
                    Ok(_) => seen.wrong.push(format!("{wanted} is restored as something else")),
                    Err(error) => {
                        seen.failed(error);
                        if fs::read_dir(dir.path()).unwrap().count() > 0 {
                            seen.wrong.push(format!("{wanted} left something"));
                        }
                    }
                }
            }
        }
    }
}

/// Lists a version and reads every file of it: what comes before the damage is right.
fn cat_all(store: &Store, wanted: &Ref, known: &Known, seen: &mut Seen) {
    let failures = seen.errors.len();
    let mut listed = Vec::new();
    for entry in ls::entries(store, wanted, None).map(|list| list.walk).into_iter().flatten() {
        match entry {
            Ok(entry) => listed.push(entry),
            Err(error) => seen.failed(error),
        }
    }
    for entry in known.entries.iter().filter(|entry| matches!(entry.kind, EntryKind::File(_))) {
        let (path, mut out) = (entry.path.as_bytes(), Vec::new());
        let result = cat::cat(store, wanted, path, &mut out);
        let expected = &known.files[path];
        if !expected.starts_with(&out) || (result.is_ok() && out != *expected) {
            seen.wrong.push(format!("{wanted} {}: other bytes", entry.path));
        }
        result.unwrap_or_else(|error| seen.failed(error));
    }
    if !known.entries.starts_with(&listed) || (listed.len() < known.entries.len() && seen.errors.len() == failures) {
        seen.wrong.push(format!("{wanted} lists other entries"));
    }
}

impl Seen {
    fn failed(&mut self, error: Error) {
        self.errors.push((error.kind(), error.to_string()));
    }
}

/// What `ls` and `log` tell, and whether they name records that cannot be read. Metadata is left
/// out: a listing goes on without it where its pages cannot be read; and so is what is missing: that says
/// what the packs hold.
fn listings(store: &Store, artifacts: &[Name]) -> Result<(String, bool), Error> {
    let mut all = ls::artifacts(store)?;
    all.rows.iter_mut().for_each(|row| row.incomplete.clear());
    let (mut told, mut warned) = (format!("{:?}", all.rows), !all.damaged.is_empty());
    for artifact in artifacts {
        let (mut versions, mut log) = (ls::versions(store, artifact)?, log::log(store, artifact)?);
        versions.rows.iter_mut().for_each(|row| (row.info.metadata, row.missing) = (None, None));
        log.rows.iter_mut().for_each(|row| row.info.metadata = None);
        told += &format!("{:?} {:?}", versions.rows, log.rows);
        warned |= !versions.damaged.is_empty() || !log.damaged.is_empty();
    }
    Ok((told, warned))
}
