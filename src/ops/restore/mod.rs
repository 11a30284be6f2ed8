//! Restores a version into a directory: `get` and `checkout`.
//!
//! Somebody's work is never overwritten or removed: a file in the way whose bytes no version of
//! the artifact holds stops the whole restore before anything is written, unless forced.

mod clear;
pub(in crate::ops) mod dest;
mod fill;
mod place;
pub(in crate::ops) mod reference;
pub(in crate::ops) mod survey;

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::format::manifest::{Entry, EntryKind};
use crate::format::path::{EntryPath, link_stays_inside};
use crate::lock;
use crate::ops::absent;
use crate::ops::origins::note_restore;
use crate::ops::put::stat_cache::Reader;
use crate::quote::{quote, quote_path};
use crate::refs::history::Version;
use crate::store::Store;
use crate::store::resolve::Resolved;
use dest::{Dest, There, temp_beside};
use fill::{Filler, Mode};
use place::{PARTIAL_PREFIX, check_dest, folding, sweep_partial};
pub use reference::LackingReference;
use reference::lacking;
use survey::{Content, Obstacle, State, compare_all, is_wanted, obstacles};

/// Where the numbers of links' temporary names begin, far beyond those of files.
const LINK_NUMBERS: u64 = 1 << 48;

/// The same of references.
const REFERENCE_NUMBERS: u64 = 1 << 49;

/// What to restore, and what may be overwritten.
#[derive(Clone, Debug, Default)]
pub struct RestoreOptions {
    /// Only these entries, or what lies below them; everything if there is none.
    pub prefixes: Vec<EntryPath>,
    /// Whether DEST is to end exactly as the version: what is extra goes.
    pub exact: bool,
    /// Whether somebody's work may be overwritten and removed.
    pub force: bool,
    /// Whether to make symlinks that point outside DEST.
    pub unsafe_links: bool,
    /// Whether to change nothing and only tell what would be done.
    pub dry_run: bool,
    /// Whether to restore the rest if there are references that cannot be restored.
    pub allow_missing_references: bool,
}

/// What a restore has done, or would do.
#[derive(Clone, Debug, Default)]
pub struct RestoreOutcome {
    /// Where the version is now.
    pub path: PathBuf,
    /// Files of the version, those that were there already included.
    pub file_count: u64,
    /// Their bytes.
    pub size_bytes: u64,
    /// Files that were written.
    pub restored_files: u64,
    /// References to files of this computer that were restored.
    pub restored_references: u64,
    /// References that cannot be restored. If there is any, and they are not allowed for, nothing
    /// was done.
    pub lacking: Vec<LackingReference>,
    /// What was written, if it was a dry run.
    pub restored: Vec<EntryPath>,
    /// What was removed, because the version does not have it.
    pub removed: Vec<EntryPath>,
    /// Somebody's work that is in the way. If there is any, nothing was done.
    pub in_the_way: Vec<EntryPath>,
}

/// Returns where a version is restored to if the user names no place.
pub fn default_dest(version: &Version) -> PathBuf {
    Path::new("artifacts").join(version.full_name())
}

/// Restores a version into `dest`, which is made if it is not there.
///
/// A new DEST is filled beside itself and renamed; into one that is there each file is renamed
/// into place. Every chunk is checked against its hash before it is written.
pub fn restore(store: &Store, context: &Context<'_>, found: &Resolved, dest: &Path, options: &RestoreOptions) -> Result<RestoreOutcome> {
    restore_into(store, context, found, dest, options).map_err(|error| absent::told(store, &found.version, "restore", error))
}

