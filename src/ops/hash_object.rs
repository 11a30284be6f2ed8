//! `art hash-object`: the digest that a file would have in a store.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::error::{Error, Result};
use crate::id::FileDigest;

/// Hashes a file; returns its digest and its length.
pub fn hash_file(path: &Path) -> Result<(FileDigest, u64)> {
    let file = File::open(path).map_err(|e| cannot_read(path, e))?;
    hash_reader(file).map_err(|e| cannot_read(path, e))
}

/// Hashes all that a reader has; returns its digest and its length.
pub fn hash_reader(mut reader: impl Read) -> io::Result<(FileDigest, u64)> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok((hasher.finalize().into(), hasher.count())),
            Ok(len) => hasher.update(&buffer[..len]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
    }
}

fn cannot_read(path: &Path, error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::NotFound {
        return Error::not_found(format!("cannot find file {}", crate::quote::quote_path(path)));
    }
    Error::io("read", path, error)
}
