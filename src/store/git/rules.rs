//! What git would do with files of a store by the rules of its repo: ignore them, or alter their bytes.
//! Asked from a directory, with paths relative to it.

use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{as_path, cannot_run, failed, failed_saying, git, path, unexpected};
use crate::error::Result;

/// A rule by which git ignores something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct IgnoreRule {
    /// The file that it stands in, relative to the top of the working tree unless it is absolute.
    pub(crate) file: PathBuf,
    /// Its line.
    pub(crate) line: u64,
    /// Its text.
    pub(crate) pattern: String,
}

/// An attribute that git gives to a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attribute {
    /// The path.
    pub(crate) path: PathBuf,
    /// The attribute.
    pub(crate) name: String,
    /// Its value: `set`, `unset`, `unspecified`, or a text.
    pub(crate) value: String,
}

/// Returns those of some paths that git ignores, each with the rule, whether they are tracked or not.
pub(crate) fn ignored(dir: &Path, paths: &[PathBuf]) -> Result<Vec<(PathBuf, IgnoreRule)>> {
    let mut command = git();
    // It takes no paths as literal ones, and looks for no pattern in them.
    command.current_dir(dir).args(["--no-literal-pathspecs", "check-ignore", "--verbose", "-z", "--no-index", "--stdin"]);
    // Exit 1 says that none of them is.
    let told = answers(&mut command, paths, &[0, 1])?;
    let mut found = Vec::new();
    for fields in records(&told, 4) {
        let [file, line, pattern, path] = fields[..] else { return Err(unexpected("check-ignore")) };
        let line = std::str::from_utf8(line).ok().and_then(|line| line.parse().ok()).ok_or_else(|| unexpected("check-ignore"))?;
        // A rule that takes others back is told too.
        if !pattern.starts_with(b"!") {
            let pattern = String::from_utf8_lossy(pattern).into_owned();
            found.push((as_path(path).to_owned(), IgnoreRule { file: as_path(file).to_owned(), line, pattern }));
        }
    }
    Ok(found)
}

/// Returns what some attributes of some paths are.
pub(crate) fn attributes(dir: &Path, names: &[&str], paths: &[PathBuf]) -> Result<Vec<Attribute>> {
    let told = answers(git().current_dir(dir).args(["check-attr", "-z", "--stdin"]).args(names), paths, &[0])?;
    let mut found = Vec::new();
    for fields in records(&told, 3) {
        let [path, name, value] = fields[..] else { return Err(unexpected("check-attr")) };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        found.push(Attribute { path: as_path(path).to_owned(), name: text(name), value: text(value) });
    }
    Ok(found)
}

/// Returns a setting; none if it is not set.
pub(crate) fn setting(dir: &Path, name: &str) -> Result<Option<PathBuf>> {
    let mut told = answers(git().current_dir(dir).args(["config", "--get", name]), &[], &[0, 1])?;
    told.pop_if(|last| *last == b'\n');
    Ok(Some(told).filter(|told| !told.is_empty()).map(path))
}

/// Runs a command of git that reads paths, and returns what it prints.
fn answers(command: &mut Command, paths: &[PathBuf], codes: &[i32]) -> Result<Vec<u8>> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(cannot_run)?;
    let input = child.stdin.take();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut input = std::io::BufWriter::new(input?);
            // If it does not read on it says why.
            paths.iter().try_for_each(|path| input.write_all(&[path.as_os_str().as_bytes(), b"\0"].concat())).ok()
        });
        child.wait_with_output()
    });
    let output = output.map_err(|e| failed("git ended").because(e))?;
    if output.status.code().is_some_and(|code| codes.contains(&code)) {
        return Ok(output.stdout);
    }
    Err(failed_saying(&output.stderr))
}

/// Splits what is printed with a NUL after each field into records of so many.
fn records(told: &[u8], len: usize) -> impl Iterator<Item = Vec<&[u8]>> {
    let fields: Vec<&[u8]> = told.strip_suffix(b"\0").map(|told| told.split(|&b| b == 0).collect()).unwrap_or_default();
    fields.chunks(len).map(<[&[u8]]>::to_vec).collect::<Vec<_>>().into_iter()
}
