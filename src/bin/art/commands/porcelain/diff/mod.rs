//! `art diff`

mod patch;
mod summary;

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use artstore::name::Ref;
use artstore::ops::diff::contents::Contents;
use artstore::ops::diff::files::{FileAt, FilesOptions, diff_files};
use artstore::ops::diff::{Against, Change, ChangeKind, DiffOptions, DiffOutcome, RecordChange, diff};
use artstore::ops::entry::EntryInfo;
use artstore::quote::escape;
use artstore::{Error, ErrorKind, Store};
use clap::Args;
use serde_json::{Value, json};

use crate::error::{Exit, Result};
use crate::setup::Setup;
use crate::ui::out::Out;
use crate::ui::show::{plural, size};

/// The widest bar of `--stat`.
const BAR_MAX: u64 = 30;

/// Lines around what differs, as git has them.
const CONTEXT_LINES: u16 = 3;

/// Tell how a version differs from another, or from a directory, or a file from another
///
/// Of two versions only what differs is read; of a directory each file that has changed since it was
/// last put from there.
#[derive(Args, Debug)]
#[command(
    override_usage = "art diff [OPTIONS] <REF> <REF|DIR>\n       art diff [OPTIONS] <REF> <PATH> <REF> <PATH>",
    after_help = "Examples:\n  art diff training-data:v0 training-data\n  art diff training-data ./data --stat\n  art diff model:v1 model:v2 --summary\n  art diff model:best model --patch | git apply\n  art diff model:v1 config.yaml model:v2 conf/base.yaml -p\n  art diff model:best model --path config --exit-code"
)]
pub(crate) struct DiffArgs {
    /// The version to start from; a bare NAME is its latest
    #[arg(value_name = "REF")]
    left: String,
    /// Another version, or a directory; `./NAME` is always a directory
    #[arg(value_name = "REF|DIR")]
    right: OsString,
    /// Of four arguments the second and the fourth are paths of files, which are compared
    #[arg(value_names = ["REF", "PATH"], num_args = 2, conflicts_with = "path")]
    file: Vec<OsString>,
    /// Only what is PATH or lies below it; may be repeated
    #[arg(long, value_name = "PATH")]
    path: Vec<OsString>,
    /// Show a bar for the bytes of each entry
    #[arg(long, conflicts_with = "name_only")]
    stat: bool,
    /// Show only the paths
    #[arg(long)]
    name_only: bool,
    /// Show what differs inside of text files, as a patch for `git apply` or `patch -p1`
    #[arg(short, long, conflicts_with_all = ["stat", "name_only"])]
    patch: bool,
    /// Show N lines around what differs, instead of 3; implies `--patch`
    #[arg(short = 'U', long, value_name = "N", conflicts_with_all = ["stat", "name_only"])]
    unified: Option<u16>,
    /// Sum up what differs inside: rows and columns of tables, tensors of safetensors, lines of texts
    #[arg(long, conflicts_with_all = ["name_only", "patch", "unified"])]
    summary: bool,
    /// Exit with 1 if anything differs
    #[arg(long)]
    exit_code: bool,
}

pub(crate) fn run(args: &DiffArgs, setup: &Setup) -> Result<Exit> {
    let left: Ref = args.left.parse()?;
    let store = setup.store_to_read()?;
    let (mut outcome, mut contents) = match &args.file[..] {
        [reference, path] => {
            let right: Ref = text(reference)?.parse()?;
            let file = |version: &Ref, path: &OsStr| FileAt { version: version.clone(), path: path.as_bytes().to_vec() };
            let options = FilesOptions { left: file(&left, &args.right), right: file(&right, path) };
            (diff_files(&store, &options)?, Contents::new(&store, &Against::Version(right))?)
        }
        _ => {
            let right = against(&store, &args.right)?;
            let paths = args.path.iter().map(|path| path.clone().into_vec()).collect();
            let options = DiffOptions { left, right, paths };
            (diff(&store, &setup.context()?, &options)?, Contents::new(&store, &options.right)?)
        }
    };
    let is_same = outcome.is_same();
    let context_lines = args.unified.or(args.patch.then_some(CONTEXT_LINES)).map(usize::from);
    let mut out = setup.ui.out()?;
    if out.json {
        let inside = Inside { context_lines, summary: args.summary };
        write_json(outcome, &mut contents, inside, &mut out)?;
    } else if let Some(context_lines) = context_lines {
        outcome.records.iter().try_for_each(|record| out.line(format!("# {}", told_record(record))))?;
        outcome.entries.iter().try_for_each(|change| patch::write(change, &mut contents, context_lines, &mut out))?;
    } else if args.name_only {
        for change in &outcome.entries {
            out.line(change.path.to_string())?;
        }
    } else {
        if let [_, path] = &args.file[..] {
            outcome.left = format!("{} {}", outcome.left, escape(args.right.as_bytes()));
            outcome.right = format!("{} {}", outcome.right, escape(path.as_bytes()));
        }
        let mut summary_lines = |change: &Change| -> Result<Vec<String>> {
            let summary = if args.summary { contents.summary(change)? } else { None };
            Ok(summary.as_ref().map(summary::lines).unwrap_or_default())
        };
        tell(&outcome, args.stat, &mut summary_lines, &mut out)?;
    }
    out.done()?;
    Ok(if args.exit_code && !is_same { Exit::No } else { Exit::Done })
}

