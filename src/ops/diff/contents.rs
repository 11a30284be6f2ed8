//! What differs inside the files that differ, asked for one by one, so that memory is bounded by
//! the largest of them.

use super::content::Content;
use super::text::{TEXT_LEN_MAX, TextDiff};
use super::{Against, Change, Side};
use crate::error::Result;
use crate::format::manifest::EntryKind;
use crate::ops::restore::dest::Dest;
use crate::store::Store;

/// Reads what is inside of changes.
pub struct Contents<'s> {
    store: &'s Store,
    dir: Option<Dest>,
}

/// How what is inside of an entry differs.
#[derive(Debug)]
pub enum TextOutcome {
    /// Line by line; a symlink as a line with its target.
    Text(TextDiff),
    /// At least one side is no text: there is a NUL in its first 8,000 bytes.
    Binary,
    /// At least one side is longer than [`TEXT_LEN_MAX`].
    TooLong,
    /// There is nothing inside: an empty directory, or a reference.
    Nothing,
}

impl<'s> Contents<'s> {
    /// Begins to read changes that a comparison with `right` has found.
    pub fn new(store: &'s Store, right: &Against) -> Result<Contents<'s>> {
        let dir = if let Against::Dir(dir) = right { Some(Dest::open(dir)?) } else { None };
        Ok(Contents { store, dir })
    }

    /// Compares an entry line by line; each hunk gets `context_lines` around it.
    pub fn text(&mut self, change: &Change, context_lines: usize) -> Result<TextOutcome> {
        let mut sides = self.open_both(change)?;
        if sides.iter().all(Option::is_none) {
            return Ok(TextOutcome::Nothing);
        }
        for side in sides.iter_mut().flatten() {
            if side.is_binary()? {
                return Ok(TextOutcome::Binary);
            }
        }
        if sides.iter().flatten().any(|side| side.len > TEXT_LEN_MAX) {
            return Ok(TextOutcome::TooLong);
        }
        let all = |side: &mut Option<Content<'_>>| side.as_mut().map_or(Ok(Vec::new()), |side| side.range(0..TEXT_LEN_MAX));
        let [old, new] = &mut sides;
        let (old, new) = (all(old)?, all(new)?);
        Ok(TextOutcome::Text(TextDiff::new(old, new, context_lines)))
    }

    /// Opens what is inside on both sides.
    pub(super) fn open_both(&mut self, change: &Change) -> Result<[Option<Content<'s>>; 2]> {
        Ok([self.open(change.left())?, self.open(change.right())?])
    }

    fn open(&mut self, side: Option<Side>) -> Result<Option<Content<'s>>> {
        let Some(side) = side else { return Ok(None) };
        Ok(match (&side.kind, &mut self.dir) {
            (Some(EntryKind::File(body)), _) => Some(Content::stored(self.store, &side.path, body)?),
            (Some(EntryKind::Symlink(target)), _) => Some(Content::of_bytes(target.0.clone())),
            (None, Some(dir)) if side.info.kind == "file" => Some(Content::on_disk(dir, &side.path)?),
            _ => None,
        })
    }
}
