//! Records wherever they lie, in working trees and in commits: known by their paths, because a
//! record's name binds its bytes. One that is read from the tree is not read from any commit.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, damaged};
use crate::format::record::Record;
use crate::id::RecordId;
use crate::name::{Alias, Name};
use crate::refs::read::{Records, is_dir, parse_record_name, read_record};
use crate::store::git::Oid;
use crate::store::git::objects::{Object, Objects};
use crate::store::guard::Kept;

/// A record by its place in [`Pool`].
pub(super) type At = u32;

/// All records that some root or older commit has, each once.
#[derive(Default)]
pub(super) struct Pool {
    by_path: HashMap<PathBuf, At>,
    slots: Vec<Slot>,
}

struct Slot {
    path: PathBuf,
    /// The folder of its artifact in small letters: on some disks several artifacts share one.
    folder: String,
    record: Option<(RecordId, Record)>,
    /// Where commits have it.
    blobs: Vec<Oid>,
}

impl Pool {
    /// Takes in what has a record's name; none for a stranger.
    fn place(&mut self, path: &Path) -> Option<At> {
        if let Some(&at) = self.by_path.get(path) {
            return Some(at);
        }
        let folder = folder_of(path)?;
        let at = At::try_from(self.slots.len()).ok()?;
        self.by_path.insert(path.to_owned(), at);
        self.slots.push(Slot { path: path.to_owned(), folder, record: None, blobs: Vec::new() });
        Some(at)
    }

    /// Takes in a file of a commit or of an index.
    pub(super) fn add_blob(&mut self, path: &Path, blob: &Oid) -> Option<At> {
        let at = self.place(path)?;
        let slot = &mut self.slots[at as usize];
        if slot.record.is_none() && !slot.blobs.contains(blob) {
            slot.blobs.push(blob.clone());
        }
        Some(at)
    }

    /// Reads the records of a working tree whose store lies at `root`.
    pub(super) fn add_tree(&mut self, root: &Path) -> Result<Vec<At>> {
        let mut all = Vec::new();
        let refs = Path::new("refs");
        for artifact in subdirs(&root.join(refs))? {
            let folder = refs.join(artifact);
            let mut homes = vec![folder.join("versions"), folder.join("edits")];
            let aliases = folder.join("aliases");
            homes.extend(subdirs(&root.join(&aliases))?.into_iter().map(|alias| aliases.join(alias)));
            for home in homes {
                for name in names(&root.join(&home))? {
                    let path = home.join(name);
                    let Some(at) = self.place(&path) else { continue };
                    if self.slots[at as usize].record.is_none() {
                        let record = read_record(&root.join(&path), hash16(&path))?.and_then(|record| at_home(record, &path));
                        let shown = root.join(&path);
                        self.slots[at as usize].record = Some(record.map_err(|why| damaged("record", &shown.display().to_string(), why))?);
                    }
                    all.push(at);
                }
            }
        }
        Ok(all)
    }

    /// Reads records that have lost their places and are kept elsewhere; what is none is passed over.
    pub(super) fn add_kept(&mut self, kept: Vec<Kept>) -> Vec<At> {
        let mut all = Vec::new();
        for Kept { path, at: file } in kept {
            let Some(at) = self.place(path.as_path()) else { continue };
            if self.slots[at as usize].record.is_none() {
                let read = read_record(&file, hash16(path.as_path())).unwrap_or_else(|e| Err(e.to_string()));
                let Ok(record) = read.and_then(|record| at_home(record, path.as_path())) else { continue };
                self.slots[at as usize].record = Some(record);
            }
            all.push(at);
        }
        all
    }

    /// Reads from a repo what only commits have. A file that is not the record of its name does no
    /// harm where another commit has that record.
    pub(super) fn read_blobs(&mut self, objects: &mut Objects) -> Result<()> {
        let missing = self.slots.iter().enumerate().filter(|(_, slot)| slot.record.is_none());
        let asked: Vec<(usize, Oid)> = missing.flat_map(|(at, slot)| slot.blobs.iter().map(move |blob| (at, blob.clone()))).collect();
        let oids: Vec<Oid> = asked.iter().map(|(_, blob)| blob.clone()).collect();
        let mut wrong = HashMap::new();
        objects.each(&oids, |turn, object| {
            let at = asked[turn].0;
            let path = &self.slots[at].path;
            match decode(object, path).and_then(|record| at_home(record, path)) {
                Ok(record) => self.slots[at].record = Some(record),
                Err(why) => {
                    wrong.insert(at, why);
                }
            }
            Ok(())
        })?;
        match wrong.into_iter().find(|(at, _)| self.slots[*at].record.is_none()) {
            None => Ok(()),
            Some((at, why)) => Err(Error::damaged(format!("record '{}' in a commit is damaged: {why}", self.slots[at].path.display()))
                .hint("put the record itself there from another copy of the store, with `art repair --from DIR`")),
        }
    }

