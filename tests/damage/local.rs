//! Bits turned in local state: the look-up, the stat cache, the record cache, what is confirmed and what rests on
//! what. Readers give what they gave, and a writer acknowledges nothing that is not there.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use artstore::ops::put::{PutOptions, PutOutcome, put};
use artstore::ops::{alias, restore};
use artstore::store::Store;

use crate::flips::Tally;
use crate::oracle::{Look, Oracle, context};
use crate::support::{Project, files, noise, slow_tests, tree};

/// As many puts as make the look-up worth a file.
const PUTS: u64 = 66;
/// With these, as many records as make the record cache worth a file.
const ALIASED: u64 = 70;
const REFS: [&str; 4] = ["data:v0", "data:v40", "data", "data~1"];

/// A store whose local state has one of everything, and what it holds.
struct Seasoned {
    project: Project,
    oracle: Oracle,
    local: PathBuf,
    /// What all records add up to.
    histories: String,
    before: BTreeMap<PathBuf, (Vec<u8>, SystemTime)>,
    /// A data pack that the newest version needs, and that no put has stored again.
    pack: PathBuf,
}

fn put_once(project: &Project) -> PutOutcome {
    let store = Store::open(&project.store()).unwrap();
    let options = PutOptions { sources: vec![project.path("d")], ..PutOptions::new("data".parse().unwrap()) };
    put(&store, &context(), &options, None).unwrap()
}

impl Seasoned {
    fn new() -> Seasoned {
        let project = Project::new();
        // These are old enough for the stat cache long before the last put.
        for file in 0..8 {
            project.write(format!("d/old/{file}"), noise(file, 600));
        }
        for number in 0..PUTS {
            project.write("d/new", format!("version {number}"));
            assert!(!put_once(&project).unchanged);
        }
        for number in 0..ALIASED {
            let reference = format!("data:v{}", number % 2).parse().unwrap();
            alias::set(&Store::open(&project.store()).unwrap(), &context(), &reference, &["tried".parse().unwrap()]).unwrap();
        }
        assert!(put_once(&project).unchanged);
        let oracle = Oracle::of(&project.store(), &REFS);
        let folders = fs::read_dir(project.store().join("local")).unwrap().map(|entry| entry.unwrap().path());
        let local = folders.into_iter().find(|path| path.is_dir()).unwrap();
        let look = |path: PathBuf| {
            let modified = fs::metadata(&path).unwrap().modified().unwrap();
            let bytes = fs::read(&path).unwrap();
            (path, (bytes, modified))
        };
        let before: BTreeMap<_, _> = files(&project.store()).into_iter().map(look).collect();
        let packs = before.iter().filter(|(path, _)| path.starts_with(project.store().join("packs")));
        let pack = packs.max_by_key(|(_, (bytes, _))| bytes.len()).unwrap().0.clone();
        let histories = format!("{:?}", Store::open(&project.store()).unwrap().histories().unwrap());
        Seasoned { project, oracle, local, histories, before, pack }
    }

    /// The files of local state that say something.
    fn told(&self) -> Vec<PathBuf> {
        let mut all: Vec<PathBuf> = ["index", "stat"].iter().flat_map(|dir| files(&self.local.join(dir))).collect();
        assert!(all.iter().filter(|path| path.parent().unwrap().ends_with("index")).count() >= 2, "no look-up was saved: {all:?}");
        all.push(self.local.join("records"));
        assert!(all.last().unwrap().exists(), "no record cache was saved");
        all.push(self.local.join("confirmed"));
        let digest = Store::open(&self.project.store()).unwrap().resolve(&"data".parse().unwrap()).unwrap().version.record.manifest;
        all.push(self.local.join("rests").join(digest.to_string()));
        all.retain(|path| self.before.get(path).is_some_and(|(bytes, _)| !bytes.is_empty()));
        all
    }

