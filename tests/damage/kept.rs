//! The record cache beside its store: what was removed, damaged or copied, who may not write, and
//! writers at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use artstore::format::record::Record;
use artstore::store::Store;

use crate::support::Project;
use crate::{Damage, small_store};

/// As many versions as make the cache worth a file.
const VERSIONS: u64 = 150;

/// A store of many versions, put there as a copy would, and then a put, which saves the cache.
fn kept() -> Project {
    let project = small_store();
    let first = Store::open(&project.store()).unwrap().resolve(&"data".parse().unwrap()).unwrap().version.record;
    for number in 1..VERSIONS {
        let mut record = first.clone();
        (record.number, record.description) = (number, Some(format!("number {number}")));
        let (id, line) = Record::Version(Box::new(record)).encode().unwrap();
        fs::write(project.store().join(format!("refs/data/versions/{number}.{}", id.short(16))), line).unwrap();
    }
    assert!(cache_of(&project).is_none());
    project.put("d", &[]);
    assert!(cache_of(&project).is_some());
    project
}

fn cache_of(project: &Project) -> Option<PathBuf> {
    let folders = fs::read_dir(project.store().join("local")).unwrap().map(|entry| entry.unwrap().path());
    folders.map(|folder| folder.join("records")).find(|path| path.exists())
}

fn version(project: &Project, number: u64) -> PathBuf {
    let names = fs::read_dir(project.store().join("refs/data/versions")).unwrap().map(|entry| entry.unwrap().path());
    names.into_iter().find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&format!("{number}."))).unwrap()
}

fn found(project: &Project) -> usize {
    project.art(["find", "--json"]).ok().json().as_array().unwrap().len()
}

#[test]
fn a_record_that_is_gone_is_gone_and_one_that_comes_is_there() {
    let project = kept();
    assert_eq!(found(&project), VERSIONS as usize);
    let (path, aside) = (version(&project, 70), project.outside().join("aside"));
    fs::rename(&path, &aside).unwrap();
    assert_eq!(found(&project), VERSIONS as usize - 1);
    project.art(["show", "data:v70"]).fails(3);
    fs::rename(&aside, &path).unwrap();
    assert_eq!(found(&project), VERSIONS as usize);
    project.write("d/new", "new");
    project.put("d", &[]);
    assert_eq!(found(&project), VERSIONS as usize + 1);
    fs::remove_dir_all(project.store().join("refs/data")).unwrap();
    assert_eq!(found(&project), 0);
}

#[test]
fn a_damaged_record_reads_as_it_was_and_is_found_by_all_who_look_for_damage() {
    for damage in [Damage::Flip(0.5), Damage::Truncate(0.0), Damage::Extend] {
        let project = kept();
        let path = version(&project, VERSIONS - 1);
        damage.inflict(&path);
        // The digits in its name are those of what the cache has.
        assert_eq!(found(&project), VERSIONS as usize);
        let shown = project.art(["show", "data", "--json"]).ok().json();
        assert_eq!(shown["description"], format!("number {}", VERSIONS - 1));
        let name = path.file_name().unwrap().to_str().unwrap();
        let told = project.art(["fsck"]);
        told.fails(5);
        assert!(told.text().contains(name), "{damage:?}: {}", told.text());
        project.art(["gc"]).fails(5);
        // Who writes relies on files, and this one is not on disk: the one before it has the same content.
        assert_eq!(project.put("d", &[])["version"], format!("v{}", VERSIONS - 2));
    }
}

#[test]
fn the_cache_of_another_copy_is_not_looked_at_and_does_no_harm() {
    let (project, other) = (kept(), small_store());
    other.art(["edit", "data", "--message", "of another copy"]).ok();
    let local = cache_of(&project).unwrap();
    fs::copy(&local, Path::new(&other_local(&other)).join("records")).unwrap();
    assert_eq!(found(&other), 1);
    assert_eq!(other.art(["show", "data", "--json"]).ok().json()["description"], "of another copy");
    // Copied with its local state, it is another's.
    let copy = Project::bare();
    assert!(Command::new("cp").arg("-a").arg(project.store()).arg(copy.root()).status().unwrap().success());
    fs::remove_file(version(&copy, 3)).unwrap();
    assert_eq!(found(&copy), VERSIONS as usize - 1);
    assert!(Store::open(&copy.store()).unwrap().local().is_none());
}

fn other_local(project: &Project) -> PathBuf {
    Store::open(&project.store()).unwrap().local().unwrap()
}

#[test]
fn who_may_not_write_reads_with_the_cache_and_without_it() {
    let project = kept();
    let all = project.art(["find", "--json"]).ok().stdout;
    let look = || {
        let Some(mut command) = project.as_nobody(["find", "--json"]) else { return };
        let out = command.output().unwrap();
        assert!(out.status.success() && out.stdout == all, "{}", String::from_utf8_lossy(&out.stderr));
    };
    look();
    let cache = cache_of(&project).unwrap();
    let before = fs::read(&cache).unwrap();
    fs::remove_file(&cache).unwrap();
    look();
    assert_eq!(project.art(["find", "--json"]).ok().stdout, all);
    assert!(cache_of(&project).is_none(), "a reader wrote it");
    fs::write(&cache, &before[..before.len() / 2]).unwrap();
    look();
    // A writer mends it.
    project.put("d", &[]);
    assert_eq!(fs::read(&cache).unwrap().len(), before.len());
}

#[test]
fn writers_at_once_leave_one_whole_cache() {
    let project = kept();
    let cache = cache_of(&project).unwrap();
    fs::remove_file(&cache).unwrap();
    let put = |number| {
        project.write(format!("e{number}/x"), format!("of {number}"));
        let (name, dir) = (format!("other{number}"), format!("e{number}"));
        project.command(["put", name.as_str(), dir.as_str()]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let children: Vec<_> = (0..6).map(put).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert!(cache.exists());
    assert_eq!(found(&project), VERSIONS as usize + 6);
    let read = |store: Store| format!("{:?}", store.histories().unwrap());
    let store = || Store::open(&project.store()).unwrap();
    assert_eq!(read(store().with_record_cache()), read(store()));
    // A store that is read through the cache cannot be written through.
    let options =
        artstore::ops::put::PutOptions { sources: vec![project.path("d")], ..artstore::ops::put::PutOptions::new("data".parse().unwrap()) };
    let refused = artstore::ops::put::put(&store().with_record_cache(), &crate::oracle::context(), &options, None).unwrap_err();
    assert!(refused.to_string().contains("record cache"), "{refused}");
}
