//! "Files of a store": the file `format` and the features.

use std::fs;

use artstore::store::Need;
use artstore::{ErrorKind, Store};

fn store_with(format: &[u8], features: &[&str]) -> (tempfile::TempDir, artstore::Result<Store>) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("format"), format).unwrap();
    fs::create_dir(dir.path().join("features")).unwrap();
    for name in features {
        fs::write(dir.path().join("features").join(name), "").unwrap();
    }
    let store = Store::open(dir.path());
    (dir, store)
}

#[test]
fn a_store_opens_by_one_line_and_no_other() {
    assert!(store_with(b"artstore 1\n", &[]).1.is_ok());
    for other in [
        &b""[..],
        b"artstore 1",
        b"artstore 2\n",
        b"artstore 1\r\n",
        b"artstore 1\n\n",
        b" artstore 1\n",
        b"artstore 1\nx",
        b"Artstore 1\n",
    ] {
        let error = store_with(other, &[]).1.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged, "{other:?}");
    }
}

#[test]
fn an_unknown_feature_is_refused_by_those_who_must_know_it() {
    for name in ["read-x", "x", "read", "writer-x"] {
        assert!(store_with(b"artstore 1\n", &[name]).1.is_err(), "{name}");
    }
    let needs = |name| {
        let (_dir, store) = store_with(b"artstore 1\n", &[name]);
        let store = store.unwrap();
        [Need::Read, Need::Write, Need::Collect].map(|need| store.check_features(need).is_ok())
    };
    assert_eq!(needs("write-x"), [true, false, false]);
    assert_eq!(needs("gc-x"), [true, true, false]);
    assert_eq!(needs("write-condemn"), [true, true, true]);
    assert_eq!(needs(".DS_Store"), [true, true, true]);
    assert_eq!(needs("desktop.ini"), [true, true, true]);
}
