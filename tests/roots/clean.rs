//! `git clean` right after a put: what was acknowledged comes back.

use std::fs;

use crate::repo::{Repo, kept, packs};
use crate::support::files;

const MODES: [&str; 3] = ["--git=split", "--git=all", "--git=none"];

/// Asserts that some versions of `data` are there and restore, and that nothing is wrong.
#[track_caller]
fn restores(repo: &Repo, count: usize) {
    let project = &repo.project;
    let versions = project.art(["ls", "data", "--json"]).ok().json();
    assert_eq!(versions.as_array().unwrap().len(), count, "{versions}");
    project.art(["fsck", "--deep"]).ok();
    for number in 0..count {
        let (name, dest) = (format!("data:v{number}"), project.outside().join(format!("dest-{number}")));
        let _ = fs::remove_dir_all(&dest);
        project.art(["get".as_ref(), name.as_ref(), dest.as_os_str()]).ok();
        project.art(["verify".as_ref(), name.as_ref(), dest.as_os_str()]).ok();
    }
}

/// Asserts that git is not disturbed.
#[track_caller]
fn git_works(repo: &Repo) {
    let mut add = repo.project.program("git", ["add", "--all", "--verbose"]);
    let added = crate::support::run(&mut add).ok();
    assert_eq!(added.stderr, "");
    assert!(!added.text().contains("keep") && !added.text().contains("packs/.git"), "{}", added.text());
    repo.git(["reset", "--quiet"]);
}

#[test]
fn every_version_comes_back_after_a_clean_right_after_the_put() {
    for mode in MODES {
        for committed in [false, true] {
            for clean in ["-fd", "-fdx"] {
                let repo = Repo::new(&[mode]);
                if !committed {
                    repo.git(["rm", "-r", "--quiet", "--cached", "--ignore-unmatch", "--", ".artifacts"]);
                    repo.git(["commit", "--quiet", "--allow-empty", "-m", "no store"]);
                }
                repo.put_kept(1);
                if committed {
                    repo.commit("one");
                }
                repo.put_kept(2);
                git_works(&repo);
                repo.git(["clean", "--quiet", clean]);
                repo.project.art(["repair"]).ok();
                restores(&repo, 2);
                git_works(&repo);
                assert_eq!(repo.project.art(["repair"]).ok().text(), "nothing to repair\n", "{mode} {committed} {clean}");
            }
        }
    }
}

#[test]
fn the_next_put_puts_back_what_is_gone_and_gives_no_number_twice() {
    for mode in MODES {
        let repo = Repo::new(&[mode]);
        repo.put_kept(1);
        repo.project.art(["alias", "set", "data:v0", "best"]).ok();
        repo.git(["clean", "--quiet", "-fdx"]);
        if mode != "--git=none" {
            assert_eq!(repo.project.art(["ls"]).ok().text(), "");
            let fsck = repo.project.art(["fsck"]);
            assert!(fsck.fails(5).is_empty() && fsck.text().contains("`art repair` puts it back"), "{fsck:?}");
        }
        repo.put_kept(2);
        restores(&repo, 2);
        assert!(repo.project.art(["ls", "data"]).ok().text().contains("best"));
    }
}

#[test]
fn a_repair_tells_what_it_puts_back_and_a_dry_run_does_nothing() {
    let repo = Repo::new(&[]);
    repo.put_kept(1);
    repo.git(["clean", "--quiet", "-fd"]);
    let dry = repo.project.art(["repair", "--dry-run"]).ok().text();
    assert!(dry.contains("would be fetched  refs/data/versions/0.") && dry.contains("from packs/keep"), "{dry}");
    assert_eq!(packs(&repo.project.store(), "refs").len(), 0);
    let done = repo.project.art(["repair", "--json"]).ok().json();
    assert_eq!(done["fetched"].as_array().unwrap().len(), 2, "{done}");
    restores(&repo, 1);
}

