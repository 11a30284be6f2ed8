//! The git repos round a store, asked of `git` itself: their working trees, indexes, refs, stashes
//! and older commits. What the commits hold is read in `objects.rs`.
//!
//! Whether something may be deleted hangs on the answers, so what `git` cannot tell is an error,
//! never an empty answer. Variables that point git at other places are taken away, and nothing is
//! fetched.

pub(crate) mod around;
pub(super) mod held;
pub(crate) mod hook;
pub(super) mod objects;
pub(crate) mod rules;
pub(crate) mod tree;

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Error, Result};
use crate::quote::{quote, quote_path};
use crate::refs::read::is_dir;
use crate::store::guard::is_guarded;

/// What `git rev-parse --local-env-vars` lists, and what else changes where git looks or how it
/// reads paths.
pub(crate) const TAKEN_AWAY: [&str; 21] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
    "GIT_OBJECT_DIRECTORY",
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_GRAFT_FILE",
    "GIT_INDEX_FILE",
    "GIT_REPLACE_REF_BASE",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_COMMON_DIR",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NAMESPACE",
    "GIT_CEILING_DIRECTORIES",
    "GIT_LITERAL_PATHSPECS",
    "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
];

/// The empty file, as repos of either hash name it. An index lists it for a file that
/// `git add --intent-to-add` has announced, and the store has none.
const EMPTY_BLOBS: [&str; 2] =
    ["e69de29bb2d1d6434b8b29ae775ad8c2e48c5391", "473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813"];

/// Where a git directory names stashes that git made by itself.
const STASHES: [&str; 3] = ["rebase-merge/autostash", "rebase-apply/autostash", "MERGE_AUTOSTASH"];

/// Where it names commits that are being merged or picked.
const PICKED: [&str; 3] = ["MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD"];

/// How git begins to say, in English, that nothing points it to a repo and that there is none above.
const NO_REPO: &str = "fatal: not a git repository (or any ";

/// The name of an object of git: hex digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Oid(pub(super) String);

/// A git repo in whose working trees a store lies.
#[derive(Debug)]
pub(super) struct Repo {
    /// Where its objects are.
    pub(super) common: PathBuf,
    /// Where the store lies in a working tree; empty if it is the tree.
    pub(super) store: PathBuf,
    /// Whether older commits were left out when it was cloned.
    pub(super) is_shallow: bool,
    /// All its working trees.
    pub(super) worktrees: Vec<Worktree>,
}

/// A working tree with its index and `HEAD`.
#[derive(Debug)]
pub(super) struct Worktree {
    git_dir: PathBuf,
    /// Where the files are, unless they are gone or the repo has none.
    pub(super) top: Option<PathBuf>,
    /// How git names its head.
    pub(super) head: String,
}

/// A file that an index lists.
#[derive(Debug)]
pub(super) struct Staged {
    /// Where, relative to the store.
    pub(super) path: PathBuf,
    pub(super) blob: Oid,
}

/// How a file of git looked: where it looks the same, nothing was committed or switched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    path: PathBuf,
    look: Option<(u64, u64, i64, i64)>,
}

impl Repo {
    /// Finds the repos in whose working trees the store at `root` lies: the one round it, one that
    /// the store itself is the top of, and one that the environment points to.
    pub(super) fn all_around(root: &Path) -> Result<Vec<Repo>> {
        let root = fs::canonicalize(root).map_err(|e| Error::io("find", root, e))?;
        let mut repos: Vec<Repo> = Vec::new();
        if let Some(project) = root.parent() {
            if project.ancestors().any(has_git) {
                repos.extend(Repo::find(&root, project, git)?);
            }
            // Such as a bare repo of a home directory.
            let pointed_to = if is_pointed_to(project)? { Repo::find(&root, project, plain_git)? } else { None };
            repos.extend(pointed_to.filter(|other| repos.iter().all(|repo| repo.common != other.common)));
        }
        if has_git(&root) && !is_guarded(&root)? {
            repos.extend(Repo::find(&root, &root, git)?);
        }
        Ok(repos)
    }

