//! `art get`

use std::ffi::OsString;
use std::path::PathBuf;

use artstore::name::Ref;
use artstore::ops::branches::resolve;
use artstore::ops::restore::{RestoreOptions, default_dest, restore};
use artstore::ops::run::{check_open, use_version};
use clap::Args;

use super::put::entry_path;
use super::restored;
use super::run::needed;
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
  art get training-data:v0 data --force
  art get training-data data --use --as train")]
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
    /// Restore the rest if there are references that cannot be restored here
    #[arg(long)]
    allow_missing_refs: bool,
    /// Record that the run uses this version, once it is restored
    #[arg(long = "use")]
    records_use: bool,
    /// What the run uses it as
    #[arg(long = "as", value_name = "NAME", requires = "records_use")]
    role: Option<String>,
    /// The run, by id or name (also: ART_RUN)
    #[arg(long, value_name = "RUN", requires = "records_use")]
    run: Option<String>,
}

pub(crate) fn run(args: &GetArgs, setup: &Setup) -> Result<Exit> {
    let reference: Ref = args.reference.parse()?;
    let prefixes = args.paths.iter().map(|path| entry_path(path)).collect::<artstore::Result<_>>()?;
    let options = RestoreOptions {
        prefixes,
        force: args.force,
        unsafe_links: args.unsafe_links,
        allow_missing_references: args.allow_missing_refs,
        ..RestoreOptions::default()
    };
    let role = args.role.as_deref().map(str::parse).transpose()?;
    let store = setup.store()?;
    // Before anything is restored: a use that cannot be recorded must not come as a surprise.
    let run = if args.records_use { Some(needed(setup, &store, args.run.as_deref())?) } else { None };
    run.map(|run| check_open(&store, run)).transpose()?;
    let found = resolve(&store, &reference)?;
    let dest = args.dest.clone().unwrap_or_else(|| default_dest(&found.version));
    let outcome = restore(&store, &setup.context()?, &found, &dest, &options)?;
    if let Some(run) = run {
        let exact = format!("{}@{}", found.version.record.artifact, found.version.id).parse()?;
        use_version(&store, &setup.context()?, run, &exact, role)?;
    }
    restored::tell(setup, &found.version, &outcome, &options)
}
