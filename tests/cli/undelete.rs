//! `art undelete`

use artstore::format::condemn::CondemnRecord;
use artstore::format::record::{Record, Time};
use artstore::id::PackId;
use serde_json::json;

use crate::env::files;
use crate::rm::env;

#[test]
fn a_deleted_version_comes_back_without_its_aliases() {
    let env = env();
    env.art(["alias", "set", "d:v2", "best"]).done();
    env.art(["rm", "d:v2", "--force-aliases"]).done();
    assert_eq!(env.art(["undelete", "d:v2"]).done(), "undeleted: d:v2\nd:latest -> v2\n");
    assert_eq!(env.art(["cat", "d", "x"]).done(), "2");
    assert_eq!(env.art(["alias", "ls"]).done(), "");
    env.art(["rm", "d:v2"]).done();
    assert_eq!(env.art(["cat", "d", "x"]).done(), "1", "it can be deleted again");
    let json = env.art(["undelete", "d:v2", "d:v1", "d:v2", "--json"]).json();
    let changed: Vec<_> = json["versions"].as_array().unwrap().iter().map(|row| (row["version"].clone(), row["changed"].clone())).collect();
    assert_eq!(changed, [(json!("v2"), json!(true)), (json!("v1"), json!(false))]);
    assert_eq!(json["latest"], json!([{ "artifact": "d", "version": "v2", "rivals": [] }]));
}

#[test]
fn what_is_not_deleted_is_unchanged_and_writes_no_record() {
    let env = env();
    let before = files(&env.store().join("refs"));
    assert_eq!(env.art(["undelete", "d:v0"]).done(), "unchanged: d:v0 is not deleted\n");
    assert_eq!(files(&env.store().join("refs")), before);
    assert!(env.art(["undelete", "d"]).failed(2).contains("it names no version"));
    assert_eq!(env.art(["undelete", "d:v9"]).code, Some(3));
}

#[test]
fn a_version_whose_bytes_are_gone_is_refused_and_none_comes_back() {
    let env = env();
    env.art(["rm", "d:v0", "d:v2"]).done();
    let chunk = env.art(["ls", "d:v2", "--json"]).json()[0]["digest"].as_str().unwrap().to_owned();
    for path in files(&env.store().join("packs")) {
        if holds(&path, &chunk) {
            std::fs::remove_file(path).unwrap();
        }
    }
    assert_eq!(
        env.art(["undelete", "d:v0", "d:v2"]).failed(5),
        "error: cannot undelete 'd:v2': missing here: 1 chunk\n\
         hint: copy the packs from a copy of the store that still has them, and run this again\n"
    );
    assert_eq!(env.art(["ls", "d", "--json"]).json().as_array().unwrap().len(), 1);
    for path in files(&env.store().join("meta")) {
        std::fs::remove_file(path).unwrap();
    }
    assert!(env.art(["undelete", "d:v0"]).failed(5).contains("'d:v0': missing here: 1 page, and perhaps more\n"));
}

#[test]
fn what_lies_in_condemned_packs_can_be_brought_back() {
    let env = env();
    env.art(["rm", "d:v2"]).done();
    let id = |path: std::path::PathBuf| path.file_name().unwrap().to_str().unwrap().parse::<PackId>().unwrap();
    let ids = |dir: &str| files(&env.store().join(dir)).into_iter().map(id).collect::<Vec<_>>();
    let record = CondemnRecord {
        created_at: Time("2026-11-23T00:00:00Z".parse().unwrap()),
        data: ids("packs"),
        meta: ids("meta"),
        nonce: "0123456789abcdef".to_owned(),
    };
    let (id, line) = Record::Condemn(record).encode().unwrap();
    env.write(".artifacts/features/write-condemn", "");
    env.write(&format!(".artifacts/gc/{}", id.short(16)), line);
    assert!(env.art(["undelete", "d:v2"]).done().starts_with("undeleted: d:v2\n"));
    assert_eq!(env.art(["cat", "d", "x"]).done(), "2");
    env.art(["rm", "d:v2"]).done();
    for path in files(&env.store().join("packs")) {
        std::fs::remove_file(path).unwrap();
    }
    assert!(env.art(["undelete", "d:v2"]).failed(5).contains("missing here: 1 chunk\n"));
}

