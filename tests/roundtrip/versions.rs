//! When a put makes a version, what it costs, and what it notes on one that is there.

use crate::support::{Project, files, noise};

#[test]
fn a_then_b_then_a_makes_three_versions() {
    let project = Project::new();
    project.write("d/file", noise(1, 300_000));
    let a = project.put("d", &[]);
    project.write("d/file", noise(2, 300_000));
    let b = project.put("d", &[]);
    project.write("d/file", noise(1, 300_000));
    let again = project.put("d", &[]);
    let labels: Vec<_> = [&a, &b, &again].iter().map(|version| version["version"].as_str().unwrap()).collect();
    assert_eq!(labels, ["v0", "v1", "v2"]);
    assert_eq!((&a["digest"], &again["new_bytes"]), (&again["digest"], &0.into()));
    assert_ne!(a["id"], again["id"]);
    assert_eq!(again["parents"][0], b["id"]);
    assert_eq!(project.art(["rev-parse", "data:latest"]).ok().text().trim(), again["id"].as_str().unwrap());
}

#[test]
fn equal_content_makes_no_version_and_writes_nothing() {
    let project = Project::new();
    project.write("d/file", "file");
    project.put("d", &[]);
    let synced = || files(&project.store()).into_iter().filter(|path| !path.starts_with(project.store().join("local"))).collect::<Vec<_>>();
    let before = synced();
    let ran = project.art(["put", "data", "d"]).ok();
    assert!(ran.text().starts_with("unchanged: data:v0"), "{}", ran.text());
    assert_eq!(synced(), before);
}

#[test]
fn equal_content_takes_new_aliases_tags_metadata_and_description() {
    let project = Project::new();
    project.write("d/file", "file");
    project.put("d", &["--alias", "first", "--tag", "one", "--meta", "kept=1", "--meta", "moved=1", "-m", "before"]);
    let edited = project.put("d", &["--alias", "best", "--tag", "two", "--meta", "moved=2", "--meta", "new=[1]", "-m", "after"]);
    assert_eq!((&edited["version"], &edited["unchanged"], &edited["new_bytes"]), (&"v0".into(), &true.into(), &0.into()));
    let shown = project.art(["show", "data", "--json"]).ok().json();
    assert_eq!(shown["aliases"], serde_json::json!(["latest", "best", "first"]));
    assert_eq!(shown["tags"], serde_json::json!(["one", "two"]));
    assert_eq!(shown["metadata"], serde_json::json!({ "kept": 1, "moved": 2, "new": [1] }));
    assert_eq!(shown["description"], "after");
    assert_eq!(shown["metadata"], edited["metadata"]);

    // Given again, nothing differs and no record is added.
    let count = files(&project.store().join("refs")).len();
    project.put("d", &["--alias", "best", "--tag", "two", "--meta", "moved=2", "-m", "after"]);
    assert_eq!(files(&project.store().join("refs")).len(), count);
}

#[test]
fn an_alias_moves_with_a_put() {
    let project = Project::new();
    for text in ["one", "two"] {
        project.write("d/file", text);
        project.put("d", &["--alias", "best"]);
    }
    assert_eq!(project.art(["cat", "data:best", "file"]).ok().stdout, b"two");
    let first = project.art(["show", "data:v0", "--json"]).ok().json();
    assert_eq!(first["aliases"], serde_json::json!([]));
}

#[test]
fn appending_and_inserting_store_only_what_is_near() {
    let project = Project::new();
    let mut bytes = noise(3, 16 << 20);
    project.write("d/file", &bytes);
    let first = project.put("d", &[]);
    assert!(first["new_bytes"].as_u64() >= Some(16 << 20), "{first}");

    bytes.extend_from_slice(b"some bytes at the end");
    project.write("d/file", &bytes);
    let appended = project.put("d", &[]);
    assert!(appended["new_bytes"].as_u64() < Some(300_000), "{appended}");

    bytes.splice(8 << 20..8 << 20, noise(4, 1000));
    project.write("d/file", &bytes);
    let inserted = project.put("d", &[]);
    assert!(inserted["new_bytes"].as_u64() < Some(500_000), "{inserted}");

    bytes.drain(3 << 20..(3 << 20) + 500_000);
    project.write("d/file", &bytes);
    let removed = project.put("d", &[]);
    assert!(removed["new_bytes"].as_u64() < Some(500_000), "{removed}");
    project.art(["get", "data", "out"]).ok();
    assert_eq!(project.read("out/file"), bytes);
}

#[test]
fn a_file_is_stored_once_wherever_it_lies() {
    let project = Project::new();
    project.write("d/one", noise(5, 1 << 20));
    project.put("d", &[]);
    project.write("d/copies/two", noise(5, 1 << 20));
    project.write("d/copies/three", noise(5, 1 << 20));
    let version = project.put("d", &[]);
    assert!(version["new_bytes"].as_u64() < Some(10_000), "{version}");
    let other = project.art(["put", "other", "d/one", "--json"]).ok().json();
    assert!(other["new_bytes"].as_u64() < Some(10_000), "{other}");
}

#[test]
fn a_change_that_keeps_the_size_is_seen() {
    let project = Project::new();
    project.write("d/file", "aaaa");
    project.put("d", &[]);
    for (number, text) in ["bbbb", "cccc", "dddd"].iter().enumerate() {
        project.write("d/file", text);
        assert_eq!(project.put("d", &[])["number"], number + 1);
    }
}

#[test]
fn the_type_of_an_artifact_stays() {
    let project = Project::new();
    project.write("d/file", "file");
    assert_eq!(project.put("d", &["--type", "model"])["type"], "model");
    project.write("d/file", "other");
    assert_eq!(project.put("d", &[])["type"], "model");
    assert!(project.art(["put", "data", "d", "--type", "dataset"]).fails(2).contains("has type 'model'"));
    project.art(["show", "data:v2"]).fails(3);
}

#[test]
fn metadata_too_long_for_a_record_comes_back() {
    let project = Project::new();
    project.write("d/file", "file");
    let long = "x".repeat(300_000);
    project.write("meta.json", serde_json::json!({ "long": long, "n": 1 }).to_string());
    project.put("d", &["--meta-file", "meta.json"]);
    let shown = project.art(["show", "data", "--json"]).ok().json();
    assert_eq!((shown["metadata"]["long"].as_str(), &shown["metadata"]["n"]), (Some(&long[..]), &1.into()));
    project.write("meta.json", serde_json::json!({ "long": "x".repeat(1 << 20) }).to_string());
    project.art(["put", "data", "d", "--meta-file", "meta.json"]).fails(2);
}