#[test]
fn what_a_commit_holds_is_kept_no_longer_and_does_not_come_back_on_another_branch() {
    for mode in &MODES[..2] {
        let repo = Repo::new(&[mode]);
        let kept = || kept(&repo.project.store()).len();
        repo.put_kept(1);
        let of_one = kept();
        assert!(of_one >= 2);
        repo.git(["switch", "--quiet", "-c", "side"]);
        repo.commit("one");
        repo.put_kept(2);
        assert_eq!(kept(), 2 * of_one, "a few are not worth it");
        repo.commit("two");
        repo.git(["switch", "--quiet", "main"]);
        // Neither is here, and both are in a commit of another branch.
        assert_eq!(repo.project.art(["ls"]).ok().text(), "");
        repo.project.art(["fsck"]).ok();
        repo.put_kept(3);
        assert_eq!(kept(), of_one, "what is in no commit yet");
        restores(&repo, 1);
        repo.git(["clean", "--quiet", "-fdx"]);
        repo.project.art(["repair"]).ok();
        restores(&repo, 1);
    }
}

#[test]
fn a_stash_takes_records_away_and_brings_them_back() {
    for mode in &MODES[..2] {
        for option in ["--include-untracked", "--all"] {
            let repo = Repo::new(&[mode]);
            repo.put_kept(1);
            repo.git(["stash", "--quiet", option]);
            assert_eq!(repo.project.art(["ls"]).ok().text(), "");
            // It is in the stash: nobody wants it here.
            repo.project.art(["repair"]).ok();
            assert_eq!(repo.project.art(["ls"]).ok().text(), "");
            repo.git(["stash", "pop", "--quiet"]);
            restores(&repo, 1);
        }
    }
}

#[test]
fn git_goes_on_on_a_branch_without_the_store() {
    for mode in MODES {
        let repo = Repo::new(&[mode]);
        repo.git(["switch", "--quiet", "--orphan", "empty"]);
        repo.git(["commit", "--quiet", "--allow-empty", "-m", "nothing"]);
        repo.git(["switch", "--quiet", "main"]);
        repo.put_kept(1);
        repo.commit("one");
        repo.git(["switch", "--quiet", "empty"]);
        assert_eq!(repo.git(["status", "--porcelain"]), "", "{mode}");
        git_works(&repo);
        repo.git(["worktree", "add", "--quiet", "../linked", "main"]);
        repo.git(["switch", "--quiet", "--detach", "main"]);
        restores(&repo, 1);
    }
}

#[test]
fn a_store_without_the_guard_gets_it_at_the_next_put() {
    for mode in MODES {
        let repo = Repo::new(&[mode]);
        repo.put_kept(1);
        let store = repo.project.store();
        for guard in ["", "packs", "packs/keep"] {
            let _ = fs::remove_dir_all(store.join(guard).join(".git"));
        }
        let _ = fs::remove_dir_all(store.join("packs/keep"));
        fs::write(repo.project.path(".git/info/exclude"), "mine").unwrap();
        if mode == "--git=all" {
            let rules = fs::read_to_string(store.join(".gitignore")).unwrap().replace("/packs/keep/\n", "");
            fs::remove_file(store.join(".gitignore")).unwrap();
            fs::write(store.join(".gitignore"), rules).unwrap();
        }
        repo.put_kept(2);
        git_works(&repo);
        repo.git(["clean", "--quiet", "-fdx"]);
        repo.project.art(["repair"]).ok();
        restores(&repo, 2);
        assert!(fs::read_to_string(repo.project.path(".git/info/exclude")).unwrap().starts_with("mine\n# Of `art`"));
    }
}

#[test]
fn a_guard_that_a_kill_left_unfinished_is_finished_by_the_next_put() {
    for (mode, guard) in MODES.into_iter().zip(["packs", "packs/keep", ""]) {
        let repo = Repo::new(&[mode]);
        repo.put_kept(1);
        let dir = repo.project.store().join(guard).join(".git");
        fs::remove_file(dir.join("HEAD")).unwrap();
        repo.put_kept(2);
        assert!(dir.join("HEAD").exists(), "{mode}");
        repo.git(["clean", "--quiet", "-fdx"]);
        repo.project.art(["repair"]).ok();
        restores(&repo, 2);
    }
}