#[test]
fn gc_in_between_takes_the_bytes_or_leaves_them() {
    let env = env();
    env.art(["rm", "d:v2"]).done();
    env.art(["gc"]).done();
    env.art(["undelete", "d:v2"]).done();
    // What was condemned and is needed again stays.
    env.art(["gc", "--grace-seconds", "0"]).done();
    assert_eq!(env.art(["cat", "d:v2", "x"]).done(), "2");
    env.art(["rm", "d:v2"]).done();
    env.art(["gc", "--prune-now"]).done();
    assert!(env.art(["undelete", "d:v2"]).failed(5).contains("'d:v2': missing here: 1 page, and perhaps more\n"));
    assert_eq!(env.art(["cat", "d", "x"]).done(), "1");
    let usage = env.art(["du", "d", "--json"]).json();
    assert_eq!(usage["store"]["deleted_bytes"], json!(0));
}

#[test]
fn a_second_deletion_has_a_grace_of_its_own() {
    let env = env();
    env.art(["rm", "d:v2"]).done();
    let condemned = env.art(["gc", "--json"]).json()["condemned"].as_array().unwrap().len();
    assert_eq!(condemned, 2, "a data pack and a meta pack");
    env.art(["undelete", "d:v2"]).done();
    assert_eq!(files(&env.store().join("gc")).len(), 3, "a record condemns each, and one lifts both");
    env.art(["rm", "d:v2"]).done();
    // The packs were condemned long ago; no gc ran while the version was there.
    let json = env.art(["gc", "--grace-seconds", "0", "--json"]).json();
    assert_eq!((&json["deleted"], json["condemned"].as_array().unwrap().len()), (&json!([]), 2));
    env.art(["undelete", "d:v2"]).done();
    assert_eq!(env.art(["cat", "d:v2", "x"]).done(), "2");
}

#[test]
fn what_is_refused_lifts_nothing() {
    let env = env();
    env.art(["rm", "d:v0", "d:v2"]).done();
    env.art(["gc"]).done();
    let before = files(&env.store().join("gc"));
    let chunk = env.art(["ls", "d:v0", "--json"]).json()[0]["digest"].as_str().unwrap().to_owned();
    for path in files(&env.store().join("packs")).into_iter().filter(|path| holds(path, &chunk)) {
        std::fs::remove_file(path).unwrap();
    }
    env.art(["undelete", "d:v2", "d:v0"]).failed(5);
    assert_eq!(files(&env.store().join("gc")), before);
}

/// Whether a pack's table has a chunk.
fn holds(pack: &std::path::Path, chunk: &str) -> bool {
    let bytes = std::fs::read(pack).unwrap();
    let hash: Vec<u8> = (0..32).map(|at| u8::from_str_radix(&chunk[2 * at..2 * at + 2], 16).unwrap()).collect();
    bytes.windows(32).any(|window| window == hash)
}

#[test]
fn a_contested_deletion_is_settled() {
    let env = env();
    let copy = |from: &str, to: &str| env.run(env.command("cp").args(["-rn", from, to]));
    std::fs::create_dir(env.project().join("other")).unwrap();
    copy(".artifacts", "other/");
    env.art(["rm", "d:v1"]).done();
    env.art(["-C", "other", "alias", "set", "d:v1", "best"]).done();
    copy("other/.artifacts/refs", ".artifacts/");
    assert!(env.art(["undelete", "d:v1"]).done().starts_with("undeleted: d:v1\n"));
    assert_eq!(env.art(["show", "d:v1", "--json"]).json()["contested"], json!(false));
    env.art(["alias", "rm", "d:best"]).done();
    assert_eq!(env.art(["cat", "d:v1", "x"]).done(), "1");
    assert_eq!(env.art(["ls", "d", "--json"]).json().as_array().unwrap().len(), 3);
}
