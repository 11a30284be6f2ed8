//! `art pull`

use crate::sync::two;

#[test]
fn what_came_is_told_and_then_that_nothing_is_left() {
    let env = two();
    let shown = env.art(["pull", "--dry-run", "other"]).done();
    assert!(shown.starts_with("would pull  "), "{shown}");
    let shown = env.art(["pull", "other"]).done();
    assert!(shown.starts_with("pulled  ") && shown.ends_with(": there:v0 from 'other'\n"), "{shown}");
    assert_eq!(env.art(["pull", "other"]).done(), "nothing to pull from 'other'\n");
    assert_eq!(env.art(["--store", "other", "ls", "--json"]).json().as_array().map(Vec::len), Some(1));
}

#[test]
fn refs_mean_what_they_mean_there() {
    let env = two();
    env.art(["--store", "other", "alias", "set", "there", "best"]).done();
    env.art(["pull", "other", "there:best"]).done();
    assert!(env.art(["show", "there:best"]).done().starts_with("there:v0\n"));
    assert!(env.art(["pull", "other", "here"]).failed(3).starts_with("error: cannot find artifact 'here'"));
}
