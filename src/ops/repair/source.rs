//! Where good copies may lie: another store, or a heap of files known by their names alone (what
//! git has committed, what was kept from `git clean`, what was moved to `quarantine/`).

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::error::{Error, Result};
use crate::format::limits::PACK_LEN_MAX;
use crate::format::pack::PackClass;
use crate::id::PackId;
use crate::open::open_regular;
use crate::pack::pack_path;
use crate::quote::quote_path;
use crate::refs::condemned;
use crate::refs::read::parse_record_name;
use crate::store::census::Census;
use crate::store::quarantine::COPY_MARK;
use crate::store::{STORE_DIR, Store};

use super::git::Blobs;

/// A place to fetch from.
pub(super) struct Source {
    /// How it is told.
    pub(super) name: String,
    place: Place,
    /// Files that are not named by their paths, by their names.
    names: Option<HashMap<String, Vec<Handle>>>,
}

enum Place {
    Store { store: Box<Store>, data: Option<Census>, meta: Option<Census> },
    Files,
    Git(Box<Blobs>),
}

/// One file of a source.
#[derive(Clone, Debug)]
pub(super) enum Handle {
    Path(PathBuf),
    Blob(String),
}

impl Source {
    /// Opens another store, or that of a project.
    pub(super) fn store(dir: &Path, own: &Path) -> Result<Source> {
        let inside = dir.join(STORE_DIR);
        let root = if !dir.join("format").exists() && inside.is_dir() { inside } else { dir.to_owned() };
        let is_own = fs::canonicalize(&root).ok().zip(fs::canonicalize(own).ok()).is_some_and(|(a, b)| a == b);
        if is_own {
            return Err(Error::usage(format!("cannot fetch from {}: it is the store to be repaired", quote_path(dir)))
                .hint("name another copy of it with `--from DIR`"));
        }
        let store = Store::open(&root).map_err(|error| error.within(format!("cannot fetch from {}", quote_path(dir))))?;
        let place = Place::Store { store: Box::new(store), data: None, meta: None };
        Ok(Source { name: quote_path(dir), place, names: None })
    }

    /// Takes all files below a directory; none if it is not there.
    pub(super) fn folder(name: &str, dir: &Path) -> Source {
        let mut names = HashMap::new();
        list(dir, &mut names);
        Source { name: name.to_owned(), place: Place::Files, names: Some(names) }
    }

    /// Takes certain files.
    pub(super) fn files(name: &str, paths: impl Iterator<Item = PathBuf>) -> Source {
        let mut names = HashMap::new();
        paths.for_each(|path| add(&path.file_name().unwrap_or_default().to_string_lossy(), Handle::Path(path.clone()), &mut names));
        Source { name: name.to_owned(), place: Place::Files, names: Some(names) }
    }

    /// Takes what git holds.
    pub(super) fn git(blobs: Blobs) -> Source {
        let mut names = HashMap::new();
        blobs.names().for_each(|(name, blob)| add(name, Handle::Blob(blob.to_owned()), &mut names));
        Source { name: "git history".to_owned(), place: Place::Git(Box::new(blobs)), names: Some(names) }
    }

    /// Returns the files that a pack's name stands for here; whether they are it is for the
    /// caller to check.
    pub(super) fn pack(&mut self, class: PackClass, id: PackId) -> Vec<Handle> {
        match &self.place {
            Place::Store { store, .. } => vec![Handle::Path(store.layout().path(&pack_path(class, id)))],
            Place::Files | Place::Git(_) => self.names().get(&id.to_string()).cloned().unwrap_or_default(),
        }
    }

    /// Returns the files with a record's name.
    pub(super) fn record(&mut self, name: &str) -> Vec<Handle> {
        self.names().get(name).cloned().unwrap_or_default()
    }

    /// Lists the names of records of which `is_wanted`.
    pub(super) fn record_names(&mut self, is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let mut names: Vec<String> = self.names().keys().filter(|name| is_record(name) && is_wanted(name)).cloned().collect();
        names.sort();
        names
    }

    /// Lists files with a pack's name that are to be scanned for what they hold, because there is
    /// no table of them.
    pub(super) fn heap(&mut self) -> Vec<(PackId, Handle)> {
        if let Place::Store { store, .. } = &self.place {
            let class_files = |class| {
                let torn = store.index(class).map(|index| index.not_arrived()).unwrap_or_default();
                torn.into_iter().map(move |(id, _)| (id, Handle::Path(store.layout().path(&pack_path(class, id))))).collect::<Vec<_>>()
            };
            return [PackClass::Data, PackClass::Meta].into_iter().flat_map(class_files).collect();
        }
        let mut heap: Vec<(PackId, Handle)> = Vec::new();
        for (name, handles) in self.names() {
            if let Ok(id) = name.parse::<PackId>() {
                heap.extend(handles.iter().map(|handle| (id, handle.clone())));
            }
        }
        heap.sort_by_key(|(id, _)| *id);
        heap
    }

    /// Returns the tables of a class of packs, where there are some.
    pub(super) fn census(&mut self, class: PackClass, threads: usize) -> Option<&Census> {
        let Place::Store { store, data, meta } = &mut self.place else { return None };
        let census = if class == PackClass::Data { data } else { meta };
        if census.is_none() {
            *census = store.census(class, threads).ok();
        }
        census.as_ref()
    }

    /// Reads a file, as long as a pack may be.
    pub(super) fn read(&mut self, handle: &Handle) -> Option<Vec<u8>> {
        match (handle, &mut self.place) {
            (Handle::Path(path), _) => read(path).ok(),
            (Handle::Blob(blob), Place::Git(blobs)) => blobs.read(blob),
            (Handle::Blob(_), _) => None,
        }
    }

    /// Ends processes that this source has started: none may run while a lock is held.
    pub(super) fn rest(&mut self) {
        if let Place::Git(blobs) = &mut self.place {
            blobs.rest();
        }
    }

    fn names(&mut self) -> &HashMap<String, Vec<Handle>> {
        let place = &self.place;
        self.names.get_or_insert_with(|| {
            let mut names = HashMap::new();
            if let Place::Store { store, .. } = place {
                list(&store.root().join("refs"), &mut names);
                list(&store.root().join("runs"), &mut names);
                list(&store.root().join(condemned::CONDEMN_DIR), &mut names);
            }
            names
        })
    }
}

/// Reads a file that must be a regular one, and no longer than a pack may be.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file: File = open_regular(path)?;
    let mut bytes = Vec::with_capacity(file.metadata()?.len().min(PACK_LEN_MAX + 1) as usize);
    file.take(PACK_LEN_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether a name has the shape of a record's.
pub(super) fn is_record(name: &str) -> bool {
    parse_record_name(name).is_some() || condemned::is_name(name)
}

fn list(dir: &Path, names: &mut HashMap<String, Vec<Handle>>) {
    // What cannot be listed cannot be fetched either.
    for entry in WalkDir::new(dir).sort_by_file_name().into_iter().flatten().filter(|entry| entry.file_type().is_file()) {
        add(&entry.file_name().to_string_lossy(), Handle::Path(entry.path().to_owned()), names);
    }
}

fn add(name: &str, handle: Handle, names: &mut HashMap<String, Vec<Handle>>) {
    let name = name.split(COPY_MARK).next().unwrap_or(name);
    if is_record(name) || name.parse::<PackId>().is_ok() {
        names.entry(name.to_owned()).or_default().push(handle);
    }
}