#[test]
fn the_guard_is_not_made_before_what_is_older_has_its_second_names() {
    let repo = Repo::new(&["--git=split"]);
    repo.put_kept(1);
    let (keep, exclude) = (repo.project.store().join("packs/keep"), repo.project.path(".git/info/exclude"));
    let kept = || fs::read_dir(&keep).map_or(0, Iterator::count);
    let before = kept();
    fs::remove_dir_all(repo.project.store().join("packs/.git")).unwrap();
    fs::remove_dir_all(&keep).unwrap();
    // The guard cannot be made.
    fs::remove_file(&exclude).unwrap();
    fs::create_dir(&exclude).unwrap();
    assert!(repo.project.art(["alias", "set", "data", "best"]).ok().stderr.contains("info/exclude"));
    assert_eq!(kept(), before + 1, "those from before, and the alias");
}

#[test]
fn a_store_whose_mode_changes_takes_its_guard_along() {
    let repo = Repo::new(&["--git=none"]);
    repo.put_kept(1);
    for mode in ["--git=all", "--git=split", "--git=none", "--git=split", "--git=all"] {
        repo.project.art(["init", mode]).ok();
        git_works(&repo);
        repo.git(["clean", "--quiet", "-fdx"]);
        repo.project.art(["repair"]).ok();
        restores(&repo, 1);
    }
    repo.commit("all of it");
    assert!(repo.git(["ls-files"]).contains(".artifacts/packs/"));
}

#[test]
fn the_guard_of_one_mode_stands_until_that_of_the_next_does() {
    let repo = Repo::new(&["--git=all"]);
    repo.put_kept(1);
    let (all, split) = (repo.project.store().join("packs/keep/.git/HEAD"), repo.project.store().join("packs/.git/HEAD"));
    let (exclude, aside) = (repo.project.path(".git/info/exclude"), repo.project.path(".git/info/aside"));
    fs::rename(&exclude, &aside).unwrap();
    fs::create_dir(&exclude).unwrap();
    assert!(repo.project.art(["init", "--git=split"]).fails(1).contains("info/exclude"));
    assert!(all.exists() && !split.exists());
    fs::remove_dir(&exclude).unwrap();
    fs::rename(&aside, &exclude).unwrap();
    fs::hard_link(&exclude, &aside).unwrap();
    let before = fs::read_to_string(&aside).unwrap();
    repo.put_kept(2);
    assert!(!all.exists() && split.exists());
    assert_eq!(fs::read_to_string(&aside).unwrap(), before, "the user's file is replaced, and not written over");
    assert_ne!(fs::read_to_string(&exclude).unwrap(), before);
    // As after a kill: what stood before is there too, and nothing is noted.
    let note = files(&repo.project.store().join("local")).into_iter().find(|path| path.ends_with("kept")).unwrap();
    fs::remove_file(note).unwrap();
    fs::create_dir_all(all.parent().unwrap().join("refs")).unwrap();
    fs::create_dir_all(all.parent().unwrap().join("objects")).unwrap();
    fs::copy(&split, &all).unwrap();
    repo.put_kept(3);
    assert!(!all.exists() && split.exists());
    git_works(&repo);
    repo.git(["clean", "--quiet", "-fdx"]);
    repo.project.art(["repair"]).ok();
    restores(&repo, 3);
}

#[test]
fn gc_keeps_what_was_cleaned_and_removes_what_is_kept_with_it() {
    let repo = Repo::new(&[]);
    repo.put_kept(1);
    repo.git(["clean", "--quiet", "-fd"]);
    let roots = repo.roots();
    assert_eq!(roots.live.len(), 1);
    repo.project.art(["repair"]).ok();
    repo.project.art(["gc", "--prune-now"]).ok();
    restores(&repo, 1);
    repo.project.art(["rm", "data:v0"]).ok();
    repo.project.art(["gc", "--prune-now"]).ok();
    assert_eq!(packs(&repo.project.store(), "meta").len(), 0);
    // The pages that are gone do not come back from their second name.
    repo.project.art(["repair"]).ok();
    assert_eq!(packs(&repo.project.store(), "meta").len(), 0);
    repo.project.art(["fsck"]).ok();
}
