//! Holds what `docs/architecture.md` says the parts must not do: which floor may import which,
//! who may sync and rename, and that the library leaves terminal, clock and environment alone.
#![allow(clippy::unwrap_used)] // A test may fail by panicking.

use std::fs;
use std::path::{Path, PathBuf};

/// The floors, lowest first; a file imports lower floors, or its own folder.
const FLOORS: [&[&str]; 7] = [
    &["codec", "durable", "error", "id", "layout", "lock", "name", "open", "progress", "quote", "run_id", "span", "uri"],
    &["format"],
    &["chunk"],
    &["pack", "refs", "index"],
    &["context"],
    &["store"],
    &["ops"],
];

/// Pairs of one floor where the first may import the second: a look-up is made of tables.
const WITHIN_FLOOR: [(&str, &str); 7] = [
    ("index", "pack"),
    ("refs", "pack"),
    ("durable", "error"),
    ("durable", "layout"),
    ("durable", "lock"),
    ("durable", "quote"),
    ("error", "quote"),
];

fn sources(dir: &str) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(dir)) {
        let path = entry.unwrap().into_path();
        if path.extension().is_some_and(|ext| ext == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            // What tests do is not held to the floors.
            let code = text.split("#[cfg(test)]").next().unwrap().to_owned();
            files.push((path, code));
        }
    }
    assert!(!files.is_empty());
    files
}

/// Returns the module of a library file directly below `src`.
fn module_of(path: &Path) -> String {
    let below = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    below.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

fn floor_of(module: &str) -> usize {
    FLOORS.iter().position(|floor| floor.contains(&module)).unwrap_or_else(|| panic!("`{module}` stands on no floor: add it to FLOORS"))
}

fn library() -> Vec<(PathBuf, String)> {
    let files = sources("src").into_iter();
    files.filter(|(path, _)| !path.ends_with("src/lib.rs") && !path.to_str().unwrap().contains("src/bin/")).collect()
}

fn code_lines(code: &str) -> impl Iterator<Item = &str> {
    code.lines().filter(|line| !line.trim_start().starts_with("//"))
}

#[test]
fn lower_floors_never_import_higher_ones() {
    let mut wrong = Vec::new();
    for (path, code) in library() {
        let module = module_of(&path);
        for line in code_lines(&code) {
            for part in line.split("crate::").skip(1) {
                let names = part.trim_start_matches('{').split(['{', '}', ',']).map(str::trim);
                // `use crate::{a, b}` names several; `crate::a::{B, C}` one.
                let list: Vec<&str> = if part.starts_with('{') { names.collect() } else { names.take(1).collect() };
                for name in list {
                    let imported: String = name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                    if imported.is_empty() || imported == module {
                        continue;
                    }
                    let same_floor = WITHIN_FLOOR.contains(&(&module, &imported)) || floor_of(&module) == 0;
                    let (from, to) = (floor_of(&module), floor_of(&imported));
                    if to > from || (to == from && !same_floor) {
                        wrong.push(format!("{}: {}", path.display(), line.trim()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "imports that run upward or sideways:\n{}", wrong.join("\n"));
}

#[test]
fn only_durable_syncs_and_renames_in_a_store() {
    let mut wrong = Vec::new();
    for (path, code) in library() {
        // A restore renames outside the store, in the user's directories.
        if path.to_str().unwrap().contains("src/durable/") || path.to_str().unwrap().contains("ops/restore/") {
            continue;
        }
        for line in code_lines(&code) {
            if [".sync_all(", ".sync_data(", "fs::rename(", "renameat", "hard_link(", "fsync("].iter().any(|call| line.contains(call)) {
                wrong.push(format!("{}: {}", path.display(), line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "syncs or renames outside src/durable/:\n{}", wrong.join("\n"));
}

#[test]
fn the_library_leaves_terminal_clock_and_environment_alone() {
    let banned = [
        "println!",
        "eprintln!",
        "print!(",
        "std::env",
        "process::exit",
        "Timestamp::now",
        "SystemTime::now",
        "io::stdout",
        "io::stderr",
        "io::stdin",
    ];
    let mut wrong = Vec::new();
    for (path, code) in library() {
        for line in code_lines(&code) {
            if banned.iter().any(|call| line.contains(call)) {
                wrong.push(format!("{}: {}", path.display(), line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "the library talks to the world by itself:\n{}", wrong.join("\n"));
}

#[test]
fn locks_are_taken_in_one_module_by_full_path() {
    for (path, code) in library() {
        if !path.ends_with("lock.rs") {
            assert!(!code.contains("fs2"), "{} uses fs2 past lock.rs", path.display());
        }
    }
}

#[test]
fn unsafe_code_lives_in_the_one_simd_file() {
    for (path, code) in sources("src") {
        let has_unsafe = code_lines(&code).any(|line| line.contains("unsafe ") && !line.contains("unsafe_code"));
        assert_eq!(has_unsafe, path.ends_with("chunk/cut_simd.rs"), "{}", path.display());
    }
}

#[test]
fn every_file_opens_with_what_lives_there() {
    for (path, code) in sources("src").into_iter().chain(sources("tests")).chain(sources("benches")) {
        assert!(code.starts_with("//!"), "{} has no `//!` at its top", path.display());
    }
}

#[test]
fn files_stay_short_enough_to_read() {
    for (path, code) in sources("src") {
        let lines = code.lines().count();
        assert!(lines <= 450, "{} has {lines} lines without its tests: which two things is it?", path.display());
    }
}

#[test]
fn files_that_the_documents_name_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut missing = Vec::new();
    for doc in [
        "README.md",
        "docs/architecture.md",
        "docs/durability.md",
        "docs/performance.md",
        "docs/format.md",
        "docs/cli.md",
        "docs/protocol.md",
    ] {
        let text = fs::read_to_string(root.join(doc)).unwrap();
        for name in text.split('`').skip(1).step_by(2) {
            let is_path = ["src/", "tests/", "benches/", "docs/"].iter().any(|top| name.starts_with(top));
            let plain = name.chars().all(|c| c.is_alphanumeric() || "/._-".contains(c));
            if is_path && plain && !root.join(name).exists() {
                missing.push(format!("{doc}: {name}"));
            }
        }
    }
    assert!(missing.is_empty(), "documents name files that are gone:\n{}", missing.join("\n"));
}