/// Tells a directory from a version: what has a `/` or is all dots is one; any other is a version
/// if there is one of that name, and else a directory if there is one.
fn against(store: &Store, typed: &OsString) -> Result<Against> {
    let dir = PathBuf::from(typed);
    let bytes = typed.as_bytes();
    if bytes.contains(&b'/') || !bytes.is_empty() && bytes.iter().all(|byte| *byte == b'.') {
        return match dir.is_dir() {
            true => Ok(Against::Dir(dir)),
            false => {
                let shown = escape(bytes);
                Err(Error::not_found(format!("cannot compare with '{shown}': it is not a directory"))
                    .hint("give a version or a directory")
                    .into())
            }
        };
    }
    let found = text(typed).and_then(str::parse::<Ref>).and_then(|reference| store.resolve(&reference).map(|_| reference));
    match found {
        Ok(reference) => Ok(Against::Version(reference)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Usage) && dir.is_dir() => Ok(Against::Dir(dir)),
        Err(error) => Err(error.into()),
    }
}

fn text(typed: &OsStr) -> artstore::Result<&str> {
    typed.to_str().ok_or_else(|| Error::usage(format!("bad version '{}'", escape(typed.as_bytes()))))
}

/// What JSON tells of what is inside of entries.
struct Inside {
    /// The lines around what differs in patches, if there are to be patches.
    context_lines: Option<usize>,
    summary: bool,
}

/// Writes all as one value, entry by entry, for what is inside of them may be long.
fn write_json(mut outcome: DiffOutcome, contents: &mut Contents<'_>, inside: Inside, out: &mut Out) -> Result<()> {
    let mut counts = vec![("same", json!(outcome.is_same()))];
    counts.extend(KINDS.iter().map(|(name, kind)| (*name, json!(outcome.count(*kind)))));
    let entries = std::mem::take(&mut outcome.entries);
    let mut head = object(&outcome)?;
    head.remove("entries");
    head.extend(counts.into_iter().map(|(name, value)| (name.to_owned(), value)));
    let head = Value::Object(head).to_string();
    write!(out, "{},\"entries\":", head.strip_suffix('}').unwrap_or(&head))?;
    for change in &entries {
        let mut row = object(change)?;
        if let Some(context_lines) = inside.context_lines {
            let members = patch::json(change, contents, context_lines)?;
            row.extend(members.into_iter().map(|(name, value)| (name.to_owned(), value)));
        }
        if inside.summary {
            row.insert("summary".to_owned(), json!(contents.summary(change)?));
        }
        out.json_row(&row)?;
    }
    out.end_rows()?;
    Ok(out.write_all(b"}\n")?)
}

fn object(value: &impl serde::Serialize) -> Result<serde_json::Map<String, Value>> {
    match serde_json::to_value(value).map_err(std::io::Error::from)? {
        Value::Object(object) => Ok(object),
        _ => Ok(serde_json::Map::new()),
    }
}

const KINDS: [(&str, ChangeKind); 5] = [
    ("added", ChangeKind::Added),
    ("removed", ChangeKind::Removed),
    ("changed", ChangeKind::Changed),
    ("renamed", ChangeKind::Renamed),
    ("mode", ChangeKind::Mode),
];

fn tell(outcome: &DiffOutcome, with_bars: bool, inside: &mut dyn FnMut(&Change) -> Result<Vec<String>>, out: &mut Out) -> Result<()> {
    if outcome.is_same() {
        return out.line(format!("same: {} and {}", outcome.left, outcome.right));
    }
    let names: Vec<String> = outcome.entries.iter().map(name).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).min(60);
    let most = outcome.entries.iter().map(|change| bytes(&change.old).saturating_add(bytes(&change.new))).max().unwrap_or(0);
    for (change, name) in outcome.entries.iter().zip(&names) {
        let bar = if with_bars { bar(change, most) } else { String::new() };
        let line = format!("{} {name:<width$}  {}{bar}", letter(change.change), sizes(change));
        out.line(line.trim_end())?;
        inside(change)?.iter().try_for_each(|line| out.line(format!("    {line}")))?;
    }
    for record in &outcome.records {
        out.line(format!("* {}", told_record(record)))?;
    }
    out.line(total(outcome))
}

