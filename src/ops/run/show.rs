//! `art run show` and `art runs`: what is known of runs, and what state they are in.

use std::collections::HashMap;

use serde::Serialize;

use crate::error::Result;
use crate::format::record::{Metadata, Time};
use crate::format::run::{RunMode, RunReference, RunVersion};
use crate::id::{FileDigest, PageId, RecordId};
use crate::name::Name;
use crate::ops::show::GitInfo;
use crate::refs::history::{History, Version};
use crate::refs::read::DamagedRecord;
use crate::refs::runs::Run;
use crate::run_id::RunId;
use crate::store::Store;
use crate::store::runs::Liveness;

/// What state a run is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// It was started with `art run start` and waits for `art run finish`.
    Open,
    /// Its process is there.
    Running,
    /// It ended with exit code 0.
    Finished,
    /// It ended with another exit code, or by a signal.
    Failed,
    /// Its process is gone, and nobody has said how it ended.
    Lost,
    /// It was started in another copy of the store, and its end is not known here.
    Unknown,
}

impl RunState {
    /// Every state.
    pub const ALL: [RunState; 6] =
        [RunState::Open, RunState::Running, RunState::Finished, RunState::Failed, RunState::Lost, RunState::Unknown];

    /// Returns the word for it, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            RunState::Open => "open",
            RunState::Running => "running",
            RunState::Finished => "finished",
            RunState::Failed => "failed",
            RunState::Lost => "lost",
            RunState::Unknown => "unknown",
        }
    }
}

/// A run as listings show it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunInfo {
    /// Its name.
    pub id: RunId,
    /// What people call it.
    pub name: Option<String>,
    /// What it belongs to.
    pub project: Option<Name>,
    /// What sort of work it is.
    pub job_type: Option<Name>,
    /// What state it is in.
    pub state: RunState,
    /// When it began.
    pub started_at: Time,
    /// When it ended.
    pub finished_at: Option<Time>,
    /// How it ended: its exit code.
    pub exit_code: Option<u8>,
    /// Or the signal that ended it.
    pub signal: Option<u8>,
    /// What it was configured with.
    pub config: Metadata,
    /// What it found out.
    pub summary: Metadata,
    /// The versions that it used.
    pub inputs: Vec<RunVersionInfo>,
    /// The versions that it produced.
    pub outputs: Vec<RunVersionInfo>,
    /// What it used that was never stored.
    pub references: Vec<RunReferenceInfo>,
}

/// A run with all that is known of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunDetails {
    /// As in listings.
    #[serde(flatten)]
    pub info: RunInfo,
    /// The state of the git repo when it began.
    pub git: Option<GitInfo>,
    /// Where that repo is pushed to.
    pub remote: Option<String>,
    /// The command and its arguments; none if it was not recorded.
    pub argv: Option<Vec<String>>,
    /// The computer's name, if it was recorded.
    pub host: Option<String>,
    /// Who ran it, if it was recorded.
    pub user: Option<String>,
}

/// A version that a run used or produced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunVersionInfo {
    /// The artifact.
    pub artifact: Name,
    /// The version's name in its artifact; none if its record is not here.
    pub version: Option<String>,
    /// The version's id.
    pub id: RecordId,
    /// The id of its manifest.
    pub digest: PageId,
    /// What it was used as.
    #[serde(rename = "as")]
    pub role: Option<Name>,
    /// Whether it is deleted.
    pub deleted: bool,
}

/// Something outside the store that a run used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunReferenceInfo {
    /// Where it is.
    pub uri: String,
    /// The digest of its bytes, if known.
    pub digest: Option<FileDigest>,
    /// Its length, if known.
    pub size_bytes: Option<u64>,
    /// What it was used as.
    #[serde(rename = "as")]
    pub role: Option<Name>,
}

/// The runs of a store, and the records that a listing had to leave out.
#[derive(Clone, Debug)]
pub struct RunList {
    /// The runs, in the order of their start.
    pub runs: Vec<RunInfo>,
    /// Records that cannot be read.
    pub damaged: Vec<DamagedRecord>,
}

/// Lists all runs in the order of their start, reading them on so many threads.
pub fn list(store: &Store, threads: usize) -> Result<RunList> {
    // Runs before versions: a version that a listed run produced is listed too.
    let all = store.runs(threads)?;
    let histories = store.histories()?;
    let versions = Versions::of(&histories);
    let runs = all.runs.iter().map(|run| info(store, run, &versions)).collect();
    Ok(RunList { runs, damaged: all.damaged })
}

