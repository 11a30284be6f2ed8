//! `art ls`

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use artstore::format::manifest::{Entry, EntryKind};
use artstore::name::{Name, Ref};
use artstore::ops::entry::{EntryInfo, no_such_path};
use artstore::ops::ls::{self, ArtifactInfo, VersionList, VersionRow};
use artstore::quote::escape;
use artstore::{Error, Store};
use clap::Args;

use super::all_branches;
use super::show::tags_line;
use super::unsettled::{BRING, lacks, settle, settle_contested, stands_for};
use super::warn_of_damaged;
use crate::error::{Exit, Result};
use crate::setup::Setup;
use crate::ui::out::Out;
use crate::ui::show;
use crate::ui::table::{Align::Left, Align::Right, Table};

/// List artifacts, the versions of one, or the entries of a version
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  art ls                             all artifacts\n  art ls training-data               its versions\n  art ls training-data:latest        its entries\n  art ls training-data:v0 images     the entries below images/\n  art ls --all-branches              artifacts on any branch of the git repo, and on which"
)]
pub(crate) struct LsArgs {
    /// An artifact (NAME) for its versions, or a version (NAME:v3, NAME:ALIAS, NAME@DIGEST) for its entries
    #[arg(value_name = "NAME|REF")]
    what: Option<String>,
    /// Only what is at PATH or below it; with a NAME, of its latest version
    path: Option<OsString>,
    /// List what all branches of the git repo have, also its tags, stashes and other working trees
    #[arg(long)]
    all_branches: bool,
}

pub(crate) fn run(args: &LsArgs, setup: &Setup) -> Result<Exit> {
    if args.all_branches {
        return of_branches(args, setup);
    }
    match (&args.what, &args.path) {
        (None, _) => artifacts(setup, &setup.store_to_read()?),
        (Some(what), None) if !what.contains([':', '@', '~']) => {
            let name: Name = what.parse()?;
            versions(setup, &setup.store_to_read()?, &name)
        }
        (Some(what), path) => {
            let reference: Ref = what.parse()?;
            entries(setup, &setup.store_to_read()?, &reference, path.as_ref().map(|path| path.as_bytes()))
        }
    }?;
    Ok(Exit::Done)
}

fn of_branches(args: &LsArgs, setup: &Setup) -> Result<Exit> {
    let store = setup.store_to_read()?;
    match (&args.what, &args.path) {
        (None, None) => all_branches::artifacts(setup, &store),
        (Some(what), None) if !what.contains([':', '@', '~']) => all_branches::versions(setup, &store, &what.parse()?),
        _ => Err(Error::usage("cannot list entries of all branches: a version has the same on each")
            .hint("`art ls NAME --all-branches`")
            .into()),
    }?;
    Ok(Exit::Done)
}

fn artifacts(setup: &Setup, store: &Store) -> Result<()> {
    let listing = ls::artifacts(store)?;
    warn_of_damaged(setup, &listing.damaged);
    let has_no_data = setup.warn_without_data(store);
    warn_of_unsettled(setup, &listing.rows, has_no_data);
    let mut out = setup.ui.out()?;
    if out.json {
        out.value(&listing.rows)?;
        return out.done();
    }
    let said = [("STATE", Left), ("TAGS", Left), ("DESCRIPTION", Left)];
    let columns = [("NAME", Left), ("TYPE", Left), ("VERSIONS", Right), ("LATEST", Left), ("SIZE", Right), ("CREATED", Left)];
    let mut table = Table::new(&[&columns[..], &said].concat());
    for row in &listing.rows {
        table.row([
            row.artifact.to_string(),
            row.artifact_type.as_ref().map(ToString::to_string).unwrap_or_default(),
            show::count(row.version_count),
            row.version.clone().unwrap_or_else(|| row.rivals.join(" or ")),
            row.size_bytes.map(show::size).unwrap_or_default(),
            row.created_at.map(show::time).unwrap_or_default(),
            state(row),
            tags_line(&row.tags),
            row.description.as_deref().map(show::first_line).unwrap_or_default(),
        ]);
    }
    // Most artifacts are settled, and nothing is said of them as a whole.
    table.drop_empty_from(columns.len());
    table.write(&mut out)?;
    out.done()
}

/// Counts what is to be seen to: `1 diverged, 2 incomplete`.
fn state(row: &ArtifactInfo) -> String {
    let counts = [(row.diverged.len(), "diverged"), (row.contested.len(), "contested"), (row.incomplete.len(), "incomplete")];
    let some = counts.into_iter().filter(|(count, _)| *count > 0);
    some.map(|(count, word)| format!("{} {word}", show::count(count as u64))).collect::<Vec<_>>().join(", ")
}

