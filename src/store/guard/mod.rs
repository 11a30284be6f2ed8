//! What keeps `git clean` from destroying what was stored: a nested `.git` that is no repo, which it
//! passes over, and second names of what no commit holds yet (`kept.rs`, `names.rs`).
//!
//! The guard stands in a folder that git ignores, by the store's own `.gitignore` and by a line in
//! the repo's `info/exclude` (`exclude.rs`): where neither tells, git takes the folder for a repo
//! without a commit, and `git add` fails.

mod exclude;
mod kept;
mod mode;
mod names;

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::durable::{Disk, Keep, sync_dir};
use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::open::open_regular;
use crate::quote::{quote_path, shell_word};
use crate::store::FORMAT_FILE;
use crate::store::git::around::Around;
use crate::store::git::held::{Elsewhere, elsewhere};
use crate::store::git::tree::tracked;
use crate::store::quarantine::QUARANTINE;
use crate::store::worktrees::layout_in;
pub(crate) use kept::{DamagedKept, Tended};
pub use mode::GitMode;
pub(crate) use mode::{IGNORE_FILE, mode_of};
use mode::{RULES_ALL, RULES_ALL_BEFORE, mode_by, read_rules, unread};
pub(crate) use names::Kept;

/// What the guard's `HEAD` says: that it is ours, and no repo.
const GUARD_HEAD: &str = "ref: refs/heads/guarded-by-artstore\n";

/// What its `config` says: a format that no git knows, so that one which is run inside of it does nothing.
const GUARD_CONFIG: &str = "# Of `art`: no repo, and not to be cleaned.\n[core]\n\trepositoryformatversion = 999\n";

/// Where second names lie.
pub(crate) const KEEP_DIR: &str = "packs/keep";

/// Bytes of a file for git that are looked at.
const LEN_MAX: u64 = 64 << 10;

const RECORDS: &[&str] = &["refs", "runs", "gc"];

/// Directories of all that some mode gives second names to.
const EVER: &[&str] = &["packs", "meta", "refs", "runs", "gc"];

/// What brings back a store that is gone but for what is guarded.
pub(crate) enum WayBack {
    /// To take it from where git has it.
    Git(Elsewhere),
    /// To put back what `git clean` took.
    Repair,
}

/// A store in a git repo, as far as guarding goes.
#[derive(Clone, Debug)]
pub(crate) struct Guard {
    layout: Layout,
    mode: GitMode,
    /// Whether git tracks files in the folder that the mode guards, as far as was last seen: `git clean` goes in
    /// for their sake, so the guard stands further in too, and all is kept that is kept in mode `all`.
    goes_in: bool,
    /// Whether its `.gitignore` is there: `git clean` may have left but the guard.
    has_rules: bool,
    repo: Around,
}

impl WayBack {
    /// Says what to do.
    pub(crate) fn hint(&self, root: &Path) -> String {
        let store = shell_word(root);
        let new = "`art init` makes a new store here, with what no commit has";
        match self {
            WayBack::Repair => "run `art repair`: it puts back what `git clean` took".to_owned(),
            WayBack::Git(Elsewhere::Head(command)) => format!("git has the store: run `{command}`"),
            WayBack::Git(Elsewhere::Stash) => "git has stashed the store: run `git stash pop`".to_owned(),
            WayBack::Git(Elsewhere::Branch(branch)) => {
                let branch = shell_word(Path::new(branch));
                format!("branch {branch} has the store: run `git switch {branch}`, or here `git checkout {branch} -- {store}`; {new}")
            }
            WayBack::Git(Elsewhere::Commit(commit)) => {
                let commit = shell_word(Path::new(commit));
                format!("{commit} has the store: run `git checkout {commit} -- {store}`; {new}")
            }
        }
    }
}

/// Says what brings a store back of which little but what is guarded is left, if it is one: git has it elsewhere,
/// or `git clean` took it.
pub(crate) fn way_back(root: &Path) -> Option<WayBack> {
    let mode = GitMode::of_guard(root).ok().flatten()?;
    // What git has of one of which it commits nothing is of another mode's time.
    let repo = Around::find(root).ok().flatten().filter(|_| mode != GitMode::None);
    let found = repo.and_then(|repo| elsewhere(&repo, Path::new(FORMAT_FILE)).ok().flatten());
    Some(found.map_or(WayBack::Repair, WayBack::Git))
}

/// Whether the `.git` in a folder is a guard, and no repo.
pub(crate) fn is_guarded(dir: &Path) -> Result<bool> {
    let dot_git = dir.join(".git");
    // As an older program made it, it has no configuration; `git init` made a repo of that.
    Ok(says(&dot_git.join("HEAD"), GUARD_HEAD)? == Some(true) && says(&dot_git.join("config"), GUARD_CONFIG)?.unwrap_or(true))
}

/// Whether a guard keeps a git off that is run inside of it, too.
fn is_closed(dir: &Path) -> Result<bool> {
    Ok(is_guarded(dir)? && says(&dir.join(".git/config"), GUARD_CONFIG)? == Some(true))
}

