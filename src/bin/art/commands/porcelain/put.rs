//! `art put`

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use artstore::Error;
use artstore::format::path::EntryPath;
use artstore::ops::put::{LeftOut, LinkPolicy, PutOptions, PutOutcome, Stream, put};
use artstore::quote::quote;
use artstore::store::worktrees::place_of_packs_at_stake;
use clap::Args;
use serde_json::{Value, json};

use super::references;
use crate::error::{Exit, Result};
use crate::setup::Setup;
use crate::span;
use crate::ui::show::{plural, size};
use crate::values;

/// Store a version of an artifact
///
/// A file goes in under its base name, a directory's contents at the top; `-` reads one file from
/// standard input. Content equal to the latest version's makes no new one.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  art put training-data data/ --type dataset -m 'first export'
  art put model weights.bin --alias best --meta acc=0.93
  tar c . | art put backup -
  art put training-data new.csv --onto training-data:latest --remove old.csv
  art put corpus labels/ --ref s3://bucket/raw.tar=raw.tar --ref file:///mnt/scans=scans")]
pub(crate) struct PutArgs {
    /// The artifact
    name: String,
    /// Files and directories, or `-` for standard input
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// The artifact's type, for its first version [default: dataset]
    #[arg(long = "type", value_name = "T")]
    artifact_type: Option<String>,
    /// Let an alias name this version
    #[arg(long = "alias", value_name = "A")]
    aliases: Vec<String>,
    /// Label this version
    #[arg(long = "tag", value_name = "T")]
    tags: Vec<String>,
    /// Say what it is
    #[arg(short = 'm', long = "message", value_name = "TEXT")]
    message: Option<String>,
    /// Set metadata: a JSON value, or else text
    #[arg(long = "meta", value_name = "K=V")]
    meta: Vec<String>,
    /// Mean it to be kept so long, as in `30d`, or `never` to keep it for ever; `art prune` acts on it
    #[arg(long, value_name = "D|never")]
    ttl: Option<String>,
    /// Set metadata from a file with a JSON object
    #[arg(long, value_name = "F")]
    meta_file: Option<PathBuf>,
    /// Put everything under this path
    #[arg(long, value_name = "PREFIX")]
    at: Option<OsString>,
    /// Start from the entries of this version; what is given wins
    #[arg(long, value_name = "REF")]
    onto: Option<String>,
    /// First take this entry, or all below it, away from that version
    #[arg(long, value_name = "PATH", requires = "onto")]
    remove: Vec<OsString>,
    /// Leave out what matches, as in a `.gitignore`
    #[arg(long, value_name = "GLOB")]
    ignore: Vec<String>,
    /// Pass over `.artignore` files
    #[arg(long)]
    no_ignore: bool,
    /// Record what lies elsewhere by its URI, as PATH
    #[arg(long = "ref", value_name = "URI[=PATH]")]
    refs: Vec<String>,
    /// Record what the lines of F tell: objects with `uri`, and perhaps `path`, `digest`, `size_bytes`, `etag`
    #[arg(long, value_name = "F")]
    ref_file: Vec<PathBuf>,
    /// Store what links to outside point to
    #[arg(long, conflicts_with = "keep_links")]
    follow: bool,
    /// Store links to outside as links
    #[arg(long)]
    keep_links: bool,
    /// What standard input is called in the version [default: the artifact's name]
    #[arg(long = "name", value_name = "NAME")]
    stream_name: Option<OsString>,
    /// The run that makes it, by id or name (also: ART_RUN)
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// Make a store here if there is none
    #[arg(long)]
    init: bool,
}

pub(crate) fn run(args: &PutArgs, setup: &Setup) -> Result<Exit> {
    let options = options(args, setup)?;
    let store = if args.init { setup.store_or_new()? } else { setup.store()? };
    let stream = options.stream.is_some().then(|| Box::new(io::stdin()) as Stream);
    let outcome = put(&store, &setup.recording_context(&store, args.run.as_deref())?, &options, stream)?;
    let mut out = setup.ui.out()?;
    if out.json {
        let mut value = value_with_left_out(&outcome)?;
        value["reference_count"] = json!(outcome.references);
        out.value(&value)?;
    } else {
        out.line(told(&outcome))?;
    }
    out.done()?;
    // What was stored is stored.
    let at_stake = place_of_packs_at_stake(store.root()).unwrap_or_else(|error| {
        setup.ui.warn(&format!("cannot tell whether `git worktree remove` takes the data packs along: {error}"));
        None
    });
    if let Some(place) = at_stake {
        let (from, to) = (store.root().join("packs"), place.join("packs"));
        setup.ui.warn(&format!(
            "`git worktree remove` takes the data packs of this linked worktree along: before that, run `mkdir -p {} && cp -rn {}/. {}/`",
            artstore::quote::shell_word(&to),
            artstore::quote::shell_word(&from),
            artstore::quote::shell_word(&to)
        ));
    }
    Ok(Exit::Done)
}

