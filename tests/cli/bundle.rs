//! `art bundle`

use std::fs;

use crate::env::Env;

/// Two versions of `data`, and another project beside.
fn history() -> Env {
    let env = Env::new();
    env.write("d/a", "one");
    env.art(["put", "data", "d", "--alias", "best"]).done();
    env.write("d/b", "two");
    env.art(["put", "data", "d"]).done();
    env.write("other/x", "");
    env
}

#[test]
fn a_bundle_is_made_checked_and_unpacked_and_each_step_is_told() {
    let env = history();
    let told = env.art(["bundle", "create", "all.artb"]).done();
    assert!(told.starts_with("made 'all.artb'  ") && told.ends_with(": data:v0, data:v1\n"), "{told}");
    let told = env.art(["bundle", "verify", "all.artb"]).done();
    assert!(told.starts_with("whole: 'all.artb'  ") && told.ends_with(": data:v0, data:v1\n"), "{told}");
    let told = env.art(["-C", "other", "--store", ".artifacts", "bundle", "unpack", "--init", "../all.artb"]).done();
    assert!(told.starts_with("unpacked  ") && told.ends_with(": data:v0, data:v1 from '../all.artb'\n"), "{told}");
    assert_eq!(env.art(["-C", "other", "ls", "data", "--json"]).json(), env.art(["ls", "data", "--json"]).json());
    assert_eq!(env.art(["-C", "other", "bundle", "unpack", "../all.artb"]).done(), "nothing to unpack from '../all.artb'\n");
    env.art(["-C", "other", "fsck", "--deep"]).done();
}

#[test]
fn json_tells_what_is_in_it_and_on_what_it_builds() {
    let env = history();
    let made = env.art(["bundle", "create", "--json", "news.artb", "data", "--since", "data:v0"]).json();
    assert_eq!((&made["path"], &made["versions"][0]["number"], &made["record_count"]), (&"news.artb".into(), &1.into(), &1.into()));
    assert_eq!(made["bundle_bytes"], fs::metadata(env.project().join("news.artb")).unwrap().len());
    assert_eq!((&made["builds_on"][0]["version"], &made["missing_chunks"]), (&"v0".into(), &0.into()));
    let found = env.art(["bundle", "verify", "--json", "news.artb"]).json();
    assert_eq!((&found["ok"], &found["usable"], &found["builds_on"][0]["state"]), (&true.into(), &true.into(), &"here".into()));
    env.art(["bundle", "create", "v0.artb", "data:v0"]).done();
    env.art(["init", "other"]).done();
    let lacking = env.art(["-C", "other", "bundle", "verify", "--json", "../news.artb"]);
    assert_eq!((lacking.code, &lacking.json()["builds_on"][0]["state"]), (Some(1), &"missing".into()));
    env.art(["-C", "other", "bundle", "unpack", "../v0.artb"]).done();
    let told = env.art(["-C", "other", "bundle", "unpack", "--json", "--dry-run", "../news.artb"]).json();
    assert_eq!((&told["dry_run"], &told["pulled"]["versions"][0]["number"]), (&true.into(), &1.into()));
    assert_eq!(env.art(["-C", "other", "ls", "data", "--json"]).json().as_array().unwrap().len(), 1);
}

#[test]
fn what_a_bundle_builds_on_is_named_before_anything_is_written() {
    let env = history();
    env.art(["bundle", "create", "news.artb", "data", "--since", "data:v0"]).done();
    let told = env.art(["-C", "other", "--store", ".artifacts", "bundle", "unpack", "--init", "../news.artb"]);
    assert!(told.failed(1).contains("it builds on 'data:v0'"), "{told:?}");
    assert!(!env.project().join("other/.artifacts").exists());
    env.art(["init", "other"]).done();
    let before = crate::env::files(&env.project().join("other/.artifacts"));
    let told = env.art(["-C", "other", "bundle", "unpack", "../news.artb"]);
    assert!(told.failed(1).contains("builds on versions that this store lacks:\n  data:v0 ("), "{told:?}");
    assert!(told.stderr.contains("hint: unpack the bundle that has them first"), "{told:?}");
    assert_eq!(crate::env::files(&env.project().join("other/.artifacts")), before);
}

#[test]
fn a_file_that_is_there_stays_unless_forced_and_what_is_no_bundle_is_told() {
    let env = history();
    env.write("x.artb", "precious");
    assert!(env.art(["bundle", "create", "x.artb"]).failed(1).contains("it is there already\nhint: `--force`"));
    assert_eq!(fs::read(env.project().join("x.artb")).unwrap(), b"precious");
    assert!(env.art(["bundle", "verify", "x.artb"]).failed(5).contains("'x.artb' is not a bundle"));
    assert!(env.art(["bundle", "unpack", "x.artb"]).failed(5).contains("'x.artb' is not a bundle"));
    assert!(env.art(["bundle", "unpack", "gone.artb"]).failed(3).contains("cannot find bundle 'gone.artb'"));
    env.art(["bundle", "create", "--force", "x.artb"]).done();
    env.art(["bundle", "verify", "x.artb"]).done();
    assert!(env.art(["bundle", "create", "y.artb", "nothing"]).failed(3).contains("'nothing'"));
    assert!(env.art(["bundle", "create", "y.artb", "--since", "data:v9"]).failed(3).contains("'data:v9'"));
    assert!(env.art(["bundle", "create", "y.artb", "--all"]).failed(2).contains("required"));
    let left: Vec<_> = fs::read_dir(env.project()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_str().unwrap().starts_with(".art-")), "{left:?}");
}

#[test]
fn through_a_pipe_nothing_but_the_bundle_goes() {
    let env = history();
    let made = env.art(["bundle", "create", "-", "data:v0"]);
    assert_eq!((made.code, &made.stderr[..]), (Some(0), ""));
    env.art(["bundle", "create", "v0.artb", "data:v0"]).done();
    assert_eq!(made.stdout, fs::read(env.project().join("v0.artb")).unwrap());
    let piped =
        env.command("sh").args(["-c", "\"$0\" --store new bundle unpack --init - < v0.artb", env!("CARGO_BIN_EXE_art")]).output().unwrap();
    assert!(piped.status.success() && String::from_utf8_lossy(&piped.stdout).ends_with(": data:v0 from 'standard input'\n"), "{piped:?}");
    let wrong = env.command("sh").args(["-c", "head -c 300 v0.artb | \"$0\" bundle verify -", env!("CARGO_BIN_EXE_art")]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(5), "{wrong:?}");
}
