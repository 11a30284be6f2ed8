//! A draft, `put --onto`, is the version that putting everything makes, whatever changes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::support::{Project, os};

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }

    /// A path whose components sort before, at and after one another's `/`.
    fn path(&mut self) -> String {
        const NAMES: [&str; 9] = ["a", "a-", "a-b", "a.", "a0", "a ", "b", "b.c", "c"];
        let depth = 2 + self.roll(4);
        let mut parts: Vec<String> = (0..depth).map(|_| NAMES[self.roll(NAMES.len())].to_owned()).collect();
        parts.push(format!("{}{:0>60}", NAMES[self.roll(NAMES.len())], self.roll(3)));
        parts.join("/")
    }
}

/// Files by path, none of them a directory of another.
type Files = BTreeMap<String, String>;

/// Puts a file there as `put --onto` does: over a file, in the place of a directory, below a file.
fn give(files: &mut Files, path: &str, text: &str) {
    let below = format!("{path}/");
    files.retain(|other, _| !other.starts_with(&below) && !path.starts_with(&format!("{other}/")));
    files.insert(path.to_owned(), text.to_owned());
}

fn remove(files: &mut Files, path: &str) {
    let below = format!("{path}/");
    files.retain(|other, _| other != path && !other.starts_with(&below));
}

/// Makes the files below a directory other ones; what is equal stays.
fn change(project: &Project, dir: &str, from: &Files, to: &Files) {
    for path in from.keys().filter(|path| !to.contains_key(*path)) {
        let mut path = Path::new(dir).join(path);
        project.remove(&path);
        // An empty directory would be an entry.
        while path.pop() && path != Path::new(dir) && fs::remove_dir(project.path(&path)).is_ok() {}
    }
    for (path, text) in to.iter().filter(|(path, text)| from.get(*path) != Some(text)) {
        project.write(Path::new(dir).join(path), text);
    }
}

#[test]
fn drafts_are_the_versions_that_putting_everything_makes() {
    let project = Project::new();
    let mut dice = Dice(7);
    let mut files = Files::new();
    while files.len() < 1_200 {
        let path = dice.path();
        give(&mut files, &path, &path);
    }
    project.mkdir("all");
    change(&project, "all", &Files::new(), &files);
    let base = project.put("all", &[])["version"].clone();
    assert_eq!(base, "v0");
    let base = files;
    for round in 0..12 {
        let (mut after, mut given, mut removed) = (base.clone(), Files::new(), Vec::new());
        let paths: Vec<&String> = base.keys().collect();
        for _ in 0..dice.roll(4) {
            // A file, a directory, or a directory far up.
            let mut path = &paths[dice.roll(paths.len())][..];
            for _ in 0..dice.roll(4) {
                path = path.rsplit_once('/').map_or(path, |(dir, _)| dir);
            }
            removed.push(path.to_owned());
        }
        removed.retain(|path| base.keys().any(|other| other == path || other.starts_with(&format!("{path}/"))));
        removed.iter().for_each(|path| remove(&mut after, path));
        for number in 0..1 + dice.roll(4) {
            let there = paths[dice.roll(paths.len())];
            let path = match dice.roll(4) {
                0 => dice.path(),
                // Below a file, in the place of a directory, over a file.
                1 => format!("{there}/{}", dice.path()),
                2 => there.rsplit_once('/').map_or("x", |(dir, _)| dir).to_owned(),
                _ => there.clone(),
            };
            if given.keys().any(|other| other.starts_with(&format!("{path}/")) || path.starts_with(&format!("{other}/"))) {
                continue;
            }
            given.insert(path, format!("round {round}, {number}"));
        }
        given.iter().for_each(|(path, text)| give(&mut after, path, text));
        project.mkdir("given");
        change(&project, "given", &Files::new(), &given);
        change(&project, "all", &base, &after);
        let mut args: Vec<&str> = vec!["put", "draft", "given", "--onto", "data:v0", "--json"];
        removed.iter().for_each(|path| args.extend(["--remove", &path[..]]));
        let draft = project.art(args.iter().map(|arg| os(arg.as_bytes()))).ok().json();
        let whole = project.art(["put", "whole", "all", "--json"]).ok().json();
        for field in ["digest", "file_count", "size_bytes"] {
            assert_eq!(draft[field], whole[field], "{field} in round {round}: {removed:?} {given:?}");
        }
        change(&project, "all", &after, &base);
        project.remove("given");
    }
}

/// The file `a` is the last of a page, and what it gives way to comes pages later.
#[test]
fn a_file_gives_way_to_a_directory_that_follows_in_another_page() {
    let project = Project::new();
    let begins_page = |name: &String| blake3::hash(name.as_bytes()).as_bytes()[0] & 0x7f == 0;
    let next = (0..).map(|number| format!("a-{number:04}")).find(begins_page).unwrap();
    for number in 0..800 {
        project.write(format!("base/A{number:0>80}"), "");
    }
    project.write("base/a", "a file");
    project.write(format!("base/{next}"), "begins a page");
    project.put("base", &[]);
    project.write("given/a/now-below", "");
    project.write("given/a-zz", "");
    let draft = project.art(["put", "draft", "given", "--onto", "data:v0", "--json"]).ok().json();
    project.remove("base/a");
    project.write("base/a/now-below", "");
    project.write("base/a-zz", "");
    assert_eq!(draft["digest"], project.put("base", &[])["digest"]);
}
