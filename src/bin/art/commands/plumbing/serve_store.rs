//! `art serve-store`

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;

use artstore::ops::sync::serve;
use clap::Args;

use crate::error::{Exit, Result};
use crate::setup::Setup;

/// Answer what another `art` asks of a store here, on standard input and output
///
/// `art push ssh://host/DIR` and the like start it at the other end.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  ssh host -- art serve-store -- project")]
pub(crate) struct ServeStoreArgs {
    /// The store, or a project with one
    dir: PathBuf,
}

pub(crate) fn run(args: &ServeStoreArgs, setup: &Setup) -> Result<Exit> {
    // As files, without the buffers of lines that the handles have.
    let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    // What failed was told to the other side.
    let failed = serve(&args.dir, &setup.context()?, input, output)?;
    Ok(failed.map_or(Exit::Done, Exit::Failed))
}
