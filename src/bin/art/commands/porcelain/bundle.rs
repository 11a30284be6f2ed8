//! `art bundle`

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use artstore::durable::Existing;
use artstore::name::Ref;
use artstore::ops::sync::bundle::{
    BaseState, Bundle, CreateOptions, CreateOutcome, Source, UnpackOptions, VerifyOutcome, create, unpack, verify,
};
use artstore::ops::target::Target;
use artstore::quote::{escape, quote, quote_path};
use artstore::{Error, ErrorKind};
use clap::{Args, Subcommand};

use super::moved::{finish, what};
use crate::error::{Exit, Result};
use crate::setup::Setup;
use crate::ui::show::{plural, size};

/// Put versions, or a whole store, in one file, and take them out elsewhere
///
/// For where no two copies can be mounted at once: a mail, a stick, an upload. What goes in is what `art push`
/// would bring, and unpacking it is as `art pull`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  art bundle create project.artb
  art bundle create news.artb model:best --since model:v3
  art bundle create - data | ssh host art -C project bundle unpack -")]
pub(crate) struct BundleArgs {
    #[command(subcommand)]
    command: BundleCommand,
}

#[derive(Debug, Subcommand)]
enum BundleCommand {
    /// Make a bundle of the whole store, or of the versions named
    #[command(after_help = "\
Examples:
  art bundle create project.artb
  art bundle create --all data.artb data
  art bundle create week.artb --since data:v12 --since model:v3")]
    Create {
        /// The file to make, or `-` for standard output
        file: PathBuf,
        /// The versions that go in [default: the whole store]
        #[arg(value_name = "REF")]
        versions: Vec<Ref>,
        /// All versions of the artifacts named, not the latest alone
        #[arg(long, requires = "versions")]
        all: bool,
        /// Leave out what this version, or one before it, has: the bundle then builds on it
        #[arg(long, value_name = "REF")]
        since: Vec<Ref>,
        /// Replace FILE if it is there
        #[arg(long)]
        force: bool,
    },
    /// Check that a bundle is whole, and that what it builds on is here
    #[command(after_help = "Example:\n  art bundle verify project.artb")]
    Verify {
        /// The bundle, or `-` for standard input
        file: PathBuf,
    },
    /// Bring this store what it lacks of a bundle
    #[command(after_help = "Examples:\n  art bundle unpack project.artb\n  art bundle unpack --init /media/stick/project.artb")]
    Unpack {
        /// The bundle, or `-` for standard input
        file: PathBuf,
        /// Make a store here if there is none
        #[arg(long)]
        init: bool,
        /// Tell what would come, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
}

pub(crate) fn run(args: &BundleArgs, setup: &Setup) -> Result<Exit> {
    match &args.command {
        BundleCommand::Create { file, versions, all, since, force } => {
            let options = CreateOptions { versions: versions.clone(), all_versions: *all, since: since.clone() };
            run_create(file, &options, if *force { Existing::Replace } else { Existing::Keep }, setup)
        }
        BundleCommand::Verify { file } => run_verify(file, setup),
        BundleCommand::Unpack { file, init, dry_run } => {
            let bundle = open(file)?;
            let store = match setup.store() {
                Err(failure) if *init && !*dry_run => {
                    if let Some(base) = bundle.builds_on().first() {
                        let (name, base) = (quote(bundle.name().as_bytes()), quote(base.full_name().as_bytes()));
                        return Err(Error::refused(format!("cannot make a store of {name}: it builds on {base}"))
                            .because(as_error(failure))
                            .hint("make a bundle without `--since`")
                            .into());
                    }
                    setup.store_or_new()?
                }
                result => result?,
            };
            let outcome = unpack(&store, &setup.context()?, bundle, UnpackOptions { dry_run: *dry_run })?;
            finish(&outcome, setup, &|outcome| {
                let from = quote(outcome.other.as_bytes());
                let verb = if outcome.dry_run { "would unpack" } else { "unpacked" };
                vec![match &outcome.pulled {
                    Some(moved) if !moved.is_empty() => format!("{verb}  {} from {from}", what(moved)),
                    _ => format!("nothing to unpack from {from}"),
                }]
            })
        }
    }
}

fn as_error(failure: crate::error::Failure) -> Box<dyn std::error::Error + Send + Sync> {
    match failure {
        crate::error::Failure::Library(error) => Box::new(error),
        crate::error::Failure::Output(error) => Box::new(error),
    }
}

fn run_create(file: &Path, options: &CreateOptions, existing: Existing, setup: &Setup) -> Result<Exit> {
    let store = setup.store()?;
    let context = setup.context()?;
    if file == Path::new("-") {
        let mut out = stdout("bundle")?;
        let outcome = create(&store, &context, options, Target::Stream(&mut out))?;
        setup.ui.end_progress();
        warn_of_missing(&outcome, setup);
        return Ok(Exit::Done);
    }
    let outcome = create(&store, &context, options, Target::File { path: file.to_owned(), existing })?;
    warn_of_missing(&outcome, setup);
    let mut out = setup.ui.out()?;
    if out.json {
        let mut value = serde_json::to_value(&outcome).map_err(io::Error::from)?;
        value["path"] = file.display().to_string().into();
        out.value(&value)?;
    } else {
        let has = if outcome.has.is_empty() { "nothing".to_owned() } else { what(&outcome.has) };
        out.line(format!("made {}  {has}", quote_path(file)))?;
        if !outcome.builds_on.is_empty() {
            let names: Vec<String> = outcome.builds_on.iter().map(|base| base.full_name()).collect();
            out.line(format!("builds on  {}", names.join(", ")))?;
        }
    }
    out.done()?;
    Ok(Exit::Done)
}

/// Returns standard output for bytes that are no text.
pub(super) fn stdout(what: &str) -> Result<File> {
    if io::stdout().is_terminal() {
        return Err(Error::usage(format!("cannot write the {what} to a terminal"))
            .hint("name a file, or send it on with `|` or `>`")
            .into());
    }
    Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?))
}

