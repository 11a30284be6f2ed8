//! Second names of what no commit holds yet: put back where a file is gone, and given up once a
//! commit has it.

use std::cell::LazyCell;
use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};

use super::names::{Kept, is_in, is_name, is_whole, kept, links, name_of, records_in};
use super::{Guard, KEEP_DIR};
use crate::durable::{Disk, is_hash_named, settle_all};
use crate::error::{Error, Result};
use crate::format::limits::PACK_LEN_MAX;
use crate::format::pack::PackClass;
use crate::id::PackId;
use crate::lock::{Lock, Mode, Wait};
use crate::open::entries_in;
use crate::progress::Progress;
use crate::quote::quote_path;
use crate::store::CONDEMN_FEATURE;
use crate::store::files::{self, FileClass, StorePath};
use crate::store::git::Oid;
use crate::store::git::held::{self, Blob, Blobs, Commits};

/// Where it is noted, in local state, how git looked when it was last asked; where something is gone that it has
/// only aside, also how its reflogs looked, and what that is.
const NOTE: &str = "kept";

/// What helps where the file `.git` names a directory that is not there.
const NOWHERE_HINT: &str = "the `.git` round the store leads nowhere: bring the repo back, or run `git worktree repair` in it";

/// Second names that are given up together, for a sync of a whole file system that comes before: it can
/// take a second where other programs write, and they cost little.
const GIVEN_UP_MIN: usize = 64;

/// What a writer is told before it begins.
#[derive(Debug)]
pub(crate) struct Tended {
    /// What is gone from its place and in no commit.
    pub(crate) gone: Vec<Kept>,
    /// What is gone and in a commit, as after a switch.
    pub(crate) held: Vec<Kept>,
    /// What kept the guard from being made, or second names from being given up.
    pub(crate) trouble: Option<Error>,
}

/// Files that git has, by their places in the store.
#[derive(Default)]
struct Held {
    /// What is in a commit of a branch or tag.
    in_refs: HashSet<PathBuf>,
    /// What git has otherwise, in a stash or a reflog, and forgets by itself.
    aside: HashSet<PathBuf>,
}

/// A second name that is the last of its file, and damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DamagedKept {
    /// Its name in `packs/keep/`.
    pub(crate) name: String,
    /// The class of a pack, as far as its header tells.
    pub(crate) class: Option<PackClass>,
}

/// The second names, sorted by whether the file is in its place.
struct Sorted {
    here: Vec<Kept>,
    gone: Vec<Kept>,
    /// Those that are named as a pack or a record, alone, and no such thing by what they begin with.
    unknown: Vec<PathBuf>,
}

impl Guard {
    /// Sees to the guard and the second names, before a writer takes its lock: makes what is not
    /// there, and gives up what commits hold, once that is worth it.
    ///
    /// Asks git only if something was committed or switched since it last did, or a file is gone.
    ///
    /// # Errors
    ///
    /// If it cannot be told what is gone, because second names cannot be read, or git cannot be asked: a writer
    /// would build on half a store.
    pub(crate) fn tend(&mut self, local: &Path, locks: &Path, progress: &dyn Progress) -> Result<Tended> {
        let stamp = held::stamp(&self.repo).map(|stamp| format!("{}\n{stamp}", self.mode.as_str()));
        let note = local.join(NOTE);
        let noted = fs::read_to_string(&note).unwrap_or_default();
        let of_aside = stamp.as_ref().ok().and_then(|stamp| noted.strip_prefix(stamp));
        let is_news = of_aside.is_none();
        let has_changed = is_news && self.repo.leads_here();
        let tracked = if has_changed { self.ask_what_is_tracked() } else { Ok(()) };
        let made = self.make_whole(local, locks, has_changed, progress).and_then(|()| self.check_no_link());
        let Sorted { here, gone, .. } = self.sort(is_news)?;
        let keep = self.keep();
        // Those of another mode's time, of what is guarded now: in another worktree it may not be.
        let is_covered = |kept: &Kept| fs::symlink_metadata(self.layout.path(kept.path.as_path())).is_ok();
        let is_guarded = |kept: &Kept| !keep.has(kept.path.as_path()) && is_covered(kept);
        let (guarded, here): (Vec<Kept>, Vec<Kept>) = here.into_iter().partition(is_guarded);
        let reflogs = LazyCell::new(|| held::stamp_of_reflogs(&self.repo).ok());
        if !gone.is_empty() {
            // Before git is asked.
            LazyCell::force(&reflogs);
        }
        let aside = of_aside.filter(|aside| !aside.is_empty()).and_then(|aside| aside.strip_prefix(reflogs.as_deref()?));
        let is_aside = |kept: &Kept| aside.is_some_and(|aside| aside.lines().any(|name| name == kept.path.name()));
        let (known, gone): (Vec<Kept>, Vec<Kept>) = gone.into_iter().partition(is_aside);
        let (mut held, asked) = match self.held(&here, &gone) {
            Ok(held) => (held, Ok(())),
            Err(error) if gone.is_empty() => (Held::default(), if self.repo.leads_here() { Err(error) } else { Ok(()) }),
            Err(error) => return Err(self.untold(error)),
        };
        let asked = tracked.and(asked);
        held.aside.extend(known.iter().map(|kept| kept.path.as_path().to_owned()));
        let gone = known.into_iter().chain(gone);
        let (gone_and_held, gone): (Vec<Kept>, Vec<Kept>) = gone.partition(|kept| held.has(kept));
        let here = here.into_iter().filter(|kept| held.has(kept)).collect();
        let guarded = if made.is_ok() { guarded } else { Vec::new() };
        // `git stash pop` brings back what no commit has then, and forgets it.
        let lasting = gone_and_held.iter().filter(|kept| held.in_refs.contains(kept.path.as_path())).cloned().collect();
        let spared = self.spare(here, lasting, guarded, local, locks, progress);
        // What is put back may be of what is guarded now.
        if let (Ok(()), Ok(()), Ok(stamp), Ok(true)) = (&made, &asked, &stamp, &spared)
            && gone.is_empty()
        {
            let aside: Vec<&str> =
                gone_and_held.iter().filter(|kept| !held.in_refs.contains(kept.path.as_path())).map(|kept| kept.path.name()).collect();
            let new = match reflogs.as_deref().filter(|_| !aside.is_empty()) {
                Some(reflogs) => format!("{stamp}{reflogs}\n{}\n", aside.join("\n")),
                None => stamp.clone(),
            };
            if new != noted {
                // A note that is lost costs a question.
                let _ = fs::write(&note, new);
            }
        }
        Ok(Tended { gone, held: gone_and_held, trouble: made.and(stamp.map(drop)).and(asked).and(spared.map(drop)).err() })
    }

