//! `art log`

use std::collections::{HashMap, HashSet};

use artstore::Store;
use artstore::id::RecordId;
use artstore::name::Name;
use artstore::ops::log::{EditInfo, LogEntry, log, log_artifact};
use artstore::ops::ls::Listing;
use artstore::quote::escape;
use clap::Args;

use super::show::{git_line, tags_line};
use super::warn_of_damaged;
use crate::error::{Exit, Result};
use crate::setup::Setup;
use crate::span;
use crate::ui::show;

/// Tell the history of an artifact, the newest version first
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  art log training-data\n  art log training-data --artifact --json")]
pub(crate) struct LogArgs {
    /// The artifact
    name: String,
    /// Only what was changed on the artifact as a whole, the newest last
    #[arg(long)]
    artifact: bool,
}

pub(crate) fn run(args: &LogArgs, setup: &Setup) -> Result<Exit> {
    let artifact: Name = args.name.parse()?;
    let store = setup.store_to_read()?;
    let whole = log_artifact(&store, &artifact)?;
    if args.artifact {
        return log_whole(&whole, setup);
    }
    let listing = log(&store, &artifact)?;
    warn_of_damaged(setup, &listing.damaged);
    let mut out = setup.ui.out()?;
    if out.json {
        out.value(&listing.rows)?;
    } else {
        if !whole.rows.is_empty() {
            out.line(artifact.as_str())?;
        }
        for line in whole.rows.iter().map(edit_line) {
            out.line(line)?;
        }
        let names = parent_names(&store, &listing.rows)?;
        for (at, entry) in listing.rows.iter().enumerate() {
            if at > 0 || !whole.rows.is_empty() {
                out.line("")?;
            }
            for line in lines(entry, &names) {
                out.line(line)?;
            }
        }
    }
    out.done()?;
    Ok(Exit::Done)
}

fn log_whole(listing: &Listing<EditInfo>, setup: &Setup) -> Result<Exit> {
    warn_of_damaged(setup, &listing.damaged);
    let mut out = setup.ui.out()?;
    if out.json {
        out.value(&listing.rows)?;
    } else {
        for line in listing.rows.iter().map(edit_line) {
            out.line(line)?;
        }
    }
    out.done()?;
    Ok(Exit::Done)
}

/// Names the versions of a listing, and those of other artifacts from which some of them were made.
fn parent_names(store: &Store, rows: &[LogEntry]) -> artstore::Result<HashMap<RecordId, String>> {
    let mut names: HashMap<RecordId, String> = rows.iter().map(|row| (row.info.id, row.info.version.clone())).collect();
    if rows.iter().flat_map(|row| &row.info.parents).any(|parent| !names.contains_key(parent)) {
        let parents: HashSet<RecordId> = rows.iter().flat_map(|row| row.info.parents.iter().copied()).collect();
        for history in store.histories()? {
            for version in history.versions.iter().filter(|version| parents.contains(&version.id)) {
                names.entry(version.id).or_insert_with(|| version.full_name());
            }
        }
    }
    Ok(names)
}

fn lines(entry: &LogEntry, names: &HashMap<RecordId, String>) -> Vec<String> {
    let info = &entry.info;
    let mut first = format!("{}:{}", info.artifact, info.version);
    if !info.aliases.is_empty() {
        first.push_str(&format!(" ({})", info.aliases.join(", ")));
    }
    match (info.deleted, info.contested) {
        (true, _) => first.push_str(" [deleted]"),
        (false, true) => first.push_str(" [deletion contested]"),
        (false, false) => {}
    }
    let mut lines = vec![first];
    lines.push(format!("  created  {}", show::time(info.created_at)));
    lines.push(format!("  digest   {}", info.digest.short(16)));
    lines.push(format!(
        "  content  {}, {}; stored {}",
        show::plural(info.file_count, "file"),
        show::size(info.size_bytes),
        show::size(info.stored_bytes)
    ));
    if !info.parents.is_empty() {
        let parents: Vec<String> = info.parents.iter().map(|id| names.get(id).cloned().unwrap_or_else(|| id.short(16))).collect();
        lines.push(format!("  parents  {}", parents.join(", ")));
    }
    if !info.tags.is_empty() {
        lines.push(format!("  tags     {}", tags_line(&info.tags)));
    }
    if let Some(git) = &info.git {
        lines.push(format!("  git      {}", git_line(git)));
    }
    if let Some(run) = &info.run {
        lines.push(format!("  run      {}", run));
    }
    for line in info.description.iter().flat_map(|text| text.lines()) {
        lines.push(format!("    {}", escape(line.as_bytes())));
    }
    lines.extend(entry.edits.iter().map(edit_line));
    lines
}

fn edit_line(edit: &EditInfo) -> String {
    format!("  edited   {}: {}", show::time(edit.created_at), what_changed(edit))
}

/// Tells what an edit changed, in few words.
pub(super) fn what_changed(edit: &EditInfo) -> String {
    let mut parts = Vec::new();
    match edit.description.as_deref() {
        Some("") => parts.push("description removed".to_owned()),
        Some(text) => parts.push(format!("description `{}`", show::first_line(text))),
        None => {}
    }
    let set = edit.metadata.iter().flatten();
    parts.extend(set.map(|(key, value)| show::shortened(&format!("{}={}", escape(key.as_bytes()), escape(value.to_string().as_bytes())))));
    parts.extend(edit.unset.iter().map(|key| format!("{} unset", show::shortened(&escape(key.as_bytes())))));
    parts.extend(edit.tags_add.iter().map(|tag| format!("tag `{tag}` added")));
    parts.extend(edit.tags_remove.iter().map(|tag| format!("tag `{tag}` removed")));
    match edit.ttl_seconds {
        Some(0) => parts.push("kept for ever".to_owned()),
        Some(seconds) => parts.push(format!("kept for {}", span::shown(seconds))),
        None => {}
    }
    let done = [(edit.delete, "deleted"), (edit.undelete, "undeleted"), (edit.claim, "given its number")];
    parts.extend(done.iter().filter(|(is, _)| *is).map(|(_, what)| (*what).to_owned()));
    if edit.metadata.is_none() {
        parts.push("metadata that is not here or damaged".to_owned());
    }
    parts.join(", ")
}
