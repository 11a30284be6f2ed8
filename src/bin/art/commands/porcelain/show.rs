//! `art show`

use artstore::format::record::Metadata;
use artstore::name::Tag;
use artstore::ops::entry::EntryInfo;
use artstore::ops::ls::ArtifactInfo;
use artstore::ops::show::{GitInfo, VersionInfo, references, show, show_artifact};
use artstore::quote::escape;
use clap::Args;
use serde::Serialize;
use serde_json::Value;

use crate::error::{Exit, Result};
use crate::setup::Setup;
use crate::span;
use crate::ui::show::{plural, size, time};

/// How many references are listed.
const LISTED_MAX: usize = 10;

/// Tell all that is known of a version, or of an artifact as a whole
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  art show model:best\n  art show model --json\n  art show --artifact model")]
pub(crate) struct ShowArgs {
    /// The version; a bare NAME is its latest
    #[arg(value_name = "REF", required_unless_present = "artifact", conflicts_with = "artifact")]
    reference: Option<String>,
    /// The artifact as a whole instead
    #[arg(long, value_name = "NAME")]
    artifact: Option<String>,
}

/// A version, and what its manifest tells besides.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    version: VersionInfo,
    references: Option<Vec<EntryInfo>>,
}

pub(crate) fn run(args: &ShowArgs, setup: &Setup) -> Result<Exit> {
    match &args.artifact {
        Some(artifact) => {
            let artifact = artifact.parse()?;
            tell(&show_artifact(&setup.store_to_read()?, &artifact)?, &artifact_lines, setup)
        }
        None => {
            let reference = args.reference.as_deref().unwrap_or_default().parse()?;
            let store = setup.store_to_read()?;
            let version = show(&store, &reference)?;
            // A copy may hold the records alone.
            let references = match references(&store, &version) {
                Ok(references) => Some(references),
                Err(error) => {
                    setup.ui.warn(&format!("cannot tell its references: {error}"));
                    None
                }
            };
            // Its records may be elsewhere, or have no name.
            let run = version.run.and_then(|id| store.run(id).ok()?.name().map(str::to_owned));
            let lines = |shown: &Shown| [version_lines(&shown.version, run.as_deref()), reference_lines(shown)].concat();
            tell(&Shown { version, references }, &lines, setup)
        }
    }
}

fn tell<T: Serialize>(info: &T, lines: &dyn Fn(&T) -> Vec<String>, setup: &Setup) -> Result<Exit> {
    let mut out = setup.ui.out()?;
    if out.json {
        out.value(info)?;
    } else {
        for line in lines(info) {
            out.line(line)?;
        }
    }
    out.done()?;
    Ok(Exit::Done)
}

fn artifact_lines(info: &ArtifactInfo) -> Vec<String> {
    let mut lines = vec![info.artifact.to_string()];
    let mut field = |name: &str, value: String| lines.push(field_line(name, &value));
    field("type", or_dash(info.artifact_type.as_ref().map(ToString::to_string).unwrap_or_default()));
    field("versions", info.version_count.to_string());
    field("latest", or_dash(info.version.clone().unwrap_or_else(|| info.rivals.join(" or "))));
    field("tags", or_dash(tags_line(&info.tags)));
    lines.extend(said_lines(info.description.as_deref(), info.metadata.as_ref()));
    lines
}

/// Tells a description and metadata.
fn said_lines(description: Option<&str>, metadata: Option<&Metadata>) -> Vec<String> {
    let description = description.into_iter().flat_map(str::lines).map(|line| field_line("description", &escape(line.as_bytes())));
    let pair = |(key, value): (&String, &Value)| format!("{}: {}", escape(key.as_bytes()), escape(value.to_string().as_bytes()));
    description.chain(metadata.into_iter().flatten().map(|member| field_line("metadata", &pair(member)))).collect()
}

fn field_line(name: &str, value: &str) -> String {
    format!("  {name:<12} {value}")
}

/// Names tags in a line.
pub(super) fn tags_line(tags: &[Tag]) -> String {
    tags.iter().map(Tag::as_str).collect::<Vec<_>>().join(", ")
}

fn reference_lines(shown: &Shown) -> Vec<String> {
    let references = shown.references.as_deref().unwrap_or_default();
    let line = |text: String| format!("  {:<12} {text}", "reference");
    let first = references.iter().take(LISTED_MAX).map(|reference| {
        let target = reference.target.as_deref().unwrap_or_default();
        line(format!("{} -> {}", escape(reference.path.path.as_bytes()), escape(target.as_bytes())))
    });
    let VersionInfo { artifact, version, .. } = &shown.version;
    let more = references.len().saturating_sub(LISTED_MAX);
    let rest = (more > 0).then(|| line(format!("and {more} more: `art ls {artifact}:{version}` lists them")));
    first.chain(rest).collect()
}

/// Tells a version in lines of `field  value`; `run` is the name of the run that made it.
fn version_lines(info: &VersionInfo, run: Option<&str>) -> Vec<String> {
    let name = format!("{}:{}", info.artifact, info.version);
    let mut lines = vec![name.clone()];
    let mut field = |name: &str, value: String| lines.push(field_line(name, &value));
    field("type", info.artifact_type.to_string());
    field("created", time(info.created_at));
    field("id", info.id.to_string());
    field("digest", info.digest.to_string());
    field("aliases", or_dash(info.aliases.join(", ")));
    field("tags", or_dash(tags_line(&info.tags)));
    field("content", format!("{}, {}", plural(info.file_count, "file"), size(info.size_bytes)));
    field("stored", size(info.stored_bytes));
    if let Some(ttl) = info.ttl_seconds {
        let ends = info.expires_at.map_or_else(|| "never".to_owned(), time);
        field("expires", format!("{ends} (ttl of {})", span::shown(ttl)));
    }
    match (info.deleted, info.contested) {
        (true, _) => field("deleted", format!("yes (`art undelete {name}` undoes it while its bytes are here)")),
        (false, true) => {
            field("deleted", format!("contested: who did it did not know all; `art rm {name}` or `art undelete {name}` settles it"))
        }
        (false, false) => {}
    }
    for parent in &info.parents {
        field("parent", parent.to_string());
    }
    if let Some(id) = &info.run {
        field("run", run.map_or_else(|| id.to_string(), |name| format!("{} ({id})", escape(name.as_bytes()))));
    }
    if let Some(git) = &info.git {
        field("git", git_line(git));
    }
    lines.extend(said_lines(info.description.as_deref(), info.metadata.as_ref()));
    lines
}

/// Shows the state of a git repo: `0123456789ab on main, with changes`.
pub(crate) fn git_line(git: &GitInfo) -> String {
    let commit = git.commit.as_deref().map_or("no commit yet".to_owned(), |commit| escape(commit.get(..12).unwrap_or(commit).as_bytes()));
    let branch = git.branch.as_deref().map(|branch| format!(" on {}", escape(branch.as_bytes()))).unwrap_or_default();
    format!("{commit}{branch}{}", if git.dirty { ", with changes" } else { "" })
}

fn or_dash(text: String) -> String {
    if text.is_empty() { "-".to_owned() } else { text }
}
