//! `art cat-object`

use std::io::Write;

use artstore::ops::cat_object::cat_object;
use clap::Args;

use crate::error::{Exit, Result};
use crate::setup::Setup;

/// Write the bytes of a chunk or a page to standard output
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  art cat-object $(art rev-parse --digest model) | xxd | head")]
pub(crate) struct CatObjectArgs {
    /// Its id, or the first 8 or more hex digits if they name it alone
    id: String,
}

pub(crate) fn run(args: &CatObjectArgs, setup: &Setup) -> Result<Exit> {
    let bytes = cat_object(&setup.store()?, &args.id)?;
    let mut out = setup.ui.out()?;
    out.write_all(&bytes)?;
    out.done()?;
    Ok(Exit::Done)
}
