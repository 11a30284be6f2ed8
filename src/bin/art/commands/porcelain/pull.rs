//! `art pull`

use std::ffi::OsString;

use artstore::name::Ref;
use artstore::ops::sync::Direction;
use clap::Args;

use super::moved::{Given, run as run_moved};
use crate::error::{Exit, Result};
use crate::setup::Setup;

/// Bring this store what it lacks: all that another copy has, or the versions named
///
/// REFs mean what they mean there. A version travels with what it needs, its aliases and edits, and the runs that
/// made or used it. Only what is missing travels, each file is hashed on arrival; it can be stopped and run again.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  art pull host:project\n  art pull ../other model:best data:v3\n  art pull --all ../other data")]
pub(crate) struct PullArgs {
    /// The other copy: a store, or a project with one; here, or at ssh://host/path
    #[arg(value_name = "COPY")]
    other: OsString,
    /// The versions that travel [default: the whole store]
    #[arg(value_name = "REF")]
    versions: Vec<Ref>,
    /// All versions of the artifacts named, not the latest alone
    #[arg(long, requires = "versions")]
    all: bool,
    /// Tell what would travel, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(args: &PullArgs, setup: &Setup) -> Result<Exit> {
    let PullArgs { other, versions, all, dry_run } = args;
    run_moved(&Given { direction: Direction::Pull, other, versions, all_versions: *all, dry_run: *dry_run, init: false }, setup)
}
