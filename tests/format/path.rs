//! "Paths": what is a path of an entry, and what is refused.

use artstore::codec;
use artstore::format::limits::PATH_LEN_MAX;
use artstore::format::path::{EntryPath, PathError};
use proptest::prelude::*;

use crate::sample::{path, unhex};

#[test]
fn a_path_is_a_length_and_bytes() {
    assert_eq!(codec::encode(&path("a/b")), unhex("0300000000000000 612f62"));
    let bytes = EntryPath::new(&b"\xff\x01"[..]).unwrap();
    assert_eq!(codec::decode::<EntryPath>(&unhex("0200000000000000 ff01")).unwrap(), bytes);
}

#[test]
fn a_path_that_could_leave_or_confuse_is_refused_when_decoded() {
    for bad in ["", "/a", "a/", "a//b", ".", "..", "./a", "a/..", "a/./b", "a\0", ".git", "a/.GiT", ".ARTIFACTS/x"] {
        let mut bytes = (bad.len() as u64).to_le_bytes().to_vec();
        bytes.extend(bad.bytes());
        assert!(codec::decode::<EntryPath>(&bytes).is_err(), "{bad:?}");
    }
    for good in ["...", ".gitignore", "a.git", ".git2", "artifacts", "\\", "C:", "a b", "-", "\u{202e}", "NUL"] {
        assert!(EntryPath::new(good).is_ok(), "{good:?}");
    }
}

#[test]
fn the_longest_path_has_4096_bytes() {
    assert!(EntryPath::new(vec![b'x'; PATH_LEN_MAX]).is_ok());
    assert_eq!(EntryPath::new(vec![b'x'; PATH_LEN_MAX + 1]), Err(PathError::Length));
}

#[test]
fn a_path_cut_short_or_longer_is_refused() {
    let good = codec::encode(&path("some/path"));
    for len in 0..good.len() {
        assert!(codec::decode::<EntryPath>(&good[..len]).is_err(), "{len}");
    }
    assert!(codec::decode::<EntryPath>(&[&good[..], b"x"].concat()).is_err());
}

#[test]
fn paths_sort_by_their_bytes() {
    let sorted = ["a", "a-b", "a/b", "a0", "ab", "b", "\u{e9}"];
    assert!(sorted.map(path).is_sorted());
}

proptest! {
    #[test]
    fn what_is_taken_has_good_components_and_what_is_not_has_a_bad_one(bytes in prop::collection::vec(prop_oneof![Just(b'/'), Just(b'.'), Just(0), any::<u8>()], 0..12)) {
        let good = |part: &[u8]| !part.is_empty() && part != b"." && part != b".." && !part.contains(&0)
            && !part.eq_ignore_ascii_case(b".git") && !part.eq_ignore_ascii_case(b".artifacts");
        prop_assert_eq!(EntryPath::new(bytes.clone()).is_ok(), bytes.split(|&b| b == b'/').all(good));
    }
}
