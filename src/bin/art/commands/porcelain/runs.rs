//! `art runs`

use artstore::name::Name;
use artstore::ops::run::{RunInfo, RunState, list};
use artstore::quote::escape;
use clap::Args;
use clap::builder::PossibleValuesParser;

use super::warn_of_damaged;
use crate::error::{Exit, Result};
use crate::setup::Setup;
use crate::ui::show::{duration, time};
use crate::ui::table::{Align, Table};

/// List runs, the newest last
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  art runs --job-type train --state failed
  art runs --limit 5")]
pub(crate) struct RunsArgs {
    /// Only those that belong to this
    #[arg(long, value_name = "P")]
    project: Option<String>,
    /// Only those of this sort of work
    #[arg(long, value_name = "J")]
    job_type: Option<String>,
    /// Only those in this state
    #[arg(long, value_name = "S", value_parser = PossibleValuesParser::new(RunState::ALL.map(RunState::as_str)))]
    state: Option<String>,
    /// Only the newest N of them
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<usize>,
}

pub(crate) fn run(args: &RunsArgs, setup: &Setup) -> Result<Exit> {
    let project: Option<Name> = args.project.as_deref().map(str::parse).transpose()?;
    let job_type: Option<Name> = args.job_type.as_deref().map(str::parse).transpose()?;
    let store = setup.store_to_read()?;
    let mut found = list(&store, setup.context()?.threads)?;
    warn_of_damaged(setup, &found.damaged);
    found.runs.retain(|run| {
        (project.is_none() || run.project == project)
            && (job_type.is_none() || run.job_type == job_type)
            && args.state.as_ref().is_none_or(|state| run.state.as_str() == state)
    });
    if let Some(limit) = args.limit {
        found.runs.drain(..found.runs.len().saturating_sub(limit));
    }
    let mut out = setup.ui.out()?;
    if out.json {
        out.value(&found.runs)?;
    } else {
        use Align::{Left, Right};
        let columns =
            [("RUN", Left), ("NAME", Left), ("TYPE", Left), ("STATE", Left), ("STARTED", Left), ("LASTED", Right), ("USED", Right)];
        let mut table = Table::new(&[&columns[..], &[("MADE", Right)]].concat());
        for run in &found.runs {
            table.row([
                run.id.short(),
                run.name.as_ref().map(|name| escape(name.as_bytes())).unwrap_or_default(),
                run.job_type.as_ref().map(ToString::to_string).unwrap_or_default(),
                run.state.as_str().to_owned(),
                time(run.started_at),
                lasted(run).unwrap_or_default(),
                (run.inputs.len() + run.references.len()).to_string(),
                run.outputs.len().to_string(),
            ]);
        }
        table.write(&mut out)?;
    }
    out.done()?;
    Ok(Exit::Done)
}

/// Shows how long a run took, if it has ended.
pub(super) fn lasted(run: &RunInfo) -> Option<String> {
    let seconds = run.finished_at?.0.duration_since(run.started_at.0).as_secs_f64().max(0.0);
    Some(if seconds < 9.95 { format!("{seconds:.1} s") } else { duration(seconds.round()) })
}
