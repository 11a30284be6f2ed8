//! Holds what `docs/decisions/0001-dependencies.md` promises of the crates that are depended on:
//! licences, pins, and no release that is known to be bad. Works offline, unlike an advisory check.
#![allow(clippy::unwrap_used)] // A test may fail by panicking.

use std::process::Command;

use serde_json::Value;

fn packages() -> Vec<Value> {
    let rustc = Command::new("rustc").arg("-vV").output().unwrap();
    let about = String::from_utf8(rustc.stdout).unwrap();
    let host = about.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    // Crates for other platforms were never fetched here, so they are left out.
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked", "--offline", "--filter-platform", host])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// The licences that deny.toml allows.
fn allowed() -> Vec<String> {
    let deny = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/deny.toml")).unwrap();
    let list = deny.split("allow = [").nth(1).unwrap().split(']').next().unwrap();
    list.split(',').map(|name| name.trim().trim_matches('"').to_owned()).collect()
}

#[test]
fn every_licence_is_one_that_we_allow() {
    let allowed = allowed();
    assert!(allowed.contains(&"MIT".to_owned()));
    let mut wrong = Vec::new();
    for package in packages() {
        let licence = package["license"].as_str().unwrap_or("none").replace('/', " OR ").replace(['(', ')'], "");
        // An expression holds if in each part joined by AND one of the choices is allowed.
        let holds = licence.split(" AND ").all(|part| part.split(" OR ").any(|choice| allowed.iter().any(|name| name == choice.trim())));
        if !holds {
            wrong.push(format!("{}: {licence}", package["name"]));
        }
    }
    assert!(wrong.is_empty(), "licences that deny.toml does not allow:\n{}", wrong.join("\n"));
}

#[test]
fn what_touches_the_format_is_pinned_and_known_bad_releases_are_out() {
    let packages = packages();
    let versions = |name: &str| -> Vec<String> {
        packages.iter().filter(|package| package["name"] == name).map(|package| package["version"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(versions("bincode"), ["1.3.3"]);
    assert_eq!(versions("fs2"), ["0.4.3"]);
    assert_eq!(versions("arrayref"), [""; 0], "arrayref 0.3.10 was hijacked (RUSTSEC-2026-0260)");
    let blake3 = versions("blake3");
    assert!(blake3.iter().all(|version| version.starts_with("1.8.") && version[4..].parse::<u32>().unwrap() >= 7), "{blake3:?}");
    let sources = packages.iter().filter_map(|package| package["source"].as_str());
    assert!(sources.into_iter().all(|source| source.starts_with("registry+")), "every crate comes from the registry");
}
