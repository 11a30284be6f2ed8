//! `art list-packs` and `art count-objects`: what a store consists of.

use std::fs;
use std::path::PathBuf;

use serde::Serialize;
use walkdir::WalkDir;

use crate::error::Result;
use crate::format::pack::PackClass;
use crate::id::PackId;
use crate::pack::pack_path;
use crate::refs::read::parse_record_name;
use crate::store::Store;

use super::verify_pack::class_word;

/// A pack that has arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PackInfo {
    /// `data` or `meta`.
    pub class: &'static str,
    /// Its name.
    pub id: PackId,
    /// Its length.
    pub size_bytes: u64,
    /// Its blocks.
    pub block_count: u64,
    /// Its chunks or pages.
    pub object_count: u64,
    /// Where it lies, relative to the store.
    pub path: PathBuf,
}

/// How much there is of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ObjectCounts {
    /// Data packs.
    pub data_packs: u64,
    /// Their bytes.
    pub data_pack_bytes: u64,
    /// Chunks in them; one that lies in two packs counts twice.
    pub chunks: u64,
    /// The bytes of these chunks before compression.
    pub chunk_bytes: u64,
    /// Meta packs.
    pub meta_packs: u64,
    /// Their bytes.
    pub meta_pack_bytes: u64,
    /// Pages in them, manifests included.
    pub pages: u64,
    /// The bytes of these pages before compression.
    pub page_bytes: u64,
    /// Records.
    pub records: u64,
    /// Their bytes.
    pub record_bytes: u64,
}

/// Lists the packs, data packs first, each class by name.
pub fn list_packs(store: &Store) -> Result<Vec<PackInfo>> {
    let mut all = Vec::new();
    for class in [PackClass::Data, PackClass::Meta] {
        let mut packs = store.index(class)?.packs();
        packs.sort_by_key(|pack| pack.id);
        all.extend(packs.iter().map(|pack| PackInfo {
            class: class_word(class),
            id: pack.id,
            size_bytes: pack.len,
            block_count: u64::from(pack.block_count),
            object_count: u64::from(pack.chunk_count),
            path: pack_path(class, pack.id),
        }));
    }
    Ok(all)
}

/// Counts what there is; reads only the packs' tables and the names of records.
pub fn count_objects(store: &Store) -> Result<ObjectCounts> {
    let mut counts = ObjectCounts::default();
    (counts.data_packs, counts.data_pack_bytes, counts.chunks, counts.chunk_bytes) = count_packs(store, PackClass::Data)?;
    (counts.meta_packs, counts.meta_pack_bytes, counts.pages, counts.page_bytes) = count_packs(store, PackClass::Meta)?;
    for dir in ["refs", "runs"] {
        // What cannot be listed is `fsck`'s to tell.
        for file in WalkDir::new(store.root().join(dir)).into_iter().flatten().filter(|entry| entry.file_type().is_file()) {
            if file.file_name().to_str().is_some_and(|name| parse_record_name(name).is_some()) {
                counts.records += 1;
                counts.record_bytes += fs::symlink_metadata(file.path()).map_or(0, |meta| meta.len());
            }
        }
    }
    Ok(counts)
}

fn count_packs(store: &Store, class: PackClass) -> Result<(u64, u64, u64, u64)> {
    let (mut packs, mut bytes, mut objects, mut raw) = (0, 0, 0, 0);
    for pack in store.index(class)?.packs() {
        packs += 1;
        bytes += pack.len;
        objects += u64::from(pack.chunk_count);
        let table = pack.read_table()?;
        raw += (0..pack.block_count).filter_map(|at| table.block(at)).map(|block| u64::from(block.header.raw_len)).sum::<u64>();
    }
    Ok((packs, bytes, objects, raw))
}
