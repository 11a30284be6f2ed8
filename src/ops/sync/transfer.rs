//! Moves files from one copy to another, class by class, so that whoever stops half-way leaves no
//! version without its bytes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::side::{Files, Put, Sent};
use crate::context::Context;
use crate::error::Result;
use crate::store::files::{FileClass, StoreFile, StorePath};

/// What became of files.
#[derive(Debug, Default)]
pub(super) struct Transfer {
    pub(super) arrived: Vec<StoreFile>,
    /// Files that are not what their names say, and why.
    pub(super) refused: Vec<(StorePath, String)>,
    /// Files that had gone before they were read.
    pub(super) gone: Vec<StorePath>,
}

/// Moves files of some classes, in the order of the classes.
pub(super) fn transfer(from: &dyn Files, to: &dyn Files, files: &[StoreFile], context: &Context<'_>, done: &mut Transfer) -> Result<()> {
    for class in FileClass::ALL {
        let some: Vec<StoreFile> = files.iter().filter(|file| file.path.class() == class).cloned().collect();
        if some.is_empty() {
            continue;
        }
        context.progress.phase(if class.pack().is_some() { "copying packs" } else { "copying records" });
        let (gone, unreadable) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
        from.send(&some, &|file, sent| {
            match sent {
                Sent::Content(content) => to.put(file, content)?,
                Sent::Gone => gone.lock().unwrap_or_else(PoisonError::into_inner).push(file.path.clone()),
                Sent::Unreadable(why) => {
                    let told = (file.path.clone(), format!("it cannot be read: {why}"));
                    unreadable.lock().unwrap_or_else(PoisonError::into_inner).push(told);
                }
            }
            context.progress.advance(1, file.len);
            Ok(())
        })?;
        let lens: HashMap<&StorePath, u64> = some.iter().map(|file| (&file.path, file.len)).collect();
        for (path, put) in to.flush()? {
            match put {
                Put::Arrived => {
                    let len = lens.get(&path).copied().unwrap_or(0);
                    done.arrived.push(StoreFile { path, len });
                }
                Put::Kept => {}
                Put::Refused(why) => done.refused.push((path, why)),
            }
        }
        done.gone.extend(gone.into_inner().unwrap_or_else(PoisonError::into_inner));
        done.refused.extend(unreadable.into_inner().unwrap_or_else(PoisonError::into_inner));
    }
    Ok(())
}