/// Tells all that is known of the run that a text names.
pub fn show(store: &Store, text: &str, threads: usize) -> Result<RunDetails> {
    let run = store.find_run(text, threads)?;
    let histories = store.histories()?;
    Ok(RunDetails::of(store, &run, &Versions::of(&histories)))
}

impl RunDetails {
    pub(crate) fn of(store: &Store, run: &Run, versions: &Versions<'_>) -> RunDetails {
        let info = info(store, run, versions);
        let Some(start) = run.start.clone() else {
            return RunDetails { info, git: None, remote: None, argv: None, host: None, user: None };
        };
        let argv = Some(start.argv).filter(|argv| !argv.is_empty());
        RunDetails { info, git: start.git.as_ref().map(GitInfo::from), remote: start.remote, argv, host: start.host, user: start.user }
    }
}

/// Every version of a store, to be found by its id and by the run that made it.
pub(crate) struct Versions<'h> {
    by_id: HashMap<RecordId, &'h Version>,
    by_run: HashMap<RunId, Vec<RecordId>>,
}

impl<'h> Versions<'h> {
    pub(crate) fn of(histories: &'h [History]) -> Versions<'h> {
        let (mut by_id, mut by_run) = (HashMap::new(), HashMap::<RunId, Vec<RecordId>>::new());
        for version in histories.iter().flat_map(|history| &history.versions) {
            if let Some(run) = version.record.run {
                by_run.entry(run).or_default().push(version.id);
            }
            by_id.insert(version.id, version);
        }
        Versions { by_id, by_run }
    }

    fn shown(&self, named: &RunVersion) -> RunVersionInfo {
        let version = self.by_id.get(&named.version);
        RunVersionInfo {
            artifact: named.artifact.clone(),
            version: version.map(|version| version.label.clone()),
            id: named.version,
            digest: named.digest,
            role: named.role.clone(),
            deleted: version.is_some_and(|version| version.deleted),
        }
    }

    fn made_by(&self, run: RunId) -> impl Iterator<Item = RunVersionInfo> {
        let versions = self.by_run.get(&run).into_iter().flatten().filter_map(|id| self.by_id.get(id));
        versions.map(|version| RunVersionInfo {
            artifact: version.record.artifact.clone(),
            version: Some(version.label.clone()),
            id: version.id,
            digest: version.record.manifest,
            role: None,
            deleted: version.deleted,
        })
    }
}

fn info(store: &Store, run: &Run, versions: &Versions<'_>) -> RunInfo {
    let start = run.start.as_ref();
    let mut outputs: Vec<RunVersionInfo> = versions.made_by(run.id).collect();
    outputs.extend(run.outputs.iter().map(|output| versions.shown(output)));
    let references = run.references.iter().map(|reference| {
        let RunReference { digest, role, size_bytes, uri } = reference.clone();
        RunReferenceInfo { uri, digest, size_bytes, role }
    });
    RunInfo {
        id: run.id,
        name: run.name().map(str::to_owned),
        project: start.and_then(|start| start.project.clone()),
        job_type: start.and_then(|start| start.job_type.clone()),
        state: state(store, run),
        started_at: run.started_at,
        finished_at: run.end.map(|(_, at)| at),
        exit_code: run.end.and_then(|(end, _)| end.exit_code),
        signal: run.end.and_then(|(end, _)| end.signal),
        config: run.config.clone(),
        summary: run.summary.clone(),
        inputs: run.inputs.iter().map(|input| versions.shown(input)).collect(),
        outputs,
        references: references.collect(),
    }
}

fn state(store: &Store, run: &Run) -> RunState {
    match (&run.end, run.start.as_ref().map(|start| start.mode)) {
        (Some((end, _)), _) if end.exit_code == Some(0) => RunState::Finished,
        (Some(_), _) => RunState::Failed,
        (None, None) => RunState::Unknown,
        (None, Some(RunMode::Open)) => RunState::Open,
        (None, Some(RunMode::Exec)) => match store.liveness(run.id) {
            Liveness::Alive => RunState::Running,
            Liveness::Gone => RunState::Lost,
            Liveness::Elsewhere => RunState::Unknown,
        },
    }
}
