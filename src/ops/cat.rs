//! `art cat`: writes one file of a version, streaming.

use std::io::Write;

use crossbeam_channel::bounded;

use crate::error::{Error, Result, damaged};
use crate::format::manifest::{ChunkList, EntryKind, FileBody, Reference};
use crate::format::path::EntryPath;
use crate::id::FileDigest;
use crate::name::Ref;
use crate::quote::quote;
use crate::store::Store;

use super::absent;
use super::blocks::BlockReader;
use super::entry::entry_at;
use super::restore::reference::Target;

/// Files up to this length are read and written by one thread.
const SHORT_LEN_MAX: u64 = 1 << 20;

/// Chunks read ahead of the writer.
const READ_AHEAD: usize = 32;

/// Writes the file at `path` of a version to `out`. Each chunk is hashed before its bytes are
/// written, and the whole file at the end.
pub fn cat(store: &Store, reference: &Ref, path: &[u8], out: &mut dyn Write) -> Result<()> {
    let (name, path, entry) = entry_at(store, reference, path)?;
    let Some(entry) = entry.filter(|entry| !matches!(entry.kind, EntryKind::EmptyDir)) else {
        return Err(Error::refused(format!("cannot cat {}: it is a directory", quote(&path)))
            .hint(format!("`art ls {name} PATH` lists what is in it")));
    };
    match &entry.kind {
        EntryKind::File(body) => write_file(store, &entry.path, body, out).map_err(|error| match store.resolve(reference) {
            Ok(found) => absent::told(store, &found.version, "read", error),
            Err(_) => error,
        }),
        EntryKind::Symlink(target) => Err(Error::refused(format!("cannot cat {}: it is a symlink to {}", quote(&path), quote(&target.0)))
            .hint("name the file that it points to")),
        EntryKind::EmptyDir => Ok(()),
        EntryKind::Reference(to) => write_reference(&entry.path, to, out),
    }
}

/// Writes what a reference names, if it is a file of this computer that is as it was recorded:
/// that is found out before anything is written, and once more.
fn write_reference(path: &EntryPath, to: &Reference, out: &mut dyn Write) -> Result<()> {
    let failed =
        |why: String| Error::refused(format!("cannot cat {}, a reference to {}: {why}", quote(path.as_bytes()), quote(to.uri.as_bytes())));
    let target = Target::of(to).map_err(failed)?;
    for out in [&mut std::io::sink() as &mut dyn Write, out] {
        target.copy(out).map_err(|e| Error::failed("cannot write to the output").because(e))?.map_err(failed)?;
    }
    Ok(())
}

/// Writes a file of a manifest.
pub(crate) fn write_file(store: &Store, path: &EntryPath, body: &FileBody, out: &mut dyn Write) -> Result<()> {
    // The only chunk of a short file is named by the file's digest.
    let mut hasher = (body.chunks != ChunkList::Whole || body.size_bytes == 0).then(blake3::Hasher::new);
    let mut write = |bytes: &[u8]| {
        if let Some(hasher) = &mut hasher {
            hasher.update(bytes);
        }
        out.write_all(bytes).map_err(|e| Error::failed("cannot write to the output").because(e))
    };
    if body.size_bytes <= SHORT_LEN_MAX {
        read_file(store, path, body, &mut write)?;
    } else {
        read_ahead(store, path, body, &mut write)?;
    }
    match hasher {
        Some(hasher) if FileDigest::from(hasher.finalize()) != body.digest => {
            Err(damaged("file", &path.to_string(), "its chunks do not add up to its digest"))
        }
        _ => Ok(()),
    }
}

/// Calls `each` with the bytes of a file, chunk by chunk.
fn read_file(store: &Store, path: &EntryPath, body: &FileBody, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut blocks = BlockReader::new();
    store.chunk_runs(path, body, &mut |run| {
        let bytes = blocks.chunk(store, &run)?;
        (0..run.count).try_for_each(|_| each(bytes))
    })
}

/// The same with a thread that reads, decodes and checks ahead of `each`.
fn read_ahead(store: &Store, path: &EntryPath, body: &FileBody, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let (filled, to_write) = bounded::<Vec<u8>>(READ_AHEAD);
    let (emptied, to_fill) = bounded::<Vec<u8>>(READ_AHEAD);
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            read_file(store, path, body, &mut |bytes| {
                let mut buffer = to_fill.try_recv().unwrap_or_default();
                buffer.clear();
                buffer.extend_from_slice(bytes);
                filled.send(buffer).map_err(|_| Error::failed("cannot go on: the writer stopped"))
            })
        });
        let mut written = Ok(());
        for buffer in &to_write {
            written = each(&buffer);
            if written.is_err() {
                break;
            }
            // If there are buffers enough, this one is let go.
            let _ = emptied.try_send(buffer);
        }
        // Lets a reader that waits to send know that nobody takes more.
        drop(to_write);
        let read = reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        written.and(read)
    })
}
