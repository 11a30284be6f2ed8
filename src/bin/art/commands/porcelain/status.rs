//! `art status`

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use artstore::Error;
use artstore::ops::status::{Origin, PlaceState, PlaceStatus, StatusOptions, StatusOutcome, status};
use artstore::ops::unsettled::{ContestedVersion, MissingVersion, Unsettled, unsettled};
use artstore::quote::escape;
use clap::Args;
use serde_json::json;

use super::diff::{letter, name, sizes};
use super::unsettled::{BRING, lacks, settle, settle_contested, stands_for};
use super::warn_of_damaged;
use crate::error::{Exit, Result};
use crate::setup::Setup;
use crate::ui::show::{plural, size};

/// Versions of an artifact that are told to be incomplete; the rest are counted.
const INCOMPLETE_TOLD: usize = 8;

/// Tell what has changed since it was put from here, or restored to here
///
/// Compares with the version that was last put from each place, as the next `put` of it would find it,
/// or restored to it. A file whose size and times are as they were then is not opened. Tells too which names
/// have diverged, which deletions are contested and which versions are incomplete, and what helps.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  art status\n  art status training-data\n  art status ./data --exit-code")]
pub(crate) struct StatusArgs {
    /// Only this artifact, or, with a `/` in it, only what lies there
    #[arg(value_name = "NAME|DIR")]
    name: Option<OsString>,
    /// Only what was put from DIR or below it, or restored there
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Exit with 1 if anything has changed
    #[arg(long)]
    exit_code: bool,
}

pub(crate) fn run(args: &StatusArgs, setup: &Setup) -> Result<Exit> {
    let options = options(args)?;
    let store = setup.store_to_read()?;
    if let Some(artifact) = &options.artifact
        && !store.artifacts()?.contains(artifact)
    {
        return Err(Error::not_found(format!("cannot find artifact '{artifact}'"))
            .hint(format!("`art ls` lists what there is; a directory of that name is `./{artifact}`"))
            .into());
    }
    let outcome = status(&store, &setup.context()?, &options)?;
    // Who asks about a directory does not ask about the store.
    let unsettled = if options.dir.is_none() { unsettled(&store, options.artifact.as_ref())? } else { Unsettled::default() };
    warn_of_damaged(setup, &unsettled.damaged);
    setup.warn_without_data(&store);
    let mut out = setup.ui.out()?;
    if out.json {
        let Unsettled { diverged, contested, incomplete, .. } = &unsettled;
        out.value(&json!({
            "same": outcome.is_same(), "places": outcome.places,
            "diverged": diverged, "contested": contested, "incomplete": incomplete,
        }))?;
    } else {
        for line in lines(&outcome, &options).into_iter().chain(unsettled_lines(&unsettled)) {
            out.line(line)?;
        }
    }
    out.done()?;
    Ok(if args.exit_code && !outcome.is_same() { Exit::No } else { Exit::Done })
}

/// Tells a directory from an artifact: it has a `/` or is all dots.
fn options(args: &StatusArgs) -> Result<StatusOptions> {
    let mut options = StatusOptions { dir: args.dir.clone(), ..StatusOptions::default() };
    let Some(typed) = &args.name else { return Ok(options) };
    let bytes = typed.as_bytes();
    let is_dir = bytes.contains(&b'/') || !bytes.is_empty() && bytes.iter().all(|byte| *byte == b'.');
    match (is_dir, typed.to_str()) {
        (true, _) if args.dir.is_some() => {
            return Err(Error::usage(format!("'{}' is no name of an artifact", escape(bytes)))
                .hint("`art status NAME DIR`, or only one of both")
                .into());
        }
        (true, _) => options.dir = Some(PathBuf::from(typed)),
        (false, Some(text)) => options.artifact = Some(text.parse()?),
        (false, None) => return Err(Error::usage(format!("'{}' is no name of an artifact", escape(bytes))).into()),
    }
    Ok(options)
}

fn lines(outcome: &StatusOutcome, options: &StatusOptions) -> Vec<String> {
    if outcome.places.is_empty() {
        let what = options.artifact.as_ref().map_or_else(|| "nothing".to_owned(), |name| format!("nothing of {name}"));
        let place = options.dir.as_ref().map_or_else(|| "here".to_owned(), |dir| escape(dir.as_os_str().as_bytes()));
        return vec![format!("{what} is noted to have been put from {place} by this copy of the store, or restored there")];
    }
    let mut lines = Vec::new();
    for place in &outcome.places {
        lines.push(headline(place));
        let names: Vec<String> = place.entries.iter().map(name).collect();
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).min(60);
        for (change, name) in place.entries.iter().zip(&names) {
            lines.push(format!("  {} {name:<width$}  {}", letter(change.change), sizes(change)).trim_end().to_owned());
        }
        lines.extend(hints(place).into_iter().map(|hint| format!("  ({hint})")));
    }
    lines
}

