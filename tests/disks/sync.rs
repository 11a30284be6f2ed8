//! A copy on a full disk: what fits stays, what does not fails with exit 7, and nothing is broken.

use std::path::Path;

use crate::support::{Project, noise};
use crate::{in_own_namespace, mount};

#[test]
fn a_push_to_a_full_disk_fails_with_exit_7_and_goes_on_when_there_is_room() {
    in_own_namespace("sync::a_push_to_a_full_disk_fails_with_exit_7_and_goes_on_when_there_is_room", || {
        let (project, other) = (Project::new(), Project::bare());
        mount(&["-t", "tmpfs", "-o", "size=5m"], Path::new("tmpfs"), &other.root());
        for number in 0..6u64 {
            project.write("d/own", noise(number, 1_000_000));
            project.put("d", &[]);
        }
        let dest = other.root();
        let push = |args: &[&str]| project.art([&["push", "--init", dest.to_str().unwrap()], args].concat());
        push(&["data:v0"]).ok();
        for _ in 0..2 {
            assert!(push(&[]).fails(7).contains("hint"));
            other.art(["fsck"]).ok();
            assert_eq!(other.art(["ls", "data", "--json"]).ok().json().as_array().unwrap().len(), 1);
        }
        mount(&["-o", "remount,size=20m"], Path::new("tmpfs"), &other.root());
        push(&[]).ok();
        other.art(["fsck"]).ok();
        assert_eq!(other.art(["ls", "data", "--json"]).ok().json().as_array().unwrap().len(), 6);
    });
}
