//! The files of a store that travel between copies: which there are, in which order they go, and
//! whether bytes that came are what their name says. `format`, `local/`, `quarantine/` and what is
//! there for git stay where they are.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::format::limits::{PACK_LEN_MAX, RECORD_LEN_MAX};
use crate::format::pack::PackClass;
use crate::format::record::Record;
use crate::id::{PackId, RecordId};
use crate::layout::Layout;
use crate::name::{Alias, Name};
use crate::open::names_in;
use crate::refs::condemned::{self, CONDEMN_DIR};
use crate::refs::read::{HASH16, parse_record_name};
use crate::refs::runs::RUNS_DIR;
use crate::refs::write::record_path;
use crate::run_id::RunId;

/// Longest path of such a file, in bytes: an alias record's, with names of full length.
pub const STORE_PATH_LEN_MAX: usize = 320;

/// What a file is, in the order in which files travel: whoever stops half-way leaves no version
/// without its bytes, none that a deletion misses, and no alias without its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileClass {
    /// A feature that programs must know.
    Feature,
    /// A data pack.
    Data,
    /// A meta pack.
    Meta,
    /// A condemn or lift record: after the packs that what is needed was copied to.
    Condemn,
    /// An edit record: without its version it says nothing.
    Edit,
    /// A version record.
    Version,
    /// An alias record.
    Alias,
    /// A run record.
    Run,
}

/// The path of a file that travels, relative to its store, with `/` between its parts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StorePath {
    class: FileClass,
    text: String,
}

/// A file that travels, as one copy has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoreFile {
    /// Where it lies.
    pub path: StorePath,
    /// Its length in bytes.
    pub len: u64,
}

impl FileClass {
    /// All of them, in their order.
    pub const ALL: [FileClass; 8] = [
        FileClass::Feature,
        FileClass::Data,
        FileClass::Meta,
        FileClass::Condemn,
        FileClass::Edit,
        FileClass::Version,
        FileClass::Alias,
        FileClass::Run,
    ];

    /// Returns the class of packs, if it is one.
    pub fn pack(self) -> Option<PackClass> {
        match self {
            FileClass::Data => Some(PackClass::Data),
            FileClass::Meta => Some(PackClass::Meta),
            _ => None,
        }
    }

    /// Returns the longest that such a file may be, in bytes.
    pub fn len_max(self) -> u64 {
        match self {
            FileClass::Feature => 0,
            FileClass::Data | FileClass::Meta => PACK_LEN_MAX,
            _ => RECORD_LEN_MAX as u64,
        }
    }
}

impl StorePath {
    /// Takes a path if a file that travels may lie there.
    pub fn parse(text: &str) -> Option<StorePath> {
        if text.len() > STORE_PATH_LEN_MAX {
            return None;
        }
        let parts: Vec<&str> = text.split('/').collect();
        let class = match parts[..] {
            ["features", name] => name.parse::<Name>().is_ok().then_some(FileClass::Feature),
            ["packs", fan, name] => is_pack(fan, name).then_some(FileClass::Data),
            ["meta", fan, name] => is_pack(fan, name).then_some(FileClass::Meta),
            [CONDEMN_DIR, name] => condemned::is_name(name).then_some(FileClass::Condemn),
            [RUNS_DIR, run, name] => (run.parse::<RunId>().is_ok() && is_record(name)).then_some(FileClass::Run),
            ["refs", artifact, ref rest @ ..] if artifact.parse::<Name>().is_ok() => match *rest {
                ["versions", name] => is_record(name).then_some(FileClass::Version),
                ["edits", name] => is_record(name).then_some(FileClass::Edit),
                ["aliases", alias, name] => (alias.parse::<Alias>().is_ok() && is_record(name)).then_some(FileClass::Alias),
                _ => None,
            },
            _ => None,
        };
        Some(StorePath { class: class?, text: text.to_owned() })
    }

    /// Returns the path of a pack.
    pub fn of_pack(class: PackClass, id: PackId) -> StorePath {
        let name = id.to_string();
        let file_class = if class == PackClass::Data { FileClass::Data } else { FileClass::Meta };
        StorePath { class: file_class, text: format!("{}/{}/{name}", class.dir(), &name[..2]) }
    }

    /// Returns the path of a record.
    pub fn of_record(record: &Record, id: RecordId) -> StorePath {
        let class = match record {
            Record::Version(_) => FileClass::Version,
            Record::Alias(_) => FileClass::Alias,
            Record::Edit(_) => FileClass::Edit,
            Record::Condemn(_) | Record::Lift(_) => FileClass::Condemn,
            Record::Run(_) => FileClass::Run,
        };
        // Its parts are names and digits, so it is text.
        StorePath { class, text: record_path(record, id).to_string_lossy().into_owned() }
    }

