//! Where a lineage starts: the version or run that a text names.

use crate::error::{Error, ErrorKind, Result};
use crate::name::Ref;
use crate::quote::quote;
use crate::run_id::RunId;
use crate::store::Store;

use super::graph::{Key, Records};

/// Finds what a text names: a run's id or the first characters of one, else a ref, else a run's name.
pub(super) fn find(store: &Store, records: &Records, text: &str, threads: usize) -> Result<Key> {
    let may_be_id = RunId::is_prefix(text) && records.runs.runs.iter().any(|run| run.id.to_string().starts_with(text));
    if may_be_id || text.parse::<RunId>().is_ok() {
        return Ok(Key::Run(store.find_run(text, threads)?.id));
    }
    let named: Vec<RunId> = records.runs.runs.iter().filter(|run| run.name() == Some(text)).map(|run| run.id).collect();
    let found = text.parse::<Ref>().and_then(|wanted| match records.histories.iter().find(|history| history.artifact == wanted.artifact) {
        Some(history) => store.resolve_in(history, &wanted).map(|version| Key::Version(version.id)),
        None => store.resolve(&wanted).map(|found| Key::Version(found.version.id)),
    });
    match found {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Usage) && !named.is_empty() => match named[..] {
            [id] => Ok(Key::Run(id)),
            // Refused, as everywhere.
            _ => Ok(Key::Run(store.find_run(text, threads)?.id)),
        },
        // What can be no ref, or names no version in particular, may have been meant as either.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Usage) && !text.contains([':', '@', '~']) => {
            Err(Error::not_found(format!("cannot find an artifact or a run {}", quote(text.as_bytes())))
                .hint("`art ls` lists the artifacts of this store, `art runs` its runs"))
        }
        found => found,
    }
}
