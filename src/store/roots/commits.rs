//! What the commits of a repo hold of a store: their trees, each read once.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::records::{At, Pool};
use crate::error::Result;
use crate::format::pack::PackClass;
use crate::name::Name;
use crate::store::git::objects::{Entry, Object, Objects, names};
use crate::store::git::{Oid, Repo};

/// A directory of the store in some commit: its tree, and where it lies relative to the store.
type Dir = (Oid, PathBuf);

/// What has been read so far.
pub(super) struct Commits<'a> {
    objects: Objects,
    store: Vec<Vec<u8>>,
    pool: &'a mut Pool,
    held: &'a mut Held,
    way: Way,
    seen: HashSet<Dir>,
    /// What directories of records hold, for the trees that are roots.
    kept: HashMap<Dir, Content>,
}

/// Which directories of the store are gone into.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// All in which records or packs may lie.
    All,
    /// Those of records, of one artifact or of all.
    Records(Option<Name>),
}

/// The files of packs, and of records about packs, that commits and indexes hold.
#[derive(Default)]
pub(super) struct Held {
    pub(super) paths: HashSet<PathBuf>,
    /// The blobs of those that may be metadata packs.
    pub(super) metas: HashSet<(PathBuf, Oid)>,
}

#[derive(Clone, Default)]
struct Content {
    dirs: Vec<Dir>,
    records: Vec<At>,
}

impl Held {
    fn add(&mut self, path: PathBuf, blob: &Oid) {
        if path.starts_with(PackClass::Meta.dir()) {
            self.metas.insert((path.clone(), blob.clone()));
        }
        self.paths.insert(path);
    }
}

impl<'a> Commits<'a> {
    pub(super) fn open(repo: &Repo, pool: &'a mut Pool, held: &'a mut Held, way: Way) -> Result<Commits<'a>> {
        let (objects, store) = (Objects::of(&repo.common)?, names(&repo.store));
        Ok(Commits { objects, store, pool, held, way, seen: HashSet::new(), kept: HashMap::new() })
    }

    /// Returns the reader of objects.
    pub(super) fn objects(&mut self) -> &mut Objects {
        &mut self.objects
    }

    /// Takes in a file of an index; returns it if it is a record.
    pub(super) fn add_staged(&mut self, path: &Path, blob: &Oid) -> Option<At> {
        if is_of_packs(path) {
            self.held.add(path.to_owned(), blob);
        }
        self.pool.add_blob(path, blob)
    }

    /// Returns the records that a commit's tree has, artifact by artifact.
    pub(super) fn root(&mut self, tree: &Oid) -> Result<Vec<Vec<At>>> {
        let stores = self.stores(vec![tree.clone()])?;
        self.walk(stores.iter().map(|store| (store.clone(), PathBuf::new())).collect(), true)?;
        let Some(store) = stores.into_iter().next() else { return Ok(Vec::new()) };
        let refs = self.content(&(store, PathBuf::new())).dirs.into_iter().find(|(_, path)| path == Path::new("refs"));
        let artifacts = refs.map(|refs| self.content(&refs).dirs).unwrap_or_default();
        Ok(artifacts.iter().map(|artifact| self.records_below(artifact)).collect())
    }

    /// Takes in what trees of older commits have.
    pub(super) fn history(&mut self, trees: Vec<Oid>) -> Result<()> {
        let stores = self.stores(trees)?;
        self.walk(stores.into_iter().map(|store| (store, PathBuf::new())).collect(), false)
    }

    /// Whether a commit or an index has something of the store.
    pub(super) fn has_found(&self) -> bool {
        !self.seen.is_empty() || !self.kept.is_empty()
    }

    /// Reads from the repo the records that only commits have.
    pub(super) fn read_records(&mut self) -> Result<()> {
        self.pool.read_blobs(&mut self.objects)
    }

    /// Finds the store's tree in each of some commits' trees that has one.
    fn stores(&mut self, mut trees: Vec<Oid>) -> Result<Vec<Oid>> {
        for name in self.store.clone() {
            unique(&mut trees);
            let mut below = Vec::new();
            self.objects.each(&trees, |_, object| {
                let Object::Tree(entries) = object else { return Ok(()) };
                below.extend(entries.into_iter().find(|entry| entry.is_dir && entry.name == name).map(|entry| entry.oid));
                Ok(())
            })?;
            trees = below;
        }
        unique(&mut trees);
        Ok(trees)
    }

    /// Reads directories and all below, a level at a time; `keep` notes what they hold.
    fn walk(&mut self, mut level: Vec<Dir>, keep: bool) -> Result<()> {
        while !level.is_empty() {
            level.retain(|dir| if keep { !self.kept.contains_key(dir) } else { !self.seen.contains(dir) && !self.kept.contains_key(dir) });
            level.sort();
            level.dedup();
            let oids: Vec<Oid> = level.iter().map(|(oid, _)| oid.clone()).collect();
            let (mut below, mut contents) = (Vec::new(), Vec::new());
            let (pool, held, way) = (&mut *self.pool, &mut *self.held, &self.way);
            self.objects.each(&oids, |at, object| {
                let Object::Tree(entries) = object else { return Ok(()) };
                let content = content_of(&level[at].1, entries, pool, held, way);
                below.extend(content.dirs.iter().cloned());
                contents.push((level[at].clone(), content));
                Ok(())
            })?;
            for (dir, content) in contents {
                if keep {
                    self.kept.insert(dir, content);
                } else {
                    self.seen.insert(dir);
                }
            }
            level = below;
        }
        Ok(())
    }

    fn content(&self, dir: &Dir) -> Content {
        self.kept.get(dir).cloned().unwrap_or_default()
    }

    fn records_below(&self, dir: &Dir) -> Vec<At> {
        let Some(content) = self.kept.get(dir) else { return Vec::new() };
        let mut records = content.records.clone();
        content.dirs.iter().for_each(|dir| records.extend(self.records_below(dir)));
        records
    }
}

