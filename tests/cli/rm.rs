//! `art rm`

use serde_json::json;

use crate::env::{Env, files};

/// A store with versions v0, v1 and v2 of `d`.
pub(crate) fn env() -> Env {
    let env = Env::new();
    for content in ["0", "1", "2"] {
        env.write("x", content);
        env.art(["put", "d", "x"]).done();
    }
    env
}

/// Turns a bit of a record; returns what it was.
pub(crate) fn damage(record: &std::path::Path) -> Vec<u8> {
    let whole = std::fs::read(record).unwrap();
    let mut bytes = whole.clone();
    bytes[whole.len() / 2] ^= 1;
    std::fs::set_permissions(record, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    std::fs::write(record, bytes).unwrap();
    whole
}

#[test]
fn a_deleted_version_is_not_listed_and_latest_passes_over_it() {
    let env = env();
    assert_eq!(
        env.art(["rm", "d:v2", "d:v0"]).done(),
        "deleted: d:v2 (1 file, 1 B)\ndeleted: d:v0 (1 file, 1 B)\nd:latest -> v1\n\
         `art gc` frees their bytes 14 days after it condemned them, `art gc --prune-now` at once; until then `art undelete` brings them back\n"
    );
    assert_eq!(env.art(["ls", "d", "--json"]).json().as_array().unwrap().len(), 1);
    assert_eq!(env.art(["cat", "d", "x"]).done(), "1");
    assert!(env.art(["log", "d"]).done().starts_with("d:v2 [deleted]\n"));
    env.write("x", "3");
    assert!(env.art(["put", "d", "x"]).done().starts_with("stored: d:v3 "), "numbers are not given again");
}

#[test]
fn deleting_what_is_deleted_writes_no_record() {
    let env = env();
    env.art(["rm", "d:v0"]).done();
    let before = files(&env.store().join("refs"));
    assert_eq!(env.art(["rm", "d:v0"]).done(), "unchanged: d:v0 is deleted already\n");
    assert_eq!(files(&env.store().join("refs")), before);
}

#[test]
fn a_bare_name_is_refused_without_all() {
    let env = env();
    assert_eq!(
        env.art(["rm", "d"]).failed(2),
        "error: cannot delete 'd': it names no version\n\
         hint: name a version, such as `d:v0`, or delete all of them with `art rm d --all`\n"
    );
    assert!(env.art(["rm", "d:v0", "--all"]).failed(2).contains("it names a version"));
    assert!(env.art(["rm", "d", "--all"]).done().contains("\nd: no version left\n"));
    assert_eq!(env.art(["rm", "d", "--all"]).done(), "d: no version left\n");
    assert!(env.art(["cat", "d", "x"]).failed(3).contains("cannot find version 'd:latest'"));
    assert_eq!(env.art(["rm", "e", "--all"]).code, Some(3));
}

#[test]
fn a_version_with_an_alias_is_refused_and_nothing_is_deleted() {
    let env = env();
    env.art(["alias", "set", "d:v1", "best", "prod"]).done();
    assert_eq!(
        env.art(["rm", "d:v0", "d:v1"]).failed(1),
        "error: cannot delete 'd:v1': it has the aliases 'best', 'prod'\n\
         hint: move an alias with `art alias set REF best`, or delete the version with its aliases with `art rm d:v1 --force-aliases`\n"
    );
    assert_eq!(env.art(["rm", "d:v0", "d:v7"]).code, Some(3));
    assert_eq!(env.art(["ls", "d", "--json"]).json().as_array().unwrap().len(), 3);
}

#[test]
fn forced_the_aliases_go_with_the_version() {
    let env = env();
    env.art(["alias", "set", "d:v1", "best", "prod"]).done();
    let told = env.art(["rm", "d:best", "--force-aliases"]).done();
    assert!(told.starts_with("deleted: d:v1 (1 file, 1 B; with its aliases: best, prod)\nd:latest -> v2\n"), "{told}");
    assert_eq!(env.art(["alias", "ls"]).done(), "");
    assert!(env.art(["cat", "d:best", "x"]).failed(3).contains("cannot find version 'd:best'"));
    assert!(env.art(["alias", "set", "d:v1", "best"]).failed(1).contains("d:v1 is deleted"));
}

#[test]
fn aliases_go_before_the_version_so_that_none_ever_names_a_deleted_one() {
    let env = env();
    env.art(["alias", "set", "d:v1", "best"]).done();
    env.art(["rm", "d:v1", "--force-aliases"]).done();
    let [edit] = &files(&env.store().join("refs/d/edits"))[..] else { panic!("one record deletes one version") };
    // Its writer saw no alias any more.
    assert!(!std::fs::read_to_string(edit).unwrap().contains("\"saw\""));
    std::fs::remove_file(edit).unwrap();
    assert_eq!(env.art(["alias", "ls"]).done(), "");
    assert!(env.art(["rm", "d:v1"]).done().starts_with("deleted: d:v1 "), "what was killed in between is done by the next");
}

#[test]
fn while_a_record_of_an_alias_or_an_edit_is_damaged_nothing_is_deleted() {
    let env = env();
    env.art(["alias", "set", "d:v1", "best"]).done();
    env.art(["put", "d", "x", "--tag", "t"]).done();
    for (dir, name) in [("aliases/best", "0."), ("edits", "0.")] {
        let [record] = &files(&env.store().join("refs/d").join(dir))[..] else { panic!("one record in {dir}") };
        assert!(record.file_name().unwrap().to_str().unwrap().starts_with(name));
        let whole = damage(record);
        let before = files(&env.store().join("refs"));
        let shown = record.strip_prefix(env.store()).unwrap().display();
        assert_eq!(
            env.art(["rm", "d:v1"]).failed(5),
            format!(
                "error: cannot tell which versions of 'd' may be deleted: record '{shown}' is damaged: its bytes do not match its name\n\
                 hint: mend it with `art repair`, with `--from DIR` from another copy of the store\n"
            )
        );
        for args in [&["rm", "d:v0", "--force-aliases"][..], &["rm", "-n", "d:v0"], &["rm", "d", "--all"]] {
            env.art(args).failed(5);
        }
        assert_eq!(files(&env.store().join("refs")), before);
        std::fs::write(record, whole).unwrap();
    }
    damage(&files(&env.store().join("refs/d/versions"))[0]);
    assert!(env.art(["rm", "d:v2"]).done().starts_with("deleted: d:v2 "), "another version's record changes nothing");
}

#[test]
fn a_dry_run_changes_nothing() {
    let env = env();
    env.art(["alias", "set", "d:v2", "best"]).done();
    let before = files(&env.project());
    let told = env.art(["rm", "-n", "d:v2", "--force-aliases"]).done();
    assert!(told.starts_with("would delete: d:v2 (1 file, 1 B; with its aliases: best)\nwould be: d:latest -> v1\n"), "{told}");
    assert_eq!(env.art(["rm", "-n", "d:v2"]).code, Some(1));
    assert_eq!(files(&env.project()), before);
}

#[test]
fn json_tells_versions_and_latest() {
    let env = env();
    let id = env.art(["rev-parse", "d:v2"]).done();
    let json = env.art(["rm", "d:v2", "d:v2", "--json"]).json();
    assert_eq!(json["versions"].as_array().unwrap().len(), 1);
    let version = &json["versions"][0];
    assert_eq!((&version["artifact"], &version["version"], &version["id"]), (&json!("d"), &json!("v2"), &json!(id.trim())));
    assert_eq!((&version["size_bytes"], &version["file_count"], &version["aliases"]), (&json!(1), &json!(1), &json!([])));
    assert_eq!((&version["changed"], &json["latest"]), (&json!(true), &json!([{ "artifact": "d", "version": "v1", "rivals": [] }])));
}

#[test]
fn a_deletion_that_did_not_know_of_an_alias_is_contested_and_the_version_lives() {
    let env = env();
    let copy = |from: &str, to: &str| env.run(env.command("cp").args(["-rn", from, to]));
    std::fs::create_dir(env.project().join("other")).unwrap();
    copy(".artifacts", "other/");
    env.art(["rm", "d:v1"]).done();
    env.art(["-C", "other", "alias", "set", "d:v1", "best"]).done();
    copy("other/.artifacts/refs", ".artifacts/");
    assert_eq!(env.art(["cat", "d:best", "x"]).done(), "1");
    assert!(env.art(["show", "d:v1"]).done().contains("\n  deleted      contested: "));
    assert!(env.art(["log", "d"]).done().contains("d:v1 (best) [deletion contested]\n"));
    let json = env.art(["show", "d:v1", "--json"]).json();
    assert_eq!((&json["deleted"], &json["contested"]), (&json!(false), &json!(true)));
    // The next one knows it.
    env.art(["rm", "d:v1", "--force-aliases"]).done();
    assert_eq!(env.art(["show", "d:v1", "--json"]).json()["deleted"], json!(true));
    assert!(env.art(["show", "d:v1"]).done().contains("\n  deleted      yes "));
}

#[test]
fn a_diverged_alias_keeps_what_else_it_names() {
    let env = env();
    env.art(["alias", "set", "d:v0", "best"]).done();
    let copy = |from: &str, to: &str| env.run(env.command("cp").args(["-rn", from, to]));
    std::fs::create_dir(env.project().join("other")).unwrap();
    copy(".artifacts", "other/");
    env.art(["alias", "set", "d:v1", "best"]).done();
    env.art(["-C", "other", "alias", "set", "d:v2", "best"]).done();
    copy("other/.artifacts/refs", ".artifacts/");
    assert!(env.art(["cat", "d:best", "x"]).failed(4).contains("has diverged"));
    env.art(["rm", "d:v1", "--force-aliases"]).done();
    assert_eq!(env.art(["cat", "d:best", "x"]).done(), "2");
    env.art(["rm", "d:v2", "--force-aliases"]).done();
    assert_eq!(env.art(["alias", "ls"]).done(), "");
}

#[test]
fn versions_that_read_as_one_are_deleted_and_brought_back_together() {
    let env = Env::new();
    env.write("x", "0");
    let copy = |from: &str, to: &str| env.run(env.command("cp").args(["-rn", from, to]));
    std::fs::create_dir(env.project().join("other")).unwrap();
    copy(".artifacts", "other/");
    for dir in [".", "other"] {
        env.art(["-C", dir, "put", "d", &env.project().join("x").to_string_lossy(), "-m", dir]).done();
    }
    copy("other/.artifacts/refs", ".artifacts/");
    assert_eq!(files(&env.store().join("refs/d/versions")).len(), 2);
    let told = env.art(["rm", "d:v0"]).done();
    assert!(told.starts_with("deleted: d:v0 (1 file, 1 B)\nd: no version left\n"), "{told}");
    assert_eq!(files(&env.store().join("refs/d/edits")).len(), 2);
    assert_eq!(env.art(["undelete", "d:v0"]).done(), "undeleted: d:v0\nd:latest -> v0\n");
    assert_eq!(files(&env.store().join("refs/d/edits")).len(), 4);
}