fn warn_of_unsettled(setup: &Setup, rows: &[ArtifactInfo], has_no_data: bool) {
    let sum = |of: &dyn Fn(&ArtifactInfo) -> u64| rows.iter().map(of).sum::<u64>();
    let diverged = sum(&|row| row.diverged.len() as u64);
    let contested = sum(&|row| row.contested.len() as u64);
    // That without data nothing is complete was said already.
    let incomplete = if has_no_data { 0 } else { sum(&|row| row.incomplete.len() as u64) };
    let is_are = |count| if count == 1 { "is" } else { "are" };
    let told = [
        (diverged > 0).then(|| format!("{} {} diverged", show::plural(diverged, "name"), if diverged == 1 { "has" } else { "have" })),
        (contested > 0).then(|| format!("{} {} contested", show::plural(contested, "deletion"), is_are(contested))),
        (incomplete > 0).then(|| format!("{} {} incomplete", show::plural(incomplete, "version"), is_are(incomplete))),
    ];
    let told: Vec<String> = told.into_iter().flatten().collect();
    if !told.is_empty() {
        setup.ui.warn(&format!("{}: `art status` says which, and what helps", told.join(", ")));
    }
    let unchecked = sum(&|row| row.unchecked_count);
    if unchecked > 0 {
        let versions = show::plural(unchecked, "version");
        setup.ui.warn(&format!("whether {versions} {} complete was not looked at: `art status` does", is_are(unchecked)));
    }
}

fn versions(setup: &Setup, store: &Store, artifact: &Name) -> Result<()> {
    let VersionList { rows, diverged, damaged } = ls::versions(store, artifact)?;
    warn_of_damaged(setup, &damaged);
    let has_no_data = setup.warn_without_data(store);
    for one in &diverged {
        setup.ui.warn(&format!("{}: {}", stands_for(one), settle(one)));
    }
    for row in rows.iter().filter(|row| row.info.contested) {
        let version = &row.info.version;
        setup.ui.warn(&format!("the deletion of {artifact}:{version} is contested: {}", settle_contested(artifact.as_str(), version)));
    }
    if !has_no_data && rows.iter().any(|row| row.missing.is_some()) {
        setup.ui.warn(&format!("some versions are incomplete: {BRING}"));
    }
    let mut out = setup.ui.out()?;
    if out.json {
        out.value(&rows)?;
        return out.done();
    }
    let said = [("STATE", Left), ("DESCRIPTION", Left)];
    let columns = [("VERSION", Left), ("ALIASES", Left), ("TAGS", Left), ("FILES", Right), ("SIZE", Right), ("CREATED", Left)];
    let mut table = Table::new(&[&columns[..], &said].concat());
    for row in &rows {
        table.row(version_row(row));
    }
    table.drop_if_empty(columns.len());
    table.write(&mut out)?;
    out.done()
}

fn version_row(row: &VersionRow) -> [String; 8] {
    let info = &row.info;
    let alias = |alias: &String| if row.diverged_aliases.contains(alias) { format!("{alias} (diverged)") } else { alias.clone() };
    [
        info.version.clone(),
        info.aliases.iter().map(alias).collect::<Vec<_>>().join(", "),
        tags_line(&info.tags),
        show::count(info.file_count),
        show::size(info.size_bytes),
        show::time(info.created_at),
        version_state(row),
        info.description.as_deref().map(show::first_line).unwrap_or_default(),
    ]
}

/// Says what is to be seen to of a version: `incomplete: 12 chunks, 3.1 MB`.
fn version_state(row: &VersionRow) -> String {
    let parts = [
        (!row.rivals.is_empty()).then(|| format!("v{} diverged", row.info.number)),
        row.info.contested.then(|| "deletion contested".to_owned()),
        row.missing.map(|missing| format!("incomplete: {} missing", lacks(&missing))),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn entries(setup: &Setup, store: &Store, reference: &Ref, path: Option<&[u8]>) -> Result<()> {
    let list = ls::entries(store, reference, path)?;
    let mut out = setup.ui.out()?;
    let mut any = false;
    // One after another, for there may be millions.
    for entry in list.walk {
        let entry = entry?;
        any = true;
        if out.json { out.json_row(&EntryInfo::from(&entry))? } else { out.line(entry_line(&entry))? }
    }
    if !any && !list.path.is_empty() {
        return Err(no_such_path(&list.path, &list.version).into());
    }
    finish_rows(out)
}

fn finish_rows(mut out: Out) -> Result<()> {
    if out.json {
        out.end_rows()?;
    }
    out.done()
}

/// Shows an entry: what it is, its size, its path.
fn entry_line(entry: &Entry) -> String {
    let (flag, size, after) = match &entry.kind {
        EntryKind::File(body) => (if body.executable { 'x' } else { '-' }, show::size(body.size_bytes), String::new()),
        EntryKind::Symlink(target) => ('l', String::new(), format!(" -> {}", escape(&target.0))),
        EntryKind::EmptyDir => ('d', String::new(), "/".to_owned()),
        EntryKind::Reference(to) => ('r', to.size_bytes.map(show::size).unwrap_or_default(), format!(" -> {}", escape(to.uri.as_bytes()))),
    };
    format!("{flag}  {size:>8}  {}{after}", entry.path)
}
