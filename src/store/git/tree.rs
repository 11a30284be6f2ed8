//! What the repo round a directory has of a store in it: what is tracked, what no commit holds, what a
//! push would take along. Paths are relative to the directory.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::{as_path, cannot_run, failed, git, line, output, path, unexpected};
use crate::error::Result;
use crate::quote::shell_word;

/// Objects of a push that are looked at; what comes after them is not counted.
const OBJECTS_MAX: usize = 1 << 20;

/// Files of a git directory that say what is under way, and the command that goes on with it.
const UNDER_WAY: [(&str, &str); 5] = [
    ("MERGE_HEAD", "merge"),
    ("rebase-merge", "rebase"),
    ("rebase-apply", "rebase"),
    ("CHERRY_PICK_HEAD", "cherry-pick"),
    ("REVERT_HEAD", "revert"),
];

/// Where a directory is in its repo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The way from the top of the working tree to the directory; ends with `/` unless it is empty.
    pub(crate) prefix: PathBuf,
    /// The way from the directory to the top, likewise.
    pub(crate) to_top: PathBuf,
    /// The file of attributes that is stronger than any in the working tree.
    pub(crate) attributes_file: PathBuf,
    /// Whether older commits were left out when it was cloned.
    pub(crate) is_shallow: bool,
    /// What is under way, such as `merge`, as git's command for it is called.
    pub(crate) under_way: Option<&'static str>,
}

/// A file that is not as it is in the commit at `HEAD`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) path: PathBuf,
    /// Two letters, as `git status --porcelain` tells them: of the index and of the working tree.
    pub(crate) state: [u8; 2],
}

/// Commits that are in no branch of a remote, as far as they touch a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unpushed {
    /// The commits, oldest first, each with the bytes of objects that it adds, as the repo stores them.
    pub(crate) commits: Vec<(String, u64)>,
}

impl Place {
    /// Asks for the repo round a directory.
    pub(crate) fn of(dir: &Path) -> Result<Place> {
        let ask = |args: &[&str]| -> Result<PathBuf> { Ok(path(line(git().current_dir(dir).arg("rev-parse").args(args))?)) };
        let git_dir = ask(&["--absolute-git-dir"])?;
        Ok(Place {
            prefix: ask(&["--show-prefix"])?,
            to_top: ask(&["--show-cdup"])?,
            attributes_file: ask(&["--git-path", "info/attributes"])?,
            is_shallow: ask(&["--is-shallow-repository"])?.as_os_str() == "true",
            under_way: UNDER_WAY.iter().find(|(file, _)| git_dir.join(file).exists()).map(|(_, command)| *command),
        })
    }

    /// Takes a path from the top, unless it is absolute, and returns the way to it from the directory.
    pub(crate) fn relative(&self, path: &Path) -> PathBuf {
        if path.is_absolute() {
            return path.to_owned();
        }
        let shared = self.prefix.iter().zip(path).take_while(|(a, b)| a == b).count();
        let up = self.prefix.iter().skip(shared).map(|_| OsStr::new(".."));
        up.chain(path.iter().skip(shared)).collect()
    }

    /// Lists what differs from the commit at `HEAD` in a part of the directory, untracked files too.
    pub(crate) fn differences(&self, dir: &Path, part: &Path) -> Result<Vec<Difference>> {
        let mut command = git();
        command.current_dir(dir).args(["status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames", "--"]);
        let told = output(command.arg(part))?;
        let mut found = Vec::new();
        for entry in told.split(|&b| b == 0).filter(|entry| !entry.is_empty()) {
            let [index, tree, b' ', path @ ..] = entry else { return Err(unexpected("status")) };
            // It tells paths from the top.
            found.push(Difference { path: self.relative(as_path(path)), state: [*index, *tree] });
        }
        Ok(found)
    }
}

impl Difference {
    /// Whether it is a file that the commit at `HEAD` does not have.
    pub(crate) fn is_new(&self) -> bool {
        matches!(self.state, [b'?', b'?'] | [b'A', _])
    }

    /// Whether a merge has left it to be settled.
    pub(crate) fn is_unmerged(&self) -> bool {
        matches!(self.state, [b'U', _] | [_, b'U'] | [b'A', b'A'] | [b'D', b'D'])
    }
}

/// Lists the files that the index has in a part of a directory.
pub(crate) fn tracked(dir: &Path, part: &Path) -> Result<Vec<PathBuf>> {
    let told = output(git().current_dir(dir).args(["ls-files", "-z", "--"]).arg(part))?;
    Ok(super::paths(&told).collect())
}

/// Returns the command that has git track the files of a folder no longer, and leaves them.
pub(crate) fn untracking(folder: &Path) -> String {
    format!("git rm -r --quiet --cached -- {} && git commit -m 'take data out of git'", shell_word(folder))
}

