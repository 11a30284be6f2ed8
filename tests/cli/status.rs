//! `art status`

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use serde_json::json;

use crate::env::Env;

/// Asserts what `status` prints with some arguments.
#[track_caller]
fn told(env: &Env, args: &[&str], expected: &str) {
    assert_eq!(env.art([&["status"], args].concat()).done(), expected);
}

#[test]
fn a_store_from_which_nothing_was_put_says_so() {
    let env = Env::new();
    told(&env, &[], "nothing is noted to have been put from here by this copy of the store, or restored there\n");
    assert_eq!(
        env.art(["status", "--json", "--exit-code"]).json(),
        json!({ "same": true, "places": [], "diverged": [], "contested": [], "incomplete": [] })
    );
    assert!(env.art(["status", "data"]).failed(3).contains("cannot find artifact 'data'"));
    env.write("d/a", "1");
    env.art(["put", "data", "d"]).done();
    told(&env, &["other/"], "nothing is noted to have been put from other/ by this copy of the store, or restored there\n");
    assert!(env.art(["status", "./d", "d"]).failed(2).contains("is no name of an artifact"));
    // A copy knows nothing of what was put from another place.
    let copy = env.project().join("copy");
    env.art(["push", "--init", copy.to_str().unwrap()]).done();
    assert!(env.art(["-C", "copy", "status"]).done().starts_with("nothing is noted to have been put from here"));
}

#[test]
fn what_was_put_is_compared_as_the_next_put_would_find_it() {
    let env = Env::new();
    for (path, text) in [("d/a", "1"), ("d/b", "22"), ("d/run.sh", "#!"), ("d/sub/c", "333"), ("d/x.tmp", "t"), ("d/y.log", "l")] {
        env.write(path, text);
    }
    env.write("d/.artignore", "*.log\n");
    symlink("a", env.project().join("d/link")).unwrap();
    fs::create_dir(env.project().join("d/empty")).unwrap();
    env.art(["put", "data", "d", "--ignore", "*.tmp", "--at", "in/side"]).done();
    told(&env, &[], "data:v0  put from d: unchanged\n");
    env.write("d/z.tmp", "t");
    env.write("d/z.log", "l");
    told(&env, &["--exit-code"], "data:v0  put from d: unchanged\n");

    env.write("d/a", "9");
    env.write("d/b", "longer");
    fs::set_permissions(env.project().join("d/run.sh"), PermissionsExt::from_mode(0o755)).unwrap();
    fs::remove_file(env.project().join("d/sub/c")).unwrap();
    fs::remove_file(env.project().join("d/link")).unwrap();
    symlink("b", env.project().join("d/link")).unwrap();
    env.write("d/new", "n");
    let ran = env.art(["status", "--exit-code"]);
    assert_eq!(ran.code, Some(1));
    assert_eq!(
        ran.text(),
        "data:v0  put from d: 6 entries differ\n  M in/side/a       1 B\n  M in/side/b       2 B -> 6 B\n\
         \x20 M in/side/link    symlink\n  A in/side/new     1 B\n  M in/side/run.sh  2 B, mode +x\n  D in/side/sub/c   3 B\n"
    );
    let place = env.art(["status", "--json"]).json()["places"][0].clone();
    assert_eq!((&place["state"], &place["paths"], &place["origin"]), (&json!("changed"), &json!(["d"]), &json!("put")));
    assert_eq!((&place["entries"][0]["path"], &place["entries"][0]["change"]), (&json!("in/side/a"), &json!("changed")));

    // What it tells is what the next put stores.
    env.art(["put", "data", "d", "--ignore", "*.tmp", "--at", "in/side"]).done();
    told(&env, &[], "data:v1  put from d: unchanged\n");
    env.write("d/.artignore", "*.log\nnew\n");
    assert!(env.art(["status"]).done().ends_with("  D in/side/new         1 B\n"));
    // From below, too.
    assert!(env.art(["-C", "d/sub", "status", "data"]).done().starts_with("data:v1  put from d: 2 entries differ\n"));
}

