//! A directory of dated snapshots as versions, in the order of their dates.
//!
//! When each was stored is its record's fact; of which date it is stands in its metadata: `snapshot`, and
//! `snapshot_until`, the last of those in a row that had the same content. So a second import finds what is here.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::{Source, import};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::name::Name;
use crate::ops::put::{PutOptions, PutOutcome, put};
use crate::quote::{escape, quote, quote_path};
use crate::store::Store;

/// The member of metadata that says of which date a version is.
const SNAPSHOT: &str = "snapshot";
/// The member that says of which date the last snapshot is that had its content.
const UNTIL: &str = "snapshot_until";

/// Endings of archives.
const ARCHIVES: [&str; 6] = [".tar", ".tar.gz", ".tgz", ".tar.zst", ".tzst", ".zip"];

/// A snapshot, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// The name of its directory or archive.
    pub name: String,
    /// Its date, as `2024-01-31`, with a time if there is one.
    pub snapshot: String,
    /// What becomes of it.
    pub state: SnapshotState,
    /// The version that has its content, once it was stored or found.
    pub version: Option<String>,
    #[serde(skip)]
    path: PathBuf,
}

/// What becomes of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SnapshotState {
    /// It is to be stored.
    New,
    /// It was stored as a version.
    Stored,
    /// It has the content of the version before it.
    Unchanged,
    /// It was imported before.
    Here,
    /// It was not, and a later one was: it cannot be stored in order any more, and is left out.
    Late,
}

/// Finds the snapshots in a directory, by date, and what is to become of each.
pub fn plan(store: &Store, artifact: &Name, dir: &Path) -> Result<Vec<Snapshot>> {
    let mut all = find(dir)?;
    let ranges = imported(store, artifact)?;
    let newest = ranges.iter().map(|range| range.until.clone()).max();
    for snapshot in &mut all {
        let date = &snapshot.snapshot;
        match ranges.iter().find(|range| (&range.from..=&range.until).contains(&date)) {
            Some(range) => (snapshot.state, snapshot.version) = (SnapshotState::Here, Some(range.version.clone())),
            None if newest.as_ref().is_some_and(|newest| date < newest) => snapshot.state = SnapshotState::Late,
            None => {}
        }
    }
    Ok(all)
}

/// Stores the snapshots of a plan that are new, in order, and tells of each. It can be stopped and run again.
pub fn import_snapshots(
    store: &Store,
    context: &Context<'_>,
    options: &PutOptions,
    plan: &mut [Snapshot],
    tell: &mut dyn FnMut(&Snapshot, Option<&PutOutcome>),
) -> Result<()> {
    for snapshot in plan {
        if snapshot.state != SnapshotState::New {
            tell(snapshot, None);
            continue;
        }
        let mut options = options.clone();
        options.metadata.insert(UNTIL.to_owned(), Value::from(snapshot.snapshot.as_str()));
        options.metadata_of_new.insert(SNAPSHOT.to_owned(), Value::from(snapshot.snapshot.as_str()));
        let outcome = if snapshot.path.is_dir() {
            options.sources = vec![snapshot.path.clone()];
            put(store, context, &options, None)
        } else {
            import(store, context, &options, Source::File(snapshot.path.clone()))
        };
        let outcome = outcome.map_err(|error| error.within(format!("cannot import snapshot {}", quote(snapshot.name.as_bytes()))))?;
        snapshot.state = if outcome.unchanged { SnapshotState::Unchanged } else { SnapshotState::Stored };
        snapshot.version = Some(outcome.version.version.clone());
        tell(snapshot, Some(&outcome));
    }
    Ok(())
}

/// From which date to which a version has what was imported.
struct Range {
    from: String,
    until: String,
    version: String,
}

/// Finds what was imported before; a deleted version was, too.
fn imported(store: &Store, artifact: &Name) -> Result<Vec<Range>> {
    let mut ranges = Vec::new();
    for version in store.history(artifact)?.versions {
        let metadata = store.metadata(&version)?;
        let text = |key: &str| metadata.get(key).and_then(Value::as_str).map(str::to_owned);
        let (from, until) = (text(SNAPSHOT), text(UNTIL));
        if let Some(until) = until.or_else(|| from.clone()) {
            ranges.push(Range { from: from.unwrap_or_else(|| until.clone()), until, version: version.label.clone() });
        }
    }
    Ok(ranges)
}

