//! "Bundles": golden bytes, truncation, limits, and what is refused.

use artstore::format::bundle::{
    BUNDLE_HEADER_LEN, BUNDLE_TRAILER_LEN, Base, BundleError, BundleFile, BundleHeader, BundleList, BundleTrailer,
};
use artstore::format::limits::{BUNDLE_BASES_MAX, BUNDLE_LIST_LEN_MAX};

use crate::sample::{hex, id, unhex};

/// The list of the bundle in the page.
pub(crate) fn example_list() -> BundleList {
    let base = Base { artifact: "m".parse().unwrap(), number: 3, version: id(0x1a), manifest: id(0x2b) };
    BundleList { bases: vec![base], files: vec![file("features/write-condemn", 0, None)] }
}

/// The bundle in the page.
pub(crate) fn example_bundle() -> Vec<u8> {
    let list = example_list();
    let encoded = list.encode();
    let header = BundleHeader::of(&encoded);
    let hash = blake3::Hasher::new().update(&header.encode()).update(blake3::hash(b"").as_bytes()).finalize().into();
    let trailer = BundleTrailer { hash, file_count: 1, bundle_len: list.bundle_len(&header).unwrap() };
    [&header.encode()[..], &encoded, &trailer.encode()].concat()
}

fn file(path: &str, len: u64, needs: Option<&str>) -> BundleFile {
    BundleFile { path: path.to_owned(), len, needs: needs.map(str::to_owned) }
}

fn decode(list: &BundleList) -> Result<BundleList, BundleError> {
    let encoded = list.encode();
    BundleList::decode(&encoded, &BundleHeader::of(&encoded))
}

#[test]
fn a_header_is_56_bytes_and_any_change_of_what_is_known_is_refused() {
    let header = BundleHeader { list_len: 0x0102, list_hash: [7; 32] };
    let golden = format!("894152 54424e0d0a 01000000 00000000 0201000000000000 {}", "07".repeat(32));
    assert_eq!(header.encode()[..], unhex(&golden));
    assert_eq!(BundleHeader::decode(&unhex(&golden)).unwrap(), header);
    for len in 0..BUNDLE_HEADER_LEN {
        assert!(BundleHeader::decode(&header.encode()[..len]).is_err(), "{len}");
    }
    for at in 0..16 {
        let mut bad = header.encode();
        bad[at] ^= 1;
        assert!(BundleHeader::decode(&bad).is_err(), "{at}");
    }
    let mut newer = header.encode();
    newer[8] = 2;
    assert!(matches!(BundleHeader::decode(&newer), Err(BundleError::Version(2))));
    for (len, taken) in [(BUNDLE_LIST_LEN_MAX, true), (BUNDLE_LIST_LEN_MAX + 1, false), (u64::MAX, false)] {
        let header = BundleHeader { list_len: len, ..header };
        assert_eq!(BundleHeader::decode(&header.encode()).is_ok(), taken, "{len}");
    }
}

#[test]
fn a_list_is_encoded_as_the_page_says_and_truncated_or_changed_it_is_refused() {
    let list = BundleList { files: vec![file("gc/0123456789abcdef", 9, None), file("p", 5, Some("v"))], ..example_list() };
    let encoded = list.encode();
    let number = |value: u64| hex(&value.to_le_bytes());
    let text = |text: &str| format!("{}{}", number(text.len() as u64), hex(text.as_bytes()));
    let base = [number(1), text("m"), number(3), "1a".repeat(32), "2b".repeat(32)].concat();
    let files = [number(2), text("gc/0123456789abcdef"), number(9), "00".into(), text("p"), number(5), "01".into(), text("v")].concat();
    assert_eq!(hex(&encoded), base + &files);
    let header = BundleHeader::of(&encoded);
    assert_eq!(BundleList::decode(&encoded, &header).unwrap(), list);
    assert_eq!(list.bundle_len(&header), Some((BUNDLE_HEADER_LEN + BUNDLE_TRAILER_LEN + encoded.len() + 14) as u64));
    for len in 0..encoded.len() {
        assert!(matches!(BundleList::decode(&encoded[..len], &header), Err(BundleError::Truncated)), "{len}");
        let short = &encoded[..len];
        assert!(BundleList::decode(short, &BundleHeader::of(short)).is_err(), "{len}");
    }
    for at in 0..encoded.len() {
        let mut bad = encoded.clone();
        bad[at] ^= 1;
        assert!(matches!(BundleList::decode(&bad, &header), Err(BundleError::ListHash)), "{at}");
    }
}

#[test]
fn bases_out_of_order_too_many_or_twice_and_lengths_without_end_are_refused() {
    let base = example_list().bases[0].clone();
    let other = Base { number: 4, ..base.clone() };
    let of = |bases: Vec<Base>| decode(&BundleList { bases, files: vec![] });
    assert!(of(vec![base.clone(), other.clone()]).is_ok());
    for bases in [vec![other, base.clone()], vec![base.clone(), base.clone()]] {
        assert!(matches!(of(bases), Err(BundleError::Field(_))));
    }
    let many = |count: usize| of((0..count as u64).map(|number| Base { number, ..base.clone() }).collect());
    assert!(many(BUNDLE_BASES_MAX).is_ok());
    assert!(matches!(many(BUNDLE_BASES_MAX + 1), Err(BundleError::Field(_))));
    let long = |len| decode(&BundleList { bases: vec![], files: vec![file("a", len, None), file("b", len, None)] });
    assert!(long(1 << 40).is_ok());
    assert!(matches!(long(u64::MAX / 2), Err(BundleError::Field("length of files"))));
    let mut bad_name = example_list().encode();
    let at = bad_name.iter().position(|byte| *byte == b'm').unwrap();
    bad_name[at] = b'/';
    assert!(matches!(BundleList::decode(&bad_name, &BundleHeader::of(&bad_name)), Err(BundleError::List(_))));
}

#[test]
fn a_trailer_is_56_bytes() {
    let trailer = BundleTrailer { hash: [7; 32], file_count: 2, bundle_len: 300 };
    let golden = format!("{} 0200000000000000 2c01000000000000 8941525442450d0a", "07".repeat(32));
    assert_eq!(trailer.encode()[..], unhex(&golden));
    assert_eq!(BundleTrailer::decode(&unhex(&golden)).unwrap(), trailer);
    for len in 0..BUNDLE_TRAILER_LEN {
        assert!(BundleTrailer::decode(&trailer.encode()[..len]).is_err(), "{len}");
    }
    for at in 48..BUNDLE_TRAILER_LEN {
        let mut bad = trailer.encode();
        bad[at] ^= 1;
        assert!(matches!(BundleTrailer::decode(&bad), Err(BundleError::Magic)), "{at}");
    }
}
