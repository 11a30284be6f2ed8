//! `art tag`

use artstore::Error;
use artstore::name::Tag;
use artstore::ops::edit::{EditOutcome, Edited};
use artstore::ops::tag;
use clap::{Args, Subcommand};

use super::edit::{json_of, name, target};
use super::show::tags_line;
use crate::error::{Exit, Result};
use crate::setup::Setup;
use crate::ui::table::{Align::Left, Align::Right, Table};

/// Versions of a tag that a listing names; the rest are counted.
const VERSIONS_TOLD: usize = 8;

/// Add, remove and list tags: labels that many versions may carry
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  art tag add model:v3 checked 'ready to ship'\n  art tag rm model:v3 checked\n  art tag add --artifact model vision\n  art tag ls model"
)]
pub(crate) struct TagArgs {
    #[command(subcommand)]
    command: TagCommand,
}

#[derive(Debug, Subcommand)]
enum TagCommand {
    /// Add tags to a version, or to an artifact as a whole
    #[command(
        override_usage = "art tag add [OPTIONS] <REF> <TAG>...\n       art tag add [OPTIONS] --artifact <NAME> <TAG>...",
        after_help = "Examples:\n  art tag add model:v3 checked 'ready to ship'\n  art tag add --artifact model vision"
    )]
    Add(Words),
    /// Remove tags from a version, or from an artifact as a whole
    #[command(
        override_usage = "art tag rm [OPTIONS] <REF> <TAG>...\n       art tag rm [OPTIONS] --artifact <NAME> <TAG>...",
        after_help = "Example:\n  art tag rm model:v3 checked"
    )]
    Rm(Words),
    /// List tags and what carries them
    #[command(after_help = "Example:\n  art tag ls model")]
    Ls {
        /// Only those of this artifact and its versions
        name: Option<String>,
    },
}

/// What to tag, and the tags.
#[derive(Args, Debug)]
struct Words {
    /// The version (a bare NAME is its latest), and the tags
    #[arg(value_name = "REF TAG", required = true, num_args = 1..)]
    words: Vec<String>,
    /// Instead of a version the artifact as a whole
    #[arg(long, value_name = "NAME")]
    artifact: Option<String>,
}

pub(crate) fn run(args: &TagArgs, setup: &Setup) -> Result<Exit> {
    match &args.command {
        TagCommand::Add(words) => change(words, setup, "tagged", &tag::add),
        TagCommand::Rm(words) => change(words, setup, "untagged", &tag::remove),
        TagCommand::Ls { name } => ls(setup, name.as_deref()),
    }
}

/// Adds or removes tags.
type Operation<'o> =
    &'o dyn Fn(&artstore::Store, &artstore::Context<'_>, &artstore::ops::edit::EditTarget, &[Tag]) -> artstore::Result<EditOutcome>;

fn change(words: &Words, setup: &Setup, done: &str, operation: Operation<'_>) -> Result<Exit> {
    let (reference, tags) = match (&words.artifact, &words.words[..]) {
        (Some(_), tags) => (None, tags),
        (None, [reference, tags @ ..]) if !tags.is_empty() => (Some(reference.as_str()), tags),
        _ => {
            return Err(Error::usage("no tag is given")
                .hint("give the version and then tags, as in `art tag add model:v3 checked`")
                .into());
        }
    };
    let target = target(reference, words.artifact.as_deref())?;
    let tags = tags.iter().map(|tag| tag.parse()).collect::<artstore::Result<Vec<Tag>>>()?;
    let store = setup.store()?;
    let outcome = operation(&store, &setup.context()?, &target, &tags)?;
    let mut out = setup.ui.out()?;
    if out.json {
        json_of(&outcome, &mut out)?;
    } else {
        let done = if outcome.edit.is_some() { done } else { "unchanged" };
        out.line(format!("{done}: {} ({})", name(&outcome), tags_now(&outcome)))?;
    }
    out.done()?;
    Ok(Exit::Done)
}

fn tags_now(outcome: &EditOutcome) -> String {
    let tags = match &outcome.edited {
        Edited::Version(version) => &version.tags,
        Edited::Artifact(artifact) => &artifact.tags,
    };
    if tags.is_empty() { "no tags".to_owned() } else { format!("tags: {}", tags_line(tags)) }
}

fn ls(setup: &Setup, name: Option<&str>) -> Result<Exit> {
    let name = name.map(str::parse).transpose()?;
    let tags = tag::list(&setup.store_to_read()?, name.as_ref())?;
    let mut out = setup.ui.out()?;
    if out.json {
        out.value(&tags)?;
    } else {
        let mut table = Table::new(&[("ARTIFACT", Left), ("TAG", Left), ("COUNT", Right), ("ON", Left)]);
        for row in tags {
            let mut on: Vec<String> = row.on_artifact.then(|| "the artifact".to_owned()).into_iter().collect();
            on.extend(row.versions.iter().take(VERSIONS_TOLD).cloned());
            let more = row.versions.len().saturating_sub(VERSIONS_TOLD);
            if more > 0 {
                on.push(format!("and {more} more"));
            }
            table.row([row.artifact.to_string(), row.tag.to_string(), row.versions.len().to_string(), on.join(", ")]);
        }
        table.write(&mut out)?;
    }
    out.done()?;
    Ok(Exit::Done)
}
