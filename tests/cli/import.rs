//! `art import`, with archives that other tools made, and some that none would make.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};

use serde_json::json;
use tar::{Builder, EntryType, Header};

use crate::env::Env;

/// A directory with what is hard for archives, put as `data`.
fn project() -> Env {
    let env = Env::new();
    let deep = format!("d/{}/{}/file", "long".repeat(40), "deep".repeat(40));
    let noise: Vec<u8> = (0..80_000u32).flat_map(|at| blake3::hash(&at.to_le_bytes()).as_bytes()[..16].to_vec()).collect();
    for (path, content) in [
        ("d/a", &b"one"[..]),
        ("d/a-b", b"x"),
        ("d/c/x", b"y"),
        ("d/run.sh", b"#!/bin/sh\n"),
        ("d/empty", b""),
        (&deep, b"deep"),
        ("d/größe", b"8"),
        ("d/noise", &noise),
    ] {
        env.write(path, content);
    }
    fs::set_permissions(env.project().join("d/run.sh"), PermissionsExt::from_mode(0o755)).unwrap();
    fs::create_dir_all(env.project().join("d/none/below")).unwrap();
    symlink("a", env.project().join("d/link")).unwrap();
    symlink(&deep[2..], env.project().join("d/longlink")).unwrap();
    env.art(["put", "data", "d"]).done();
    env
}

#[track_caller]
fn run(env: &Env, program: &str, args: &[&str]) {
    let ran = env.run(env.command(program).args(args));
    assert_eq!(ran.code, Some(0), "{program} {args:?}: {ran:?}");
}

fn digest(env: &Env, reference: &str) -> String {
    env.art(["rev-parse", "--digest", reference]).done()
}

#[track_caller]
fn imports_the_same(env: &Env, name: &str, archive: &str) {
    env.art(["import", name, archive]).done();
    assert_eq!(digest(env, name), digest(env, "data"), "{archive}");
}

#[test]
fn what_export_writes_import_reads() {
    let env = project();
    for format in ["tar", "tar.zst", "zip"] {
        let archive = format!("x.{format}");
        env.art(["export", "data", "-o", &archive]).done();
        imports_the_same(&env, &format.replace('.', "-"), &archive);
        // What is there already costs nothing.
        assert!(env.art(["import", "data", &archive]).done().starts_with("unchanged: data:v0 "));
    }
    env.art(["fsck", "--deep"]).done();
}

#[test]
fn what_gnu_tar_writes_import_reads_in_each_of_its_formats() {
    let env = project();
    for (at, format) in ["gnu", "posix", "pax"].into_iter().enumerate() {
        run(&env, "tar", &["cf", "x.tar", &format!("--format={format}"), "-C", "d", "."]);
        imports_the_same(&env, &format!("t{at}"), "x.tar");
    }
    run(&env, "tar", &["czf", "x.tgz", "-C", "d", "."]);
    imports_the_same(&env, "gz", "x.tgz");
    let piped = env.command("sh").args(["-c", "tar c -C d . | \"$0\" import piped -", env!("CARGO_BIN_EXE_art")]).output().unwrap();
    assert!(piped.status.success(), "{piped:?}");
    assert_eq!(digest(&env, "piped"), digest(&env, "data"));
    // A hard link is a file of its own.
    fs::hard_link(env.project().join("d/noise"), env.project().join("d/noise2")).unwrap();
    run(&env, "tar", &["cf", "x.tar", "-C", "d", "."]);
    env.art(["put", "data", "d"]).done();
    imports_the_same(&env, "linked", "x.tar");
}

#[test]
fn what_python_and_zip_write_import_reads() {
    let env = project();
    let python = "import tarfile\nt = tarfile.open('p.tar.gz', 'w:gz')\nt.add('d', '.')\nt.close()";
    run(&env, "python3", &["-c", python]);
    imports_the_same(&env, "py", "p.tar.gz");
    let zipped = env.command("sh").args(["-c", "cd d && zip -q -r --symlinks ../x.zip ."]).output().unwrap();
    assert!(zipped.status.success(), "{zipped:?}");
    imports_the_same(&env, "zip", "x.zip");
    let piped = env.command("sh").args(["-c", "\"$0\" import zip2 - < x.zip", env!("CARGO_BIN_EXE_art")]).output().unwrap();
    assert!(piped.status.success(), "{piped:?}");
    assert_eq!(digest(&env, "zip2"), digest(&env, "data"));
}

