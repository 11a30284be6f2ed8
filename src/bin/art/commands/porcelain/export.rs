//! `art export`

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use artstore::Error;
use artstore::durable::Existing;
use artstore::name::Ref;
use artstore::ops::branches::resolve;
use artstore::ops::export::{ArchiveFormat, ExportOptions, export};
use artstore::ops::target::Target;
use artstore::quote::quote_path;
use clap::{Args, ValueEnum};
use serde_json::json;

use super::bundle::stdout;
use super::put::entry_path;
use crate::error::{Exit, Result};
use crate::setup::Setup;
use crate::ui::show::{plural, size};

/// Write a version as an archive that other tools read
///
/// The same version gives the same bytes. Times are when the version was stored, owners are 0.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  art export data:v3 -o data.tar.zst
  art export model:best --format zip
  art export data --format tar -o - | ssh host tar x")]
pub(crate) struct ExportArgs {
    /// The version; a bare NAME is its latest
    #[arg(value_name = "REF")]
    reference: Ref,
    /// The kind of archive [default: what the name of FILE ends in]
    #[arg(long, value_enum)]
    format: Option<FormatArg>,
    /// The file to make, or `-` for standard output [default: NAME-vN with the format's ending]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Only this entry, or what lies below it
    #[arg(long = "path", value_name = "PREFIX")]
    paths: Vec<OsString>,
    /// Replace FILE if it is there
    #[arg(long)]
    force: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FormatArg {
    Tar,
    #[value(name = "tar.zst")]
    TarZst,
    Zip,
}

impl FormatArg {
    fn format(self) -> ArchiveFormat {
        match self {
            FormatArg::Tar => ArchiveFormat::Tar,
            FormatArg::TarZst => ArchiveFormat::TarZst,
            FormatArg::Zip => ArchiveFormat::Zip,
        }
    }
}

fn ending(format: ArchiveFormat) -> &'static str {
    match format {
        ArchiveFormat::Tar => "tar",
        ArchiveFormat::TarZst => "tar.zst",
        ArchiveFormat::Zip => "zip",
    }
}

pub(crate) fn run(args: &ExportArgs, setup: &Setup) -> Result<Exit> {
    let prefixes = args.paths.iter().map(|path| entry_path(path)).collect::<artstore::Result<_>>()?;
    let format = match (args.format, &args.output) {
        (Some(format), _) => format.format(),
        (None, Some(output)) if output != Path::new("-") => ArchiveFormat::of_name(output).ok_or_else(|| {
            Error::usage(format!("cannot tell the format of {}: it ends in none of `.tar`, `.tar.zst`, `.zip`", quote_path(output)))
                .hint("say which with `--format`")
        })?,
        _ => {
            return Err(Error::usage("cannot tell the format of the archive")
                .hint("say which with `--format`, or name a file with `-o`")
                .into());
        }
    };
    let store = setup.store_to_read()?;
    let found = resolve(&store, &args.reference)?;
    let (options, context) = (ExportOptions { format, prefixes }, setup.context()?);
    let version = &found.version;
    let file = match &args.output {
        Some(file) => file.clone(),
        None => PathBuf::from(format!("{}-{}.{}", version.record.artifact, version.label, ending(format))),
    };
    if file == Path::new("-") {
        export(&store, &context, &found, &options, Target::Stream(&mut stdout("archive")?))?;
        setup.ui.end_progress();
        return Ok(Exit::Done);
    }
    let existing = if args.force { Existing::Replace } else { Existing::Keep };
    let outcome = export(&store, &context, &found, &options, Target::File { path: file.clone(), existing })?;
    let mut out = setup.ui.out()?;
    if out.json {
        out.value(&json!({
            "artifact": version.record.artifact,
            "version": version.label,
            "id": version.id,
            "digest": version.record.manifest,
            "path": file.display().to_string(),
            "format": ending(format),
            "file_count": outcome.file_count,
            "size_bytes": outcome.size_bytes,
            "archive_bytes": outcome.archive_bytes,
            "references_left_out": outcome.references_left_out,
        }))?;
    } else {
        let content = format!("{}, {}", plural(outcome.file_count, "file"), size(outcome.size_bytes));
        out.line(format!(
            "exported: {} to {} ({content}; {} written)",
            version.full_name(),
            quote_path(&file),
            size(outcome.archive_bytes)
        ))?;
    }
    out.done()?;
    Ok(Exit::Done)
}
