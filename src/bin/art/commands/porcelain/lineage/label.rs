//! Nodes of a lineage in words.

use artstore::ops::lineage::{EdgeKind, LineageEdge, LineageNode, Subject};
use artstore::ops::run::RunState;
use artstore::quote::escape;

use crate::ui::show::{size, time};

/// Digits of an id where that is all there is to name a version.
const ID_DIGITS: usize = 16;

/// What sort of node it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Sort {
    Version,
    Run,
    Reference,
}

/// A node in words; control characters are escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) sort: Sort,
    /// What it is called.
    pub(super) title: String,
    /// What more there is to say in a few words.
    pub(super) details: Vec<String>,
    /// What must not be overlooked.
    pub(super) marks: Vec<&'static str>,
    /// Whether it is deleted, only named by others, or folded.
    pub(super) is_faint: bool,
    /// Whether it is a run that failed or was lost.
    pub(super) is_failed: bool,
}

impl Sort {
    /// Returns its noun for a count.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Sort::Version => "version",
            Sort::Run => "run",
            Sort::Reference => "reference",
        }
    }

    pub(super) fn of(subject: &Subject) -> Sort {
        match subject {
            Subject::Version(_) | Subject::MissingVersion(_) => Sort::Version,
            Subject::Run(_) | Subject::MissingRun(_) => Sort::Run,
            Subject::Reference(_) => Sort::Reference,
        }
    }
}

impl Label {
    pub(super) fn of(node: &LineageNode) -> Label {
        let (title, details) = match &node.subject {
            Subject::Version(info) => (format!("{}:{}", info.artifact, info.version), info.aliases.clone()),
            Subject::MissingVersion(missing) => {
                let artifact = missing.artifact.as_ref().map(ToString::to_string).unwrap_or_default();
                (format!("{artifact}@{}", missing.id.short(ID_DIGITS)), Vec::new())
            }
            Subject::Run(details) => {
                let info = &details.info;
                let date = time(info.started_at).chars().take(10).collect::<String>();
                let state = format!("{} {date}", info.state.as_str());
                match &info.name {
                    Some(name) => (escape(name.as_bytes()), vec![info.id.short(), state]),
                    None => (info.id.short(), vec![state]),
                }
            }
            Subject::MissingRun(missing) => (missing.id.short(), Vec::new()),
            Subject::Reference(info) => {
                let stored = info.size_bytes.map_or_else(|| "not stored".to_owned(), |bytes| format!("not stored, {}", size(bytes)));
                (escape(info.uri.as_bytes()), vec![stored])
            }
        };
        let is_deleted = matches!(&node.subject, Subject::Version(info) if info.deleted);
        let is_failed = matches!(&node.subject, Subject::Run(run) if matches!(run.info.state, RunState::Failed | RunState::Lost));
        let marks = [(is_deleted, "deleted"), (node.missing, "its record is not here")];
        let marks = marks.into_iter().filter(|(is, _)| *is).map(|(_, mark)| mark).collect();
        Label { sort: Sort::of(&node.subject), title, details, marks, is_faint: is_deleted || node.missing, is_failed }
    }

    /// Stands for so many of a sort that are not shown one by one.
    pub(super) fn folded(sort: Sort, title: String) -> Label {
        Label { sort, title, details: Vec::new(), marks: Vec::new(), is_faint: true, is_failed: false }
    }

    /// Returns what there is to say below its name, if anything.
    pub(super) fn second_line(&self) -> Option<String> {
        let all: Vec<&str> = self.details.iter().map(String::as_str).chain(self.marks.iter().copied()).collect();
        (!all.is_empty()).then(|| all.join(" · "))
    }

    /// Returns what it is called, with a word before it where that does not tell what it is.
    pub(super) fn name(&self) -> String {
        match self.sort {
            Sort::Run => format!("run {}", self.title),
            Sort::Version | Sort::Reference => self.title.clone(),
        }
    }
}

/// Tells of a step what its ends do not, read from where it comes from or from where it leads to:
/// ` as train` of a version, `  uses it as train` of a run.
pub(super) fn remark(edge: &LineageEdge, upward: bool) -> Option<String> {
    let roles = || edge.roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ");
    match (edge.kind, upward) {
        (EdgeKind::Used, _) if edge.roles.is_empty() => None,
        (EdgeKind::Used, true) => Some(format!(" as {}", roles())),
        (EdgeKind::Used, false) => Some(format!("  uses it as {}", roles())),
        (EdgeKind::Produced, true) if edge.again => Some("  made it again".to_owned()),
        (EdgeKind::Produced, false) if edge.again => Some(" again".to_owned()),
        _ => None,
    }
}