    fn find(root: &Path, dir: &Path, git: impl Fn() -> Command) -> Result<Option<Repo>> {
        let ask = |what: &str| -> Result<Vec<u8>> { line(git().current_dir(dir).args(["rev-parse", what])) };
        if ask("--is-inside-work-tree")? != b"true" {
            if ask("--is-inside-git-dir")? == b"true" {
                return Ok(None);
            }
            return Err(Error::damaged(format!("cannot ask git about {}: it says that this is in no working tree", quote_path(dir)))
                .hint("look at `git config core.bare` and `core.worktree`"));
        }
        let top = fs::canonicalize(path(ask("--show-toplevel")?)).map_err(|e| Error::io("find the working tree of", root, e))?;
        let Ok(store) = root.strip_prefix(&top) else { return Ok(None) };
        let absolute = |answer: Vec<u8>| fs::canonicalize(dir.join(path(answer))).map_err(|e| Error::io("find the git repo of", root, e));
        let (common, git_dir) = (absolute(ask("--git-common-dir")?)?, absolute(ask("--absolute-git-dir")?)?);
        let is_shallow = ask("--is-shallow-repository")? == b"true";
        let main_top = if git_dir == common { Some(top) } else { main_top(&common) };
        let mut worktrees = vec![Worktree { git_dir: common.clone(), top: main_top, head: "main-worktree/HEAD".to_owned() }];
        worktrees.extend(linked(&common)?);
        Ok(Some(Repo { common, store: store.to_owned(), is_shallow, worktrees }))
    }

    /// Lists where the store is in the other working trees.
    pub(super) fn other_stores(&self, root: &Path) -> Result<Vec<PathBuf>> {
        let real = |path: &Path| fs::canonicalize(path).map_err(|e| Error::io("find", path, e));
        let mut others = Vec::new();
        for store in self.worktrees.iter().filter_map(|worktree| worktree.top.as_ref()).map(|top| top.join(&self.store)) {
            if is_dir(&store)? && real(root)? != real(&store)? {
                others.push(store);
            }
        }
        Ok(others)
    }

    /// Lists refs with what they point to, those that only one working tree has too.
    pub(super) fn refs(&self) -> Result<Vec<(Oid, String)>> {
        let mut refs = Vec::new();
        for worktree in &self.worktrees {
            let mut command = git_in(&worktree.git_dir);
            command.args(["for-each-ref", "--format=%(objectname) %(refname)"]);
            if worktree.git_dir != self.common {
                command.args(["refs/bisect", "refs/worktree", "refs/rewritten"]);
            }
            for line in lines(&output(&mut command)?) {
                let (oid, name) = line.split_once(' ').ok_or_else(|| unexpected("for-each-ref"))?;
                refs.push((Oid(oid.to_owned()), name.to_owned()));
            }
        }
        Ok(refs)
    }

    /// Looks at the files that git changes with every commit, switch, stash and move of a ref, without
    /// asking it.
    pub(super) fn stamp(&self) -> Result<Vec<Stamp>> {
        let mut stamps = Vec::new();
        let git_dirs: BTreeSet<&PathBuf> = self.worktrees.iter().map(|worktree| &worktree.git_dir).chain([&self.common]).collect();
        for git_dir in git_dirs {
            for name in ["HEAD", "index", "packed-refs", "logs/HEAD", "logs/refs/stash", "worktrees"].iter().chain(&STASHES).chain(&PICKED)
            {
                stamps.push(Stamp::take(git_dir.join(name))?);
            }
            for name in ["refs", "reftable"] {
                stamp_below(git_dir.join(name), &mut stamps)?;
            }
        }
        Ok(stamps)
    }

    /// Lists commits that only an operation under way names: stashes that git made by itself, and
    /// what is being merged or picked.
    pub(super) fn under_way(&self) -> Result<(Vec<Oid>, Vec<Oid>)> {
        let (mut stashes, mut commits) = (Vec::new(), Vec::new());
        for Worktree { git_dir, .. } in &self.worktrees {
            for name in STASHES {
                stashes.extend(ids_in(&git_dir.join(name))?);
            }
            for name in PICKED {
                commits.extend(ids_in(&git_dir.join(name))?);
            }
        }
        Ok((stashes, commits))
    }

    /// Lists the commits of every stash.
    pub(super) fn stashes(&self, tip: &Oid) -> Result<Vec<Oid>> {
        let older = output(git_in(&self.common).args(["rev-list", "--walk-reflogs", "refs/stash", "--"]))?;
        let mut stashes: Vec<Oid> = std::iter::once(tip.clone()).chain(lines(&older).map(Oid)).collect();
        stashes.sort();
        stashes.dedup();
        Ok(stashes)
    }

    /// Lists the trees of all commits, also of those that only a reflog knows, in which the store
    /// is as it is in no parent. A merge that is as one of its parents is left out, so every state
    /// of the store is in one commit that is listed.
    pub(super) fn history(&self) -> Result<Vec<Oid>> {
        let mut command = git_in(&self.common);
        command.args(["rev-list", "--all", "--reflog", "--full-history", "--format=%T", "--"]).args(self.pathspec());
        let listed = output(&mut command)?;
        Ok(lines(&listed).filter(|line| !line.starts_with("commit ")).map(Oid).collect())
    }

