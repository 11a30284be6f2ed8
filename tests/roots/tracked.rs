//! Files that git tracks in the folder that keeps `git clean` off: it goes in there, and what no commit has
//! comes back all the same.

use crate::repo::{Repo, kept, packs, put_kept_in};
use crate::support::run;

/// Ways from one mode to another that leave files tracked where git is to commit none, with that folder.
const WAYS: [(&str, &str, &str); 3] =
    [("all", "split", ".artifacts/packs"), ("split", "none", ".artifacts"), ("all", "none", ".artifacts")];

/// Whether a guard stands with the second names.
fn is_further_in(repo: &Repo) -> bool {
    repo.project.store().join("packs/keep/.git/HEAD").exists()
}

/// Cleans all that git lets go, and asserts that all versions are whole after what is put next.
#[track_caller]
fn outlives_clean(repo: &Repo, seed: u64) {
    repo.git(["clean", "--quiet", "-fdx"]);
    repo.project.art(["repair"]).ok();
    repo.put_kept(seed);
    let numbers: Vec<u64> = (0..seed).collect();
    assert_eq!(repo.numbers(), numbers);
    for number in numbers {
        let out = repo.project.outside().join(format!("out-{seed}-{number}"));
        repo.project.art(["get", &format!("data:v{number}"), out.to_str().unwrap()]).ok();
    }
    repo.project.art(["fsck", "--deep"]).ok();
}

#[test]
fn after_a_change_of_mode_nothing_is_lost_to_a_clean() {
    for (from, to, folder) in WAYS {
        let repo = Repo::new(&[&format!("--git={from}")]);
        repo.put_kept(1);
        repo.commit("one");
        repo.put_kept(2);
        let told = repo.project.art(["init", &format!("--git={to}")]);
        assert!(told.code == Some(0) && told.stderr.contains("git rm -r --quiet --cached -- "), "{from} {to}: {}", told.stderr);
        outlives_clean(&repo, 3);
        outlives_clean(&repo, 4);
        // What is committed is as it was; nothing that git is not to have came to it.
        repo.commit("four");
        let tracked = repo.git(["ls-files", folder]).lines().count();
        assert!(is_further_in(&repo), "{from} {to}");
        repo.git(["rm", "-r", "--quiet", "--cached", "--", folder]);
        repo.git(["commit", "--quiet", "-m", "take data out of git"]);
        outlives_clean(&repo, 5);
        assert!(!is_further_in(&repo) && tracked > 0, "{from} {to}");
        // Second names of what the guard holds again are given up.
        let store = repo.project.store();
        let kept: Vec<_> = kept(&store).iter().filter_map(|path| path.file_name().map(ToOwned::to_owned)).collect();
        assert!(packs(&store, "packs").iter().all(|pack| !kept.contains(&pack.file_name().unwrap().to_owned())), "{from} {to}");
        outlives_clean(&repo, 6);
        assert_eq!(repo.project.art(["init", &format!("--git={to}")]).ok().stderr, "", "{from} {to}");
    }
}

#[test]
fn a_merge_that_brings_tracked_packs_is_seen_by_the_next_writer() {
    let repo = Repo::new(&["--git=all"]);
    repo.git(["switch", "--quiet", "--create", "all"]);
    repo.put_kept(1);
    repo.commit("with packs");
    repo.git(["switch", "--quiet", "main"]);
    repo.project.art(["init", "--git=split"]).ok();
    repo.commit("without packs");
    repo.git(["merge", "--quiet", "-m", "both", "all"]);
    repo.put_kept(2);
    assert!(is_further_in(&repo));
    outlives_clean(&repo, 3);
}

#[test]
fn what_the_main_worktree_tracks_is_seen_in_a_linked_one() {
    let repo = Repo::new(&["--git=all"]);
    repo.put_kept(1);
    repo.commit("one");
    repo.project.art(["init", "--git=split"]).ok();
    repo.commit("split");
    let dir = repo.project.outside().join("linked");
    repo.git(["worktree", "add", "--quiet", dir.to_str().unwrap()]);
    put_kept_in(&repo.project, &dir, 2);
    repo.git(["clean", "--quiet", "-fdx"]);
    repo.git_in(&dir, ["clean", "--quiet", "-fdx"]);
    run(repo.project.command(["repair"]).current_dir(&dir)).ok();
    for version in ["data:v0", "data:v1"] {
        run(repo.project.command(["get", version, version]).current_dir(&dir)).ok();
    }
}

