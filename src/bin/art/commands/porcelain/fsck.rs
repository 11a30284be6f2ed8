//! `art fsck`

use artstore::ops::fsck::{FsckOutcome, VersionState, fsck};
use artstore::quote::escape;
use clap::Args;

use crate::error::{Exit, Result};
use crate::setup::Setup;
use crate::ui::out::Out;
use crate::ui::show::{plural, size};

/// Check the whole store: every pack, every record, every version
///
/// Each pack is hashed whole, and for each version all that it names is looked for. Changes
/// nothing. Exit 0 if all is well, 5 with findings; files that are no part of a store are listed
/// and no finding.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  art fsck\n  art fsck --json | jq '.findings'")]
pub(crate) struct FsckArgs {}

pub(crate) fn run(_: &FsckArgs, setup: &Setup) -> Result<Exit> {
    let store = setup.store()?;
    let outcome = fsck(&store, &setup.context()?)?;
    let mut out = setup.ui.out()?;
    if out.json {
        out.value(&outcome)?
    } else {
        tell(&outcome, &mut out)?
    }
    out.done()?;
    Ok(if outcome.ok { Exit::Done } else { Exit::Damaged })
}

fn tell(outcome: &FsckOutcome, out: &mut Out) -> Result<()> {
    for stranger in &outcome.strangers {
        out.line(format!("stranger  {}", escape(stranger.path.as_bytes())))?;
    }
    for finding in &outcome.findings {
        out.line(format!("{}  {}: {}", finding.kind.as_str(), finding.subject, escape(finding.message.as_bytes())))?;
    }
    let count = |state: VersionState| outcome.versions.iter().filter(|version| version.state == state).count() as u64;
    let mut states = vec![format!("{} complete", plural(count(VersionState::Complete), "version"))];
    for (state, word) in [(VersionState::Incomplete, "incomplete"), (VersionState::Damaged, "damaged"), (VersionState::Deleted, "deleted")]
    {
        if count(state) > 0 {
            states.push(format!("{} {word}", count(state)));
        }
    }
    let findings = if outcome.ok { "no finding".to_owned() } else { plural(outcome.findings.len() as u64, "finding") };
    out.line(format!("checked {} ({}): {}; {findings}", plural(outcome.pack_count, "pack"), size(outcome.pack_bytes), states.join(", ")))
}
