//! How `get` and `checkout` tell what they did.

use std::os::unix::ffi::OsStrExt;

use artstore::Error;
use artstore::format::path::EntryPath;
use artstore::ops::restore::{LackingReference, RestoreOptions, RestoreOutcome};
use artstore::quote::{escape, percent, quote};
use artstore::refs::history::Version;
use serde_json::{Value, json};

use crate::error::{Exit, Result};
use crate::setup::Setup;
use crate::ui::show::{plural, size};

/// Paths of somebody's work that are listed before the rest is only counted.
const LISTED_MAX: usize = 20;

/// Prints the outcome, or what is in the way.
pub(super) fn tell(setup: &Setup, version: &Version, outcome: &RestoreOutcome, options: &RestoreOptions) -> Result<Exit> {
    if !outcome.in_the_way.is_empty() {
        return Err(in_the_way(outcome).into());
    }
    if !outcome.lacking.is_empty() && !options.allow_missing_references {
        return Err(lacking(outcome).into());
    }
    let warn = |message: String| setup.ui.progress().warn(&message);
    for reference in outcome.lacking.iter().take(LISTED_MAX) {
        let uri = quote(reference.uri.as_bytes());
        warn(format!("left out {}, a reference to {uri}: {}", quote(reference.path.as_bytes()), reference.why));
    }
    if outcome.lacking.len() > LISTED_MAX {
        warn(format!("left out {} more references", outcome.lacking.len() - LISTED_MAX));
    }
    let mut out = setup.ui.out()?;
    if out.json {
        let mut value = json!({
            "artifact": version.record.artifact,
            "version": version.label,
            "id": version.id,
            "digest": version.record.manifest,
            "path": String::from_utf8_lossy(outcome.path.as_os_str().as_bytes()),
            "file_count": outcome.file_count,
            "size_bytes": outcome.size_bytes,
            "restored_files": outcome.restored_files,
            "restored_references": outcome.restored_references,
            "missing_references": outcome.lacking.len(),
        });
        if options.exact {
            value["removed"] = paths(&outcome.removed);
        }
        if options.dry_run {
            value["restored"] = paths(&outcome.restored);
        }
        out.value(&value)?;
    } else if options.dry_run {
        for path in &outcome.restored {
            out.line(format!("would restore {path}"))?;
        }
        for path in &outcome.removed {
            out.line(format!("would remove {path}"))?;
        }
    } else {
        let written = match outcome.restored_files {
            all if all == outcome.file_count => String::new(),
            some => format!("; {some} written"),
        };
        let references = match outcome.restored_references {
            0 => String::new(),
            count => format!("; {} restored", plural(count, "reference")),
        };
        let removed = if outcome.removed.is_empty() { String::new() } else { format!("; {} removed", outcome.removed.len()) };
        let shown = escape(outcome.path.as_os_str().as_bytes());
        let content = format!("{}, {}", plural(outcome.file_count, "file"), size(outcome.size_bytes));
        out.line(format!("restored: {} to {shown} ({content}{written}{references}{removed})", version.full_name()))?;
    }
    out.done()?;
    Ok(Exit::Done)
}

/// Lists paths as JSON.
pub(super) fn paths(paths: &[EntryPath]) -> Value {
    paths.iter().map(path).collect()
}

fn path(path: &EntryPath) -> Value {
    match std::str::from_utf8(path.as_bytes()) {
        Ok(text) => json!({ "path": text }),
        Err(_) => json!({ "path": path.to_string(), "path_bytes": percent(path.as_bytes()) }),
    }
}

fn lacking(outcome: &RestoreOutcome) -> Error {
    let line = |reference: &LackingReference| format!("\n  {} -> {}: {}", reference.path, escape(reference.uri.as_bytes()), reference.why);
    let mut lines: Vec<String> = outcome.lacking.iter().take(LISTED_MAX).map(line).collect();
    if outcome.lacking.len() > LISTED_MAX {
        lines.push(format!("\n  and {} more", outcome.lacking.len() - LISTED_MAX));
    }
    let references = plural(outcome.lacking.len() as u64, "reference");
    Error::refused(format!("nothing was restored: {references} cannot be restored here:{}", lines.concat()))
        .hint("`--allow-missing-refs` restores the rest")
}

fn in_the_way(outcome: &RestoreOutcome) -> Error {
    let mut lines: Vec<String> = outcome.in_the_way.iter().take(LISTED_MAX).map(|path| format!("\n  {path}")).collect();
    if outcome.in_the_way.len() > LISTED_MAX {
        lines.push(format!("\n  and {} more", outcome.in_the_way.len() - LISTED_MAX));
    }
    let files = plural(outcome.in_the_way.len() as u64, "file");
    Error::refused(format!("nothing was restored: {files} in the way that no version of the artifact holds:{}", lines.concat()))
        .hint("store or move them first, or give `--force` to lose them")
}
