//! Whether git holds certain files of a store: quick questions, for writers.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::{Stamp, cannot_run, failed, git, output, unexpected};
use crate::error::Result;

/// Files asked for before the first answer is read: questions and answers must fit pipes.
const ASKED_MAX: usize = 32;

/// Paths that one command gets.
const PATHS_MAX: usize = 256;

/// Looks at what changes whenever something is committed or switched in a working tree.
pub(in crate::store) fn stamp(git_dir: &Path) -> Result<String> {
    let mut text = String::new();
    for name in ["HEAD", "index", "logs/HEAD"] {
        let _ = writeln!(text, "{:?}", Stamp::take(git_dir.join(name))?.look);
    }
    Ok(text)
}

/// Returns which of some files, relative to the store, the commit at `HEAD` has.
pub(in crate::store) fn in_head(top: &Path, store: &Path, paths: &[&Path]) -> Result<HashSet<PathBuf>> {
    let mut found = HashSet::new();
    if store.as_os_str().as_bytes().contains(&b'\n') {
        // It cannot be asked for by a line.
        return Ok(found);
    }
    let mut child = git()
        .current_dir(top)
        .args(["cat-file", "--batch-check=%(objecttype)"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(cannot_run)?;
    let (input, answers) = (child.stdin.take(), child.stdout.take());
    let ask = || -> std::io::Result<()> {
        let (Some(mut input), Some(answers)) = (input, answers) else { return Ok(()) };
        let mut answers = BufReader::new(answers);
        for asked in paths.chunks(ASKED_MAX) {
            let mut lines = Vec::new();
            for path in asked {
                lines.extend([b"HEAD:", store.join(path).as_os_str().as_bytes(), b"\n"].concat());
            }
            input.write_all(&lines)?;
            input.flush()?;
            for path in asked {
                let mut answer = Vec::new();
                answers.read_until(b'\n', &mut answer)?;
                if answer == b"blob\n" {
                    found.insert(path.to_path_buf());
                }
            }
        }
        Ok(())
    };
    let asked = ask();
    let ended = child.wait();
    asked.and(ended.map(|_| ())).map_err(|e| failed("`git cat-file` ended").because(e))?;
    Ok(found)
}

/// Returns which of some files any commit, stash or reflog has ever had.
pub(in crate::store) fn in_history(top: &Path, store: &Path, paths: &[&Path]) -> Result<HashSet<PathBuf>> {
    let mut found = HashSet::new();
    for some in paths.chunks(PATHS_MAX) {
        let mut command = git();
        command.current_dir(top).args(["-c", "log.showRoot=true", "log", "--all", "--reflog", "--full-history", "-m", "--no-renames"]);
        command.args(["--no-ext-diff", "--format=", "--name-only", "-z", "--"]);
        let pathspecs: Vec<OsString> = some.iter().map(|path| store.join(path).into_os_string()).collect();
        let told = output(command.args(pathspecs))?;
        for name in told.split(|&b| b == 0 || b == b'\n').filter(|name| !name.is_empty()) {
            let path = Path::new(OsStr::from_bytes(name)).strip_prefix(store).map_err(|_| unexpected("log"))?;
            found.insert(path.to_owned());
        }
    }
    Ok(found)
}
