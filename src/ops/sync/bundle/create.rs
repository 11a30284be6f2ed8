//! Writes a bundle: its list, and then file after file, each hashed on the way.

use std::fs::File;
use std::io::{self, Read};

use crossbeam_channel::{Receiver, Sender, bounded};
use serde::Serialize;

use super::super::TRIES;
use super::super::dir::Dir;
use super::super::outcome::Moved;
use super::super::side::restless;
use super::BaseVersion;
use super::plan::{Plan, plan};
use crate::context::Context;
use crate::durable::CopyBy;
use crate::error::{Error, Result, damaged};
use crate::format::bundle::{BundleFile, BundleHeader, BundleList, BundleTrailer};
use crate::format::limits::BUNDLE_LIST_LEN_MAX;
use crate::id::{HASH_LEN, PackId};
use crate::name::Ref;
use crate::ops::target::{Out, Target};
use crate::pack::reader;
use crate::progress::Progress;
use crate::store::files::StoreFile;
use crate::store::{Need, Store};

/// Bytes that are read at a time.
const PIECE_LEN: usize = 512 << 10;
/// Pieces that are read ahead of the writing.
const PIECES: usize = 8;

/// What a bundle is to have.
#[derive(Clone, Debug, Default)]
pub struct CreateOptions {
    /// The versions that go in, with what they need; all of the store if there are none.
    pub versions: Vec<Ref>,
    /// Whether all versions of the artifacts that are named go in.
    pub all_versions: bool,
    /// Versions whose content, and that of the versions before them, is left out.
    pub since: Vec<Ref>,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CreateOutcome {
    /// Length of the bundle.
    pub bundle_bytes: u64,
    /// What is in it.
    #[serde(flatten)]
    pub has: Moved,
    /// Versions that it builds on.
    pub builds_on: Vec<BaseVersion>,
    /// Chunks that the versions need and that are nowhere here; of a whole store it is not looked for them.
    pub missing_chunks: u64,
    /// Pages likewise; what they would name is not known.
    pub missing_pages: u64,
}

/// Writes a bundle. One in a file has its name only once it is whole and on disk.
///
/// Fails if a file that belongs in it is damaged. Cost: reads and hashes what goes in; of versions that
/// are named, or built on, all pages.
pub fn create(store: &Store, context: &Context<'_>, options: &CreateOptions, target: Target<'_>) -> Result<CreateOutcome> {
    store.check_features(Need::Read)?;
    let outcome = target.fill(context.progress, TRIES, |out| attempt(store, context, options, out))?;
    outcome.ok_or_else(|| restless(&store.root().display().to_string()))
}

/// Plans and writes once; none if a file went away meanwhile, as by `gc`.
fn attempt(store: &Store, context: &Context<'_>, options: &CreateOptions, out: &mut Out<'_>) -> Result<Option<CreateOutcome>> {
    // It holds the packs that are made for this bundle, so each attempt has its own.
    let here = Dir::new(store, store.root(), context, CopyBy::Pieces);
    context.progress.phase("reading what goes into the bundle");
    let plan = plan(store, &here, context, options)?;
    let files: Vec<StoreFile> = plan.files.iter().map(|(file, _)| file.clone()).collect();
    context.progress.expect(files.len() as u64, files.iter().map(|file| file.len).sum());
    context.progress.all_expected();
    context.progress.phase("writing the bundle");
    let Some(bundle_bytes) = write(&here, &plan, &files, out, context.progress)? else { return Ok(None) };
    Ok(Some(CreateOutcome {
        bundle_bytes,
        has: Moved::of(&files, 0),
        builds_on: plan.bases.iter().map(BaseVersion::of).collect(),
        missing_chunks: plan.missing.0,
        missing_pages: plan.missing.1,
    }))
}

/// Writes all, and returns the length; none if a file has gone.
fn write(here: &Dir<'_>, plan: &Plan, files: &[StoreFile], out: &mut Out<'_>, progress: &dyn Progress) -> Result<Option<u64>> {
    let row = |(file, needs): &(StoreFile, Option<_>)| BundleFile {
        path: file.path.as_str().to_owned(),
        len: file.len,
        needs: needs.as_ref().map(ToString::to_string),
    };
    let list = BundleList { bases: plan.bases.clone(), files: plan.files.iter().map(row).collect() };
    let encoded = list.encode();
    if encoded.len() as u64 > BUNDLE_LIST_LEN_MAX {
        return Err(Error::refused(format!("cannot make a bundle of {} files: its list would be too long", files.len()))
            .hint("name versions, and make several bundles"));
    }
    let header = BundleHeader::of(&encoded);
    let bundle_len = list.bundle_len(&header).ok_or_else(|| Error::refused("cannot make a bundle of more than 2^64 bytes"))?;
    out.put(&header.encode())?;
    out.put(&encoded)?;
    let (pieces, read) = bounded(PIECES);
    let (give_back, spare) = bounded(PIECES + 2);
    let hashes = std::thread::scope(|scope| -> Result<Option<Vec<[u8; HASH_LEN]>>> {
        let reading = scope.spawn(move || {
            let mut pipe = Pipe { pieces, spare };
            let mut hashes = Vec::with_capacity(files.len());
            for file in files {
                match pipe.read(here, file)? {
                    Some(hash) => hashes.push(hash),
                    None => return Ok(None),
                }
                progress.advance(1, file.len);
            }
            Ok(Some(hashes))
        });
        for piece in read {
            out.put(&piece)?;
            let _ = give_back.try_send(piece);
        }
        reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    let Some(hashes) = hashes else { return Ok(None) };
    let mut hasher = blake3::Hasher::new();
    hasher.update(&header.encode());
    for hash in &hashes {
        hasher.update(hash);
    }
    let trailer = BundleTrailer { hash: hasher.finalize().into(), file_count: files.len() as u64, bundle_len };
    out.put(&trailer.encode())?;
    Ok(Some(bundle_len))
}

/// The way of bytes from who reads to who writes, and of buffers back.
struct Pipe {
    pieces: Sender<Vec<u8>>,
    spare: Receiver<Vec<u8>>,
}

impl Pipe {
    /// Reads a file, checks it, and returns its hash; none if it has gone.
    fn read(&mut self, here: &Dir<'_>, file: &StoreFile) -> Result<Option<[u8; HASH_LEN]>> {
        let wrong = |why: &str| {
            let what = if file.path.class().pack().is_some() { "pack" } else { "record" };
            damaged(what, file.path.as_str(), why).hint("`art repair` mends it from another copy; no bundle was made")
        };
        let mut source = match here.open(&file.path) {
            Ok(source) => source,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(wrong(&format!("it cannot be read: {e}"))),
        };
        let Some((class, id)) = file.path.class().pack().zip(file.path.pack_id()) else {
            let bytes = super::super::side::read_short(source, &file.path).map_err(|e| Error::io("read", file.path.as_path(), e))?;
            let checked = if bytes.len() as u64 == file.len { file.path.check(&bytes) } else { Err("its length has changed".to_owned()) };
            checked.map_err(|why| wrong(&why))?;
            let hash = blake3::hash(&bytes).into();
            self.send(bytes)?;
            return Ok(Some(hash));
        };
        reader::check_table(&source, file.len, class).map_err(|why| wrong(&why.to_string()))?;
        let hash = self.pump(&mut source, file)?;
        match hash.filter(|hash| PackId::from(*hash) == id) {
            Some(hash) => Ok(Some(hash.into())),
            None => Err(wrong("its bytes do not match its name")),
        }
    }

    /// Sends the bytes of a pack; returns their hash, none if it has another length.
    fn pump(&mut self, source: &mut File, file: &StoreFile) -> Result<Option<blake3::Hash>> {
        let (mut hasher, mut left) = (blake3::Hasher::new(), file.len);
        while left > 0 {
            let mut piece = self.spare.try_recv().unwrap_or_default();
            piece.resize(PIECE_LEN, 0);
            let wanted = usize::try_from(left).unwrap_or(PIECE_LEN).min(PIECE_LEN);
            match source.read(&mut piece[..wanted]) {
                Ok(0) => return Ok(None),
                Ok(count) => {
                    piece.truncate(count);
                    hasher.update(&piece);
                    left -= count as u64;
                    self.send(piece)?;
                }
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Error::io("read", file.path.as_path(), e)),
            }
        }
        Ok(Some(hasher.finalize()))
    }

    /// Hands bytes over. That nobody writes any more is told by who wrote, this only ends the reading.
    fn send(&self, piece: Vec<u8>) -> Result<()> {
        self.pieces.send(piece).map_err(|_| Error::failed("the bundle is not written any more"))
    }
}
