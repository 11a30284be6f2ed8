//! References: `put --ref` and `--ref-file`, and what `get`, `checkout`, `verify`, `cat` and `ls`
//! make of them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use crate::env::Env;

/// A directory beside the project, to refer to.
fn outside(env: &Env) -> PathBuf {
    let dir = env.project().parent().unwrap().join("outside");
    fs::create_dir_all(dir.join("sub")).unwrap();
    fs::write(dir.join("a.txt"), "one\n").unwrap();
    fs::write(dir.join("sub/b c#%.txt"), "two\n").unwrap();
    fs::write(dir.join("empty"), "").unwrap();
    dir
}

fn uri(dir: &std::path::Path) -> String {
    format!("file://{}", dir.display())
}

#[test]
fn what_is_elsewhere_is_recorded_as_given() {
    let env = Env::new();
    env.write("f", "stored");
    let digest = "e0e63aa4c8e1ed796cb104d8a074e553c99fff18d140e886667013ef2780ae23";
    env.write(
        "refs.jsonl",
        format!("{{\"uri\":\"s3://b/year=2024/p.csv\",\"path\":\"y/p.csv\",\"digest\":\"{digest}\",\"size_bytes\":4,\"etag\":\"e-1\"}}\n\n{{\"uri\":\"gs://b/k\"}}\n"),
    );
    env.art(["put", "d", "f", "--ref", "s3://bucket/key.bin=train/x", "--ref", "https://h/my%20file.csv?v=3", "--ref-file", "refs.jsonl"])
        .done();
    assert_eq!(
        env.art(["ls", "d:v0"]).done(),
        "-       6 B  f\nr            k -> gs://b/k\nr            my file.csv -> https://h/my%20file.csv?v=3\n\
         r            train/x -> s3://bucket/key.bin\nr       4 B  y/p.csv -> s3://b/year=2024/p.csv\n"
    );
    let listed = env.art(["ls", "d:v0", "y", "--json"]).json();
    assert_eq!(listed[0]["kind"], "reference");
    assert_eq!(
        (listed[0]["digest"].as_str(), listed[0]["etag"].as_str(), &listed[0]["size_bytes"]),
        (Some(digest), Some("e-1"), &4.into())
    );
    assert!(env.art(["ls-tree", "d:v0", "y"]).done().starts_with(&format!("reference {digest} 4\ty/p.csv")));
    // The same again is the same version; a draft takes references over and wins over them.
    env.art(["put", "d", "--onto", "d", "--ref", "s3://bucket/key.bin=train/x"]).done();
    assert!(env.art(["put", "d", "--onto", "d", "--ref", "s3://bucket/key2.bin=train/x"]).done().starts_with("stored: d:v1"));
    assert_eq!(env.art(["ls", "d:v1", "train"]).done(), "r            train/x -> s3://bucket/key2.bin\n");
    assert!(env.art(["fsck"]).done().contains("no finding"));
}

#[test]
fn files_of_this_computer_are_hashed_and_not_stored() {
    let env = Env::new();
    let dir = outside(&env);
    env.art(["put", "d", "--ref", &format!("{}=scans", uri(&dir))]).done();
    let listed = env.art(["ls", "d:v0", "--json"]).json();
    let shown: Vec<_> =
        listed.as_array().unwrap().iter().map(|row| (row["path"].as_str().unwrap(), row["target"].as_str().unwrap())).collect();
    let under = uri(&dir);
    assert_eq!(
        shown,
        [
            ("scans/a.txt", &format!("{under}/a.txt")[..]),
            ("scans/empty", &format!("{under}/empty")[..]),
            ("scans/sub/b c#%.txt", &format!("{under}/sub/b%20c%23%25.txt")[..])
        ]
    );
    assert_eq!(listed[0]["digest"], "e0e63aa4c8e1ed796cb104d8a074e553c99fff18d140e886667013ef2780ae23");
    assert!(!env.store().join("packs").read_dir().is_ok_and(|mut packs| packs.any(|pack| pack.unwrap().file_name() != ".git")));

    let got = env.art(["get", "d", "out", "--json"]).json();
    assert_eq!((&got["restored_references"], &got["missing_references"], &got["file_count"]), (&3.into(), &0.into(), &0.into()));
    assert_eq!(fs::read(env.project().join("out/scans/sub/b c#%.txt")).unwrap(), b"two\n");
    assert_eq!(env.art(["verify", "d", "out"]).done(), "same: d:v0 (entries compared: 3)\n");
    assert_eq!(env.art(["cat", "d", "scans/a.txt"]).done(), "one\n");
    // What is there and right is kept, though its source is gone.
    fs::remove_file(dir.join("a.txt")).unwrap();
    env.art(["checkout", "d", "out"]).done();
    fs::remove_file(env.project().join("out/scans/empty")).unwrap();
    assert_eq!(env.art(["verify", "d", "out"]).text(), "missing: scans/empty\n");
    env.art(["get", "d", "out"]).done();
    env.write("out/scans/empty", "work");
    assert!(env.art(["get", "d", "out"]).failed(1).contains("1 file in the way"));
}

