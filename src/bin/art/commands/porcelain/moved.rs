//! What `sync`, `push` and `pull` share: their way to the other copy, and how they tell what went.

use std::ffi::OsStr;

use artstore::name::Ref;
use artstore::ops::sync::{Direction, IncompleteVersion, Moved, SyncOptions, SyncOutcome, sync};
use artstore::quote::{escape, quote};

use crate::error::{Exit, Result};
use crate::setup::Setup;
use crate::ui::show::{plural, size};

/// Versions that are named in a line; the rest are counted.
const VERSIONS_TOLD: usize = 5;

/// What the three commands were given.
pub(super) struct Given<'a> {
    pub(super) direction: Direction,
    pub(super) other: &'a OsStr,
    pub(super) versions: &'a [Ref],
    pub(super) all_versions: bool,
    pub(super) dry_run: bool,
    pub(super) init: bool,
}

pub(super) fn run(given: &Given<'_>, setup: &Setup) -> Result<Exit> {
    let store = setup.store()?;
    let options = SyncOptions {
        direction: given.direction,
        versions: given.versions.to_vec(),
        all_versions: given.all_versions,
        dry_run: given.dry_run,
        init: given.init,
    };
    let outcome = sync(&store, &setup.context()?, &setup.other_copy(given.other)?, &options)?;
    finish(&outcome, setup, &|outcome| lines(outcome, given))
}

/// Tells what went, and what did not.
pub(super) fn finish(outcome: &SyncOutcome, setup: &Setup, lines: &dyn Fn(&SyncOutcome) -> Vec<String>) -> Result<Exit> {
    for damaged in &outcome.damaged {
        let (path, message) = (quote(damaged.path.as_bytes()), escape(damaged.message.as_bytes()));
        setup.ui.warn(&format!("did not take {path} from {}: {message}", quote(damaged.from.as_bytes())));
    }
    for version in &outcome.held_back {
        let name = quote(format!("{}:v{}", version.artifact, version.number).as_bytes());
        setup.ui.warn(&format!("held back {name}: something that it needs could not be read"));
    }
    warn_of_incomplete(setup, &outcome.incomplete);
    let mut out = setup.ui.out()?;
    if out.json {
        out.value(outcome)?;
    } else {
        for line in lines(outcome) {
            out.line(line)?;
        }
    }
    out.done()?;
    Ok(if outcome.ok { Exit::Done } else { Exit::Damaged })
}

/// Warns of versions that came without all of their bytes.
pub(super) fn warn_of_incomplete(setup: &Setup, incomplete: &[IncompleteVersion]) {
    for version in incomplete {
        let counts = [(version.missing_chunks, "chunk"), (version.missing_pages, "page")];
        let counts: Vec<String> = counts.iter().filter(|(count, _)| *count > 0).map(|(count, noun)| plural(*count, noun)).collect();
        let name = quote(format!("{}:{}", version.artifact, version.version).as_bytes());
        setup.ui.warn(&format!("{name} is incomplete: {} missing", counts.join(" and ")));
    }
}

fn lines(outcome: &SyncOutcome, given: &Given<'_>) -> Vec<String> {
    let ways = [(&outcome.pulled, "pulled", "pull", "from"), (&outcome.pushed, "pushed", "push", "to")];
    let other = quote(outcome.other.as_bytes());
    let (mut lines, mut is_idle) = (Vec::new(), true);
    for (moved, did, would, preposition) in ways {
        let Some(moved) = moved else { continue };
        if !moved.is_empty() {
            is_idle = false;
            let verb = if outcome.dry_run { format!("would {would}") } else { did.to_owned() };
            lines.push(format!("{verb}  {} {preposition} {}", what(moved), other));
        }
        if moved.withheld_count > 0 {
            let count = plural(moved.withheld_count, "pack");
            lines.push(format!("left out  {count} that the other copy has removed and nothing needs"));
        }
    }
    match given.direction {
        _ if !is_idle => {}
        Direction::Both => lines.push(format!("nothing to sync with {other}")),
        Direction::Push => lines.push(format!("nothing to push to {other}")),
        Direction::Pull => lines.push(format!("nothing to pull from {other}")),
    }
    lines
}

/// Says what was moved: `2 packs and 3 records (1.2 MB): data:v3, model:v0`.
pub(super) fn what(moved: &Moved) -> String {
    let counts = [(moved.pack_count, "pack"), (moved.record_count, "record")];
    let counts: Vec<String> = counts.iter().filter(|(count, _)| *count > 0).map(|(count, noun)| plural(*count, noun)).collect();
    let mut versions: Vec<String> =
        moved.versions.iter().take(VERSIONS_TOLD).map(|version| format!("{}:v{}", version.artifact, version.number)).collect();
    if moved.versions.len() > VERSIONS_TOLD {
        versions.push(format!("{} more", moved.versions.len() - VERSIONS_TOLD));
    }
    let versions = if versions.is_empty() { String::new() } else { format!(": {}", versions.join(", ")) };
    format!("{} ({}){versions}", counts.join(" and "), size(moved.size_bytes))
}
