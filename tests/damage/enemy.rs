//! An enemy who writes stores: packs and records are as they should be, what they say is not.

use artstore::durable::{Disk, Draft};
use artstore::format::manifest::{ChunkList, Entry, EntryChild, EntryKind, EntryRows, FileBody, Index, Manifest, Page, PageType};
use artstore::format::pack::PackClass;
use artstore::format::path::{Bytes, EntryPath};
use artstore::format::record::{Record, Time, VersionRecord};
use artstore::id::{ChunkId, FileDigest, PageId};
use artstore::pack::pack_path;
use artstore::pack::writer::PackWriter;
use artstore::refs::write;

use crate::support::{Project, tree};

pub(crate) const TEXT: &[u8] = b"hostile";

/// A store that is being written with every page as given.
pub(crate) struct Enemy {
    pub(crate) project: Project,
    disk: Disk,
}

impl Enemy {
    pub(crate) fn new() -> Enemy {
        let project = Project::new();
        let local = project.outside().join("enemy");
        std::fs::create_dir(&local).unwrap();
        let disk = Disk::new(&project.store(), &local).unwrap();
        let enemy = Enemy { project, disk };
        enemy.pack(PackClass::Data, ChunkId::of(TEXT).as_bytes(), TEXT);
        enemy
    }

    pub(crate) fn pack(&self, class: PackClass, name: &[u8; 32], bytes: &[u8]) {
        self.block(class, 0, bytes.len(), bytes, &[(*name, bytes.len() as u32)]);
    }

    /// Stores one block, as it is given.
    pub(crate) fn block(&self, class: PackClass, codec: u32, raw_len: usize, stored: &[u8], chunks: &[([u8; 32], u32)]) {
        let mut pack = PackWriter::new(class, Draft::in_dir(self.project.outside()).unwrap()).unwrap();
        pack.add_block(codec, raw_len, stored, chunks).unwrap();
        let pack = pack.finish().unwrap();
        self.disk.publish(pack.draft, &pack_path(class, pack.id), |_| Ok(true)).unwrap();
    }

    pub(crate) fn chunk(&self, bytes: &[u8]) -> ChunkId {
        self.pack(PackClass::Data, ChunkId::of(bytes).as_bytes(), bytes);
        ChunkId::of(bytes)
    }

    /// Stores bytes as a page of a kind, unchecked.
    pub(crate) fn page_bytes(&self, kind: PageType, bytes: &[u8]) -> PageId {
        let id = kind.id_of(bytes);
        self.pack(PackClass::Meta, id.as_bytes(), bytes);
        id
    }

    pub(crate) fn page(&self, page: &Page) -> PageId {
        self.page_bytes(page.page_type(), &page.encode().1)
    }

    pub(crate) fn version(&self, manifest: PageId) {
        self.version_with_metadata(manifest, Vec::new());
    }

    pub(crate) fn version_with_metadata(&self, manifest: PageId, metadata_pages: Vec<PageId>) {
        let record = VersionRecord {
            artifact: "evil".parse().unwrap(),
            created_at: Time("2026-11-23T00:00:00Z".parse().unwrap()),
            description: None,
            file_count: 1,
            git: None,
            manifest,
            metadata: Default::default(),
            metadata_pages,
            number: 0,
            parents: Vec::new(),
            run: None,
            size_bytes: 1,
            stored_bytes: 1,
            tags: Vec::new(),
            ttl_seconds: None,
            artifact_type: "dataset".parse().unwrap(),
        };
        write::write(&self.disk, &Record::Version(Box::new(record))).unwrap();
    }

    /// Asserts that the version is refused by all that would make use of it, with one of the exit
    /// codes, and that nothing came of it.
    #[track_caller]
    pub(crate) fn is_refused(&self, codes: &[i32], what: &str) {
        let project = &self.project;
        project.write("there/mine", "mine");
        let before = tree(project.outside());
        for args in [
            &["get", "evil", "new"][..],
            &["get", "evil", "deep/er/new"],
            &["get", "evil", "there"],
            &["get", "evil", "there", "--force"],
            &["checkout", "evil", "there", "--force"],
            &["checkout", "evil", "new"],
        ] {
            let ran = project.art(args);
            assert!(codes.contains(&ran.code.unwrap_or(-1)), "{what} {args:?}: {:?} {} {}", ran.code, ran.text(), ran.stderr);
            let _ = std::fs::remove_dir(project.path("deep/er")).and_then(|()| std::fs::remove_dir(project.path("deep")));
            assert_eq!(tree(project.outside()), before, "{what} {args:?}");
        }
        for args in [
            &["ls-tree", "evil"][..],
            &["verify", "evil", "there"],
            &["show", "evil"],
            &["cat", "evil", "x"],
            &["put", "evil", "there", "--onto", "evil"],
        ] {
            let ran = project.art(args);
            assert!(matches!(ran.code, Some(0..=7)), "{what} {args:?}: {ran:?}");
        }
        project.remove("there");
    }

    /// The same where only damage is the right answer, which `fsck` finds, too.
    #[track_caller]
    pub(crate) fn is_damage(&self, manifest: PageId, what: &str) {
        self.version(manifest);
        self.is_refused(&[5], what);
        assert_eq!(self.project.art(["fsck"]).code, Some(5), "fsck passes over: {what}");
    }
}

pub(crate) fn path(text: &str) -> EntryPath {
    EntryPath::new(text).unwrap()
}

pub(crate) fn body(chunks: ChunkList, size_bytes: u64) -> EntryKind {
    EntryKind::File(FileBody { executable: false, size_bytes, digest: FileDigest::of(TEXT), chunks })
}

pub(crate) fn file(at: &str) -> Entry {
    Entry { path: path(at), kind: body(ChunkList::Whole, TEXT.len() as u64) }
}

pub(crate) fn link(at: &str, target: &str) -> Entry {
    Entry { path: path(at), kind: EntryKind::Symlink(Bytes(target.into())) }
}

/// A manifest of entries, with counts that fit.
pub(crate) fn manifest(entries: Vec<Entry>) -> Page {
    Page::Manifest(Manifest {
        entry_count: entries.len() as u64,
        file_count: entries.iter().filter(|entry| entry.file().is_some()).count() as u64,
        size_bytes: entries.iter().fold(0, |sum, entry| sum.saturating_add(entry.kind.size_bytes())),
        rows: EntryRows::Entries(entries),
    })
}

/// A manifest over an index, with counts that fit.
pub(crate) fn indexed(level: u32, rows: Vec<EntryChild>) -> Page {
    let (entries, bytes) = (rows.iter().map(|row| row.entries).sum(), rows.iter().map(|row| row.bytes).sum());
    Page::Manifest(Manifest { entry_count: entries, file_count: entries, size_bytes: bytes, rows: EntryRows::Index(Index { level, rows }) })
}

pub(crate) fn child(first: &str, page: PageId, entries: u64) -> EntryChild {
    EntryChild { first: path(first), page, entries, bytes: entries * TEXT.len() as u64 }
}
