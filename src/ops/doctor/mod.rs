//! `art doctor`: what is wrong with a store and with the git repo round it, and the command that mends
//! each of it.
//!
//! Reads only. What stands in the store itself is asked of `fsck` (`store.rs`); the rest is asked of
//! `git`: what its rules do to the store's files (`rules.rs`), and what it has of them (`repo.rs`).

mod repo;
mod rules;
mod store;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::quote::{quote_path, shell_word};
use crate::store::Store;
use crate::store::git::around::Around;
use crate::store::git::tree::Place;
use crate::store::guard::{GitMode, Guard};

pub(super) use rules::TO_COME;

/// A file of this size is refused by GitHub.
const FILE_SIZE_MAX: u64 = 100 << 20;
/// From this size on it warns of a file.
const FILE_SIZE_WARNED: u64 = 50 << 20;
/// A push of this size it refuses.
const PUSH_SIZE_MAX: u64 = 2_000_000_000;

/// What is held against what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoctorOptions {
    /// Bytes of a file that hosts of git repos refuse: GitHub, by default.
    pub file_size_max: u64,
    /// Bytes of a file of which they warn.
    pub file_size_warned: u64,
    /// Bytes of a push that they refuse. From three quarters of it on it is told.
    pub push_size_max: u64,
}

impl Default for DoctorOptions {
    fn default() -> DoctorOptions {
        DoctorOptions { file_size_max: FILE_SIZE_MAX, file_size_warned: FILE_SIZE_WARNED, push_size_max: PUSH_SIZE_MAX }
    }
}

/// What [`doctor`] found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DoctorOutcome {
    /// Whether there is no problem; there may be advice.
    pub ok: bool,
    /// The directory that the store lies in, where the commands are to be run.
    pub project: PathBuf,
    /// Whether it is in the working tree of a git repo.
    pub in_git: bool,
    /// What that repo commits, where the store's rules tell.
    pub mode: Option<GitMode>,
    /// What was found, problems first.
    pub findings: Vec<Finding>,
}

/// Something that is wrong, or could be better.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Whether something is wrong.
    pub severity: Severity,
    /// What sort of thing.
    pub kind: FindingKind,
    /// What it is.
    pub message: String,
    /// The command that mends it, for a shell, to be run in the project; none if there is none.
    pub mend: Option<String>,
}

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Data is missing, or may get lost, or something will fail.
    Problem,
    /// Nothing is wrong now.
    Advice,
}

/// What sort of thing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// The store cannot be opened.
    Unopened,
    /// Git cannot be asked.
    GitFailed,
    /// A file of the store that says what git does with it is missing.
    RulesMissing,
    /// Such a file is not as it was written.
    RulesChanged,
    /// Git ignores what it shall commit.
    IgnoredFiles,
    /// Git alters bytes of the store.
    AlteredFiles,
    /// `git clean` would take what was stored.
    Unguarded,
    /// What keeps `git clean` off stands where git commits.
    MisplacedGuard,
    /// On a branch without the store git does not ignore what it must not take.
    NotExcluded,
    /// Git may remove the store's folder with what it ignores there.
    FolderAtStake,
    /// Git has files that it shall not have.
    TrackedFiles,
    /// A file is larger than hosts take.
    LargeFile,
    /// A push is larger than hosts take.
    LargePush,
    /// A merge or the like is not finished.
    UnderWay,
    /// Files are in no commit.
    UncommittedFiles,
    /// The repo lacks older commits, so `gc` cannot work.
    ShallowClone,
    /// The repo lacks objects, so `gc` cannot work.
    PartialClone,
    /// The repo does not tell what it holds, so `gc` cannot work.
    UnreadHistory,
    /// Files are gone from their places, as after `git clean`.
    RemovedFiles,
    /// Something is damaged or cannot be read.
    Damage,
    /// Packs have not arrived whole.
    PacksNotArrived,
    /// Versions lack something.
    IncompleteVersions,
    /// The version that an alias names is not here.
    LostAlias,
    /// A number stands for several versions.
    AmbiguousVersion,
    /// An alias stands for several versions.
    DivergedAlias,
    /// A version lives although it was deleted.
    ContestedDeletion,
    /// Files are no part of the store.
    Strangers,
    /// Local state of another copy was copied along.
    CopiedLocalState,
}

