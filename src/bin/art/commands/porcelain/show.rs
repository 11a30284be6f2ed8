//! `art show`

use artstore::ops::show::{GitInfo, VersionInfo, show};
use artstore::quote::escape;
use clap::Args;

use crate::error::{Exit, Result};
use crate::setup::Setup;
use crate::span;
use crate::ui::show::{plural, size, time};

/// Tell all that is known of a version
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  art show model:best\n  art show model --json")]
pub(crate) struct ShowArgs {
    /// The version; a bare NAME is its latest
    #[arg(value_name = "REF")]
    reference: String,
}

pub(crate) fn run(args: &ShowArgs, setup: &Setup) -> Result<Exit> {
    let reference = args.reference.parse()?;
    let info = show(&setup.store()?, &reference)?;
    let mut out = setup.ui.out()?;
    if out.json {
        out.value(&info)?;
    } else {
        for line in version_lines(&info) {
            out.line(line)?;
        }
    }
    out.done()?;
    Ok(Exit::Done)
}

/// Tells a version in lines of `field  value`.
pub(crate) fn version_lines(info: &VersionInfo) -> Vec<String> {
    let tags: Vec<&str> = info.tags.iter().map(|tag| tag.as_str()).collect();
    let name = format!("{}:{}", info.artifact, info.version);
    let mut lines = vec![name.clone()];
    let mut field = |name: &str, value: String| lines.push(format!("  {name:<12} {value}"));
    field("type", info.artifact_type.to_string());
    field("created", time(info.created_at));
    field("id", info.id.to_string());
    field("digest", info.digest.to_string());
    field("aliases", or_dash(info.aliases.join(", ")));
    field("tags", or_dash(tags.join(", ")));
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
    if let Some(run) = &info.run {
        field("run", run.to_string());
    }
    if let Some(git) = &info.git {
        field("git", git_line(git));
    }
    for line in info.description.iter().flat_map(|text| text.lines()) {
        field("description", escape(line.as_bytes()));
    }
    for (key, value) in info.metadata.iter().flatten() {
        field("metadata", format!("{}: {}", escape(key.as_bytes()), escape(value.to_string().as_bytes())));
    }
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
