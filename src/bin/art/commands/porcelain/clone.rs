//! `art clone`

use std::path::{Path, PathBuf};

use artstore::Error;
use artstore::ops::init::InitOptions;
use artstore::ops::sync::{OtherCopy, clone};
use artstore::quote::quote_path;
use clap::Args;

use super::init::GitArg;
use super::moved::{finish, what};
use crate::error::{Exit, Result};
use crate::setup::Setup;

/// Make a store that has all that another one has
///
/// Each file is hashed on arrival. If it is stopped, `art pull` in DEST goes on.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  art clone /mnt/stick/project\n  art clone ../project ~/copy")]
pub(crate) struct CloneArgs {
    /// The store to clone, or a project with one
    #[arg(value_name = "DIR")]
    source: PathBuf,
    /// Where to make it, in DEST/.artifacts [default: a directory here with the name of the project]
    dest: Option<PathBuf>,
    /// What git commits: records and meta packs (split, the default), data packs too, or nothing
    #[arg(long, value_name = "MODE", value_enum)]
    git: Option<GitArg>,
}

pub(crate) fn run(args: &CloneArgs, setup: &Setup) -> Result<Exit> {
    let dest = match &args.dest {
        Some(dest) => dest.clone(),
        None => name_of_project(&args.source)?,
    };
    let root = setup.new_store_root(Some(&dest))?;
    let options = InitOptions { git: args.git.map(GitArg::mode) };
    let outcome = clone(&setup.context()?, &OtherCopy::Dir(args.source.clone()), &root, &options)?;
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
    let project = if real.ends_with(".artifacts") { real.parent().unwrap_or(&real) } else { &real };
    match project.file_name() {
        Some(name) => Ok(PathBuf::from(name)),
        None => Err(Error::usage(format!("cannot name the copy of {}", quote_path(source))).hint("give a directory for it").into()),
    }
}
