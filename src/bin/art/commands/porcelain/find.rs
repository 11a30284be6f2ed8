//! `art find`

use artstore::ops::find::key::Key;
use artstore::ops::find::query::Query;
use artstore::ops::find::{FindOptions, FindOutcome, SortKey, find};
use artstore::ops::show::VersionInfo;
use artstore::quote::escape;
use clap::Args;
use serde_json::Value;

use super::warn_of_damaged;
use crate::error::{Exit, Result};
use crate::setup::Setup;
use crate::ui::show;
use crate::ui::table::{Align::Left, Align::Right, Table};

/// Longest value of a key that is shown beside a version, in characters.
const CELL_LEN_MAX: usize = 32;

/// Find versions by what is known of them
#[derive(Args, Debug)]
#[command(after_help = "\
A query is KEY OPERATOR VALUE, many of which may stand side by side:
  name type version number id digest alias tag description created size files stored run
  git.commit git.branch git.dirty artifact.tag artifact.description metadata.NAME
  :  equal, where * and ? stand for any characters   =  equal   !=  not equal   ~  contains
  <  <=  >  >=  of numbers, sizes (1GB, 4GiB), ages (7d, 12h), dates (2026-01-31)
  A B  both   A or B  one of them   -A, not A  not this   (A)  as one   \"text\"  in quotes
A word alone is searched for in names, descriptions, tags and aliases. docs/cli.md tells all.

Examples:
  art find 'type:model metadata.acc>0.9 tag:prod created<7d size>1GB'
  art find 'name:train-* (alias:best or tag:prod)' --sort -metadata.acc --limit 5
  art find 'not run:*' --sort size")]
pub(crate) struct FindArgs {
    /// What versions must meet; put it in quotes, for the shell knows < > * ( ) too
    #[arg(allow_hyphen_values = true)]
    query: Option<String>,
    /// More of the query. Apart, for what follows may be options, and may not begin with a hyphen
    #[arg(hide = true)]
    more: Vec<String>,
    /// Sort by KEY, the least first, or by -KEY, the greatest first; may be repeated
    #[arg(long, value_name = "[-]KEY", allow_hyphen_values = true)]
    sort: Vec<String>,
    /// Only the first N of them
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Look at deleted versions too
    #[arg(long)]
    deleted: bool,
}

pub(crate) fn run(args: &FindArgs, setup: &Setup) -> Result<Exit> {
    let parts: Vec<&str> = args.query.iter().chain(&args.more).map(String::as_str).collect();
    let query: Query = parts.join(" ").parse()?;
    let sort: Vec<SortKey> = args.sort.iter().map(|key| key.parse()).collect::<artstore::Result<_>>()?;
    let columns = columns(&query, &sort);
    let options = FindOptions { query, sort, limit: args.limit, deleted: args.deleted };
    let found = find(&setup.store_to_read()?, &setup.context()?, &options)?;
    warn(setup, &found);
    let mut out = setup.ui.out()?;
    if out.json {
        out.value(&found.versions)?;
    } else {
        table(&found.versions, &columns).write(&mut out)?;
    }
    out.done()?;
    Ok(Exit::Done)
}

fn warn(setup: &Setup, found: &FindOutcome) {
    warn_of_damaged(setup, &found.damaged);
    for version in &found.unreadable {
        setup.ui.warn(&format!("{version} is left out: its metadata, on which the query depends, cannot be read"));
    }
    for absent in &found.absent {
        let meant = absent.meant.as_ref().map(|meant| format!("; there is metadata.{meant}")).unwrap_or_default();
        setup.ui.warn(&format!("no version has metadata.{}{meant}", absent.key));
    }
}

/// Chooses what is shown beside what always is: what was asked about.
fn columns(query: &Query, sort: &[SortKey]) -> Vec<Key> {
    let asked = query.terms().into_iter().map(|term| term.key()).chain(sort.iter().map(|by| &by.key));
    let mut columns: Vec<Key> = Vec::new();
    for key in asked {
        let always = matches!(key, Key::Name | Key::Type | Key::Version | Key::Number | Key::Size | Key::Created | Key::Alias | Key::Tag);
        // Of the artifact, and so the same in many lines: `show --artifact` tells it.
        let always = always || matches!(key, Key::ArtifactTag | Key::ArtifactDescription);
        if !always && !columns.contains(key) {
            columns.push(key.clone());
        }
    }
    // A description is long, and does best at the end.
    columns.sort_by_key(|key| *key == Key::Description);
    columns
}

