//! Whether git holds certain files of a store: quick questions, for writers.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::{Stamp, cannot_run, failed, failed_saying, git, output, unexpected};
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

/// A file that is asked for, relative to the store, with its length: a blob of another is of a file that was torn
/// when it was committed.
pub(in crate::store) type Sized<'p> = (&'p Path, u64);

/// Returns which of some files the commit at `HEAD` has.
pub(in crate::store) fn in_head(top: &Path, store: &Path, files: &[Sized<'_>]) -> Result<HashSet<PathBuf>> {
    if store.as_os_str().as_bytes().contains(&b'\n') {
        // It cannot be asked for by a line.
        return Ok(HashSet::new());
    }
    let names: Vec<Vec<u8>> = files.iter().map(|(path, _)| [b"HEAD:", store.join(path).as_os_str().as_bytes()].concat()).collect();
    let found = files.iter().zip(blob_lengths(top, &names)?);
    Ok(found.filter(|((_, len), found)| *found == Some(*len)).map(|((path, _), _)| path.to_path_buf()).collect())
}

/// Returns which of some files any commit, stash or reflog has ever had.
pub(in crate::store) fn in_history(top: &Path, store: &Path, files: &[Sized<'_>]) -> Result<HashSet<PathBuf>> {
    let mut blobs = Vec::new();
    for some in files.chunks(PATHS_MAX) {
        let mut command = git();
        command.current_dir(top).args(["-c", "log.showRoot=true", "log", "--all", "--reflog", "--full-history", "-m", "--no-renames"]);
        command.args(["--no-ext-diff", "--format=", "--raw", "--no-abbrev", "-z", "--"]);
        let pathspecs: Vec<OsString> = some.iter().map(|(path, _)| store.join(path).into_os_string()).collect();
        let told = output(command.args(pathspecs))?;
        // `:MODE MODE BLOB BLOB WHAT`, then the path.
        let mut told = told.split(|&b| b == 0).map(<[u8]>::trim_ascii).filter(|part| !part.is_empty());
        while let Some(change) = told.next() {
            let (fields, name) = (change.split(|&b| b == b' ').collect::<Vec<_>>(), told.next());
            let ([_, _, old, new, _], Some(name)) = (&fields[..], name) else { return Err(unexpected("log")) };
            let path = Path::new(OsStr::from_bytes(name)).strip_prefix(store).map_err(|_| unexpected("log"))?;
            let blobs_of = [old, new].into_iter().filter(|blob| blob.iter().any(|&digit| digit != b'0'));
            blobs.extend(blobs_of.map(|blob| (path.to_owned(), blob.to_vec())));
        }
    }
    blobs.sort();
    blobs.dedup();
    let names: Vec<Vec<u8>> = blobs.iter().map(|(_, blob)| blob.clone()).collect();
    let wanted: HashMap<&Path, u64> = files.iter().copied().collect();
    let found = blobs.into_iter().zip(blob_lengths(top, &names)?);
    Ok(found.filter(|((path, _), len)| len.is_some() && wanted.get(path.as_path()) == len.as_ref()).map(|((path, _), _)| path).collect())
}

/// Asks for the lengths of blobs by what git takes for a name; none where the repo does not have it.
fn blob_lengths(top: &Path, names: &[Vec<u8>]) -> Result<Vec<Option<u64>>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let mut child = git()
        .current_dir(top)
        .args(["cat-file", "--batch-check=%(objecttype) %(objectsize)"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(cannot_run)?;
    let (input, answers) = (child.stdin.take(), child.stdout.take());
    let ask = || -> std::io::Result<Vec<Option<u64>>> {
        let mut lengths = Vec::new();
        let (Some(mut input), Some(answers)) = (input, answers) else { return Ok(lengths) };
        let mut answers = BufReader::new(answers);
        for asked in names.chunks(ASKED_MAX) {
            let lines: Vec<u8> = asked.iter().flat_map(|name| [name, &b"\n"[..]].concat()).collect();
            input.write_all(&lines)?;
            input.flush()?;
            for _ in asked {
                let mut answer = Vec::new();
                answers.read_until(b'\n', &mut answer)?;
                let answer = String::from_utf8_lossy(&answer);
                lengths.push(answer.trim_end().strip_prefix("blob ").and_then(|len| len.parse().ok()));
            }
        }
        Ok(lengths)
    };
    let lengths = ask();
    let ended = child.wait_with_output().map_err(cannot_run)?;
    if !ended.status.success() {
        return Err(failed_saying(&ended.stderr));
    }
    lengths.map_err(|e| failed("`git cat-file` ended").because(e))
}
