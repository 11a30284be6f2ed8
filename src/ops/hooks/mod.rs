//! `art hooks`: scripts that have git tell of the store. Each is a few lines that call `art`, so what they
//! do (`commit.rs`, `news.rs`) changes with the program.
//!
//! A file that is not as it is written here is somebody else's, and stays.

mod changes;
mod commit;
mod news;

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::error::{Error, Result};
use crate::quote::quote_path;
use crate::store::git::hook;

pub use commit::{Refusal, check_commit};
pub use news::{Moved, News, news};

/// A hook that there is a script for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hook {
    /// Before a commit is made: is what is staged of a store whole?
    PreCommit,
    /// After a merge or a pull: what is new?
    PostMerge,
    /// After a branch was switched: what is new?
    PostCheckout,
}

/// What lies in a hook's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookState {
    /// Nothing.
    Missing,
    /// The script that is written here.
    Installed,
    /// One that was written here, and changed since.
    Changed,
    /// Another program's, which calls `art` as told.
    Called,
    /// Another program's.
    Other,
}

/// A hook and what lies in its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HookInfo {
    /// The hook.
    pub hook: Hook,
    /// What lies in its place now.
    pub state: HookState,
    /// Whether that was changed just now.
    pub changed: bool,
    /// What does the same in another program's hook.
    pub line: String,
}

/// The hooks of a repo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HooksOutcome {
    /// Their directory.
    pub path: PathBuf,
    /// What lies in it.
    pub hooks: Vec<HookInfo>,
}

/// The line by which a script is known that was written here.
const MARK: &str = "# Written by `art hooks install`; `art hooks uninstall` takes it away.";

impl Hook {
    /// All of them.
    pub const ALL: [Hook; 3] = [Hook::PreCommit, Hook::PostMerge, Hook::PostCheckout];

    /// Names it as git does.
    pub fn as_str(self) -> &'static str {
        match self {
            Hook::PreCommit => "pre-commit",
            Hook::PostMerge => "post-merge",
            Hook::PostCheckout => "post-checkout",
        }
    }

    /// Returns the script. Where there is no `art`, or one that knows no hooks, it does nothing.
    fn script(self) -> String {
        let run = match self {
            // Exit 1 alone means no.
            Hook::PreCommit => "art hooks run pre-commit\ntest $? -ne 1".to_owned(),
            // What they end with would be what git ends with.
            _ => format!("art hooks run {} \"$@\" || :", self.as_str()),
        };
        format!("#!/bin/sh\n{MARK}\ncommand -v art >/dev/null 2>&1 || exit 0\n{run}\n")
    }

    /// Returns the line that does the same in a script of another program.
    fn line(self) -> String {
        let name = self.as_str();
        match self {
            Hook::PreCommit => format!("if command -v art >/dev/null; then art hooks run {name} || test $? -ne 1 || exit 1; fi"),
            _ => format!("if command -v art >/dev/null; then art hooks run {name} \"$@\" || :; fi"),
        }
    }

    fn state(self, path: &Path) -> Result<HookState> {
        let script = match fs::read(path) {
            Ok(script) => script,
            // A link to nowhere is somebody's, too.
            Err(e) if e.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(path).is_err() => return Ok(HookState::Missing),
            Err(e) if e.kind() == io::ErrorKind::NotADirectory => return Ok(HookState::Missing),
            Err(_) if fs::symlink_metadata(path).is_ok_and(|meta| !meta.is_file()) => return Ok(HookState::Other),
            Err(e) => return Err(Error::io("read the hook", path, e)),
        };
        let text = String::from_utf8_lossy(&script);
        let is_file = fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file());
        Ok(if is_file && text == self.script() {
            HookState::Installed
        } else if text.contains(MARK) {
            HookState::Changed
        } else if text.contains(&format!("art hooks run {}", self.as_str())) {
            HookState::Called
        } else {
            HookState::Other
        })
    }
}

/// Tells what lies in the hooks' places of the repo that a directory is in.
pub fn status(dir: &Path) -> Result<HooksOutcome> {
    each(dir, |_, _, _| Ok(false))
}

/// Writes the scripts where nothing lies.
pub fn install(dir: &Path) -> Result<HooksOutcome> {
    each(dir, |hook, state, path| match state {
        HookState::Missing => write(path, &hook.script()).map(|()| true),
        HookState::Installed => make_executable(path),
        _ => Ok(false),
    })
}

/// Removes the scripts that are as they were written.
pub fn uninstall(dir: &Path) -> Result<HooksOutcome> {
    each(dir, |_, state, path| match state {
        HookState::Installed => fs::remove_file(path).map(|()| true).map_err(|e| Error::io("remove the hook", path, e)),
        _ => Ok(false),
    })
}

fn each(dir: &Path, act: impl Fn(Hook, HookState, &Path) -> Result<bool>) -> Result<HooksOutcome> {
    let hooks_dir = hook::top(dir).and_then(|top| hook::hooks_dir(&top)).map_err(|error| {
        Error::not_found(format!("cannot find the working tree of a git repo at {}", quote_path(dir)))
            .hint("run it in one, or name one with `-C DIR`")
            .because(error)
    })?;
    let mut hooks = Vec::new();
    for hook in Hook::ALL {
        let path = hooks_dir.join(hook.as_str());
        let changed = act(hook, hook.state(&path)?, &path)?;
        hooks.push(HookInfo { hook, state: hook.state(&path)?, changed, line: hook.line() });
    }
    Ok(HooksOutcome { path: hooks_dir, hooks })
}

/// Writes a script under a name that nothing has, whole or not at all.
fn write(path: &Path, script: &str) -> Result<()> {
    let dir = path.parent().unwrap_or(path);
    fs::create_dir_all(dir).map_err(|e| Error::io("create", dir, e))?;
    let make = || -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        file.write_all(script.as_bytes())?;
        file.as_file().set_permissions(fs::Permissions::from_mode(0o755))?;
        file.persist_noclobber(path).map(|_| ()).map_err(|e| e.error)
    };
    make().map_err(|e| Error::io("write the hook", path, e))
}

/// Sees that git may run a script; returns whether that was not so.
fn make_executable(path: &Path) -> Result<bool> {
    let look = fs::metadata(path).map_err(|e| Error::io("look at", path, e))?;
    if look.permissions().mode() & 0o111 != 0 {
        return Ok(false);
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(|e| Error::io("change the mode of", path, e))?;
    Ok(true)
}
