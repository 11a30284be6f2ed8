//! `art diff --patch`, applied by the tools that people use.

use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Stdio;

use serde_json::json;

use crate::env::{Env, files};

/// Writes files below `d`, removes those without content, and stores the result.
fn put(env: &Env, all: &[(&str, Option<&[u8]>)]) {
    for (path, content) in all {
        match content {
            Some(content) => env.write(&format!("d/{path}"), content),
            None => fs::remove_file(env.project().join("d").join(path)).unwrap(),
        }
    }
    env.art(["put", "d", "d"]).done();
}

/// Two versions with all that a patch can say.
fn two_versions() -> Env {
    let env = Env::new();
    let long: String = (1..=20).map(|line| format!("line {line}\n")).collect();
    put(
        &env,
        &[
            ("long", Some(long.as_bytes())),
            ("no end", Some(b"a\nb")),
            ("gone", Some(b"gone\n")),
            ("nothing", Some(b"")),
            ("moved", Some(b"moved\n")),
            ("run", Some(b"#!\n")),
            ("odd\tname", Some(b"1\n")),
            ("latin", Some(b"caf\xe9\n")),
            ("crlf", Some(b"a\r\nb\r\n")),
        ],
    );
    symlink("long", env.project().join("d/link")).unwrap();
    env.art(["put", "d", "d"]).done();
    fs::remove_file(env.project().join("d/link")).unwrap();
    symlink("run", env.project().join("d/link")).unwrap();
    fs::set_permissions(env.project().join("d/run"), fs::Permissions::from_mode(0o755)).unwrap();
    let long = long.replace("line 2\n", "").replace("line 15\n", "line 15\nand more\n");
    put(
        &env,
        &[
            ("long", Some(long.as_bytes())),
            ("no end", Some(b"a\nb\nc")),
            ("gone", None),
            ("nothing", None),
            ("moved", None),
            ("deep/moved", Some(b"moved\n")),
            ("odd\tname", Some(b"2\n")),
            ("latin", Some(b"caf\xe9\nth\xe9\n")),
            ("crlf", Some(b"a\r\nc\r\n")),
            ("new", Some(b"new\n")),
            ("empty", Some(b"")),
        ],
    );
    env
}

/// Gives a patch to a program that runs in a directory.
fn apply(env: &Env, dir: &Path, program: &str, args: &[&str], patch: &[u8]) {
    let mut command = env.command(program);
    let mut child =
        command.args(args).current_dir(dir).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(patch).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program}: {output:?}\n{}", String::from_utf8_lossy(patch));
}

#[test]
fn git_and_patch_make_one_version_of_the_other() {
    let env = two_versions();
    let patch = env.art(["diff", "d~1", "d", "-p"]).stdout;
    let back = env.art(["diff", "d", "d~1", "-p", "-U0"]).stdout;
    for (program, args, back_args) in [
        ("git", &["apply", "-"][..], &["apply", "--unidiff-zero", "-"][..]),
        ("patch", &["-p1", "--binary", "--no-backup-if-mismatch"], &["-p1", "--binary", "--no-backup-if-mismatch"]),
    ] {
        let dir = format!("by {program}");
        env.art(["get", "d~1", &dir]);
        let at = env.project().join(&dir);
        apply(&env, &at, program, args, &patch);
        env.art(["verify", "d", &dir]).done();
        apply(&env, &at, program, back_args, &back);
        env.art(["verify", "d~1", &dir]).done();
    }
}

#[test]
fn a_patch_reads_as_one_of_git() {
    let env = two_versions();
    let one = |path: &str| env.art(["diff", "d~1", "d", "-p", "--path", path]).done();
    assert_eq!(
        one("long"),
        "diff --git a/long b/long\n--- a/long\n+++ b/long\n@@ -1,5 +1,4 @@\n line 1\n-line 2\n line 3\n line 4\n line 5\n\
         @@ -13,6 +12,7 @@\n line 13\n line 14\n line 15\n+and more\n line 16\n line 17\n line 18\n"
    );
    assert_eq!(
        one("no end"),
        "diff --git a/no end b/no end\n--- a/no end\t\n+++ b/no end\t\n@@ -1,2 +1,3 @@\n a\n-b\n\\ No newline at end of file\n+b\n+c\n\\ No newline at end of file\n"
    );
    assert_eq!(one("gone"), "diff --git a/gone b/gone\ndeleted file mode 100644\n--- a/gone\n+++ /dev/null\n@@ -1 +0,0 @@\n-gone\n");
    assert_eq!(one("new"), "diff --git a/new b/new\nnew file mode 100644\n--- /dev/null\n+++ b/new\n@@ -0,0 +1 @@\n+new\n");
    assert_eq!(one("empty"), "diff --git a/empty b/empty\nnew file mode 100644\nindex 0000000..e69de29\n");
    assert_eq!(one("run"), "diff --git a/run b/run\nold mode 100644\nnew mode 100755\n");
    assert!(one("odd\tname").starts_with("diff --git \"a/odd\\tname\" \"b/odd\\tname\"\n--- \"a/odd\\tname\"\n"));
    let link = "diff --git a/link b/link\nold mode 120000\nnew mode 120000\n--- a/link\n+++ b/link\n@@ -1 +1 @@\n-long\n\\ No newline at end of file\n+run\n\\ No newline at end of file\n";
    assert_eq!(one("link"), link);
    let all = String::from_utf8_lossy(&env.art(["diff", "d~1", "d", "--patch"]).stdout).into_owned();
    let renamed = "diff --git a/moved b/deep/moved\nsimilarity index 100%\nrename from moved\nrename to deep/moved\n";
    assert!(all.contains(renamed), "{all}");
    assert_eq!(env.art(["diff", "d", "d", "-p"]).done(), "");
    assert_eq!(env.art(["diff", "d~1", "d", "-p", "--path", "new", "--exit-code"]).code, Some(1));
}

