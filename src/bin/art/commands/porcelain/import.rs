//! `art import`

use std::io;
use std::path::{Path, PathBuf};

use artstore::name::{Alias, Name, Tag};
use artstore::ops::import::snapshots::{Snapshot, SnapshotState, import_snapshots, plan};
use artstore::ops::import::{Source, import};
use artstore::ops::put::{LinkPolicy, PutOptions};
use artstore::quote::quote;
use clap::Args;

use super::put::{entry_path, told, value_with_left_out};
use crate::error::{Exit, Result};
use crate::setup::Setup;
use crate::span;
use crate::values;

/// Store a version from an archive, without unpacking it
///
/// Reads tar, tar.gz, tar.zst and zip. What leads out of the archive is refused; FIFOs and devices are left out.
/// With `--snapshots` each dated directory or archive in a directory becomes a version.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  art import corpus corpus-1.2.tar.gz -m 'as published'
  curl https://example.org/data.tar.zst | art import data -
  art import tables backups/ --snapshots --dry-run")]
pub(crate) struct ImportArgs {
    /// The artifact
    name: Name,
    /// The archive, `-` for standard input, or with `--snapshots` a directory
    #[arg(value_name = "FILE")]
    source: PathBuf,
    /// Take the directories and archives in FILE, a directory, as versions, by the dates in their names
    #[arg(long)]
    snapshots: bool,
    /// Tell which snapshots would become versions, and change nothing
    #[arg(long, requires = "snapshots")]
    dry_run: bool,
    /// The artifact's type, for its first version [default: dataset]
    #[arg(long = "type", value_name = "T")]
    artifact_type: Option<Name>,
    /// Let an alias name this version
    #[arg(long = "alias", value_name = "A")]
    aliases: Vec<Alias>,
    /// Label this version
    #[arg(long = "tag", value_name = "T")]
    tags: Vec<Tag>,
    /// Say what it is
    #[arg(short = 'm', long = "message", value_name = "TEXT")]
    message: Option<String>,
    /// Set metadata: a JSON value, or else text
    #[arg(long = "meta", value_name = "K=V")]
    meta: Vec<String>,
    /// Set metadata from a file with a JSON object
    #[arg(long, value_name = "F")]
    meta_file: Option<PathBuf>,
    /// Mean it to be kept so long, as in `30d`, or `never` to keep it for ever; `art prune` acts on it
    #[arg(long, value_name = "D|never")]
    ttl: Option<String>,
    /// Put everything under this path
    #[arg(long, value_name = "PREFIX")]
    at: Option<std::ffi::OsString>,
    /// Store links that lead outside as links
    #[arg(long)]
    keep_links: bool,
    /// The run that makes it, by id or name (also: ART_RUN)
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// Make a store here if there is none
    #[arg(long)]
    init: bool,
}

pub(crate) fn run(args: &ImportArgs, setup: &Setup) -> Result<Exit> {
    let options = options(args)?;
    let store = if args.init { setup.store_or_new()? } else { setup.store()? };
    let context = setup.recording_context(&store, args.run.as_deref())?;
    if args.snapshots {
        let mut plan = plan(&store, &options.artifact, &args.source)?;
        let mut out = setup.ui.out()?;
        let (json, mut lines) = (out.json, Vec::new());
        let mut tell = |snapshot: &Snapshot, outcome: Option<&_>| lines.push(line(&args.name, snapshot, outcome));
        let done = match args.dry_run {
            true => {
                plan.iter().for_each(|snapshot| tell(snapshot, None));
                Ok(())
            }
            false => import_snapshots(&store, &context, &options, &mut plan, &mut tell),
        };
        setup.ui.end_progress();
        // What was stored before a failure is told, too.
        if !json {
            lines.iter().try_for_each(|line| out.line(line))?;
        } else if done.is_ok() {
            out.value(&plan)?;
        }
        out.done()?;
        done?;
        return Ok(Exit::Done);
    }
    let source = match &args.source {
        file if file == Path::new("-") => Source::Stream(Box::new(io::stdin())),
        file => Source::File(file.clone()),
    };
    let outcome = import(&store, &context, &options, source)?;
    let mut out = setup.ui.out()?;
    if out.json {
        out.value(&value_with_left_out(&outcome)?)?;
    } else {
        out.line(told(&outcome))?;
    }
    out.done()?;
    Ok(Exit::Done)
}

fn options(args: &ImportArgs) -> Result<PutOptions> {
    let mut options = PutOptions::new(args.name.clone());
    options.artifact_type = args.artifact_type.clone();
    options.aliases = args.aliases.clone();
    options.tags = args.tags.clone();
    options.description = args.message.clone().filter(|message| !message.is_empty());
    options.ttl_seconds = args.ttl.as_deref().map(span::parse_ttl).transpose()?;
    options.metadata = values::collect("metadata", "--meta", args.meta_file.as_deref(), &args.meta)?;
    options.at = args.at.as_deref().map(entry_path).transpose()?;
    options.links = if args.keep_links { LinkPolicy::Keep } else { LinkPolicy::Refuse };
    Ok(options)
}

fn line(artifact: &Name, snapshot: &Snapshot, outcome: Option<&artstore::ops::put::PutOutcome>) -> String {
    let name = quote(snapshot.name.as_bytes());
    let version = snapshot.version.as_deref().map(|version| format!("{artifact}:{version}")).unwrap_or_default();
    match (snapshot.state, outcome) {
        (SnapshotState::Stored | SnapshotState::Unchanged, Some(outcome)) => format!("{name}  {}", told(outcome)),
        (SnapshotState::Here, _) => format!("{name}  here: {version}"),
        (SnapshotState::Late, _) => format!("{name}  left out: a later one was imported before"),
        _ => format!("{name}  would be imported"),
    }
}
