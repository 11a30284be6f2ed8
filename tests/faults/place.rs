//! Where faults happen: sources that are stored, projects that are made and thrown away, and
//! snapshots of projects whose local state is believed wherever they are written out again.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::scenario::full;
use crate::support::{Ran, noise, run};

/// A directory for one family of faults, in memory where there is such a place.
pub(crate) struct Workshop {
    dir: tempfile::TempDir,
}

/// A project in a workshop.
pub(crate) struct Place {
    dir: tempfile::TempDir,
    sources: PathBuf,
}

/// A project as it was.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    nodes: BTreeMap<PathBuf, Node>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Node {
    kind: Kind,
    mode: u32,
    inode: u64,
    mtime_ns: i128,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Dir,
    File(Vec<u8>),
    Link(PathBuf),
}

impl Workshop {
    /// Makes the sources, whose times are settled when this returns, so that the stat cache is
    /// used as it is in life.
    pub(crate) fn new() -> Workshop {
        let memory = Path::new("/dev/shm");
        let dir = tempfile::Builder::new().prefix("art-faults-").tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap();
        let workshop = Workshop { dir };
        let write = |name: &str, bytes: &[u8]| {
            let path = workshop.sources().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        let shared = noise(1, 90_000);
        for (source, seed) in [("one", 10), ("two", 11), ("three", 12)] {
            write(&format!("{source}/own"), &noise(seed, 3_000));
            write(&format!("{source}/sub/shared"), &shared);
            write(&format!("{source}/text"), format!("{source}\n").repeat(seed as usize).as_bytes());
            if source == "one" {
                write("one/empty", b"");
            }
            symlink("sub/shared", workshop.sources().join(source).join("link")).unwrap();
            fs::create_dir(workshop.sources().join(source).join("hollow")).unwrap();
            fs::set_permissions(workshop.sources().join(source).join("own"), PermissionsExt::from_mode(0o755)).unwrap();
        }
        for number in 0..60 {
            write(&format!("many/d{}/f{number}", number % 4), format!("file {number}\n").repeat(number as usize + 1).as_bytes());
        }
        write("big/file", &noise(20, 1 << 20));
        write("long/file", &noise(21, 3 << 20));
        if full() {
            // More than a pack takes.
            write("huge/file", &noise(22, 34 << 20));
        }
        let words: BTreeMap<String, String> = (0..900).map(|key| (format!("key-{key}"), format!("{key:>40}"))).collect();
        write("meta.json", serde_json::to_string(&words).unwrap().as_bytes());
        workshop.wait_until_settled();
        workshop
    }

    pub(crate) fn sources(&self) -> PathBuf {
        self.dir.path().join("sources")
    }

    /// Makes an empty project.
    pub(crate) fn place(&self) -> Place {
        let dir = tempfile::Builder::new().prefix("p-").tempdir_in(self.dir.path()).unwrap();
        fs::create_dir(dir.path().join("project")).unwrap();
        fs::create_dir(dir.path().join("home")).unwrap();
        Place { dir, sources: self.sources() }
    }

    fn wait_until_settled(&self) {
        let probe = || fs::metadata(tempfile::NamedTempFile::new_in(self.dir.path()).unwrap().path()).unwrap().modified().unwrap();
        let from = probe();
        while probe().duration_since(from).unwrap_or_default() < Duration::from_millis(30) {
            std::thread::yield_now();
        }
    }
}

impl Place {
    pub(crate) fn project(&self) -> PathBuf {
        self.dir.path().join("project")
    }

    /// A directory that is no part of the project.
    pub(crate) fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.project().join(".artifacts")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    /// Prepares `art` in the project, with one thread, so that its calls come in one order; `SRC`
    /// at the front of an argument stands for the directory of the sources, `ART` for the program.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_art"));
        command.args(args.iter().map(|arg| self.argument(arg))).current_dir(self.project()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.home());
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CEILING_DIRECTORIES", self.dir.path());
        command.env("LC_ALL", "C.UTF-8").env("ART_THREADS", "1");
        command
    }

    pub(crate) fn argument(&self, arg: &str) -> String {
        if arg == "ART" {
            return env!("CARGO_BIN_EXE_art").to_owned();
        }
        arg.strip_prefix("SRC/").map_or_else(|| arg.to_owned(), |below| self.sources.join(below).display().to_string())
    }

    pub(crate) fn art(&self, args: &[&str]) -> Ran {
        run(&mut self.command(args))
    }

    /// Sets the times of what killed commands may have left two hours back.
    pub(crate) fn age_litter(&self) {
        let old = SystemTime::now() - Duration::from_secs(7200);
        for path in self.temporary_files().iter().chain(&self.partial_restores()) {
            fs::File::open(path).and_then(|file| file.set_modified(old)).unwrap();
        }
    }

    /// Lists the temporary files of local state.
    pub(crate) fn temporary_files(&self) -> Vec<PathBuf> {
        self.local_folders().iter().flat_map(|folder| list(&folder.join("tmp"))).collect()
    }

    /// Lists what killed restores have left beside their destinations.
    pub(crate) fn partial_restores(&self) -> Vec<PathBuf> {
        let is_partial = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".art-partial-"));
        list(&self.project()).into_iter().filter(is_partial).collect()
    }

    /// Lists the folders of local state.
    pub(crate) fn local_folders(&self) -> Vec<PathBuf> {
        list(&self.store().join("local")).into_iter().filter(|path| path.is_dir()).collect()
    }
}

