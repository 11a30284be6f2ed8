//! `art runs`

use serde_json::json;

use crate::env::Env;

#[test]
fn runs_are_listed_in_the_order_of_their_start_and_can_be_chosen_from() {
    let env = Env::new();
    assert_eq!(env.art(["runs"]).done(), "");
    assert_eq!(env.art(["runs", "--json"]).json(), json!([]));
    for (name, job) in [("a", "train"), ("b", "eval"), ("c", "train")] {
        env.art(["run", "start", "--name", name, "--job-type", job, "--project", "p"]).done();
    }
    env.art(["run", "finish", "a"]).done();
    env.art(["run", "finish", "b", "--exit", "1"]).done();
    let names = |args: &[&str]| -> Vec<String> {
        let rows = env.art([&["runs", "--json"], args].concat()).json();
        rows.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&[]), ["a", "b", "c"]);
    assert_eq!(names(&["--job-type", "train"]), ["a", "c"]);
    assert_eq!(names(&["--state", "failed"]), ["b"]);
    assert_eq!(names(&["--state", "open", "--project", "p"]), ["c"]);
    assert_eq!(names(&["--project", "q"]), [""; 0]);
    assert_eq!(names(&["-n", "2"]), ["b", "c"]);
    let table = env.art(["runs"]).done();
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["RUN", "NAME", "TYPE", "STATE", "STARTED", "LASTED", "USED", "MADE"]);
    assert_eq!((&rows[1][1..4], &rows[3][1..4]), (&["a", "train", "finished"][..], &["c", "train", "open"][..]));
    assert!(env.art(["runs", "--state", "dead"]).failed(2).contains("possible values"));
}
