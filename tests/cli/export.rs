//! `art export`, with the tools that people take archives apart with.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use crate::env::{Env, files};

/// A version with what is hard for archives: long names, modes, links, empty files and directories.
fn project() -> Env {
    let env = Env::new();
    let deep = format!("d/{}/{}/file", "long".repeat(40), "deep".repeat(40));
    let text: String = (0..30_000).map(|line| format!("{line},{}\n", line * line)).collect();
    for (path, content) in
        [("d/a", "one"), ("d/run.sh", "#!/bin/sh\n"), ("d/empty", ""), (&deep[..], "deep"), ("d/größe", "8"), ("d/t.csv", &text)]
    {
        env.write(path, content);
    }
    let noise: Vec<u8> = (0..80_000u32).flat_map(|at| blake3::hash(&at.to_le_bytes()).as_bytes()[..16].to_vec()).collect();
    env.write("d/noise", noise);
    fs::set_permissions(env.project().join("d/run.sh"), PermissionsExt::from_mode(0o755)).unwrap();
    fs::create_dir_all(env.project().join("d/none/below")).unwrap();
    symlink("a", env.project().join("d/link")).unwrap();
    symlink(&deep[2..], env.project().join("d/longlink")).unwrap();
    env.art(["put", "data", "d"]).done();
    env
}

/// Whether the tool is there; the gate has them all.
fn has(env: &Env, program: &str) -> bool {
    env.command("sh").args(["-c", &format!("command -v {program}")]).output().unwrap().status.success()
}

#[track_caller]
fn same(env: &Env, dir: &str) {
    env.art(["verify", "data", dir]).done();
    let modes = |path: &str| fs::metadata(env.project().join(dir).join(path)).unwrap().mode() & 0o777;
    assert_eq!((modes("run.sh"), modes("a")), (0o755, 0o644));
}

#[track_caller]
fn run(env: &Env, program: &str, args: &[&str]) {
    let ran = env.run(env.command(program).args(args));
    assert_eq!(ran.code, Some(0), "{program} {args:?}: {ran:?}");
}

