//! What the repo has of a store: too much, too large, too little.

use std::fs;

use artstore::Context;
use artstore::format::record::Time;
use artstore::lock::Wait;
use artstore::ops::doctor::{DoctorOptions, DoctorOutcome, Finding, FindingKind, Severity, doctor};
use artstore::progress::Silent;

use super::{commit, committed, findings, git, kinds, mends, mends_in, put, shell};
use crate::env::{Env, files};

/// Changes the mode of a store of which git tracks files that it then shall not have, and asserts that just that is
/// warned of.
#[track_caller]
fn init_beside_tracked(env: &Env, mode: &str) {
    let ran = env.art(["init", "--git", mode]);
    let is_told = ran.stderr.starts_with("warning: git goes on tracking ") && ran.stderr.contains("git rm -r --quiet --cached -- ");
    assert!(ran.code == Some(0) && is_told && ran.stderr.lines().count() == 1, "{ran:?}");
}

#[test]
fn data_that_git_has_against_the_mode_is_taken_out() {
    let env = committed("all");
    init_beside_tracked(&env, "split");
    commit(&env);
    let told = mends(&env, "tracked-files", "");
    assert!(told["message"].as_str().unwrap().contains("git has 1 file, such as '.artifacts/packs/"), "{told}");
    env.art(["cat", "d", "file"]).done();

    let env = committed("split");
    init_beside_tracked(&env, "none");
    mends(&env, "tracked-files", "");
    assert_eq!(git(&env, &["ls-files"]), "code\n");
    env.art(["cat", "d", "file"]).done();
}

#[test]
fn what_no_commit_holds_is_advice() {
    for mode in ["split", "all"] {
        let env = committed(mode);
        put(&env, "two");
        env.write("more code", "");
        git(&env, &["add", "more code"]);
        env.write(".artifacts/notes.txt", "no part of it");
        let count = if mode == "all" { 3 } else { 2 };
        let told = mends(&env, "uncommitted-files", "");
        assert_eq!(told["message"], format!("{count} files of the store are in no commit: a clone does not have them"));
        assert_eq!(git(&env, &["status", "--porcelain"]), "A  \"more code\"\n", "other files are left out");
    }
}

#[test]
fn a_merge_that_is_not_finished_is_told() {
    let env = committed("split");
    git(&env, &["switch", "-q", "-c", "side"]);
    for (branch, text) in [("side", "a"), ("main", "b")] {
        git(&env, &["switch", "-q", branch]);
        env.write("code", text);
        put(&env, text);
        commit(&env);
    }
    assert_eq!(env.git(["merge", "-q", "side"]).code, Some(1));
    // That both branches have made a version of the same number is another thing.
    assert_eq!(kinds(&env, "."), ["ambiguous-version", "under-way"]);
    env.write("code", "c");
    git(&env, &["add", "code"]);
    git(&env, &["config", "core.editor", "true"]);
    assert_eq!(mends(&env, "under-way", "")["severity"], "advice");
}

#[test]
fn a_conflict_in_the_store_is_a_problem() {
    let env = committed("split");
    git(&env, &["switch", "-q", "-c", "side"]);
    for (branch, mode) in [("side", "all"), ("main", "none")] {
        git(&env, &["switch", "-q", branch]);
        if mode == "none" {
            init_beside_tracked(&env, mode)
        } else {
            drop(env.art(["init", "--git", mode]).done())
        }
        git(&env, &["add", "-f", ".artifacts/.gitignore"]);
        git(&env, &["commit", "-q", "-m", mode]);
    }
    assert_eq!(env.git(["merge", "-q", "side"]).code, Some(1));
    let found = findings(&env, ".");
    let told = found.iter().find(|finding| finding["kind"] == "under-way").unwrap();
    assert_eq!(told["severity"], "problem");
    assert!(told["message"].as_str().unwrap().ends_with("1 file of the store to be settled: '.artifacts/.gitignore'"), "{told}");
    env.art(["init", "--git=split"]).done();
    git(&env, &["config", "core.editor", "true"]);
    mends(&env, "under-way", "");
}

#[test]
fn a_clone_in_which_gc_cannot_work_is_told() {
    let env = committed("split");
    put(&env, "two");
    commit(&env);
    let url = format!("file://{}", env.project().display());
    git(&env, &["clone", "-q", "--depth=1", &url, "shallow"]);
    git(&env, &["config", "uploadpack.allowFilter", "true"]);
    git(&env, &["clone", "-q", "--filter=blob:none", &url, "partial"]);
    // A record that only an older commit has.
    git(&env, &["rm", "-q", "-r", ".artifacts/refs"]);
    git(&env, &["commit", "-q", "-m", "none"]);
    git(&env, &["clone", "-q", "--filter=blob:none", &url, "partial-2"]);
    for (dir, kind) in [("shallow", "shallow-clone"), ("partial-2", "partial-clone")] {
        let told = mends_in(&env, dir, kind, "");
        assert_eq!(told["severity"], "advice");
        env.art(["-C", dir, "gc", "--dry-run"]);
    }
    assert_eq!(kinds(&env, "partial"), ["incomplete-versions"], "HEAD has all");
}

#[test]
fn a_repo_that_does_not_tell_is_a_problem_of_its_own() {
    let env = committed("split");
    let tree = git(&env, &["rev-parse", "HEAD:.artifacts/refs"]);
    let object = env.project().join(".git/objects").join(&tree[..2]).join(tree[2..].trim_end());
    fs::remove_file(object).unwrap();
    assert_eq!(kinds(&env, "."), ["unread-history"]);

    env.write(".git/HEAD", "nothing");
    let found = findings(&env, ".");
    assert_eq!((found.len(), &found[0]["kind"]), (1, &"git-failed".into()), "{found:?}");
}