#[test]
fn the_options_of_put_hold_and_json_is_as_of_put() {
    let env = project();
    env.art(["export", "data", "-o", "x.tar"]).done();
    let args = ["--type", "model", "--alias", "best", "--tag", "seen", "-m", "why", "--meta", "k=1", "--at", "top", "--json"];
    let told = env.art([&["import", "m", "x.tar"][..], &args].concat()).json();
    for (member, value) in
        [("type", json!("model")), ("tags", json!(["seen"])), ("description", json!("why")), ("metadata", json!({"k": 1}))]
    {
        assert_eq!(told[member], value);
    }
    assert_eq!((&told["unchanged"], &told["left_out"]["special"]), (&json!(false), &json!(0)));
    assert_eq!(env.art(["cat", "m:best", "top/a"]).done(), "one");
}

/// A tar of what a function adds.
fn tar_of(add: impl FnOnce(&mut Builder<Vec<u8>>)) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    add(&mut builder);
    builder.into_inner().unwrap()
}

/// Adds an entry of any name and kind, as no tool would.
fn entry(builder: &mut Builder<Vec<u8>>, name: &str, kind: EntryType, target: &str, bytes: &[u8]) {
    let mut header = Header::new_ustar();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.as_mut_bytes()[157..157 + target.len()].copy_from_slice(target.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(bytes.len() as u64);
    header.set_cksum();
    builder.append(&header, bytes).unwrap();
}

#[test]
fn what_leads_out_of_an_archive_is_refused_and_nothing_is_stored() {
    let env = Env::new();
    let file = EntryType::Regular;
    let cases: [(&str, EntryType, &str, &str); 7] = [
        ("../x", file, "", "has a `..` in it"),
        ("a/../../x", file, "", "has a `..` in it"),
        ("/etc/x", file, "", "its path is absolute"),
        ("x", EntryType::Symlink, "/etc/passwd", "outside of the archive"),
        ("a/x", EntryType::Symlink, "../../x", "outside of the archive"),
        ("x", EntryType::Link, "gone", "which is no file before it"),
        ("x", EntryType::Link, "../gone", "has a `..` in it"),
    ];
    for (name, kind, target, why) in cases {
        env.write("x.tar", tar_of(|tar| entry(tar, name, kind, target, b"")));
        let told = env.art(["import", "data", "x.tar"]);
        assert!(told.failed(1).contains(why), "{name}: {told:?}");
    }
    env.write("x.tar", tar_of(|tar| entry(tar, "x", EntryType::Symlink, "/etc/passwd", b"")));
    env.art(["import", "data", "x.tar", "--keep-links"]).done();
    env.write(
        "x.tar",
        tar_of(|tar| {
            entry(tar, "f", file, "", b"file");
            entry(tar, "f/below", file, "", b"");
        }),
    );
    assert!(env.art(["import", "other", "x.tar"]).failed(1).contains("something below it"));
    assert!(env.art(["ls", "other"]).failed(3).contains("'other'"));
    env.art(["fsck"]).done();
}

#[test]
fn the_last_of_a_path_counts_and_devices_and_repos_are_left_out() {
    let env = Env::new();
    env.write(
        "x.tar",
        tar_of(|tar| {
            entry(tar, "./", EntryType::Directory, "", b"");
            entry(tar, "f", EntryType::Regular, "", b"first");
            entry(tar, "hard", EntryType::Link, "f", b"");
            entry(tar, "./f", EntryType::Regular, "", b"last");
            entry(tar, "fifo", EntryType::Fifo, "", b"");
            entry(tar, "dev", EntryType::Char, "", b"");
            entry(tar, ".git/config", EntryType::Regular, "", b"x");
            entry(tar, "dir/", EntryType::Directory, "", b"");
            entry(tar, "dir-x", EntryType::Regular, "", b"");
            entry(tar, "dir/in", EntryType::Regular, "", b"");
            entry(tar, "bare/", EntryType::Directory, "", b"");
        }),
    );
    let told = env.art(["import", "data", "x.tar"]).done();
    assert!(told.contains("left out: 1 .git or .artifacts, 2 special"), "{told}");
    assert_eq!((env.art(["cat", "data", "f"]).done(), env.art(["cat", "data", "hard"]).done()), ("last".into(), "first".into()));
    let listed = env.art(["ls-tree", "data"]).done();
    let names: Vec<&str> = listed.lines().map(|line| line.split('\t').nth(1).unwrap()).collect();
    assert_eq!(names, ["bare", "dir-x", "dir/in", "f", "hard"]);
}

#[test]
fn archives_that_are_cut_off_or_damaged_or_none_are_told() {
    let env = project();
    for format in ["tar", "tar.zst", "zip"] {
        let name = format!("x.{format}");
        env.art(["export", "data", "-o", &name]).done();
        let bytes = fs::read(env.project().join(&name)).unwrap();
        for cut in [600, bytes.len() / 2, bytes.len() - 1100] {
            env.write("cut", &bytes[..cut]);
            assert_eq!(env.art(["import", "cut", "cut"]).code, Some(1), "{name} {cut}");
        }
        if format != "tar" {
            let mut bad = bytes;
            let middle = bad.len() / 2;
            bad[middle] ^= 0x10;
            env.write("bad", &bad);
            assert_eq!(env.art(["import", "bad", "bad"]).code, Some(1), "{name}");
        }
    }
    env.write("text", "no archive at all");
    assert!(env.art(["import", "x", "text"]).failed(2).contains("it is neither tar, tar.gz, tar.zst nor zip"));
    assert!(env.art(["import", "x", "d"]).failed(2).contains("it is a directory\nhint: `art put`"));
    assert!(env.art(["import", "x", "gone"]).failed(3).contains("cannot find 'gone'"));
    // A header that announces more than memory has.
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::XHeader);
    header.set_mode(0o644);
    header.set_size(1 << 40);
    header.set_cksum();
    let mut bomb = zstd::Encoder::new(Vec::new(), 1).unwrap();
    bomb.write_all(header.as_bytes()).unwrap();
    (0..64).for_each(|_| bomb.write_all(&[0; 1 << 20]).unwrap());
    env.write("bomb", bomb.finish().unwrap());
    assert!(env.art(["import", "x", "bomb"]).failed(1).contains("longer than any should be"));
    let listed = env.art(["ls", "--json"]).json();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    env.art(["fsck"]).done();
}