/// A version a line, with what may be long at the end, and without columns that would be empty.
fn table(versions: &[VersionInfo], asked: &[Key]) -> Table {
    let (texts, values): (Vec<&Key>, Vec<&Key>) = asked.iter().partition(|key| **key == Key::Description);
    let align = |key: &Key| if versions.iter().all(|info| is_number(info, key)) { Right } else { Left };
    let mut headings = vec![("VERSION".to_owned(), Left), ("TYPE".to_owned(), Left), ("SIZE".to_owned(), Right)];
    headings.extend(values.iter().map(|key| (heading(key), align(key))));
    headings.push(("CREATED".to_owned(), Left));
    let has_aliases = versions.iter().any(|info| !info.aliases.is_empty());
    let has_tags = versions.iter().any(|info| !info.tags.is_empty());
    let may_be_there = [(has_aliases, "ALIASES"), (has_tags, "TAGS")];
    headings.extend(may_be_there.into_iter().filter(|(any, _)| *any).map(|(_, heading)| (heading.to_owned(), Left)));
    headings.extend(texts.iter().map(|key| (heading(key), Left)));
    let mut table = Table::new(&headings);
    for info in versions {
        let deleted = if info.deleted { " (deleted)" } else { "" };
        let mut row =
            vec![format!("{}:{}{deleted}", info.artifact, info.version), info.artifact_type.to_string(), show::size(info.size_bytes)];
        row.extend(values.iter().map(|key| cell(info, key)));
        row.push(show::time(info.created_at));
        row.extend(has_aliases.then(|| info.aliases.join(", ")));
        row.extend(has_tags.then(|| info.tags.iter().map(|tag| tag.as_str()).collect::<Vec<_>>().join(", ")));
        row.extend(texts.iter().map(|key| cell(info, key)));
        table.row(row);
    }
    table
}

fn heading(key: &Key) -> String {
    match key {
        // As they are written, for case makes a difference.
        Key::Metadata(key) => escape(key.to_string().as_bytes()),
        key => key.to_string().to_uppercase(),
    }
}

/// Shows the value of a key that was asked about; empty where there is none.
fn cell(info: &VersionInfo, key: &Key) -> String {
    let git = info.git.as_ref();
    let text = match key {
        Key::Id => Some(info.id.short(16)),
        Key::Digest => Some(info.digest.short(16)),
        Key::Description => return info.description.as_deref().map(show::first_line).unwrap_or_default(),
        Key::Files => Some(show::count(info.file_count)),
        Key::Stored => Some(show::size(info.stored_bytes)),
        Key::Run => info.run.map(|run| run.short()),
        Key::GitCommit => git.and_then(|git| git.commit.as_ref()).map(|commit| commit.chars().take(12).collect()),
        Key::GitBranch => git.and_then(|git| git.branch.clone()),
        Key::GitDirty => git.map(|git| git.dirty.to_string()),
        Key::Metadata(_) => {
            let shown: Vec<String> =
                metadata(info, key).into_iter().map(|value| value.as_str().map_or(value.to_string(), str::to_owned)).collect();
            Some(shown.join(", "))
        }
        _ => None,
    };
    let text = text.unwrap_or_default();
    let mut chars = text.chars();
    let short: String = chars.by_ref().take(CELL_LEN_MAX).collect();
    format!("{}{}", escape(short.as_bytes()), if chars.next().is_some() { "…" } else { "" })
}

fn metadata<'i>(info: &'i VersionInfo, key: &Key) -> Vec<&'i Value> {
    match (key, &info.metadata) {
        (Key::Metadata(key), Some(metadata)) => key.values(metadata),
        _ => Vec::new(),
    }
}

fn is_number(info: &VersionInfo, key: &Key) -> bool {
    matches!(key, Key::Files | Key::Stored)
        || (matches!(key, Key::Metadata(_)) && metadata(info, key).iter().all(|value| value.is_number()))
}
