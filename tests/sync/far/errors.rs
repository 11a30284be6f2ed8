//! What fails at the far side, or on the way, is told here with its kind, hint and exit code.

use std::fs;

use super::{HERE, Way, set_way};
use crate::support::{Project, files, noise};
use crate::{art_with, damage, store_files, two};

fn pipe() {
    set_way(Way::Pipe(HERE.to_owned()));
}

#[test]
fn what_the_far_side_says_keeps_its_kind_and_hint() {
    pipe();
    let (a, b) = two();
    assert_eq!(
        art_with(&a, "push", &a.path("none"), &[]).fails(3),
        format!(
            "error: host:{0}: cannot find a store at '{0}'\nhint: see that the path is right and the disk or share is mounted; `art push --init` makes a store\n",
            a.path("none").display()
        )
    );
    assert!(art_with(&a, "pull", &b.root(), &["nothing"]).fails(3).contains("cannot find artifact 'nothing'\nhint: `art ls`"));
    let told = art_with(&a, "pull", &b.root(), &["nothing", "--json"]);
    let last: serde_json::Value = serde_json::from_str(told.fails(3).lines().last().unwrap()).unwrap();
    assert_eq!((&last["exit_code"], last["error"].as_str().unwrap().contains("'nothing'")), (&3.into(), true));
    b.write(".artifacts/features/read-secret", "");
    assert!(art_with(&a, "push", &b.root(), &[]).fails(5).contains("'read-secret'"));
}

#[test]
fn init_makes_a_store_there_and_a_dry_run_does_not() {
    pipe();
    let (a, b) = (Project::new(), Project::bare());
    art_with(&a, "push", &b.root(), &["--init", "--dry-run"]).fails(3);
    assert!(!b.store().exists());
    art_with(&a, "push", &b.root(), &["--init"]).ok();
    assert!(b.store().join("format").exists());
}

#[test]
fn nobody_there_is_told_with_what_was_said_and_what_helps() {
    let a = Project::new();
    let told = |body: &str| {
        set_way(Way::Pipe(body.to_owned()));
        art_with(&a, "push", &a.path("x"), &[]).fails(1).to_owned()
    };
    assert_eq!(
        told("echo \"ssh: connect to host $host port 22: Connection refused\" >&2; exit 255"),
        "error: cannot connect to 'host'\n  caused by: ssh: connect to host host port 22: Connection refused\n\
         hint: see that `ssh host` gets there without a question\n"
    );
    assert_eq!(
        told("echo 'sh: art: not found' >&2; exit 127"),
        format!(
            "error: cannot run '{}' on 'host'\n  caused by: sh: art: not found\n\
             hint: install `art` there, or say where it is: ART_REMOTE_ART=/path/to/art\n",
            env!("CARGO_BIN_EXE_art")
        )
    );
    let old = told("echo \"error: unrecognized subcommand 'serve-store'\" >&2; exit 2");
    assert!(
        old.contains("cannot serve a store with") && old.contains("unrecognized subcommand") && old.contains("hint: see that"),
        "{old}"
    );
    let noisy = told("echo Welcome to host; cat >/dev/null");
    assert!(noisy.contains("it began with 'Welcome to h") && noisy.contains("hint: see that the shell there prints nothing"), "{noisy}");
    let newer = told("printf 'artstore\\007\\0\\0\\0'; cat >/dev/null");
    assert!(newer.contains("its protocol is 7, here it is 1\nhint: install a newer `art` here"), "{newer}");
    let mut command = a.command(["push", "host:x"]);
    let ran = crate::support::run(command.env("ART_SSH", "/no/such/ssh"));
    assert!(ran.fails(1).contains("cannot run '/no/such/ssh'"), "{}", ran.stderr);
}

#[test]
fn what_the_far_side_warns_of_is_shown_and_cannot_move_the_cursor() {
    set_way(Way::Pipe(format!("printf 'warning: some\\n\\033[2Jthing\\n' >&2\n{HERE}")));
    let (a, b) = two();
    let ran = art_with(&a, "push", &b.root(), &[]).ok();
    assert_eq!(ran.stderr, "warning: host: some\nwarning: host: \\u{1b}[2Jthing\n");
    let ran = art_with(&a, "push", &b.root(), &["--json"]).ok();
    assert!(ran.stderr.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{}", ran.stderr);
}

#[test]
fn a_damaged_pack_there_does_not_come_and_the_rest_does() {
    pipe();
    let (a, b) = two();
    let own = |path: &std::path::PathBuf| !a.store().join(path.strip_prefix(b.store()).unwrap()).exists();
    let pack = files(&b.store().join("packs")).into_iter().find(own).unwrap();
    damage(&pack);
    let ran = art_with(&a, "pull", &b.root(), &["--json"]);
    let told = ran.json();
    assert_eq!((ran.code, told["damaged"].as_array().unwrap().len()), (Some(5), 1), "{}", ran.stderr);
    assert_eq!(told["damaged"][0]["from"], format!("host:{}", b.root().display()));
    assert_eq!(told["held_back"][0]["artifact"], "data");
    assert!(!a.store().join(pack.strip_prefix(b.store()).unwrap()).exists());
}

#[test]
fn a_store_there_that_may_not_be_written_to_can_be_pulled_from_only() {
    let (a, b) = two();
    let Some(_) = a.as_nobody(["ls"]) else { return };
    // The far side is a user who owns nothing there.
    let art = a.outside().join("art");
    let setpriv = "setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all --";
    set_way(Way::Pipe(format!("ART_REMOTE='{}'\nexec {setpriv} sh -c \"$ART_REMOTE ${{*#* }}\"", art.display())));
    let before = store_files(&b.store());
    let ran = art_with(&a, "push", &b.root(), &[]);
    assert!(ran.fails(1).contains("cannot write to the store"), "{}", ran.stderr);
    assert!(store_files(&b.store()) == before);
    art_with(&a, "pull", &b.root(), &[]).ok();
    a.art(["fsck", "--deep"]).ok();
}

#[test]
fn a_file_size_limit_there_is_no_space_here_and_what_fitted_stays() {
    let (a, b) = (Project::new(), Project::new());
    for number in 0..3 {
        a.write("d/own", noise(number, 1_000_000));
        a.put("d", &[]);
    }
    set_way(Way::Pipe(format!("trap '' XFSZ\nulimit -f 1000\n{HERE}")));
    let ran = art_with(&a, "push", &b.root(), &[]);
    assert_eq!(ran.code, Some(7), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: free some space"), "{}", ran.stderr);
    b.art(["fsck"]).ok();
    pipe();
    art_with(&a, "push", &b.root(), &[]).ok();
    assert!(store_files(&a.store()) == store_files(&b.store()));
}

#[test]
fn a_lock_there_is_waited_for_or_not() {
    pipe();
    let (a, b) = two();
    let local = fs::read_dir(b.store().join("local")).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.join("lock").exists());
    let lock = fs::File::options().write(true).open(local.unwrap().join("lock")).unwrap();
    lock.lock().unwrap();
    let ran = art_with(&a, "push", &b.root(), &["--no-wait"]);
    assert!(ran.fails(6).starts_with("error: host:"), "{}", ran.stderr);
    std::thread::scope(|scope| {
        let pushed = scope.spawn(|| {
            pipe();
            art_with(&a, "push", &b.root(), &[])
        });
        std::thread::sleep(std::time::Duration::from_millis(1500));
        drop(lock);
        let ran = pushed.join().unwrap().ok();
        assert!(ran.stderr.starts_with("warning: host: waiting for"), "{}", ran.stderr);
    });
}