fn restore_into(store: &Store, context: &Context<'_>, found: &Resolved, dest: &Path, options: &RestoreOptions) -> Result<RestoreOutcome> {
    check_dest(store, dest, options)?;
    let restore = Restore { store, context, found, options };
    restore.check_prefixes()?;
    let manifest = store.read_manifest(found.version.record.manifest)?;
    context.progress.expect(manifest.file_count, manifest.size_bytes);
    context.progress.all_expected();
    let outcome = match fs::metadata(dest) {
        Ok(meta) if meta.is_dir() => restore.fill_existing(dest),
        Ok(_) => Err(Error::usage(format!("cannot restore into {}: it is not a directory", quote_path(dest)))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => restore.fill_new(dest),
        Err(e) => Err(Error::io("read", dest, e)),
    }?;
    if !options.dry_run && outcome.in_the_way.is_empty() && !restore.gives_up(&outcome) {
        // A store that cannot be written to is read all the same.
        let _ = note_restore(store, context, found, dest, &options.prefixes);
    }
    Ok(outcome)
}

struct Restore<'r> {
    store: &'r Store,
    context: &'r Context<'r>,
    found: &'r Resolved,
    options: &'r RestoreOptions,
}

impl Restore<'_> {
    fn entries(&self) -> Result<impl Iterator<Item = Result<Entry>>> {
        let entries = self.store.entries(self.found.version.record.manifest)?;
        Ok(entries.filter(|entry| entry.as_ref().map_or(true, |entry| is_wanted(entry, &self.options.prefixes))))
    }

    fn check_prefixes(&self) -> Result<()> {
        for prefix in &self.options.prefixes {
            let mut within = self.store.entries(self.found.version.record.manifest)?.within(prefix.as_bytes());
            if within.next().transpose()?.is_none() {
                return Err(no_such_path(&self.found.version, prefix));
            }
        }
        Ok(())
    }

    /// Fills a directory beside DEST and renames it.
    fn fill_new(&self, dest: &Path) -> Result<RestoreOutcome> {
        let mut outcome = RestoreOutcome { path: dest.to_owned(), ..RestoreOutcome::default() };
        // Only where something is no file are there references to look at.
        let manifest = self.store.read_manifest(self.found.version.record.manifest)?;
        if manifest.entry_count > manifest.file_count {
            for entry in self.entries()? {
                outcome.lacking.extend(lacking(&entry?));
            }
        }
        if self.gives_up(&outcome) {
            return Ok(outcome);
        }
        if self.options.dry_run {
            for entry in self.entries()? {
                let entry = entry?;
                outcome.count(&entry);
                outcome.restored_files += u64::from(entry.file().is_some());
                if !outcome.is_lacking(&entry.path) {
                    outcome.restored.push(entry.path);
                }
            }
            return Ok(outcome);
        }
        let parent = dest.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(|e| Error::io("create", parent, e))?;
        sweep_partial(parent);
        let partial = tempfile::Builder::new()
            .prefix(PARTIAL_PREFIX)
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777))
            .tempdir_in(parent)
            .map_err(|e| Error::io("create a directory in", parent, e))?;
        // Held so that nobody sweeps what is being filled.
        let held = fs::File::open(partial.path()).map_err(|e| Error::io("open", partial.path(), e))?;
        let _ = lock::try_lock(&held, lock::Mode::Exclusive);
        let root = Dest::open(partial.path())?;
        self.check_names(partial.path())?;
        self.context.progress.phase("restoring");
        let mut filler = Filler::new(self.store, &root, self.context, Mode::Fresh);
        let mut links = 0;
        let mut here = root.again()?;
        for entry in self.entries()? {
            let entry = entry?;
            outcome.count(&entry);
            match &entry.kind {
                EntryKind::File(body) => {
                    outcome.restored_files += 1;
                    filler.add(entry.path, body)?;
                }
                EntryKind::EmptyDir => here.make_dir(&entry.path)?,
                EntryKind::Symlink(target) => {
                    self.check_link(&entry.path, &target.0)?;
                    links += 1;
                }
                EntryKind::Reference(to) => {
                    let temp = entry.path.clone();
                    self.restore_reference(&mut here, &entry.path, to, &temp, &mut outcome)?;
                }
            }
        }
        filler.flush()?;
        if links > 0 {
            self.make_links(&mut here, &HashSet::new())?;
        }
        rustix::fs::renameat_with(rustix::fs::CWD, partial.path(), rustix::fs::CWD, dest, rustix::fs::RenameFlags::NOREPLACE)
            .or_else(|e| match e {
                rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS => rustix::fs::rename(partial.path(), dest),
                e => Err(e),
            })
            .map_err(|e| Error::io("create", dest, e.into()))?;
        let _ = partial.keep();
        Ok(outcome)
    }

    /// Compares first, and then writes what is missing and replaces what may be replaced.
    fn fill_existing(&self, path: &Path) -> Result<RestoreOutcome> {
        let mut outcome = RestoreOutcome { path: path.to_owned(), ..RestoreOutcome::default() };
        let root = Dest::open(path)?;
        self.check_names(path)?;
        self.context.progress.phase("comparing");
        let (mut states, mut differing, mut blocking) = (Vec::new(), Vec::new(), Vec::<Obstacle>::new());
        let (mut empty_dirs, mut dirs) = (HashSet::new(), BTreeSet::from([Vec::new()]));
        let mut here = root.again()?;
        let (manifest, mut unknown_times) = (self.found.version.record.manifest, Reader::empty());
        compare_all(self.store, manifest, &self.options.prefixes, &root, &mut unknown_times, self.context, &mut |entry, state| {
            outcome.count(&entry);
            if let EntryKind::Symlink(target) = &entry.kind {
                self.check_link(&entry.path, &target.0)?;
            }
            if entry.kind == EntryKind::EmptyDir {
                empty_dirs.insert(entry.path.as_bytes().to_vec());
            }
            let lacking = if state == State::Same { None } else { lacking(&entry) };
            if let Some(lacking) = lacking {
                outcome.lacking.push(lacking);
                states.push(Todo::Keep);
                return Ok(());
            }
            let dir = entry.path.split_name().0;
            if dirs.last().is_none_or(|last| last != dir) && !dirs.contains(dir) {
                dirs.insert(dir.to_vec());
            }
            match &state {
                State::Differs(Content::Other) if blocking.last().is_none_or(|last| !entry.path.is_below(last.path.as_bytes())) => {
                    blocking.extend(obstacles(&mut here, &entry.path)?);
                }
                State::Differs(content) => differing.push((entry.path, content.clone())),
                _ => {}
            }
            states.push(match state {
                State::Same => Todo::Keep,
                State::WrongMode => Todo::SetMode,
                State::Missing | State::Differs(_) => Todo::Write,
            });
            Ok(())
        })?;
        if self.gives_up(&outcome) {
            return Ok(outcome);
        }
        let mut extra = if self.options.exact { self.find_extras(path, &root)? } else { Vec::new() };
        differing.extend(blocking.iter().map(|obstacle| (obstacle.path.clone(), obstacle.content.clone())));
        outcome.in_the_way = self.in_the_way(differing.iter().chain(&extra))?;
        if !outcome.in_the_way.is_empty() {
            return Ok(outcome);
        }
        self.context.progress.phase("restoring");
        if !self.options.dry_run {
            dirs.iter().for_each(|dir| here.remove_left_temps(dir));
        }
        let cleared = self.clear(&mut here, blocking)?;
        extra.retain(|(path, _)| !cleared.contains(path));
        if self.options.exact {
            outcome.removed.extend(cleared);
        }
        self.write_all(&root, &states, &mut outcome)?;
        self.remove(&mut here, extra, &empty_dirs, &mut outcome)?;
        outcome.removed.sort();
        Ok(outcome)
    }

    fn write_all(&self, root: &Dest, states: &[Todo], outcome: &mut RestoreOutcome) -> Result<()> {
        let dry_run = self.options.dry_run;
        let mut filler = Filler::new(self.store, root, self.context, Mode::InUse);
        let mut here = root.again()?;
        let mut links = HashSet::new();
        for (number, (entry, todo)) in (0..).zip(self.entries()?.zip(states)) {
            let entry = entry?;
            if *todo == Todo::Keep {
                continue;
            }
            outcome.restored_files += u64::from(entry.file().is_some());
            if dry_run {
                outcome.restored.push(entry.path);
                continue;
            }
            match (&entry.kind, todo) {
                (EntryKind::File(body), Todo::SetMode) => {
                    if let There::File(stat) = here.look(&entry.path)? {
                        here.set_executable(&entry.path, &stat, body.executable)?;
                    }
                }
                (EntryKind::File(body), _) => filler.add(entry.path, body)?,
                (EntryKind::EmptyDir, _) => {
                    if matches!(here.look(&entry.path)?, There::File(_) | There::Symlink(_) | There::Special) {
                        here.remove(&entry.path)?;
                    }
                    here.make_dir(&entry.path)?;
                }
                (EntryKind::Symlink(_), _) => {
                    links.insert(entry.path);
                }
                (EntryKind::Reference(to), _) => {
                    let temp = temp_beside(&entry.path, REFERENCE_NUMBERS + number)?;
                    self.restore_reference(&mut here, &entry.path, to, &temp, outcome)?;
                }
            }
        }
        filler.flush()?;
        if links.is_empty() { Ok(()) } else { self.make_links(&mut here, &links) }
    }

    fn make_links(&self, here: &mut Dest, only: &HashSet<EntryPath>) -> Result<()> {
        for (number, entry) in self.entries()?.enumerate() {
            let entry = entry?;
            if let EntryKind::Symlink(target) = &entry.kind
                && (only.is_empty() || only.contains(&entry.path))
            {
                let temp = temp_beside(&entry.path, LINK_NUMBERS + number as u64)?;
                here.make_link(&entry.path, &target.0, &temp)?;
            }
        }
        Ok(())
    }

    fn check_link(&self, path: &EntryPath, target: &[u8]) -> Result<()> {
        let depth = path.as_bytes().iter().filter(|&&b| b == b'/').count();
        if self.options.unsafe_links || link_stays_inside(depth, target) {
            return Ok(());
        }
        Err(Error::damaged(format!("cannot restore the link {}: its target {} lies outside", quote(path.as_bytes()), quote(target)))
            .hint("`--unsafe-links` makes it all the same; make sure that you trust who stored it"))
    }

    /// Refuses names that the file system of `dir` cannot keep apart, before anything is written.
    fn check_names(&self, dir: &Path) -> Result<()> {
        let Some(fold) = folding(dir)? else { return Ok(()) };
        let mut seen = std::collections::HashMap::new();
        for entry in self.entries()? {
            let path = entry?.path;
            // Every directory of the path can clash as well, but is the same directory each time.
            let ends = path.as_bytes().iter().enumerate().filter(|(_, b)| **b == b'/').map(|(at, _)| at).chain([path.as_bytes().len()]);
            for end in ends {
                let name = &path.as_bytes()[..end];
                let other = seen.entry(fold(name)).or_insert_with(|| name.to_vec());
                if other != name {
                    return Err(Error::refused(format!(
                        "cannot restore {} and {}: this file system takes them for one name",
                        quote(other),
                        quote(name)
                    ))
                    .hint("restore to another file system, or only a part with `--path`"));
                }
            }
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Todo {
    Keep,
    SetMode,
    Write,
}

impl RestoreOutcome {
    fn is_lacking(&self, path: &EntryPath) -> bool {
        self.lacking.binary_search_by(|lacking| lacking.path.cmp(path)).is_ok()
    }

    fn count(&mut self, entry: &Entry) {
        self.file_count += u64::from(entry.file().is_some());
        self.size_bytes += entry.kind.size_bytes();
    }
}

/// The error for a path that a version does not have.
pub(in crate::ops) fn no_such_path(version: &Version, path: &EntryPath) -> Error {
    Error::not_found(format!("cannot find {} in {}", quote(path.as_bytes()), version.full_name()))
        .hint(format!("`art ls {}` lists what it holds", version.full_name()))
}