/// Returns what is printed as JSON of a version that was stored.
pub(super) fn value_of(outcome: &PutOutcome) -> Result<Value> {
    let mut value = serde_json::to_value(&outcome.version).map_err(io::Error::from)?;
    value["unchanged"] = json!(outcome.unchanged);
    value["new_bytes"] = json!(outcome.new_bytes);
    Ok(value)
}

/// The same, and what was left out.
pub(super) fn value_with_left_out(outcome: &PutOutcome) -> Result<Value> {
    let mut value = value_of(outcome)?;
    let left_out = outcome.left_out;
    value["left_out"] = json!({ "ignored": left_out.ignored, "reserved": left_out.reserved, "special": left_out.special });
    Ok(value)
}

fn options(args: &PutArgs, setup: &Setup) -> Result<PutOptions> {
    let mut options = PutOptions::new(args.name.parse()?);
    options.artifact_type = args.artifact_type.as_deref().map(str::parse).transpose()?;
    options.aliases = args.aliases.iter().map(|text| text.parse()).collect::<artstore::Result<_>>()?;
    options.tags = args.tags.iter().map(|text| text.parse()).collect::<artstore::Result<_>>()?;
    options.description = args.message.clone().filter(|message| !message.is_empty());
    options.ttl_seconds = args.ttl.as_deref().map(span::parse_ttl).transpose()?;
    options.metadata = values::collect("metadata", "--meta", args.meta_file.as_deref(), &args.meta)?;
    options.at = args.at.as_deref().map(entry_path).transpose()?;
    options.onto = args.onto.as_deref().map(str::parse).transpose()?;
    options.remove = args.remove.iter().map(|path| entry_path(path)).collect::<artstore::Result<_>>()?;
    options.ignore = args.ignore.clone();
    options.no_ignore = args.no_ignore;
    options.links = match (args.follow, args.keep_links) {
        (true, _) => LinkPolicy::Follow,
        (_, true) => LinkPolicy::Keep,
        _ => LinkPolicy::Refuse,
    };
    options.references = args.refs.iter().map(|typed| references::parse(typed, setup.ui.progress())).collect::<artstore::Result<_>>()?;
    for file in &args.ref_file {
        options.references.extend(references::read(file)?);
    }
    options.sources = args.paths.iter().filter(|path| path.as_path() != Path::new("-")).cloned().collect();
    match args.paths.len() - options.sources.len() {
        0 if args.stream_name.is_some() => return Err(Error::usage("`--name` names what `-` reads, and there is no `-`").into()),
        0 => {}
        1 => options.stream = Some(stream_path(args, &options)?),
        _ => return Err(Error::usage("standard input can be stored only once").into()),
    }
    if options.stream.is_some() && args.ref_file.iter().any(|file| file == Path::new("-")) {
        return Err(Error::usage("standard input cannot be stored and read for references at once").into());
    }
    Ok(options)
}

fn stream_path(args: &PutArgs, options: &PutOptions) -> artstore::Result<EntryPath> {
    let name = args.stream_name.as_deref().unwrap_or(OsStr::new(&args.name)).as_bytes();
    match &options.at {
        Some(at) => checked_path([at.as_bytes(), b"/", name].concat()),
        None => checked_path(name.to_vec()),
    }
}

/// Takes a path as people type it: `./a/b/` is `a/b`.
pub(super) fn entry_path(typed: &OsStr) -> artstore::Result<EntryPath> {
    let mut bytes = typed.as_bytes();
    while let Some(rest) = bytes.strip_prefix(b"./") {
        bytes = rest;
    }
    while let Some(rest) = bytes.strip_suffix(b"/").filter(|rest| !rest.is_empty()) {
        bytes = rest;
    }
    checked_path(bytes.to_vec())
}

fn checked_path(bytes: Vec<u8>) -> artstore::Result<EntryPath> {
    let shown = quote(&bytes);
    EntryPath::new(bytes)
        .map_err(|why| Error::usage(format!("bad path {shown}: {why}")).hint("give a path within the version, such as `train/labels.csv`"))
}

pub(super) fn told(outcome: &PutOutcome) -> String {
    let version = &outcome.version;
    let name = format!("{}:{}", version.artifact, version.version);
    let mut content = format!("{}, {}", plural(version.file_count, "file"), size(version.size_bytes));
    if outcome.references > 0 {
        content.push_str(&format!(", {}", plural(outcome.references, "reference")));
    }
    let left_out = left_out(&outcome.left_out);
    if outcome.unchanged {
        format!("unchanged: {name} ({content}{left_out})")
    } else {
        format!("stored: {name} ({content}; {} new{left_out})", size(outcome.new_bytes))
    }
}

fn left_out(left_out: &LeftOut) -> String {
    let counts = [(left_out.ignored, "ignored"), (left_out.reserved, ".git or .artifacts"), (left_out.special, "special")];
    let told: Vec<String> = counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if told.is_empty() { String::new() } else { format!("; left out: {}", told.join(", ")) }
}
