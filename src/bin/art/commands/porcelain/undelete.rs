//! `art undelete`

use artstore::name::Ref;
use artstore::ops::undelete::{UndeletedVersion, undelete};
use artstore::quote::quote;
use artstore::{Error, Result as ArtResult};
use clap::Args;

use super::rm::latest_line;
use crate::error::{Exit, Result};
use crate::setup::Setup;

/// Bring deleted versions back, as long as their bytes are here
///
/// Aliases that were removed with a version do not come back. If the bytes of one of several are
/// gone (exit 5), none is brought back.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  art undelete model:v3\n  art log model      tells what was deleted")]
pub(crate) struct UndeleteArgs {
    /// The versions
    #[arg(value_name = "REF", required = true)]
    references: Vec<String>,
}

pub(crate) fn run(args: &UndeleteArgs, setup: &Setup) -> Result<Exit> {
    let references = args.references.iter().map(|text| target(text)).collect::<ArtResult<Vec<Ref>>>()?;
    let store = setup.store()?;
    let outcome = undelete(&store, &setup.context()?, &references)?;
    let mut out = setup.ui.out()?;
    if out.json {
        out.value(&outcome)?;
    } else {
        for version in &outcome.versions {
            out.line(version_line(version))?;
        }
        if outcome.versions.iter().any(|version| version.changed) {
            for latest in &outcome.latest {
                out.line(latest_line(latest, false))?;
            }
        }
    }
    out.done()?;
    Ok(Exit::Done)
}

fn target(text: &str) -> ArtResult<Ref> {
    if text.contains([':', '@', '~']) {
        return text.parse();
    }
    Err(Error::usage(format!("cannot undelete {}: it names no version", quote(text.as_bytes())))
        .hint(format!("name a version, such as `{text}:v0`; `art log {text}` tells what was deleted")))
}

fn version_line(version: &UndeletedVersion) -> String {
    let name = format!("{}:{}", version.artifact, version.version);
    if version.changed { format!("undeleted: {name}") } else { format!("unchanged: {name} is not deleted") }
}
