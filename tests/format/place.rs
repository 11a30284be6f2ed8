//! "Records": where the records of an artifact may lie, and what lies in a wrong place is.

use std::fs;
use std::path::Path;

use artstore::format::record::{AliasRecord, EditRecord, Record, VersionRecord};
use artstore::refs::read::{artifacts, load, load_all};

use crate::record::{edit, example_version, time};

fn version(artifact: &str) -> Record {
    Record::Version(Box::new(VersionRecord { artifact: artifact.parse().unwrap(), ..example_version() }))
}

fn edited(artifact: &str) -> Record {
    Record::Edit(Box::new(EditRecord { artifact: artifact.parse().unwrap(), ..edit(0, None) }))
}

fn alias(artifact: &str) -> Record {
    Record::Alias(AliasRecord {
        alias: "best".parse().unwrap(),
        artifact: artifact.parse().unwrap(),
        created_at: time("2026-11-03T09:15:00Z"),
        replaces: Vec::new(),
        seq: 0,
        target: None,
    })
}

fn lay(root: &Path, folder: &str, record: &Record) {
    let (id, line) = record.encode().unwrap();
    let folder = root.join("refs").join(folder);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("0.{}", id.short(16))), line).unwrap();
}

/// Versions, aliases, edits, and what is wrong with the rest, of `Model`.
fn found(root: &Path) -> ([usize; 3], Vec<String>) {
    let records = load(root, &"Model".parse().unwrap(), 2, None).unwrap();
    let why = records.damaged.into_iter().map(|damaged| damaged.why).collect();
    ([records.versions.len(), records.aliases.len(), records.edits.len()], why)
}

#[test]
fn aliases_and_edits_count_in_any_folder_and_versions_in_one() {
    for folder in ["Model/versions", "model/edits", "MODEL/aliases/other"] {
        let dir = tempfile::tempdir().unwrap();
        for record in [version("Model"), alias("Model"), edited("Model")] {
            lay(dir.path(), folder, &record);
        }
        let is_for_versions = folder.ends_with("versions");
        let (counts, damaged) = found(dir.path());
        assert_eq!(counts, [usize::from(is_for_versions), 1, 1], "{folder}");
        assert_eq!(damaged.len(), usize::from(!is_for_versions), "{folder}: {damaged:?}");
    }
}

#[test]
fn a_record_in_the_folder_of_another_artifact_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    lay(dir.path(), "model/versions", &version("Model"));
    for (folder, stranger) in
        [("model/versions", version("other")), ("model/edits", edited("other")), ("model/aliases/best", alias("other"))]
    {
        lay(dir.path(), folder, &stranger);
    }
    let why = "it lies in the folder of another artifact".to_owned();
    assert_eq!(found(dir.path()), ([1, 0, 0], vec![why; 3]));
    let names = |names: Vec<artstore::name::Name>| names.iter().map(|name| name.as_str().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(artifacts(dir.path(), 2, None).unwrap()), ["Model"]);
    let other = load(dir.path(), &"other".parse().unwrap(), 2, None).unwrap();
    assert!(other.versions.is_empty() && other.aliases.is_empty() && other.edits.is_empty() && other.damaged.is_empty());
    let all = load_all(dir.path(), 2, None).unwrap();
    let of =
        |name: &str| all.iter().find(|(at, _)| at.as_str() == name).map(|(_, records)| (records.versions.len(), records.damaged.len()));
    assert_eq!((of("Model"), of("model"), of("other")), (Some((1, 0)), Some((0, 3)), None));
}

#[test]
fn a_folder_whose_name_is_none_of_an_artifact_is_a_stranger() {
    let dir = tempfile::tempdir().unwrap();
    lay(dir.path(), "a b/versions", &version("ab"));
    assert!(load_all(dir.path(), 2, None).unwrap().is_empty());
    assert!(artifacts(dir.path(), 2, None).unwrap().is_empty());
}

#[test]
fn an_artifact_of_edits_alone_has_no_versions() {
    let dir = tempfile::tempdir().unwrap();
    lay(dir.path(), "Model/edits", &edited("Model"));
    assert_eq!(found(dir.path()), ([0, 0, 1], Vec::new()));
    assert!(artifacts(dir.path(), 2, None).unwrap().is_empty());
}
