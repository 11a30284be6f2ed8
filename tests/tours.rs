//! Runs the tours of README.md and docs/tutorial.md, so that they stay true: each command as it stands
//! there (`> ` goes on with it), each line of output as it is printed. `…` in an expected line stands
//! for anything; alone, for any lines.
#![allow(clippy::unwrap_used)] // A test may fail by panicking.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

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
    let output = shell(&format!("exec 2>&1\n{command}\n"), dir);
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Runs a script that must succeed; returns what it printed.
fn printed(script: &str, dir: &Path) -> String {
    let output = shell(script, dir);
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn shell(script: &str, dir: &Path) -> Output {
    let art = Path::new(env!("CARGO_BIN_EXE_art")).parent().unwrap();
    let path = format!("{}:{}", art.display(), std::env::var("PATH").unwrap());
    Command::new("sh")
        .args(["-c", script])
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
        .unwrap()
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
fn the_tutorial_prints_what_it_says_and_its_ten_answers_are_true() {
    let dir = tempfile::tempdir().unwrap();
    play(&page("docs/tutorial.md"), dir.path());
    answers_are_true(dir.path());
}

/// The rows of a dataset of so many houses, as the tutorial's script makes them: those for training, or
/// every fifth, for tests.
fn houses(rows: u64, for_tests: bool) -> Vec<(f64, f64)> {
    let house = |i: u64| ((40 + i * 37 % 160) as f64, (3 * (40 + i * 37 % 160) + i * 17 % 23) as f64);
    (0..rows).filter(|i| ((i + 1) % 5 == 0) == for_tests).map(house).collect()
}

/// The error of the model that the training rows give, over the test rows, with two decimals.
fn rmse(train: &[(f64, f64)], test: &[(f64, f64)], is_flat: bool) -> String {
    let n = train.len() as f64;
    let sum = |of: &dyn Fn(&(f64, f64)) -> f64| train.iter().map(of).sum::<f64>();
    let (x, y, xx, xy) = (sum(&|h| h.0), sum(&|h| h.1), sum(&|h| h.0 * h.0), sum(&|h| h.0 * h.1));
    let b = if is_flat { 0.0 } else { (n * xy - x * y) / (n * xx - x * x) };
    let a = (y - b * x) / n;
    let square = test.iter().map(|h| (a + b * h.0 - h.1).powi(2)).sum::<f64>() / test.len() as f64;
    format!("{:.2}", square.sqrt())
}

/// Asks the tutorial's ten questions again, as a program would, and holds the answers against what the
/// project's scripts and git have really done.
fn answers_are_true(dir: &Path) {
    let ask = |command: &str| -> Value { serde_json::from_str(&printed(&format!("art {command} --json"), dir)).unwrap() };
    let names = |list: &Value, key: &str| -> Vec<String> {
        let mut names: Vec<String> = list.as_array().unwrap().iter().filter_map(|one| Some(one[key].as_str()?.to_owned())).collect();
        names.sort();
        names
    };
    let of_kind = |graph: &Value, kind: &str| -> Value {
        graph["nodes"].as_array().unwrap().iter().filter(|node| node["kind"] == kind).cloned().collect()
    };
    let versions = |graph: &Value| -> Vec<String> {
        let name = |node: &Value| format!("{}:{}", node["artifact"].as_str().unwrap(), node["version"].as_str().unwrap());
        let mut names: Vec<String> = of_kind(graph, "version").as_array().unwrap().iter().map(name).collect();
        names.sort();
        names
    };
    // 1. What is there, and what does `best` mean?
    assert_eq!(names(&ask("ls"), "artifact"), ["houses", "price-model"]);
    let best = ask("show price-model:best");
    assert_eq!((&best["version"], &best["metadata"], &best["tags"]), (&json!("v1"), &json!({"rmse": 6.96}), &json!(["checked by Ada"])));
    // 2. and 3. What was it made from, and what depends on the first dataset?
    let up = ask("lineage price-model:best --up");
    assert_eq!(versions(&up), ["houses:v0", "price-model:v1"]);
    assert_eq!(names(&of_kind(&up, "run"), "name"), ["prepare", "train-line"]);
    let down = ask("lineage houses:v0 --down");
    assert_eq!(versions(&down), ["houses:v0", "price-model:v0", "price-model:v1"]);
    assert_eq!(names(&of_kind(&down, "run"), "name"), ["evaluate-flat", "evaluate-line", "train-flat", "train-line"]);
    // 4. Which models are good? What was measured is what the data gives.
    let found = ask("find 'type:model metadata.rmse<7.5' --sort metadata.rmse");
    let found: Vec<(&Value, String)> =
        found.as_array().unwrap().iter().map(|one| (&one["version"], one["metadata"]["rmse"].to_string())).collect();
    let measured = |rows: u64, is_flat: bool| rmse(&houses(rows, false), &houses(rows, true), is_flat);
    assert_eq!(found, [(&json!("v2"), measured(1000, false)), (&json!("v1"), measured(200, false))]);
    assert_eq!(ask("show price-model:v0")["metadata"]["rmse"].to_string(), measured(200, true));
    // 5. How was the best one trained?
    let run = ask("run show train-line");
    assert_eq!((&run["argv"], &run["config"], &run["git"]["dirty"]), (&json!(["./train.sh", "0"]), &json!({"flat": false}), &json!(false)));
    assert_eq!(run["git"]["commit"].as_str().unwrap(), printed("git rev-list --max-parents=0 HEAD", dir).trim());
    // 6. Which runs failed?
    let failed = ask("runs --state failed");
    assert_eq!((names(&failed, "name"), &failed[0]["exit_code"]), (vec!["evaluate-typo".to_owned()], &json!(3)));
    // 7. What changed between the datasets?
    let diff = ask("diff houses:v0 houses:v1");
    assert_eq!(names(&diff["entries"], "path"), ["test.csv", "train.csv"]);
    assert_eq!(diff["records"], json!([{"field": "metadata.rows", "old": 200, "new": 1000}]));
    // 8. What was changed by hand?
    let status = ask("status");
    let places = status["places"].as_array().unwrap();
    let changed: Vec<&Value> = places.iter().filter(|place| place["state"] != "same").collect();
    assert_eq!(
        (changed.len(), &changed[0]["paths"], names(&changed[0]["entries"], "path")),
        (1, &json!(["data"]), vec!["train.csv".to_owned()])
    );
    assert_eq!(printed("tail -n 1 data/train.csv", dir), "80,9999\n");
    // 9. Is all of it here and whole?
    let fsck = ask("fsck");
    assert_eq!((&fsck["ok"], fsck["versions"].as_array().map(Vec::len)), (&json!(true), Some(5)));
    // 10. The data that came back is what the script made.
    for (file, for_tests) in [("train.csv", false), ("test.csv", true)] {
        let text: String = houses(200, for_tests).iter().map(|(m2, price)| format!("{m2},{price}\n")).collect();
        assert_eq!(std::fs::read_to_string(dir.join("build/then").join(file)).unwrap(), text, "{file}");
    }
    // The page at the end has every node that the answers had.
    let lineage = std::fs::read_to_string(dir.join("build/lineage.html")).unwrap();
    assert!(["train-line", "evaluate-line", "houses", "price-model"].iter().all(|name| lineage.contains(name)));
}

#[test]
fn the_readme_is_at_most_150_lines() {
    assert!(page("README.md").lines().count() <= 150);
}
