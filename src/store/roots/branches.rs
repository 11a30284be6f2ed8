//! Metadata packs that are not in the working tree: those of other branches, stashes and older
//! commits, which only git has, and those of other working trees.
//!
//! Git's are written into a cache in local state, so that no process of git runs while pages are
//! read. Losing the cache loses nothing; what lies in it is hashed before it is used.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::durable::Disk;
use crate::error::{Error, ErrorKind, Result};
use crate::format::limits::PACK_LEN_MAX;
use crate::format::pack::PackClass;
use crate::id::PackId;
use crate::index::Index;
use crate::layout::Layout;
use crate::pack::pack_path;
use crate::pack::reader::{self, verify_file};
use crate::progress::Progress;
use crate::store::git::objects::Objects;
use crate::store::git::{Oid, Repo};

use super::pages::BranchPages;

/// Where the cache lies in local state.
const CACHE_DIR: &str = "branches";

/// Where the metadata packs are that versions of other branches and working trees need.
#[derive(Clone, Debug, Default)]
pub struct Branches {
    /// The packs that commits hold and the working tree has not; where in which repo.
    packs: BTreeMap<PackId, Vec<(PathBuf, Oid)>>,
    /// The store in other working trees.
    trees: Vec<PathBuf>,
}

impl Branches {
    /// Takes in a file that a commit or an index of a repo has in a metadata pack's place.
    pub(super) fn add_pack(&mut self, root: &Path, repo: &Repo, path: &Path, blob: Oid) {
        let id = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse::<PackId>().ok());
        let Some(id) = id.filter(|&id| path == pack_path(PackClass::Meta, id)) else { return };
        if !root.join(path).exists() {
            self.packs.entry(id).or_default().push((repo.common.clone(), blob));
        }
    }

    /// Takes in where the store is in another working tree.
    pub(super) fn add_tree(&mut self, store: PathBuf) {
        self.trees.push(store);
    }

    /// Makes the packs readable by way of the cache in `local`, and removes from it what is not
    /// wanted. Asks git, so it must not be called under a lock that writers wait for.
    pub fn fetch(&self, root: &Path, local: &Path, progress: &dyn Progress) -> Result<BranchPages> {
        let cache = local.join(CACHE_DIR);
        for id in reader::list(&Layout::of_one(&cache), PackClass::Meta)?.into_iter().filter(|id| !self.packs.contains_key(id)) {
            let path = cache.join(pack_path(PackClass::Meta, id));
            fs::remove_file(&path).map_err(|e| Error::io("remove", &path, e))?;
        }
        let disk = if self.packs.is_empty() { None } else { Some(Disk::new(root, local)?) };
        self.read(Some(&cache), disk.as_ref(), progress)
    }

    /// Makes the packs readable without writing anything: what the cache lacks is held in memory.
    pub fn peek(&self, local: Option<&Path>, progress: &dyn Progress) -> Result<BranchPages> {
        self.read(local.map(|local| local.join(CACHE_DIR)).as_deref(), None, progress)
    }

    fn read(&self, cache: Option<&Path>, disk: Option<&Disk>, progress: &dyn Progress) -> Result<BranchPages> {
        let mut pages = BranchPages::default();
        let mut open = None::<(&Path, Objects)>;
        for (&id, blobs) in &self.packs {
            let path = cache.map(|cache| cache.join(pack_path(PackClass::Meta, id)));
            if path.as_ref().is_some_and(|path| verify_file(path, id).is_ok()) {
                continue;
            }
            let Some(bytes) = pack_of(id, blobs, &mut open)? else {
                // The walk tells whether a version needs it.
                progress.warn(&format!("cannot read metadata pack {} from git: no commit has it as it was written", id.short(16)));
                continue;
            };
            match (disk, &path) {
                (Some(disk), Some(path)) => match write(disk, path, &bytes) {
                    // On a full disk gc must work too.
                    Err(error) if error.kind() == ErrorKind::NoSpace => pages.hold(id, bytes),
                    written => written?,
                },
                _ => pages.hold(id, bytes),
            }
        }
        for root in cache.filter(|_| !self.packs.is_empty()).into_iter().chain(self.trees.iter().map(PathBuf::as_path)) {
            pages.add(Index::open(&Layout::of_one(root), PackClass::Meta, None)?);
        }
        Ok(pages)
    }
}

/// Reads a pack out of the first blob that is what the pack's name says.
fn pack_of<'b>(id: PackId, blobs: &'b [(PathBuf, Oid)], open: &mut Option<(&'b Path, Objects)>) -> Result<Option<Vec<u8>>> {
    for (repo, blob) in blobs {
        let objects = match open {
            Some((of, objects)) if of == repo => objects,
            _ => &mut open.insert((repo, Objects::of(repo)?)).1,
        };
        let bytes = objects.blob(blob, PACK_LEN_MAX)?.filter(|bytes| PackId::of(bytes) == id);
        if bytes.is_some() {
            return Ok(bytes);
        }
    }
    Ok(None)
}

fn write(disk: &Disk, path: &Path, bytes: &[u8]) -> Result<()> {
    let dir = path.parent().unwrap_or(path);
    fs::create_dir_all(dir).map_err(|e| Error::io("create", dir, e))?;
    disk.write_local(path, bytes)
}