    /// Lists the files of the store in the index of a working tree.
    pub(super) fn staged(&self, worktree: &Worktree) -> Result<Vec<Staged>> {
        let mut command = git_in(&worktree.git_dir);
        let listed = output(command.args(["ls-files", "--stage", "--full-name", "-z", "--"]).args(self.pathspec()))?;
        let mut staged = Vec::new();
        for entry in listed.split(|&b| b == 0).filter(|entry| !entry.is_empty()) {
            let tab = entry.iter().position(|&b| b == b'\t').ok_or_else(|| unexpected("ls-files"))?;
            let (about, path) = (String::from_utf8_lossy(&entry[..tab]), Path::new(OsStr::from_bytes(&entry[tab + 1..])));
            let blob = about.split(' ').nth(1).ok_or_else(|| unexpected("ls-files"))?;
            let is_announced = EMPTY_BLOBS.contains(&blob);
            if let Ok(path) = path.strip_prefix(&self.store)
                && !is_announced
            {
                staged.push(Staged { path: path.to_owned(), blob: Oid(blob.to_owned()) });
            }
        }
        Ok(staged)
    }

    fn pathspec(&self) -> Option<&Path> {
        Some(self.store.as_path()).filter(|path| !path.as_os_str().is_empty())
    }
}

impl Worktree {
    /// Whether its head is a commit and no branch.
    pub(super) fn is_detached(&self) -> bool {
        fs::read(self.git_dir.join("HEAD")).is_ok_and(|head| !head.starts_with(b"ref:"))
    }
}

impl Stamp {
    fn take(path: PathBuf) -> Result<Stamp> {
        let look = match fs::symlink_metadata(&path) {
            Ok(meta) => Some((meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec())),
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => None,
            Err(e) => return Err(Error::io("look at", &path, e)),
        };
        Ok(Stamp { path, look })
    }

    /// Whether the file still looks the same.
    pub(super) fn holds(&self) -> Result<bool> {
        Ok(Stamp::take(self.path.clone())? == *self)
    }
}

/// Looks at a directory and all below it: a ref that moves is a new file, and its directory changes.
fn stamp_below(dir: PathBuf, stamps: &mut Vec<Stamp>) -> Result<()> {
    stamps.push(Stamp::take(dir.clone())?);
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(()),
        Err(e) => return Err(Error::io("list", &dir, e)),
    };
    for entry in entries {
        let entry = entry.map_err(|e| Error::io("list", &dir, e))?;
        match entry.file_type().map_err(|e| Error::io("look at", &entry.path(), e))?.is_dir() {
            true => stamp_below(entry.path(), stamps)?,
            false => stamps.push(Stamp::take(entry.path())?),
        }
    }
    Ok(())
}

/// Reads the ids of commits that a file of a git directory names, one a line.
fn ids_in(path: &Path) -> Result<Vec<Oid>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.lines().map(|line| Oid(line.trim().to_owned())).filter(|oid| !oid.0.is_empty()).collect()),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(Vec::new()),
        Err(e) => Err(Error::io("read", path, e)),
    }
}

/// Whether git finds a repo from a directory by its environment, and the directory is in its
/// working tree. That it may point elsewhere is no failure.
fn is_pointed_to(dir: &Path) -> Result<bool> {
    let asked = plain_git().current_dir(dir).env("LC_ALL", "C").args(["rev-parse", "--is-inside-work-tree"]).output();
    match asked {
        // Nothing is found round the directory either.
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(cannot_run(e)),
        Ok(told) if told.status.success() => Ok(told.stdout == b"true\n"),
        Ok(told) if told.stderr.starts_with(NO_REPO.as_bytes()) => Ok(false),
        Ok(told) => {
            Err(failed_saying(&told.stderr)
                .hint("mend the repo that `GIT_DIR` points to, or unset it if the store is not in its working tree"))
        }
    }
}

/// Finds the main working tree from a linked one.
fn main_top(common: &Path) -> Option<PathBuf> {
    // In the directory of a repo this is answered only where a setting names the tree.
    let told = line(git().current_dir(common).args(["rev-parse", "--show-toplevel"])).ok().map(path);
    told.or_else(|| common.parent().filter(|_| common.ends_with(".git")).map(Path::to_owned))
}

