//! Metadata on its way into a record: short it stands there, long it goes into pages.

use crate::error::{Error, Result};
use crate::format::limits::{METADATA_DEPTH_MAX, METADATA_INLINE_LEN_MAX, METADATA_LEN_MAX};
use crate::format::manifest::Page;
use crate::format::path::Bytes;
use crate::format::record::{Metadata, RecordError, metadata_json};
use crate::id::PageId;
use crate::store::page_writer::PageWriter;

/// Bytes of metadata in one page.
const PAGE_LEN: usize = 128 << 10;

/// Puts metadata that is too long for a record into pages, and leaves none of it where it was.
pub(super) fn into_pages(metadata: &mut Metadata, pages: &mut PageWriter<'_, '_>) -> Result<Vec<PageId>> {
    let json = checked_json(metadata)?;
    if json.len() <= METADATA_INLINE_LEN_MAX {
        return Ok(Vec::new());
    }
    metadata.clear();
    json.chunks(PAGE_LEN).map(|piece| pages.put(&Page::Metadata(Bytes(piece.to_vec())))).collect()
}

/// Returns the canonical JSON of metadata, refusing what is too long or too deep.
pub(super) fn checked_json(metadata: &Metadata) -> Result<Vec<u8>> {
    metadata_json(metadata).map_err(|error| {
        let (why, hint) = match error {
            RecordError::TooLong(..) => (
                format!("it is longer than {} MiB as JSON", METADATA_LEN_MAX >> 20),
                "store what is large as a file of the version, and keep in its metadata what it is found by",
            ),
            RecordError::Limit(_) => (
                format!("its arrays and objects lie more than {METADATA_DEPTH_MAX} deep in one another"),
                "store what is nested so deep as a file of the version",
            ),
            other => (other.to_string(), "metadata is a JSON object"),
        };
        Error::usage(format!("cannot store the metadata: {why}")).hint(hint)
    })
}
