//! Paths of entries; "Paths" in `docs/format.md`.

use std::fmt;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::limits::PATH_LEN_MAX;

/// The path of an entry: components joined with `/`, relative, as bytes in any encoding.
///
/// No component is empty, `.`, `..`, or `.git` or `.artifacts` in any case, and none has a NUL.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryPath(Vec<u8>);

/// Why bytes are not the path of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathError {
    /// Empty, or longer than [`PATH_LEN_MAX`].
    Length,
    /// Absolute, or with an empty, `.` or `..` component.
    Component,
    /// With a NUL byte.
    Nul,
    /// With a component `.git` or `.artifacts`.
    Reserved,
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PathError::Length => "it is empty or longer than 4,096 bytes",
            PathError::Component => "it is absolute or has an empty, `.` or `..` component",
            PathError::Nul => "it has a NUL byte",
            PathError::Reserved => "it has a component `.git` or `.artifacts`",
        })
    }
}

impl std::error::Error for PathError {}

/// Whether a component is one that no entry may have.
pub fn is_reserved(component: &[u8]) -> bool {
    component.eq_ignore_ascii_case(b".git") || component.eq_ignore_ascii_case(b".artifacts")
}

/// Whether a symlink's target cannot lead out of the tree that the link lies in, `depth`
/// directories below its top.
///
/// `..` may stand only at the start, where it climbs real directories: after a name it might
/// climb out of wherever another link leads.
pub fn link_stays_inside(depth: usize, target: &[u8]) -> bool {
    let parts: Vec<&[u8]> = target.split(|&b| b == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
    let ups = parts.iter().take_while(|part| **part == b"..").count();
    !target.starts_with(b"/") && ups <= depth && !parts[ups..].contains(&&b".."[..])
}

impl EntryPath {
    /// Checks bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<EntryPath, PathError> {
        let bytes = bytes.into();
        if bytes.is_empty() || bytes.len() > PATH_LEN_MAX {
            return Err(PathError::Length);
        }
        if is_plain(&bytes) {
            return Ok(EntryPath(bytes));
        }
        if bytes.contains(&0) {
            return Err(PathError::Nul);
        }
        for component in bytes.split(|&b| b == b'/') {
            if matches!(component, b"" | b"." | b"..") {
                return Err(PathError::Component);
            }
            if is_reserved(component) {
                return Err(PathError::Reserved);
            }
        }
        Ok(EntryPath(bytes))
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Splits into the directory (without a slash at its end, empty at the top) and the name.
    pub fn split_name(&self) -> (&[u8], &[u8]) {
        match self.0.iter().rposition(|&b| b == b'/') {
            Some(at) => (&self.0[..at], &self.0[at + 1..]),
            None => (&[], &self.0),
        }
    }

    /// Whether this path is `dir` or lies below it; everything lies below the empty path.
    pub fn is_within(&self, dir: &[u8]) -> bool {
        match self.0.strip_prefix(dir) {
            Some(rest) => dir.is_empty() || rest.is_empty() || rest[0] == b'/',
            None => false,
        }
    }

    /// Whether this path lies below `dir`.
    pub fn is_below(&self, dir: &[u8]) -> bool {
        self.0.len() > dir.len() && self.is_within(dir)
    }
}

/// Whether no byte is NUL and no component is empty or begins with a dot: most paths are like this,
/// and one look at each byte tells it.
fn is_plain(path: &[u8]) -> bool {
    let mut before = b'/';
    for &byte in path {
        if byte == 0 || (before == b'/' && matches!(byte, b'/' | b'.')) {
            return false;
        }
        before = byte;
    }
    before != b'/'
}

impl fmt::Display for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::quote::escape(&self.0))
    }
}

impl fmt::Debug for EntryPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::quote::quote(&self.0))
    }
}

impl Serialize for EntryPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for EntryPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<EntryPath, D::Error> {
        let bytes = Bytes::deserialize(deserializer)?;
        EntryPath::new(bytes.0).map_err(D::Error::custom)
    }
}

/// Bytes with their length before them, read and written as one piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        struct BytesVisitor;
        impl<'de> Visitor<'de> for BytesVisitor {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }

            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
                Ok(bytes)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<u8>, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = seq.next_element()? {
                    bytes.push(byte);
                }
                Ok(bytes)
            }
        }
        deserializer.deserialize_byte_buf(BytesVisitor).map(Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_could_leave_or_confuse_are_refused() {
        use PathError::*;
        let refused: [(&[u8], PathError); 12] = [
            (b"", Length),
            (b"/a", Component),
            (b"a/", Component),
            (b"a//b", Component),
            (b".", Component),
            (b"a/../b", Component),
            (b"..", Component),
            (b"a\0b", Nul),
            (b".git", Reserved),
            (b"a/.GIT/config", Reserved),
            (b".Artifacts/x", Reserved),
            (&[b'x'; 4097], Length),
        ];
        for (path, why) in refused {
            assert_eq!(EntryPath::new(path), Err(why), "{path:?}");
        }
        for good in [&b"a"[..], b"a/b", b"-x", b"a b\n'\"", b"\xff\xfe", b".gitignore", b"..x", &[b'x'; 4096]] {
            assert!(EntryPath::new(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn links_may_climb_only_at_their_start_and_only_to_the_top() {
        for (depth, inside) in [(0, "a"), (1, "../a"), (2, "../../b/c"), (0, "./a//b"), (1, "..")] {
            assert!(link_stays_inside(depth, inside.as_bytes()), "{inside}");
        }
        for (depth, outside) in [(0, "/etc"), (0, ".."), (1, "../../a"), (5, "a/../b"), (0, "a/..")] {
            assert!(!link_stays_inside(depth, outside.as_bytes()), "{outside}");
        }
    }

    #[test]
    fn within_goes_by_components() {
        let path = EntryPath::new("some/one").unwrap();
        assert!(path.is_within(b"") && path.is_within(b"some") && path.is_within(b"some/one"));
        assert!(!path.is_within(b"so") && !path.is_below(b"some/one") && path.is_below(b"some"));
        assert_eq!(path.split_name(), (&b"some"[..], &b"one"[..]));
    }
}