/// A store that is looked at.
struct Patient<'a> {
    root: &'a Path,
    /// The directory that it lies in.
    project: &'a Path,
    /// How it is called there.
    name: PathBuf,
    options: &'a DoctorOptions,
    findings: Vec<Finding>,
}

/// Looks at the store at `root` and the git repo round it.
///
/// Cost: that of a quick `fsck`, and of reading what the repo holds of the store, as `gc` does.
pub fn doctor(root: &Path, context: &Context<'_>, options: &DoctorOptions) -> Result<DoctorOutcome> {
    let root = &std::path::absolute(root).map_err(|e| Error::io("find", root, e))?;
    let store = match Store::open(root) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(error),
        opened => opened.map(|store| store.with_threads(context.threads)),
    };
    let project = root.parent().unwrap_or(root);
    let name = root.file_name().map(PathBuf::from).unwrap_or_default();
    let mut patient = Patient { root, project, name, options, findings: Vec::new() };
    let (repo, guard) = (Around::find(root)?, Guard::of(root));
    let mode = guard.as_ref().ok().and_then(Option::as_ref).map(Guard::mode);
    match (&repo, &guard) {
        (None, _) => {}
        (Some(repo), Ok(guard)) => {
            context.progress.phase("asking git");
            patient.look_at_folder(repo, guard.as_ref());
            let asked = Place::of(project).and_then(|place| patient.ask_git(&place, guard.as_ref(), store.as_ref().ok()));
            asked.unwrap_or_else(|error| patient.tell_of_git(FindingKind::GitFailed, &error));
        }
        // Git is not asked: at a pipe it would wait.
        (Some(_), Err(error)) => patient.tell_unread_rules(error),
    }
    match &store {
        Ok(store) => patient.look_into(store, context, mode),
        Err(error) => {
            let is_guarded = GitMode::of_guard(root).is_ok_and(|mode| mode.is_some());
            let mend = is_guarded.then(|| "art repair".to_owned());
            patient.problem(FindingKind::Unopened, told(error), mend);
        }
    }
    let mut findings = patient.findings;
    // Of one kind they stay in their order.
    findings.sort_by_key(|finding| (finding.severity, finding.kind));
    let ok = findings.iter().all(|finding| finding.severity != Severity::Problem);
    Ok(DoctorOutcome { ok, project: project.to_owned(), in_git: repo.is_some(), mode, findings })
}

impl Patient<'_> {
    /// Looks at what the repo does with the store's files, and what it has of them.
    fn ask_git(&mut self, place: &Place, guard: Option<&Guard>, store: Option<&Store>) -> Result<()> {
        let differences = place.differences(self.project, &self.name)?;
        self.look_at_rules(place, guard)?;
        self.look_at_guard(guard, &differences)?;
        self.look_at_tracked(guard.map(Guard::mode))?;
        self.look_at_sizes(guard.map(Guard::mode), &differences)?;
        self.look_at_commits(place, guard.map(Guard::mode), &differences);
        if let Some(store) = store {
            self.look_at_history(place, store);
        }
        Ok(())
    }

    fn problem(&mut self, kind: FindingKind, message: String, mend: Option<String>) {
        self.findings.push(Finding { severity: Severity::Problem, kind, message, mend });
    }

    fn advice(&mut self, kind: FindingKind, message: String, mend: Option<String>) {
        self.findings.push(Finding { severity: Severity::Advice, kind, message, mend });
    }

    /// Tells of a failure of git, with what helps.
    fn tell_of_git(&mut self, kind: FindingKind, error: &Error) {
        // As in a container, or on a disk of another computer.
        let is_of_another = error.to_string().contains("dubious ownership");
        let top = self.project.ancestors().find(|dir| dir.join(".git").exists()).filter(|_| is_of_another);
        let (message, mend) = match top {
            Some(top) => (
                format!("git does not work in {}: it belongs to another user", quote_path(top)),
                Some(format!("git config --global --add safe.directory {}", shell_word(top))),
            ),
            None => (told(error), None),
        };
        self.problem(kind, message, mend);
    }

    /// Returns a path of the store as a word of a command.
    fn word(&self, path: impl AsRef<Path>) -> String {
        shell_word(&self.name.join(path))
    }
}

/// Puts an error, what caused it, and what helps into one line.
fn told(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text.push_str(&format!(": {next}"));
        cause = next.source();
    }
    error.hint_text().map_or(text.clone(), |hint| format!("{text}; {hint}"))
}
