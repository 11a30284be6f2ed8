//! `art cp`

use artstore::ops::cp::{CpOptions, CpOutcome, cp};
use clap::Args;
use serde_json::json;

use super::put::value_of;
use crate::error::{Exit, Result};
use crate::setup::Setup;
use crate::ui::show::{plural, size};

/// Make a version of another artifact, or of the same, from a version, without copying its bytes
///
/// The new version has its content, description, tags and metadata, and follows it in the lineage. Content
/// equal to the latest version's makes no new one.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  art cp model:best released-model --alias prod
  art cp training-data:v2 training-data -m 'back to what it was before the cleaning'")]
pub(crate) struct CpArgs {
    /// The version; a bare NAME is its latest
    #[arg(value_name = "REF")]
    reference: String,
    /// The artifact that gets a version
    name: String,
    /// The artifact's type, for its first version [default: that of what is copied]
    #[arg(long = "type", value_name = "T")]
    artifact_type: Option<String>,
    /// Let an alias name the new version
    #[arg(long = "alias", value_name = "A")]
    aliases: Vec<String>,
    /// Label the new version, besides the tags of what is copied
    #[arg(long = "tag", value_name = "T")]
    tags: Vec<String>,
    /// Say what it is, instead of what is said of what is copied
    #[arg(short = 'm', long = "message", value_name = "TEXT")]
    message: Option<String>,
    /// The run that copies, by id or name (also: ART_RUN)
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
}

pub(crate) fn run(args: &CpArgs, setup: &Setup) -> Result<Exit> {
    let options = CpOptions {
        from: args.reference.parse()?,
        artifact: args.name.parse()?,
        artifact_type: args.artifact_type.as_deref().map(str::parse).transpose()?,
        aliases: args.aliases.iter().map(|text| text.parse()).collect::<artstore::Result<_>>()?,
        tags: args.tags.iter().map(|text| text.parse()).collect::<artstore::Result<_>>()?,
        description: args.message.clone().filter(|message| !message.is_empty()),
    };
    let store = setup.store()?;
    let outcome = cp(&store, &setup.recording_context(&store, args.run.as_deref())?, &options)?;
    let mut out = setup.ui.out()?;
    if out.json {
        let mut value = value_of(&outcome.put)?;
        value["from"] = json!(outcome.from.full_name());
        value["from_id"] = json!(outcome.from.id);
        out.value(&value)?;
    } else {
        out.line(told(&outcome))?;
    }
    out.done()?;
    Ok(Exit::Done)
}

fn told(outcome: &CpOutcome) -> String {
    let version = &outcome.put.version;
    let name = format!("{}:{}", version.artifact, version.version);
    let content = format!("{}, {}", plural(version.file_count, "file"), size(version.size_bytes));
    if outcome.put.unchanged {
        format!("unchanged: {name} ({content})")
    } else {
        format!("copied: {} to {name} ({content}; {} new)", outcome.from.full_name(), size(outcome.put.new_bytes))
    }
}
