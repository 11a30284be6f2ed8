//! `art fsck`

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use crate::cat::noise;
use crate::env::{Env, files};

fn env() -> Env {
    let env = Env::new();
    env.write("d/big", noise(3_000_000));
    env.write("d/small", "1");
    env.art(["put", "d", "d"]).done();
    env.write("d/small", "2");
    env.art(["put", "d", "d", "--alias", "best"]).done();
    env
}

fn overwrite(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(path, bytes).unwrap();
}

fn largest(dir: &Path) -> std::path::PathBuf {
    files(dir).into_iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap()
}

#[test]
fn a_good_store_has_no_finding_and_strangers_are_none() {
    let env = env();
    assert!(env.art(["fsck"]).done().ends_with("2 versions complete; no finding\n"));
    env.write(".artifacts/notes.txt", "mine");
    env.write(".artifacts/refs/d/versions/desktop.ini", "");
    assert!(env.art(["fsck"]).done().starts_with("stranger  notes.txt\nstranger  refs/d/versions/desktop.ini\n"));
    let json = env.art(["fsck", "--json"]).json();
    assert_eq!((&json["ok"], &json["findings"], &json["strangers"][0]["path"]), (&json!(true), &json!([]), &json!("notes.txt")));
}

#[test]
fn each_damage_is_found_and_named() {
    let env = env();
    overwrite(&largest(&env.store().join("packs")), |bytes| bytes[500_000] ^= 1);
    env.write(".artifacts/refs/d/edits/0.0123456789abcdef", "{}");
    let ran = env.art(["fsck", "--json"]);
    assert_eq!((ran.code, &ran.stderr[..]), (Some(5), ""));
    let json = ran.json();
    let kinds: Vec<&str> = json["findings"].as_array().unwrap().iter().map(|finding| finding["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["damaged-pack", "damaged-record", "damaged-version", "damaged-version"]);
    assert_eq!(json["versions"][0]["damaged_count"], 1, "{json}");
    assert!(json["findings"][2]["message"].as_str().unwrap().contains("of file 'big'"), "{json}");
    assert_eq!(env.art(["fsck"]).code, Some(5));
}

#[test]
fn what_is_not_here_is_incomplete() {
    let env = env();
    fs::remove_file(largest(&env.store().join("packs"))).unwrap();
    let json = env.art(["fsck", "--json"]).json();
    assert_eq!((&json["versions"][0]["state"], &json["versions"][1]["state"]), (&json!("incomplete"), &json!("incomplete")));
    let env = self::env();
    fs::remove_dir_all(env.store().join("meta")).unwrap();
    let json = env.art(["fsck", "--json"]).json();
    assert!(json["findings"][0]["message"].as_str().unwrap().contains("manifest"), "{json}");
}

#[test]
fn a_pack_that_is_cut_off_has_not_arrived() {
    let env = env();
    let pack = largest(&env.store().join("packs"));
    overwrite(&pack, |bytes| bytes.truncate(2_000_000));
    let json = env.art(["fsck", "--json"]).json();
    assert_eq!((&json["findings"][0]["kind"], &json["versions"][0]["state"]), (&json!("pack-not-arrived"), &json!("incomplete")));
}

#[test]
fn an_alias_of_a_version_that_is_not_here_is_found() {
    let env = env();
    fs::remove_file(files(&env.store().join("refs/d/versions")).pop().unwrap()).unwrap();
    let json = env.art(["fsck", "--json"]).json();
    assert_eq!((&json["findings"][0]["kind"], &json["findings"][0]["subject"]), (&json!("lost-alias"), &json!("d:best")));
}

#[test]
fn a_read_only_store_is_checked() {
    let env = env();
    let chmod = |mode: &str| env.run(env.command("chmod").args(["-R", mode, ".artifacts"]));
    chmod("a-w");
    let ran = env.art(["fsck"]);
    let listed = env.art(["ls"]);
    chmod("u+w");
    ran.done();
    listed.done();
}
