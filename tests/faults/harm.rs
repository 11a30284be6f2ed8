//! What befalls a store outside any command: a copy of it is made, files of it are damaged, and git is
//! run in the project. Each is a line of a scenario's set-up that begins with `!`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::place::{Place, Snapshot};
use crate::repo;
use crate::support::files;

/// Where the good copy lies in a project.
pub(crate) const COPY: &str = "copy";

/// What of a store is copied: all but local state.
const SYNCED: [&str; 9] = ["format", ".gitattributes", ".gitignore", "features", "packs", "meta", "refs", "runs", "gc"];

/// Whether a line of a set-up is no command of `art`.
pub(crate) fn is_harm(line: &[&str]) -> bool {
    line[0].starts_with('!')
}

/// Does what a line says: `!copy`, or `!flip`, `!tear`, `!halve` or `!remove` with the `largest` or
/// `smallest` file of a directory of the store or of the copy; `!git init`, `!git exclude` of a rule of the user's,
/// `!git commit` of all, `!git clean` of all that git does not have; and `!unguard`, after which the store is
/// as one that is older than its guard. Returns what it wrote or removed, in an order in which it can be
/// taken up.
pub(crate) fn inflict(place: &Place, line: &[&str]) -> Vec<PathBuf> {
    if line == ["!copy"] {
        return copy(&place.store(), &place.project().join(COPY));
    }
    if matches!(line, ["!git", _] | ["!unguard"]) {
        let before = Snapshot::take(&place.project());
        repo::befall(place, line);
        return before.changed(&place.project());
    }
    let [what, which, dir] = line else { panic!("{line:?} is not known") };
    let root = if dir.starts_with(COPY) { place.project() } else { place.store() };
    let mut all = files(&root.join(dir));
    all.sort_by_key(|path| fs::metadata(path).unwrap().len());
    let path = if *which == "largest" { all.pop().unwrap() } else { all.remove(0) };
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    match *what {
        "!flip" => bytes[middle] ^= 0x10,
        "!tear" => bytes.truncate(bytes.len() - 10),
        "!halve" => bytes.truncate(middle),
        "!remove" => {
            fs::remove_file(&path).unwrap();
            return vec![path];
        }
        _ => panic!("{line:?} is not known"),
    }
    fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o444)).unwrap();
    vec![path]
}

fn copy(store: &Path, to: &Path) -> Vec<PathBuf> {
    let all = SYNCED.iter().map(|name| store.join(name)).flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] });
    let copy = |path: PathBuf| {
        let copy = to.join(path.strip_prefix(store).unwrap());
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(&path, &copy).unwrap();
        copy
    };
    all.filter(|path| path.exists()).map(copy).collect()
}