fn warn_of_missing(outcome: &CreateOutcome, setup: &Setup) {
    let counts = [(outcome.missing_chunks, "chunk"), (outcome.missing_pages, "page")];
    let counts: Vec<String> = counts.iter().filter(|(count, _)| *count > 0).map(|(count, noun)| plural(*count, noun)).collect();
    if !counts.is_empty() {
        setup.ui.warn(&format!("{} that the versions need are not here and so not in the bundle", counts.join(" and ")));
    }
}

fn open(file: &Path) -> Result<Bundle> {
    let source = if file == Path::new("-") { Source::Stream(Box::new(io::stdin())) } else { Source::File(file.to_owned()) };
    Ok(Bundle::open(source)?)
}

fn run_verify(file: &Path, setup: &Setup) -> Result<Exit> {
    let bundle = open(file)?;
    let store = match setup.store() {
        Err(failure) if failure.kind() == Some(ErrorKind::NotFound) => None,
        result => Some(result?),
    };
    let outcome = verify(store.as_ref(), &setup.context()?, bundle)?;
    let mut out = setup.ui.out()?;
    if out.json {
        out.value(&outcome)?;
    } else {
        for line in lines(&outcome) {
            out.line(line)?;
        }
    }
    out.done()?;
    Ok(match (outcome.ok, outcome.usable) {
        (false, _) => Exit::Damaged,
        (true, false) => Exit::No,
        (true, true) => Exit::Done,
    })
}

fn lines(outcome: &VerifyOutcome) -> Vec<String> {
    let name = quote(outcome.path.as_bytes());
    let mut lines: Vec<String> = outcome
        .problems
        .iter()
        .map(|problem| match &problem.path {
            Some(path) => format!("damaged: {path}: {}", escape(problem.message.as_bytes())),
            None => format!("damaged: {}", escape(problem.message.as_bytes())),
        })
        .collect();
    if outcome.ok {
        let has = if outcome.has.is_empty() { format!("nothing ({})", size(0)) } else { what(&outcome.has) };
        lines.push(format!("whole: {name}  {has}"));
    }
    for base in &outcome.builds_on {
        let state = match base.state {
            BaseState::Here => "here",
            BaseState::Incomplete => "only a part of it is here",
            BaseState::Missing => "not here",
        };
        lines.push(format!("builds on {} ({}): {state}", base.version.full_name(), base.version.id.short(16)));
    }
    lines
}
