//! `art ls-tree`

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;

use artstore::Store;
use artstore::format::manifest::{Entry, EntryKind};
use artstore::id::PageId;
use artstore::ops::entry::{EntryInfo, no_such_path, parse_path};
use clap::Args;

use crate::error::{Exit, Result};
use crate::setup::Setup;

/// Print the entries of a version or manifest: kind, digest, size and path
///
/// A line is `KIND DIGEST SIZE<TAB>PATH`, with KIND one of file, exec, symlink, dir and reference,
/// and `-` for what an entry does not have.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  art ls-tree training-data:v0 images\n  art ls-tree -z training-data | xargs -0 -n1 echo")]
pub(crate) struct LsTreeArgs {
    /// A version, or the 64 digits of a manifest's id
    #[arg(value_name = "REF|MANIFEST")]
    tree: String,
    /// Only what is at PATH or below it
    path: Option<OsString>,
    /// End lines with NUL, and leave paths as they are
    #[arg(short = 'z')]
    nul: bool,
}

pub(crate) fn run(args: &LsTreeArgs, setup: &Setup) -> Result<Exit> {
    let path = parse_path(args.path.as_ref().map(|path| path.as_bytes()).unwrap_or_default())?;
    let store = setup.store_to_read()?;
    let manifest = manifest(&store, &args.tree)?;
    let mut out = setup.ui.out()?;
    let mut any = false;
    for entry in store.entries(manifest)?.within(&path) {
        let entry = entry?;
        any = true;
        if out.json {
            out.json_row(&EntryInfo::from(&entry))?;
        } else if args.nul {
            out.write_all(fields(&entry).as_bytes())?;
            out.write_all(entry.path.as_bytes())?;
            out.write_all(b"\0")?;
        } else {
            out.line(format!("{}{}", fields(&entry), entry.path))?;
        }
    }
    if !any && !path.is_empty() {
        return Err(no_such_path(&path, &args.tree).into());
    }
    if out.json {
        out.end_rows()?;
    }
    out.done()?;
    Ok(Exit::Done)
}

fn manifest(store: &Store, tree: &str) -> Result<PageId> {
    match tree.parse::<PageId>() {
        Ok(id) => Ok(id),
        Err(_) => Ok(store.resolve(&tree.parse()?)?.version.record.manifest),
    }
}

fn fields(entry: &Entry) -> String {
    let (kind, digest, size) = match &entry.kind {
        EntryKind::File(body) => (if body.executable { "exec" } else { "file" }, Some(body.digest), Some(body.size_bytes)),
        EntryKind::Symlink(_) => ("symlink", None, None),
        EntryKind::EmptyDir => ("dir", None, None),
        EntryKind::Reference(to) => ("reference", to.digest, to.size_bytes),
    };
    let dash = || "-".to_owned();
    format!("{kind} {} {}\t", digest.map_or_else(dash, |id| id.to_string()), size.map_or_else(dash, |size| size.to_string()))
}
