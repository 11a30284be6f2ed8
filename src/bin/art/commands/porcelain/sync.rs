//! `art sync`

use std::ffi::OsString;

use artstore::ops::sync::Direction;
use clap::Args;

use super::moved::{Given, run as run_moved};
use crate::error::{Exit, Result};
use crate::setup::Setup;

/// Bring this store and another copy of it to the same state, both ways
///
/// Only what is missing travels, packs before records, and each file is hashed on arrival; nothing
/// that is there is changed. It can be stopped and run again.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  art sync /mnt/stick/project\n  art sync ssh://me@host/data/project\n  art sync --dry-run ../other")]
pub(crate) struct SyncArgs {
    /// The other copy: a store, or a project with one; here, or at ssh://host/path
    #[arg(value_name = "COPY")]
    other: OsString,
    /// Make a store at the other end if there is none
    #[arg(long)]
    init: bool,
    /// Tell what would travel, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(args: &SyncArgs, setup: &Setup) -> Result<Exit> {
    let SyncArgs { other, init, dry_run } = args;
    run_moved(&Given { direction: Direction::Both, other, versions: &[], all_versions: false, dry_run: *dry_run, init: *init }, setup)
}
