//! `art fsck`

use artstore::ops::fsck::{FindingKind, FsckLevel, FsckOptions, FsckOutcome, VersionState, fsck};
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
#[command(after_help = "Examples:\n  art fsck\n  art fsck --deep\n  art fsck --quick --json | jq '.findings'")]
pub(crate) struct FsckArgs {
    /// Read no more of data packs than their tables
    #[arg(long, conflicts_with = "deep")]
    quick: bool,
    /// Decode every block too, and hash every chunk and every file
    #[arg(long)]
    deep: bool,
}

pub(crate) fn run(args: &FsckArgs, setup: &Setup) -> Result<Exit> {
    let level = match (args.quick, args.deep) {
        (true, _) => FsckLevel::Quick,
        (_, true) => FsckLevel::Deep,
        _ => FsckLevel::Full,
    };
    let store = setup.store()?;
    let outcome = fsck(&store, &setup.context()?, &FsckOptions { level })?;
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
    let mut kind = None;
    for finding in &outcome.findings {
        if kind.replace(finding.kind) != Some(finding.kind) {
            out.line(format!("{}:", heading(finding.kind)))?;
        }
        out.line(format!("  {}: {}", finding.subject, escape(finding.message.as_bytes())))?;
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
    let condemned = if outcome.condemned_count > 0 { format!(", {} condemned", outcome.condemned_count) } else { String::new() };
    let packs = plural(outcome.pack_count, "pack");
    out.line(format!("checked {packs} ({}{condemned}): {}; {findings}", size(outcome.pack_bytes), states.join(", ")))?;
    if outcome.ok {
        return Ok(());
    }
    out.line("hint: `art repair --from DIR` fetches what is damaged or missing from another copy of the store")
}

fn heading(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::DamagedPack => "damaged packs",
        FindingKind::PackNotArrived => "packs that are not whole and count as absent",
        FindingKind::DamagedRecord => "damaged records",
        FindingKind::RemovedFile => "files that are gone and kept in `packs/keep/`",
        FindingKind::LostAlias => "aliases of lost versions",
        FindingKind::IncompleteVersion => "incomplete versions",
        FindingKind::DamagedVersion => "damaged versions",
        FindingKind::ArtifactMetadata => "metadata of artifacts that is damaged or missing",
        FindingKind::Unreadable => "unreadable",
    }
}
