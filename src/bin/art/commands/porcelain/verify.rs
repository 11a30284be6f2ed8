//! `art verify`

use std::path::PathBuf;

use artstore::name::Ref;
use artstore::ops::branches::resolve;
use artstore::ops::verify::verify;
use clap::Args;
use serde_json::json;

use super::restored::paths;
use crate::error::{Exit, Result};
use crate::setup::Setup;

/// Tell whether a directory is exactly a version: exit 1, and the list, if not
///
/// Every file is read. What `.artignore` files leave out is no difference.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  art verify training-data:v0 data")]
pub(crate) struct VerifyArgs {
    /// The version; a bare NAME is its latest
    #[arg(value_name = "REF")]
    reference: String,
    /// The directory
    dir: PathBuf,
}

pub(crate) fn run(args: &VerifyArgs, setup: &Setup) -> Result<Exit> {
    let reference: Ref = args.reference.parse()?;
    let store = setup.store()?;
    let found = resolve(&store, &reference)?;
    let outcome = verify(&store, &setup.context()?, &found, &args.dir)?;
    let mut out = setup.ui.out()?;
    if out.json {
        out.value(&json!({
            "artifact": found.version.record.artifact,
            "version": found.version.label,
            "same": outcome.is_same(),
            "entry_count": outcome.entry_count,
            "unchecked_references": outcome.unchecked_references,
            "missing": paths(&outcome.missing),
            "changed": paths(&outcome.changed),
            "extra": paths(&outcome.extra),
        }))?;
    } else {
        for (what, list) in [("missing", &outcome.missing), ("changed", &outcome.changed), ("extra", &outcome.extra)] {
            for path in list {
                out.line(format!("{what}: {path}"))?;
            }
        }
        if outcome.is_same() {
            let unchecked = match outcome.unchecked_references {
                0 => String::new(),
                count => format!("; references not compared: {count}"),
            };
            let compared = outcome.entry_count - outcome.unchecked_references;
            out.line(format!("same: {} (entries compared: {compared}{unchecked})", found.version.full_name()))?;
        }
    }
    out.done()?;
    Ok(if outcome.is_same() { Exit::Done } else { Exit::No })
}