/// Returns the first remote, if there is one.
pub(crate) fn remote(dir: &Path) -> Result<Option<String>> {
    let told = output(git().current_dir(dir).arg("remote"))?;
    Ok(String::from_utf8_lossy(&told).lines().next().map(str::to_owned))
}

/// Returns the branch that is checked out, if one is.
pub(crate) fn branch(dir: &Path) -> Result<Option<String>> {
    let told = output(git().current_dir(dir).args(["branch", "--show-current"]))?;
    Ok(Some(String::from_utf8_lossy(&told).trim_end().to_owned()).filter(|branch| !branch.is_empty()))
}

/// Whether a working tree leaves out files that are tracked.
pub(crate) fn is_sparse(dir: &Path) -> bool {
    output(git().current_dir(dir).args(["config", "--bool", "core.sparseCheckout"])).is_ok_and(|told| told.starts_with(b"true"))
}

/// Whether objects may be left with a remote, to be fetched when they are needed.
pub(crate) fn is_partial(dir: &Path) -> bool {
    output(git().current_dir(dir).args(["config", "--get-regexp", r"^remote\..*\.promisor$"])).is_ok_and(|told| !told.is_empty())
}

impl Unpushed {
    /// Asks what a push of the branch that is checked out would take along of a part of a directory.
    pub(crate) fn of(dir: &Path, part: &Path) -> Result<Unpushed> {
        let has_commit = git().current_dir(dir).args(["rev-parse", "--quiet", "--verify", "HEAD"]).output().map_err(cannot_run)?;
        if !has_commit.status.success() {
            return Ok(Unpushed::default());
        }
        let mut list = git();
        list.current_dir(dir).args(["rev-list", "--objects", "--in-commit-order", "--no-object-names", "--missing=allow-any", "--reverse"]);
        list.args(["HEAD", "--not", "--remotes", "--"]).arg(part).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut list = list.spawn().map_err(cannot_run)?;
        let Some(listed) = list.stdout.take() else { return Err(unexpected("rev-list")) };
        let mut sizes = git();
        sizes.current_dir(dir).args(["cat-file", "--batch-check=%(objecttype) %(objectname) %(objectsize:disk)"]);
        sizes.stdin(Stdio::from(listed)).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut sizes = sizes.spawn().map_err(cannot_run)?;
        let told = sizes.stdout.take().map(BufReader::new).into_iter().flat_map(BufRead::lines).take(OBJECTS_MAX);
        let mut unpushed = Unpushed::default();
        for line in told {
            let line = line.map_err(|e| failed("`git cat-file` ended").because(e))?;
            // What is missing has no size.
            let [kind, oid, size] = line.split(' ').collect::<Vec<_>>()[..] else { continue };
            if kind == "commit" {
                unpushed.commits.push((oid.to_owned(), 0));
            } else if let (Some((_, sum)), Ok(size)) = (unpushed.commits.last_mut(), size.parse::<u64>()) {
                *sum += size;
            }
        }
        // Those that were not read to their end notice.
        let _ = (sizes.kill(), list.kill());
        let _ = (sizes.wait(), list.wait());
        Ok(unpushed)
    }

    /// Returns the bytes of all.
    pub(crate) fn size(&self) -> u64 {
        self.commits.iter().map(|(_, size)| size).sum()
    }

    /// Returns the last commit up to which a push takes at most so many bytes, unless it is the last.
    pub(crate) fn part_of(&self, size_max: u64) -> Option<&str> {
        let mut sum = 0;
        let within = self.commits.iter().take_while(|(_, size)| {
            sum += size;
            sum <= size_max
        });
        let count = within.count();
        (count < self.commits.len()).then(|| count.checked_sub(1).map(|last| self.commits[last].0.as_str())).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_from_a_directory_is_the_shortest() {
        let place =
            Place { prefix: "a/b/".into(), to_top: "../../".into(), attributes_file: PathBuf::new(), is_shallow: false, under_way: None };
        for (path, way) in [("a/b/c", "c"), ("a/c", "../c"), ("c", "../../c"), ("a/bc/d", "../bc/d"), ("/c", "/c")] {
            assert_eq!(place.relative(Path::new(path)), Path::new(way));
        }
    }

    #[test]
    fn commits_are_pushed_as_far_as_they_fit() {
        let unpushed = |sizes: &[u64]| Unpushed { commits: sizes.iter().map(|size| (size.to_string(), *size)).collect() };
        assert_eq!(unpushed(&[1, 2, 3]).part_of(3), Some("2"));
        assert_eq!(unpushed(&[1, 2, 3]).part_of(6), None, "all of them fit");
        assert_eq!(unpushed(&[4, 1]).part_of(3), None, "not even the first");
        assert_eq!(unpushed(&[]).part_of(3), None);
    }
}
