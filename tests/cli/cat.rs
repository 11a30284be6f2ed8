//! `art cat`

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::env::{Env, files};

/// Bytes that do not compress and do not repeat.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

#[test]
fn files_of_every_length_come_out_as_they_went_in() {
    let env = Env::new();
    let contents = [Vec::new(), b"x".to_vec(), noise(300_000), noise(5_000_000), vec![0; 9_000_000], b"line\n".repeat(300_000)];
    for (at, content) in contents.iter().enumerate() {
        env.write(&format!("d/{at}"), content);
    }
    env.art(["put", "d", "d"]).done();
    for (at, content) in contents.iter().enumerate() {
        let ran = env.art(["cat", "d", &at.to_string()]);
        assert_eq!((ran.code, &ran.stderr[..]), (Some(0), ""));
        assert!(ran.stdout == *content, "file {at}");
    }
}

#[test]
fn what_is_no_file_is_refused() {
    let env = Env::new();
    env.write("d/sub/x", "1");
    symlink("sub/x", env.project().join("d/link")).unwrap();
    fs::create_dir(env.project().join("d/empty")).unwrap();
    env.art(["put", "d", "d"]).done();
    assert!(env.art(["cat", "d", "sub"]).failed(1).contains("it is a directory"));
    assert!(env.art(["cat", "d", "empty"]).failed(1).contains("it is a directory"));
    assert!(env.art(["cat", "d", "link"]).failed(1).contains("it is a symlink to 'sub/x'"));
    assert!(env.art(["cat", "d", "nope"]).failed(3).contains("cannot find path 'nope'"));
    assert!(env.art(["cat", "d", "/sub/x"]).failed(2).contains("bad path"));
    assert_eq!(env.art(["cat", "d", "./sub/x"]).done(), "1");
}

#[test]
fn damaged_bytes_are_never_written() {
    let env = Env::new();
    let content = noise(2_000_000);
    env.write("x", &content);
    env.art(["put", "d", "x"]).done();
    let pack = &files(&env.store().join("packs"))[0];
    let mut bytes = fs::read(pack).unwrap();
    bytes[1_000_000] ^= 1;
    fs::set_permissions(pack, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(pack, bytes).unwrap();
    let ran = env.art(["cat", "d", "x"]);
    assert_eq!(ran.code, Some(5), "{}", ran.stderr);
    assert!(ran.stderr.contains("is damaged: its bytes do not match its name"), "{}", ran.stderr);
    assert!(content.starts_with(&ran.stdout) && ran.stdout.len() < 1_000_000);
}
