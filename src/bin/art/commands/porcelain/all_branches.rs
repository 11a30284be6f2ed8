//! `art ls --all-branches`

use std::path::Path;

use artstore::Store;
use artstore::name::Name;
use artstore::ops::branches::{self, Holders, bring};
use artstore::quote::{escape, shell_word};

use super::show::tags_line;
use crate::error::Result;
use crate::setup::Setup;
use crate::ui::show;
use crate::ui::table::{Align::Left, Align::Right, Table};

/// Holders that are named in a row; the rest are counted.
const NAMED_MAX: usize = 3;

pub(super) fn artifacts(setup: &Setup, store: &Store) -> Result<()> {
    let rows = branches::artifacts(store)?;
    let elsewhere = rows.iter().map(|row| row.version_count - row.here_count).sum();
    let holders = rows.iter().map(|row| &row.elsewhere);
    tell_how(setup, store, elsewhere, holders);
    let mut out = setup.ui.out()?;
    if out.json {
        out.value(&rows)?;
        return out.done();
    }
    let mut table = Table::new(&[("NAME", Left), ("TYPE", Left), ("VERSIONS", Right), ("HERE", Right), ("BRANCHES", Left)]);
    for row in &rows {
        table.row([
            row.artifact.to_string(),
            row.artifact_type.to_string(),
            show::count(row.version_count),
            show::count(row.here_count),
            named(&row.holders),
        ]);
    }
    table.write(&mut out)?;
    out.done()
}

pub(super) fn versions(setup: &Setup, store: &Store, artifact: &Name) -> Result<()> {
    let rows = branches::versions(store, artifact)?;
    let elsewhere = rows.iter().filter(|row| !row.holders.here);
    tell_how(setup, store, elsewhere.clone().count() as u64, elsewhere.map(|row| &row.holders));
    let mut out = setup.ui.out()?;
    if out.json {
        out.value(&rows)?;
        return out.done();
    }
    let columns = [
        ("VERSION", Left),
        ("ID", Left),
        ("HERE", Left),
        ("BRANCHES", Left),
        ("ALIASES", Left),
        ("TAGS", Left),
        ("FILES", Right),
        ("SIZE", Right),
        ("CREATED", Left),
        ("DESCRIPTION", Left),
    ];
    let mut table = Table::new(&columns);
    for row in &rows {
        let info = &row.info;
        table.row([
            info.version.clone(),
            info.id.short(8),
            if row.holders.here { "yes" } else { "no" }.to_owned(),
            named(&row.holders),
            info.aliases.join(", "),
            tags_line(&info.tags),
            show::count(info.file_count),
            show::size(info.size_bytes),
            show::time(info.created_at),
            info.description.as_deref().map(show::first_line).unwrap_or_default(),
        ]);
    }
    table.write(&mut out)?;
    out.done()
}

/// Says how versions that are not here come here.
fn tell_how<'h>(setup: &Setup, store: &Store, count: u64, mut holders: impl Iterator<Item = &'h Holders> + Clone) {
    if count == 0 {
        return;
    }
    let told = format!("{} {} not in this working tree", show::plural(count, "version"), if count == 1 { "is" } else { "are" });
    let branch = holders.clone().flat_map(|holders| &holders.branches).next();
    let worktree = holders.find_map(|holders| holders.worktrees.first());
    match (branch, worktree) {
        (Some(branch), _) => setup.ui.warn(&format!("{told}: {}", bring(store, branch))),
        (None, Some(worktree)) => setup.ui.warn(&format!("{told}: `art pull {}` brings them here", shell_word(Path::new(worktree)))),
        (None, None) => setup.ui.warn(&told),
    }
}

/// Names who has something: branches, then other working trees.
fn named(holders: &Holders) -> String {
    let mut names: Vec<String> = holders.branches.iter().chain(&holders.worktrees).map(|name| escape(name.as_bytes())).collect();
    let more = names.len().saturating_sub(NAMED_MAX);
    names.truncate(NAMED_MAX);
    let shown = names.join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}
