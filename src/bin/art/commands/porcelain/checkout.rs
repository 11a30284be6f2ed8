//! `art checkout`

use std::path::PathBuf;

use artstore::name::Ref;
use artstore::ops::branches::resolve;
use artstore::ops::restore::{RestoreOptions, restore};
use clap::Args;

use super::restored;
use crate::error::{Exit, Result};
use crate::setup::Setup;

/// Make a directory exactly a version: what the version does not have goes
///
/// Where a file would be overwritten or removed that no version of the artifact holds, nothing is
/// done. What `.artignore` files leave out stays.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  art checkout training-data:v2 data --dry-run\n  art checkout training-data:v2 data")]
pub(crate) struct CheckoutArgs {
    /// The version; a bare NAME is its latest
    #[arg(value_name = "REF")]
    reference: String,
    /// Where
    dest: PathBuf,
    /// Only tell what would be written and removed
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Overwrite and remove files that no version holds
    #[arg(long)]
    force: bool,
    /// Make symlinks that point outside DEST
    #[arg(long)]
    unsafe_links: bool,
    /// Restore the rest if there are references that cannot be restored here
    #[arg(long)]
    allow_missing_refs: bool,
}

pub(crate) fn run(args: &CheckoutArgs, setup: &Setup) -> Result<Exit> {
    let reference: Ref = args.reference.parse()?;
    let options = RestoreOptions {
        exact: true,
        force: args.force,
        unsafe_links: args.unsafe_links,
        allow_missing_references: args.allow_missing_refs,
        dry_run: args.dry_run,
        ..RestoreOptions::default()
    };
    let store = setup.store()?;
    let found = resolve(&store, &reference)?;
    let outcome = restore(&store, &setup.context()?, &found, &args.dest, &options)?;
    restored::tell(setup, &found.version, &outcome, &options)
}
