//! `art run`

mod exec;
mod show;

use std::path::PathBuf;

use artstore::Error;
use artstore::format::record::Metadata;
use artstore::format::run::{RunEnd, RunMode};
use artstore::ops::run::{self, StartOptions};
use artstore::run_id::RunId;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::error::{Exit, Result};
use crate::git;
use crate::setup::{RUN_VARIABLE, Setup};
use crate::values;

/// Record executions: what they used, what they produced, with which configuration
///
/// `put`, `use` and `get --use` add to the run in ART_RUN, or to the one that `--run` names. Each step
/// is on disk when its command ends, so a run that is killed keeps what it did.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  art run exec --name train-1 --config lr=0.001 -- python train.py
  export ART_RUN=$(art run start --job-type prepare)
  art run log rows=20000
  art run finish
  art run show train-1")]
pub(crate) struct RunArgs {
    #[command(subcommand)]
    command: RunCommand,
}

#[derive(Debug, Subcommand)]
enum RunCommand {
    /// Start a run and print its id; it is open until `art run finish`
    #[command(after_help = "Example:\n  export ART_RUN=$(art run start --name prepare --config split=0.8)")]
    Start(StartArgs),
    /// Run a command as a run: with its input and output, exit code and signals as they are
    #[command(after_help = "Example:\n  art run exec --name train-1 --job-type train --config lr=0.001 -- python train.py --epochs 3")]
    Exec(exec::ExecArgs),
    /// Note what a run found out; a value that is there is replaced
    #[command(after_help = "Example:\n  art run log acc=0.93 loss=0.21")]
    Log(LogArgs),
    /// Say that a run is over
    #[command(after_help = "Example:\n  art run finish --exit 1")]
    Finish(FinishArgs),
    /// Tell all that is known of a run
    #[command(after_help = "Example:\n  art run show train-1")]
    Show {
        /// The run, by its id, the first 8 or more characters of it, or its name
        run: String,
    },
}

/// What a run is, said when it starts.
#[derive(Args, Debug)]
struct StartArgs {
    /// What to call it
    #[arg(long, value_name = "N")]
    name: Option<String>,
    /// What it belongs to
    #[arg(long, value_name = "P")]
    project: Option<String>,
    /// What sort of work it is, such as `train`
    #[arg(long, value_name = "J")]
    job_type: Option<String>,
    /// Set a value of its configuration: a JSON value, or else text
    #[arg(long, value_name = "K=V")]
    config: Vec<String>,
    /// Set its configuration from a file with a JSON object
    #[arg(long, value_name = "F")]
    config_file: Option<PathBuf>,
    /// Record the names of this computer and of the user
    #[arg(long)]
    record_host: bool,
}

#[derive(Args, Debug)]
struct LogArgs {
    /// Values to set: JSON values, or else text
    #[arg(value_name = "K=V")]
    values: Vec<String>,
    /// Set a value of its configuration
    #[arg(long, value_name = "K=V")]
    config: Vec<String>,
    /// The run, by id or name (also: ART_RUN)
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
}

#[derive(Args, Debug)]
struct FinishArgs {
    /// The run, by id or name (also: ART_RUN)
    run: Option<String>,
    /// How it ended
    #[arg(long, value_name = "CODE", default_value_t = 0)]
    exit: u8,
}

pub(crate) fn run(args: &RunArgs, setup: &Setup) -> Result<Exit> {
    match &args.command {
        RunCommand::Start(args) => start(args, setup),
        RunCommand::Exec(args) => exec::run(args, setup),
        RunCommand::Log(args) => log(args, setup),
        RunCommand::Finish(args) => finish(args, setup),
        RunCommand::Show { run } => show::run(run, setup),
    }
}

impl StartArgs {
    fn options(&self, mode: RunMode, store: &artstore::Store) -> Result<StartOptions> {
        let mut options = StartOptions::new(mode);
        options.name = self.name.clone().filter(|name| !name.is_empty());
        options.project = self.project.as_deref().map(str::parse).transpose()?;
        options.job_type = self.job_type.as_deref().map(str::parse).transpose()?;
        options.config = values::collect("config", "--config", self.config_file.as_deref(), &self.config)?;
        options.remote = git::remote(store.project());
        if self.record_host {
            let uname = rustix::system::uname();
            options.host = Some(uname.nodename().to_string_lossy().into_owned());
            options.user = ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok()).filter(|user| !user.is_empty());
        }
        Ok(options)
    }
}

fn start(args: &StartArgs, setup: &Setup) -> Result<Exit> {
    let store = setup.store()?;
    let context = artstore::Context { git: git::state(store.project()), ..setup.context()? };
    let started = run::start(&store, &context, &args.options(RunMode::Open, &store)?)?;
    print_id(setup, started.id)
}

fn log(args: &LogArgs, setup: &Setup) -> Result<Exit> {
    let summary = values::collect("value", "art run log", None, &args.values)?;
    let config = values::collect("config", "--config", None, &args.config)?;
    if summary.is_empty() && config.is_empty() {
        return Err(Error::usage("nothing to log: give values as KEY=VALUE").hint("as in `art run log acc=0.93`").into());
    }
    let store = setup.store()?;
    let id = needed(setup, &store, args.run.as_deref())?;
    let told: Metadata = summary.clone();
    run::log(&store, &setup.context()?, id, config, summary)?;
    let mut out = setup.ui.out()?;
    if out.json {
        out.value(&json!({ "id": id, "summary": told }))?;
    }
    out.done()?;
    Ok(Exit::Done)
}

fn finish(args: &FinishArgs, setup: &Setup) -> Result<Exit> {
    let store = setup.store()?;
    let id = needed(setup, &store, args.run.as_deref())?;
    run::finish(&store, &setup.context()?, id, RunEnd { exit_code: Some(args.exit), signal: None })?;
    let mut out = setup.ui.out()?;
    if out.json {
        out.value(&json!({ "id": id, "exit_code": args.exit }))?;
    }
    out.done()?;
    Ok(Exit::Done)
}

fn print_id(setup: &Setup, id: RunId) -> Result<Exit> {
    let mut out = setup.ui.out()?;
    if out.json {
        out.value(&json!({ "id": id }))?;
    } else {
        out.line(id.to_string())?;
    }
    out.done()?;
    Ok(Exit::Done)
}

/// Finds the run to add to, which must be named.
pub(super) fn needed(setup: &Setup, store: &artstore::Store, named: Option<&str>) -> Result<RunId> {
    setup.run(store, named)?.ok_or_else(|| {
        Error::usage(format!("which run is meant is not said: {RUN_VARIABLE} is not set"))
            .hint(format!("start one with `export {RUN_VARIABLE}=$(art run start)`, or name one (`art runs` lists them)"))
            .into()
    })
}
