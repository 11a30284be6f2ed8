//! `art rev-parse`

use clap::Args;

use crate::error::{Exit, Result};
use crate::setup::Setup;

/// Print the id of the version that REF names
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  art rev-parse model:best\n  art rev-parse --digest model:v3~1")]
pub(crate) struct RevParseArgs {
    /// The version
    #[arg(value_name = "REF")]
    reference: String,
    /// Print its digest, the id of its manifest, instead
    #[arg(long)]
    digest: bool,
}

pub(crate) fn run(args: &RevParseArgs, setup: &Setup) -> Result<Exit> {
    let reference = args.reference.parse()?;
    let version = setup.store_to_read()?.resolve(&reference)?.version;
    let digest = version.record.manifest;
    let mut out = setup.ui.out()?;
    if out.json {
        let artifact = &version.record.artifact;
        out.value(&serde_json::json!({ "artifact": artifact, "version": version.label, "id": version.id, "digest": digest }))?;
    } else {
        out.line(if args.digest { digest.to_string() } else { version.id.to_string() })?;
    }
    out.done()?;
    Ok(Exit::Done)
}