/// Whether a file of git says just this; none if it is not there.
fn says(path: &Path, content: &str) -> Result<Option<bool>> {
    use io::ErrorKind::{InvalidInput, NotADirectory, NotFound, PermissionDenied};
    match read(path) {
        Ok(bytes) => Ok(Some(bytes == content.as_bytes())),
        Err(e) if matches!(e.kind(), NotFound | NotADirectory) => Ok(None),
        Err(e) if matches!(e.kind(), InvalidInput | PermissionDenied) => Ok(Some(false)),
        Err(e) => Err(Error::io("read", path, e)),
    }
}

/// Whether a `.git` is a repo of its own, and neither a guard nor one that a killed try left unfinished.
fn is_repo(dot_git: &Path) -> Result<bool> {
    let has_head = fs::symlink_metadata(dot_git.join("HEAD")).is_ok();
    let begun = dot_git.is_dir() && !has_head && says(&dot_git.join("config"), GUARD_CONFIG)?.unwrap_or(true);
    Ok(dot_git.exists() && !begun && !dot_git.parent().map_or(Ok(false), is_guarded)?)
}

/// Returns the first folder that holds a guard.
fn first_guarded(mut folders: impl Iterator<Item = PathBuf>) -> Result<Option<PathBuf>> {
    folders.find_map(|folder| is_guarded(&folder).map(|is| is.then_some(folder)).transpose()).transpose()
}

impl Guard {
    /// Looks at a store; none where no git repo is round it, its `.gitignore` leaves no room, or neither that nor a
    /// guard is there.
    ///
    /// # Errors
    ///
    /// If `.gitignore` cannot be read, or is no file: nothing would be guarded.
    pub(crate) fn of(root: &Path) -> Result<Option<Guard>> {
        let Some(repo) = Around::find(root)? else { return Ok(None) };
        let rules = read_rules(root).map_err(|e| unread(root, e))?;
        let Some(mode) = mode_by(root, rules.as_deref())? else { return Ok(None) };
        let layout = layout_in(root, &repo, mode)?;
        let goes_in = mode != GitMode::All && first_guarded(layout.folders(KEEP_DIR.as_ref()))?.is_some();
        Ok(Some(Guard { layout, mode, goes_in, has_rules: rules.is_some(), repo }))
    }

    /// Returns what git commits.
    pub(crate) fn mode(&self) -> GitMode {
        self.mode
    }