impl Snapshot {
    pub(crate) fn take(dir: &Path) -> Snapshot {
        let mut nodes = BTreeMap::new();
        for entry in walkdir::WalkDir::new(dir).min_depth(1) {
            let entry = entry.unwrap();
            let meta = fs::symlink_metadata(entry.path()).unwrap();
            let kind = if meta.is_dir() {
                Kind::Dir
            } else if meta.is_symlink() {
                Kind::Link(fs::read_link(entry.path()).unwrap())
            } else {
                Kind::File(fs::read(entry.path()).unwrap())
            };
            let node = Node { kind, mode: meta.mode() & 0o7777, inode: meta.ino(), mtime_ns: mtime_ns(&meta) };
            nodes.insert(entry.path().strip_prefix(dir).unwrap().to_owned(), node);
        }
        Snapshot { nodes }
    }

    /// Returns what is another at a directory by now: first what is gone, a directory after what was in it.
    pub(crate) fn changed(&self, dir: &Path) -> Vec<PathBuf> {
        let now = Snapshot::take(dir);
        let gone = self.nodes.keys().rev().filter(|path| !now.nodes.contains_key(*path));
        let new = now.nodes.iter().filter(|(path, node)| self.nodes.get(*path) != Some(node)).map(|(path, _)| path);
        gone.chain(new).map(|path| dir.join(path)).collect()
    }

    /// Writes the project out again, in an empty directory.
    pub(crate) fn write(&self, dir: &Path) {
        let mut written: BTreeMap<u64, PathBuf> = BTreeMap::new();
        for (path, node) in &self.nodes {
            let path = dir.join(path);
            match &node.kind {
                Kind::Dir => fs::create_dir(&path).unwrap(),
                Kind::Link(target) => symlink(target, &path).unwrap(),
                Kind::File(bytes) => match written.get(&node.inode) {
                    Some(first) => {
                        fs::hard_link(first, &path).unwrap();
                        continue;
                    }
                    None => {
                        fs::write(&path, bytes).unwrap();
                        written.insert(node.inode, path.clone());
                    }
                },
            }
            if !matches!(node.kind, Kind::Link(_)) {
                fs::set_permissions(&path, PermissionsExt::from_mode(node.mode)).unwrap();
            }
            // What is condemned or litter is told by its age.
            if let Kind::File(_) = node.kind {
                fs::File::open(&path).and_then(|file| file.set_modified(time_of(node.mtime_ns))).unwrap();
            }
        }
        let store = Path::new(".artifacts");
        adapt_local(&dir.join(store), &|path| self.nodes.get(&store.join(path)).map(|node| node.inode));
    }
}

/// Makes local state that was written out elsewhere this store's own, as if it had lain here all
/// along: its folder notes its inode and birth, its list of confirmed files their inodes and
/// times. `inode_was` tells what a path of the store was when the notes were made.
pub(crate) fn adapt_local(store: &Path, inode_was: &dyn Fn(&Path) -> Option<u64>) {
    for folder in list(&store.join("local")).into_iter().filter(|path| path.is_dir()) {
        let below = folder.strip_prefix(store).unwrap();
        let note = fs::read_to_string(folder.join("self")).unwrap_or_default();
        let noted: Option<u64> = note.strip_suffix('\n').and_then(|note| note.split(' ').next()?.parse().ok());
        if noted.is_none() || noted != inode_was(below) {
            continue;
        }
        let meta = fs::metadata(&folder).unwrap();
        let born = meta.created().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map_or(0, |since| since.as_nanos());
        fs::write(folder.join("self"), format!("{} {born}\n", meta.ino())).unwrap();
        let list = folder.join("confirmed");
        if let Ok(bytes) = fs::read(&list) {
            let lines = bytes.split(|byte| *byte == b'\n').map(|line| adapt_line(store, line, inode_was));
            fs::write(&list, lines.collect::<Vec<_>>().join(&b'\n')).unwrap();
        }
    }
}

/// Adapts a line `LEN INODE MTIME_NS PATH`; one that says something else stays as it is.
fn adapt_line(store: &Path, line: &[u8], inode_was: &dyn Fn(&Path) -> Option<u64>) -> Vec<u8> {
    let parsed = || {
        let text = std::str::from_utf8(line).ok()?;
        let mut fields = text.splitn(5, ' ');
        let (len, inode) = (fields.next()?, fields.next()?.parse::<u64>().ok()?);
        let _mtime_ns: i128 = fields.next()?.parse().ok()?;
        let _ctime_ns: i128 = fields.next()?.parse().ok()?;
        let path = fields.next()?;
        let meta = fs::symlink_metadata(store.join(path)).ok()?;
        (inode_was(Path::new(path)) == Some(inode))
            .then(|| format!("{len} {} {} {} {path}", meta.ino(), mtime_ns(&meta), ctime_ns(&meta)).into_bytes())
    };
    parsed().unwrap_or_else(|| line.to_vec())
}

fn ctime_ns(meta: &fs::Metadata) -> i128 {
    i128::from(meta.ctime()) * 1_000_000_000 + i128::from(meta.ctime_nsec())
}

fn mtime_ns(meta: &fs::Metadata) -> i128 {
    i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec())
}

fn time_of(ns: i128) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(ns as u64)
}

fn list(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(dir).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}