    /// Returns what the file is.
    pub fn class(&self) -> FileClass {
        self.class
    }

    /// Returns the path as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the path as one.
    pub fn as_path(&self) -> &Path {
        Path::new(&self.text)
    }

    /// Returns the name of the file.
    pub fn name(&self) -> &str {
        self.text.rsplit('/').next().unwrap_or_default()
    }

    /// Returns the name of the pack, if it is one.
    pub fn pack_id(&self) -> Option<PackId> {
        self.class.pack().and_then(|_| self.name().parse().ok())
    }

    /// Returns the folder of its artifact, and the number in its name, if it is a version record.
    pub fn version(&self) -> Option<(&str, u64)> {
        let number = parse_record_name(self.name())?.0;
        let folder = self.text.split('/').nth(1)?;
        (self.class == FileClass::Version).then_some((folder, number))
    }

    /// Returns what is equal for paths that mean one file: a disk that folds case may have the
    /// records of `Model` in a folder `model`, where readers find them as well.
    pub fn key(&self) -> String {
        if self.text.starts_with("refs/") { self.text.to_ascii_lowercase() } else { self.text.clone() }
    }

    /// Says why the bytes of a record or feature are not what lies at this path; of a pack only
    /// what is wrong besides its hash.
    pub fn check(&self, bytes: &[u8]) -> Result<(), String> {
        if bytes.len() as u64 > self.class.len_max() {
            return Err("it is longer than such a file may be".to_owned());
        }
        if self.class == FileClass::Feature || self.class.pack().is_some() {
            return Ok(());
        }
        let id = RecordId::of(bytes);
        let hash16 = self.name().rsplit('.').next().unwrap_or_default();
        if !id.has_hex_prefix(hash16) || hash16.len() != HASH16 {
            return Err("its bytes do not match its name".to_owned());
        }
        let record = Record::decode(bytes).map_err(|why| why.to_string())?;
        let is_home = record_path(&record, id).to_string_lossy().eq_ignore_ascii_case(&self.text);
        if is_home { Ok(()) } else { Err("it is not the record that its name says".to_owned()) }
    }
}

impl fmt::Display for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Lists the files of a store that travel, classes and names in order. Strangers are passed over.
pub fn list(layout: &Layout, classes: &[FileClass]) -> Result<Vec<StoreFile>> {
    let (root, mut files) = (layout.root(), Vec::new());
    let has = |class: FileClass| classes.contains(&class);
    if has(FileClass::Feature) {
        add(root, "features", &mut files)?;
    }
    for class in [FileClass::Data, FileClass::Meta].into_iter().filter(|class| has(*class)) {
        let dir = class.pack().map_or("", PackClass::dir);
        for (base, folder) in layout.bases(Path::new(dir)).map(|base| (base, base.join(dir))) {
            for fan in names_in(&folder)?.iter().filter(|fan| fan.len() == 2) {
                add(base, &format!("{dir}/{fan}"), &mut files)?;
            }
        }
    }
    if has(FileClass::Condemn) {
        add(root, CONDEMN_DIR, &mut files)?;
    }
    let of_artifacts = [FileClass::Edit, FileClass::Version, FileClass::Alias];
    if of_artifacts.into_iter().any(has) {
        for artifact in names_in(&root.join("refs"))?.iter().filter(|name| name.parse::<Name>().is_ok()) {
            let dir = format!("refs/{artifact}");
            add(root, &format!("{dir}/edits"), &mut files)?;
            add(root, &format!("{dir}/versions"), &mut files)?;
            let aliases = format!("{dir}/aliases");
            for alias in names_in(&root.join(&aliases))?.iter().filter(|alias| alias.parse::<Alias>().is_ok()) {
                add(root, &format!("{aliases}/{alias}"), &mut files)?;
            }
        }
    }
    if has(FileClass::Run) {
        for run in names_in(&root.join(RUNS_DIR))?.iter().filter(|run| run.parse::<RunId>().is_ok()) {
            add(root, &format!("{RUNS_DIR}/{run}"), &mut files)?;
        }
    }
    files.retain(|file| has(file.path.class));
    files.sort_unstable();
    files.dedup_by(|a, b| a.path == b.path);
    Ok(files)
}

fn add(root: &Path, dir: &str, files: &mut Vec<StoreFile>) -> Result<()> {
    let at: PathBuf = root.join(dir);
    for name in names_in(&at)? {
        let Some(path) = StorePath::parse(&format!("{dir}/{name}")) else { continue };
        match fs::symlink_metadata(at.join(&name)) {
            Ok(meta) if meta.is_file() => files.push(StoreFile { path, len: meta.len() }),
            Ok(_) => {}
            // Removed since the folder was listed.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(Error::io("look at", &at.join(&name), e)),
        }
    }
    Ok(())
}

