//! Whether git holds certain files of a store: quick questions, for writers.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::around::Around;
use super::objects::Objects;
use super::tree::is_sparse;
use super::{Oid, STASHES, Stamp, cannot_run, failed, git, ids_in, lines, output, stamp_below, unexpected};
use crate::error::Result;
use crate::quote::shell_word;

/// Files asked for before the first answer is read: questions and answers must fit pipes.
const ASKED_MAX: usize = 32;

/// Paths that one command gets.
const PATHS_MAX: usize = 256;

/// What helps where git cannot tell what older commits have.
const HISTORY_HINT: &str = "in a clone without all trees `git log --all --raw -- .artifacts` fetches them; \
                            else see what `git fsck` says, mend that, and run the command again";

/// Looks at what changes whenever something is committed, switched or stashed in a working tree, or in the main one.
pub(in crate::store) fn stamp(repo: &Around) -> Result<String> {
    let mut text = String::new();
    for git_dir in BTreeSet::from([&repo.git_dir, &repo.common]) {
        for name in ["HEAD", "index", "logs/HEAD", "logs/refs/stash", "reftable/tables.list"] {
            let _ = writeln!(text, "{:?}", Stamp::take(git_dir.join(name))?.look);
        }
    }
    Ok(text)
}

/// Looks at all reflogs, too, and what else tells what git has aside.
pub(in crate::store) fn stamp_of_reflogs(repo: &Around) -> Result<String> {
    let mut stamps = vec![Stamp::take(repo.common.join("packed-refs"))?];
    for git_dir in repo.git_dirs()? {
        stamp_below(git_dir.join("logs"), &mut stamps)?;
        STASHES.iter().try_for_each(|name| Stamp::take(git_dir.join(name)).map(|stamp| stamps.push(stamp)))?;
    }
    Ok(blake3::hash(format!("{stamps:?}").as_bytes()).to_hex().to_string())
}

/// Whether the commit at `HEAD` is that of a branch: else git forgets it by itself once `HEAD` is elsewhere.
pub(in crate::store) fn is_on_branch(repo: &Around) -> bool {
    if repo.common.join("reftable").exists() {
        return output(git().current_dir(&repo.top).args(["symbolic-ref", "--quiet", "HEAD"])).is_ok();
    }
    fs::read(repo.git_dir.join("HEAD")).is_ok_and(|head| head.starts_with(b"ref:"))
}

/// A file as the commit at `HEAD` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct Blob {
    pub(in crate::store) id: Oid,
    pub(in crate::store) len: u64,
}

/// Returns what the commit at `HEAD` has of each of some files, given relative to the store.
pub(in crate::store) fn in_head(top: &Path, store: &Path, paths: &[&Path]) -> Result<Vec<Option<Blob>>> {
    blobs_of(top, &paths.iter().map(|path| named("HEAD", &store.join(path))).collect::<Vec<_>>())
}

/// Which commits are asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Commits {
    /// Those of branches and of tags: git forgets them when it is told to.
    OfRefs,
    /// All that git has. Much of it it forgets by itself: `git stash pop` drops what it restores, reflogs and
    /// the heads of worktrees that are gone expire, and branches of a remote go with the next fetch.
    All,
}

/// Where git has a file of a store that is gone from its place.
pub(crate) enum Elsewhere {
    /// In the commit at `HEAD`, for it was removed, or left out by a sparse checkout; the command that brings it.
    Head(String),
    /// On a branch that can be switched to.
    Branch(String),
    /// In another commit, by a name that git knows.
    Commit(String),
    /// In the newest stash, as what was not tracked.
    Stash,
}

/// Says where git has a file of the store, if it has it.
pub(in crate::store) fn elsewhere(repo: &Around, file: &Path) -> Result<Option<Elsewhere>> {
    let (top, file) = (&repo.top, &repo.store.join(file));
    let mut command = git();
    command.current_dir(top).args(["for-each-ref", "--format=%(refname) %(symref)%(worktreepath)"]);
    let told = output(command.args(["refs/heads", "refs/remotes", "refs/tags"]))?;
    let refs: Vec<(String, bool)> =
        lines(&told).filter_map(|line| line.split_once(' ').map(|(name, used)| (name.to_owned(), used.is_empty()))).collect();
    let names = ["HEAD", "refs/stash^3"].into_iter().chain(refs.iter().map(|(name, _)| name.as_str())).map(|name| named(name, file));
    let blobs = blobs_of(top, &names.collect::<Vec<_>>())?;
    let [at_head, stashed, others @ ..] = &blobs[..] else { return Ok(None) };
    if at_head.is_some() {
        let how = if is_sparse(top) { "sparse-checkout add" } else { "checkout HEAD --" };
        return Ok(Some(Elsewhere::Head(format!("git -C {} {how} {}", shell_word(top), shell_word(&repo.store)))));
    }
    if stashed.is_some() {
        return Ok(Some(Elsewhere::Stash));
    }
    let having = || refs.iter().zip(others).filter(|(_, blob)| blob.is_some()).map(|(name, _)| name);
    // One that another worktree has checked out cannot be switched to.
    let branch = having().find_map(|(name, is_free)| name.strip_prefix("refs/heads/").filter(|_| *is_free));
    let commit = || having().next().map(|(name, _)| Elsewhere::Commit(name.trim_start_matches("refs/").to_owned()));
    Ok(branch.map(|branch| Elsewhere::Branch(branch.to_owned())).or_else(commit))
}

