//! A project directory for one test, `art` run in it, and trees of files made and compared.

#![allow(dead_code, reason = "each test target uses its part of this")]

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use artstore::id::FileDigest;
use serde_json::Value;

/// The user that owns nothing here: what it may not read or write, it cannot.
const NOBODY: &str = "65534";

/// A project in a directory of its own, beside one for HOME.
pub(crate) struct Project {
    dir: tempfile::TempDir,
    /// Where it lies if that is elsewhere.
    elsewhere: Option<PathBuf>,
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

/// Whether this machine lets system calls be watched, and fail on purpose.
pub(crate) fn has_strace() -> bool {
    let has = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status().is_ok_and(|status| status.success());
    assert!(has || std::env::var_os("ART_REQUIRE_STRACE").is_none_or(|value| value != "1"), "strace cannot be used here");
    has
}

/// What is at a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Node {
    File { digest: FileDigest, executable: bool },
    Link(PathBuf),
    Dir,
}

impl Project {
    /// Makes a project with a store.
    pub(crate) fn new() -> Project {
        let project = Project::bare();
        project.art(["init"]).ok();
        project
    }

    /// Makes a project without a store.
    pub(crate) fn bare() -> Project {
        let project = Project { dir: tempfile::tempdir().unwrap(), elsewhere: None };
        fs::set_permissions(project.dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        fs::create_dir(project.root()).unwrap();
        fs::create_dir(project.dir.path().join("home")).unwrap();
        project
    }

    /// Takes a directory that is there, as on a disk of its own, for a project.
    pub(crate) fn at(dir: &Path) -> Project {
        Project { elsewhere: Some(dir.to_owned()), ..Project::bare() }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.elsewhere.clone().unwrap_or_else(|| self.dir.path().join("project"))
    }

    /// A directory outside the project.
    pub(crate) fn outside(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root().join(path)
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path(".artifacts")
    }

    /// Writes a file, with the directories above it.
    pub(crate) fn write(&self, path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub(crate) fn read(&self, path: impl AsRef<Path>) -> Vec<u8> {
        fs::read(self.path(path)).unwrap()
    }

    /// Makes a directory, with those above it.
    pub(crate) fn mkdir(&self, path: impl AsRef<Path>) {
        fs::create_dir_all(self.path(path)).unwrap();
    }

    pub(crate) fn remove(&self, path: impl AsRef<Path>) {
        let path = self.path(path);
        if path.is_dir() && !path.is_symlink() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }

    pub(crate) fn link(&self, path: impl AsRef<Path>, target: impl AsRef<Path>) {
        symlink(target, self.path(path)).unwrap();
    }

    pub(crate) fn chmod(&self, path: impl AsRef<Path>, mode: u32) {
        fs::set_permissions(self.path(path), PermissionsExt::from_mode(mode)).unwrap();
    }

    /// Prepares `art` in the project, cut off from the machine's settings.
    pub(crate) fn command<I: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = I>) -> Command {
        self.program(env!("CARGO_BIN_EXE_art"), args)
    }

    /// Prepares `art` as a user who owns nothing; none if this process may not become one.
    ///
    /// The program is copied to where that user can reach it.
    pub(crate) fn as_nobody<I: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = I>) -> Option<Command> {
        let art = self.dir.path().join("art");
        if !art.exists() {
            fs::copy(env!("CARGO_BIN_EXE_art"), &art).unwrap();
        }
        let mut all: Vec<OsString> =
            ["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--inh-caps=-all", "--"].map(OsString::from).into();
        let can = self.program("setpriv", all.iter().cloned().chain(["true".into()])).output().is_ok_and(|output| output.status.success());
        all.push(art.into());
        all.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        can.then(|| self.program("setpriv", all))
    }

    pub(crate) fn program<I: AsRef<OsStr>>(&self, program: &str, args: impl IntoIterator<Item = I>) -> Command {
        let home = self.dir.path().join("home");
        let mut command = Command::new(program);
        command.args(args).current_dir(self.root()).env_clear().stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", &home).env("LC_ALL", "C.UTF-8");
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", home.join("gitconfig"));
        // A repo somewhere above the temporary directory must not be found.
        command.env("GIT_CEILING_DIRECTORIES", self.dir.path()).env("ART_THREADS", "2");
        command
    }

    /// Runs `art` in the project.
    pub(crate) fn art<I: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = I>) -> Ran {
        run(&mut self.command(args))
    }

    /// Runs `art` with something on its standard input.
    pub(crate) fn art_reading<I: AsRef<OsStr>>(&self, input: &[u8], args: impl IntoIterator<Item = I>) -> Ran {
        let mut child = self.command(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // One that fails early need not read to the end.
        let _ = child.stdin.take().unwrap().write_all(input);
        Ran::from(child.wait_with_output().unwrap())
    }

    /// Stores `source` as the next version of `data`, restores it, and compares the two.
    #[track_caller]
    pub(crate) fn round_trip(&self, source: &str, put_args: &[&str]) {
        let name = self.put(source, put_args)["version"].as_str().unwrap().to_owned();
        let dest = format!("restored-{name}");
        self.art(["get", &format!("data:{name}"), &dest]).ok();
        assert_eq!(tree(&self.path(&dest)), tree(&self.path(source)));
        self.art(["verify", &format!("data:{name}"), &dest]).ok();
    }

    /// Stores `source` as the next version of `data` and returns what was printed.
    #[track_caller]
    pub(crate) fn put(&self, source: &str, args: &[&str]) -> Value {
        self.art([&["put", "--json", "data", source], args].concat()).ok().json()
    }
}

pub(crate) fn run(command: &mut Command) -> Ran {
    Ran::from(command.output().unwrap())
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        Ran { code: output.status.code(), stdout: output.stdout, stderr: String::from_utf8_lossy(&output.stderr).into_owned() }
    }
}

impl Ran {
    /// Asserts exit 0.
    #[track_caller]
    pub(crate) fn ok(self) -> Ran {
        assert_eq!(self.code, Some(0), "{} {}", self.text(), self.stderr);
        self
    }

    /// Asserts an exit code and returns standard error.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{} {}", self.text(), self.stderr);
        &self.stderr
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Returns everything below a directory, every directory too.
pub(crate) fn tree(dir: &Path) -> BTreeMap<OsString, Node> {
    let mut all = BTreeMap::new();
    add(dir, dir, &mut all);
    all
}

fn add(root: &Path, dir: &Path, all: &mut BTreeMap<OsString, Node>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let meta = fs::symlink_metadata(&path).unwrap();
        let node = if meta.is_symlink() {
            Node::Link(fs::read_link(&path).unwrap())
        } else if meta.is_dir() {
            add(root, &path, all);
            Node::Dir
        } else {
            Node::File { digest: FileDigest::of(&fs::read(&path).unwrap()), executable: meta.permissions().mode() & 0o111 != 0 }
        };
        all.insert(path.strip_prefix(root).unwrap().into(), node);
    }
}

/// Lists the files below a directory, sorted.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() { all.extend(files(&path)) } else { all.push(path) }
    }
    all.sort();
    all
}

/// Bytes that do not compress, the same for the same seed.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

pub(crate) fn os(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}

/// Whether tests that need minutes or gigabytes shall run.
pub(crate) fn slow_tests() -> bool {
    std::env::var_os("ART_SLOW_TESTS").is_some()
}
