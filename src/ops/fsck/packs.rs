//! Every pack hashed against its name, by several threads.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::context::Context;
use crate::error::{Error, ErrorKind};
use crate::format::pack::{PackClass, PackError};
use crate::id::PackId;
use crate::pack::pack_path;
use crate::pack::reader::{Opened, Pack, list};
use crate::store::Store;

use super::{Finding, FindingKind};

/// What was found of the packs.
#[derive(Default)]
pub(super) struct Checked {
    /// Packs that were hashed.
    pub(super) count: u64,
    /// Their bytes.
    pub(super) bytes: u64,
    /// Packs that are not what their names say, or cannot be read.
    pub(super) bad: HashSet<PackId>,
    pub(super) findings: Vec<Finding>,
}

pub(super) fn check(store: &Store, context: &Context<'_>) -> Checked {
    context.progress.phase("hashing packs");
    let mut checked = Checked::default();
    let mut packs = Vec::new();
    for class in [PackClass::Data, PackClass::Meta] {
        let ids = list(store.root(), class).unwrap_or_else(|error| {
            checked.findings.push(Finding::unreadable(class.dir(), &error));
            Vec::new()
        });
        for id in ids {
            match Pack::open(store.root(), class, id) {
                Opened::Pack(pack, _) => packs.push(pack),
                Opened::NotArrived(PackError::Unreadable(kind)) => {
                    checked.add(class, id, FindingKind::Unreadable, format!("it cannot be read: {kind}"));
                }
                Opened::NotArrived(why) => {
                    checked.add(class, id, FindingKind::PackNotArrived, format!("it is not a whole pack and counts as absent: {why}"));
                }
            }
        }
    }
    checked.count = packs.len() as u64;
    checked.bytes = packs.iter().map(|pack| pack.len).sum();
    context.progress.expect(checked.count, checked.bytes);
    context.progress.all_expected();
    for (pack, error) in hash_all(&packs, context) {
        checked.add_error(pack.class, pack.id, &error);
    }
    checked.findings.sort_by(|a, b| a.subject.cmp(&b.subject));
    checked
}

fn hash_all<'p>(packs: &'p [Pack], context: &Context<'_>) -> Vec<(&'p Pack, Error)> {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..context.threads.clamp(1, packs.len().max(1)) {
            scope.spawn(|| {
                while let Some(pack) = packs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = pack.verify() {
                        failed.lock().unwrap_or_else(PoisonError::into_inner).push((pack, error));
                    }
                    context.progress.advance(1, pack.len);
                }
            });
        }
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner)
}

impl Checked {
    fn add(&mut self, class: PackClass, id: PackId, kind: FindingKind, message: String) {
        self.bad.insert(id);
        self.findings.push(Finding { kind, subject: pack_path(class, id).display().to_string(), message });
    }

    fn add_error(&mut self, class: PackClass, id: PackId, error: &Error) {
        if error.kind() == ErrorKind::Damaged {
            self.add(class, id, FindingKind::DamagedPack, "its bytes do not match its name".to_owned());
        } else {
            let finding = Finding::unreadable("", error);
            self.add(class, id, FindingKind::Unreadable, finding.message);
        }
    }
}