#[test]
fn a_change_that_keeps_size_and_times_of_yore_is_found() {
    let env = Env::new();
    env.write("d/a", "old");
    env.art(["put", "data", "d"]).done();
    let file = env.project().join("d/a");
    let before = fs::metadata(&file).unwrap().modified().unwrap();
    fs::write(&file, "new").unwrap();
    fs::File::options().write(true).open(&file).unwrap().set_modified(before).unwrap();
    told(&env, &[], "data:v0  put from d: 1 entry differs\n  M a  3 B\n");
    // The same bytes written again are no change.
    fs::write(&file, "old").unwrap();
    told(&env, &[], "data:v0  put from d: unchanged\n");
}

#[test]
fn places_that_are_no_directories_are_told_honestly() {
    let env = Env::new();
    env.write("model.bin", "m");
    env.write("d/a", "1");
    env.write("e/b", "2");
    env.art(["put", "model", "model.bin"]).done();
    env.art(["put", "both", "d", "e"]).done();
    env.art(["put", "piped", "-"]).done();
    env.art(["put", "mixed", "d", "--ref", "s3://b/k"]).done();
    // What the base has just so stays in a draft, whoever else has it.
    env.write("f/a", "1");
    env.write("f/b", "not the base's");
    env.art(["put", "draft", "f", "--onto", "both"]).done();
    env.art(["put", "far", "--ref", "s3://b/k"]).done();
    let expected = "both:v0  put from d, e: unchanged\ndraft:v0  put from f: unchanged\n\
                    far:v0  put: not compared: nothing of it was taken from a file here\nmixed:v0  put from d: unchanged\n  (1 reference not compared)\n\
                    model:v0  put from model.bin: unchanged\npiped:v0  put: not compared: nothing of it was taken from a file here\n";
    told(&env, &[], expected);
    told(&env, &["./model.bin"], "model:v0  put from model.bin: unchanged\n");
    told(&env, &["both", "e"], "both:v0  put from d, e: unchanged\n");
    fs::remove_file(env.project().join("f/a")).unwrap();
    fs::remove_file(env.project().join("f/b")).unwrap();
    env.write("f/c", "3");
    told(&env, &["draft"], "draft:v0  put from f: 2 entries differ\n  D b  14 B\n  A c  1 B\n");
    fs::rename(env.project().join("f"), env.project().join("moved")).unwrap();
    let ran = env.art(["status", "draft", "--exit-code"]);
    assert_eq!(
        (ran.code, &ran.text()[..]),
        (Some(1), "draft:v0  put from f: not there\n  (if it was moved, `art diff draft:v0 DIR` compares it there)\n")
    );
    fs::rename(env.project().join("e"), env.project().join("moved-too")).unwrap();
    let some = env.art(["status", "both"]).done();
    assert!(some.starts_with("both:v0  put from d, e: not there: e\n  D b  1 B\n  (if"), "{some}");
}

