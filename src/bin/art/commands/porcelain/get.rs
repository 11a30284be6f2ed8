//! `art get`

use std::ffi::OsString;
use std::path::PathBuf;

use artstore::name::Ref;
use artstore::ops::restore::{RestoreOptions, default_dest, restore};
use clap::Args;

use super::put::entry_path;
use super::restored;
use crate::error::{Exit, Result};
use crate::setup::Setup;

/// Restore a version into a directory
///
/// Files that are there and right are kept, missing ones restored, extra ones left. Where a file
/// is in the way that no version of the artifact holds, nothing is done.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  art get training-data:latest
  art get model:best models/ --path weights.bin
  art get training-data:v0 data --force")]
pub(crate) struct GetArgs {
    /// The version; a bare NAME is its latest
    #[arg(value_name = "REF")]
    reference: String,
    /// Where to [default: ./artifacts/NAME:vN]
    dest: Option<PathBuf>,
    /// Only this entry, or what lies below it
    #[arg(long = "path", value_name = "PREFIX")]
    paths: Vec<OsString>,
    /// Overwrite files that no version holds
    #[arg(long)]
    force: bool,
    /// Make symlinks that point outside DEST
    #[arg(long)]
    unsafe_links: bool,
}

pub(crate) fn run(args: &GetArgs, setup: &Setup) -> Result<Exit> {
    let reference: Ref = args.reference.parse()?;
    let prefixes = args.paths.iter().map(|path| entry_path(path)).collect::<artstore::Result<_>>()?;
    let options = RestoreOptions { prefixes, force: args.force, unsafe_links: args.unsafe_links, ..RestoreOptions::default() };
    let store = setup.store()?;
    let found = store.resolve(&reference)?;
    let dest = args.dest.clone().unwrap_or_else(|| default_dest(&found.version));
    let outcome = restore(&store, &setup.context()?, &found, &dest, &options)?;
    restored::tell(setup, &found.version, &outcome, &options)
}