    /// Brings everything back to what it was, files by their inodes and times too.
    fn reset(&self) {
        for path in files(&self.project.store()) {
            let Some((bytes, modified)) = self.before.get(&path) else {
                fs::remove_file(&path).unwrap();
                continue;
            };
            let meta = fs::metadata(&path).unwrap();
            if meta.len() != bytes.len() as u64 || meta.modified().unwrap() != *modified {
                self.write(&path, bytes);
            }
        }
        for (path, (bytes, _)) in self.before.iter().filter(|(path, _)| !path.exists()) {
            self.write(path, bytes);
        }
    }

    fn write(&self, path: &Path, bytes: &[u8]) {
        if path.exists() {
            fs::set_permissions(path, PermissionsExt::from_mode(0o644)).unwrap();
        }
        fs::write(path, bytes).unwrap();
        File::options().write(true).open(path).unwrap().set_modified(self.before[path].1).unwrap();
    }

    /// Tries one damage; returns what went wrong.
    fn try_one(&self, path: &Path, bytes: &[u8], look: Look, lose_pack: bool) -> Vec<String> {
        self.write(path, bytes);
        let root = self.project.store();
        let seen = self.oracle.look(&root, look, false);
        let mut wrong = seen.wrong.clone();
        wrong.extend(seen.errors.first().map(|(kind, error)| format!("reading failed: {kind:?} {error}")));
        let cached = Store::open(&root).unwrap().with_record_cache().histories().unwrap();
        if format!("{cached:?}") != self.histories {
            wrong.push("records come out of the record cache as something else".to_owned());
        }
        let aside = self.project.outside().join("pack");
        if lose_pack {
            fs::rename(&self.pack, &aside).unwrap();
        }
        let put = put_once(&self.project);
        let stored_again = self.pack.exists() || put.new_bytes > 0;
        if put.version.version != format!("v{}", PUTS - 1) || !put.unchanged || (lose_pack && !stored_again) {
            wrong.push(format!("a put says {} unchanged {} new {}", put.version.version, put.unchanged, put.new_bytes));
        }
        let store = Store::open(&root).unwrap();
        let (found, dest) = (store.resolve(&"data".parse().unwrap()).unwrap(), self.project.outside().join("dest"));
        match restore::restore(&store, &context(), &found, &dest, &Default::default()) {
            Ok(_) if tree(&dest) == tree(&self.project.path("d")) => fs::remove_dir_all(&dest).unwrap(),
            Ok(_) => wrong.push("what was acknowledged is restored as something else".to_owned()),
            Err(error) => wrong.push(format!("what was acknowledged cannot be restored: {error}")),
        }
        let _ = fs::remove_dir_all(&dest);
        if lose_pack {
            // The same inode as before: it is confirmed as it was.
            let _ = fs::remove_file(&self.pack);
            fs::rename(&aside, &self.pack).unwrap();
        }
        self.reset();
        wrong
    }
}

#[test]
fn no_bit_of_local_state_turns_into_wrong_bytes_or_a_wrong_acknowledgement() {
    let seasoned = Seasoned::new();
    let (tally, per_file) = (Tally::default(), if slow_tests() { 300 } else { 7 });
    for (number, path) in seasoned.told().into_iter().enumerate() {
        let bytes = &seasoned.before[&path].0;
        let step = (bytes.len() / per_file).max(1);
        for (turn, at) in (number % step..bytes.len()).step_by(step).enumerate() {
            let mut changed = bytes.clone();
            match turn % 8 {
                7 => changed.truncate(at),
                bit => changed[at] ^= 1 << bit,
            }
            let look = if turn % 2 == 0 { Look::Restore } else { Look::Cat };
            let wrong = seasoned.try_one(&path, &changed, look, turn % 3 == 0);
            tally.done.fetch_add(1, Ordering::Relaxed);
            tally.harmless.fetch_add(1, Ordering::Relaxed);
            if !wrong.is_empty() {
                let name = path.strip_prefix(&seasoned.local).unwrap().display();
                tally.wrong.lock().unwrap().push(format!("{name} at {at}: {}", wrong.join(", ")));
            }
        }
    }
    tally.report("damages to local state");
}
