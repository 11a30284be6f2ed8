//! `art list-packs`

use artstore::ops::count_objects::list_packs;
use clap::Args;

use crate::error::{Exit, Result};
use crate::setup::Setup;

/// Print the packs that are here: class, id, bytes, and how many chunks or pages
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  art list-packs | awk '{ bytes += $3 } END { print bytes }'")]
pub(crate) struct ListPacksArgs {}

pub(crate) fn run(_: &ListPacksArgs, setup: &Setup) -> Result<Exit> {
    let packs = list_packs(&setup.store()?)?;
    let mut out = setup.ui.out()?;
    if out.json {
        out.value(&packs)?;
    } else {
        for pack in packs {
            out.line(format!("{} {} {} {}", pack.class, pack.id, pack.size_bytes, pack.object_count))?;
        }
    }
    out.done()?;
    Ok(Exit::Done)
}