    /// Returns where the guard stands, relative to the store.
    pub(crate) fn place(&self) -> &'static Path {
        self.mode.place()
    }

    /// Returns the folder in which the guard of another mode stands: where git commits it is in the way.
    pub(crate) fn strays_in(&self) -> Result<Option<&'static Path>> {
        let places = self.places();
        for place in GitMode::ALL.map(GitMode::place).into_iter().filter(|place| !places.contains(place)) {
            if first_guarded(self.layout.folders(place))?.is_some() {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    /// Lists the files below a folder of the store that git tracks, of what is shared too.
    pub(crate) fn tracked(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        let part = self.repo.store.join(folder);
        let mut files = tracked(&self.repo.top, &part)?;
        if self.layout.shared().is_some()
            && let Some(main) = self.repo.main()?
        {
            files.extend(tracked(&main, &part)?);
        }
        Ok(files)
    }

    /// Asks git whether it tracks files where it is to commit none.
    ///
    /// # Errors
    ///
    /// If git cannot be asked, or it does where nothing else holds it off.
    fn ask_what_is_tracked(&mut self) -> Result<()> {
        let files = self.tracked(self.place())?;
        let kept = self.repo.store.join(KEEP_DIR);
        let in_keep = files.iter().filter(|file| file.starts_with(&kept)).count();
        self.goes_in = self.mode != GitMode::All && !files.is_empty();
        if in_keep == 0 {
            return Ok(());
        }
        Err(Error::failed(format!("git tracks {in_keep} of the files that `art` keeps in {}: see `art doctor`", quote_path(&kept))))
    }

    /// Returns the repo that is in the guard's place.
    pub(crate) fn repo_in_its_place(&self) -> Result<Option<PathBuf>> {
        let dot_git = self.place().join(".git");
        let is_any = self.layout.folders(&dot_git).try_fold(false, |is_any, dir| Ok::<_, Error>(is_any || is_repo(&dir)?))?;
        Ok(is_any.then_some(dot_git))
    }

    /// Returns the folder that is a link where data is guarded: git ignores folders there, and `git clean` removes it.
    pub(crate) fn link_in_its_place(&self) -> Option<PathBuf> {
        let is_link = |folder: &PathBuf| fs::symlink_metadata(folder).is_ok_and(|meta| meta.is_symlink());
        let places: &[&str] = if self.mode == GitMode::None { &[] } else { &["packs", KEEP_DIR] };
        places.iter().flat_map(|place| self.layout.folders(Path::new(place))).find(is_link)
    }

    /// Returns where the guard stands: in the place of its mode, and further in where git goes in there.
    fn places(&self) -> Vec<&'static Path> {
        let further_in = self.goes_in.then(|| GitMode::All.place());
        [self.place()].into_iter().chain(further_in).collect()
    }

    /// Returns which files get second names: all that the guard does not cover.
    pub(crate) fn keep(&self) -> Keep {
        let (packs, records): (&[&str], &[&str]) = match if self.goes_in { GitMode::All } else { self.mode } {
            GitMode::Split => (&["meta"], RECORDS),
            GitMode::All => (&["meta", "packs"], RECORDS),
            GitMode::None => (&[], &[]),
        };
        Keep { dir: self.layout.folder(KEEP_DIR.as_ref()), packs, records, ever: EVER }
    }

    /// Tells by what a store is guarded as it is now: its mode, and whether git goes in.
    pub(crate) fn standing(root: &Path) -> Result<Option<(GitMode, bool)>> {
        let Some(guard) = Guard::of(root)? else { return Ok(None) };
        Ok(guard.stands()?.then_some((guard.mode, guard.goes_in)))
    }

    /// Whether all stands that this makes.
    pub(crate) fn stands(&self) -> Result<bool> {
        self.all_places(is_closed)
    }

    /// Whether it stands as this makes it, or as an older program made it.
    pub(crate) fn keeps_off(&self) -> Result<bool> {
        self.all_places(is_guarded)
    }

    fn all_places(&self, holds: impl Fn(&Path) -> Result<bool>) -> Result<bool> {
        let mut folders = self.places().into_iter().flat_map(|place| self.layout.folders(place));
        folders.try_fold(true, |all, folder| Ok(all && holds(&folder)?))
    }

    /// Whether the repo ignores on every branch what git does not commit, by lines of its own.
    pub(crate) fn is_excluded(&self) -> Result<bool> {
        exclude::has_all(&self.repo, &self.excluded())
    }

    /// Sees to those lines.
    pub(crate) fn exclude(&self) -> Result<()> {
        let others: Vec<&Path> = GitMode::ALL.into_iter().filter(|mode| *mode != self.mode).map(GitMode::place).collect();
        exclude::exclude(&self.repo, &self.excluded(), &others)
    }

    fn excluded(&self) -> [&Path; 3] {
        [self.mode.place(), Path::new("local"), Path::new(QUARANTINE)]
    }

    /// Makes the guard, durably: in a linked worktree also of what it shares, of which nothing else has
    /// synced where it lies. Then takes away one of another mode: in a folder that git commits it would be
    /// in the way.
    pub(crate) fn make(&self, local: &Path) -> Result<()> {
        if let Some((shared, base)) = self.layout.shared().zip(self.repo.shared_base()?) {
            let disk = Disk::new(shared, local)?;
            disk.sync_above(&base)?;
            self.make_in(shared, &disk)?;
        }
        let disk = Disk::new(self.layout.root(), local)?;
        if !self.has_rules {
            write(&disk, Path::new(IGNORE_FILE), self.mode.rules())?;
        }
        self.make_in(self.layout.root(), &disk)?;
        // Last: as long as one is there, a later try does all of this again.
        while let Some(other) = self.strays_in()? {
            while let Some(folder) = first_guarded(self.layout.folders(other))? {
                let dir = folder.join(".git");
                fs::remove_dir_all(&dir).map_err(|e| Error::io("remove", &dir, e))?;
                // One that came back would tell of another mode once `git clean` has taken the rules.
                sync_dir(&folder)?;
            }
        }
        Ok(())
    }

    fn make_in(&self, base: &Path, disk: &Disk) -> Result<()> {
        if read(&base.join(IGNORE_FILE)).is_ok_and(|rules| rules == RULES_ALL_BEFORE.as_bytes()) {
            write(disk, Path::new(IGNORE_FILE), RULES_ALL)?;
        }
        for dir in self.places().into_iter().map(|place| place.join(".git")) {
            if self.repo.leads_here() && !is_repo(&base.join(&dir))? {
                exclude::exclude(&self.repo, &self.excluded(), &[])?;
                disk.make_dir(&dir.join("objects"))?;
                disk.make_dir(&dir.join("refs"))?;
                write(disk, &dir.join("config"), GUARD_CONFIG)?;
                write(disk, &dir.join("HEAD"), GUARD_HEAD)?;
                self.exclude()?;
            }
        }
        Ok(())
    }
}

/// Reads a file that is there for git, which somebody else may have put there: no link, and no more of it than
/// `art` would write.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open_regular(path)?.take(LEN_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes a file that is there for git, durably, over what may be there.
pub(crate) fn write(disk: &Disk, relative: &Path, content: &str) -> Result<()> {
    let mut draft = disk.draft()?;
    draft.write_all(content.as_bytes())?;
    disk.publish(draft, relative, |path| Ok(read(path).is_ok_and(|bytes| bytes == content.as_bytes())))
}