#[test]
fn a_reference_that_cannot_be_restored_stops_all_or_is_left_out() {
    let env = Env::new();
    let dir = outside(&env);
    env.write("f", "stored");
    let local = format!("{}/a.txt=a", uri(&dir));
    env.art(["put", "d", "f", "--ref", &local, "--ref", "s3://bucket/key.bin=k"]).done();
    let refused = "error: nothing was restored: 1 reference cannot be restored here:\n  k -> s3://bucket/key.bin: it is not on this \
                   computer, and nothing is fetched over a network\nhint: `--allow-missing-refs` restores the rest\n";
    assert_eq!(env.art(["get", "d", "out"]).failed(1), refused);
    assert!(!env.project().join("out").exists());
    let got = env.art(["get", "d", "out", "--allow-missing-refs"]);
    assert_eq!((got.code, &got.text()[..]), (Some(0), "restored: d:v0 to out (1 file, 6 B; 1 reference restored)\n"));
    assert!(got.stderr.starts_with("warning: left out 'k', a reference to 's3://bucket/key.bin'"));
    assert_eq!(env.art(["verify", "d", "out"]).done(), "same: d:v0 (entries compared: 2; references not compared: 1)\n");
    assert_eq!(env.art(["diff", "d", "out", "--name-only"]).done(), "");
    // Put there by hand it belongs to the version.
    env.write("out/k", "fetched");
    env.art(["get", "d", "out"]).done();
    assert_eq!(env.art(["verify", "d", "out", "--json"]).json()["unchecked_references"], 1);

    // One that has changed is found out while it is copied, at the latest.
    fs::write(dir.join("a.txt"), "ONE\n").unwrap();
    fs::remove_dir_all(env.project().join("out")).unwrap();
    env.art(["get", "d", "out", "--allow-missing-refs"]).text();
    assert!(!env.project().join("out/a").exists());
    assert!(env.art(["get", "d", "out", "--path", "a"]).failed(1).contains("cannot restore 'a'"));
    assert!(!env.project().join("out/a").exists());
    assert!(env.art(["get", "d", "new", "--path", "a"]).failed(1).contains("it has changed since it was recorded"));
    let left: Vec<_> = fs::read_dir(env.project()).unwrap().map(|entry| entry.unwrap().file_name()).filter(|name| *name != "out").collect();
    assert_eq!(left.len(), 2, "{left:?}");
    let refused = env.art(["cat", "d", "a"]);
    assert_eq!((refused.code, refused.text().is_empty()), (Some(1), true));
    assert!(env.art(["cat", "d", "k"]).failed(1).contains("cannot cat 'k', a reference to 's3://bucket/key.bin'"));
}

#[test]
fn only_a_regular_file_of_the_recorded_length_is_opened() {
    let env = Env::new();
    let dir = outside(&env);
    env.art(["put", "d", "--ref", &format!("{}/a.txt", uri(&dir))]).done();
    let place = dir.join("a.txt");
    let refused = |why: &str| assert!(env.art(["get", "d", "out"]).failed(1).contains(why), "{why}");
    fs::remove_file(&place).unwrap();
    refused("it is not there");
    assert!(Command::new("mkfifo").arg(&place).status().unwrap().success());
    refused("it is not a file");
    assert!(env.art(["cat", "d", "a.txt"]).failed(1).contains("it is not a file"));
    fs::remove_file(&place).unwrap();
    symlink("/dev/zero", &place).unwrap();
    refused("it is not a file");
    fs::remove_file(&place).unwrap();
    fs::write(&place, "longer\n").unwrap();
    refused("it has changed since it was recorded");
    // Without a digest and a size nothing is read.
    env.art(["put", "e", "--ref", "s3://b/k"]).done();
    assert!(!env.project().join("out").exists());
}

