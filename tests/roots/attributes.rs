//! What a repo does to its files must not reach a store: rules that ignore, filters, line ends, merge
//! drivers. After a commit and a clone all bytes are as they were.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::repo::{Repo, kept, put_kept_in};
use crate::support::{files, run};

/// What a repo may say of all its files, and whether it changes the file beside the store.
const RULES: [(&str, bool); 5] = [
    ("* text=auto\n", true),
    ("* text eol=crlf\n", true),
    ("* filter=lfs diff=lfs merge=lfs -text\n", true),
    ("* merge=union\n", true),
    ("*.bin binary\n* text=auto ident working-tree-encoding=UTF-8\n.artifacts/** filter=lfs text eol=crlf\n", true),
];

/// A filter as git-lfs installs one, but this one harms what goes through it; and a machine that
/// changes line ends.
const CONFIG: &str =
    "[core]\n\tautocrlf = true\n\tsafecrlf = false\n[filter \"lfs\"]\n\tclean = tr a-z A-Z\n\tsmudge = tr A-Z a-z\n\trequired = true\n";

/// Returns the bytes of all that a store shares with its clones.
fn shared(store: &Path, with_packs: bool) -> BTreeMap<PathBuf, Vec<u8>> {
    let private = ["local", "quarantine", "packs/.git", "packs/keep"];
    let is_shared = |path: &Path| private.iter().all(|dir| !path.starts_with(dir)) && (with_packs || !path.starts_with("packs"));
    let all = files(store).into_iter().map(|path| (path.strip_prefix(store).unwrap().to_owned(), path));
    all.filter(|(path, _)| is_shared(path)).map(|(path, file)| (path, fs::read(file).unwrap())).collect()
}

fn copy_packs(from: &Path, to: &Path) {
    for (path, bytes) in shared(from, true).into_iter().filter(|(path, _)| path.starts_with("packs")) {
        fs::create_dir_all(to.join(&path).parent().unwrap()).unwrap();
        fs::write(to.join(path), bytes).unwrap();
    }
}

#[test]
fn no_rule_of_the_repo_changes_a_byte_between_a_commit_and_a_clone() {
    for (rules, changes) in RULES {
        for mode in ["--git=split", "--git=all"] {
            let repo = Repo::new(&[mode]);
            let project = &repo.project;
            fs::write(project.outside().join("home/gitconfig"), CONFIG).unwrap();
            project.write(".gitignore", "*.bin\ncache/\npacks\nmeta/\nv*\n[0-9]*\n");
            project.write(".gitattributes", rules);
            project.write("notes.txt", "some Text\r\nwith mixed\nEnds\n");
            project.write("d/a.bin", "some Text\r\nwith mixed\nEnds $Id$\n".repeat(50));
            project.write("d/cache/b.txt", "More\r\n".repeat(100));
            project.art(["put", "data", "d", "-m", "two lines\nof Text", "--alias", "best", "--tag", "x"]).ok();
            project.art(["run", "exec", "--", "true"]).ok();
            repo.put_kept(1);
            project.art(["rm", "data:v1"]).ok();
            repo.commit("all of it");
            repo.git(["clone", "--quiet", ".", "../clone"]);
            let (store, clone) = (project.store(), project.outside().join("clone/.artifacts"));
            assert_eq!(shared(&clone, mode == "--git=all"), shared(&store, mode == "--git=all"), "{mode} {rules}");
            // That it is no matter of a repo which does nothing.
            let notes = |dir: &Path| fs::read(dir.join("notes.txt")).unwrap();
            assert_eq!(notes(&project.root()) != notes(clone.parent().unwrap()), changes, "{rules}");
            copy_packs(&store, &clone);
            let art = |args: &[&str]| run(project.command(args).current_dir(clone.parent().unwrap()));
            art(&["fsck", "--deep"]).ok();
            art(&["get", "data:best", "out"]).ok();
            assert_eq!(fs::read(clone.join("../out/a.bin")).unwrap(), project.read("d/a.bin"));
            assert_eq!(repo.git_in(clone.parent().unwrap(), ["status", "--porcelain", "--", ".artifacts"]), "");
        }
    }
}

#[test]
fn two_branches_merge_without_a_conflict_and_without_a_line_of_the_other() {
    for rules in ["* merge=union\n", "* merge=lfs filter=lfs\n"] {
        let repo = Repo::new(&["--git=all"]);
        let project = &repo.project;
        fs::write(project.outside().join("home/gitconfig"), CONFIG).unwrap();
        project.write(".gitattributes", rules);
        repo.put_kept(0);
        repo.commit("one");
        repo.git(["worktree", "add", "--quiet", "-b", "side", "../side"]);
        let side = project.outside().join("side");
        for (dir, seed) in [(project.root(), 1), (side.clone(), 2)] {
            put_kept_in(project, &dir, seed);
            let alias = run(project.command(["alias", "set", "data:v1", "best"]).current_dir(&dir));
            alias.ok();
            repo.git_in(&dir, ["add", "--all"]);
            repo.git_in(&dir, ["commit", "--quiet", "-m", "two"]);
        }
        let mut all = shared(&project.store(), true);
        all.extend(shared(&side.join(".artifacts"), true));
        repo.git(["merge", "--quiet", "-m", "both", "side"]);
        assert_eq!(shared(&project.store(), true), all, "{rules}");
        project.art(["fsck", "--deep"]).ok();
        assert_eq!(project.art(["ls", "data", "--json"]).ok().json().as_array().unwrap().len(), 3);
        // Those that the commit holds go when there are enough of them.
        repo.put_kept(3);
        assert_eq!(kept(&project.store()).len(), 10);
    }
}