#[test]
fn a_repo_of_another_user_is_told_with_the_setting_that_trusts_it() {
    let env = committed("split");
    let doctor = |env: &Env| {
        let mut command = env.command(env!("CARGO_BIN_EXE_art"));
        env.run(command.args(["doctor", "--json"]).env("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1"))
    };
    let told = doctor(&env).json()["findings"][0].clone();
    assert_eq!(told["kind"], "git-failed");
    assert!(told["message"].as_str().unwrap().ends_with("it belongs to another user"), "{told}");
    assert_eq!(env.run(&mut shell(&env, told["mend"].as_str().unwrap())).code, Some(0));
    assert_eq!(doctor(&env).json()["findings"], serde_json::json!([]));
}

/// Looks with small limits, as files of hosts' limits would be too large for a test.
fn looked(env: &Env, options: DoctorOptions) -> DoctorOutcome {
    let now: Time = serde_json::from_str("\"2026-01-01T00:00:00Z\"").unwrap();
    let context = Context { now, git: None, run: None, threads: 1, wait: Wait::Not, progress: &Silent };
    doctor(&env.store(), &context, &options).unwrap()
}

fn found(outcome: DoctorOutcome, kind: FindingKind) -> Vec<Finding> {
    outcome.findings.into_iter().filter(|finding| finding.kind == kind).collect()
}

#[track_caller]
fn run(env: &Env, finding: &Finding, other: &str) {
    let mend = finding.mend.as_ref().unwrap().replace("DIR", other);
    let ran = env.run(&mut shell(env, &mend));
    assert_eq!(ran.code, Some(0), "{mend}: {ran:?}");
}

#[test]
fn files_that_hosts_refuse_are_told_whether_they_are_committed_or_to_be() {
    let env = committed("split");
    let options = DoctorOptions { file_size_max: 20_000, file_size_warned: 10_000, ..DoctorOptions::default() };
    assert_eq!(looked(&env, options).findings, []);
    env.write(".artifacts/it's large", vec![0; 20_001]);
    git(&env, &["add", "."]);
    env.write(".artifacts/less", vec![0; 20_000]);
    env.write(".artifacts/fine", vec![0; 10_000]);
    env.write(".artifacts/local/ignored", vec![0; 30_000]);
    let large = found(looked(&env, options), FindingKind::LargeFile);
    let severities: Vec<Severity> = large.iter().map(|finding| finding.severity).collect();
    assert_eq!(severities, [Severity::Problem, Severity::Advice], "{large:?}");
    assert!(large[0].message.contains("refuses") && large[1].message.contains("warns of"), "{large:?}");
    large.iter().for_each(|finding| run(&env, finding, ".."));
    assert_eq!(found(looked(&env, options), FindingKind::LargeFile), []);
    assert!(env.project().join("../it's large").exists());
}

#[test]
fn a_push_that_hosts_refuse_is_made_in_parts() {
    let env = committed("all");
    let noise = |seed: u8| {
        let mut bytes = vec![0; 100_000];
        blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
        bytes
    };
    for seed in 0..3 {
        env.write("noise", noise(seed));
        env.art(["put", "n", "noise"]).done();
        commit(&env);
    }
    env.write("noise", noise(3));
    env.art(["put", "n", "noise"]).done();
    let options = DoctorOptions { push_size_max: 400_000, ..DoctorOptions::default() };
    let large = || found(looked(&env, options), FindingKind::LargePush);
    assert_eq!(large()[0].severity, Severity::Advice, "there is nowhere to push to");
    git(&env, &["init", "-q", "--bare", "../remote"]);
    git(&env, &["remote", "add", "origin", "../remote"]);
    assert_eq!(large()[0].severity, Severity::Problem);
    // One of four goes each time, until less than three quarters of what is refused are left.
    run(&env, &large()[0], "");
    assert_eq!(large()[0].severity, Severity::Advice);
    run(&env, &large()[0], "");
    assert_eq!(large(), []);
    assert_ne!(git(&env, &["rev-parse", "origin/main"]), git(&env, &["rev-parse", "main"]));
}

#[test]
fn a_commit_that_is_too_large_to_push_is_made_again_in_parts() {
    let env = committed("all");
    git(&env, &["init", "-q", "--bare", "../remote"]);
    git(&env, &["remote", "add", "origin", "../remote"]);
    git(&env, &["push", "-q", "-u", "origin", "main"]);
    for seed in 0..12u8 {
        let mut bytes = vec![0; 50_000];
        blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
        env.write("noise", bytes);
        env.art(["put", "n", "noise"]).done();
    }
    let packs = || files(&env.store().join("packs")).into_iter().filter(|path| !path.to_str().unwrap().contains("/keep/"));
    let low = packs().filter(|path| path.parent().unwrap().file_name().unwrap().to_str().unwrap() < "80").count();
    assert!((4..=10).contains(&low), "{low}: choose other seeds");
    let options = DoctorOptions { push_size_max: 600_000, ..DoctorOptions::default() };
    let large = || found(looked(&env, options), FindingKind::LargePush);
    // Not committed yet, and then in one commit.
    assert!(large()[0].mend.as_ref().unwrap().starts_with("git add "), "{:?}", large());
    commit(&env);
    assert!(large()[0].mend.as_ref().unwrap().starts_with("git reset "), "{:?}", large());
    run(&env, &large()[0], "");
    assert_eq!(large(), []);
    commit(&env);
    git(&env, &["push", "-q"]);
    git(&env, &["clone", "-q", "../remote", "clone"]);
    env.art(["-C", "clone", "fsck"]).done();
}