fn find(dir: &Path) -> Result<Vec<Snapshot>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).map_err(|e| Error::io("list", dir, e))? {
        let entry = entry.map_err(|e| Error::io("list", dir, e))?;
        let (name, path) = (entry.file_name(), entry.path());
        let is_archive = ARCHIVES.iter().any(|ending| name.as_bytes().to_ascii_lowercase().ends_with(ending.as_bytes()));
        let kind = entry.file_type().map_err(|e| Error::io("look at", &path, e))?;
        if name.as_bytes().starts_with(b".") || !(kind.is_dir() || kind.is_file() && is_archive) {
            continue;
        }
        if let Some(snapshot) = date_in(&name) {
            all.push(Snapshot { name: escape(name.as_bytes()), snapshot, state: SnapshotState::New, version: None, path });
        }
    }
    if all.is_empty() {
        return Err(Error::not_found(format!("cannot find a snapshot in {}", quote_path(dir)))
            .hint("directories and archives in it are to have dates in their names, as `2024-01-31` or `20240131T1200`"));
    }
    all.sort_by(|a, b| (&a.snapshot, &a.name).cmp(&(&b.snapshot, &b.name)));
    if let Some(pair) = all.windows(2).find(|pair| pair[0].snapshot == pair[1].snapshot) {
        return Err(Error::ambiguous(format!(
            "cannot tell which of {} and {} comes first: both are of {}",
            quote(pair[0].name.as_bytes()),
            quote(pair[1].name.as_bytes()),
            pair[0].snapshot
        ))
        .hint("move one of them elsewhere, or give them times"));
    }
    Ok(all)
}

/// Finds the first date in a name: a year, a month and a day, perhaps with an hour, a minute and a second.
fn date_in(name: &OsStr) -> Option<String> {
    let bytes = name.as_bytes();
    let starts = (0..bytes.len()).filter(|&at| at == 0 || !bytes[at - 1].is_ascii_digit());
    starts.map(|at| &bytes[at..]).find_map(date_at)
}

fn date_at(text: &[u8]) -> Option<String> {
    let (year, rest) = digits(text, 4)?;
    let separated = rest.first().is_some_and(|byte| matches!(byte, b'-' | b'_' | b'.'));
    let next = |rest| if separated { part(rest, b"-_.") } else { digits(rest, 2) };
    let (month, rest) = next(rest)?;
    let (day, rest) = next(rest)?;
    let date = jiff::civil::Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    // More digits make it a number of another kind, such as a count of seconds.
    let time = match rest.first() {
        Some(byte) if byte.is_ascii_digit() => return None,
        Some(b'T' | b't' | b'_' | b'-' | b' ' | b'.') => time_at(&rest[1..]),
        _ => None,
    };
    Some(match time {
        Some((hour, minute, second)) => format!("{date}T{hour:02}:{minute:02}:{second:02}"),
        None => date.to_string(),
    })
}

fn time_at(text: &[u8]) -> Option<(u32, u32, u32)> {
    let (hour, rest) = digits(text, 2)?;
    let (minute, rest) = part(rest, b"-:_.").or_else(|| digits(rest, 2))?;
    let (second, rest) = part(rest, b"-:_.").or_else(|| digits(rest, 2)).unwrap_or((0, rest));
    let is_time = hour < 24 && minute < 60 && second < 60 && !rest.first().is_some_and(u8::is_ascii_digit);
    is_time.then_some((hour, minute, second))
}

/// Takes a separator and two digits.
fn part<'t>(text: &'t [u8], separators: &[u8]) -> Option<(u32, &'t [u8])> {
    let (first, rest) = text.split_first()?;
    if separators.contains(first) { digits(rest, 2) } else { None }
}

/// Takes so many digits.
fn digits(text: &[u8], count: usize) -> Option<(u32, &[u8])> {
    let (number, rest) = text.split_at_checked(count)?;
    let is_number = number.iter().all(u8::is_ascii_digit);
    is_number.then(|| (number.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_found_in_the_names_that_people_and_tools_give() {
        let cases = [
            ("2024-01-31", Some("2024-01-31")),
            ("20240131", Some("2024-01-31")),
            ("snapshot-2024-01-31.tar.gz", Some("2024-01-31")),
            ("db_20240131.zip", Some("2024-01-31")),
            ("2024_02_29", Some("2024-02-29")),
            ("2024-01-31T12-00", Some("2024-01-31T12:00:00")),
            ("2024-01-31T12:00:05", Some("2024-01-31T12:00:05")),
            ("20240131-120005.tar", Some("2024-01-31T12:00:05")),
            ("20240131T1200", Some("2024-01-31T12:00:00")),
            ("v3-2024-01-31", Some("2024-01-31")),
            ("2023-02-29", None),
            ("2024-13-01", None),
            ("1706659200", None),
            ("202401311200", None),
            ("data", None),
            ("2024", None),
        ];
        for (name, date) in cases {
            assert_eq!(date_in(OsStr::new(name)).as_deref(), date, "{name}");
        }
    }
}
