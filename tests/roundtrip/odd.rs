//! What cannot be stored, or not as it stands: special files, what may not be read, what changes
//! while it is read, links that leave, repositories.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{Project, files, noise, run, tree};

/// Asserts that there is no version and nothing half-written.
#[track_caller]
fn nothing_is_stored(project: &Project) {
    assert_eq!(files(&project.store().join("refs")), Vec::<std::path::PathBuf>::new());
    project.art(["show", "data"]).fails(3);
    project.art(["fsck"]).ok();
    let temporary: Vec<_> =
        files(&project.store().join("local")).into_iter().filter(|path| path.parent().unwrap().ends_with("tmp")).collect();
    assert!(temporary.is_empty(), "{temporary:?}");
}

#[test]
fn fifos_and_sockets_are_left_out_with_a_warning() {
    let project = Project::new();
    project.write("d/file", "file");
    project.mkdir("d/only-special");
    for fifo in ["d/fifo", "d/only-special/fifo"] {
        assert!(Command::new("mkfifo").arg(project.path(fifo)).status().unwrap().success());
    }
    let _socket = UnixListener::bind(project.path("d/socket")).unwrap();
    let ran = project.art(["put", "data", "d", "--json"]).ok();
    assert_eq!((&ran.json()["left_out"]["special"], &ran.json()["file_count"]), (&3.into(), &1.into()));
    assert_eq!(ran.stderr.matches("FIFO").count(), 2, "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("socket").count(), 2, "{}", ran.stderr);
    project.art(["get", "data", "out"]).ok();
    assert_eq!(tree(&project.path("out")).len(), 2, "the file, and the directory as an empty one");
    let refused = project.art(["put", "data", "d/fifo"]);
    assert!(refused.fails(2).contains("neither a file nor a directory"), "{}", refused.stderr);
}

#[test]
fn a_file_that_may_not_be_read_is_named_and_nothing_is_stored() {
    for unreadable in ["d/sub/secret", "d/sub"] {
        let project = Project::new();
        project.write("d/a", noise(1, 100_000));
        project.write("d/sub/secret", "secret");
        project.chmod("d", 0o755);
        project.chmod(unreadable, 0o000);
        let root = project.root();
        assert!(Command::new("chown").args(["-R", "65534"]).arg(project.store()).status().unwrap().success() || !is_root());
        let Some(mut command) = project.as_nobody(["put", "data", "d"]) else { return };
        let ran = run(&mut command);
        project.chmod(unreadable, 0o755);
        let message = ran.fails(1);
        assert!(message.contains(&format!("'{}'", root.join(unreadable).display())) || message.contains(unreadable), "{message}");
        nothing_is_stored(&project);
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn a_file_that_grows_while_it_is_read_is_named_and_nothing_is_stored() {
    let project = Project::new();
    project.write("d/a", "a");
    project.write("d/growing.log", noise(1, 32 << 20));
    project.write("d/z", "z");
    let stop = AtomicBool::new(false);
    let ran = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = OpenOptions::new().append(true).open(project.path("d/growing.log")).unwrap();
            while !stop.load(Ordering::Relaxed) {
                file.write_all(b"x").unwrap();
            }
        });
        let ran = project.art(["put", "data", "d"]);
        stop.store(true, Ordering::Relaxed);
        ran
    });
    assert!(ran.fails(1).contains("growing.log") && ran.stderr.contains("changes while it is read"), "{}", ran.stderr);
    nothing_is_stored(&project);
    project.round_trip("d", &[]);
}

#[test]
fn links_that_leave_are_refused_or_followed_or_kept() {
    let project = Project::new();
    project.write("elsewhere/file", "outside");
    project.write("elsewhere/dir/deep", "deep");
    for (link, target) in
        [("d/link", "../elsewhere/file"), ("d/sub/link", "../../elsewhere/dir"), ("d/link", "/etc/passwd"), ("d/x", "a/../../d")]
    {
        project.mkdir("d/sub");
        project.link(link, target);
        let refused = project.art(["put", "data", "d"]);
        assert!(refused.fails(1).contains(link) && refused.stderr.contains("--follow"), "{}", refused.stderr);
        nothing_is_stored(&project);

        project.art(["put", "kept", "d", "--keep-links"]).ok();
        let out = project.art(["get", "kept", "kept"]);
        assert!(out.fails(5).contains("--unsafe-links"), "{}", out.stderr);
        assert!(!project.path("kept").exists());
        project.art(["get", "kept", "kept", "--unsafe-links"]).ok();
        assert_eq!(tree(&project.path("kept")), tree(&project.path("d")));
        project.remove("kept");
        project.remove(".artifacts/refs/kept");
        project.remove("d");
    }
    project.mkdir("d/sub");
    project.link("d/link", "../elsewhere/file");
    project.link("d/sub/link", project.path("elsewhere/dir"));
    project.art(["put", "data", "d", "--follow"]).ok();
    project.art(["get", "data", "out"]).ok();
    assert_eq!((project.read("out/link"), project.read("out/sub/link/deep")), (b"outside".to_vec(), b"deep".to_vec()));
    assert!(!project.path("out/link").is_symlink() && !project.path("out/sub/link").is_symlink());
}

#[test]
fn following_a_link_that_leads_back_up_fails_and_ends() {
    let project = Project::new();
    project.mkdir("d/sub");
    project.link("d/sub/up", project.path("d"));
    let refused = project.art(["put", "data", "d", "--follow"]);
    assert!(refused.fails(1).contains("leads back"), "{}", refused.stderr);
    nothing_is_stored(&project);
}

#[test]
fn repositories_and_stores_inside_are_left_out_with_a_count() {
    let project = Project::new();
    project.write("d/.git/HEAD", "ref");
    project.write("d/sub/.git", "gitdir: elsewhere");
    project.write("d/other/.GIT/config", "");
    project.write("d/.artifacts/format", "artstore 1\n");
    project.write("d/file", "file");
    let ran = project.art(["put", "data", "d"]).ok();
    assert!(ran.text().contains("4 .git or .artifacts"), "{}", ran.text());
    project.art(["get", "data", "out"]).ok();
    assert_eq!(tree(&project.path("out")).len(), 3, "the file and two empty directories");
    for inside in ["d/.git", ".artifacts", ".artifacts/refs"] {
        assert!(project.art(["put", "data", inside]).fails(2).contains("lies inside"), "{inside}");
    }
    // The project's root can be stored, without its own store.
    project.art(["put", "root", "."]).ok();
}

#[test]
fn a_source_that_is_not_there_is_not_found() {
    let project = Project::new();
    project.link("broken", "nowhere");
    for source in ["nowhere", "broken"] {
        assert!(project.art(["put", "data", source]).fails(3).contains(source));
    }
    nothing_is_stored(&project);
}
