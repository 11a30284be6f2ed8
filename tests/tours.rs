//! Runs the tours of README.md and docs/tutorial.md, so that they stay true: each command as it stands
//! there (`> ` goes on with it), each line of output as it is printed. `…` in an expected line stands
//! for anything; alone, for any lines.
#![allow(clippy::unwrap_used)] // A test may fail by panicking.

use std::path::Path;
use std::process::Command;

struct Step {
    command: String,
    expected: Vec<String>,
}

fn page(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

fn tour(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if inside {
            match (line.strip_prefix("$ "), line.strip_prefix("> ")) {
                (Some(command), _) => steps.push(Step { command: command.to_owned(), expected: Vec::new() }),
                (None, Some(more)) => {
                    let command = &mut steps.last_mut().unwrap().command;
                    command.push('\n');
                    command.push_str(more);
                }
                (None, None) => steps.last_mut().unwrap().expected.push(line.to_owned()),
            }
        }
    }
    steps
}

fn run(command: &str, dir: &Path) -> Vec<String> {
    let art = Path::new(env!("CARGO_BIN_EXE_art")).parent().unwrap();
    let path = format!("{}:{}", art.display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1\n{command}\n")])
        .current_dir(dir)
        .env("PATH", path)
        .env("HOME", dir)
        .env("LC_ALL", "C")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", dir.join(".gitconfig"))
        .env("GIT_CEILING_DIRECTORIES", dir.parent().unwrap())
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

/// Plays a tour in a directory.
fn play(page: &str, dir: &Path) {
    let steps = tour(page);
    assert!(steps.len() > 10, "the tour has only {} steps", steps.len());
    for Step { command, expected } in steps {
        let printed = run(&command, dir);
        let any = expected == ["…"];
        let same = any || (printed.len() == expected.len() && expected.iter().zip(&printed).all(|(e, p)| line_matches(e, p.trim_end())));
        assert!(same, "$ {command}\nexpected:\n{}\nprinted:\n{}", expected.join("\n"), printed.join("\n"));
    }
}

#[test]
fn the_tour_of_the_readme_prints_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    play(&page("README.md"), dir.path());
}

#[test]
fn the_readme_is_at_most_150_lines() {
    assert!(page("README.md").lines().count() <= 150);
}
