//! `art run start` and the beginning of `art run exec`.

use crate::context::Context;
use crate::error::Result;
use crate::format::record::{Metadata, Record};
use crate::format::run::{RunMode, RunRecord, RunStart};
use crate::name::Name;
use crate::run_id::RunId;
use crate::store::Store;
use crate::store::runs::RunLock;
use crate::store::session::Session;

/// How a run begins.
#[derive(Clone, Debug)]
pub struct StartOptions {
    /// Who ends it.
    pub mode: RunMode,
    /// What people call it.
    pub name: Option<String>,
    /// What it belongs to.
    pub project: Option<Name>,
    /// What sort of work it is.
    pub job_type: Option<Name>,
    /// What it is configured with.
    pub config: Metadata,
    /// The command and its arguments.
    pub argv: Vec<String>,
    /// Where the git repo is pushed to, without credentials.
    pub remote: Option<String>,
    /// The computer's name.
    pub host: Option<String>,
    /// Who runs it.
    pub user: Option<String>,
}

/// A run that was started.
#[derive(Debug)]
pub struct Started {
    /// Its name.
    pub id: RunId,
    /// With [`RunMode::Exec`]: held for as long as the run goes on.
    pub lock: Option<RunLock>,
}

impl StartOptions {
    /// Options of a mode with everything else left out.
    pub fn new(mode: RunMode) -> StartOptions {
        StartOptions {
            mode,
            name: None,
            project: None,
            job_type: None,
            config: Metadata::new(),
            argv: Vec::new(),
            remote: None,
            host: None,
            user: None,
        }
    }
}

/// Starts a run. Its record is durable when this returns.
pub fn start(store: &Store, context: &Context<'_>, options: &StartOptions) -> Result<Started> {
    let session = Session::begin(store, context)?;
    let now = context.now.0;
    let id = RunId::new(u64::try_from(now.as_second()).unwrap_or(0), u32::try_from(now.subsec_nanosecond()).unwrap_or(0));
    // Before its record: who sees the run must not take it for lost.
    let lock = match options.mode {
        RunMode::Exec => Some(RunLock::take(session.local(), id)?),
        RunMode::Open => None,
    };
    let begun = RunStart {
        argv: options.argv.clone(),
        git: context.git.clone(),
        host: options.host.clone(),
        job_type: options.job_type.clone(),
        mode: options.mode,
        name: options.name.clone(),
        project: options.project.clone(),
        remote: options.remote.clone(),
        user: options.user.clone(),
    };
    let record = RunRecord { start: Some(begun), config: options.config.clone(), ..RunRecord::new(id, 0, context.now) };
    session.write_record(&Record::Run(Box::new(record)))?;
    Ok(Started { id, lock })
}
