//! `art cat-object`: the bytes of a chunk or a page, by its id or the start of it.

use std::collections::BTreeMap;

use crate::error::{Error, Result, damaged};
use crate::format::manifest::PageType;
use crate::format::pack::{PackClass, Table};
use crate::id::{ChunkId, HASH_LEN, PageId};
use crate::name::PREFIX_DIGITS_MIN;
use crate::quote::quote;
use crate::store::Store;

/// Reads the chunk or page whose id begins with `prefix`, in lower-case hex.
pub fn cat_object(store: &Store, prefix: &str) -> Result<Vec<u8>> {
    check_prefix(prefix)?;
    let mut found = BTreeMap::<[u8; HASH_LEN], PackClass>::new();
    for class in [PackClass::Data, PackClass::Meta] {
        for pack in store.index(class)?.packs() {
            found.extend(with_prefix(&pack.read_table()?, prefix).map(|hash| (hash, class)));
        }
    }
    let mut all = found.into_iter();
    match (all.next(), all.next()) {
        (None, _) => Err(Error::not_found(format!("cannot find an object {}", quote(prefix.as_bytes())))
            .hint("chunks and pages have ids; `art ls-tree REF` lists files, `art rev-parse --digest REF` names a manifest")),
        (Some((hash, PackClass::Data)), None) => store.read_chunk(ChunkId::from_bytes(hash)),
        (Some((hash, PackClass::Meta)), None) => read_page(store, PageId::from_bytes(hash)),
        (Some((first, _)), Some((second, _))) => {
            let (first, second) = (ChunkId::from_bytes(first), ChunkId::from_bytes(second));
            Err(Error::ambiguous(format!("{} means several objects: {first}, {second}, ...", quote(prefix.as_bytes())))
                .hint("give more digits"))
        }
    }
}

/// Checks that a text is 8 to 64 lower-case hex digits.
pub(crate) fn check_prefix(prefix: &str) -> Result<()> {
    let hex = prefix.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if hex && (PREFIX_DIGITS_MIN..=2 * HASH_LEN).contains(&prefix.len()) {
        return Ok(());
    }
    Err(Error::usage(format!("bad id {}", quote(prefix.as_bytes()))).hint("an id is 8 to 64 lower-case hex digits"))
}

/// Lists the hashes of a table that begin with a prefix.
fn with_prefix<'t>(table: &'t Table, prefix: &str) -> impl Iterator<Item = [u8; HASH_LEN]> + use<'t> {
    let digits = |fill: char| format!("{prefix}{}", fill.to_string().repeat(2 * HASH_LEN - prefix.len()));
    let bound = |fill: char| digits(fill).parse::<ChunkId>().map_or([0; HASH_LEN], |id| *id.as_bytes());
    let (first, last) = (bound('0'), bound('f'));
    let (mut low, mut high) = (0, table.chunk_count());
    while low < high {
        let middle = low.midpoint(high);
        if *table.hash(middle) < first { low = middle + 1 } else { high = middle }
    }
    (low..table.chunk_count()).map(|at| *table.hash(at)).take_while(move |hash| *hash <= last)
}

fn read_page(store: &Store, id: PageId) -> Result<Vec<u8>> {
    let mut result = Err(damaged("page", &id.short(16), "its bytes do not match its name"));
    for kind in PageType::ALL {
        result = store.read_page_bytes(id, kind);
        if result.is_ok() {
            break;
        }
    }
    result
}
