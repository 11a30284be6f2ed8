//! What git ignores and alters, and what keeps `git clean` off.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::{commit, committed, findings, git, kinds, mends, mends_in, put};
use crate::env::Env;

#[test]
fn what_git_ignores_is_told_with_the_rule_and_taken_back() {
    for (file, rules, line) in [(".gitignore", "x\n.artifacts/", 2), (".git/info/exclude", ".art*\n", 1)] {
        for mode in ["split", "all"] {
            let env = committed(mode);
            env.write(file, rules);
            let told = mends(&env, "ignored-files", "");
            let message = told["message"].as_str().unwrap();
            let end = format!("in '{file}', line {line}");
            assert!(message.ends_with(&end) && message.contains(", such as '.artifacts/format': '.art"), "{message}");
        }
    }
}

#[test]
fn rules_in_the_store_itself_are_taken_away() {
    let env = committed("split");
    env.write(".artifacts/refs/.gitignore", "v*\n");
    let told = mends(&env, "ignored-files", "");
    assert!(told["message"].as_str().unwrap().contains("1 file of the store"), "{told}");
    assert!(!env.store().join("refs/.gitignore").exists());

    fs::remove_file(env.store().join(".gitignore")).unwrap();
    env.write(".artifacts/.gitignore", "/local/\n/meta/\n");
    assert_eq!(kinds(&env, ".")[..2], ["rules-changed", "ignored-files"]);
    mends(&env, "ignored-files", "");
    assert_eq!(kinds(&env, "."), [""; 0]);
}

#[test]
fn a_project_that_is_ignored_as_a_whole_is_told_with_the_line_to_take_out() {
    let env = Env::bare();
    git(&env, &["init", "-q"]);
    env.write(".gitignore", "x\n/sub/*\n");
    env.write("sub/one project/file", "");
    assert!(env.art(["init", "sub/one project"]).stderr.contains("ignores the store as a whole"));
    let told = mends_in(&env, "sub/one project", "ignored-files", "");
    assert!(told["message"].as_str().unwrap().ends_with("'/sub/*' in '../../.gitignore', line 2"), "{told}");
    assert_eq!(fs::read_to_string(env.project().join(".gitignore")).unwrap(), "x\n");
}

#[test]
fn what_git_would_alter_is_told_with_the_attribute_and_protected() {
    let cases = [
        ("* filter=lfs\n", "its attribute `filter` is lfs"),
        ("* text=auto\n", "its attribute `text` is auto"),
        ("* !text eol=crlf\n", "its attribute `eol` is crlf"),
        ("* ident\n", "its attribute `ident` is set"),
        ("* working-tree-encoding=UTF-16\n", "its attribute `working-tree-encoding` is UTF-16"),
    ];
    for (rules, why) in cases {
        for file in [".git/info/attributes", ".artifacts/meta/.gitattributes"] {
            let env = committed("split");
            env.write(file, rules);
            let told = mends(&env, "altered-files", "");
            assert!(told["message"].as_str().unwrap().ends_with(why), "{told}");
        }
    }
}

#[test]
fn a_store_without_its_rules_gets_them_again() {
    let env = committed("all");
    fs::remove_file(env.store().join(".gitignore")).unwrap();
    mends(&env, "rules-missing", "");
    assert_eq!(git(&env, &["status", "--porcelain"]), "", "the mode is told by the guard");

    // Where only the working tree lacks it git takes the one of its index.
    git(&env, &["rm", "-q", ".artifacts/.gitattributes"]);
    env.write(".gitattributes", "* text\n");
    assert_eq!(kinds(&env, "."), ["rules-missing", "altered-files"]);
    mends(&env, "rules-missing", "");
    commit(&env);
    assert_eq!(kinds(&env, "."), [""; 0]);

    fs::remove_file(env.store().join(".gitattributes")).unwrap();
    env.write(".artifacts/.gitattributes", "* -text\n");
    assert_eq!(kinds(&env, "."), ["rules-changed"]);
    mends(&env, "rules-changed", "");
    git(&env, &["rm", "-q", ".gitattributes"]);
    git(&env, &["config", "core.autocrlf", "input"]);
    fs::remove_file(env.store().join(".gitattributes")).unwrap();
    env.write(".artifacts/.gitattributes", "");
    let found = findings(&env, ".");
    assert!(found[0]["message"].as_str().unwrap().ends_with("the setting `core.autocrlf` holds for it"), "{found:?}");
    mends(&env, "altered-files", "");
    assert_eq!(kinds(&env, "."), [""; 0]);
}