/// Lists the linked working trees, those whose files are gone too: their index and `HEAD` count
/// until git prunes them.
fn linked(common: &Path) -> Result<Vec<Worktree>> {
    let dir = common.join("worktrees");
    let entries = match fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::io("list", &dir, e)),
    };
    let mut worktrees = Vec::new();
    for entry in entries {
        let git_dir = entry.map_err(|e| Error::io("list", &dir, e))?.path();
        let told = around::top_of(&git_dir).map_err(|e| Error::io("read", &git_dir.join("gitdir"), e))?;
        let Some(told) = told else { continue };
        let exists = |path: &Path| path.try_exists().map_err(|e| Error::io("look at", path, e));
        let top = if exists(&told)? { Some(told) } else { None };
        if top.is_none() && exists(&git_dir.join("locked"))? {
            return Err(Error::damaged(format!(
                "cannot look into a linked worktree: {} is locked and its files are not here",
                quote_path(&git_dir)
            ))
            .hint("mount the disk that it lies on, or, if it is gone for good, run `git worktree unlock` and `git worktree prune`"));
        }
        let name = git_dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        worktrees.push(Worktree { head: format!("worktrees/{name}/HEAD"), git_dir, top });
    }
    Ok(worktrees)
}

/// Whether there may be a repo: where that cannot be told git is asked, and says why.
fn has_git(dir: &Path) -> bool {
    let absent = |e: io::Error| matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory);
    !fs::symlink_metadata(dir.join(".git")).is_err_and(absent)
}

fn plain_git() -> Command {
    let mut command = Command::new("git");
    // Literal paths, so that a store's path is no pattern; no program of the user's is run.
    command.args(["--literal-pathspecs", "-c", "core.fsmonitor=false"]).stdin(Stdio::null());
    command.env("GIT_OPTIONAL_LOCKS", "0").env("GIT_NO_LAZY_FETCH", "1").env("GIT_TERMINAL_PROMPT", "0");
    // A replaced object and what replaces it are both looked at: all refs are.
    command.env("GIT_NO_REPLACE_OBJECTS", "1").env("GIT_DISCOVERY_ACROSS_FILESYSTEM", "1");
    command
}

fn git() -> Command {
    let mut command = plain_git();
    TAKEN_AWAY.iter().for_each(|name| {
        command.env_remove(name);
    });
    command
}

fn git_in(git_dir: &Path) -> Command {
    let mut command = git();
    let mut option = OsString::from("--git-dir=");
    option.push(git_dir);
    command.arg(option).current_dir(git_dir);
    command
}

/// Runs a command of git and returns what it prints; whatever keeps it from an answer is an error.
fn output(command: &mut Command) -> Result<Vec<u8>> {
    let output = command.output().map_err(cannot_run)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(failed_saying(&output.stderr))
}

fn failed_saying(stderr: &[u8]) -> Error {
    let said = String::from_utf8_lossy(stderr);
    let said = said.lines().find(|line| line.starts_with("fatal:") || line.starts_with("error:")).unwrap_or("it does not say why");
    let error = failed(&format!("git fails: {}", quote(said.as_bytes())));
    if said.contains("dubious ownership") {
        return error.hint("the repo is of another user: if you trust it, run `git config --global --add safe.directory` with its path");
    }
    error.hint("see what `git status` and `git fsck` say there, mend that, and run the command again")
}

fn line(command: &mut Command) -> Result<Vec<u8>> {
    let mut line = output(command)?;
    line.pop_if(|last| *last == b'\n');
    Ok(line)
}

fn lines(output: &[u8]) -> impl Iterator<Item = String> {
    String::from_utf8_lossy(output).lines().map(str::to_owned).collect::<Vec<_>>().into_iter()
}

fn path(bytes: Vec<u8>) -> PathBuf {
    OsString::from_vec(bytes).into()
}

fn as_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// Yields the paths that are told with a NUL after each.
fn paths(told: &[u8]) -> impl Iterator<Item = PathBuf> {
    told.split(|&b| b == 0).filter(|path| !path.is_empty()).map(|path| as_path(path).to_owned())
}

fn cannot_run(error: io::Error) -> Error {
    Error::damaged("cannot tell what the git repo round the store holds: cannot run `git`")
        .hint("install git: what its commits hold must not be deleted")
        .because(error)
}

fn unexpected(command: &str) -> Error {
    failed(&format!("`git {command}` prints what this program does not know"))
}

/// Makes the error of a repo that does not tell what it holds.
pub(super) fn failed(why: &str) -> Error {
    Error::damaged(format!("cannot tell what the git repo round the store holds: {why}"))
        .hint("run `git fsck`, mend the repo, and run the command again")
}
