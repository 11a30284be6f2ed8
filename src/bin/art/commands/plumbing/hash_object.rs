//! `art hash-object`

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use artstore::Error;
use artstore::id::FileDigest;
use artstore::ops::entry::ShownPath;
use artstore::ops::hash_object::{hash_file, hash_reader};
use artstore::quote::escape;
use clap::Args;
use serde::Serialize;

use crate::error::{Exit, Result};
use crate::setup::Setup;

/// Print the BLAKE3 digest of files, as b3sum does
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  art hash-object data.csv\n  cat data.csv | art hash-object -")]
pub(crate) struct HashObjectArgs {
    /// Files; `-` is standard input
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<OsString>,
}

#[derive(Serialize)]
struct Hashed {
    #[serde(flatten)]
    path: ShownPath,
    digest: FileDigest,
    size_bytes: u64,
}

pub(crate) fn run(args: &HashObjectArgs, setup: &Setup) -> Result<Exit> {
    let mut out = setup.ui.out()?;
    for path in &args.paths {
        let (digest, size_bytes) = hash(path)?;
        if out.json {
            out.json_row(&Hashed { path: ShownPath::new(path.as_bytes()), digest, size_bytes })?;
        } else {
            let shown = escape(path.as_bytes());
            // A line whose name is escaped begins with a backslash, as with b3sum.
            let mark = if shown.as_bytes() == path.as_bytes() { "" } else { "\\" };
            out.line(format!("{mark}{digest}  {shown}"))?;
        }
    }
    if out.json {
        out.end_rows()?;
    }
    out.done()?;
    Ok(Exit::Done)
}

fn hash(path: &OsStr) -> Result<(FileDigest, u64)> {
    if path == "-" {
        return Ok(hash_reader(std::io::stdin().lock()).map_err(|e| Error::failed("cannot read standard input").because(e))?);
    }
    Ok(hash_file(Path::new(path))?)
}
