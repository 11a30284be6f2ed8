//! `art use`

use artstore::Error;
use artstore::format::run::RunReference;
use artstore::id::FileDigest;
use artstore::name::{Name, Ref};
use artstore::ops::run::{UseOutcome, use_reference, use_version};
use clap::Args;
use serde_json::json;

use super::run::needed;
use crate::error::{Exit, Result};
use crate::setup::Setup;

/// Record that a run uses a version, and print it as NAME@DIGEST
///
/// What is printed names the same content for ever, wherever `latest` or an alias moves.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  art use training-data:latest --as train
  data=$(art use training-data) && art get \"$data\" data
  art use --ref s3://bucket/raw.csv --size 1048576")]
pub(crate) struct UseArgs {
    /// The version; a bare NAME is its latest
    #[arg(value_name = "REF", required_unless_present = "uri", conflicts_with = "uri")]
    reference: Option<String>,
    /// What the run uses it as, such as `train`
    #[arg(long = "as", value_name = "NAME")]
    role: Option<String>,
    /// Instead of a version: something that was never stored
    #[arg(long = "ref", value_name = "URI")]
    uri: Option<String>,
    /// The BLAKE3 digest of what the URI names
    #[arg(long, value_name = "HEX", requires = "uri")]
    digest: Option<String>,
    /// The length in bytes of what the URI names
    #[arg(long, value_name = "BYTES", requires = "uri")]
    size: Option<u64>,
    /// The run, by id or name (also: ART_RUN)
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
}

pub(crate) fn run(args: &UseArgs, setup: &Setup) -> Result<Exit> {
    let role: Option<Name> = args.role.as_deref().map(str::parse).transpose()?;
    let wanted: Option<Ref> = args.reference.as_deref().map(str::parse).transpose()?;
    let store = setup.store()?;
    let context = setup.context()?;
    let id = needed(setup, &store, args.run.as_deref())?;
    let mut out = setup.ui.out()?;
    match (wanted, &args.uri) {
        (Some(wanted), _) => {
            let UseOutcome { version, changed } = use_version(&store, &context, id, &wanted, role.clone())?;
            let record = &version.record;
            if out.json {
                let (artifact, label, digest) = (&record.artifact, &version.label, record.manifest);
                let value = json!({ "run": id, "artifact": artifact, "version": label, "id": version.id, "digest": digest, "as": role, "changed": changed });
                out.value(&value)?;
            } else {
                out.line(format!("{}@{}", record.artifact, record.manifest))?;
            }
        }
        (None, uri) => {
            let reference = reference(args, uri.as_deref().unwrap_or_default(), role)?;
            let changed = use_reference(&store, &context, id, reference.clone())?;
            if out.json {
                let RunReference { digest, role, size_bytes, uri } = reference;
                let value = json!({ "run": id, "uri": uri, "digest": digest, "size_bytes": size_bytes, "as": role, "changed": changed });
                out.value(&value)?;
            } else {
                out.line(reference.uri)?;
            }
        }
    }
    out.done()?;
    Ok(Exit::Done)
}

fn reference(args: &UseArgs, uri: &str, role: Option<Name>) -> Result<RunReference> {
    artstore::uri::check(uri)?;
    let digest = args.digest.as_deref().map(str::parse::<FileDigest>).transpose();
    let digest =
        digest.map_err(|why| Error::usage(format!("bad digest: {why}")).hint("`b3sum FILE` or `art hash-object FILE` prints it"))?;
    Ok(RunReference { digest, role, size_bytes: args.size, uri: uri.to_owned() })
}
