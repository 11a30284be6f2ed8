//! What git holds of a store: the files under its path in any commit, reflog or index, and the
//! stores of linked worktrees. `git` is called as a command; nothing is fetched.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::format::limits::PACK_LEN_MAX;
use crate::store::FORMAT_FILE;
use crate::store::git::TAKEN_AWAY;
use crate::store::git::around::Around;
use crate::store::guard::is_guarded;

/// The files of a store that git holds.
pub(super) struct Blobs {
    root: PathBuf,
    /// File names, and the blobs that have lain under them.
    found: Vec<(String, String)>,
    reader: Option<Reader>,
}

/// A process that reads blobs.
struct Reader {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Blobs {
    /// Lists what git holds of the store at `root`; nothing if it lies in no repo.
    pub(super) fn find(root: &Path) -> Blobs {
        let mut found = Vec::new();
        if is_in_git(root) {
            let (dir, store) = seen_from(root);
            let listed = output(&dir, &["rev-list", "--all", "--reflog", "--objects", "--missing=allow-any", "--"], &store);
            let listed = listed.unwrap_or_default();
            for line in listed.split(|&b| b == b'\n') {
                if let Some(space) = line.iter().position(|&b| b == b' ') {
                    found.extend(named(&line[..space], &line[space + 1..]));
                }
            }
            let staged = output(&dir, &["ls-files", "--stage", "-z", "--"], &store).unwrap_or_default();
            for entry in staged.split(|&b| b == 0) {
                // `MODE OID STAGE`, a tab, the path.
                let mut parts = entry.splitn(2, |&b| b == b'\t');
                let (about, path) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
                found.extend(about.split(|&b| b == b' ').nth(1).and_then(|blob| named(blob, path)));
            }
        }
        found.sort();
        found.dedup();
        Blobs { root: root.to_owned(), found, reader: None }
    }

    /// Yields each file name with a blob.
    pub(super) fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.found.iter().map(|(name, blob)| (&name[..], &blob[..]))
    }

    /// Reads a blob, if it is there and no longer than a pack may be.
    pub(super) fn read(&mut self, blob: &str) -> Option<Vec<u8>> {
        if self.reader.is_none() {
            self.reader = Reader::start(&self.root);
        }
        let read = self.reader.as_mut()?.read(blob);
        if read.is_none() {
            // It may have stopped in the middle of an answer.
            self.rest();
        }
        read
    }

    /// Ends the process that reads.
    pub(super) fn rest(&mut self) {
        if let Some(Reader { mut child, input, output }) = self.reader.take() {
            drop((input, output));
            let _ = child.wait();
        }
    }
}

impl Drop for Blobs {
    fn drop(&mut self) {
        self.rest();
    }
}

impl Reader {
    fn start(root: &Path) -> Option<Reader> {
        let mut child = git(&seen_from(root).0).args(["cat-file", "--batch"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
        let (input, output) = (child.stdin.take()?, BufReader::new(child.stdout.take()?));
        Some(Reader { child, input, output })
    }

    fn read(&mut self, blob: &str) -> Option<Vec<u8>> {
        self.input.write_all(format!("{blob}\n").as_bytes()).and_then(|()| self.input.flush()).ok()?;
        let mut head = String::new();
        self.output.read_line(&mut head).ok()?;
        // `OID TYPE SIZE`
        let mut parts = head.trim_end().split(' ').skip(1);
        let (kind, len) = (parts.next()?, parts.next()?.parse::<u64>().ok()?);
        if kind != "blob" || len > PACK_LEN_MAX {
            return None;
        }
        let mut bytes = Vec::new();
        Read::by_ref(&mut self.output).take(len + 1).read_to_end(&mut bytes).ok()?;
        (bytes.pop() == Some(b'\n') && bytes.len() as u64 == len).then_some(bytes)
    }
}

/// Lists where the same store lies in the other worktrees of the repo round it.
pub(super) fn linked_stores(root: &Path) -> Vec<PathBuf> {
    let (stores, real) =
        (Around::find(root).ok().flatten().map(|repo| repo.stores()).unwrap_or_default(), std::fs::canonicalize(root).ok());
    stores.into_iter().filter(|store| store.join(FORMAT_FILE).is_file() && Some(store) != real.as_ref()).collect()
}

/// Whether some directory above is a git repo's; asked first, for most stores lie in none.
fn is_in_git(root: &Path) -> bool {
    std::fs::canonicalize(root).is_ok_and(|real| real.ancestors().any(|dir| dir.join(".git").exists()))
}

fn named(blob: &[u8], path: &[u8]) -> Option<(String, String)> {
    let name = path.rsplit(|&b| b == b'/').next()?;
    Some((String::from_utf8(name.to_vec()).ok()?, String::from_utf8(blob.to_vec()).ok()?))
}

/// Returns where to ask from, so that git finds the repo round a store, and where the store is from there.
fn seen_from(root: &Path) -> (PathBuf, PathBuf) {
    match (root.parent(), root.file_name()) {
        (Some(parent), Some(name)) if is_guarded(root).unwrap_or_default() => (parent.to_owned(), name.into()),
        _ => (root.to_owned(), ".".into()),
    }
}

/// What git prints; none where it fails, for then there is nothing to be had from it.
fn output(dir: &Path, args: &[&str], path: &Path) -> Option<Vec<u8>> {
    let path = Some(path).filter(|path| !path.as_os_str().is_empty());
    let output = git(dir).args(args).args(path).output().ok()?;
    output.status.success().then_some(output.stdout)
}

fn git(root: &Path) -> Command {
    let mut command = Command::new("git");
    command.args(["--literal-pathspecs", "-c", "core.fsmonitor=false"]).current_dir(root).stdin(Stdio::null()).stderr(Stdio::null());
    command.env("GIT_OPTIONAL_LOCKS", "0").env("GIT_NO_LAZY_FETCH", "1").env("GIT_NO_REPLACE_OBJECTS", "1").env("LC_ALL", "C");
    for name in TAKEN_AWAY {
        command.env_remove(name);
    }
    command
}