    /// Groups all records by the folders of their artifacts.
    pub(super) fn by_folder(&self) -> BTreeMap<&str, Vec<At>> {
        let mut folders = BTreeMap::<&str, Vec<At>>::new();
        for (slot, at) in self.slots.iter().zip(0..) {
            folders.entry(&slot.folder).or_default().push(at);
        }
        folders
    }

    /// Returns the folder of a record's artifact.
    pub(super) fn folder(&self, at: At) -> &str {
        &self.slots[at as usize].folder
    }

    /// Returns where a record lies, relative to the store.
    pub(super) fn path(&self, at: At) -> &Path {
        &self.slots[at as usize].path
    }

    /// Groups records by their artifacts.
    pub(super) fn by_artifact(&self, of: &[At]) -> HashMap<Name, Records> {
        let mut artifacts = HashMap::<Name, Records>::new();
        for &at in of {
            match self.slots[at as usize].record.clone() {
                Some((id, Record::Version(record))) => artifacts.entry(record.artifact.clone()).or_default().versions.push((id, *record)),
                Some((id, Record::Alias(record))) => artifacts.entry(record.artifact.clone()).or_default().aliases.push((id, record)),
                Some((id, Record::Edit(record))) => artifacts.entry(record.artifact.clone()).or_default().edits.push((id, *record)),
                _ => {}
            }
        }
        artifacts
    }
}

/// Returns the artifact's folder, in small letters, for a path where a record may lie.
fn folder_of(path: &Path) -> Option<String> {
    let parts: Vec<&str> = path.components().map(|part| part.as_os_str().to_str()).collect::<Option<_>>()?;
    let (folder, name) = match parts[..] {
        ["refs", folder, "versions" | "edits", name] => (folder, name),
        ["refs", folder, "aliases", alias, name] if alias.parse::<Alias>().is_ok() || !alias.starts_with('.') => (folder, name),
        _ => return None,
    };
    parse_record_name(name)?;
    // Anything else is a stranger's folder.
    folder.parse::<Name>().ok()?;
    Some(folder.to_ascii_lowercase())
}

fn hash16(path: &Path) -> &str {
    path.extension().and_then(|digits| digits.to_str()).unwrap_or_default()
}

fn decode(object: Object, path: &Path) -> Result<(RecordId, Record), String> {
    let Object::Blob(Some(line)) = object else { return Err("it is not a file of a record's length".to_owned()) };
    let id = RecordId::of(&line);
    if !id.has_hex_prefix(hash16(path)) {
        return Err("its bytes do not match its name".to_owned());
    }
    Record::decode(&line).map(|record| (id, record)).map_err(|e| e.to_string())
}

/// Refuses a record that lies where it would be no part of its artifact.
fn at_home(found: (RecordId, Record), path: &Path) -> Result<(RecordId, Record), String> {
    let in_versions = path.parent().is_some_and(|home| home.ends_with("versions"));
    let (artifact, number, fits) = match &found.1 {
        Record::Version(record) => (&record.artifact, record.number, in_versions),
        Record::Alias(record) => (&record.artifact, record.seq, true),
        Record::Edit(record) => (&record.artifact, record.seq, true),
        Record::Condemn(_) | Record::Lift(_) | Record::Run(_) => return Err("it is not the record that its place says".to_owned()),
    };
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    if !fits || stem != Some(&number.to_string()) {
        return Err("it is not the record that its name says".to_owned());
    }
    if folder_of(path).as_deref() != Some(&artifact.as_str().to_ascii_lowercase()) {
        return Err("it lies in the folder of another artifact".to_owned());
    }
    Ok(found)
}

fn subdirs(dir: &Path) -> Result<Vec<String>> {
    let mut dirs = Vec::new();
    for name in names(dir)? {
        if !name.starts_with('.') && is_dir(&dir.join(&name))? {
            dirs.push(name);
        }
    }
    Ok(dirs)
}

fn names(dir: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(Vec::new()),
        Err(e) => return Err(Error::io("list", dir, e)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(|e| Error::io("list", dir, e))?.file_name().into_string());
    }
    Ok(names)
}
