//! Second names of what no commit holds yet: put back where a file is gone, and given up once a
//! commit has it.

use std::cell::LazyCell;
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{Guard, KEEP_DIR};
use crate::durable::{Disk, settle_all};
use crate::error::Result;
use crate::format::limits::RECORD_LEN_MAX;
use crate::format::pack::{HEADER_LEN, Header};
use crate::format::record::Record;
use crate::id::{PackId, RecordId};
use crate::lock::{Lock, Mode, Wait};
use crate::pack::reader::{open_regular, read_names, verify_file};
use crate::progress::Progress;
use crate::store::CONDEMN_FEATURE;
use crate::store::files::{self, FileClass, StorePath};
use crate::store::git::held;

/// Where it is noted, in local state, how git looked when it was last asked.
const NOTE: &str = "kept";

/// Second names that are given up together, for a sync of a whole file system that comes before: it can
/// take a second where other programs write, and they cost little.
const GIVEN_UP_MIN: usize = 64;

/// A second name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kept {
    /// What the file is, by its place in the store.
    pub(crate) path: StorePath,
    /// Where the second name is.
    pub(crate) at: PathBuf,
}

impl Guard {
    /// Sees to the guard and the second names, before a writer takes its lock: makes what is not
    /// there, and gives up what commits hold, once that is worth it. Returns what is gone from its place and in no
    /// commit.
    ///
    /// Asks git only if something was committed or switched since it last did, or a file is gone.
    pub(crate) fn tend(&self, local: &Path, locks: &Path, progress: &dyn Progress) -> Result<Vec<Kept>> {
        let keep = self.keep();
        if !self.stands() || self.strays_in().is_some() {
            let disk = Disk::new(&self.layout, local)?.keeping(Some(keep.clone()));
            // The guard last: where it stands, what is older has its second names.
            self.keep_all(&disk)?;
            self.make(local)?;
        }
        let stamp = format!("{}\n{}", self.mode.as_str(), held::stamp(&self.repo.git_dir)?);
        let note = local.join(NOTE);
        let is_news = fs::read_to_string(&note).unwrap_or_default() != stamp;
        let (here, gone) = self.look(&read_names(&keep.dir)?, is_news);
        // Those of another mode's time, of what is guarded now.
        let is_guarded = |kept: &Kept| !keep.has(kept.path.as_path());
        let (guarded, here): (Vec<Kept>, Vec<Kept>) = here.into_iter().partition(is_guarded);
        let held = if here.is_empty() && gone.is_empty() { HashSet::new() } else { self.held(&here, &gone)? };
        let is_held = |kept: &Kept| held.contains(kept.path.as_path());
        let (gone_and_held, gone): (Vec<Kept>, Vec<Kept>) = gone.into_iter().partition(is_held);
        let mut held: Vec<Kept> = here.into_iter().filter(is_held).collect();
        // Those that are alone take room of their own.
        if held.len() < GIVEN_UP_MIN && gone_and_held.is_empty() && !held.iter().any(|kept| is_alone(&kept.at)) {
            held.clear();
        }
        held.extend(gone_and_held);
        if !held.is_empty() {
            // Git does not sync what it commits, if it is not told to.
            settle_all(&self.repo.common)?;
        }
        let guarded = guarded.into_iter().filter(|_| self.stands());
        let done: Vec<Kept> = held.into_iter().chain(guarded).collect();
        let is_done = done.is_empty() || self.give_up(&done, local, locks, progress)?;
        // What is put back may be of what is guarded now.
        if is_done && is_news && gone.is_empty() {
            // A note that is lost costs a question.
            let _ = fs::write(&note, stamp);
        }
        Ok(gone)
    }

    /// Lists what is gone from its place and in no commit, without changing anything.
    pub(crate) fn gone(&self) -> Result<Vec<Kept>> {
        let (_, gone) = self.look(&read_names(&self.layout.folder(KEEP_DIR.as_ref()))?, false);
        let held = self.held(&[], &gone)?;
        Ok(gone.into_iter().filter(|kept| !held.contains(kept.path.as_path())).collect())
    }

    /// Gives files their places again, in the order in which files travel; those whose bytes are
    /// right. Returns how many.
    pub(crate) fn put_back(&self, disk: &Disk, mut gone: Vec<Kept>) -> Result<usize> {
        gone.sort_by(|a, b| (a.path.class(), &a.path).cmp(&(b.path.class(), &b.path)));
        gone.retain(is_right);
        let feature = Path::new("features").join(CONDEMN_FEATURE);
        if gone.iter().any(|kept| kept.path.class() == FileClass::Condemn) && !self.layout.root().join(&feature).exists() {
            disk.publish(disk.draft()?, &feature, |_| Ok(true))?;
        }
        gone.iter().try_for_each(|kept| disk.put_back(&kept.at, kept.path.as_path()))?;
        disk.sync_kept()?;
        Ok(gone.len())
    }

