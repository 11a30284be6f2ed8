//! Second names outlive what happens to the rest of the store, to its `.gitignore`, and to git.

use std::cell::Cell;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use artstore::context::Context;
use artstore::lock::Wait;
use artstore::progress::Silent;
use artstore::store::Store;
use artstore::store::session::Session;

use crate::repo::{Repo, kept, packs, put_kept_in};
use crate::support::{Project, files, has_strace, noise, run};

/// How many versions of `data` there are.
fn versions(repo: &Repo) -> usize {
    repo.project.art(["ls", "data", "--json"]).ok().json().as_array().unwrap().len()
}

/// Writes a file anew, as git and other tools do it.
fn write_anew(path: &Path, bytes: &[u8]) {
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Writes it anew without its last byte.
fn tear(path: &Path) {
    let bytes = fs::read(path).unwrap();
    write_anew(path, &bytes[..bytes.len() - 1]);
}

/// Puts a signature, of nobody, into the commit at `HEAD`.
fn sign_head(repo: &Repo) {
    let commit = repo.git(["cat-file", "commit", "HEAD"]);
    let (head, message) = commit.split_once("\n\n").unwrap();
    let signature = "gpgsig -----BEGIN SSH SIGNATURE-----\n U1NIU0lH\n -----END SSH SIGNATURE-----";
    repo.project.write("signed", format!("{head}\n{signature}\n\n{message}\n"));
    let id = repo.git(["hash-object", "-t", "commit", "-w", "signed"]);
    fs::remove_file(repo.project.root().join("signed")).unwrap();
    repo.git(["reset", "--quiet", "--soft", &id]);
}

#[test]
fn a_clean_that_takes_the_rules_of_the_store_loses_nothing() {
    for mode in ["--git=split", "--git=all", "--git=none"] {
        let repo = Repo::new(&[mode]);
        let store = repo.project.store();
        repo.put_kept(1);
        repo.git(["rm", "--quiet", "--cached", "--ignore-unmatch", ".artifacts/.gitignore"]);
        repo.git(["commit", "--quiet", "--allow-empty", "-m", "without rules"]);
        let rules = fs::read(store.join(".gitignore")).unwrap();
        repo.git(["clean", "--quiet", "-fd"]);
        // What git does not commit it does not clean.
        let _ = fs::remove_file(store.join(".gitignore"));
        repo.put_kept(2);
        assert_eq!((versions(&repo), fs::read(store.join(".gitignore")).unwrap() == rules), (2, true), "{mode}");
        repo.git(["clean", "--quiet", "-fdx"]);
        repo.project.art(["repair"]).ok();
        repo.project.art(["fsck", "--deep"]).ok();
        assert_eq!(versions(&repo), 2, "{mode}");
    }
}

#[test]
fn what_is_committed_torn_keeps_its_second_name() {
    let repo = Repo::new(&[]);
    let store = repo.project.store();
    let all = || [files(&store.join("refs/data/versions")), files(&store.join("meta"))].concat();
    repo.put_kept(1);
    all().iter().for_each(|path| tear(path));
    repo.commit("torn");
    repo.put_kept(2);
    assert_eq!(kept(&store).len(), 4, "{:?}", kept(&store));
    repo.project.art(["repair"]).ok();
    repo.project.art(["fsck", "--deep"]).ok();
    // So do those of which a commit has the torn file, at its length or not, and the working tree none.
    for (at_its_length, is_past) in [(false, false), (true, false), (true, true)] {
        for path in all() {
            if at_its_length { write_anew(&path, &vec![0; fs::metadata(&path).unwrap().len() as usize]) } else { tear(&path) }
        }
        repo.commit("torn again");
        all().iter().for_each(|path| fs::remove_file(path).unwrap());
        if is_past {
            repo.commit("gone");
        }
        repo.project.art(["repair"]).ok();
        repo.project.art(["fsck", "--deep"]).ok();
        assert_eq!(versions(&repo), 2);
    }
}

#[test]
fn what_git_holds_is_found_whatever_its_log_is_set_to_show() {
    let settings = [("log.diffMerges", "combined"), ("log.diffMerges", "off"), ("log.showSignature", "true"), ("diff.orderFile", "gone")];
    for (name, value) in settings {
        let repo = Repo::new(&[]);
        repo.git(["switch", "--quiet", "--create", "side"]);
        repo.commit("aside");
        repo.git(["switch", "--quiet", "--create", "other", "main"]);
        repo.git(["merge", "--quiet", "--no-commit", "--no-ff", "side"]);
        repo.put_kept(1);
        repo.git(["add", "--all"]);
        // A merge that itself adds the record, in a commit that says it is signed.
        repo.git(["commit", "--quiet", "--allow-empty", "-m", "merged"]);
        sign_head(&repo);
        repo.git(["config", name, value]);
        repo.git(["switch", "--quiet", "main"]);
        repo.put_kept(2);
        assert_eq!((versions(&repo), kept(&repo.project.store()).len()), (1, 2), "{name}={value}");
        repo.git(["switch", "--quiet", "other"]);
    }
}

#[test]
fn what_git_holds_is_found_in_folders_that_begin_with_white_space() {
    let repo = Repo::new(&[]);
    let dir = repo.project.root().join(" spaced");
    fs::create_dir(&dir).unwrap();
    run(repo.project.command(["init"]).current_dir(&dir)).ok();
    repo.commit("a second store");
    repo.git(["switch", "--quiet", "--create", "other"]);
    put_kept_in(&repo.project, &dir, 1);
    repo.commit("one");
    repo.git(["switch", "--quiet", "main"]);
    put_kept_in(&repo.project, &dir, 2);
    assert_eq!(kept(&dir.join(".artifacts")).len(), 2);
}

#[test]
fn a_git_directory_that_is_elsewhere_now_keeps_nobody_from_writing() {
    let repo = Repo::new(&[]);
    repo.put_kept(1);
    let (from, to) = (repo.project.root().join(".git"), repo.project.outside().join("git"));
    fs::rename(&from, &to).unwrap();
    fs::write(&from, "gitdir: /nowhere/at/all\n").unwrap();
    repo.put_kept(2);
    assert_eq!(versions(&repo), 2);
    repo.project.art(["init"]).ok();
    repo.project.art(["repair"]).ok();
}

#[test]
fn damaged_objects_of_git_keep_nobody_waiting() {
    let repo = Repo::new(&[]);
    let store = repo.project.store();
    repo.put_kept(1);
    // As many as fill a pipe with what git says of each.
    let aliases: Vec<String> = (0..900).map(|number| format!("a{number}")).collect();
    let set = ["alias", "set", "data:v0"].into_iter().chain(aliases.iter().map(String::as_str));
    repo.project.art(set.collect::<Vec<_>>()).ok();
    repo.commit("many");
    for name in repo.git(["ls-tree", "-r", "--format=%(objectname)", "HEAD", "--", ".artifacts/refs"]).lines() {
        let object = repo.project.root().join(".git/objects").join(&name[..2]).join(&name[2..]);
        fs::set_permissions(&object, Permissions::from_mode(0o644)).unwrap();
        fs::write(&object, "").unwrap();
    }
    repo.put_kept(2);
    assert!(kept(&store).len() > 900, "git does not have them");
}

#[test]
fn what_is_torn_in_its_place_keeps_the_second_name_of_another_modes_time() {
    let repo = Repo::new(&["--git=all"]);
    let store = repo.project.store();
    repo.put_kept(1);
    packs(&store, "packs").iter().for_each(|path| tear(&store.join(path)));
    repo.project.art(["init", "--git=split"]).ok();
    repo.project.art(["repair"]).ok();
    repo.project.art(["get", "data:v0", "out"]).ok();
}

#[test]
fn no_number_is_given_twice_by_a_clean_while_others_write() {
    let of_put = &["put", "data", "../more"][..];
    let of_cp = &["cp", "data", "data"][..];
    for (mode, command, count) in
        [("split", of_put, 2), ("all", of_put, 2), ("split", of_cp, 1), ("split", &["tag", "add", "data", "x"], 1)]
    {
        let repo = Repo::new(&[&format!("--git={mode}")]);
        let store = repo.project.store();
        repo.put_kept(1);
        fs::write(repo.project.outside().join("more"), "more").unwrap();
        let number = files(&store.join("local")).into_iter().find(|path| path.ends_with("number")).unwrap();
        let lock = fs::File::open(number).unwrap();
        lock.lock().unwrap();
        let mut writer = repo.project.command(command).stderr(Stdio::piped()).spawn().unwrap();
        // It says that it waits for the lock: all but the record is stored.
        let mut told = BufReader::new(writer.stderr.take().unwrap());
        told.read_line(&mut String::new()).unwrap();
        repo.git(["clean", "--quiet", "-fd"]);
        assert!(!store.join("refs/data/versions").exists());
        lock.unlock().unwrap();
        let mut rest = String::new();
        told.read_to_string(&mut rest).unwrap();
        assert!(writer.wait().unwrap().success() && rest.contains("put back"), "{rest}");
        assert_eq!(repo.numbers(), (0..count).collect::<Vec<_>>(), "{mode} {command:?}");
        repo.project.art(["fsck", "--deep"]).ok();
    }
}

#[test]
fn numbers_are_given_by_what_was_there_all_the_while() {
    let repo = Repo::new(&[]);
    repo.put_kept(1);
    let store = Store::open(&repo.project.store()).unwrap();
    let now = serde_json::from_str("\"2026-01-01T00:00:00Z\"").unwrap();
    let context = Context { now, git: None, run: None, threads: 1, wait: Wait::Not, progress: &Silent };
    let session = Session::begin(&store, &context).unwrap();
    let readings = Cell::new(0);
    let read = || {
        if readings.replace(readings.get() + 1) == 0 {
            repo.git(["clean", "--quiet", "-fd"]);
        }
        store.history(&"data".parse().unwrap())
    };
    let (_numbers, history) = session.lock_numbers_to_read(read).unwrap();
    assert_eq!((history.versions.len(), readings.get()), (1, 2));
}

#[test]
fn no_number_is_given_twice_where_git_fails() {
    let repo = Repo::new(&[]);
    repo.put_kept(1);
    repo.git(["clean", "--quiet", "-fdx"]);
    repo.project.write("more", "more");
    let head = repo.project.root().join(".git/HEAD");
    let good = fs::read(&head).unwrap();
    fs::write(&head, "neither a commit nor a branch\n").unwrap();
    for command in [&["put", "data", "more"][..], &["repair"], &["init"]] {
        let ran = repo.project.art(command);
        assert_ne!(ran.code, Some(0), "{command:?}");
        assert!(ran.stderr.contains("git fails: ") && ran.stderr.contains("`git status`"), "{command:?}: {}", ran.stderr);
    }
    fs::write(&head, good).unwrap();
    repo.project.art(["put", "data", "more"]).ok();
    assert_eq!(versions(&repo), 2);
}

#[test]
fn what_is_gone_is_seen_though_its_second_name_has_links_elsewhere() {
    for parts in [&["."][..], &[".artifacts/refs", ".artifacts/meta"]] {
        let repo = Repo::new(&[]);
        repo.put_kept(1);
        let snapshot = repo.project.outside().join("snapshot");
        fs::create_dir(&snapshot).unwrap();
        for part in parts {
            let part = repo.project.root().join(part);
            run(&mut repo.project.program("cp", ["-al".as_ref(), part.as_os_str(), snapshot.as_os_str()])).ok();
        }
        repo.git(["clean", "--quiet", "-fd"]);
        assert!(repo.project.art(["fsck"]).fails(5).is_empty());
        repo.put_kept(2);
        assert_eq!(versions(&repo), 2);
        repo.git(["clean", "--quiet", "-fd"]);
        repo.project.art(["repair"]).ok();
        assert_eq!(versions(&repo), 2);
    }
}

#[test]
fn a_pipe_among_second_names_keeps_nobody_waiting() {
    let repo = Repo::new(&[]);
    let store = repo.project.store();
    repo.put_kept(1);
    let pages = store.join(packs(&store, "meta").first().unwrap());
    let second = store.join("packs/keep").join(pages.file_name().unwrap());
    fs::remove_file(&second).unwrap();
    run(&mut repo.project.program("mkfifo", [&second])).ok();
    write_anew(&pages, b"damaged");
    run(&mut repo.project.program("touch", ["-d".as_ref(), "2 hours ago".as_ref(), pages.as_os_str()])).ok();
    repo.put_kept(1);
    assert!(!pages.exists() || fs::read(&pages).unwrap() != b"damaged");
    repo.project.art(["fsck", "--deep"]).ok();
}

#[test]
fn who_may_not_read_the_files_of_git_can_read_the_store() {
    if !has_strace() {
        return;
    }
    let repo = Repo::new(&[]);
    repo.commit("a store");
    let dir = repo.project.outside().join("linked");
    repo.git(["worktree", "add", "--quiet", dir.to_str().unwrap()]);
    put_kept_in(&repo.project, &dir, 1);
    let denied = repo.project.root().join(".git/worktrees/linked/commondir");
    let art = |args: &[&str]| {
        let trace = ["-f", "-qq", "-o", "/dev/null", "-e", "inject=open,openat:error=EACCES", "-P", denied.to_str().unwrap()];
        let all = trace.iter().chain(&[env!("CARGO_BIN_EXE_art")]).chain(args);
        run(repo.project.program("strace", all).current_dir(&dir))
    };
    assert!(art(&["ls", "data"]).ok().text().contains("v0"));
    fs::write(dir.join("more"), "more").unwrap();
    assert!(art(&["put", "data", "more"]).fails(1).contains("commondir"));
}

#[test]
fn on_a_branch_without_the_store_nothing_is_made_and_the_one_with_it_is_named() {
    for mode in ["--git=split", "--git=all"] {
        let repo = Repo::new(&[mode]);
        repo.put_kept(1);
        repo.commit("one");
        repo.put_kept(2);
        repo.git(["switch", "--quiet", "--orphan", "empty"]);
        repo.git(["commit", "--quiet", "--allow-empty", "-m", "nothing"]);
        repo.git(["clean", "--quiet", "-fd"]);
        let before = files(&repo.project.store());
        let names_it = |way: &str| {
            for command in [&["ls"][..], &["repair"], &["put", "data", "../source-1"]] {
                let ran = repo.project.art(command);
                let told = ran.fails(5);
                assert!(told.contains(way), "{command:?}: {told}");
            }
            assert_eq!(files(&repo.project.store()), before, "{mode}");
        };
        names_it("`git switch main`");
        repo.git(["tag", "stored", "main"]);
        repo.git(["branch", "--quiet", "-D", "main"]);
        names_it("`git checkout tags/stored -- ");
        repo.git(["branch", "main", "stored"]);
        repo.git(["switch", "--quiet", "main"]);
        repo.project.art(["repair"]).ok();
        assert_eq!(repo.numbers(), [0, 1]);
    }
}

#[test]
fn what_is_stashed_is_not_made_again() {
    let repo = Repo { project: Project::bare() };
    repo.git(["init", "--quiet", "--initial-branch=main"]);
    repo.git(["commit", "--quiet", "--allow-empty", "-m", "nothing"]);
    repo.project.art(["init"]).ok();
    repo.put_kept(1);
    repo.git(["stash", "--quiet", "--include-untracked"]);
    for command in [&["ls"][..], &["repair"], &["put", "data", "../source-1"]] {
        assert!(repo.project.art(command).fails(5).contains("`git stash pop`"), "{command:?}");
    }
    repo.git(["stash", "pop", "--quiet"]);
    repo.put_kept(2);
    assert_eq!(repo.numbers(), [0, 1]);
}

#[test]
fn a_change_of_mode_while_one_writes_leaves_nothing_without_a_second_name() {
    for (from, to) in [("split", "all"), ("none", "split"), ("all", "split")] {
        let repo = Repo::new(&[&format!("--git={from}")]);
        repo.put_kept(1);
        let mut put = repo.project.command(["put", "data", "-"]);
        let mut put = put.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut input = put.stdin.take().unwrap();
        // More than fits a pipe: it has begun to read.
        input.write_all(&noise(7, 1 << 20)).unwrap();
        repo.project.art(["init", &format!("--git={to}")]);
        drop(input);
        let ended = put.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&ended.stderr);
        assert!(!ended.status.success() && told.contains("has changed meanwhile"), "{from} {to}: {told}");
        repo.put_kept(2);
        repo.git(["clean", "--quiet", "-fdx"]);
        repo.project.art(["repair"]).ok();
        repo.project.art(["fsck", "--deep"]).ok();
        assert_eq!(repo.numbers(), [0, 1], "{from} {to}");
    }
}