/// Tells what is to be seen to in the store, each with what helps.
fn unsettled_lines(unsettled: &Unsettled) -> Vec<String> {
    let mut lines = Vec::new();
    for one in &unsettled.diverged {
        lines.extend([stands_for(one), format!("  ({})", settle(one))]);
    }
    for ContestedVersion { artifact, version, .. } in &unsettled.contested {
        lines.push(format!("{artifact}:{version} was deleted by somebody who did not know all of it, and lives"));
        lines.push(format!("  ({})", settle_contested(artifact.as_str(), version)));
    }
    for of in unsettled.incomplete.chunk_by(|a, b| a.artifact == b.artifact) {
        let told = |one: &MissingVersion| {
            let whole = if one.missing.chunk_count > 0 { format!(" of {}", size(one.size_bytes)) } else { String::new() };
            format!("{}:{} is incomplete: {}{whole} missing", one.artifact, one.version, lacks(&one.missing))
        };
        lines.extend(of.iter().take(INCOMPLETE_TOLD).map(told));
        if let Some(more) = of.len().checked_sub(INCOMPLETE_TOLD).filter(|more| *more > 0) {
            let artifact = &of[0].artifact;
            lines.push(format!("{artifact}: {} more incomplete: `art ls {artifact}` lists them", plural(more as u64, "version")));
        }
    }
    if !unsettled.incomplete.is_empty() {
        lines.push(format!("  ({BRING})"));
    }
    lines
}

fn headline(place: &PlaceStatus) -> String {
    let version = place.version.clone().unwrap_or_else(|| format!("@{}", &place.id.to_string()[..16]));
    let how = match (place.origin, &place.paths[..]) {
        (Origin::Put, []) => "put".to_owned(),
        (Origin::Put, paths) => format!("put from {}", few(paths)),
        (Origin::Restored, paths) => format!("restored to {}", few(paths)),
    };
    let state = match place.state {
        PlaceState::Same => "unchanged".to_owned(),
        PlaceState::Changed => {
            if place.entries.len() == 1 {
                "1 entry differs".to_owned()
            } else {
                format!("{} entries differ", place.entries.len())
            }
        }
        PlaceState::Gone if place.gone.len() == place.paths.len() => "not there".to_owned(),
        PlaceState::Gone => format!("not there: {}", few(&place.gone)),
        PlaceState::Elsewhere => "not compared: nothing of it was taken from a file here".to_owned(),
        PlaceState::Superseded => "not compared: another version was restored there since".to_owned(),
        PlaceState::Unknown => format!("cannot be compared: {}", place.why.as_deref().unwrap_or_default()),
    };
    let separator = if version.starts_with('@') { "" } else { ":" };
    format!("{}{separator}{version}  {how}: {state}", place.artifact)
}

/// Shows some paths.
fn few(paths: &[String]) -> String {
    match paths {
        [first, second, third, _, ..] => format!("{first}, {second}, {third} and {} more", paths.len() - 3),
        paths => paths.join(", "),
    }
}

/// Tells what else a person would want to know of a place.
fn hints(place: &PlaceStatus) -> Vec<String> {
    let mut hints = Vec::new();
    let PlaceStatus { artifact, version, latest, .. } = place;
    match (version, &latest[..]) {
        (None, _) => hints.push(format!("the record of {} is not here; `art log {artifact}` lists what is", place.id)),
        (_, [_, _, ..]) => hints.push(format!("latest has diverged: {}", latest.join(" or "))),
        (Some(version), [latest]) if latest != version => hints.push(format!("latest is {latest}")),
        _ => {}
    }
    if place.deleted {
        hints.push("that version is deleted".to_owned());
    }
    for alias in &place.diverged_aliases {
        hints.push(format!("alias {alias} has diverged: `art alias ls {artifact}`"));
    }
    if let (PlaceState::Gone, Some(version)) = (place.state, version) {
        hints.push(format!("if it was moved, `art diff {artifact}:{version} DIR` compares it there"));
    }
    if place.unchecked_references > 0 {
        hints.push(format!("{} not compared", plural(place.unchecked_references, "reference")));
    }
    hints
}
