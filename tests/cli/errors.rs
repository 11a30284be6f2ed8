//! What bad input gets: message, hint, exit code, as text and as JSON.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::env::Env;

#[test]
fn without_a_store_the_hint_is_init() {
    let env = Env::bare();
    for args in [&["ls"][..], &["show", "d"], &["fsck"], &["cat", "d", "x"], &["alias", "set", "d", "best"], &["rev-parse", "d"]] {
        let ran = env.art(args);
        let stderr = ran.failed(3);
        assert!(stderr.starts_with("error: cannot find a store") && stderr.contains("hint: ") && stderr.contains("`art init`"), "{stderr}");
    }
}

#[test]
fn under_json_an_error_is_the_last_line_of_standard_error() {
    let env = Env::bare();
    let ran = env.art(["ls", "--json"]);
    let error: Value = serde_json::from_str(ran.failed(3).lines().last().unwrap()).unwrap();
    assert_eq!(error["exit_code"], 3);
    assert!(error["error"].as_str().unwrap().starts_with("cannot find a store") && error["hint"].as_str().unwrap().contains("art init"));

    let ran = env.art(["--json", "ls", "--nonsense"]);
    let error: Value = serde_json::from_str(ran.failed(2)).unwrap();
    assert_eq!(error["exit_code"], 2);
    assert!(error["error"].as_str().unwrap().contains("--nonsense"));
}

#[test]
fn usage_errors_exit_2() {
    let env = Env::new();
    let cases = [
        &["nonsense"][..],
        &["ls", "--nonsense"],
        &["show"],
        &["show", "a b"],
        &["show", "d:v03"],
        &["ls", "d@12"],
        &["cat", "d", "../x"],
        &["cat-object", "12"],
    ];
    for args in cases {
        // A bad path is told only once there is a version to look into.
        let ran = env.art(args);
        assert_eq!(ran.code, Some(2), "{args:?} {ran:?}");
        assert!(ran.stderr.starts_with("error: ") && ran.stdout.is_empty(), "{ran:?}");
    }
    assert!(env.art(["show", "d:v3.zz"]).failed(2).contains("hint: a ref is"));
}

#[test]
fn help_is_printed_to_standard_output_and_its_lack_to_standard_error() {
    let env = Env::bare();
    assert!(env.art(["--help"]).done().contains("Usage: art"));
    assert!(env.art(["--version"]).done().starts_with("art "));
    assert!(env.art::<&str>([]).failed(2).contains("Usage: art"));
}

#[test]
fn what_is_not_there_exits_3_and_says_what_is() {
    let env = Env::new();
    assert!(env.art(["ls", "d"]).failed(3).contains("nothing is stored here yet"));
    env.write("x", "1");
    env.art(["put", "data", "x"]).done();
    assert_eq!(env.art(["show", "d"]).failed(3), "error: cannot find artifact 'd'\nhint: `art ls` lists all; there are `data`\n");
    assert_eq!(
        env.art(["show", "data:v7"]).failed(3),
        "error: cannot find version 'data:v7'\nhint: the newest is `data:v0`; `art ls data` lists all\n"
    );
    assert_eq!(
        env.art(["ls", "data", "nope"]).failed(3),
        "error: cannot find path 'nope' in data:v0\nhint: `art ls data:v0` lists what is there\n"
    );
}

#[test]
fn newer_and_damaged_stores_exit_5() {
    let env = Env::new();
    let format = env.store().join("format");
    for (content, message) in [("artstore 2\n", "newer than this program"), ("nonsense", "is damaged")] {
        fs::remove_file(&format).unwrap();
        fs::write(&format, content).unwrap();
        assert!(env.art(["ls"]).failed(5).contains(message));
        assert!(env.art(["init"]).failed(5).contains(message));
    }
    fs::remove_file(&format).unwrap();
    assert!(env.art(["ls"]).failed(5).contains("is not a store"));
}

#[test]
fn the_store_is_found_from_below_and_by_name() {
    let env = Env::new();
    env.write("sub/x", "1");
    env.art(["-C", "sub", "put", "d", "x"]).done();
    for args in [
        &["-C", "sub", "rev-parse", "d"][..],
        &["--store", ".artifacts", "rev-parse", "d"],
        &["-C", "/", "--store", env.project().to_str().unwrap(), "rev-parse", "d"],
    ] {
        assert_eq!(env.art(args).done().trim().len(), 64, "{args:?}");
    }
    let by_env = env.run(env.command(env!("CARGO_BIN_EXE_art")).args(["-C", "/", "ls", "--json"]).env("ART_STORE", env.store()));
    assert_eq!(by_env.json()[0]["artifact"], "d");
    assert!(env.art(["--store", "nowhere", "ls"]).failed(3).contains("'nowhere'"));
    assert!(env.art(["-C", "nowhere", "ls"]).failed(1).contains("cannot change to directory 'nowhere'"));
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let env = Env::new();
    env.write("big", vec![7; 4 << 20]);
    env.art(["put", "d", "big"]).done();
    let mut child =
        env.command(env!("CARGO_BIN_EXE_art")).args(["cat", "d", "big"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &output.stderr[..]), (Some(0), &b""[..]));
}

#[test]
fn warnings_are_json_lines_under_json() {
    let env = Env::new();
    env.write("d/x", "1");
    symlink("/dev/null", env.project().join("d/link")).unwrap();
    env.write("record", "damaged");
    env.art(["put", "d", "d", "--keep-links"]);
    let versions = env.store().join("refs/d/versions");
    fs::copy(env.project().join("record"), versions.join("7.0123456789abcdef")).unwrap();
    let ran = env.art(["ls", "--json"]);
    assert_eq!(ran.code, Some(0));
    let warning: Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(warning, json!({ "warning": "record 'refs/d/versions/7.0123456789abcdef' is damaged: its bytes do not match its name" }));
    assert_eq!(env.art(["show", "d:v7"]).code, Some(5));
    assert!(env.art(["ls"]).stderr.starts_with("warning: record 'refs/d/versions/7."));
}

#[test]
fn a_full_output_is_told() {
    let env = Env::new();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = env.command(env!("CARGO_BIN_EXE_art")).args(["count-objects"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(7));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("error: cannot write to standard output\n  caused by: "));
}
