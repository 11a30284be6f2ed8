//! `.artignore` has the syntax and the meaning of `.gitignore`: git itself is asked.

use std::collections::BTreeSet;

use crate::support::{Project, run};

/// Files of every case, in `d`.
const FILES: [&str; 36] = [
    "a",
    "a.txt",
    "b.txt",
    "foo",
    "foo.tmp",
    "foo ",
    "foo  x",
    "#hash",
    "!bang",
    "dir/a",
    "dir/a.txt",
    "dir/sub/a.txt",
    "dir/sub/deep/a",
    "dir/sub/deep/b.txt",
    "dir2/foo",
    "dir2/sub/foo",
    "build/out",
    "build/keep/x",
    "x/build/out",
    "x/y/build",
    "x/y/z/a.txt",
    "abc/def",
    "abd/def",
    "[ab]",
    "b[1]",
    "star*",
    "q?x",
    "back\\slash",
    "UPPER.TXT",
    "é.txt",
    ".hidden",
    ".dir/x",
    "a-b",
    "a b/c d",
    "deep/1/2/3/4/a",
    "trailing\t",
];

/// Pattern files: each case is the lines of `d`, of `d/dir`, and of the directory above `d`.
const CASES: [(&str, &str, &str); 66] = [
    ("a", "", ""),
    ("/a", "", ""),
    ("a/", "", ""),
    ("dir", "", ""),
    ("dir/", "", ""),
    ("/dir/", "", ""),
    ("*.txt", "", ""),
    ("*.txt\n!a.txt", "", ""),
    ("*.txt\n!/a.txt", "", ""),
    ("dir/*\n!dir/a", "", ""),
    ("dir\n!dir/a", "", ""),
    ("dir/\n!dir/a", "", ""),
    ("dir/**\n!dir/sub\n!dir/sub/a.txt", "", ""),
    ("/*\n!/dir", "", ""),
    ("/*\n!/dir\n/dir/*\n!/dir/sub", "", ""),
    ("**/a", "", ""),
    ("**/a.txt", "", ""),
    ("dir/**", "", ""),
    ("dir/**/a.txt", "", ""),
    ("dir/**/deep", "", ""),
    ("**/sub/**", "", ""),
    ("a**", "", ""),
    ("**foo", "", ""),
    ("x/**/build", "", ""),
    ("x/*/build", "", ""),
    ("x/y", "", ""),
    ("build", "", ""),
    ("build/\n!build/keep/", "", ""),
    ("build/*\n!build/keep", "", ""),
    ("foo ", "", ""),
    ("foo\\ ", "", ""),
    ("foo\\  ", "", ""),
    ("foo\\ \\ x", "", ""),
    ("  a", "", ""),
    ("#hash", "", ""),
    ("\\#hash", "", ""),
    ("!bang", "", ""),
    ("\\!bang", "", ""),
    ("ab[cd]/def", "", ""),
    ("ab[!c]", "", ""),
    ("ab[^c]", "", ""),
    ("ab[a-c]", "", ""),
    ("[[:upper:]]*", "", ""),
    ("ab[[:digit:]c]", "", ""),
    ("ab[![:lower:]]", "", ""),
    ("[]x[:digit:]-]*", "", ""),
    ("b[[]1]", "", ""),
    ("\\[ab\\]", "", ""),
    ("b\\[1\\]", "", ""),
    ("star\\*", "", ""),
    ("q\\?x\nq?x", "", ""),
    ("back\\\\slash", "", ""),
    ("?", "", ""),
    ("*", "", ""),
    ("*\n!*/\n!*.txt", "", ""),
    ("upper.txt", "", ""),
    ("é.txt", "", ""),
    (".*\n!.artignore\n!.gitignore", "", ""),
    ("a b/", "", ""),
    ("*.txt\r\nfoo\r\n", "", ""),
    ("", "a.txt\n", ""),
    ("*.txt", "!a.txt", ""),
    ("", "/a\n!sub\nsub/deep/", ""),
    ("", "!*.txt", "*.txt"),
    ("!a.txt", "", "a.txt\n/d/foo\nfoo.tmp/\nd/x"),
    ("\u{feff}foo\n\n\n   \na", "*", "/dir2\nd/dir2/sub"),
];

fn kept_by_git(project: &Project) -> BTreeSet<Vec<u8>> {
    let listed = run(&mut project.program("git", ["ls-files", "--others", "--exclude-standard", "-z", "--", "d"])).ok().stdout;
    listed.split(|&b| b == 0).filter_map(|path| path.strip_prefix(b"d/")).map(<[u8]>::to_vec).collect()
}

fn kept_by_art(project: &Project) -> BTreeSet<Vec<u8>> {
    let put = project.art(["put", "data", "d"]);
    if put.code != Some(0) {
        return BTreeSet::from([put.stderr.into_bytes()]);
    }
    let listed = project.art(["ls-tree", "-z", "data"]).ok().stdout;
    let entries = listed.split(|&b| b == 0).filter(|entry| entry.starts_with(b"file"));
    entries.map(|entry| entry[entry.iter().position(|&b| b == b'\t').unwrap() + 1..].to_vec()).collect()
}

/// Neither kind of pattern file counts.
fn without_rules(paths: BTreeSet<Vec<u8>>) -> BTreeSet<String> {
    let shown = paths.into_iter().map(|path| String::from_utf8(path).unwrap());
    shown.filter(|path| !path.ends_with(".gitignore") && !path.ends_with(".artignore")).collect()
}

#[test]
fn patterns_leave_out_what_git_leaves_out() {
    let project = Project::new();
    run(&mut project.program("git", ["init", "-q"])).ok();
    FILES.iter().for_each(|file| project.write(format!("d/{file}"), *file));
    let mut wrong = Vec::new();
    for (top, dir, above) in CASES {
        for name in [".gitignore", ".artignore"] {
            project.write(format!("d/{name}"), top);
            project.write(format!("d/dir/{name}"), dir);
            project.write(name, above);
        }
        let (git, art) = (without_rules(kept_by_git(&project)), without_rules(kept_by_art(&project)));
        if git != art {
            let only: Vec<_> = git.symmetric_difference(&art).collect();
            wrong.push(format!("{top:?} {dir:?} {above:?}: {only:?}"));
        }
    }
    assert!(wrong.is_empty(), "git and art differ:\n{}", wrong.join("\n"));
}

#[test]
fn what_is_left_out_and_named_is_refused_as_by_git_add() {
    let project = Project::new();
    project.write(".artignore", "*.tmp\nbuild/\n");
    ["x.tmp", "build/out", "d/y.tmp", "d/y"].iter().for_each(|file| project.write(file, *file));
    for source in ["x.tmp", "build", "build/out", "d/y.tmp"] {
        let refused = project.art(["put", "data", source]);
        assert!(refused.fails(1).contains("a pattern leaves out") && refused.stderr.contains("hint: `--no-ignore`"), "{refused:?}");
        project.art(["put", "data", source, "--no-ignore"]).ok();
    }
    project.art(["put", "data", "d/y", "--ignore", "y"]).fails(1);
    // What is compared or restored lies where it lies.
    project.art(["get", "data:v0", "build/got"]).ok();
    project.art(["verify", "data:v0", "build/got"]).ok();
}

#[test]
fn a_bad_pattern_is_told_with_its_line() {
    let project = Project::new();
    project.write("d/.artignore", "ok\nfoo\\\n");
    project.write("d/x", "");
    assert!(project.art(["put", "data", "d"]).fails(2).contains("bad pattern in line 2 of"));
    project.art(["put", "data", "d", "--no-ignore"]).ok();
}
