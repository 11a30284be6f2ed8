//! `art clone`

use crate::sync::two;

#[test]
fn a_clone_has_all_that_the_other_has_and_is_told() {
    let env = two();
    let told = env.art(["clone", "other", "copy"]).done();
    assert!(told.starts_with("cloned to '") && told.contains("/copy/.artifacts'  ") && told.ends_with(": there:v0\n"), "{told}");
    assert_eq!(env.art(["-C", "copy", "ls", "--json"]).json(), env.art(["--store", "other", "ls", "--json"]).json());
    assert_eq!(env.art(["-C", "copy", "sync", "../other"]).done(), "nothing to sync with '../other'\n");
    env.art(["-C", "copy", "fsck", "--deep"]).done();
    // By default it has the name of the project.
    env.write("elsewhere/x", "");
    let json = env.art(["-C", "elsewhere", "clone", "../copy", "--git=none", "--json"]).json();
    assert_eq!((&json["ok"], &json["pulled"]["versions"][0]["artifact"]), (&true.into(), &"there".into()));
    env.art(["-C", "elsewhere/copy", "get", "there"]).done();
    let rules = std::fs::read_to_string(env.project().join("elsewhere/copy/.artifacts/.gitignore")).unwrap();
    assert!(rules.contains("nothing is committed"));
}

#[test]
fn what_is_there_is_not_cloned_over_and_what_is_not_there_is_told() {
    let env = two();
    env.art(["clone", "other", "copy"]).done();
    assert!(env.art(["clone", "other", "copy"]).failed(1).contains("there is a store\nhint: `art pull`"));
    assert!(env.art(["clone", "nowhere"]).failed(3).contains("cannot find a store at 'nowhere'"));
    assert!(env.art(["clone", "nowhere", "copy2"]).failed(3).contains("cannot find a store at 'nowhere'"));
    assert!(!env.project().join("copy2").exists());
    std::fs::create_dir(env.project().join("empty")).unwrap();
    env.art(["-C", "empty", "init"]).done();
    assert!(env.art(["clone", "empty", "copy3"]).done().ends_with("  an empty store\n"));
}