    /// Makes the guard where it does not stand, and before that second names of what is older.
    fn make_whole(&self, local: &Path, locks: &Path, has_changed: bool, progress: &dyn Progress) -> Result<()> {
        // A repo that was made anew has no lines of its own.
        let is_excluded = || if has_changed { self.is_excluded() } else { Ok(true) };
        if self.has_rules && self.stands()? && self.strays_in()?.is_none() && is_excluded()? {
            return Ok(());
        }
        // Who writes a record either sees that another guard stands, or its files are among those that are kept.
        let _numbers = Lock::take(&locks.join("number"), Mode::Exclusive, Wait::Patiently, progress)?;
        self.keep_all(&Disk::new(&self.layout, local)?.keeping(Some(self.keep())))?;
        self.make(local)
    }

    /// Fails where the guard's folder is a link.
    fn check_no_link(&self) -> Result<()> {
        let Some(link) = self.link_in_its_place() else { return Ok(()) };
        Err(Error::failed(format!("{} is a link, which `git clean` removes", quote_path(&link))).hint("see `art doctor`"))
    }

    /// Gives up second names of what commits hold, in its place or gone, once that is worth it, and of what another
    /// mode guards. Returns whether nothing is left to be done.
    fn spare(
        &self,
        here: Vec<Kept>,
        gone: Vec<Kept>,
        guarded: Vec<Kept>,
        local: &Path,
        locks: &Path,
        progress: &dyn Progress,
    ) -> Result<bool> {
        let mut held = here;
        // Those that are alone take room of their own.
        if held.len() < GIVEN_UP_MIN && gone.is_empty() && !held.iter().any(|kept| links(&kept.at).is_ok_and(|links| links == Some(1))) {
            held.clear();
        }
        held.extend(gone);
        if !held.is_empty() {
            // Git does not sync what it commits, if it is not told to.
            settle_all(&self.repo.common)?;
        }
        let stands = self.stands()?;
        let guarded = guarded.into_iter().filter(|_| stands);
        let done: Vec<Kept> = held.into_iter().chain(guarded).collect();
        if done.is_empty() { Ok(true) } else { self.give_up(&done, local, locks, progress) }
    }

    /// Lists what is gone from its place and in no commit, without changing anything.
    pub(crate) fn gone(&self) -> Result<Vec<Kept>> {
        let gone = self.sort(true)?.gone;
        Ok(self.sift(gone)?.0)
    }

    /// Lists what is gone from its place, whether a commit has it or not, without asking git.
    pub(crate) fn out_of_place(&self) -> Result<Vec<Kept>> {
        Ok(self.sort(false)?.gone)
    }

