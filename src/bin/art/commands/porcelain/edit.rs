//! `art edit`

use std::path::PathBuf;

use artstore::Error;
use artstore::ops::edit::{Change, EditOutcome, EditTarget, Edited, edit};
use clap::Args;
use serde_json::{Value, json};

use super::log::what_changed;
use crate::error::{Exit, Result};
use crate::setup::Setup;
use crate::span;
use crate::ui::out::Out;
use crate::values;

/// Change what is said of a version, or of an artifact as a whole
///
/// The content stays. Each change is a record of its own, and `art log` tells them all.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  art edit model:v3 -m 'retrained on clean data' --meta acc=0.93\n  art edit model:v3 --unset note --ttl 30d\n  art edit --artifact model -m 'classifies digits'"
)]
pub(crate) struct EditArgs {
    /// The version; a bare NAME is its latest
    #[arg(value_name = "REF", required_unless_present = "artifact", conflicts_with = "artifact")]
    reference: Option<String>,
    /// The artifact as a whole instead
    #[arg(long, value_name = "NAME", conflicts_with = "ttl")]
    artifact: Option<String>,
    /// Say what it is; '' takes the description away
    #[arg(short = 'm', long = "message", value_name = "TEXT")]
    message: Option<String>,
    /// Set metadata: a JSON value, or else text
    #[arg(long = "meta", value_name = "K=V")]
    meta: Vec<String>,
    /// Set metadata from a file with a JSON object; what it does not name stays
    #[arg(long, value_name = "F")]
    meta_file: Option<PathBuf>,
    /// Remove metadata
    #[arg(long, value_name = "K")]
    unset: Vec<String>,
    /// Mean the version to be kept so long from when it was stored, as in `30d`, or `never` to keep it for ever
    #[arg(long, value_name = "D|never")]
    ttl: Option<String>,
}

pub(crate) fn run(args: &EditArgs, setup: &Setup) -> Result<Exit> {
    let change = Change {
        description: args.message.clone(),
        metadata: values::collect("metadata", "--meta", args.meta_file.as_deref(), &args.meta)?,
        unset: args.unset.clone(),
        ttl_seconds: args.ttl.as_deref().map(span::parse_ttl).transpose()?,
        ..Change::default()
    };
    if change.is_empty() && args.meta_file.is_none() {
        return Err(Error::usage("cannot edit: nothing is to be changed")
            .hint("give `-m`, `--meta`, `--meta-file`, `--unset` or `--ttl`; `art tag` and `art alias` change tags and aliases")
            .into());
    }
    let target = target(args.reference.as_deref(), args.artifact.as_deref())?;
    let store = setup.store()?;
    let outcome = edit(&store, &setup.context()?, &target, &change)?;
    let mut out = setup.ui.out()?;
    if out.json {
        json_of(&outcome, &mut out)?;
    } else {
        out.line(match &outcome.edit {
            Some(edit) => format!("edited: {} ({})", name(&outcome), what_changed(edit)),
            None => format!("unchanged: {}", name(&outcome)),
        })?;
    }
    out.done()?;
    Ok(Exit::Done)
}

/// Takes a version, or with `--artifact` an artifact as a whole; one of both is there.
pub(super) fn target(reference: Option<&str>, artifact: Option<&str>) -> artstore::Result<EditTarget> {
    match (artifact, reference) {
        (Some(artifact), _) => artifact.parse().map(EditTarget::Artifact),
        (None, reference) => reference.unwrap_or_default().parse().map(EditTarget::Version),
    }
}

/// Names what was edited.
pub(super) fn name(outcome: &EditOutcome) -> String {
    match &outcome.edited {
        Edited::Version(version) => format!("{}:{}", version.artifact, version.version),
        Edited::Artifact(artifact) => artifact.artifact.to_string(),
    }
}

/// Writes what was edited, as it is now, and whether it has changed.
pub(super) fn json_of(outcome: &EditOutcome, out: &mut Out) -> Result<()> {
    let mut value: Value = match &outcome.edited {
        Edited::Version(version) => serde_json::to_value(version),
        Edited::Artifact(artifact) => serde_json::to_value(artifact),
    }
    .map_err(std::io::Error::from)?;
    value["changed"] = json!(outcome.edit.is_some());
    out.value(&value)
}
