//! `art count-objects`

use artstore::ops::count_objects::count_objects;
use clap::Args;

use crate::error::{Exit, Result};
use crate::setup::Setup;

/// Count packs, chunks, pages and records, and their bytes
///
/// A line is `WHAT COUNT BYTES`; of chunks and pages the bytes before compression.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  art count-objects --json")]
pub(crate) struct CountObjectsArgs {}

pub(crate) fn run(_: &CountObjectsArgs, setup: &Setup) -> Result<Exit> {
    let counts = count_objects(&setup.store()?)?;
    let mut out = setup.ui.out()?;
    if out.json {
        out.value(&counts)?;
    } else {
        let rows = [
            ("data-packs", counts.data_packs, counts.data_pack_bytes),
            ("chunks", counts.chunks, counts.chunk_bytes),
            ("meta-packs", counts.meta_packs, counts.meta_pack_bytes),
            ("pages", counts.pages, counts.page_bytes),
            ("records", counts.records, counts.record_bytes),
        ];
        for (what, count, bytes) in rows {
            out.line(format!("{what} {count} {bytes}"))?;
        }
    }
    out.done()?;
    Ok(Exit::Done)
}
