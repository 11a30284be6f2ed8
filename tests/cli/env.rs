//! A project directory for one test, and `art` and `git` run in it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A directory for a project, beside one for HOME.
pub(crate) struct Env {
    dir: tempfile::TempDir,
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Env {
    /// Makes a project without a store.
    pub(crate) fn bare() -> Env {
        let env = Env { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(env.project()).unwrap();
        fs::create_dir(env.dir.path().join("home")).unwrap();
        env
    }

    /// Makes a project with a store.
    pub(crate) fn new() -> Env {
        let env = Env::bare();
        env.art(["init"]).done();
        env
    }

    pub(crate) fn project(&self) -> PathBuf {
        self.dir.path().join("project")
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.project().join(".artifacts")
    }

    /// Writes a file of the project, with the directories above it.
    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.project().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Copies what is not there yet, as somebody does who keeps a copy of the store in `other/`.
    pub(crate) fn copy(&self, from: &str, to: &str) {
        fs::create_dir_all(self.project().join("other")).unwrap();
        assert_eq!(self.run(self.command("cp").args(["-rn", from, to])).code, Some(0));
    }

    /// Runs `art` in the project.
    pub(crate) fn art<I: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = I>) -> Ran {
        self.run(self.command(env!("CARGO_BIN_EXE_art")).args(args))
    }

    /// Runs `git` in the project.
    pub(crate) fn git<I: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = I>) -> Ran {
        self.run(self.command("git").args(args))
    }

    /// Prepares a command in the project, cut off from the machine's settings.
    pub(crate) fn command(&self, program: &str) -> Command {
        let home = self.dir.path().join("home");
        let mut command = Command::new(program);
        command.current_dir(self.project()).env_clear().stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", &home);
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", home.join("gitconfig")).env("LC_ALL", "C.UTF-8");
        // A repo somewhere above the temporary directory must not be found.
        command.env("GIT_CEILING_DIRECTORIES", self.dir.path()).env("ART_THREADS", "2");
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), "A").env(format!("GIT_{role}_EMAIL"), "a@example.org");
        }
        command
    }

    /// Lets what a command starts find `art`.
    pub(crate) fn finding_art<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        let mut path = Path::new(env!("CARGO_BIN_EXE_art")).parent().unwrap().as_os_str().to_owned();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        command.env("PATH", path)
    }

    pub(crate) fn run(&self, command: &mut Command) -> Ran {
        Ran::from(command.output().unwrap())
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        Ran { code: output.status.code(), stdout: output.stdout, stderr: String::from_utf8(output.stderr).unwrap() }
    }
}

impl Ran {
    /// Asserts exit 0 and nothing on standard error; returns what was printed.
    #[track_caller]
    pub(crate) fn done(&self) -> String {
        assert_eq!((self.code, &self.stderr[..]), (Some(0), ""), "{self:?}");
        self.text()
    }

    /// Asserts an exit code and nothing printed; returns standard error.
    #[track_caller]
    pub(crate) fn failed(&self, code: i32) -> &str {
        assert_eq!((self.code, &self.text()[..]), (Some(code), ""), "{self:?}");
        &self.stderr
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).unwrap()
    }

    /// Reads standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Lists the files below a directory, sorted.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all.sort();
    all
}