    /// Gives second names to all that has none: of a store that is older than its guard.
    fn keep_all(&self, disk: &Disk) -> Result<()> {
        let keep = self.keep();
        let classes: Vec<FileClass> = FileClass::ALL.into_iter().filter(|class| *class != FileClass::Feature).collect();
        let files = files::list(&self.layout, &classes)?;
        let paths = files.iter().map(|file| file.path.as_path()).filter(|path| keep.has(path));
        disk.keep_all(paths)
    }

    /// Sorts second names by whether the file is in its place; those that are, only on demand, for
    /// it costs a look into each.
    fn look(&self, names: &[String], all: bool) -> (Vec<Kept>, Vec<Kept>) {
        let (mut here, mut gone) = (Vec::new(), Vec::new());
        let dir = self.layout.folder(KEEP_DIR.as_ref());
        // In any working tree: they share the second names.
        let stores = LazyCell::new(|| self.repo.stores());
        for name in names {
            let at = dir.join(name);
            // A file with another name is not gone.
            if !all && !is_alone(&at) {
                continue;
            }
            let Some(kept) = kept(at) else { continue };
            let is_here = stores.iter().any(|store| fs::symlink_metadata(store.join(kept.path.as_path())).is_ok());
            if !is_here {
                gone.push(kept);
            } else if all {
                here.push(kept);
            }
        }
        (here, gone)
    }

    /// Asks git which of some files the commit at `HEAD` holds.
    pub(crate) fn committed(&self, paths: &[&Path]) -> Result<HashSet<PathBuf>> {
        held::in_head(&self.repo.top, &self.repo.store, paths)
    }

    /// Asks git which files it holds: the commit at `HEAD`, or of what is gone, any commit.
    fn held(&self, here: &[Kept], gone: &[Kept]) -> Result<HashSet<PathBuf>> {
        let paths: Vec<&Path> = here.iter().chain(gone).map(|kept| kept.path.as_path()).collect();
        let mut found = self.committed(&paths)?;
        let rest: Vec<&Path> = gone.iter().map(|kept| kept.path.as_path()).filter(|path| !found.contains(*path)).collect();
        if !rest.is_empty() {
            found.extend(held::in_history(&self.repo.top, &self.repo.store, &rest)?);
        }
        Ok(found)
    }

    /// Takes second names away, alone: a writer that relies on a file must not see it change. Not
    /// now, if others write.
    fn give_up(&self, done: &[Kept], local: &Path, locks: &Path, progress: &dyn Progress) -> Result<bool> {
        let Ok(_alone) = Lock::take(&locks.join("lock"), Mode::Exclusive, Wait::Not, progress) else { return Ok(false) };
        let disk = Disk::new(&self.layout, local)?;
        done.iter().try_for_each(|kept| disk.drop_kept(&kept.at, kept.path.as_path()))?;
        Ok(true)
    }
}

/// Tells a file's place by what is in it; none if it is none of a store.
fn kept(at: PathBuf) -> Option<Kept> {
    let name = at.file_name()?.to_str()?.to_owned();
    let mut file = open_regular(&at).ok()?;
    let path = match name.parse::<PackId>() {
        Ok(id) => {
            let mut head = [0; HEADER_LEN];
            std::io::Read::read_exact(&mut file, &mut head).ok()?;
            StorePath::of_pack(Header::decode(&head).ok()?.class, id)
        }
        Err(_) => {
            let mut line = Vec::new();
            std::io::Read::read_to_end(&mut std::io::Read::take(file, RECORD_LEN_MAX as u64 + 1), &mut line).ok()?;
            StorePath::of_record(&Record::decode(&line).ok()?, RecordId::of(&line))
        }
    };
    (path.name() == name).then_some(Kept { path, at })
}

/// Whether a second name is the only one of its file, or a copy.
fn is_alone(at: &Path) -> bool {
    fs::symlink_metadata(at).is_ok_and(|meta| meta.is_file() && meta.nlink() == 1)
}

/// Whether a file is what its name says.
fn is_right(kept: &Kept) -> bool {
    match kept.path.pack_id() {
        Some(id) => verify_file(&kept.at, id).is_ok(),
        None => fs::read(&kept.at).is_ok_and(|bytes| kept.path.check(&bytes).is_ok()),
    }
}
