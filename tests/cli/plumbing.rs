//! The commands for scripts.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use serde_json::json;

use crate::env::{Env, files};

fn env() -> Env {
    let env = Env::new();
    env.write("d/a/x", "hello");
    env.write("d/run.sh", "#!/bin/sh\n");
    fs::set_permissions(env.project().join("d/run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    env.art(["put", "d", "d", "--alias", "best"]).done();
    env
}

const HELLO: &str = "ea8f163db38682925e4491c5e58d4bb3506ef8c14eb78a86e908c5624a67200f";

#[test]
fn rev_parse_prints_ids() {
    let env = env();
    let json = env.art(["rev-parse", "d", "--json"]).json();
    assert_eq!(env.art(["rev-parse", "d:best"]).done(), format!("{}\n", json["id"].as_str().unwrap()));
    assert_eq!(env.art(["rev-parse", "--digest", "d:v0"]).done(), format!("{}\n", json["digest"].as_str().unwrap()));
}

#[test]
fn hash_object_prints_what_b3sum_prints() {
    let env = Env::bare();
    env.write("x", "hello");
    env.write("a\nb", "hello");
    assert_eq!(env.art(["hash-object", "x", "a\nb"]).done(), format!("{HELLO}  x\n\\{HELLO}  a\\nb\n"));
    assert_eq!(env.art(["hash-object", "x", "--json"]).json(), json!([{ "path": "x", "digest": HELLO, "size_bytes": 5 }]));
    let stdin = Stdio::from(fs::File::open(env.project().join("x")).unwrap());
    let ran = env.run(env.command(env!("CARGO_BIN_EXE_art")).args(["hash-object", "-"]).stdin(stdin));
    assert_eq!(ran.done(), format!("{HELLO}  -\n"));
    assert!(env.art(["hash-object", "nope"]).failed(3).contains("cannot find file 'nope'"));
}

#[test]
fn cat_object_finds_by_prefix() {
    let env = env();
    assert_eq!(env.art(["cat-object", HELLO]).done(), "hello");
    assert_eq!(env.art(["cat-object", &HELLO[..8]]).done(), "hello");
    assert!(env.art(["cat-object", "00000000"]).failed(3).contains("cannot find an object '00000000'"));
    let manifest = env.art(["rev-parse", "--digest", "d"]).done();
    let page = env.art(["cat-object", manifest.trim()]);
    assert!(page.code == Some(0) && page.stdout.len() > 60);
}

#[test]
fn ls_tree_prints_kind_digest_size_path() {
    let env = env();
    let digest = env.art(["hash-object", "d/run.sh"]).done()[..64].to_owned();
    let all = format!("file {HELLO} 5\ta/x\nexec {digest} 10\trun.sh\n");
    assert_eq!(env.art(["ls-tree", "d"]).done(), all);
    let manifest = env.art(["rev-parse", "--digest", "d"]).done();
    assert_eq!(env.art(["ls-tree", manifest.trim()]).done(), all);
    assert_eq!(env.art(["ls-tree", "-z", "d", "a"]).done(), format!("file {HELLO} 5\ta/x\0"));
    assert!(env.art(["ls-tree", "d", "nope"]).failed(3).contains("cannot find path"));
    assert!(env.art(["ls-tree", HELLO]).failed(5).contains("is not in this copy of the store"));
}

#[test]
fn show_ref_prints_every_name() {
    let env = env();
    let id = env.art(["rev-parse", "d"]).done().trim().to_owned();
    assert_eq!(env.art(["show-ref"]).done(), format!("{id} d:v0\n{id} d:best\n{id} d:latest\n"));
    assert_eq!(env.art(["show-ref", "d", "--json"]).json()[1]["ref"], "d:best");
    assert_eq!(env.art(["show-ref", "e"]).code, Some(3));
}

#[test]
fn packs_are_listed_counted_and_verified() {
    let env = env();
    let packs = env.art(["list-packs", "--json"]).json();
    let (data, meta) = (packs[0]["id"].as_str().unwrap(), packs[1]["id"].as_str().unwrap());
    assert_eq!((packs[0]["class"].as_str(), packs[1]["class"].as_str()), (Some("data"), Some("meta")));
    assert_eq!(env.art(["verify-pack", data, &meta[..8]]).done(), format!("ok {data}\nok {meta}\n"));
    let counts = env.art(["count-objects", "--json"]).json();
    assert_eq!(
        (&counts["data_packs"], &counts["chunks"], &counts["chunk_bytes"], &counts["records"]),
        (&json!(1), &json!(2), &json!(15), &json!(2))
    );
    assert!(env.art(["count-objects"]).done().contains("\nchunks 2 15\n"));
    assert!(env.art(["verify-pack", "00000000"]).failed(3).contains("cannot find pack"));

    let file = &files(&env.store().join("packs"))[0];
    let mut bytes = fs::read(file).unwrap();
    bytes[60] ^= 1;
    fs::set_permissions(file, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(file, bytes).unwrap();
    let ran = env.art(["verify-pack", file.to_str().unwrap()]);
    assert_eq!(ran.code, Some(5));
    assert!(ran.text().starts_with(&format!("bad {data}: its bytes do not match its name\nbad {data}: ")), "{ran:?}");
}
