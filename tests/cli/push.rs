//! `art push`

use crate::env::Env;
use crate::sync::two;

#[test]
fn what_went_is_told_and_then_that_nothing_is_left() {
    let env = two();
    let shown = env.art(["push", "other"]).done();
    assert!(shown.starts_with("pushed  ") && shown.ends_with(": here:v0 to 'other'\n"), "{shown}");
    assert_eq!(env.art(["push", "other"]).done(), "nothing to push to 'other'\n");
    assert_eq!(env.art(["--store", "other", "ls", "--json"]).json().as_array().map(Vec::len), Some(2));
    assert_eq!(env.art(["ls", "--json"]).json().as_array().map(Vec::len), Some(1));
}

#[test]
fn versions_that_are_named_go_alone() {
    let env = two();
    env.write("d/a", "two");
    env.art(["put", "here", "d"]).done();
    let shown = env.art(["push", "--init", "new", "here:v0"]).done();
    assert!(shown.ends_with(": here:v0 to 'new'\n"), "{shown}");
    let shown = env.art(["push", "--all", "new", "here"]).done();
    assert!(shown.ends_with(": here:v1 to 'new'\n"), "{shown}");
    assert!(env.art(["push", "new", "nothing"]).failed(3).starts_with("error: cannot find artifact 'nothing'"));
    assert!(env.art(["push", "new", "bad:"]).failed(2).contains("bad ref 'bad:'"));
}

#[test]
fn a_damaged_pack_is_told_with_exit_5() {
    let env = Env::new();
    env.write("d/a", "one");
    env.art(["put", "here", "d"]).done();
    let pack = crate::env::files(&env.store().join("packs")).pop().unwrap();
    crate::rm::damage(&pack);
    let ran = env.art(["push", "--init", "other"]);
    let name = pack.strip_prefix(env.store()).unwrap().display();
    let told = format!("warning: did not take '{name}' from '{}': its bytes do not match its name\n", env.store().display());
    assert_eq!(
        (ran.code, &ran.stderr[..]),
        (Some(5), &format!("{told}warning: held back 'here:v0': something that it needs could not be read\n")[..])
    );
    assert!(ran.text().starts_with("pushed  1 pack ("), "{}", ran.text());
}