#[test]
fn a_repo_that_is_made_anew_round_a_store_can_add_all() {
    for mode in ["--git=split", "--git=all", "--git=none"] {
        let repo = Repo::new(&[mode]);
        repo.put_kept(1);
        std::fs::remove_dir_all(repo.project.root().join(".git")).unwrap();
        repo.git(["init", "--quiet", "--initial-branch=main"]);
        repo.put_kept(2);
        let _ = std::fs::remove_file(repo.project.store().join(".gitignore"));
        repo.git(["add", "--all"]);
        outlives_clean(&repo, 3);
    }
}

#[test]
fn a_put_warns_where_git_tracks_second_names() {
    let repo = Repo::new(&[]);
    repo.put_kept(1);
    std::fs::remove_dir_all(repo.project.store().join("packs/.git")).unwrap();
    repo.git(["add", "--force", ".artifacts/packs/keep"]);
    repo.project.write("more", "more");
    for command in [&["put", "data", "more"][..], &["tag", "add", "data:v0", "x"]] {
        let told = repo.project.art(command);
        assert!(told.code == Some(0) && told.stderr.contains("art doctor"), "{}", told.stderr);
    }
    assert!(repo.project.art(["init"]).fails(1).contains("art doctor"));
    assert!(repo.project.art(["doctor", "--json"]).text().contains("tracked-files"));
}

#[test]
fn what_worktrees_of_a_bare_repo_track_is_kept_where_they_share_it() {
    let repo = Repo { project: crate::support::Project::bare() };
    repo.git(["init", "--quiet", "--bare", "../bare"]);
    let bare = repo.project.outside().join("bare");
    repo.git_in(&bare, ["worktree", "add", "--quiet", "--orphan", "-b", "main", "../tree"]);
    let dir = repo.project.outside().join("tree");
    let art = |args: &[&str]| run(repo.project.command(args).current_dir(&dir)).ok().text();
    let git = |args: &[&str]| repo.git_in(&dir, args);
    art(&["init", "--git=all"]);
    put_kept_in(&repo.project, &dir, 1);
    git(&["add", "--all"]);
    git(&["commit", "--quiet", "-m", "one"]);
    art(&["init", "--git=split"]);
    put_kept_in(&repo.project, &dir, 2);
    git(&["clean", "--quiet", "-fdx"]);
    art(&["repair"]);
    put_kept_in(&repo.project, &dir, 3);
    art(&["fsck", "--deep"]);
    for version in ["data:v0", "data:v1", "data:v2"] {
        art(&["get", version, version]);
    }
}

#[test]
fn packs_that_lie_in_another_worktree_alone_keep_their_second_names() {
    let repo = Repo { project: crate::support::Project::bare() };
    repo.git(["init", "--quiet", "--initial-branch=main"]);
    repo.git(["commit", "--quiet", "--allow-empty", "-m", "nothing"]);
    repo.git(["worktree", "add", "--quiet", "-b", "other", "../linked"]);
    let dir = repo.project.outside().join("linked");
    let art = |args: &[&str]| run(repo.project.command(args).current_dir(&dir));
    art(&["init", "--git=all"]).ok();
    put_kept_in(&repo.project, &dir, 1);
    repo.git_in(&dir, ["add", "--all"]);
    repo.git_in(&dir, ["commit", "--quiet", "-m", "one"]);
    put_kept_in(&repo.project, &dir, 2);
    art(&["init", "--git=split"]);
    repo.git_in(&dir, ["commit", "--quiet", "--all", "-m", "split"]);
    put_kept_in(&repo.project, &dir, 3);
    repo.git(["checkout", "--quiet", "other", "--", ".artifacts/format", ".artifacts/.gitignore", ".artifacts/.gitattributes"]);
    repo.git(["commit", "--quiet", "-m", "a store"]);
    put_kept_in(&repo.project, &repo.project.root(), 4);
    repo.git_in(&dir, ["clean", "--quiet", "-fdx"]);
    art(&["repair"]).ok();
    for version in ["data:v0", "data:v1", "data:v2"] {
        art(&["get", version, version]).ok();
    }
}