#[test]
fn gnu_tar_takes_a_tar_apart_as_it_was_put() {
    let env = project();
    let told = env.art(["export", "data", "-o", "x.tar"]).done();
    assert!(told.starts_with("exported: data:v0 to 'x.tar' (7 files, "), "{told}");
    fs::create_dir(env.project().join("out")).unwrap();
    run(&env, "tar", &["xf", "x.tar", "-C", "out"]);
    same(&env, "out");
    let created = env.art(["show", "data", "--json"]).json()["created_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(fs::metadata(env.project().join("out/a")).unwrap().mtime(), created.as_second());
    let listed = env.run(env.command("tar").args(["tvf", "x.tar", "--numeric-owner"])).text();
    assert!(listed.lines().all(|line| line.contains(" 0/0 ")), "{listed}");
}

#[test]
fn python_takes_tar_and_zip_apart_as_they_were_put() {
    let env = project();
    if !has(&env, "python3") {
        return;
    }
    env.art(["export", "data", "-o", "x.tar"]).done();
    env.art(["export", "data", "-o", "x.zip"]).done();
    run(&env, "python3", &["-c", "import tarfile; tarfile.open('x.tar').extractall('out', filter='fully_trusted')"]);
    same(&env, "out");
    let zip = "import zipfile; z = zipfile.ZipFile('x.zip'); assert z.testzip() is None; \
               print([(i.filename, i.external_attr >> 16, i.file_size) for i in z.infolist() if i.filename in ('run.sh', 'link', 'none/below/')])";
    let listed = env.run(env.command("python3").args(["-c", zip]));
    assert_eq!(listed.done(), "[('link', 41471, 1), ('none/below/', 16877, 0), ('run.sh', 33261, 10)]\n");
}

#[test]
fn unzip_takes_a_zip_apart_as_it_was_put() {
    let env = project();
    if !has(&env, "unzip") {
        return;
    }
    env.art(["export", "data", "-o", "x.zip"]).done();
    run(&env, "unzip", &["-q", "x.zip", "-d", "out"]);
    same(&env, "out");
}

#[test]
fn a_zstd_tar_is_one_and_smaller() {
    let env = project();
    env.art(["export", "data", "-o", "x.tar.zst"]).done();
    env.art(["export", "data", "-o", "x.tar"]).done();
    let bytes = |name: &str| fs::read(env.project().join(name)).unwrap();
    assert!(bytes("x.tar.zst").len() + 200_000 < bytes("x.tar").len());
    assert!(zstd::decode_all(&bytes("x.tar.zst")[..]).unwrap() == bytes("x.tar"));
}

#[test]
fn the_same_version_gives_the_same_bytes_to_a_file_and_through_a_pipe() {
    let env = project();
    for format in ["tar", "tar.zst", "zip"] {
        let name = format!("data-v0.{format}");
        let told = env.art(["export", "data", "--format", format, "--json"]).json();
        let bytes = fs::read(env.project().join(&name)).unwrap();
        assert_eq!((&told["path"], &told["archive_bytes"]), (&name.clone().into(), &bytes.len().into()));
        assert!(env.art(["export", "data", "--format", format]).failed(1).contains("it is there already"));
        let mut command = env.command(env!("CARGO_BIN_EXE_art"));
        let piped = env.run(command.args(["export", "data:v0", "--format", format, "-o", "-"]).env("ART_THREADS", "1"));
        assert_eq!((piped.code, &piped.stderr[..]), (Some(0), ""));
        assert!(piped.stdout == bytes, "{format}");
    }
}

#[test]
fn a_part_is_exported_and_what_is_not_there_is_told() {
    let env = project();
    let told = env.art(["export", "data", "-o", "x.tar", "--path", "none", "--path", "a"]).done();
    assert!(told.contains("(1 file, 3 B;"), "{told}");
    assert_eq!(env.run(env.command("tar").args(["tf", "x.tar"])).done(), "a\nnone/below/\n");
    assert!(env.art(["export", "data", "-o", "y.tar", "--path", "gone"]).failed(3).contains("'gone'"));
    assert!(env.art(["export", "data", "-o", "y.rar"]).failed(2).contains("ends in none of"));
    assert!(env.art(["export", "data"]).failed(2).contains("cannot tell the format"));
    assert!(env.art(["export", "nothing", "-o", "y.tar"]).failed(3).contains("'nothing'"));
    assert!(!env.project().join("y.tar").exists());
}

#[test]
fn references_are_left_out_with_a_warning_and_names_that_are_no_text_are_told_of_a_zip() {
    use std::os::unix::ffi::OsStrExt;
    let env = project();
    env.art(["put", "ref", "d/a", "--ref", "s3://bucket/x=x"]).done();
    let ran = env.art(["export", "ref", "-o", "r.tar"]);
    assert_eq!((ran.code, &ran.stderr[..]), (Some(0), "warning: left out 'x', a reference to 's3://bucket/x'\n"));
    let odd = std::ffi::OsStr::from_bytes(b"d/\xff");
    fs::write(env.project().join(Path::new(odd)), "x").unwrap();
    env.art(["put", "data", "d"]).done();
    assert!(env.art(["export", "data", "-o", "x.zip"]).failed(1).contains("it is not UTF-8\nhint: `--format tar`"));
    assert!(!env.project().join("x.zip").exists());
    env.art(["export", "data", "-o", "x.tar"]).done();
    fs::create_dir(env.project().join("out")).unwrap();
    run(&env, "tar", &["xf", "x.tar", "-C", "out"]);
    env.art(["verify", "data", "out"]).done();
}

#[test]
fn a_reader_that_has_had_enough_is_no_failure() {
    let env = project();
    for format in ["tar", "tar.zst", "zip"] {
        let shell = format!("{{ \"$0\" export data --format {format} -o -; echo $? >&2; }} | head -c 10 > /dev/null");
        let ran = env.run(env.command("sh").args(["-c", &shell, env!("CARGO_BIN_EXE_art")]));
        assert_eq!(ran.stderr, "0\n", "{format}");
    }
}

#[test]
fn nothing_is_exported_of_what_is_damaged() {
    let env = project();
    for pack in files(&env.store().join("packs")) {
        let mut bytes = fs::read(&pack).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::remove_file(&pack).unwrap();
        fs::write(&pack, bytes).unwrap();
    }
    for format in ["tar", "tar.zst", "zip"] {
        env.art(["export", "data", "--format", format]).failed(5);
        assert!(!env.project().join(format!("data-v0.{format}")).exists());
        let piped = env.art(["export", "data", "--format", format, "-o", "-"]);
        assert_eq!(piped.code, Some(5), "{format}");
        assert!(piped.stderr.starts_with("error: "), "{piped:?}");
        if format == "zip" {
            assert!(!piped.stdout.windows(4).any(|bytes| bytes == b"PK\x05\x06"), "it ends as if it were whole");
        }
    }
}
