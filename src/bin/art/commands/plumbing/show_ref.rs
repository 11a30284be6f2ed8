//! `art show-ref`

use artstore::ops::show_ref::show_ref;
use clap::Args;

use crate::error::{Exit, Result};
use crate::setup::Setup;

/// Print every ref that names one version, with the version's id
///
/// A line is `ID REF`. Names that are ambiguous or have diverged are left out.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  art show-ref model")]
pub(crate) struct ShowRefArgs {
    /// Only those of this artifact
    name: Option<String>,
}

pub(crate) fn run(args: &ShowRefArgs, setup: &Setup) -> Result<Exit> {
    let name = args.name.as_deref().map(str::parse).transpose()?;
    let refs = show_ref(&setup.store_to_read()?, name.as_ref())?;
    let mut out = setup.ui.out()?;
    if out.json {
        out.value(&refs)?;
    } else {
        for row in refs {
            out.line(format!("{} {}", row.id, row.reference))?;
        }
    }
    out.done()?;
    Ok(Exit::Done)
}
