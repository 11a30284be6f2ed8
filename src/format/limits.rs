//! Limits that a reader checks before it takes memory; "Limits" in `docs/format.md`.

/// Longest chunk, raw, in bytes.
pub const CHUNK_LEN_MAX: usize = 256 << 10;

/// Longest block, raw, in bytes.
pub const BLOCK_RAW_LEN_MAX: usize = 512 << 10;

/// Longest page, manifest or metadata piece, in bytes.
pub const PAGE_LEN_MAX: usize = 256 << 10;

/// Longest list of rows that a root holds uncut, in bytes of their encoding.
pub const ROOT_ROWS_LEN_MAX: usize = 64 << 10;

/// Most levels of inner pages above the rows of a tree.
pub const TREE_DEPTH_MAX: u32 = 8;

/// Most rows of a chunk list that stands in its entry; a longer one goes into pages.
pub const CHUNK_ROWS_INLINE_MAX: usize = 32;

/// Low zero bits for each level of a page boundary: a page has about 2^7 rows.
pub const PAGE_BOUNDARY_BITS: u32 = 7;

/// Longest pack, in bytes: below the size at which code hosts warn.
pub const PACK_LEN_MAX: u64 = 48 << 20;

/// Length at which a pack is closed, in bytes.
pub const PACK_LEN_TARGET: u64 = 32 << 20;

/// Longest path of an entry, in bytes.
pub const PATH_LEN_MAX: usize = 4096;

/// Longest target of a symlink, in bytes.
pub const SYMLINK_LEN_MAX: usize = 4096;

/// Longest URI of a reference, and longest etag, in bytes.
pub use crate::uri::URI_LEN_MAX;

/// Longest record, in bytes, its newline included.
pub const RECORD_LEN_MAX: usize = 64 << 10;

/// Longest metadata of a version, in bytes of its canonical JSON.
pub const METADATA_LEN_MAX: usize = 1 << 20;

/// Longest metadata that stands in its record, in bytes; longer goes into the meta pack.
pub const METADATA_INLINE_LEN_MAX: usize = 32 << 10;

/// Most arrays and objects round one another in a value of metadata: JSON readers have a bound.
pub const METADATA_DEPTH_MAX: usize = 64;

/// Longest description, in bytes.
pub const DESCRIPTION_LEN_MAX: usize = 16 << 10;

/// Most tags of a version.
pub const TAGS_MAX: usize = 100;

/// Longest name, host, user or remote of a run, in bytes.
pub const RUN_TEXT_LEN_MAX: usize = 1024;

/// Longest command line of a run, in bytes, each argument with one byte more.
pub const ARGV_LEN_MAX: usize = 16 << 10;

/// Longest list of a bundle, in bytes.
pub const BUNDLE_LIST_LEN_MAX: u64 = 256 << 20;

/// Most versions that a bundle builds on.
pub const BUNDLE_BASES_MAX: usize = 10_000;
