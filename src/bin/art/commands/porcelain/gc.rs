//! `art gc`

use std::time::Duration;

use artstore::format::record::Time;
use artstore::ops::gc::{GRACE, GcOptions, GcOutcome, Reason, Stay, gc};
use clap::Args;

use crate::error::{Exit, Result};
use crate::setup::Setup;
use crate::ui::show::{plural, size, time};

/// Free what only deleted versions need
///
/// A pack that no version needs is condemned first: nothing is stored on it any more. A later
/// `art gc` removes it when it has been condemned for 14 days, unless a version needs it again. So
/// a copy of the store that still needs it has time to tell.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  art gc --dry-run\n  art gc\n  art gc --prune-now")]
pub(crate) struct GcArgs {
    /// Only tell what would be done
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Remove at once: no copy is about to be merged that may need something
    #[arg(long)]
    prune_now: bool,
    /// Free also what no record here names, where it has been here for 14 days
    #[arg(long)]
    orphans: bool,
    /// How long a pack waits, instead of 14 days; for tests
    #[arg(long, value_name = "N", hide = true)]
    grace_seconds: Option<u64>,
}

pub(crate) fn run(args: &GcArgs, setup: &Setup) -> Result<Exit> {
    let options = GcOptions {
        dry_run: args.dry_run,
        prune_now: args.prune_now,
        orphans: args.orphans,
        grace: args.grace_seconds.map_or(GRACE, Duration::from_secs),
    };
    let store = setup.store()?;
    let context = setup.context()?;
    let outcome = gc(&store, &context, &options)?;
    let mut out = setup.ui.out()?;
    if out.json {
        out.value(&outcome)?;
    } else {
        for line in told(&outcome, context.now) {
            out.line(line)?;
        }
    }
    out.done()?;
    if let Some(why) = &outcome.no_space {
        setup.ui.warn(&format!("not everything was freed: {why}; run `art gc --prune-now` again when there is more room"));
    }
    Ok(Exit::Done)
}

fn told(outcome: &GcOutcome, now: Time) -> Vec<String> {
    let would = if outcome.dry_run { "would be " } else { "" };
    let mut lines = Vec::new();
    for (reason, why) in [
        (Reason::Unused, "nothing in them is needed"),
        (Reason::HalfDead, "less than half of them is needed, and copied"),
        (Reason::Small, "they are small, and merged"),
    ] {
        let packs = outcome.condemned.iter().filter(|pack| pack.reason == reason).map(|pack| pack.pack.size_bytes);
        lines.extend(line(&format!("{would}condemned"), packs, why));
    }
    if outcome.new_packs > 0 {
        lines.push(format!("{would}written: {} ({})", plural(outcome.new_packs, "new pack"), size(outcome.new_bytes)));
    }
    lines.extend(line(&format!("{would}removed"), outcome.deleted.iter().map(|pack| pack.size_bytes), "condemned, and not needed"));
    lines.extend(line(&format!("{would}kept after all"), outcome.lifted.iter().map(|pack| pack.size_bytes), "a version needs them again"));
    for (reason, why) in [
        (Stay::Grace, "condemned, and waiting"),
        (Stay::Commit, "condemned, and held by a commit of this git repo"),
        (Stay::Pages, "condemned, and telling what is deleted in other packs"),
        (Stay::Orphans, "condemned, and holding what no record here names, so `art gc --orphans` removes them"),
        (Stay::Put, "condemned, and in use by a put"),
    ] {
        let packs = outcome.waiting.iter().filter(|pack| pack.reason == reason).map(|pack| pack.pack.size_bytes);
        let until = outcome.waiting.iter().filter(|pack| pack.reason == reason).filter_map(|pack| pack.until).min();
        let until = until.filter(|until| reason != Stay::Orphans || *until > now);
        let word = if reason == Stay::Orphans { "from" } else { "until" };
        let until = until.map(|until| format!(", the first {word} {}", time(until))).unwrap_or_default();
        lines.extend(line("kept", packs, &format!("{why}{until}")));
    }
    let orphans = outcome.orphans;
    if orphans.chunk_count + orphans.page_count > 0 {
        let count = plural(orphans.chunk_count + orphans.page_count, "orphan");
        let until = orphans.until.filter(|until| *until > now);
        let until = until.map(|until| format!(", the first from {}", time(until))).unwrap_or_default();
        let frees = format!("`art gc --orphans` frees them{until}");
        lines.push(format!("kept: {count} ({}), which no record here names; {frees}", size(orphans.size_bytes)));
    }
    if outcome.missing_chunks > 0 {
        let count = plural(outcome.missing_chunks, "chunk");
        lines.push(format!("not here: {count} that versions name; `art fsck` tells of which"));
    }
    if outcome.is_idle() {
        lines.push("nothing to free".to_owned());
        return lines;
    }
    let later = outcome.later_bytes();
    let freed = outcome.freed_bytes.saturating_sub(if outcome.deleted.is_empty() { 0 } else { outcome.new_bytes });
    let (freed, later) = (size(freed), size(later));
    lines.push(match outcome.dry_run {
        true => format!("would free {freed} now and {later} later"),
        false => format!("freed {freed}; {later} to be freed by a later `art gc`, or now with `--prune-now`"),
    });
    lines
}

fn line(what: &str, packs: impl Iterator<Item = u64>, why: &str) -> Option<String> {
    let (mut count, mut bytes) = (0, 0);
    for len in packs {
        count += 1;
        bytes += len;
    }
    (count > 0).then(|| format!("{what}: {} ({}): {why}", plural(count, "pack"), size(bytes)))
}
