//! Pack files: written once from front to back, read by their table.

pub mod maker;
pub mod reader;
pub mod writer;

use std::path::{Path, PathBuf};

use crate::format::pack::PackClass;
use crate::id::PackId;

impl PackClass {
    /// Returns the directory of such packs, relative to the store.
    pub fn dir(self) -> &'static str {
        match self {
            PackClass::Data => "packs",
            PackClass::Meta => "meta",
        }
    }
}

/// Returns where a pack lies, relative to the store.
pub fn pack_path(class: PackClass, id: PackId) -> PathBuf {
    let name = id.to_string();
    Path::new(class.dir()).join(&name[..2]).join(&name)
}
