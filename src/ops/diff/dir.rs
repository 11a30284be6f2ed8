//! A version beside a directory.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::format::manifest::EntryKind;
use crate::format::path::{Bytes, EntryPath};
use crate::id::PageId;
use crate::ops::entry::{EntryInfo, ShownPath};
use crate::ops::put::stat_cache::Reader;
use crate::ops::restore::dest::Dest;
use crate::ops::restore::reference::is_restorable;
use crate::ops::restore::survey::{Content, State, compare_all, content_of, extras};
use crate::store::Store;

use super::{Change, Side, is_wanted};

/// Lists how a directory differs from a version, in order of the paths but for what only the directory
/// has, which comes last. A file whose times are as when it was last put from there is not read.
pub(in crate::ops) fn changes(
    store: &Store,
    context: &Context<'_>,
    manifest: PageId,
    dir: &Path,
    prefixes: &[Vec<u8>],
) -> Result<Vec<Change>> {
    let mut dest = Dest::open(dir)?;
    let wanted: Vec<EntryPath> =
        prefixes.iter().filter(|prefix| !prefix.is_empty()).map(|prefix| path_of(prefix)).collect::<Result<_>>()?;
    let wanted = if wanted.len() < prefixes.len() { Vec::new() } else { wanted };
    let totals = store.read_manifest(manifest)?;
    context.progress.phase("comparing");
    context.progress.expect(totals.file_count, totals.size_bytes);
    context.progress.all_expected();
    let mut changes = Vec::new();
    compare_all(store, manifest, &wanted, &dest, &mut Reader::of_dir(store, dir), context, &mut |entry, state| {
        let there = match state {
            State::Same => return Ok(()),
            // What no `get` restores is not missing.
            State::Missing if !is_restorable(&entry) => return Ok(()),
            State::Missing => None,
            State::WrongMode => {
                let side = Side::from(entry.clone());
                Some(Side { info: EntryInfo { executable: !side.info.executable, ..side.info }, ..side })
            }
            State::Differs(content) => side_of(dir, &entry.path, content)?,
        };
        changes.extend(Change::new(Some(Side::from(entry)), there));
        Ok(())
    })?;
    let mut cache = Reader::of_dir(store, dir);
    for (path, _) in extras(store, manifest, dir, context)?.into_iter().filter(|(path, _)| is_wanted(path, prefixes)) {
        let content = content_of(&mut dest, &path, cache.known(path.as_bytes()).as_ref())?;
        changes.extend(Change::new(None, side_of(dir, &path, content)?));
    }
    Ok(changes)
}

/// Tells what is there as an entry; none of what no version lists: a FIFO, or a directory that is
/// not empty, of which only what lies in it is listed.
fn side_of(dir: &Path, path: &EntryPath, content: Content) -> Result<Option<Side>> {
    let place = dir.join(std::ffi::OsStr::from_bytes(path.as_bytes()));
    let none = EntryInfo::empty_dir(path.as_bytes());
    let link = if let Content::Symlink(target) = &content { Some(EntryKind::Symlink(Bytes(target.clone()))) } else { None };
    let info = match content {
        Content::File(digest) => {
            let meta = fs::symlink_metadata(&place).map_err(|e| Error::io("read", &place, e))?;
            let executable = meta.mode() & 0o111 != 0;
            EntryInfo { kind: "file", size_bytes: Some(meta.len()), digest: Some(digest), executable, ..none }
        }
        Content::Symlink(target) => EntryInfo { kind: "symlink", target: Some(ShownPath::new(&target).path), ..none },
        Content::Other if fs::read_dir(&place).is_ok_and(|mut inside| inside.next().is_none()) => none,
        Content::Other => return Ok(None),
    };
    Ok(Some(Side { path: path.clone(), info, kind: link }))
}

fn path_of(bytes: &[u8]) -> Result<EntryPath> {
    EntryPath::new(bytes).map_err(|why| Error::usage(why.to_string()))
}