#[test]
fn the_lines_around_what_differs_are_as_many_as_asked_for() {
    let env = two_versions();
    let none = env.art(["diff", "d~1", "d", "-U", "0", "--path", "long"]).done();
    assert!(none.ends_with("@@ -2 +1,0 @@\n-line 2\n@@ -15,0 +15 @@\n+and more\n"), "{none}");
    let all = env.art(["diff", "d~1", "d", "--unified", "65535", "--path", "long"]).done();
    assert!(all.contains("@@ -1,20 +1,20 @@\n line 1\n-line 2\n") && all.ends_with(" line 20\n"), "{all}");
    assert!(env.art(["diff", "d~1", "d", "-U", "-1"]).failed(2).contains("unexpected argument"));
    assert!(env.art(["diff", "d~1", "d", "-p", "--stat"]).failed(2).contains("cannot be used with"));
}

#[test]
fn what_no_patch_can_say_is_noted_and_passed_over() {
    let env = Env::new();
    let long = "x".repeat(8 << 20);
    put(&env, &[("bin", Some(b"\0one")), ("long", Some(long.as_bytes())), ("text", Some(b"one\n")), ("what", Some(b"file\n"))]);
    fs::create_dir(env.project().join("d/void")).unwrap();
    fs::remove_file(env.project().join("d/what")).unwrap();
    symlink("text", env.project().join("d/what")).unwrap();
    let long = "x".repeat((8 << 20) + 1);
    put(&env, &[("bin", Some(b"\0two")), ("long", Some(long.as_bytes())), ("text", Some(b"two\n")), ("nul", Some(b"a\0"))]);
    let patch = env.art(["diff", "d~1", "d", "-p"]);
    let told = patch.done();
    let notes: Vec<&str> = told.lines().filter(|line| line.starts_with('#')).collect();
    assert_eq!(
        notes,
        [
            "# Binary files a/bin and b/bin differ",
            "# Files a/long and b/long differ; no lines are shown of files longer than 8.4 MB",
            "# Binary files /dev/null and b/nul differ",
            "# /dev/null and b/void differ: empty directory",
        ]
    );
    // What is a symlink now and was a file goes, and comes again.
    assert!(told.contains("deleted file mode 100644\n--- a/what\n+++ /dev/null\n") && told.contains("new file mode 120000\n"), "{told}");
    for (program, args) in [("git", &["apply", "-"][..]), ("patch", &["-p1"])] {
        let dir = format!("by {program}");
        env.art(["get", "d~1", &dir]);
        apply(&env, &env.project().join(&dir), program, args, &patch.stdout);
        let rest = env.art(["diff", "d", &format!("./{dir}"), "--name-only"]).done();
        assert_eq!(rest, "bin\nlong\nnul\nvoid\n", "{program}");
    }
}

#[test]
fn what_is_said_of_versions_is_noted() {
    let env = Env::new();
    env.write("d/text", "one\n");
    env.art(["put", "d", "d", "--meta", "lr=0.1"]).done();
    env.write("d/text", "two\n");
    env.art(["put", "d", "d", "--meta", "lr=0.2"]).done();
    let told = env.art(["diff", "d~1", "d", "-p"]).done();
    assert!(told.starts_with("# metadata.lr: 0.1 -> 0.2\ndiff --git a/text b/text\n"), "{told}");
}

#[test]
fn a_directory_is_read_as_it_is() {
    let env = two_versions();
    let patch = env.art(["diff", "d~1", "d", "-p"]).stdout;
    assert_eq!(env.art(["diff", "d~1", "./d", "-p"]).stdout, patch);
}

#[test]
fn json_has_the_patch_of_each_entry() {
    let env = two_versions();
    let ran = env.art(["diff", "d~1", "d", "-p", "--json"]).json();
    let entry = |path: &str| ran["entries"].as_array().unwrap().iter().find(|entry| entry["path"] == path).unwrap().clone();
    assert_eq!(entry("new")["content"], json!("text"));
    assert!(entry("new")["patch"].as_str().unwrap().ends_with("@@ -0,0 +1 @@\n+new\n"));
    assert!(entry("latin")["patch_bytes"].as_str().unwrap().ends_with("+th%E9%0A"));
    assert_eq!(entry("run")["content"], json!("same"));
    assert!(env.art(["diff", "d~1", "d", "--json"]).json()["entries"][0].get("patch").is_none());
}

#[test]
fn a_path_that_is_not_utf8_is_escaped_as_git_does() {
    let env = Env::new();
    env.write("d/x", "");
    env.art(["put", "d", "d"]).done();
    fs::write(env.project().join("d").join(std::ffi::OsStr::from_bytes(b"\xff")), "1\n").unwrap();
    env.art(["put", "d", "d"]).done();
    let patch = env.art(["diff", "d~1", "d", "-p"]);
    assert!(patch.done().contains("+++ \"b/\\377\"\n"));
    env.art(["get", "d~1", "there"]);
    apply(&env, &env.project().join("there"), "git", &["apply", "-"], &patch.stdout);
    assert!(files(&env.project().join("there")).iter().any(|path| path.as_os_str().as_bytes().ends_with(b"/\xff")));
}