#[test]
fn bad_references_are_refused() {
    let env = Env::new();
    let dir = outside(&env);
    let put = |args: &[&str], code| env.art([&["put", "d"], args].concat()).failed(code).to_owned();
    assert_eq!(
        put(&["--ref", "https://me:hunter2@host/f"], 1),
        "error: cannot record the reference to 'https://host/f': its URI has a user's password or token\nhint: a store is copied and \
         committed: give the URI without it; who fetches it brings credentials of their own\n"
    );
    assert!(!put(&["--ref", "https://h/f?X-Amz-Signature=hunter2"], 1).contains("hunter2"));
    assert!(put(&["--ref", "data/x"], 2).contains("does not begin with a scheme"));
    assert!(put(&["--ref", "s3://b/dir/"], 2).contains("has no name at its end"));
    assert!(put(&["--ref", "file://other-host/x"], 2).contains("absolute path of this computer"));
    assert!(put(&["--ref", &format!("{}/none", uri(&dir))], 3).contains("/none'"));
    assert!(put(&["--ref", "s3://b/k=../x"], 2).contains("bad path"));
    env.write("a", "stored");
    assert!(put(&["a", "--ref", "s3://b/a"], 2).contains("cannot store 'a' twice with different content"));
    assert!(put(&["a", "--ref", "s3://b/k=a/b"], 2).contains("cannot store both 'a' and 'a/b'"));
    env.write("refs", "{\"uri\":\"s3://b/k\"}\n{\"uri\":\"s3://b/k\",\"md5\":\"x\"}\n");
    assert!(put(&["--ref-file", "refs"], 2).contains("bad reference in line 2 of 'refs'"));
    env.write("refs", "{\"uri\":\"s3://b/k\",\"digest\":\"d41d8cd98f00b204e9800998ecf8427e\"}\n");
    assert!(put(&["--ref-file", "refs"], 2).contains("`etag`"));
    let wrong = format!("{{\"uri\":\"{}/a.txt\",\"size_bytes\":5}}\n", uri(&dir));
    env.write("refs", wrong);
    assert!(put(&["--ref-file", "refs"], 1).contains("another digest or size than was given"));
    let doubtful = env.art(["put", "d", "--ref", "s3://b/year=2024/p.csv"]);
    assert_eq!(doubtful.code, Some(0));
    assert!(doubtful.stderr.contains("took 's3://b/year' for the URI and '2024/p.csv' for its path"));
    env.art(["put", "d", "--ref", "s3://b/year=2024/p.csv="]).done();
    assert_eq!(env.art(["ls", "d:v1"]).done(), "r            p.csv -> s3://b/year=2024/p.csv\n");
}

#[test]
fn versions_with_references_go_through_every_command() {
    let env = Env::new();
    let dir = outside(&env);
    env.write("f", "stored");
    let local = format!("{}/a.txt=a", uri(&dir));
    let put = env.art(["put", "d", "f", "--ref", &local, "--ref", "s3://b/old=k"]).done();
    assert!(put.starts_with("stored: d:v0 (1 file, 6 B, 2 references; "), "{put}");
    assert_eq!(
        env.art(["put", "d", "f", "--ref", &local, "--ref", "s3://b/old=k"]).done(),
        "unchanged: d:v0 (1 file, 6 B, 2 references)\n"
    );
    env.write("refs", "{\"uri\":\"s3://b/new\",\"path\":\"k\",\"etag\":\"e\"}");
    let put = env.art(["put", "d", "--onto", "d", "--ref-file", "refs", "--ref", "https://h/x", "--json"]).json();
    assert_eq!((&put["version"], &put["reference_count"], &put["file_count"]), (&"v1".into(), &2.into(), &1.into()));

    let shown = env.art(["show", "d:v1"]).done();
    assert!(
        shown.contains(&format!(
            "\n  reference    a -> {}/a.txt\n  reference    k -> s3://b/new\n  reference    x -> https://h/x\n",
            uri(&dir)
        )),
        "{shown}"
    );
    let shown = env.art(["show", "d:v1", "--json"]).json();
    let mut listed = env.art(["ls", "d:v1", "--json"]).json();
    listed.as_array_mut().unwrap().retain(|row| row["kind"] == "reference");
    assert_eq!(shown["references"], listed);
    assert_eq!(shown["references"][1]["etag"], "e");
    let differs = env.art(["diff", "d:v0", "d:v1"]).done();
    assert!(differs.starts_with("M k  s3://b/old -> s3://b/new, another etag\nA x  https://h/x\n"), "{differs}");
    let differs = env.art(["diff", "d:v0", "d:v1", "--json"]).json();
    assert_eq!(
        (&differs["entries"][0]["old"]["target"], &differs["entries"][0]["new"]["target"]),
        (&"s3://b/old".into(), &"s3://b/new".into())
    );

    // What they name takes no place here, and is not looked for.
    fs::remove_dir_all(&dir).unwrap();
    let usage = env.art(["du", "--json"]).json();
    assert_eq!(usage["artifacts"][0]["size_bytes"], 12, "{usage}");
    assert!(env.art(["fsck"]).done().contains("2 versions complete; no finding"));
    for command in ["push", "sync"] {
        let copy = env.project().join(command);
        env.art([command, "--init", copy.to_str().unwrap()]).done();
        assert_eq!(env.art(["-C", command, "show", "d:v1", "--json"]).json()["references"], shown["references"]);
        assert!(env.art(["-C", command, "fsck"]).done().contains("no finding"));
    }
    env.art(["rm", "d:v0"]).done();
    env.art(["gc", "--prune-now"]).done();
    assert!(env.art(["fsck"]).done().contains("no finding"));
    env.art(["pull", "push"]).done();
    assert_eq!(env.art(["show", "d:v1", "--json"]).json()["references"], shown["references"]);

    // Where the manifest is not here the records still tell of the version.
    fs::remove_dir_all(env.store().join("meta")).unwrap();
    fs::create_dir(env.store().join("meta")).unwrap();
    assert!(env.art(["show", "d:v1", "--json"]).json()["references"].is_null());
    let shown = env.art(["show", "d:v1"]);
    assert!(shown.code == Some(0) && !shown.text().contains("reference "), "{shown:?}");
    assert!(shown.stderr.starts_with("warning: cannot tell its references: "), "{shown:?}");
}
