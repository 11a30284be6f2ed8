//! `art ls`

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use artstore::Store;
use artstore::format::manifest::{Entry, EntryKind};
use artstore::name::{Name, Ref};
use artstore::ops::entry::{EntryInfo, no_such_path};
use artstore::ops::ls;
use artstore::ops::show::VersionInfo;
use artstore::quote::escape;
use clap::Args;

use super::show::tags_line;
use super::warn_of_damaged;
use crate::error::{Exit, Result};
use crate::setup::Setup;
use crate::ui::out::Out;
use crate::ui::show;
use crate::ui::table::{Align::Left, Align::Right, Table};

/// List artifacts, the versions of one, or the entries of a version
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  art ls                             all artifacts\n  art ls training-data               its versions\n  art ls training-data:latest        its entries\n  art ls training-data:v0 images     the entries below images/"
)]
pub(crate) struct LsArgs {
    /// An artifact (NAME) for its versions, or a version (NAME:v3, NAME:ALIAS, NAME@DIGEST) for its entries
    #[arg(value_name = "NAME|REF")]
    what: Option<String>,
    /// Only what is at PATH or below it; with a NAME, of its latest version
    path: Option<OsString>,
}

pub(crate) fn run(args: &LsArgs, setup: &Setup) -> Result<Exit> {
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

fn artifacts(setup: &Setup, store: &Store) -> Result<()> {
    let listing = ls::artifacts(store)?;
    warn_of_damaged(setup, &listing.damaged);
    setup.warn_without_data(store);
    let mut out = setup.ui.out()?;
    if out.json {
        out.value(&listing.rows)?;
        return out.done();
    }
    let said = [("TAGS", Left), ("DESCRIPTION", Left)];
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
            tags_line(&row.tags),
            row.description.as_deref().map(show::first_line).unwrap_or_default(),
        ]);
    }
    // Of most artifacts nothing is said as a whole.
    table.drop_empty_from(columns.len());
    table.write(&mut out)?;
    out.done()
}

fn versions(setup: &Setup, store: &Store, artifact: &Name) -> Result<()> {
    let listing = ls::versions(store, artifact)?;
    warn_of_damaged(setup, &listing.damaged);
    setup.warn_without_data(store);
    let mut out = setup.ui.out()?;
    if out.json {
        out.value(&listing.rows)?;
        return out.done();
    }
    let columns =
        [("VERSION", Left), ("ALIASES", Left), ("TAGS", Left), ("FILES", Right), ("SIZE", Right), ("CREATED", Left), ("DESCRIPTION", Left)];
    let mut table = Table::new(&columns);
    for row in &listing.rows {
        table.row(version_row(row));
    }
    table.write(&mut out)?;
    out.done()
}

fn version_row(row: &VersionInfo) -> [String; 7] {
    [
        row.version.clone(),
        row.aliases.join(", "),
        tags_line(&row.tags),
        show::count(row.file_count),
        show::size(row.size_bytes),
        show::time(row.created_at),
        row.description.as_deref().map(show::first_line).unwrap_or_default(),
    ]
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
