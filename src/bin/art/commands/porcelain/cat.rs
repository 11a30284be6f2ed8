//! `art cat`

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use artstore::ops::cat::cat;
use clap::Args;

use crate::error::{Exit, Result};
use crate::setup::Setup;

/// Write one file of a version to standard output
///
/// Every byte is checked before it is written.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  art cat model:best weights.bin | sha256sum\n  art cat training-data:v0 labels.csv | head")]
pub(crate) struct CatArgs {
    /// The version
    #[arg(value_name = "REF")]
    reference: String,
    /// The file's path in it
    path: OsString,
}

pub(crate) fn run(args: &CatArgs, setup: &Setup) -> Result<Exit> {
    let reference = args.reference.parse()?;
    let store = setup.store_to_read()?;
    let mut out = setup.ui.out()?;
    cat(&store, &reference, args.path.as_bytes(), &mut out)?;
    out.done()?;
    Ok(Exit::Done)
}