    /// Lists the meta packs that are in their places in another working tree, and not in this one.
    pub(crate) fn meta_packs_elsewhere(&self) -> Result<Vec<Kept>> {
        let stores = self.stores();
        let own = [self.layout.root().to_owned()];
        let is_elsewhere = |kept: &Kept| kept.path.class() == FileClass::Meta && is_in(&stores, &kept.path) && !is_in(&own, &kept.path);
        if stores.len() < 2 {
            return Ok(Vec::new());
        }
        Ok(self.sort(true)?.here.into_iter().filter(is_elsewhere).collect())
    }

    /// Lists the same, and which second names are the last of their files, and damaged: those of what is gone
    /// from its place, and those of which that cannot be told.
    pub(crate) fn missing(&self) -> Result<(Vec<Kept>, Vec<DamagedKept>)> {
        let Sorted { gone, unknown, .. } = self.sort(true)?;
        let (gone, _) = self.sift(gone)?;
        let classes = gone.iter().map(|kept| (&kept.at, kept.path.class().pack())).chain(unknown.iter().map(|at| (at, None)));
        let mut damaged = Vec::new();
        for (at, class) in classes {
            if !is_whole(at)? {
                damaged.push(DamagedKept { name: name_of(at).to_owned(), class });
            }
        }
        Ok((gone, damaged))
    }

    /// Asks git what of all that is gone is in no commit, and what is in one.
    pub(crate) fn sift(&self, gone: Vec<Kept>) -> Result<(Vec<Kept>, Vec<Kept>)> {
        let held = self.held(&[], &gone).map_err(|error| self.untold(error))?;
        Ok(gone.into_iter().partition(|kept| !held.has(kept)))
    }

    /// Makes the error of a git that does not tell: another branch may have what is gone, and git would not switch
    /// to it over files that it does not know.
    fn untold(&self, error: Error) -> Error {
        let error = error.within("cannot tell which files that are gone from the store git has");
        if self.repo.leads_here() { error } else { error.hint(NOWHERE_HINT) }
    }

    /// Gives files their places again, in the order in which files travel, with what is to be done `before` the
    /// records; those whose bytes are right; warns of how many, and returns those that are damaged. Where one cannot
    /// be read, none: records are not to come back without their packs.
    pub(crate) fn put_back(
        &self,
        disk: &Disk,
        gone: Vec<Kept>,
        progress: &dyn Progress,
        before: impl FnOnce(&[Kept]) -> Result<()>,
    ) -> Result<Vec<Kept>> {
        let (mut good, mut damaged) = (Vec::new(), Vec::new());
        for kept in gone {
            if fs::symlink_metadata(&kept.at).is_err_and(|e| e.kind() == ErrorKind::NotFound) {
                // Another writer has put it back, and `gc` removed it.
                continue;
            }
            if is_whole(&kept.at)? {
                good.push(kept);
            } else {
                damaged.push(kept);
            }
        }
        good.sort_by(|a, b| (a.path.class(), &a.path).cmp(&(b.path.class(), &b.path)));
        let feature = Path::new("features").join(CONDEMN_FEATURE);
        if good.iter().any(|kept| kept.path.class() == FileClass::Condemn) && !self.layout.root().join(&feature).exists() {
            disk.publish(disk.draft()?, &feature, |_| Ok(true))?;
        }
        let (packs, records) = good.split_at(good.partition_point(|kept| kept.path.class().pack().is_some()));
        packs.iter().try_for_each(|kept| disk.put_back(&kept.at, kept.path.as_path()))?;
        before(records)?;
        records.iter().try_for_each(|kept| disk.put_back(&kept.at, kept.path.as_path()))?;
        disk.sync_kept()?;
        if !good.is_empty() {
            progress.warn(&format!("put back {} files that were stored and gone, as after `git clean`", good.len()));
        }
        if !damaged.is_empty() {
            let (count, why) = (damaged.len(), "what is left of them is damaged: see `art repair`");
            progress.warn(&format!("cannot put back {count} files that were stored and gone, for {why}"));
        }
        Ok(damaged)
    }

    /// Gives second names to all that has none: of a store that is older than its guard, or of a file whose
    /// own was damaged.
    pub(crate) fn keep_all(&self, disk: &Disk) -> Result<()> {
        let keep = self.keep();
        let classes: Vec<FileClass> = FileClass::ALL.into_iter().filter(|class| *class != FileClass::Feature).collect();
        let files = files::list(&self.layout, &classes)?;
        let paths = files.iter().map(|file| file.path.as_path()).filter(|path| keep.has(path));
        disk.keep_all(paths)
    }

