//! What a place means that was typed, and what ssh is given.

use std::fs;

use super::{HERE, Way, fake_ssh, set_way};
use crate::art_with;
use crate::support::{Project, run};

#[test]
fn ssh_gets_port_destination_and_a_quoted_command() {
    let project = Project::new();
    let script = fake_ssh(&project, "exit 255");
    let said = project.outside().join("said");
    let told = |place: &str, more: &[&str]| {
        let ssh = format!("printf '%s\\n' >'{}' an\\ option", said.display());
        let _ = script;
        let mut command = project.command([&["push", place], more].concat());
        run(command.env("ART_SSH", ssh).env("ART_REMOTE_ART", "nice art")).fails(1);
        fs::read_to_string(&said).unwrap()
    };
    assert_eq!(told("ssh://me@host:2222/a%20b/it's", &[]), "an option\n-p\n2222\nme@host\n--\nnice art serve-store -- '/a b/it'\\''s'\n");
    assert_eq!(told("host:-x", &["--no-wait"]), "an option\nhost\n--\nnice art serve-store --no-wait -- '-x'\n");
}

#[test]
fn a_path_reaches_the_far_side_as_it_is() {
    let (a, b) = (Project::new(), Project::bare());
    set_way(Way::Pipe(HERE.to_owned()));
    for name in ["it's", "a b", "-x", "$(touch x)", "a\nb", "~"] {
        let dir = b.path(name);
        fs::create_dir(&dir).unwrap();
        art_with(&a, "push", &dir, &["--init"]).ok();
        assert!(dir.join(".artifacts/format").exists(), "{name}");
    }
    assert!(!a.path("x").exists());
}

#[test]
fn a_directory_with_a_colon_is_one_with_a_dot_before_it() {
    let project = Project::new();
    project.mkdir("a:b");
    project.art(["push", "--init", "./a:b"]).ok();
    assert!(project.path("a:b/.artifacts/format").exists());
    assert!(project.art(["push", "-oProxyCommand=x"]).code == Some(2));
    for place in ["ssh://-oProxyCommand=x/a", "--help@host:a", "https://host/a", "host:", "ssh://host", "host:~other/a"] {
        assert!(project.art(["push", "--", place]).fails(2).contains("bad place '"), "{place}");
    }
}

#[test]
fn a_clone_has_the_name_of_the_project_there() {
    let (a, b) = (Project::new(), Project::bare());
    set_way(Way::Pipe(HERE.to_owned()));
    fs::rename(a.root(), a.outside().join("named")).unwrap();
    fs::create_dir(a.root()).unwrap();
    for (place, at) in [("named", "named"), ("named/.artifacts", "x/named")] {
        let mut command = crate::command_with(&b, "clone", &a.outside().join(place), &[]);
        let dir = b.path(at).parent().unwrap().to_owned();
        fs::create_dir_all(&dir).unwrap();
        run(command.current_dir(dir)).ok();
        assert!(b.path(at).join(".artifacts/format").exists());
    }
    assert!(b.art(["clone", "host:."]).fails(2).contains("cannot name the copy of 'host:.'"));
}