#[test]
fn rules_that_somebody_added_to_are_advice() {
    let env = committed("split");
    let rules = fs::read_to_string(env.store().join(".gitignore")).unwrap();
    fs::remove_file(env.store().join(".gitignore")).unwrap();
    env.write(".artifacts/.gitignore", rules + "*.swp\n");
    assert_eq!(mends(&env, "rules-changed", "")["severity"], "advice");
}

#[test]
fn rules_that_are_no_file_are_told_and_replaced() {
    let env = committed("all");
    let rules = env.store().join(".gitignore");
    let before = fs::read(&rules).unwrap();
    let make: [fn(&Path); 3] = [
        |path| fs::create_dir(path).unwrap(),
        |path| symlink("/dev/zero", path).unwrap(),
        |path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success()),
    ];
    for make in make {
        fs::remove_file(&rules).unwrap();
        make(&rules);
        assert!(env.art(["put", "data", "."]).failed(1).contains("`art doctor`"));
        let told = mends(&env, "rules-changed", "");
        assert!(told["message"].as_str().unwrap().starts_with("nothing can be stored: '.artifacts/.gitignore'"), "{told}");
        assert_eq!(fs::read(&rules).unwrap(), before);
    }
    // Such a link may come with a clone, where `init` comes first.
    for name in [".gitignore", ".gitattributes"] {
        fs::remove_file(env.store().join(name)).unwrap();
        symlink("/dev/zero", env.store().join(name)).unwrap();
    }
    env.art(["init"]).done();
    assert_eq!(kinds(&env, "."), [""; 0]);
}

#[test]
fn a_store_that_git_clean_would_take_is_told_and_guarded() {
    for (mode, guard) in [("split", "packs"), ("all", "packs/keep"), ("none", "")] {
        let env = committed(mode);
        put(&env, "two");
        let git_dir = env.store().join(guard).join(".git");
        fs::remove_dir_all(&git_dir).unwrap();
        mends(&env, "unguarded", "");
        assert!(git_dir.join("HEAD").exists());
        git(&env, &["clean", "-q", "-fdx"]);
        env.art(["repair"]);
        assert_eq!(env.art(["ls", "d", "--json"]).json().as_array().unwrap().len(), 2, "{mode}");

        fs::write(env.project().join(".git/info/exclude"), "").unwrap();
        mends(&env, "not-excluded", "");

        fs::remove_dir_all(&git_dir).unwrap();
        git(&env, &["init", "-q", git_dir.parent().unwrap().to_str().unwrap()]);
        let told = mends(&env, "unguarded", "../own-git");
        assert!(told["message"].as_str().unwrap().ends_with("/.git' is a repo of its own"), "{told}");
        assert!(env.project().join("../own-git/config").exists());
    }
}

#[test]
fn a_guard_that_is_left_from_another_mode_is_taken_away() {
    let env = committed("split");
    let rules = |mode: &str| {
        let other = Env::bare();
        other.art(["init", "--git", mode]).done();
        fs::read(other.store().join(".gitignore")).unwrap()
    };
    // As a pull brings it.
    fs::remove_file(env.store().join(".gitignore")).unwrap();
    env.write(".artifacts/.gitignore", rules("all"));
    assert_eq!(env.git(["add", "."]).code, Some(128));
    let told = mends(&env, "misplaced-guard", "");
    assert!(told["message"].as_str().unwrap().starts_with("`git add` would fail at '.artifacts/packs': "), "{told}");
    commit(&env);
    assert_eq!(kinds(&env, "."), [""; 0]);
    assert!(git(&env, &["ls-files"]).contains(".artifacts/packs/"));
}

#[test]
fn where_nothing_can_get_lost_no_guard_is_missed() {
    let env = committed("split");
    commit(&env);
    git(&env, &["clone", "-q", ".", "clone"]);
    assert_eq!(kinds(&env, "clone"), ["incomplete-versions"]);
}

#[test]
fn a_linked_worktree_is_as_healthy_as_the_main_one() {
    for mode in ["split", "all"] {
        let env = committed(mode);
        git(&env, &["worktree", "add", "-q", "../linked"]);
        assert_eq!(kinds(&env, "../linked"), [""; 0], "{mode}");
        env.write("../data/file", "two");
        env.art(["-C", "../linked", "put", "d", "../data"]);
        assert_eq!(kinds(&env, "../linked"), ["uncommitted-files"], "{mode}");
        git(&env, &["-C", "../linked", "add", "-A"]);
        git(&env, &["-C", "../linked", "commit", "-q", "-m", "x"]);
        for dir in [".", "../linked"] {
            assert_eq!(kinds(&env, dir), [""; 0], "{mode} {dir}");
        }
    }
}
