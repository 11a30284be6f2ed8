//! `art rm`

use artstore::Error;
use artstore::ops::rm::{LatestNow, RemovedVersion, RmOptions, RmOutcome, RmTarget, rm};
use artstore::quote::quote;
use clap::Args;

use crate::error::{Exit, Result};
use crate::setup::Setup;
use crate::ui::show::{plural, size};

/// What is said of bytes that only deleted versions need.
pub(super) const UNTIL_FREED: &str = "`art gc` frees their bytes 14 days after it condemned them, `art gc --prune-now` at once; \
                                      until then `art undelete` brings them back";

/// Delete versions; `art gc` frees their bytes, until then `art undelete` brings them back
///
/// A version that has an alias is refused. If one of several is refused, none is deleted.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  art rm model:v3 model:v4\n  art rm model:v3 --dry-run\n  art rm scratch --all")]
pub(crate) struct RmArgs {
    /// The versions; a bare NAME only with `--all`
    #[arg(value_name = "REF", required = true)]
    references: Vec<String>,
    /// Delete every version of the artifacts that are named
    #[arg(long)]
    all: bool,
    /// Remove the aliases of these versions too
    #[arg(long)]
    force_aliases: bool,
    /// Only tell what would be deleted
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(crate) fn run(args: &RmArgs, setup: &Setup) -> Result<Exit> {
    let targets = args.references.iter().map(|text| target(text, args.all)).collect::<artstore::Result<_>>()?;
    let options = RmOptions { targets, force_aliases: args.force_aliases, dry_run: args.dry_run };
    let store = setup.store()?;
    let outcome = rm(&store, &setup.context()?, &options)?;
    let mut out = setup.ui.out()?;
    if out.json {
        out.value(&outcome)?;
    } else {
        for line in told(&outcome, args.dry_run) {
            out.line(line)?;
        }
    }
    out.done()?;
    Ok(Exit::Done)
}

fn target(text: &str, all: bool) -> artstore::Result<RmTarget> {
    let is_bare = !text.contains([':', '@', '~']);
    match (is_bare, all) {
        (true, true) => text.parse().map(RmTarget::All),
        (false, false) => text.parse().map(RmTarget::Version),
        (true, false) => Err(Error::usage(format!("cannot delete {}: it names no version", quote(text.as_bytes())))
            .hint(format!("name a version, such as `{text}:v0`, or delete all of them with `art rm {text} --all`"))),
        (false, true) => Err(Error::usage(format!("cannot delete all of {}: it names a version", quote(text.as_bytes())))
            .hint("with `--all` give the names of artifacts alone")),
    }
}

fn told(outcome: &RmOutcome, dry_run: bool) -> Vec<String> {
    let mut lines: Vec<String> = outcome.versions.iter().map(|version| version_line(version, dry_run)).collect();
    let changed = outcome.versions.iter().any(|version| version.changed);
    if changed || lines.is_empty() {
        lines.extend(outcome.latest.iter().map(|latest| latest_line(latest, dry_run && changed)));
        lines.extend(outcome.freed_bytes.map(|bytes| format!("`art gc` could then free {}", size(bytes))));
        if changed && !dry_run {
            lines.push(UNTIL_FREED.to_owned());
        }
    }
    lines
}

fn version_line(version: &RemovedVersion, dry_run: bool) -> String {
    let name = format!("{}:{}", version.artifact, version.version);
    if !version.changed {
        return format!("unchanged: {name} is deleted already");
    }
    let aliases: Vec<&str> = version.aliases.iter().map(|alias| alias.as_str()).collect();
    let aliases = if aliases.is_empty() { String::new() } else { format!("; with its aliases: {}", aliases.join(", ")) };
    let done = if dry_run { "would delete" } else { "deleted" };
    format!("{done}: {name} ({}, {}{aliases})", plural(version.file_count, "file"), size(version.size_bytes))
}

/// Tells what `latest` means: `d:latest -> v3`.
pub(super) fn latest_line(latest: &LatestNow, would: bool) -> String {
    let (name, would) = (&latest.artifact, if would { "would be: " } else { "" });
    match (&latest.version, &latest.rivals[..]) {
        (Some(version), _) => format!("{would}{name}:latest -> {version}"),
        (None, []) => format!("{would}{name}: no version left"),
        (None, rivals) => format!("{would}{name}:latest is ambiguous: {}", rivals.join(" or ")),
    }
}
