//! Runs the tour of README.md, so that it stays true: each command as it stands there, each line
//! of output as it is printed. `…` in an expected line stands for anything; alone on a line, for
//! any lines.
#![allow(clippy::unwrap_used)] // A test may fail by panicking.

use std::path::Path;
use std::process::Command;

struct Step {
    command: String,
    expected: Vec<String>,
}

fn tour() -> Vec<Step> {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for line in readme.lines() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if inside {
            match line.strip_prefix("$ ") {
                Some(command) => steps.push(Step { command: command.to_owned(), expected: Vec::new() }),
                None => steps.last_mut().unwrap().expected.push(line.to_owned()),
            }
        }
    }
    steps
}

fn run(command: &str, dir: &Path) -> Vec<String> {
    let art = Path::new(env!("CARGO_BIN_EXE_art")).parent().unwrap();
    let path = format!("{}:{}", art.display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-c", &format!("{{ {command} ; }} 2>&1")])
        .current_dir(dir)
        .env("PATH", path)
        .env("HOME", dir)
        .env("LC_ALL", "C")
        .env_remove("ART_STORE")
        .env_remove("ART_RUN")
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn line_matches(expected: &str, line: &str) -> bool {
    let mut parts = expected.split('…');
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap()) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[test]
fn the_tour_prints_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let steps = tour();
    assert!(steps.len() > 10, "the tour has only {} steps", steps.len());
    for Step { command, expected } in steps {
        let printed = run(&command, dir.path());
        let any = expected == ["…"];
        let same = any || (printed.len() == expected.len() && expected.iter().zip(&printed).all(|(e, p)| line_matches(e, p.trim_end())));
        assert!(same, "$ {command}\nexpected:\n{}\nprinted:\n{}", expected.join("\n"), printed.join("\n"));
    }
}

#[test]
fn the_readme_is_at_most_150_lines() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    assert!(readme.lines().count() <= 150);
}
