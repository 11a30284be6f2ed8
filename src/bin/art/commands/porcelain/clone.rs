//! `art clone`

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use artstore::Error;
use artstore::ops::init::InitOptions;
use artstore::ops::sync::{OtherCopy, clone};
use artstore::quote::{quote, quote_path};
use clap::Args;

use super::init::GitArg;
use super::moved::{finish, what};
use crate::error::{Exit, Result};
use crate::setup::Setup;

/// Make a store that has all that another one has
///
/// Each file is hashed on arrival. If it is stopped, `art pull` in DEST goes on.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  art clone /mnt/stick/project\n  art clone ../project ~/copy\n  art clone ssh://host/data/project")]
pub(crate) struct CloneArgs {
    /// The store to clone, or a project with one; here, or at ssh://host/path
    #[arg(value_name = "COPY")]
    source: OsString,
    /// Where to make it, in DEST/.artifacts [default: a directory here with the name of the project]
    dest: Option<PathBuf>,
    /// What git commits: records and meta packs (split, the default), data packs too, or nothing
    #[arg(long, value_name = "MODE", value_enum)]
    git: Option<GitArg>,
}

pub(crate) fn run(args: &CloneArgs, setup: &Setup) -> Result<Exit> {
    let source = setup.other_copy(&args.source)?;
    let dest = match (&args.dest, &source) {
        (Some(dest), _) => dest.clone(),
        (None, OtherCopy::Dir(dir)) => name_of_project(dir)?,
        (None, OtherCopy::Ssh(copy)) => name_in(&copy.path).ok_or_else(|| unnamed(&args.source))?,
    };
    let root = setup.new_store_root(Some(&dest))?;
    let options = InitOptions { git: args.git.map(GitArg::mode) };
    let outcome = clone(&setup.context()?, &source, &root, &options)?;
    finish(&outcome, setup, &|outcome| {
        let went = outcome.pulled.as_ref().filter(|moved| !moved.is_empty()).map_or("an empty store".to_owned(), what);
        vec![format!("cloned to {}  {went}", quote_path(&root))]
    })
}

/// Names the directory of a project, or of the one that a store lies in.
fn name_of_project(source: &Path) -> Result<PathBuf> {
    let real = std::fs::canonicalize(source).map_err(|error| {
        Error::not_found(format!("cannot find a store at {}", quote_path(source)))
            .because(error)
            .hint("see that the disk or share is mounted")
    })?;
    Ok(name_in(&real).ok_or_else(|| unnamed(source.as_os_str()))?)
}

fn name_in(dir: &Path) -> Option<PathBuf> {
    let project = if dir.ends_with(".artifacts") { dir.parent()? } else { dir };
    project.file_name().filter(|name| *name != "..").map(PathBuf::from)
}

fn unnamed(source: &OsStr) -> Error {
    Error::usage(format!("cannot name the copy of {}", quote(source.as_bytes()))).hint("give a directory for it")
}