#[test]
fn a_restored_directory_is_compared_with_its_version() {
    let env = Env::new();
    env.write("d/a", "1");
    env.write("d/sub/b", "2");
    env.art(["put", "data", "d"]).done();
    env.write("d/a", "longer");
    env.art(["put", "data", "d"]).done();
    env.art(["get", "data:v0", "out"]).done();
    told(&env, &[], "data:v1  put from d: unchanged\ndata:v0  restored to out: unchanged\n  (latest is v1)\n");
    env.write("out/a", "2");
    env.write("out/new", "");
    told(&env, &["out/"], "data:v0  restored to out: 2 entries differ\n  M a    1 B\n  A new  0 B\n  (latest is v1)\n");
    // A part of a version, and another part.
    env.art(["get", "data:v0", "part", "--path", "a"]).done();
    env.write("part/other", "");
    told(&env, &["part/"], "data:v0  restored to part: unchanged\n  (latest is v1)\n");
    env.art(["get", "data:v0", "part", "--path", "sub"]).done();
    fs::remove_file(env.project().join("part/sub/b")).unwrap();
    told(&env, &["part/"], "data:v0  restored to part: 1 entry differs\n  D sub/b  1 B\n  (latest is v1)\n");

    // What lies in a directory is what came there last.
    env.art(["checkout", "data:v0", "d"]).done();
    let there = env.art(["status", "data", "d"]).done();
    assert_eq!(
        there,
        "data:v1  put from d: not compared: another version was restored there since\ndata:v0  restored to d: unchanged\n  (latest is v1)\n"
    );
    env.write("d/a", "3");
    env.art(["put", "data", "d"]).done();
    told(&env, &["data", "d"], "data:v2  put from d: unchanged\n");
    fs::remove_dir_all(env.project().join("out")).unwrap();
    assert!(env.art(["status", "--exit-code"]).text().contains("data:v0  restored to out: not there\n"));
    // A directory outside the project is told of while it is there.
    let temp = env.project().parent().unwrap().join("temp");
    env.art(["get", "data:v0", temp.to_str().unwrap()]).done();
    let shown = format!("data:v0  restored to {}: unchanged\n  (latest is v2)\n", temp.canonicalize().unwrap().display());
    told(&env, &[temp.to_str().unwrap()], &shown);
    fs::remove_dir_all(&temp).unwrap();
    assert!(!env.art(["status"]).done().contains("temp"));
    // A dry run, and one that is refused, restore nothing.
    env.art(["checkout", "data:v0", "d", "--dry-run"]).done();
    env.write("d/a", "mine");
    env.art(["checkout", "data:v0", "d"]).failed(1);
    assert_eq!(env.art(["status", "data", "d", "--json"]).json()["places"].as_array().unwrap().len(), 1);
}

#[test]
fn what_other_copies_did_is_told() {
    let env = Env::new();
    let other = Env::new();
    for (env, text) in [(&env, "ours"), (&other, "theirs")] {
        env.write("d/a", text);
        env.art(["put", "data", "d", "--alias", "best"]).done();
    }
    env.art(["sync", other.project().to_str().unwrap()]).done();
    let told = env.art(["status", "--json"]).json()["places"][0].clone();
    assert_eq!((told["state"].as_str(), told["latest"].as_array().unwrap().len()), (Some("same"), 2));
    assert_eq!(told["diverged_aliases"], json!(["best"]));
    let shown = env.art(["status"]).done();
    assert!(
        shown.contains("  (latest has diverged: v0.") && shown.contains("  (alias best has diverged: `art alias ls data`)\n"),
        "{shown}"
    );
    env.art(["rm", told["version"].as_str().map(|version| format!("data:{version}")).unwrap().as_str(), "--force"]).text();
    // Deleted or not, it is what lies there.
    assert_eq!(env.art(["status", "--json"]).json()["places"][0]["state"], "same");
}

#[test]
fn a_store_that_cannot_be_written_to_tells_all_the_same() {
    let env = Env::new();
    env.write("d/a", "1");
    env.art(["put", "data", "d"]).done();
    env.art(["get", "data", "out"]).done();
    let before = crate::env::files(&env.store());
    told(&env, &[], "data:v0  put from d: unchanged\ndata:v0  restored to out: unchanged\n");
    assert_eq!(crate::env::files(&env.store()), before, "status writes nothing");
    // Damaged notes are none.
    for note in before.iter().filter(|path| path.components().any(|part| part.as_os_str() == "put-from")) {
        fs::set_permissions(note, PermissionsExt::from_mode(0o644)).unwrap();
        fs::write(note, "x").unwrap();
    }
    told(&env, &[], "data:v0  restored to out: unchanged\n");
}
