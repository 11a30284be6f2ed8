//! What lies on disk: bytes to types and back, without I/O. One file a section of
//! `docs/format.md`, which is the only description of the bytes.

pub mod bundle;
pub mod condemn;
pub mod limits;
pub mod manifest;
pub mod pack;
pub mod path;
pub mod record;
pub mod run;
mod table;

/// The whole content of the file `format`.
pub const FORMAT_LINE: &str = "artstore 1\n";
