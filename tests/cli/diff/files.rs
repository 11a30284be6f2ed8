//! `art diff REF PATH REF PATH`: one file beside another.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use crate::env::Env;

fn two_versions() -> Env {
    let env = Env::new();
    env.write("d/old.txt", "one\ntwo\n");
    env.write("d/sub/keep", "same\n");
    env.write("d/a:b~c", "odd\n");
    symlink("old.txt", env.project().join("d/link")).unwrap();
    env.art(["put", "d", "d", "--meta", "lr=1"]).done();
    env.write("d/new.txt", "one\n2\n");
    env.art(["put", "d", "d", "--meta", "lr=2"]).done();
    env
}

#[test]
fn files_of_two_paths_are_compared() {
    let env = two_versions();
    let told = env.art(["diff", "d:v0", "old.txt", "d", "./new.txt"]).done();
    assert_eq!(
        told,
        "M old.txt => new.txt  8 B -> 6 B\nd:v0 old.txt -> d:v1 ./new.txt: 1 entry differs (1 changed), 8 B -> 6 B, 6 B of it new chunks (100 %)\n"
    );
    let patch = "diff --git a/old.txt b/new.txt\n--- a/old.txt\n+++ b/new.txt\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n";
    assert_eq!(env.art(["diff", "d:v0", "old.txt", "d", "new.txt", "-p"]).done(), patch);
    assert_eq!(env.art(["diff", "d", "old.txt", "d", "new.txt", "-p"]).done(), patch);
    assert_eq!(env.art(["diff", "d", "old.txt", "d", "new.txt", "--name-only"]).done(), "new.txt\n");
    // No grammar stands between a path and what it names.
    let told = env.art(["diff", "d", "a:b~c", "d", "sub/keep", "-p", "--exit-code"]);
    assert_eq!(told.code, Some(1));
    assert!(told.text().ends_with("@@ -1 +1 @@\n-odd\n+same\n"));
}

#[test]
fn equal_files_are_the_same_wherever_they_lie() {
    let env = two_versions();
    let same = env.art(["diff", "d:v0", "sub/keep", "d", "sub/keep", "--exit-code"]);
    assert_eq!(same.done(), "same: d:v0 sub/keep and d:v1 sub/keep\n");
    fs::copy(env.project().join("d/old.txt"), env.project().join("d/copy")).unwrap();
    env.art(["put", "d", "d"]).done();
    assert_eq!(env.art(["diff", "d", "old.txt", "d", "copy", "--exit-code"]).code, Some(0));
}

#[test]
fn json_tells_both_paths() {
    let env = two_versions();
    let value = env.art(["diff", "d:v0", "old.txt", "d", "new.txt", "--json"]).json();
    assert_eq!((&value["left"], &value["right"], &value["changed"]), (&json!("d:v0"), &json!("d:v1"), &json!(1)));
    let entry = &value["entries"][0];
    assert_eq!((&entry["old"]["path"], &entry["new"]["path"]), (&json!("old.txt"), &json!("new.txt")));
    assert_eq!(value["records"], json!([]));
}

#[test]
fn a_symlink_and_a_file_are_what_they_are() {
    let env = two_versions();
    let told = env.art(["diff", "d", "link", "d", "old.txt"]).done();
    assert!(told.starts_with("M link => old.txt  symlink -> 8 B\n"), "{told}");
    let patch = env.art(["diff", "d", "link", "d", "old.txt", "-p"]).done();
    assert!(
        patch.contains("deleted file mode 120000\n--- a/link\n") && patch.contains("new file mode 100644\n--- /dev/null\n+++ b/old.txt\n")
    );
}

#[test]
fn what_is_not_there_is_told() {
    let env = two_versions();
    assert!(env.art(["diff", "d", "old.txt", "d", "nope"]).failed(3).contains("cannot find path 'nope' in d:v1"));
    assert!(env.art(["diff", "d:v0", "new.txt", "d", "new.txt"]).failed(3).contains("cannot find path 'new.txt' in d:v0"));
    assert!(env.art(["diff", "d", "sub", "d", "old.txt"]).failed(1).contains("cannot compare 'sub': it is a directory"));
    assert!(env.art(["diff", "d", "old.txt", "nope", "old.txt"]).failed(3).contains("cannot find artifact 'nope'"));
    assert!(env.art(["diff", "d", "old.txt", "d"]).failed(2).contains("2 values required"));
    assert!(env.art(["diff", "d", "old.txt", "d", "new.txt", "--path", "x"]).failed(2).contains("cannot be used with"));
}