fn told_record(record: &RecordChange) -> String {
    let shown = |value: &Value| if value.is_null() { "-".to_owned() } else { escape(value.to_string().as_bytes()) };
    format!("{}: {} -> {}", escape(record.field.as_bytes()), shown(&record.old), shown(&record.new))
}

/// Returns the letter of a change, as git and jj have it.
pub(super) fn letter(change: ChangeKind) -> char {
    match change {
        ChangeKind::Added => 'A',
        ChangeKind::Removed => 'D',
        ChangeKind::Changed | ChangeKind::Mode => 'M',
        ChangeKind::Renamed => 'R',
    }
}

pub(super) fn name(change: &Change) -> String {
    match &change.from {
        Some(from) => format!("{from} => {}", change.path),
        None => change.path.to_string(),
    }
}

pub(super) fn sizes(change: &Change) -> String {
    let one = |info: &EntryInfo| match info.kind {
        "file" => size(info.size_bytes.unwrap_or(0)),
        "reference" => escape(info.target.as_deref().unwrap_or_default().as_bytes()),
        kind => kind.to_owned(),
    };
    let mut text = match (&change.old, &change.new) {
        (Some(old), Some(new)) if one(old) != one(new) => format!("{} -> {}", one(old), one(new)),
        (Some(info), None) | (_, Some(info)) => one(info),
        (None, None) => String::new(),
    };
    if let (Some(old), Some(new)) = (&change.old, &change.new) {
        match (old.kind == "file" && new.kind == "file", old.executable, new.executable) {
            (true, false, true) => text.push_str(", mode +x"),
            (true, true, false) => text.push_str(", mode -x"),
            _ => {}
        }
        if old.kind == "reference" && new.kind == "reference" {
            let facts = [("digest", old.digest != new.digest), ("size", old.size_bytes != new.size_bytes), ("etag", old.etag != new.etag)];
            facts.iter().filter(|(_, differs)| *differs).for_each(|(fact, _)| text.push_str(&format!(", another {fact}")));
        }
    }
    text
}

/// Draws the bytes of an entry: `-` for what it had, `+` for what it has.
fn bar(change: &Change, most: u64) -> String {
    if !matches!(change.change, ChangeKind::Added | ChangeKind::Removed | ChangeKind::Changed) || most == 0 {
        return String::new();
    }
    let marks = |info: &Option<EntryInfo>| match bytes(info) {
        0 => 0,
        bytes => (u128::from(bytes) * u128::from(BAR_MAX) / u128::from(most)).max(1) as usize,
    };
    format!(" {}{}", "+".repeat(marks(&change.new)), "-".repeat(marks(&change.old)))
}

fn bytes(info: &Option<EntryInfo>) -> u64 {
    info.as_ref().filter(|info| info.kind == "file").and_then(|info| info.size_bytes).unwrap_or(0)
}

fn total(outcome: &DiffOutcome) -> String {
    let counts = KINDS.iter().map(|(name, kind)| (outcome.count(*kind), name)).filter(|(count, _)| *count > 0);
    let counts: Vec<String> = counts.map(|(count, name)| format!("{count} {name}")).collect();
    let mut text = match outcome.entries.len() as u64 {
        0 => format!("{} -> {}: equal content", outcome.left, outcome.right),
        1 => format!("{} -> {}: 1 entry differs ({})", outcome.left, outcome.right, counts.join(", ")),
        all => format!("{} -> {}: {all} entries differ ({})", outcome.left, outcome.right, counts.join(", ")),
    };
    if !outcome.entries.is_empty() {
        text.push_str(&format!(", {} -> {}", size(outcome.left_bytes), size(outcome.right_bytes)));
    }
    if let Some(new) = outcome.new_chunk_bytes.filter(|_| outcome.right_bytes > 0) {
        let share = u128::from(new) * 100 / u128::from(outcome.right_bytes);
        text.push_str(&format!(", {} of it new chunks ({share} %)", size(new)));
    }
    if !outcome.records.is_empty() {
        text.push_str(&format!(", {}", plural(outcome.records.len() as u64, "other difference")));
    }
    text
}
