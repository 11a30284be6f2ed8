//! A copy of a store in a directory of this computer, or on a share that is mounted here.
//!
//! What arrives is written by a session of that store, so its writers and `gc` know of it: packs
//! as soon as they were hashed whole, records in batches, under the lock that gives numbers.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::incomplete::are_whole;
use super::side::{Content, Files, Hash, Put, Selection, Sent, Side, Take, Wanted, read_short};
use super::{IncompleteVersion, gather, incomplete, part};
use crate::context::Context;
use crate::durable::{CopyBy, Disk, Draft, FillError, settle_all};
use crate::error::{Error, Result};
use crate::format::pack::PackClass;
use crate::id::PackId;
use crate::open::open_regular;
use crate::ops::gc;
use crate::pack::reader::{self, verify_file};
use crate::store::files::{self, FileClass, StoreFile, StorePath};
use crate::store::session::Session;
use crate::store::{Store, local};

/// Records that are published together, while the lock that gives numbers is held.
const BATCH: usize = 2048;
/// Files that are copied at a time besides one a thread: they wait for the disk.
pub(super) const WAITING: usize = 2;

/// A copy in a directory.
pub(crate) struct Dir<'s> {
    store: &'s Store,
    /// How it is told.
    name: String,
    context: &'s Context<'s>,
    copy_by: CopyBy,
    session: OnceLock<Session<'s>>,
    /// What was listed since the last time that this was settled.
    listed: Mutex<Vec<StorePath>>,
    /// Records that are to be published.
    pending: Mutex<Vec<(Draft, StorePath)>>,
    done: Mutex<Vec<(StorePath, Put)>>,
    /// Packs that were made to be read, and that this copy itself has not.
    made: Mutex<BTreeMap<StorePath, Draft>>,
    /// Where they lie if this copy cannot be written to.
    spare: OnceLock<tempfile::TempDir>,
}

impl<'s> Dir<'s> {
    pub(crate) fn new(store: &'s Store, name: &Path, context: &'s Context<'s>, copy_by: CopyBy) -> Dir<'s> {
        Dir {
            store,
            name: name.display().to_string(),
            context,
            copy_by,
            session: OnceLock::new(),
            listed: Mutex::default(),
            pending: Mutex::default(),
            done: Mutex::default(),
            made: Mutex::default(),
            spare: OnceLock::new(),
        }
    }

    /// Whether both are one directory, by whatever names.
    pub(crate) fn is_same(&self, other: &Store) -> bool {
        let look = |root: &Path| std::fs::metadata(root).map(|meta| (meta.dev(), meta.ino())).ok();
        look(self.store.root()).is_some_and(|own| look(other.root()) == Some(own))
    }

    /// Begins to write, unless this was done.
    fn session(&self) -> Result<&Session<'s>> {
        if let Some(session) = self.session.get() {
            return Ok(session);
        }
        let session = Session::begin(self.store, self.context)?;
        Ok(self.session.get_or_init(|| session))
    }

    fn put_pack(&self, class: PackClass, id: PackId, file: &StoreFile, content: Content<'_>) -> Result<Put> {
        let session = self.session()?;
        let mut draft = session.disk().draft()?;
        let len_max = file.path.class().len_max();
        let filled = match content {
            Content::File(source) => draft.fill_from_file(&source, len_max, self.copy_by),
            Content::Stream(source) => draft.fill_from(source, len_max),
        };
        let (hash, len) = match filled {
            Ok(filled) => filled,
            Err(FillError::Source(e)) => return Ok(Put::Refused(format!("it cannot be read: {e}"))),
            Err(FillError::TooLong) => return Ok(Put::Refused("it is longer than a pack may be".to_owned())),
            Err(FillError::Draft(error)) => return Err(error),
        };
        if PackId::from(hash) != id {
            return Ok(Put::Refused("its bytes do not match its name".to_owned()));
        }
        if let Err(why) = reader::check_table(draft.file(), len, class) {
            return Ok(Put::Refused(why.to_string()));
        }
        session.check()?;
        // What it holds is hashed when a writer first relies on it: until then it is not confirmed.
        let placed = session.disk().place(draft, file.path.as_path(), |there| Ok(verify_file(there, id).is_ok()))?;
        Ok(if placed { Put::Arrived } else { Put::Kept })
    }

    fn put_record(&self, file: &StoreFile, source: impl Read) -> Result<()> {
        let read = read_short(source, &file.path);
        let checked = read.map_err(|e| format!("it cannot be read: {e}")).and_then(|bytes| file.path.check(&bytes).map(|()| bytes));
        match checked {
            Ok(bytes) => {
                let mut draft = self.session()?.disk().draft()?;
                draft.write_all(&bytes)?;
                let mut pending = lock(&self.pending);
                pending.push((draft, file.path.clone()));
                if pending.len() < BATCH {
                    return Ok(());
                }
                drop(pending);
                self.publish_pending()
            }
            Err(why) => {
                lock(&self.done).push((file.path.clone(), Put::Refused(why)));
                Ok(())
            }
        }
    }

