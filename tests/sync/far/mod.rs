//! Copies on another computer: over a pipe that a script makes in place of ssh, and over a real sshd
//! of this computer, where there is one.

mod cut;
mod errors;
mod hostile;
mod places;
mod relay;
mod same;
mod sshd;

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use crate::support::{Project, slow_tests};

/// Does what ssh does with its arguments, on this computer.
pub(super) const HERE: &str = "exec sh -c \"$*\"";

/// How a test reaches the other copy.
#[derive(Clone)]
pub(crate) enum Way {
    Dir,
    /// By a script that runs this instead of ssh.
    Pipe(String),
    Sshd(Arc<sshd::Sshd>),
}

thread_local! {
    static WAY: RefCell<Way> = const { RefCell::new(Way::Dir) };
}

/// How the test in this thread reaches the other copy.
pub(crate) fn way() -> Way {
    WAY.with_borrow(Way::clone)
}

pub(crate) fn set_way(way: Way) {
    WAY.set(way);
}

impl Way {
    /// Names a directory.
    pub(crate) fn place(&self, dir: &Path) -> String {
        let dir = dir.to_str().unwrap();
        match self {
            Way::Dir => dir.to_owned(),
            Way::Pipe(_) => format!("host:{dir}"),
            Way::Sshd(sshd) => sshd.place(dir),
        }
    }

    /// How often something is tried: fewer times where a connection takes its time.
    pub(crate) fn tries(&self, usual: u64, slow: u64) -> u64 {
        let all = if slow_tests() { slow } else { usual };
        match self {
            Way::Dir => all,
            Way::Pipe(_) => all / 2,
            Way::Sshd(_) => all / 4,
        }
    }

    /// Tells a command how to get there.
    pub(crate) fn prepare(&self, project: &Project, command: &mut Command) {
        match self {
            Way::Dir => return,
            Way::Pipe(body) => command.env("ART_SSH", fake_ssh(project, body)),
            Way::Sshd(sshd) => command.env("ART_SSH", sshd.ssh()),
        };
        command.env("ART_REMOTE_ART", env!("CARGO_BIN_EXE_art"));
    }
}

/// Writes a script that stands for ssh; `body` has the command as `"$*"`, the destination as `$host`.
fn fake_ssh(project: &Project, body: &str) -> PathBuf {
    let text = format!("#!/bin/sh\nwhile [ \"$1\" != -- ]; do host=$1; shift; done; shift\n{body}\n");
    let path = project.outside().join(format!("ssh-{}", &blake3::hash(text.as_bytes()).to_hex()[..16]));
    if !path.exists() {
        // Under its name when it is whole: a file that is open for writing cannot be run.
        let made = tempfile::Builder::new().permissions(PermissionsExt::from_mode(0o755)).tempfile_in(project.outside()).unwrap();
        fs::write(made.path(), text).unwrap();
        made.into_temp_path().persist(&path).unwrap();
    }
    path
}