fn is_record(name: &str) -> bool {
    parse_record_name(name).is_some()
}

fn is_pack(fan: &str, name: &str) -> bool {
    fan.len() == 2 && name.starts_with(fan) && name.parse::<PackId>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::record::{AliasRecord, Time};

    fn path(text: &str) -> Option<FileClass> {
        StorePath::parse(text).map(|path| path.class())
    }

    #[test]
    fn the_places_of_a_store_have_their_classes_and_others_none() {
        let hash = format!("ab{}", "0".repeat(62));
        assert_eq!(path(&format!("packs/ab/{hash}")), Some(FileClass::Data));
        assert_eq!(path(&format!("meta/ab/{hash}")), Some(FileClass::Meta));
        assert_eq!(path("features/write-condemn"), Some(FileClass::Feature));
        assert_eq!(path("refs/d/versions/0.0123456789abcdef"), Some(FileClass::Version));
        assert_eq!(path("refs/d/aliases/best/3.0123456789abcdef"), Some(FileClass::Alias));
        assert_eq!(path("refs/d/edits/3.0123456789abcdef"), Some(FileClass::Edit));
        assert_eq!(path("gc/0123456789abcdef"), Some(FileClass::Condemn));
        assert_eq!(path("runs/01940b7e-0000-7000-8000-000000000000/0.0123456789abcdef"), Some(FileClass::Run));
        let strange = [
            "format",
            ".gitignore",
            "local/l/tmp/x",
            "features/.DS_Store",
            "refs/../versions/0.0123456789abcdef",
            "refs/.x/versions/0.0123456789abcdef",
            "refs/d/versions/../../../x",
            "refs/d/versions/0.0123456789abcdef (conflicted copy)",
            "refs/d/aliases/latest/0.0123456789abcdef",
            "refs/d/versions/00.0123456789abcdef",
            "/gc/0123456789abcdef",
            "gc//0123456789abcdef",
            "gc/0123456789abcdef/",
            "gc/0123456789ABCDEF",
            "runs/x/0.0123456789abcdef",
            "",
        ];
        for text in strange {
            assert_eq!(path(text), None, "{text}");
        }
        assert_eq!(path(&format!("packs/cd/{hash}")), None);
        let longest = "n".repeat(128);
        assert_eq!(path(&format!("refs/{longest}/aliases/{longest}/{}.0123456789abcdef", u64::MAX)), Some(FileClass::Alias));
    }

    #[test]
    fn a_record_is_checked_against_its_name_and_its_place() {
        let record = AliasRecord {
            alias: "best".parse().unwrap(),
            artifact: "Model".parse().unwrap(),
            created_at: Time(jiff::Timestamp::UNIX_EPOCH),
            replaces: vec![],
            seq: 0,
            target: None,
        };
        let record = Record::Alias(record);
        let (id, line) = record.encode().unwrap();
        let right = StorePath::of_record(&record, id);
        assert_eq!(StorePath::parse(right.as_str()), Some(right.clone()));
        assert_eq!(right.check(&line), Ok(()));
        // As it may lie on a disk that folds case.
        let folded = StorePath::parse(&right.as_str().replace("Model", "model")).unwrap();
        assert_eq!((folded.check(&line), folded.key()), (Ok(()), right.key()));
        let elsewhere = StorePath::parse(&right.as_str().replace("Model", "other")).unwrap();
        assert_eq!(elsewhere.check(&line).unwrap_err(), "it is not the record that its name says");
        assert_eq!(right.check(&line[1..]).unwrap_err(), "its bytes do not match its name");
        let feature = StorePath::parse("features/write-condemn").unwrap();
        assert!(feature.check(b"").is_ok() && feature.check(b"x").is_err());
    }

    #[test]
    fn strangers_and_what_is_no_file_are_not_listed() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for made in ["gc/0123456789abcdee", "gc/x", "features/write-condemn", "refs/d/versions/2.0123456789abcdef"] {
            fs::create_dir_all(root.join(made).parent().unwrap()).unwrap();
            fs::write(root.join(made), "12").unwrap();
        }
        fs::create_dir_all(root.join("gc/0123456789abcdef")).unwrap();
        let listed = |classes: &[FileClass]| -> Vec<String> {
            list(&root.into(), classes).unwrap().iter().map(|file| format!("{} {}", file.path, file.len)).collect()
        };
        assert_eq!(listed(&FileClass::ALL), ["features/write-condemn 2", "gc/0123456789abcdee 2", "refs/d/versions/2.0123456789abcdef 2"]);
        assert_eq!(listed(&[FileClass::Condemn]), ["gc/0123456789abcdee 2"]);
        assert!(listed(&[FileClass::Edit]).is_empty());
    }
}