    /// Sorts the second names; on demand all, which costs a look into each, and else those that are not seen at
    /// once to be names of what is in its place.
    fn sort(&self, all: bool) -> Result<Sorted> {
        let mut sorted = Sorted { here: Vec::new(), gone: Vec::new(), unknown: Vec::new() };
        let dir = self.layout.folder(KEEP_DIR.as_ref());
        // In any working tree: they share the second names.
        let stores = LazyCell::new(|| self.stores());
        let records = LazyCell::new(|| records_in(&stores));
        for entry in entries_in(&dir)? {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let is_seen = || match name.parse::<PackId>() {
                Ok(id) => [PackClass::Meta, PackClass::Data].into_iter().any(|class| is_in(&stores, &StorePath::of_pack(class, id))),
                Err(_) => records.contains(&(name.clone(), entry.ino())),
            };
            if !all && is_seen() {
                continue;
            }
            let at = dir.join(&name);
            let Some(links) = links(&at)? else { continue };
            match kept(&at)? {
                Some(kept) if !is_in(&stores, &kept.path) => sorted.gone.push(kept),
                Some(kept) if all => sorted.here.push(kept),
                // What is in its place under another name is checked there.
                None if links == 1 && is_name(&name) => sorted.unknown.push(at),
                _ => {}
            }
        }
        Ok(sorted)
    }

    /// Lists where a file may be in its place: in any working tree, or where these share packs.
    fn stores(&self) -> Vec<PathBuf> {
        let mut stores = self.repo.stores();
        stores.extend(self.layout.shared().map(Path::to_owned));
        stores
    }

    /// Asks git which of some files the commit at `HEAD` holds, at the lengths that they have in their places.
    pub(crate) fn committed(&self, paths: &[&Path]) -> Result<HashSet<PathBuf>> {
        let blobs = held::in_head(&self.repo.top, &self.repo.store, paths)?;
        let is_held = |path: &Path, blob: &Blob| has_length(&self.layout.path(path), blob.len);
        let held = |(path, blob): (&&Path, Option<Blob>)| blob.filter(|blob| is_held(path, blob)).map(|_| path.to_path_buf());
        Ok(paths.iter().zip(blobs).filter_map(held).collect())
    }

    /// Asks git which files it holds. Of those that are in their places, the commit at `HEAD` of a branch, at their
    /// lengths; of what is gone any commit, and its bytes must be right: they may be all that is left.
    fn held(&self, here: &[Kept], gone: &[Kept]) -> Result<Held> {
        let paths: Vec<&Path> = here.iter().chain(gone).map(|kept| kept.path.as_path()).collect();
        let mut blobs = held::in_head(&self.repo.top, &self.repo.store, &paths)?;
        let of_gone = blobs.split_off(here.len());
        let mut held = Held::default();
        let is_on_branch = held::is_on_branch(&self.repo);
        for (kept, blob) in here.iter().zip(blobs).filter(|_| is_on_branch) {
            held.in_refs.extend(blob.filter(|blob| has_length(&kept.at, blob.len)).map(|_| kept.path.as_path().to_owned()));
        }
        if gone.is_empty() {
            return Ok(held);
        }
        let mut reader = Blobs::of(&self.repo.common)?;
        let mut is_whole = |path: &Path, id: &Oid| -> Result<bool> {
            let bytes = reader.read(id, PACK_LEN_MAX)?;
            Ok(bytes.is_some_and(|bytes| is_hash_named(blake3::hash(&bytes), path)))
        };
        let mut rest = Vec::new();
        for (kept, blob) in gone.iter().zip(of_gone) {
            let path = kept.path.as_path();
            match blob {
                Some(blob) if is_on_branch && is_whole(path, &blob.id)? => drop(held.in_refs.insert(path.to_owned())),
                _ => rest.push(path),
            }
        }
        let mut whole_in = |among: Commits, paths: &[&Path]| -> Result<HashSet<PathBuf>> {
            let mut found = HashSet::new();
            for (path, id) in held::in_history(&self.repo, among, paths)? {
                if !found.contains(&path) && is_whole(&path, &id)? {
                    found.insert(path);
                }
            }
            Ok(found)
        };
        // Mostly a clean took it, and git has it nowhere.
        held.aside = whole_in(Commits::All, &rest)?;
        let in_refs = whole_in(Commits::OfRefs, &held.aside.iter().map(PathBuf::as_path).collect::<Vec<_>>())?;
        held.aside.retain(|path| !in_refs.contains(path));
        held.in_refs.extend(in_refs);
        Ok(held)
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

impl Held {
    fn has(&self, kept: &Kept) -> bool {
        [&self.in_refs, &self.aside].iter().any(|held| held.contains(kept.path.as_path()))
    }
}

/// Whether a file is there and has a length.
fn has_length(at: &Path, len: u64) -> bool {
    fs::metadata(at).is_ok_and(|meta| meta.len() == len)
}