    fn publish_pending(&self) -> Result<()> {
        let pending = std::mem::take(&mut *lock(&self.pending));
        if pending.is_empty() {
            return Ok(());
        }
        let session = self.session()?;
        let paths: Vec<StorePath> = pending.iter().map(|(_, path)| path.clone()).collect();
        let drafts = pending.into_iter().map(|(draft, path)| (draft, path.as_path().to_owned())).collect();
        let _numbers = session.lock_numbers()?;
        session.check()?;
        let is_good = |at: usize, there: &Path| {
            let read = open_regular(there).and_then(|file| read_short(file, &paths[at]));
            Ok(read.is_ok_and(|bytes| paths[at].check(&bytes).is_ok()))
        };
        let placed = session.disk().publish_all(drafts, is_good)?;
        let told = paths.into_iter().zip(placed).map(|(path, placed)| (path, if placed { Put::Arrived } else { Put::Kept }));
        lock(&self.done).extend(told);
        Ok(())
    }

    /// Opens a file of this copy, or one that was made to be read.
    pub(super) fn open(&self, path: &StorePath) -> io::Result<File> {
        match lock(&self.made).get(path) {
            Some(made) => made.reopen(),
            None => open_regular(&self.store.layout().path(path.as_path())),
        }
    }

    fn read(&self, path: &StorePath) -> Sent<'static> {
        match self.open(path) {
            Ok(file) => Sent::Content(Content::File(file)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Sent::Gone,
            Err(e) => Sent::Unreadable(e.to_string()),
        }
    }

    /// Begins a file that is made to be read.
    fn spare_draft(&self) -> Result<Draft> {
        if let Some(session) = self.session.get() {
            return session.disk().draft();
        }
        let own = local::find_or_create(self.store.root(), self.context.progress);
        let draft = own.and_then(|local| Disk::new(self.store.layout(), &local)).and_then(|disk| disk.draft());
        draft.or_else(|_| {
            // A copy that cannot be written to.
            let dir = tempfile::tempdir().map_err(|e| Error::failed("cannot make a temporary directory").because(e))?;
            Draft::in_dir(self.spare.get_or_init(|| dir).path())
        })
    }
}

impl Files for Dir<'_> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn list(&self, classes: &[FileClass]) -> Result<Vec<StoreFile>> {
        let files = files::list(self.store.layout(), classes)?;
        lock(&self.listed).extend(files.iter().map(|file| file.path.clone()));
        Ok(files)
    }

    fn settle(&self) -> Result<()> {
        let listed = std::mem::take(&mut *lock(&self.listed));
        match self.session() {
            Ok(session) => session.settle(listed.iter().map(StorePath::as_path)),
            // Nothing can be noted where nothing can be written.
            Err(_) => settle_all(self.store.root()),
        }
    }

    fn send(&self, files: &[StoreFile], take: &Take<'_>) -> Result<()> {
        let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
        std::thread::scope(|scope| {
            for _ in 0..(self.context.threads + WAITING).min(files.len()) {
                scope.spawn(|| {
                    while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if let Err(error) = take(file, self.read(&file.path)) {
                            next.store(files.len(), Ordering::Relaxed);
                            lock(&failed).get_or_insert(error);
                        }
                    }
                });
            }
        });
        failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    fn put(&self, file: &StoreFile, content: Content<'_>) -> Result<()> {
        let Some((class, id)) = file.path.class().pack().zip(file.path.pack_id()) else { return self.put_record(file, content) };
        let put = self.put_pack(class, id, file, content)?;
        lock(&self.done).push((file.path.clone(), put));
        Ok(())
    }

    fn flush(&self) -> Result<Vec<(StorePath, Put)>> {
        self.publish_pending()?;
        // Packs may be all that comes.
        self.session.get().map_or(Ok(()), |session| session.disk().sync_kept())?;
        Ok(std::mem::take(&mut *lock(&self.done)))
    }
}

impl Side for Dir<'_> {
    fn select(&self, wanted: &Wanted) -> Result<Selection> {
        part::select(self.store, self.context, wanted)
    }

    fn lacks(&self, class: PackClass, hashes: &[Hash]) -> Result<Vec<bool>> {
        let index = self.store.index(class)?;
        index.refresh()?;
        Ok(hashes.iter().map(|hash| index.find_any(hash).is_none()).collect())
    }

    fn are_whole(&self, versions: &[Vec<u8>]) -> Result<Vec<bool>> {
        are_whole(self.store, self.context, versions)
    }

    fn gather(&self, class: PackClass, hashes: &[Hash], avoid: &[StorePath]) -> Result<Vec<StoreFile>> {
        let gathered = gather::gather(self.store, self.context, class, hashes, avoid, &|| self.spare_draft())?;
        let mut files = gathered.whole;
        for pack in gathered.made {
            let path = StorePath::of_pack(class, pack.id);
            files.push(StoreFile { path: path.clone(), len: pack.len });
            lock(&self.made).insert(path, pack.draft);
        }
        Ok(files)
    }

    fn dispensable(&self, packs: &[StorePath], records: &[Vec<u8>]) -> Result<Vec<StorePath>> {
        let wanted: Vec<PathBuf> = packs.iter().map(|path| path.as_path().to_owned()).collect();
        let unneeded = gc::dispensable(self.store, self.context, &wanted, records)?;
        Ok(packs.iter().filter(|path| unneeded.contains(path.as_path())).cloned().collect())
    }

    fn incomplete(&self, records: &[StorePath]) -> Result<Vec<IncompleteVersion>> {
        incomplete::incomplete(self.store, self.context, records)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