/// Names the file of a commit, as git reads it.
fn named(commit: &str, file: &Path) -> Vec<u8> {
    [commit.as_bytes(), b":", file.as_os_str().as_bytes()].concat()
}

/// Returns the blobs that have some names.
fn blobs_of(top: &Path, names: &[Vec<u8>]) -> Result<Vec<Option<Blob>>> {
    if names.iter().any(|name| name.contains(&b'\n')) || names.is_empty() {
        // They cannot be asked for by lines.
        return Ok(vec![None; names.len()]);
    }
    let mut command = git();
    command.current_dir(top).args(["cat-file", "--batch-check"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().map_err(cannot_run)?;
    let (input, answers) = (child.stdin.take(), child.stdout.take());
    let ask = || -> std::io::Result<Vec<Option<Blob>>> {
        let mut blobs = Vec::new();
        let (Some(mut input), Some(answers)) = (input, answers) else { return Ok(blobs) };
        let mut answers = BufReader::new(answers);
        for asked in names.chunks(ASKED_MAX) {
            input.write_all(&asked.iter().flat_map(|name| [name, &b"\n"[..]].concat()).collect::<Vec<_>>())?;
            input.flush()?;
            for _ in asked {
                let mut answer = Vec::new();
                answers.read_until(b'\n', &mut answer)?;
                blobs.push(blob(&String::from_utf8_lossy(&answer)));
            }
        }
        Ok(blobs)
    };
    let blobs = ask();
    if !child.wait().map_err(cannot_run)?.success() {
        // It says why where it is asked for nothing as well; of each object that is damaged it may have said something.
        output(git().current_dir(top).args(["cat-file", "--batch-check"]).stdin(Stdio::null()))?;
        return Err(failed("`git cat-file` fails"));
    }
    blobs.map_err(|e| failed("`git cat-file` ended").because(e))
}

/// Reads `<oid> blob <length>`; none if git answers that there is no such file.
fn blob(answer: &str) -> Option<Blob> {
    let (id, len) = answer.trim_end().split_once(" blob ")?;
    Some(Blob { id: Oid(id.to_owned()), len: len.parse().ok()? })
}

/// Returns the blobs that commits have ever had of some files.
pub(in crate::store) fn in_history(repo: &Around, among: Commits, paths: &[&Path]) -> Result<Vec<(PathBuf, Oid)>> {
    let store = &repo.store;
    let mut commits: Vec<String> = match among {
        Commits::OfRefs => ["--branches", "--tags"].map(str::to_owned).into(),
        Commits::All => ["--all", "--reflog", "--ignore-missing"].map(str::to_owned).into(),
    };
    if among == Commits::All {
        for file in repo.git_dirs()?.iter().flat_map(|git_dir| STASHES.map(|name| git_dir.join(name))) {
            commits.extend(ids_in(&file)?.into_iter().map(|id| id.0));
        }
    }
    let mut blobs = BTreeSet::new();
    for some in paths.chunks(PATHS_MAX) {
        let mut command = git();
        command.current_dir(&repo.top).args(["-c", "log.showRoot=true", "-c", "log.showSignature=false", "-c", "log.follow=false"]);
        command.args(["-c", "log.diffMerges=separate", "log"]).args(&commits).args(["--full-history", "-m", "--no-renames"]);
        command.args(["--no-ext-diff", "--format=", "--raw", "--no-abbrev", "-z", "-O/dev/null", "--"]);
        let pathspecs: Vec<OsString> = some.iter().map(|path| store.join(path).into_os_string()).collect();
        let told = output(command.args(pathspecs)).map_err(|error| error.hint(HISTORY_HINT))?;
        // `:MODE MODE BLOB BLOB WHAT`, then the path.
        let mut told = told.split(|&b| b == 0).filter(|part| !part.is_empty());
        while let Some(change) = told.next() {
            let fields: Vec<&[u8]> = change.trim_ascii_start().split(|&b| b == b' ').collect();
            let ([_, _, old, new, _], Some(name)) = (&fields[..], told.next()) else { return Err(unexpected("log")) };
            let path = Path::new(OsStr::from_bytes(name)).strip_prefix(store).map_err(|_| unexpected("log"))?;
            let ids = [old, new].into_iter().filter(|id| id.iter().any(|&digit| digit != b'0'));
            blobs.extend(ids.map(|id| (path.to_owned(), Oid(String::from_utf8_lossy(id).into_owned()))));
        }
    }
    Ok(blobs.into_iter().collect())
}

/// Reads what git has of files.
pub(in crate::store) struct Blobs<'r> {
    common: &'r Path,
    objects: Objects,
}

impl<'r> Blobs<'r> {
    /// Starts to read from the repo whose objects lie in a directory.
    pub(in crate::store) fn of(common: &'r Path) -> Result<Blobs<'r>> {
        Ok(Blobs { common, objects: Objects::of(common)? })
    }

    /// Reads a blob; none if the repo does not have it whole, or it is longer than `len_max`.
    pub(in crate::store) fn read(&mut self, id: &Oid, len_max: u64) -> Result<Option<Vec<u8>>> {
        let read = self.objects.blob(id, len_max);
        if read.is_err() {
            // Over an object that is damaged git ends.
            self.objects = Objects::of(self.common)?;
        }
        Ok(read.unwrap_or_default())
    }
}