fn content_of(dir: &Path, entries: Vec<Entry>, pool: &mut Pool, held: &mut Held, way: &Way) -> Content {
    let mut content = Content::default();
    for entry in entries {
        let path = dir.join(OsStr::from_bytes(&entry.name));
        if entry.is_dir {
            if way.leads_through(&path) {
                content.dirs.push((entry.oid, path));
            }
        } else if is_of_packs(&path) {
            held.add(path, &entry.oid);
        } else {
            content.records.extend(pool.add_blob(&path, &entry.oid));
        }
    }
    content
}

impl Way {
    /// Whether something that is looked for may lie below a directory of the store.
    fn leads_through(&self, dir: &Path) -> bool {
        let parts: Vec<&[u8]> = dir.components().map(|part| part.as_os_str().as_bytes()).collect();
        let is_wanted = |folder: &[u8]| match self {
            // Some disks fold case.
            Way::Records(Some(artifact)) => folder.eq_ignore_ascii_case(artifact.as_str().as_bytes()),
            Way::Records(None) | Way::All => true,
        };
        match parts[..] {
            [b"refs"] => true,
            [b"refs", folder] | [b"refs", folder, b"versions" | b"edits" | b"aliases"] | [b"refs", folder, b"aliases", _] => {
                is_wanted(folder)
            }
            [b"packs" | b"meta" | b"gc"] | [b"packs" | b"meta", _] => matches!(self, Way::All),
            _ => false,
        }
    }
}

/// Whether a file is a pack, or says something of packs.
fn is_of_packs(path: &Path) -> bool {
    ["packs", "meta", "gc"].iter().any(|dir| path.starts_with(dir))
}

fn unique(oids: &mut Vec<Oid>) {
    oids.sort();
    oids.dedup();
}
