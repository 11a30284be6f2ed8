//! Disks that are full, may not be written to, fold case or share blocks, mounted for the purpose: in a mount
//! namespace of the test's own, so that nothing stays mounted whatever becomes of it. Where that
//! is not permitted a test says so and passes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stdout, reason = "what was tried, or skipped, is said")]

mod bomb;
#[allow(dead_code, reason = "it serves the tests of damage, too")]
#[path = "../damage/enemy.rs"]
mod enemy;
mod folded;
mod full;
mod read_only;
mod reflink;
#[path = "../support/mod.rs"]
mod support;
mod sync;

use std::path::Path;
use std::process::{Command, Stdio};

const INSIDE: &str = "ART_TEST_MOUNTS";

/// Runs a test again in a mount namespace of its own; `body` is what it does there.
#[track_caller]
fn in_own_namespace(name: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    const UNSHARE: [&str; 4] = ["--mount", "--propagation", "private", "--"];
    let can = Command::new("unshare").args(UNSHARE).args(["sh", "-c", "mount -t tmpfs tmpfs /mnt"]).stderr(Stdio::null()).status();
    if !can.is_ok_and(|status| status.success()) {
        println!("{name} is skipped: mounting is not permitted here");
        return;
    }
    let test = std::env::current_exe().unwrap();
    let args = ["--exact", name, "--nocapture"].map(AsRef::as_ref);
    let output = Command::new("unshare").args(UNSHARE).arg(test).args::<_, &std::ffi::OsStr>(args).env(INSIDE, "1").output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    print!("{told}");
    assert!(told.contains("1 passed"), "{told}{}", String::from_utf8_lossy(&output.stderr));
}

/// Mounts something on a directory, which is made if it is not there.
#[track_caller]
fn mount(args: &[&str], source: &Path, on: &Path) {
    std::fs::create_dir_all(on).unwrap();
    let output = Command::new("mount").args(args).arg(source).arg(on).output().unwrap();
    assert!(output.status.success(), "mount {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Runs a program, and says whether it could and did.
fn does(program: &str, args: &[&str]) -> bool {
    Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
