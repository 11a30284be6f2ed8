//! `art doctor`: each finding is made, told, and mended by the command that it names.

mod repo;
mod rules;
mod store;

use serde_json::Value;

use crate::env::Env;

/// A project in a git repo with one version, all of it committed that the mode commits.
fn committed(mode: &str) -> Env {
    let env = Env::bare();
    git(&env, &["init", "-q", "-b", "main"]);
    env.write("code", "code\n");
    env.art(["init", "--git", mode]).done();
    put(&env, "one");
    commit(&env);
    env
}

/// Stores a version of `d`.
fn put(env: &Env, content: &str) {
    env.write("data/file", content);
    env.art(["put", "d", "data"]).done();
    std::fs::remove_dir_all(env.project().join("data")).unwrap();
}

fn commit(env: &Env) {
    git(env, &["add", "-A"]);
    git(env, &["commit", "-q", "--allow-empty", "-m", "all"]);
}

#[track_caller]
fn git(env: &Env, args: &[&str]) -> String {
    let ran = env.git(args);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.text()
}

/// What is found in a directory of the project: severities, kinds and the commands.
#[track_caller]
fn findings(env: &Env, dir: &str) -> Vec<Value> {
    let ran = env.art(["-C", dir, "doctor", "--json"]);
    let json = ran.json();
    let findings = json["findings"].as_array().unwrap().clone();
    let ok = findings.iter().all(|finding| finding["severity"] == "advice");
    assert_eq!((&json["ok"], ran.code, &ran.stderr[..]), (&Value::from(ok), Some(if ok { 0 } else { 1 }), ""));
    findings
}

#[track_caller]
fn kinds(env: &Env, dir: &str) -> Vec<String> {
    findings(env, dir).iter().map(|finding| finding["kind"].as_str().unwrap().to_owned()).collect()
}

/// Asserts that something is found and nothing else, runs the command that mends it, with another copy for
/// `DIR`, and asserts that it is mended. Returns what was told.
#[track_caller]
fn mends(env: &Env, kind: &str, other: &str) -> Value {
    mends_in(env, ".", kind, other)
}

#[track_caller]
fn mends_in(env: &Env, dir: &str, kind: &str, other: &str) -> Value {
    let found = findings(env, dir);
    let matching: Vec<&Value> = found.iter().filter(|finding| finding["kind"] == kind).collect();
    let [finding] = matching[..] else { panic!("{kind} in {found:#?}") };
    let mend = finding["mend"].as_str().unwrap().replace("DIR", other);
    let ran = env.run(shell(env, &mend).current_dir(env.project().join(dir)));
    assert_eq!(ran.code, Some(0), "{mend}: {ran:?}");
    let left = findings(env, dir);
    assert!(left.iter().all(|finding| finding["kind"] != kind), "after {mend}: {left:#?}");
    finding.clone()
}

/// Prepares a command for a shell that finds `art`.
fn shell(env: &Env, script: &str) -> std::process::Command {
    let mut command = env.command("sh");
    env.finding_art(command.args(["-c", script]));
    command
}

#[test]
fn a_healthy_store_has_no_finding_with_git_and_without() {
    for mode in ["split", "all", "none"] {
        let env = committed(mode);
        assert_eq!(env.art(["doctor"]).done(), "no problem found\n", "{mode}");
        let json = env.art(["doctor", "--json"]).json();
        assert_eq!((&json["in_git"], &json["mode"]), (&true.into(), &mode.into()));
        assert_eq!(git(&env, &["status", "--porcelain"]), "");
    }
    let env = Env::new();
    put(&env, "one");
    let json = env.art(["doctor", "--json"]).json();
    assert_eq!((&json["in_git"], &json["mode"], &json["findings"]), (&false.into(), &Value::Null, &Value::Array(Vec::new())));
}

#[test]
fn problems_come_first_with_the_command_below_and_where_to_run_it() {
    let env = committed("split");
    put(&env, "two");
    std::fs::remove_dir_all(env.store().join("packs/.git")).unwrap();
    env.write("sub/file", "");
    let ran = env.art(["-C", "sub", "doctor"]);
    let project = std::fs::canonicalize(env.project()).unwrap();
    let expected = format!(
        "problem: `git clean -x` would destroy what was stored: nothing keeps it off\n  mend: art init\n\
         advice: 2 files of the store are in no commit: a clone does not have them\n  \
         mend: git add -- .artifacts && git commit -m 'store versions' -- .artifacts\n\
         hint: the commands are to be run in '{}'\n1 problem found\n",
        project.display()
    );
    assert_eq!((ran.code, ran.text(), &ran.stderr[..]), (Some(1), expected, ""));
}

#[test]
fn a_place_without_a_store_is_none() {
    let env = Env::bare();
    assert!(env.art(["doctor"]).failed(3).contains("cannot find a store"));
}