/// Four snapshots, two of them equal, one an archive.
fn snapshots() -> Env {
    let env = Env::new();
    env.write("s/2024-01-31/a", "one");
    env.write("s/20240229/a", "one");
    env.write("s/notes/a", "no date");
    env.write("s/db-2024-04-30T12-00/a", "three");
    env.write("d/a", "two");
    run(&env, "tar", &["czf", "s/db-2024-03-31.tar.gz", "-C", "d", "."]);
    env
}

#[test]
fn each_snapshot_becomes_a_version_in_the_order_of_the_dates_and_the_second_time_none() {
    let env = snapshots();
    let planned = env.art(["import", "db", "s", "--snapshots", "--dry-run"]).done();
    assert_eq!(planned.lines().next(), Some("'2024-01-31'  would be imported"));
    assert!(env.art(["ls", "db"]).failed(3).contains("'db'"));
    let told = env.art(["import", "db", "s", "--snapshots", "--json"]).json();
    let states: Vec<_> = told
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["snapshot"].as_str().unwrap(), one["state"].as_str().unwrap(), one["version"].as_str().unwrap()))
        .collect();
    let expected = [
        ("2024-01-31", "stored", "v0"),
        ("2024-02-29", "unchanged", "v0"),
        ("2024-03-31", "stored", "v1"),
        ("2024-04-30T12:00:00", "stored", "v2"),
    ];
    assert_eq!(states, expected);
    let metadata = |version: &str| env.art(["show", version, "--json"]).json()["metadata"].clone();
    assert_eq!(metadata("db:v0"), json!({"snapshot": "2024-01-31", "snapshot_until": "2024-02-29"}));
    assert_eq!(metadata("db:v1"), json!({"snapshot": "2024-03-31", "snapshot_until": "2024-03-31"}));
    assert_eq!(env.art(["cat", "db:v1", "a"]).done(), "two");
    let before = crate::env::files(&env.store().join("refs"));
    let again = env.art(["import", "db", "s", "--snapshots"]).done();
    assert!(again.lines().all(|line| line.contains("  here: db:v")), "{again}");
    assert_eq!(crate::env::files(&env.store().join("refs")), before);
}

#[test]
fn a_snapshot_that_comes_late_is_left_out_and_a_newer_one_added() {
    let env = snapshots();
    env.art(["import", "db", "s", "--snapshots"]).done();
    env.write("s/2024-03-01/a", "late");
    env.write("s/2024-05-31/a", "five");
    let told = env.art(["import", "db", "s", "--snapshots"]).done();
    assert!(told.contains("'2024-03-01'  left out: a later one was imported before\n"), "{told}");
    assert!(told.contains("'2024-05-31'  stored: db:v3 "), "{told}");
    env.write("s/twice-2024-05-31/a", "six");
    assert!(env.art(["import", "db", "s", "--snapshots"]).failed(4).contains("cannot tell which of"));
    env.write("bare/x/a", "");
    assert!(env.art(["import", "db", "bare", "--snapshots"]).failed(3).contains("cannot find a snapshot in 'bare'"));
}
