//! `art push`

use std::ffi::OsString;

use artstore::name::Ref;
use artstore::ops::sync::Direction;
use clap::Args;

use super::moved::{Given, run as run_moved};
use crate::error::{Exit, Result};
use crate::setup::Setup;

/// Bring another copy what it lacks: all of this store, or the versions named
///
/// A version travels with what it needs, its aliases and edits, and the runs that made or used it.
/// Only what is missing travels, each file is hashed on arrival; it can be stopped and run again.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  art push /mnt/stick/project\n  art push ssh://host/data/project\n  art push --init /mnt/stick/project model:best\n  art push --all ../other data"
)]
pub(crate) struct PushArgs {
    /// The other copy: a store, or a project with one; here, or at ssh://host/path
    #[arg(value_name = "COPY")]
    other: OsString,
    /// The versions that travel [default: the whole store]
    #[arg(value_name = "REF")]
    versions: Vec<Ref>,
    /// All versions of the artifacts named, not the latest alone
    #[arg(long, requires = "versions")]
    all: bool,
    /// Make a store at the other end if there is none
    #[arg(long)]
    init: bool,
    /// Tell what would travel, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(args: &PushArgs, setup: &Setup) -> Result<Exit> {
    let PushArgs { other, versions, all, init, dry_run } = args;
    run_moved(&Given { direction: Direction::Push, other, versions, all_versions: *all, dry_run: *dry_run, init: *init }, setup)
}
